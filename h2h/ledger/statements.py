"""Which statement a statement is: new, known already, or in conflict with a known one.

    same id, numbers and page, same content                       the same one: no second records
    same id, numbers and page, same day, another content          a conflict: nothing is booked, a person asks the bank
    same id, numbers and page, another day                        a new one: banks begin their numbers again
    flagged as a duplicate, same balances and entries as another  the same one under another id

The day is that of the closing balance, else the end of the period; without either, the year of creation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, select, true

from h2h.cash import Kind, kind_of
from h2h.identity import amount_key
from h2h.ledger import tables as t
from h2h.model import Entry, EntryDetail, Statement
from h2h.pages import CLOSING, OPENING, account_of, balance, day_of

DUPLICATES = ("DUPL", "CODU")
STREAMED = {"yield_per": 1_000}


class Standing(StrEnum):
    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a statement is, and the row of the one that it repeats or contradicts."""

    standing: Standing
    row: Row[Any] | None = None


def standing(connection: Connection, bank: str, statement: Statement, entries: Collection[Entry]) -> Known:
    c = t.statement.c
    same = {
        c.bank: bank,
        c.account: account_of(statement),
        c.statement_id: statement.statement_id,
        c.electronic_sequence_number: statement.electronic_sequence_number,
        c.legal_sequence_number: statement.legal_sequence_number,
        c.page_number: statement.page_number,
        c.kind: kind_of(statement.message),
    }
    query = select(t.statement).where(*(_is(column, value) for column, value in same.items()))
    named = connection.execute(query.order_by(c.id.desc())).all()
    content = Content(statement, entries)
    if row := next((row for row in named if _same_content(connection, row, content)), None):
        return Known(standing=Standing.REPEATED, row=row)
    settles = kind_of(statement.message) is Kind.STATEMENT and statement.statement_id  # the others grow, and go by
    if settles and (row := next((row for row in named if _same_day(row, statement)), None)):
        return Known(standing=Standing.CONFLICT, row=row)
    if row := _original(connection, bank, content):
        return Known(standing=Standing.REPEATED, row=row)
    return Known(standing=Standing.NEW)


def _is(column: Any, value: object) -> Any:
    """Equal, or both empty; written so that every database uses its index."""
    return column.is_(None) if value is None else column == value


class Content:
    """What a statement says, and what its entries come to, which is found once, however many it is held against."""

    def __init__(self, statement: Statement, entries: Collection[Entry]) -> None:
        self.statement, self._entries = statement, entries
        opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
        self.totals = (opening.signed if opening else None, closing.signed if closing else None, len(entries))

    @cached_property
    def of_entries(self) -> int:
        return _of_all(_essence(entry, entry.details) for entry in self._entries)


def _original(connection: Connection, bank: str, content: Content) -> Row[Any] | None:
    """The statement that one flagged as a duplicate repeats, under whatever id, whichever of the two came first."""
    c, statement, day = t.statement.c, content.statement, day_of(content.statement)
    query = select(t.statement).where(
        c.bank == bank, c.account == account_of(statement), c.kind == kind_of(statement.message),
        c.entries == content.totals[-1], c.closing.is_not(None), c.day == day.isoformat() if day else true(),
    )  # fmt: skip
    if day is None and statement.copy_duplicate not in DUPLICATES:
        return None
    rows = connection.execute(query.order_by(c.id.desc())).all()
    alike = (row for row in rows if _is_duplicate(row, statement) and _same_day(row, statement))
    return next((row for row in alike if _same_content(connection, row, content)), None)


def _is_duplicate(row: Row[Any], statement: Statement) -> bool:
    """One of the two is flagged so, and their numbers do not tell them apart."""
    names = ("electronic_sequence_number", "legal_sequence_number")
    numbers = [(getattr(row, name), getattr(statement, name)) for name in names]
    flagged = statement.copy_duplicate in DUPLICATES or row.record.get("copy_duplicate") in DUPLICATES
    return flagged and all(known == said or None in (known, said) for known, said in numbers)


def _same_day(row: Row[Any], statement: Statement) -> bool:
    closing = balance(statement, CLOSING)
    ours, theirs = (closing.date if closing else None) or statement.period_to, row.closing_date or row.period_to
    if ours and theirs:
        return bool(ours[:10] == theirs[:10])
    if statement.created_at and row.created_at:
        return bool(statement.created_at[:4] == row.created_at[:4])
    return True


def _same_content(connection: Connection, row: Row[Any], content: Content) -> bool:
    if content.totals != (row.opening, row.closing, row.entries) or not _same_day(row, content.statement):
        return False
    known = row.essence or stored_essence(connection, row.id)  # whose entries were purged, or stand there
    return known == str(content.of_entries)


def stored_essence(connection: Connection, statement: int) -> str:
    """What the entries of a statement come to, as it is kept when they go."""
    return str(_stored(connection, statement))


def _stored(connection: Connection, statement: int) -> int:
    e, d = t.entry.c, t.detail.c
    query = (
        select(
            e.id, *(e[name] for name in ESSENCE), d.position, d.end_to_end_id, d.instruction_id, d.amount.label("of")
        )
        .outerjoin(t.detail, d.entry_id == e.id)
        .where(e.statement_id == statement)
        .order_by(e.id, d.position)
    )
    with connection.execute(query, execution_options=STREAMED) as rows:
        groups = (list(group) for _, group in groupby(rows, key=lambda row: row.id))
        return _of_all(_essence_of(group) for group in groups)


def _of_all(essences: Iterable[tuple[Any, ...]]) -> int:
    """A number that other entries do not come to, in whatever order they stand."""
    return sum(int.from_bytes(sha256(repr(each).encode()).digest(), "big") for each in essences)


ESSENCE = (
    "amount",
    "reversal",
    "currency",
    "direction",
    "status",
    "booking_date",
    "value_date",
    "account_servicer_reference",
)


def _essence(entry: Entry, details: Sequence[EntryDetail]) -> tuple[Any, ...]:
    """What makes an entry the same one as another, as plain words."""
    amount, reversal, *rest = (getattr(entry, name) for name in ESSENCE)
    said = tuple((d.end_to_end_id, d.instruction_id, _key(d.amount)) for d in details)
    return (_key(amount), bool(reversal), *rest, said)


def _essence_of(rows: Sequence[Any]) -> tuple[Any, ...]:
    """The same of an entry's row, once for each of its details; or once, with empty ones, where there are none."""
    amount, reversal, *rest = (getattr(rows[0], name) for name in ESSENCE)
    said = tuple((d.end_to_end_id, d.instruction_id, _key(d.of)) for d in rows if d.position is not None)
    return (_key(amount), bool(reversal), *rest, said)


def _key(amount: Decimal | None) -> str | None:
    return None if amount is None else amount_key(amount) if amount else "0"
