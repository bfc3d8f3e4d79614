"""What became of one payment file and of each payment in it, in one vocabulary for all banks: as JSON for an ERP.

One object: the file, how many payments stand at which stage with their sums, and every payment on a line of its own.
It says all that is known each time, so that whoever reads the newest one needs no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import IO

from h2h.life import Stage
from h2h.lifecycle import State
from h2h.model import total
from h2h.records import json_value, one_line
from h2h.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStanding:
    """One PmtInf of the file; `position` counts from 1."""

    position: int
    payment_information_id: str | None
    count: int
    control_sum: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStanding:
    """A transfer as it stands. `file` is the ERP's name for it; `count` and `control_sum` are what was read of it."""

    transfer: str
    bank: str
    file: str
    sha256: str
    message: str | None
    message_id: str | None
    state: State
    verdict: Verdict
    reason: str | None
    duplicate_of: str | None
    received_at: datetime
    sent_at: datetime | None
    count: int | None
    control_sum: Decimal | None
    currencies: tuple[str, ...]
    batches: tuple[BatchStanding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentStanding:
    """A payment as it stands; `batch` is the position of its PmtInf, `status` the last code that the bank said."""

    position: int
    batch: int
    payment_information_id: str | None
    instruction_id: str | None
    end_to_end_id: str | None
    uetr: str | None
    amount: Decimal | None
    currency: str | None
    stage: Stage
    means: str
    status: str | None
    reasons: tuple[Mapping[str, str], ...] = ()
    booking_date: str | None = None
    account_servicer_reference: str | None = None
    returned_on: str | None = None
    returned_amount: Decimal | None = None
    returned_currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The payments at one stage."""

    count: int
    sums: Mapping[str, Decimal]


def parts(payments: Iterable[PaymentStanding]) -> dict[Stage, Part]:
    """How many payments stand at each stage, and their sums by currency."""
    counts: dict[Stage, int] = {}
    sums: dict[Stage, dict[str, Decimal]] = {}
    for payment in payments:
        counts[payment.stage] = counts.get(payment.stage, 0) + 1
        own, currency = sums.setdefault(payment.stage, {}), payment.currency or ""
        own[currency] = total((own.get(currency), payment.amount))
    return {stage: Part(count=counts[stage], sums=sums[stage]) for stage in Stage if stage in counts}


def write_json(
    file: FileStanding,
    stages: Mapping[Stage, Part],
    payments: Iterable[PaymentStanding],
    to: IO[bytes],
    *,
    line_end: str = "\n",
) -> None:
    """All of the object but its beginning, which `headed` makes."""
    to.write(f'{_inner(file)}, "stages": {one_line(json_value(stages))}, "payments": ['.encode())
    for number, payment in enumerate(payments):
        to.write(f"{',' if number else ''}{line_end}{{{_inner(payment)}}}".encode())
    to.write(f"{line_end}]}}\n".encode())


def headed(version: int, at: datetime) -> bytes:
    """The beginning of the object: which version it is of those that were handed back, and since when it holds."""
    return f"{one_line({'version': version, 'at': json_value(at)})[:-1]}, ".encode()


def _inner(record: FileStanding | PaymentStanding) -> str:
    return one_line(json_value(record))[1:-1]
