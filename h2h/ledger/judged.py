"""What judging leaves in the ledger: earlier transfers that this one repeats, its batches and its payments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, insert, or_, select, update

from h2h.errors import NotAllowed
from h2h.ledger import tables as t
from h2h.lifecycle import FREES_MESSAGE_ID, State
from h2h.model import Batch, Finding, Judgement, Payment, Severity, TransferId, total
from h2h.verdicts import StatusStep, Verdict


class Kept(Protocol):
    """What is asked of a transfer here."""

    @property
    def id(self) -> TransferId: ...
    @property
    def bank(self) -> str: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    transfer_id: TransferId
    finding: Finding


def find_earlier(connection: Connection, row: Kept, message_id: str | None) -> Earlier | None:
    """An earlier transfer that has the same bytes (at any bank) or the same message id (at this bank).

    One that was cancelled after it had once been announced at the bank counts: the bank may have it after all.
    """
    c, name = t.transfer.c, t.remote_name.c
    announced = select(name.path).where(name.transfer_id == c.id, name.published).exists()
    live = or_(c.state.not_in([*FREES_MESSAGE_ID, State.RECEIVED]), announced)
    same_bytes = select(t.transfer).where(c.sha256 == row.sha256, c.id != row.id, live)
    same_id = select(t.transfer).where(c.bank == row.bank, c.message_id == message_id, c.id != row.id, live)
    for code, what, query in (
        ("DUPLICATE_BYTES", "The same bytes were", same_bytes),
        ("DUPLICATE_MESSAGE_ID", f"The message id {message_id} was", same_id),
    ):
        if found := connection.execute(query.order_by(c.received_at).limit(1)).first():
            text = (
                f"{what} taken before: {found.name} on {found.received_at:%Y-%m-%d %H:%M} UTC as {found.id}, "
                f"now {found.state}. Nothing is sent. If these are new payments, give the file a new message id."
            )
            finding = Finding(code=code, severity=Severity.ERROR, text=text, path="/Document/CstmrCdtTrfInitn/GrpHdr")
            return Earlier(transfer_id=TransferId(found.id), finding=finding)
    return None


def first_error(findings: Sequence[Finding]) -> str | None:
    """The reason that a list of findings comes down to; None where nothing is wrong and nobody must look."""
    errors = [f for f in findings if f.severity is Severity.ERROR]
    errors = errors or [f for f in findings if f.severity is Severity.HOLD]
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].code}: {errors[0].text}{more}"


def summarise(judgement: Judgement) -> dict[str, Any]:
    payments, header = judgement.payments, judgement.header
    dates = [b.requested_execution_date for b in judgement.batches if b.requested_execution_date]
    return {
        "message": header.message if header else None,
        "message_id": header.message_id if header else None,
        "payments": len(payments) if header else None,
        "control_sum": total(p.amount for p in payments) if header else None,
        "currencies": sorted({p.currency for p in payments if p.currency}) if header else None,
        "execution_date": min(dates, default=None),
    }


def store_payments(connection: Connection, transfer_id: TransferId, judgement: Judgement) -> None:
    members: defaultdict[int, list[Payment]] = defaultdict(list)
    for payment in judgement.payments:
        members[payment.batch].append(payment)
    batches = [_batch_row(transfer_id, batch, members[batch.position]) for batch in judgement.batches]
    payments = [_payment_row(transfer_id, payment) for payment in judgement.payments]
    for table, rows in ((t.batch, batches), (t.payment, payments)):
        if rows:
            connection.execute(insert(table), rows)


def _batch_row(transfer_id: TransferId, batch: Batch, payments: Sequence[Payment]) -> dict[str, Any]:
    return {
        "transfer_id": transfer_id,
        "position": batch.position,
        "payment_information_id": batch.payment_information_id,
        "payment_method": batch.payment_method,
        "batch_booking": batch.batch_booking,
        "payments": len(payments),
        "amount": total(p.amount for p in payments),
        "execution_date": batch.requested_execution_date,
        "debtor_name": batch.debtor_name,
        "debtor_account": batch.debtor_iban or batch.debtor_account,
        "debtor_agent": batch.debtor_agent,
        "verdict": Verdict.NONE,
    }


def _payment_row(transfer_id: TransferId, payment: Payment) -> dict[str, Any]:
    return {
        "transfer_id": transfer_id,
        "position": payment.position,
        "batch": payment.batch,
        "instruction_id": payment.instruction_id,
        "end_to_end_id": payment.end_to_end_id,
        "uetr": payment.uetr,
        "amount": payment.amount,
        "currency": payment.currency,
        "creditor_name": payment.creditor_name,
        "creditor_account": payment.creditor_iban or payment.creditor_account,
        "creditor_agent": payment.creditor_agent,
        "execution_date": payment.execution_date,
        "remittance": payment.remittance,
    }


def forget_refusal(connection: Connection, transfer_id: str, verdict: Verdict) -> None:
    """Before a refused file goes to the bank again: its payments wait for a new answer; the old reports stay.

    NotAllowed unless the bank refused all of it and never said otherwise; a report may have come just now.
    """
    c = t.report.c
    contradicted = select(c.id).where(c.transfer_id == transfer_id, c.effect == StatusStep.CONFLICT).limit(1)
    if verdict is not Verdict.REJECTED:
        raise NotAllowed(f"{transfer_id} is not sent again: the bank's verdict is {verdict}, not REJECTED.")
    if connection.execute(contradicted).first() is not None:
        text = "the bank's reports contradict each other, and it may have paid. Ask the bank."
        raise NotAllowed(f"{transfer_id} is not sent again: {text}")
    blank = {"status": None, "reasons": None}
    connection.execute(update(t.payment).where(t.payment.c.transfer_id == transfer_id).values(**blank, status_at=None))
    connection.execute(
        update(t.batch).where(t.batch.c.transfer_id == transfer_id).values(**blank, verdict=Verdict.NONE)
    )
