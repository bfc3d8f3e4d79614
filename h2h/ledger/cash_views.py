"""What the ledger knows of the cash leg on some days: the rows over which `h2h.closure` decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select, tuple_

from h2h.cash import Kind, Role
from h2h.closure import CashRow, CashRows
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.candidates import AT_THE_BANK
from h2h.ledger.database import Database
from h2h.lifecycle import State
from h2h.model import total
from h2h.reasons import Of, in_words
from h2h.verdicts import REFUSALS, STATION, Verdict, verdict_of

MOST = 10_000  # rows of one sort
ACCEPTED = sorted(status for status in STATION if verdict_of(status) is Verdict.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """From one day to another, both in it; of one bank, or of all."""

    since: date
    until: date
    bank: str | None = None

    def of(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """A date as it stands in a file, perhaps with a time or a zone."""
        return and_(column >= self.since.isoformat(), column < (self.until + timedelta(days=1)).isoformat())

    def at(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        first = datetime.combine(self.since, time()).astimezone()
        return and_(column >= first, column < first + (self.until + timedelta(days=1) - self.since))

    def where(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        return [column == self.bank] if self.bank else []


class Cash:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, days: Days) -> CashRows:
        with self._database.reading() as connection:
            sorts = (_accepted, _unmatched, _repeated, _refused, _returned)
            accepted, unmatched, repeated, refused, returned = (sort(connection, days) for sort in sorts)
        full = any(len(rows) >= MOST for rows in (accepted, unmatched, repeated, refused, returned))
        return CashRows(
            accepted=accepted, unmatched=unmatched, repeated=repeated, refused=refused, returned=returned, cut=full
        )  # fmt: skip


def _accepted(connection: Connection, days: Days) -> list[CashRow]:
    """Accepted by a report, or by a person's note of what the bank said; and not debited, nor announced."""
    p, f = t.payment.c, t.transfer.c
    noted = and_(p.status.is_(None), f.verdict == Verdict.ACCEPTED, f.verdict_by.is_not(None))
    query = _payments(days).where(
        f.state == State.SENT, or_(p.status.in_(ACCEPTED), noted), p.booked_by.is_(None), p.advised_by.is_(None),
        p.returned_by.is_(None),
        or_(days.of(p.execution_date), and_(p.execution_date.is_(None), days.at(f.sent_at))),
    )  # fmt: skip
    rows = connection.execute(query.order_by(p.execution_date, p.transfer_id, p.position).limit(MOST))
    return [_payment(row) for row in rows]


def _refused(connection: Connection, days: Days) -> list[CashRow]:
    p, e = t.payment.c, t.entry.c
    query = _with_entry(_payments(days), p.booked_by).where(
        days.of(e.day), p.status.in_(REFUSALS), p.returned_by.is_(None)
    )
    rows = connection.execute(query.order_by(e.day, e.id, p.position).limit(MOST))
    return [_payment(row, day=row.day, says=in_words(row.reasons) or None, **_where(row)) for row in rows]


def _returned(connection: Connection, days: Days) -> list[CashRow]:
    p, e, b = t.payment.c, t.entry.c, t.booking.c
    query = (
        _with_entry(_payments(days), p.returned_by)
        .add_columns(b.amount.label("back"), b.currency.label("back_currency"), b.reasons.label("why"))
        .join(t.booking, (b.entry_id == e.id) & (b.transfer_id == p.transfer_id) & (b.payment == p.position))
        .where(days.of(e.day), b.role == Role.RETURN, b.final)
    )
    rows = connection.execute(query.order_by(e.day, e.id, p.position).limit(MOST)).all()
    return [_payment(row, **_where(row), **_back(row)) for row in rows]


def _back(row: Row[Any]) -> dict[str, Any]:
    same = row.back is not None and row.amount is not None and row.back_currency == row.currency
    less = total((row.amount, row.back.copy_negate())) if same else None
    return {
        "day": row.day, "amount": row.back, "currency": row.back_currency, "less": less or None,
        "says": in_words(row.why, Of.RETURN) or None,
    }  # fmt: skip


def _repeated(connection: Connection, days: Days) -> list[CashRow]:
    """Payments that were debited in these days, and more than once altogether; `debits` less what was given back."""
    p, b, e = t.payment.c, t.booking.c, t.entry.c
    lately = (
        select(b.transfer_id, b.payment)
        .join(t.entry, e.id == b.entry_id)
        .where(days.of(e.day), b.role == Role.DEBIT, b.final)
    )
    debits = func.sum(case((b.role == Role.DEBIT, 1), else_=-1))
    often = (
        select(b.transfer_id, b.payment, debits.label("debits"), func.max(b.entry_id).label("last"))
        .where(b.final, tuple_(b.transfer_id, b.payment).in_(lately))
        .group_by(b.transfer_id, b.payment)
        .having(debits > 1)
        .subquery()
    )
    of_them = _payments(days).join(often, (often.c.transfer_id == p.transfer_id) & (often.c.payment == p.position))
    query = _with_entry(of_them, often.c.last).add_columns(often.c.debits)
    rows = connection.execute(query.order_by(e.day, e.id, p.position).limit(MOST))
    return [_payment(row, day=row.day, debits=row.debits, **_where(row)) for row in rows]


