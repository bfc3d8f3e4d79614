"""What people and programs read of payments: one from the ERP's file to the bank's answers to the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select

from h2h.cash import Role
from h2h.ledger import tables as t
from h2h.ledger.lineage import SentAgain, sent_again
from h2h.life import MEANS, Stage, stage_of
from h2h.lifecycle import State
from h2h.model import total
from h2h.reasons import Of, explained
from h2h.verdicts import Verdict

LIMIT = 100
REASONS = {Role.DEBIT: Of.STATUS, Role.RETURN: Of.RETURN}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One payment from the ERP's file to the bank's answer to the statement line."""

    transfer: str
    bank: str
    file: str
    state: str
    received_at: datetime
    sent_at: datetime | None
    position: int
    batch: str | None
    instruction_id: str | None
    end_to_end_id: str | None
    uetr: str | None
    amount: Decimal | None
    currency: str | None
    creditor_name: str | None
    creditor_account: str | None
    creditor_agent: str | None
    debtor_account: str | None
    execution_date: str | None
    stage: Stage
    means: str  # the stage in words
    status: str | None
    reasons: list[dict[str, str]]
    answers: list[dict[str, Any]]
    booking: dict[str, Any] | None  # by the statement
    returned: dict[str, Any] | None
    movements: list[dict[str, Any]]  # every entry that debits it, gives it back, or announces that, as they came
    sent_again: list[SentAgain]  # the steps by which it came here from another file, and went on to others


def payment_rows(connection: Connection, *conditions: ColumnElement[bool]) -> list[PaymentRow]:
    return [_payment_row(connection, row) for row in connection.execute(payments_query().where(*conditions)).all()]


def payments_of(connection: Connection, transfer_id: str) -> list[PaymentRow]:
    """All payments of one transfer, in the order of its file."""
    query = payments_query().where(t.payment.c.transfer_id == transfer_id).order_by(t.payment.c.position)
    return [_payment_row(connection, row) for row in connection.execute(query).all()]


def dicts(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(query)]


def payments_query() -> Select[Any]:
    """Payments with what their file and their batch say of them; of a file that was purged none, whatever is left."""
    f, b, p = t.transfer.c, t.batch.c, t.payment.c
    of_file = (f.bank, f.name, f.state, f.received_at, f.sent_at, f.verdict, f.verdict_by)
    return (
        select(t.payment, *of_file, b.payment_information_id, b.debtor_account)
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.purged_at.is_(None))
    )


def _payment_row(connection: Connection, r: Row[Any]) -> PaymentRow:
    stage, movements = stage_of_row(r), _movements(connection, r)
    return PaymentRow(
        transfer=r.transfer_id, bank=r.bank, file=r.name, state=r.state, received_at=r.received_at, sent_at=r.sent_at,
        position=r.position,
        batch=r.payment_information_id, instruction_id=r.instruction_id, end_to_end_id=r.end_to_end_id, uetr=r.uetr,
        amount=r.amount, currency=r.currency, creditor_name=r.creditor_name, creditor_account=r.creditor_account,
        creditor_agent=r.creditor_agent, debtor_account=r.debtor_account, execution_date=r.execution_date,
        stage=stage, means=MEANS[stage], status=r.status, reasons=explained(r.reasons), answers=_answers(connection, r),
        booking=_booking(connection, r), returned=_returned(r, movements), movements=movements,
        sent_again=sent_again(connection, r.transfer_id, LIMIT, r.position),
    )  # fmt: skip


def stage_of_row(r: Row[Any]) -> Stage:
    noted = Verdict(r.verdict) if r.verdict_by else Verdict.NONE
    return stage_of(
        State(r.state), r.status, noted=noted, advised=r.advised_by is not None, booked=r.booked_by is not None,
        returned=r.returned_by is not None,
    )  # fmt: skip


def _answers(connection: Connection, payment: Row[Any]) -> list[dict[str, Any]]:
    """Every status that a report said of this payment, of its batch or of its file, oldest first."""
    c = t.report.c
    on_payment = (c.level == "payment") & (c.payment == payment.position)
    on_batch = (c.level == "batch") & (c.batch == payment.batch)
    query = (
        select(c.level, c.status, c.said, c.reasons, c.effect, t.message.c.id.label("message"), t.message.c.name,
               t.message.c.fetched_at.label("at"))
        .join(t.message, t.message.c.id == c.message_id)
        .where(c.transfer_id == payment.transfer_id, or_(c.level == "file", on_batch, on_payment))
        .order_by(t.message.c.fetched_at, c.id)
        .limit(LIMIT)
    )  # fmt: skip
    rows = [{**row, "reasons": explained(row["reasons"])} for row in dicts(connection, query)]
    own = {row["message"] for row in rows if row["level"] == "payment"}  # the more particular word of a report counts
    return [row for row in rows if row["level"] == "payment" or row["message"] not in own]


def _booking(connection: Connection, payment: Row[Any]) -> dict[str, Any] | None:
    if payment.booked_by is None:
        return None
    e, s = t.entry.c, t.statement.c
    query = (
        select(e.booking_date, e.value_date, e.amount, e.currency, e.direction, e.account_servicer_reference,
               s.statement_id, s.account, s.message_id.label("message"))
        .join(t.statement, s.id == e.statement_id)
        .where(e.id == payment.booked_by)
    )  # fmt: skip
    return dicts(connection, query)[0]


def _movements(connection: Connection, payment: Row[Any]) -> list[dict[str, Any]]:
    b, e, s = t.booking.c, t.entry.c, t.statement.c
    query = (
        select(b.role, b.final, b.amount, b.currency, b.reasons, e.booking_date, e.value_date, e.day,
               e.id.label("entry"), e.amount.label("entry_amount"), e.currency.label("entry_currency"),
               e.account_servicer_reference, e.reversal, s.kind, s.statement_id, s.account,
               s.message_id.label("message"))
        .join(t.entry, e.id == b.entry_id)
        .join(t.statement, s.id == e.statement_id)
        .where(b.transfer_id == payment.transfer_id, b.payment == payment.position)
        .order_by(b.id)
        .limit(LIMIT)
    )  # fmt: skip
    return [{**row, "reasons": explained(row["reasons"], REASONS[row["role"]])} for row in dicts(connection, query)]


def _returned(payment: Row[Any], movements: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The entry that gave it back; `less`: what is missing of what was paid."""
    if payment.returned_by is None:
        return None
    found = next(m for m in reversed(movements) if m["entry"] == payment.returned_by and m["role"] == Role.RETURN)
    same = found["amount"] is not None and found["currency"] == payment.currency and payment.amount is not None
    less = total((payment.amount, found["amount"].copy_negate())) if same else None
    return {**found, "less": less or None}
