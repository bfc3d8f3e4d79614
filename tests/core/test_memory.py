"""Memory does not grow with the file: ten times the payments, entries or statuses take about the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FEW, MANY = 6_000, 60_000
FEW_OF_THE_BANK, MANY_OF_THE_BANK = 2_500, 12_000
ALLOWED_MB = 12  # the payments themselves would take 50 and more
ALLOWED_OF_THE_BANK_MB = 4  # the records themselves would take 5 to 18

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


APPLYING = r"""
import re, sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from h2h.arrivals import reading_of
from h2h.ledger import Ledger
from h2h.ledger.rows import Judged, Received
from h2h.model import *
from h2h.model import PaymentStatus, Reason, StatusReport

count, folder, ending = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
now, account = datetime(2026, 11, 20, 9, 0, tzinfo=UTC), "DE02120300000000202051"

def orders():
    for n in range(1, count + 1):
        yield Payment(position=n, batch=1, payment_information_id="B", instruction_id=None, end_to_end_id=f"E{n}",
            uetr=None, amount=Decimal(n) / 100, currency="EUR", creditor_iban="FR1420041010050500013M02606")

def entries():
    yield StatementFile(message="camt.053.001.08", message_id="S")
    yield Statement(position=1, statement_id="S", message="camt.053.001.08", iban=account, currency="EUR")
    for n in range(1, count + 1):
        known = {"amount": Decimal(n) / 100, "currency": "EUR", "direction": "DBIT" if n % 3 else "CRDT"}
        detail = EntryDetail(position=1, end_to_end_id=f"E{n}", remittance=(f"Invoice {n} " * 5,), **known)
        yield Entry(position=n, statement=1, status="BOOK", booking_date="2026-11-20", details=(detail,), **known)

def statuses():
    yield StatusReport(message="pain.002.001.10", message_id="S", created_at=None, original_message_id="M",
        original_message=None, status="PART")
    for n in range(1, count + 1):
        reasons = (Reason(code="AC04", text=f"Account {n} is closed"),)
        yield PaymentStatus(position=n, batch=0, end_to_end_id=f"E{n}", status="RJCT", reasons=reasons)

def strangers():
    yield StatusReport(message="pain.002.001.10", message_id="S", created_at=None, original_message_id="M",
        original_message=None)
    for n in range(1, count + 1):
        yield PaymentStatus(position=n, batch=0, end_to_end_id=f"X{n}", status="RJCT")

ledger = Ledger("sqlite:///h2h.db", folder)
ledger.transfers.received_many(
    [Received(id=TransferId("T"), bank="acme", watch="/out", name="x", sha256="0" * 64, size=1)], now)
class Orders:
    __iter__ = lambda self: orders()
    __len__ = lambda self: count
judgement = Judgement(header=PaymentFile(message="pain.001.001.09", message_id="M"), findings=(), payments=Orders(),
    batches=[Batch(position=1, payment_information_id="B", debtor_iban=account)])
file = Judged(id=TransferId("T"), judgement=judgement)
ledger.transfers.judged_many([file], now, same_payments_within=timedelta(days=5))
with ledger._database.transaction() as connection:
    connection.exec_driver_sql("UPDATE transfer SET state = 'SENT'")
for number, kind in enumerate(ending.split()):
    reading = reading_of(globals()[kind](), scratch=folder)
    file = RemoteFile(folder="/out", name=f"{number}", size=number, modified=1)
    ledger.messages.kept(InboundId(f"M{number}"), "acme", file, str(number), now)
    message = ledger.messages.applied(InboundId(f"M{number}"), reading, now)
    assert message.state == ("APPLIED" if number == ending.split().index(kind) else "REPEATED"), message.reason
print(int(re.search(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def peak_mb(count: int, scratch: Path, doing: str = JUDGING, *more: str) -> int:
    command = [sys.executable, "-c", doing, str(count), str(scratch), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_judging_ten_times_the_payments_takes_no_more_memory(tmp_path: Path) -> None:
    few, many = peak_mb(FEW, tmp_path), peak_mb(MANY, tmp_path)
    assert many - few <= ALLOWED_MB, (few, many)


@pytest.mark.parametrize("ending", ["entries entries", "statuses", "strangers"])
def test_applying_five_times_what_the_bank_says_takes_no_more_memory(tmp_path: Path, ending: str) -> None:
    """Statements, and the same once more under another name; refusals; statuses of what we never sent."""
    peaks = []
    for count in (FEW_OF_THE_BANK, MANY_OF_THE_BANK):
        (tmp_path / f"{count}").mkdir()
        peaks.append(peak_mb(count, tmp_path / f"{count}", APPLYING, ending))
    assert peaks[1] - peaks[0] <= ALLOWED_OF_THE_BANK_MB, peaks
