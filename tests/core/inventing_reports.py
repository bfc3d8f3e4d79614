"""Invented records of a pain.002, within what its version can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from h2h.messages import MessageType
from h2h.model import BatchStatus, PaymentStatus, Record, StatusReport
from h2h.reported import Charge, OriginalTransaction, StatusCount
from tests.core.chance import Chance
from tests.core.inventing import code_or_text, groups, items, money, party, reason, structured

STATUSES = ("ACCP", "ACSC", "ACSP", "ACTC", "ACWC", "PDNG", "RJCT")
OTHERS = ("UltmtDbtr", "UltmtCdtr", "CdtrSchmeId")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldReport:
    head: StatusReport
    batches: tuple[tuple[BatchStatus, tuple[PaymentStatus, ...]], ...]

    def records(self) -> list[Record]:
        return [self.head, *(each for batch, inside in self.batches for each in (batch, *inside))]


def report(c: Chance, row: MessageType, before: Sequence[Record] = ()) -> ToldReport:
    """`before`: what stands before it in the file."""
    year = row.generation
    head = StatusReport(
        message=row.name,
        message_id=c.text(),
        created_at=c.moment(),
        original_message_id=c.text(),
        original_message=c.text(),
        original_created_at=c.maybe(c.moment),
        original_number_of_transactions=c.maybe(c.digits),
        original_control_sum=c.maybe(c.any_sum),
        status=c.maybe(lambda: _status(c, year)),
        reasons=c.some(lambda: reason(c, year)),
        counts=c.some(lambda: _count(c, year)),
        initiating_party=c.maybe(lambda: c.known_by(year)),
        forwarding_agent=c.maybe(lambda: c.known_by(year)),
        debtor_agent=c.maybe(lambda: c.known_by(year)),
        creditor_agent=c.maybe(lambda: c.known_by(year)),
    )
    batches: list[tuple[BatchStatus, tuple[PaymentStatus, ...]]] = []
    first, payments = groups(before) + 1, items(before)
    for at in range(first, first + c.below(4)):
        batch = _batch(c, year, at, head)
        inside = tuple(_payment(c, row, payments + n, batch) for n in range(1, c.below(4) + 1))
        payments += len(inside)
        batches.append((batch, inside))
    return ToldReport(head=head, batches=tuple(batches))


def _status(c: Chance, year: int) -> str:
    return c.of(STATUSES) if year == 2009 else c.code()


def _count(c: Chance, year: int) -> StatusCount:
    return StatusCount(status=_status(c, year), number=c.digits(), sum=c.maybe(c.any_sum))


def _batch(c: Chance, year: int, position: int, head: StatusReport) -> BatchStatus:
    return BatchStatus(
        position=position,
        payment_information_id=c.text(),
        original_message_id=head.original_message_id,
        number_of_transactions=c.maybe(c.digits),
        control_sum=c.maybe(c.any_sum),
        status=c.maybe(lambda: _status(c, year)),
        reasons=c.some(lambda: reason(c, year)),
        counts=c.some(lambda: _count(c, year)),
    )


def _payment(c: Chance, row: MessageType, position: int, batch: BatchStatus) -> PaymentStatus:
    year = row.generation
    original = c.maybe(lambda: _original(c, year))
    amount = original is not None and c.yes()
    return PaymentStatus(
        position=position,
        batch=batch.position,
        payment_information_id=batch.payment_information_id,
        status_id=c.maybe(c.text),
        instruction_id=c.maybe(c.text),
        end_to_end_id=c.maybe(c.text),
        uetr=c.maybe(c.uetr) if year >= 2019 else None,
        status=c.maybe(lambda: _status(c, year)),
        reasons=c.some(lambda: reason(c, year)),
        charges=c.some(lambda: _charge(c, year)),
        amount=c.amount() if amount else None,
        currency=c.currency() if amount else None,
        accepted_at=c.maybe(c.moment),
        account_servicer_reference=c.maybe(c.text),
        clearing_system_reference=c.maybe(c.text),
        original=original,
    )


def _charge(c: Chance, year: int) -> Charge:
    kind = c.below(3) if year >= 2024 else 0
    return Charge(
        amount=c.amount(),
        currency=c.currency(),
        agent=c.known_by(year),
        type=c.code() if kind == 1 else None,
        proprietary=c.text() if kind == 2 else None,
    )


def _original(c: Chance, year: int) -> OriginalTransaction:
    return OriginalTransaction(
        settlement_amount=c.maybe(lambda: money(c)),
        settlement_date=c.maybe(c.date),
        requested_execution_date=c.maybe(c.date if year == 2009 else c.date_or_moment),
        requested_collection_date=c.maybe(c.date),
        mandate_id=c.maybe(c.text),
        purpose=c.maybe(lambda: code_or_text(c)) if year >= 2019 else None,
        debtor_name=c.maybe(lambda: c.known_by(year)),
        debtor_account=c.maybe(c.account),
        debtor_agent=c.maybe(lambda: c.known_by(year)),
        creditor_name=c.maybe(lambda: c.known_by(year)),
        creditor_account=c.maybe(c.account),
        creditor_agent=c.maybe(lambda: c.known_by(year)),
        parties=tuple(party(c, role, year) for role in OTHERS if c.yes()),
        remittance=c.some(lambda: c.text(140), most=3),
        structured=c.some(lambda: structured(c, year)),
    )