def _payments(days: Days) -> Select[Any]:
    f, b, p = t.transfer.c, t.batch.c, t.payment.c
    return (
        select(p.transfer_id, p.position, p.amount, p.currency, p.end_to_end_id, p.instruction_id, p.uetr, p.status,
               p.reasons, p.creditor_name, p.execution_date, f.bank, f.sent_at, b.debtor_account)
        .select_from(t.payment)
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.purged_at.is_(None), *days.where(f.bank))
    )  # fmt: skip


def _with_entry(query: Select[Any], by: ColumnElement[Any]) -> Select[Any]:
    e, s = t.entry.c, t.statement.c
    return (
        query.add_columns(e.day, e.account_servicer_reference, s.message_id, s.statement_id)
        .join(t.entry, e.id == by)
        .join(t.statement, s.id == e.statement_id)
    )


def _payment(row: Row[Any], **more: Any) -> CashRow:
    values: dict[str, Any] = {
        "bank": row.bank, "account": row.debtor_account, "amount": row.amount, "currency": row.currency,
        "transfer": row.transfer_id, "payment": row.position, "creditor_name": row.creditor_name,
        "reference": row.end_to_end_id or row.instruction_id or row.uetr, "execution_date": row.execution_date,
        "status": row.status, "sent_at": row.sent_at,
    }  # fmt: skip
    return CashRow(**values | more)


def _where(row: Row[Any]) -> dict[str, Any]:
    return {
        "message": row.message_id,
        "statement_id": row.statement_id,
        "account_servicer_reference": row.account_servicer_reference,
    }


# Debits that are no payment of ours, on accounts that we pay from.


def _unmatched(connection: Connection, days: Days) -> list[CashRow]:
    accounts = _paid_from(connection, days)
    whole = connection.execute(_entries(days, accounts).limit(MOST)).all()
    parts = connection.execute(_parts(days, accounts).limit(MOST)).all()
    rows = [_debit(row, row.amount, row.currency) for row in whole]
    rows += [_debit(row, row.detail_amount, row.detail_currency) for row in parts]
    return sorted(rows, key=lambda row: (row.day or "", row.message or ""))[:MOST]


def _paid_from(connection: Connection, days: Days) -> list[tuple[str, str]]:
    """Banks and accounts, as statements write them, that files at that bank debit."""
    f, b, s = t.transfer.c, t.batch.c, t.statement.c
    ours = select(f.bank, b.debtor_account).join(t.transfer, f.id == b.transfer_id).where(f.state.in_(AT_THE_BANK))
    paid = {
        (row.bank, account_key(row.debtor_account or ""))
        for row in connection.execute(ours.where(*days.where(f.bank)).distinct())
    }
    told = connection.execute(select(s.bank, s.account).where(*days.where(s.bank), s.account.is_not(None)).distinct())
    return [(row.bank, row.account) for row in told if (row.bank, account_key(row.account)) in paid]


def _debits(days: Days, accounts: Sequence[tuple[str, str]]) -> Select[Any]:
    e, s, d = t.entry.c, t.statement.c, t.detail.c
    return (
        select(e.id, e.day, e.amount, e.currency, e.account_servicer_reference, e.record, s.bank, s.account,
               s.message_id, s.statement_id, d.record.label("detail"), d.amount.label("detail_amount"),
               d.currency.label("detail_currency"))
        .select_from(t.entry)
        .join(t.statement, s.id == e.statement_id)
        .join(t.message, t.message.c.id == s.message_id)
        .where(
            t.message.c.purged_at.is_(None), days.of(e.day),
            e.direction == "DBIT", or_(e.status.is_(None), e.status == "BOOK"),
            s.kind == Kind.STATEMENT, tuple_(s.bank, s.account).in_(accounts), *days.where(s.bank),
        )
        .order_by(e.day, e.id)
    )  # fmt: skip


def _entries(days: Days, accounts: Sequence[tuple[str, str]]) -> Select[Any]:
    """Of which nothing is ours; beside each the first of its details."""
    e, b, d = t.entry.c, t.booking.c, t.detail.c
    ours = select(b.id).where(b.entry_id == e.id, b.final).exists()
    query = _debits(days, accounts).outerjoin(t.detail, (d.entry_id == e.id) & (d.position == 1))
    return query.where(~ours)


def _parts(days: Days, accounts: Sequence[tuple[str, str]]) -> Select[Any]:
    """Details that are not ours, of entries whose other details are."""
    e, b, d = t.entry.c, t.booking.c, t.detail.c
    others = select(b.id).where(b.entry_id == e.id, b.final, b.detail.is_not(None)).exists()
    own = or_(d.direction.is_(None), d.direction == "DBIT")
    return _debits(days, accounts).join(t.detail, d.entry_id == e.id).where(others, d.transfer_id.is_(None), own)


def _debit(row: Row[Any], amount: Any, currency: str | None) -> CashRow:
    entry, detail = row.record, row.detail or {}
    said = (
        detail.get("creditor_name"), *detail.get("remittance", ())[:1], detail.get("additional_information"),
        entry.get("additional_information"),
    )  # fmt: skip
    return CashRow(
        bank=row.bank, account=row.account, amount=amount, currency=currency, day=row.day,
        says="; ".join(word for word in said if word) or None, reference=detail.get("end_to_end_id"),
        creditor_name=detail.get("creditor_name"),
        transaction_code=detail.get("transaction_code") or entry.get("transaction_code"),
        proprietary_code=detail.get("proprietary_code") or entry.get("proprietary_code"), **_where(row),
    )  # fmt: skip
