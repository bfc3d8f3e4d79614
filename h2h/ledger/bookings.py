"""Applying a camt.053: statements, entries and details as rows, and the payment that each debit executes.

A statement that is known already makes no second set of records, whatever file it comes in, and one that contradicts
a known one makes none at all (statements.py). A booked debit finds its payment by EndToEndId, amount and account; a
batch booking without details by the PmtInfId and the sum of what the bank did not refuse. What does not fit exactly is
left unmatched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from h2h.identity import NO_REFERENCE
from h2h.ledger import tables as t
from h2h.ledger.gaps import look
from h2h.ledger.statements import Standing, standing
from h2h.lifecycle import State
from h2h.model import Entry, EntryDetail, Finding, InboundId, Record, Severity, Statement, total
from h2h.pages import CLOSING, OPENING, account_of, balance
from h2h.records import plain, plain_entry
from h2h.rules import balances_add_up
from h2h.verdicts import REFUSALS

AT_THE_BANK = (State.SENT, State.PUBLISHING, State.UNCERTAIN)


def apply_statements(
    connection: Connection, message_id: InboundId, bank: str, records: Sequence[Record], now: datetime
) -> list[Finding]:
    findings: list[Finding] = []
    for statement, entries in _statements(records):
        known = standing(connection, bank, statement, entries)
        if known.row is None:
            findings += _apply(connection, message_id, bank, statement, entries)
        elif known.standing is Standing.CONFLICT:
            findings.append(_conflict(statement, known.row))
        else:
            findings.append(_repeated(statement, known.row))
    return [*findings, *look(connection, message_id, bank, records, now)]


def _statements(records: Sequence[Record]) -> Iterator[tuple[Statement, list[Entry]]]:
    entries: dict[int, list[Entry]] = {}
    for record in records:
        if isinstance(record, Entry):
            entries.setdefault(record.statement, []).append(record)
    for record in records:
        if isinstance(record, Statement):
            yield record, entries.get(record.position, [])


def _repeated(statement: Statement, known: Row[Any]) -> Finding:
    return Finding(
        code="STATEMENT_REPEATED",
        severity=Severity.WARNING,
        text=f"Statement {statement.statement_id} of {known.account} was read before, from {known.message_id}. "
        "Its records are not stored twice.",
        line=statement.line,
    )


def _conflict(statement: Statement, known: Row[Any]) -> Finding:
    return Finding(
        code="STATEMENT_CONFLICT",
        severity=Severity.ERROR,
        text=f"Statement {statement.statement_id} of {known.account} came before with another content, in "
        f"{known.message_id}. That one stays as it is, and nothing of this one is booked. Ask the bank which counts.",
        line=statement.line,
    )


def _apply(
    connection: Connection, message_id: InboundId, bank: str, statement: Statement, entries: Sequence[Entry]
) -> list[Finding]:
    reconciles, finding = balances_add_up(statement, entries)
    row = _statement_row(message_id, bank, statement, entries, reconciles)
    number: int = connection.execute(insert(t.statement).values(**row).returning(t.statement.c.id)).scalar_one()
    matched = sum(_apply_entry(connection, bank, number, row["account"], entry) for entry in entries)
    connection.execute(update(t.statement).where(t.statement.c.id == number).values(matched=matched))
    return [finding] if finding else []


def _statement_row(
    message_id: InboundId, bank: str, statement: Statement, entries: Sequence[Entry], reconciles: bool | None
) -> dict[str, Any]:
    opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
    columns = (
        "position", "statement_id", "currency", "electronic_sequence_number", "legal_sequence_number",
        "page_number", "last_page", "created_at", "period_from", "period_to",
    )  # fmt: skip
    return {
        **{name: getattr(statement, name) for name in columns},
        "message_id": message_id,
        "bank": bank,
        "account": account_of(statement),
        "opening": opening.signed if opening else None,
        "closing": closing.signed if closing else None,
        "closing_date": closing.date if closing else None,
        "entries": len(entries),
        "matched": 0,
        "reconciles": reconciles,
        "record": plain(statement),
    }


def _apply_entry(connection: Connection, bank: str, statement: int, account: str | None, entry: Entry) -> int:
    """Store one entry with its details; the number of payments found to be executed by it."""
    columns = (
        "position", "amount", "currency", "direction", "reversal", "status", "booking_date", "value_date",
        "reference", "account_servicer_reference", "batch_payment_information_id",
    )  # fmt: skip
    values = {name: getattr(entry, name) for name in columns}
    number: int = connection.execute(
        insert(t.entry).values(**values, statement_id=statement, record=plain_entry(entry)).returning(t.entry.c.id)
    ).scalar_one()
    rows = [_detail_row(number, d) for d in entry.details]
    executes = entry.direction == "DBIT" and not entry.reversal and entry.status in (None, "BOOK")
    matched = _match(connection, bank, number, account, entry, rows) if executes else 0
    if rows:
        connection.execute(insert(t.detail), rows)
    return matched


def _detail_row(entry: int, detail: EntryDetail) -> dict[str, Any]:
    columns = (
        "position", "end_to_end_id", "instruction_id", "payment_information_id", "uetr", "amount", "currency",
        "direction",
    )  # fmt: skip
    values = {name: getattr(detail, name) for name in columns}
    return {"entry_id": entry, "transfer_id": None, "payment": None, **values, "record": plain(detail)}


def _match(
    connection: Connection, bank: str, number: int, account: str | None, entry: Entry, rows: list[dict[str, Any]]
) -> int:
    matched = 0
    for detail, row in zip(entry.details, rows, strict=True):
        if payment := _payment(connection, bank, account, detail):
            row["transfer_id"], row["payment"] = payment.transfer_id, payment.position
            p = t.payment.c
            connection.execute(
                update(t.payment)
                .where(p.transfer_id == payment.transfer_id, p.position == payment.position)
                .values(booked_by=number)
            )
            matched += 1
    if not matched and all(_reference(d) is None for d in entry.details):
        matched = _match_batch(connection, bank, account, number, entry)
    return matched


def _reference(detail: EntryDetail) -> str | None:
    named = detail.end_to_end_id
    return None if named is None or named.upper() in NO_REFERENCE else named


def _payment(connection: Connection, bank: str, account: str | None, detail: EntryDetail) -> Row[Any] | None:
    """The oldest payment, not booked yet, with this EndToEndId, amount, currency and debtor account."""
    named = _reference(detail)
    if named is None or detail.direction == "CRDT":
        return None
    query = (
        _at_the_bank(bank, account)
        .where(t.payment.c.end_to_end_id == named, t.payment.c.booked_by.is_(None))
        .order_by(t.transfer.c.sent_at.nulls_last(), t.transfer.c.received_at, t.payment.c.position)
    )
    said = {(detail.amount, detail.currency), (detail.instructed_amount, detail.instructed_currency)}
    return next((row for row in connection.execute(query) if (row.amount, row.currency) in said), None)


def _match_batch(connection: Connection, bank: str, account: str | None, number: int, entry: Entry) -> int:
    """A batch booked in one sum: all of its payments that the bank did not refuse, if they come to that sum."""
    named = entry.batch_payment_information_id or next(
        (d.payment_information_id for d in entry.details if d.payment_information_id), None
    )
    if named is None:
        return 0
    p = t.payment.c
    query = _at_the_bank(bank, account).where(
        t.batch.c.payment_information_id == named,
        p.booked_by.is_(None),
        or_(p.status.is_(None), p.status.not_in(REFUSALS)),
    )
    payments = connection.execute(query).all()
    if len({(r.transfer_id, r.batch) for r in payments}) != 1 or _total(payments) != entry.amount:
        return 0
    chosen = p.transfer_id == payments[0].transfer_id
    chosen &= (p.batch == payments[0].batch) & or_(p.status.is_(None), p.status.not_in(REFUSALS))
    connection.execute(update(t.payment).where(chosen).values(booked_by=number))
    return len(payments)


def _total(payments: Sequence[Row[Any]]) -> Decimal:
    return total(r.amount for r in payments)


def _at_the_bank(bank: str, account: str | None) -> Any:
    """Payments of files that the bank has, debited to the account where that is known."""
    p, b, f = t.payment.c, t.batch.c, t.transfer.c
    query = (
        select(p.transfer_id, p.position, p.batch, p.amount, p.currency)
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.bank == bank, f.state.in_(AT_THE_BANK))
    )
    return query.where(or_(b.debtor_account == account, b.debtor_account.is_(None))) if account else query
