"""Memory does not grow with the file: judging ten times the payments takes about the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FEW, MANY = 6_000, 60_000
ALLOWED_MB = 12  # the payments themselves would take 50 and more

JUDGING = r"""
import re, sys
from decimal import Decimal
from pathlib import Path
from h2h.model import Address, Batch, Payment, PaymentFile
from h2h.outbound.judge import judge
from h2h.rules import Terms

def records(count):
    yield PaymentFile(message="pain.001.001.09", message_id="M", number_of_transactions=str(count))
    yield Batch(position=1, payment_information_id="B")
    for n in range(1, count + 1):
        place = Address(place="Cdtr/PstlAdr", name=f"Creditor {n}", town=f"Town {n}", country="DE")
        yield Payment(
            position=n, batch=1, payment_information_id="B", instruction_id=f"I{n}", end_to_end_id=f"E{n}",
            uetr=f"{n:036}", amount=Decimal(n) / 100, currency="EUR", creditor_name=f"Creditor {n}",
            creditor_iban="DE02120300000000202051", remittance=f"Invoice {n}" * 5, addresses=(place,), line=n,
        )

judgement = judge(records(int(sys.argv[1])), Terms(), Path(sys.argv[2]))
assert judgement.good and len(judgement.payments) == int(sys.argv[1]), judgement.findings
assert sum(1 for _ in judgement.payments) == int(sys.argv[1])
print(int(re.search(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def peak_mb(count: int, scratch: Path) -> int:
    command = [sys.executable, "-c", JUDGING, str(count), str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_judging_ten_times_the_payments_takes_no_more_memory(tmp_path: Path) -> None:
    few, many = peak_mb(FEW, tmp_path), peak_mb(MANY, tmp_path)
    assert many - few <= ALLOWED_MB, (few, many)
