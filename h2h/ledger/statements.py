"""Which statement a statement is: new, known already, or in conflict with a known one; and what is missing before it.

    same id, numbers and page, same content                       the same one: no second records
    same id, numbers and page, same day, another content          a conflict: nothing is booked, a person asks the bank
    same id, numbers and page, another day                        a new one: banks begin their numbers again
    flagged as a duplicate, same balances and entries as another  the same one under another id

The day is that of the closing balance, else the end of the period; without either, the year of creation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from h2h.ledger import tables as t
from h2h.model import Balance, Entry, Finding, Severity, Statement

OPENING = ("OPBD", "PRCD")
CLOSING = ("CLBD",)
DUPLICATES = ("DUPL", "CODU")
MOST_TOLD = 10  # of the numbers that are missing


class Standing(StrEnum):
    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a statement is, and the row of the one that it repeats or contradicts."""

    standing: Standing
    row: Row[Any] | None = None


def account_of(statement: Statement) -> str | None:
    return statement.iban or statement.account


def balance(statement: Statement, kinds: Sequence[str]) -> Balance | None:
    """The first balance of the first of the kinds that the statement has."""
    return next((b for kind in kinds for b in statement.balances if b.type == kind), None)


def standing(connection: Connection, bank: str, statement: Statement, entries: Sequence[Entry]) -> Known:
    c = t.statement.c
    same = {
        c.bank: bank,
        c.account: account_of(statement),
        c.statement_id: statement.statement_id,
        c.electronic_sequence_number: statement.electronic_sequence_number,
        c.legal_sequence_number: statement.legal_sequence_number,
        c.page_number: statement.page_number,
    }
    query = select(t.statement).where(*(column.is_not_distinct_from(value) for column, value in same.items()))
    named = connection.execute(query.order_by(c.id.desc())).all()
    if row := next((row for row in named if _same_content(connection, row, statement, entries)), None):
        return Known(standing=Standing.REPEATED, row=row)
    if statement.statement_id and (row := next((row for row in named if _same_day(row, statement)), None)):
        return Known(standing=Standing.CONFLICT, row=row)
    if row := _original(connection, bank, statement, entries):
        return Known(standing=Standing.REPEATED, row=row)
    return Known(standing=Standing.NEW)


def _original(connection: Connection, bank: str, statement: Statement, entries: Sequence[Entry]) -> Row[Any] | None:
    """The statement that one flagged as a duplicate repeats, under whatever id."""
    if statement.copy_duplicate not in DUPLICATES:
        return None
    c = t.statement.c
    query = select(t.statement).where(c.bank == bank, c.account == account_of(statement), c.entries == len(entries))
    rows = connection.execute(query.order_by(c.id.desc())).all()
    alike = (row for row in rows if row.closing is not None and _same_day(row, statement))
    return next((row for row in alike if _same_content(connection, row, statement, entries)), None)


def _same_day(row: Row[Any], statement: Statement) -> bool:
    closing = balance(statement, CLOSING)
    ours, theirs = (closing.date if closing else None) or statement.period_to, row.closing_date or row.period_to
    if ours and theirs:
        return bool(ours[:10] == theirs[:10])
    if statement.created_at and row.created_at:
        return bool(statement.created_at[:4] == row.created_at[:4])
    return True


def _same_content(connection: Connection, row: Row[Any], statement: Statement, entries: Sequence[Entry]) -> bool:
    opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
    totals = (opening.signed if opening else None, closing.signed if closing else None, len(entries))
    if totals != (row.opening, row.closing, row.entries) or not _same_day(row, statement):
        return False
    return _stored(connection, row.id) == Counter(_essence(entry, entry.details) for entry in entries)


