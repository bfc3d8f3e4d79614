"""Applying a camt.052, .053 or .054: statements, entries and details as rows, and what each entry does to our payments.

A statement that is known already makes no second set of records, whatever file it comes in, and one that contradicts
a known one makes none at all (statements.py). What an entry does is decided in matching.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from h2h.cash import Kind, kind_of
from h2h.gathered import Gathered, Joined, Written
from h2h.ledger import tables as t
from h2h.ledger.alike import told_in
from h2h.ledger.bulk import allot
from h2h.ledger.candidates import Place
from h2h.ledger.cash_findings import cash_findings
from h2h.ledger.entries import Numbered, Some, day_among, store_details, store_entries
from h2h.ledger.findings import Found
from h2h.ledger.gaps import look, placed
from h2h.ledger.matching import Link, Matching
from h2h.ledger.statements import Standing, standing
from h2h.ledger.strangers import known
from h2h.ledger.window import SIZE
from h2h.model import Entry, Finding, InboundId, Severity, Statement, StatementFile
from h2h.pages import CLOSING, OPENING, Booked, account_of, balance
from h2h.rules import balances_add_up
from h2h.spool import Spool

CREDIT = "CRDT"


def apply_statements(
    connection: Connection, message_id: InboundId, bank: str, records: Gathered, now: datetime
) -> Found:
    found = Found()
    for head, statement, entries in _statements(records):
        stands = standing(connection, bank, statement, entries)
        if stands.row is None:
            arrival = Arrival(message_id=message_id, bank=bank, head=head, now=now)
            found.extend(_apply(connection, arrival, statement, entries))
        elif stands.standing is Standing.CONFLICT:
            found.add(_conflict(statement, stands.row))
        else:
            found.add(_repeated(statement, stands.row))
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


def _apply(connection: Connection, arrival: Arrival, statement: Statement, entries: Joined[Entry]) -> Iterator[Finding]:
    kind, file_id = kind_of(statement.message), arrival.head.message_id if arrival.head else None
    row = _statement_row(arrival, statement, len(entries))
    number: int = connection.execute(insert(t.statement).values(**row).returning(t.statement.c.id)).scalar_one()
    place = Place(
        bank=arrival.bank, account=row["account"], statement=number, kind=kind, message_id=file_id,
        told_here=_told_here(connection, file_id),
    )  # fmt: skip
    day = day_among(row["closing_date"], statement.period_to, statement.created_at) or f"{arrival.now:%Y-%m-%d}"
    booked = Booked(statement)
    matching = _apply_entries(connection, place, entries, booked, day)
    reconciles, finding = balances_add_up(statement, booked.total) if kind is Kind.STATEMENT else (None, None)
    values = placed(statement, arrival.head, booked.own, arrival.now) if arrival.head else {}
    values |= {"matched": matching.debited, "reconciles": reconciles}
    connection.execute(update(t.statement).where(t.statement.c.id == number).values(**values))
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


def _apply_entries(connection: Connection, place: Place, entries: Joined[Entry], booked: Booked, day: str) -> Matching:
    """Store the entries with their details, and do what they do: all debits first, since a return may stand above."""
    matching = Matching(connection, place)
    if not entries:
        return matching
    storing = _Storing(connection=connection, place=place, matching=matching, booked=booked, day=day)
    storing.match(storing.store(entries))
    storing.match(storing.later)
    return matching


def _weight(numbered: Numbered) -> int:
    return 1 + len(numbered.entry.details)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storing:
    """The entries of one statement on their way into the ledger. `later`: credits that may give something back."""

    connection: Connection
    place: Place
    matching: Matching
    booked: Booked
    day: str
    later: Spool[Numbered] = field(default_factory=lambda: Spool(Numbered, weight=_weight))

    def store(self, entries: Joined[Entry]) -> Iterator[Numbered]:
        """All of them, and the details of those that do nothing; others that are no credits are handed out."""
        first = allot(self.connection, t.entry, len(entries))
        for columns in entries.columns():
            some = Some(numbers=range(first, first + len(columns)), entries=Written.from_columns(columns))
            first += len(columns)
            self.booked.add(columns)
            about = known(self.connection, self.place, some)
            store_entries(self.connection, self.place.statement, some, self.day)
            self._pass_over(some, about)
            for numbered in some.chosen(about):
                if numbered.entry.direction == CREDIT:
                    self.later.append(numbered)
                else:
                    yield numbered

    def _pass_over(self, some: Some, about: Collection[int]) -> None:
        quiet = some.without(about)
        self.matching.pass_over(quiet.entries)
        numbers = quiet.owners(quiet.numbers)
        details, texts = quiet.column("details"), quiet.entries.of_details
        store_details(self.connection, numbers, details, texts, [NOTHING] * len(numbers))

    def match(self, numbered: Iterable[Numbered]) -> None:
        """What these do, and their details."""
        for window in _windows(numbered):
            linked = list(self.matching.take([(each.number, each.entry) for each in window]))
            numbers = [each.number for each in window for _ in each.entry.details]
            details, texts = [each.entry.details for each in window], [text for each in window for text in each.texts]
            store_details(self.connection, numbers, details, texts, [*_payments(window, linked)])


def _windows(numbered: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """As many entries as are matched at a time; one that has more details than that stands alone."""
    window: list[Numbered] = []
    size = 0
    for each in numbered:
        more = max(1, len(each.entry.details))
        if window and size + more > SIZE:
            yield window
            window, size = [], 0
        window.append(each)
        size += more
    if window:
        yield window


NOTHING = (None, None)


def _payments(window: Iterable[Numbered], linked: Iterable[Sequence[Link]]) -> Iterator[tuple[str | None, int | None]]:
    """What each detail is about."""
    for each, links in zip(window, linked, strict=True):
        about = {link.detail: (link.transfer_id, link.payment) for link in links}
        for detail in each.entry.details:
            yield about.get(detail.position, NOTHING)
