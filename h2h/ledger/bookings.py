"""Applying a camt.052, .053 or .054: statements, entries and details as rows, and what each entry does to our payments.

A statement that is known already makes no second set of records, whatever file it comes in, and one that contradicts
a known one makes none at all (statements.py). What an entry does is decided in matching.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from h2h.cash import Kind, kind_of
from h2h.gathered import Gathered, Joined
from h2h.ledger import tables as t
from h2h.ledger.bulk import allot, store
from h2h.ledger.candidates import Place, told_in
from h2h.ledger.cash_findings import cash_findings
from h2h.ledger.findings import Found
from h2h.ledger.gaps import look, placed
from h2h.ledger.matching import Link, Matching
from h2h.ledger.statements import Standing, standing
from h2h.ledger.window import SIZE
from h2h.model import Entry, Finding, InboundId, Severity, Statement, StatementFile
from h2h.pages import CLOSING, OPENING, Booked, account_of, balance
from h2h.records import without_details
from h2h.rules import balances_add_up

CREDIT = "CRDT"
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def apply_statements(
    connection: Connection, message_id: InboundId, bank: str, records: Gathered, now: datetime
) -> Found:
    found = Found()
    for head, statement, entries in _statements(records):
        known = standing(connection, bank, statement, entries)
        if known.row is None:
            arrival = Arrival(message_id=message_id, bank=bank, head=head, now=now)
            found.extend(_apply(connection, arrival, statement, entries))
        elif known.standing is Standing.CONFLICT:
            found.add(_conflict(statement, known.row))
        else:
            found.add(_repeated(statement, known.row))
    found.extend(look(connection, message_id, bank, now))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a statement came: in which of our messages, from whom, under which head, and when."""

    message_id: InboundId
    bank: str
    head: StatementFile | None
    now: datetime


def _statements(records: Gathered) -> Iterator[tuple[StatementFile | None, Statement, Joined[Entry]]]:
    """Each statement with the head of the message that it stands in, and its entries, which stay where they are."""
    head: StatementFile | None = None
    latest: tuple[StatementFile | None, Statement, Joined[Entry]] | None = None
    for run in records.runs():
        if run.kind is Entry:
            assert latest is not None, "an entry stands before any statement"
            latest[2].append(run)
        elif run.kind is StatementFile:
            *_, head = run
        elif run.kind is Statement:
            for statement in run:
                if latest is not None:
                    yield latest
                latest = head, statement, Joined()
    if latest is not None:
        yield latest


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
    connection: Connection, arrival: Arrival, statement: Statement, entries: Collection[Entry]
) -> Iterator[Finding]:
    kind, file_id = kind_of(statement.message), arrival.head.message_id if arrival.head else None
    row = _statement_row(arrival, statement, len(entries))
    number: int = connection.execute(insert(t.statement).values(**row).returning(t.statement.c.id)).scalar_one()
    place = Place(
        bank=arrival.bank, account=row["account"], statement=number, kind=kind, message_id=file_id,
        told_here=_told_here(connection, file_id),
    )  # fmt: skip
    day = _day(row["closing_date"], statement.period_to, statement.created_at) or f"{arrival.now:%Y-%m-%d}"
    booked = Booked(statement)
    matching = _apply_entries(connection, place, entries, booked, day)
    reconciles, finding = balances_add_up(statement, booked.total) if kind is Kind.STATEMENT else (None, None)
    known = placed(statement, arrival.head, booked.own, arrival.now) if arrival.head else {}
    known |= {"matched": matching.debited, "reconciles": reconciles}
    connection.execute(update(t.statement).where(t.statement.c.id == number).values(**known))
    if finding:
        yield finding
    yield from cash_findings(connection, place, matching, statement.line)


def _told_here(connection: Connection, file_id: str | None) -> bool:
    query = told_in(file_id)
    return query is not None and connection.execute(query).first() is not None