def _stored(connection: Connection, statement: int) -> Counter[tuple[Any, ...]]:
    query = select(t.detail).join(t.entry, t.entry.c.id == t.detail.c.entry_id)
    details: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query.where(t.entry.c.statement_id == statement).order_by(t.detail.c.position)):
        details.setdefault(row.entry_id, []).append(row)
    rows = connection.execute(select(t.entry).where(t.entry.c.statement_id == statement))
    return Counter(_essence(row, details.get(row.id, ())) for row in rows)


def _essence(entry: Any, details: Sequence[Any]) -> tuple[Any, ...]:
    """What makes an entry, as a record or as a row, the same one as another."""
    columns = ("amount", "currency", "direction", "status", "booking_date", "value_date", "account_servicer_reference")
    said = tuple((d.end_to_end_id, d.instruction_id, d.amount) for d in details)
    return (*(getattr(entry, name) for name in columns), said)


# What is missing before a new one.


def continuity(connection: Connection, bank: str, statement: Statement) -> list[Finding]:
    """Numbers that were left out, a page that did not come, an opening that is not the last closing."""
    closing = balance(statement, CLOSING)
    if (missing := _page_before(connection, bank, statement)) or closing is None or closing.date is None:
        return missing
    day, c = closing.date[:10], t.statement.c
    of_account = select(t.statement).where(c.bank == bank, c.account == account_of(statement))
    this_year = connection.execute(of_account.where(c.closing_date.startswith(day[:4])).order_by(c.id)).all()
    field, number = _number(statement)
    numbers = {n: row for row in this_year if (n := as_number(getattr(row, field))) is not None}
    below = max((n for n in numbers if number is not None and n < number), default=None)
    if number is not None and below is not None and number - below > 1:
        return [_gap(statement, below, number)]
    if statement.page_number is not None and as_number(statement.page_number) != 1:
        return []
    earlier = of_account.where(c.closing_date < day, c.closing.is_not(None)).order_by(
        c.closing_date.desc(), c.id.desc()
    )
    before = numbers[below] if below is not None else connection.execute(earlier.limit(1)).first()
    return _opening(statement, before) if before is not None else []


def _page_before(connection: Connection, bank: str, statement: Statement) -> list[Finding]:
    page, c = as_number(statement.page_number), t.statement.c
    if page is None or page < 2:
        return []
    pages = select(c.page_number).where(
        c.bank == bank, c.account == account_of(statement), c.statement_id == statement.statement_id
    )
    if page - 1 in {as_number(row.page_number) for row in connection.execute(pages)}:
        return []
    text = f"Page {page} of statement {statement.statement_id} came, and page {page - 1} is not there. Ask the bank."
    return [_find("STATEMENT_PAGE", text, statement)]


def _number(statement: Statement) -> tuple[str, int | None]:
    fields = ("electronic_sequence_number", "legal_sequence_number")
    used = next((field for field in fields if getattr(statement, field) is not None), fields[0])
    return used, as_number(getattr(statement, used))


def as_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _gap(statement: Statement, below: int, number: int) -> Finding:
    missing = [str(n) for n in range(below + 1, min(number, below + 1 + MOST_TOLD))]
    more = ", …" if number - below - 1 > MOST_TOLD else ""
    text = (
        f"Statement {statement.statement_id} of {account_of(statement)} has number {number}, and the one before it "
        f"{below}: {', '.join(missing)}{more} did not come. Ask the bank to send what is missing."
    )
    return _find("STATEMENT_GAP", text, statement)


def _opening(statement: Statement, before: Row[Any]) -> list[Finding]:
    opening = balance(statement, OPENING)
    signed: Decimal | None = opening.signed if opening else None
    if signed is None or before.closing is None or before.currency != statement.currency or signed == before.closing:
        return []
    text = (
        f"Statement {statement.statement_id} of {account_of(statement)} opens at {signed}, but {before.statement_id} "
        f"before it closed at {before.closing} ({before.closing_date}). One may be missing between; ask the bank."
    )
    return [_find("STATEMENT_OPENING", text, statement)]


def _find(code: str, text: str, statement: Statement) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, text=text, line=statement.line)
