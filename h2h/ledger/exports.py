"""Rows for other programs: every file, payment, status, statement or entry, in columns that stay as they are.

Newest first, by the file that they are from. Rows come in pages, each by its place in an index, so that neither memory
nor time for a row grows with the ledger; what changes while an export runs is told as it was when its page was read.
A day is one of this machine's zone for what came to the gateway, and the bank's own for statements.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, func, literal, null, or_, select, type_coerce

from h2h.cash import Role
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.payment_views import dicts, payments_query, stage_of_row
from h2h.life import CODES, MEANS
from h2h.reasons import Of, explained

PAGE = 1_000


class Kind(StrEnum):
    TEXT = "text"
    AMOUNT = "amount"
    INSTANT = "instant"
    INTEGER = "integer"
    FLAG = "flag"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind = Kind.TEXT


def _columns(words: str) -> tuple[Column, ...]:
    """Names, each with its kind after a colon where it is no text."""
    return tuple(Column(name, Kind(kind or "text")) for name, _, kind in (w.partition(":") for w in words.split()))


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "files": _columns("""
        id direction bank name state verdict message message_id sha256 size:integer payments:integer control_sum:amount
        currencies:json reason duplicate_of attempts:integer due_at:instant at:instant sealed_sha256 opened_sha256
    """),
    "payments": _columns("""
        transfer bank file message_id state sent_at:instant position:integer batch instruction_id end_to_end_id uetr
        amount:amount currency creditor_name creditor_account creditor_agent debtor_account execution_date remittance
        stage means status reasons:json status_at:instant booking_date value_date booked_amount:amount booked_currency
        account_servicer_reference statement_id statement_message returned_on returned_amount:amount returned_currency
        return_reasons:json
    """),
    "statuses": _columns("""
        message bank name report_id at:instant transfer level batch:integer payment:integer original_message_id
        payment_information_id instruction_id end_to_end_id uetr amount:amount status said stage means reasons:json
        effect
    """),
    "statements": _columns("""
        message bank kind account statement_id sequence_number currency opening:amount closing:amount closing_date
        period_from period_to entries:integer matched:integer reconciles:flag page last_page:flag
    """),
    "entries": _columns("""
        message bank kind account statement_id statement:integer position:integer amount:amount currency direction
        reversal:flag status booking_date value_date reference account_servicer_reference record:json details:json
    """),
}

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows: of one bank, of these days; None for all."""

    bank: str | None = None
    since: date | None = None
    until: date | None = None  # this day included

    def within(self, at: ColumnElement[Any], bank: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Of instants."""
        found = [bank == self.bank] if self.bank else []
        found += [at >= _midnight(self.since)] if self.since else []
        return found + ([at < _midnight(self.until + timedelta(days=1))] if self.until else [])

    def dated(self, day: ColumnElement[Any], bank: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Of dates as the bank wrote them."""
        found = [bank == self.bank] if self.bank else []
        found += [day >= self.since.isoformat()] if self.since else []
        return found + ([day <= self.until.isoformat()] if self.until else [])


class Exports:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, what: str, wanted: Wanted) -> Iterator[Values]:
        """The values of each row, in the order of `COLUMNS[what]`."""
        kinds: dict[str, Callable[[Wanted], Iterator[Mapping[str, Any]]]] = {
            "files": self._files,
            "payments": self._payments,
            "statuses": self._statuses,
            "statements": self._statements,
            "entries": self._entries,
        }
        names = [column.name for column in COLUMNS[what]]
        return (tuple(row[name] for name in names) for row in kinds[what](wanted))

    def purged(self, what: str, wanted: Wanted) -> list[tuple[str, int]]:
        """How many files would have rows of this sort, had they not been purged; by which way they went."""
        ways = {"payments": (t.transfer, "received_at", "went out"), "statuses": (t.message, "fetched_at", "came in")}
        ways["entries"] = ways["statuses"]
        if what not in ways:
            return []
        table, at, way = ways[what]
        c = table.c
        query = select(func.count()).where(c.purged_at.is_not(None), *wanted.within(c[at], c.bank))
        with self._database.reading() as connection:
            count = connection.execute(query).scalar_one()
        return [(way, count)] if count else []

    def _files(self, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        both = (
            self._of_way(table, at, wanted) for table, at in ((t.transfer, "received_at"), (t.message, "fetched_at"))
        )
        return heapq.merge(*both, key=lambda row: (row["at"], row["id"]), reverse=True)

    def _of_way(self, table: Any, at: str, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        query = _out_files() if table is t.transfer else _in_files()
        query = query.where(*wanted.within(table.c[at], table.c.bank))
        for row in self._newest(query, table.c[at], table.c.id):
            yield dict(row._mapping)

    def _payments(self, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        c, p = t.transfer.c, t.payment.c
        files = select(c.id, c.received_at.label("at")).where(*wanted.within(c.received_at, c.bank))
        for file in self._newest(files, c.received_at, c.id):
            for row in self._pages(booked_payments().where(p.transfer_id == file.id), p.position):
                yield _payment(row)

    def _statuses(self, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        m, r = t.message.c, t.report.c
        query = (
            select(t.report, m.bank, m.name, m.message_id.label("report_id"), m.fetched_at.label("at"))
            .join(t.message, m.id == r.message_id)
            .where(*wanted.within(m.fetched_at, m.bank), m.purged_at.is_(None))
        )
        for row in self._pages(query, r.id, downwards=True):
            yield _status(row)

    def _statements(self, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        c = t.statement.c
        query = _statement_rows().where(*wanted.dated(_day(), c.bank))
        return (dict(row._mapping) for row in self._pages(query, c.id, downwards=True))

    def _entries(self, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
        c, e, m = t.statement.c, t.entry.c, t.message.c
        kept = select(m.id).where(m.id == c.message_id, m.purged_at.is_(None)).exists()
        statements = select(c.id, c.message_id, c.bank, c.kind, c.account, c.statement_id, c.position).where(
            *wanted.dated(_day(), c.bank), kept
        )
        for statement in self._pages(statements, c.id, downwards=True):
            entries = select(t.entry).where(e.statement_id == statement.id)
            yield from self._pages(entries, e.id, read=partial(_with_details, statement))

    # Pages.

    def _newest(self, query: Select[Any], at: ColumnElement[Any], file_id: ColumnElement[Any]) -> Iterator[Row[Any]]:
        """By instant, the newest first; the rows have `at` and `id`."""
        after: list[ColumnElement[bool]] = []
        while True:
            with self._database.reading() as connection:
                ordered = query.where(*after).order_by(at.desc(), file_id.desc()).limit(PAGE)
                page = connection.execute(ordered).all()
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1]
            after = [at <= last.at, or_(at < last.at, and_(at == last.at, file_id < last.id))]

    def _pages(
        self,
        query: Select[Any],
        key: Any,
        *,
        downwards: bool = False,
        read: Callable[[Connection, Sequence[Row[Any]]], Sequence[Any]] = lambda _, page: page,
    ) -> Iterator[Any]:
        """By a number that each row has under the name of its column."""
        after: list[ColumnElement[bool]] = []
        while True:
            with self._database.reading() as connection:
                ordered = query.where(*after).order_by(key.desc() if downwards else key).limit(PAGE)
                page = connection.execute(ordered).all()
                rows = read(connection, page)
            yield from rows
            if len(page) < PAGE:
                return
            last = getattr(page[-1], key.name)
            after = [key < last if downwards else key > last]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


def _out_files() -> Select[Any]:
    c = t.transfer.c
    return select(
        c.id, literal("out").label("direction"), c.bank, c.name, c.state, c.verdict, c.message, c.message_id, c.sha256,
        c.size, c.payments, c.control_sum, c.currencies, c.reason, c.duplicate_of, c.attempts, c.due_at,
        c.received_at.label("at"), c.sealed_sha256, null().label("opened_sha256"),
    )  # fmt: skip


def _in_files() -> Select[Any]:
    c = t.message.c
    nothing = ("verdict", "payments", "control_sum", "currencies", "attempts", "due_at", "sealed_sha256")
    return select(
        c.id, literal("in").label("direction"), c.bank, c.name, c.state, c.message, c.message_id, c.sha256, c.size,
        c.reason, c.same_as.label("duplicate_of"), c.fetched_at.label("at"), c.opened_sha256,
        *(null().label(name) for name in nothing),
    )  # fmt: skip


def booked_payments() -> Select[Any]:
    """Payments with the entry that debits them, its statement, and the entry that gives them back."""
    p, e, s, b = t.payment.c, t.entry.c, t.statement.c, t.booking.c
    back = t.entry.alias()
    gives_back = (b.entry_id == p.returned_by, b.transfer_id == p.transfer_id, b.payment == p.position)
    last = select(func.max(b.id)).where(*gives_back, b.role == Role.RETURN).correlate(t.payment).scalar_subquery()
    return (
        payments_query()
        .add_columns(
            t.transfer.c.message_id, e.booking_date, e.value_date, e.amount.label("booked_amount"),
            e.currency.label("booked_currency"), e.account_servicer_reference, s.statement_id,
            s.message_id.label("statement_message"), back.c.day.label("returned_on"),
            b.amount.label("returned_amount"), b.currency.label("returned_currency"), b.reasons.label("return_reasons"),
        )
        .outerjoin(t.entry, e.id == p.booked_by)
        .outerjoin(t.statement, s.id == e.statement_id)
        .outerjoin(back, back.c.id == p.returned_by)
        .outerjoin(t.booking, b.id == last)
    )  # fmt: skip


def _payment(row: Row[Any]) -> Mapping[str, Any]:
    stage = stage_of_row(row)
    more = {"transfer": row.transfer_id, "file": row.name, "batch": row.payment_information_id, "stage": stage}
    reasons = {"reasons": explained(row.reasons), "return_reasons": explained(row.return_reasons, Of.RETURN)}
    return {**row._mapping, **more, **reasons, "means": MEANS[stage]}


def _status(row: Row[Any]) -> Mapping[str, Any]:
    code = CODES.get(row.status or "")
    more = {"message": row.message_id, "transfer": row.transfer_id, "reasons": explained(row.reasons)}
    return {**row._mapping, **more, "stage": code.stage if code else None, "means": code.means if code else None}


def _statement_rows() -> Select[Any]:
    c = t.statement.c
    return select(
        c.id, c.message_id.label("message"), c.bank, c.kind, c.account, c.statement_id,
        func.coalesce(c.electronic_sequence_number, c.legal_sequence_number).label("sequence_number"), c.currency,
        c.opening, c.closing, c.closing_date, c.period_from, c.period_to, c.entries, c.matched, c.reconciles,
        c.page_number.label("page"), c.last_page,
    )  # fmt: skip


def _day() -> ColumnElement[Any]:
    """The day of a statement: that of its closing balance, else the end of its period, else its making or coming."""
    c, m = t.statement.c, t.message.c
    came = select(type_coerce(m.fetched_at, Text)).where(m.id == c.message_id).scalar_subquery()
    return func.substr(func.coalesce(c.closing_date, c.period_to, c.created_at, came), 1, 10)


def _with_details(statement: Row[Any], connection: Connection, page: Sequence[Row[Any]]) -> list[Mapping[str, Any]]:
    """Entries of one statement with their details, each of which says which payment of ours it is."""
    d = t.detail.c
    query = select(t.detail).where(d.entry_id.in_([row.id for row in page])).order_by(d.entry_id, d.position)
    details: dict[int, list[dict[str, Any]]] = {}
    for row in dicts(connection, query):
        ours = {"transfer": row["transfer_id"], "payment": row["payment"]} if row["transfer_id"] else {}
        details.setdefault(row["entry_id"], []).append({**row["record"], **ours})
    names = ("bank", "kind", "account", "statement_id")
    own = {"message": statement.message_id, "statement": statement.position}
    own |= {name: getattr(statement, name) for name in names}
    return [{**row._mapping, **own, "details": details.get(row.id, [])} for row in page]