def _statement_row(arrival: Arrival, statement: Statement, entries: int) -> dict[str, Any]:
    """Without what its entries come to."""
    opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
    columns = (
        "position", "statement_id", "currency", "electronic_sequence_number", "legal_sequence_number",
        "page_number", "last_page", "created_at", "period_from", "period_to",
    )  # fmt: skip
    return {
        **{name: getattr(statement, name) for name in columns},
        "message_id": arrival.message_id,
        "bank": arrival.bank,
        "kind": kind_of(statement.message),
        "account": account_of(statement),
        "opening": opening.signed if opening else None,
        "closing": closing.signed if closing else None,
        "closing_date": closing.date if closing else None,
        "entries": entries,
        "matched": 0,
        "record": statement,
    }


def _apply_entries(
    connection: Connection, place: Place, entries: Collection[Entry], booked: Booked, day: str
) -> Matching:
    """Store the entries with their details, and do what they do: all debits first, since a return may stand above."""
    matching = Matching(connection, place)
    if not entries:
        return matching
    first = allot(connection, t.entry, len(entries))
    stored = _stored(connection, place.statement, enumerate(booked.passing(entries), start=first), day)
    directions: set[str | None] = set()
    _match(connection, matching, _debits(stored, directions))
    if CREDIT in directions:
        _match(connection, matching, (each for each in enumerate(entries, start=first) if each[1].direction == CREDIT))
    return matching


def _debits(numbered: Iterable[tuple[int, Entry]], directions: set[str | None]) -> Iterator[tuple[int, Entry]]:
    """All but credits; which directions there are is noted."""
    for number, entry in numbered:
        directions.add(entry.direction)
        if entry.direction != CREDIT:
            yield number, entry


def _match(connection: Connection, matching: Matching, numbered: Iterable[tuple[int, Entry]]) -> None:
    for window in _windows(numbered):
        linked = list(matching.take(window))
        store(connection, t.detail, DETAIL, _detail_rows(window, linked))


def _stored(
    connection: Connection, statement: int, numbered: Iterable[tuple[int, Entry]], day: str
) -> Iterator[tuple[int, Entry]]:
    """Each entry when its row is there."""
    for window in _windows(numbered):
        rows = (_entry_row(number, statement, entry, day) for number, entry in window)
        store(connection, t.entry, ENTRY, rows)
        yield from window


def _windows(numbered: Iterable[tuple[int, Entry]]) -> Iterator[list[tuple[int, Entry]]]:
    """As many entries as are matched at a time; one that has more details than that stands alone."""
    window: list[tuple[int, Entry]] = []
    size = 0
    for number, entry in numbered:
        more = max(1, len(entry.details))
        if window and size + more > SIZE:
            yield window
            window, size = [], 0
        window.append((number, entry))
        size += more
    if window:
        yield window


ENTRY = (
    "id", "statement_id", "position", "amount", "currency", "direction", "reversal", "status", "booking_date",
    "value_date", "reference", "account_servicer_reference", "batch_payment_information_id", "told_in", "day", "record",
)  # fmt: skip
SAID_OF_ENTRY = attrgetter(*ENTRY[2:-2])


def _entry_row(number: int, statement: int, entry: Entry, day: str) -> tuple[Any, ...]:
    booked = _day(entry.booking_date, entry.value_date) or day
    return (number, statement, *SAID_OF_ENTRY(entry), booked, without_details(entry))


def _day(*said: str | None) -> str | None:
    """The first that is a day."""
    return next((word[:10] for word in said if word and DAY.fullmatch(word[:10])), None)


DETAIL = (
    "entry_id", "position", "end_to_end_id", "instruction_id", "payment_information_id", "uetr", "amount", "currency",
    "direction", "transaction_id", "account_servicer_reference", "transfer_id", "payment", "record",
)  # fmt: skip
SAID_OF_DETAIL = attrgetter(*DETAIL[1:-3])
NOTHING = (None, None)


def _detail_rows(window: Iterable[tuple[int, Entry]], linked: Iterable[Sequence[Link]]) -> Iterator[tuple[Any, ...]]:
    for (number, entry), links in zip(window, linked, strict=True):
        about = {link.detail: (link.transfer_id, link.payment) for link in links}
        for detail in entry.details:
            payment = about.get(detail.position, NOTHING)
            yield (number, *SAID_OF_DETAIL(detail), *payment, detail)
