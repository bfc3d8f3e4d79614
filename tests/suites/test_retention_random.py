"""After a purge nothing that stays has lost anything: random ledgers, by what is told of them before and after."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from h2h.errors import H2hError
from h2h.ledger.cash_views import Days
from h2h.ledger.ends import Policy
from h2h.lifecycle import State, Trigger
from tests import alone
from tests.suites import books
from tests.suites.books import NOW, Book, Pay, batch, credit, debit, pay, says, statement, tx
from tests.suites.test_repairs import repair
from tests.suites.test_retention import handed_over, purge

FILES, EVENTS, DAYS = 7, 12, 60
POOL = [(f"E{n}", f"{10 + n}.00", f"C{n}") for n in range(6)]
WORDS = ("ACSC", "ACSP", "ACCP", "RJCT", "PDNG", "BLCK")
EVER = Days(since=date(2000, 1, 1), until=date(2100, 1, 1))


class Story:
    """What happens by chance to a few files that share payments, over some weeks."""

    def __init__(self, book: Book, random: Random, patch: pytest.MonkeyPatch) -> None:
        self.book, self.random, self.patch = book, random, patch
        self.files: dict[str, Sequence[Pay]] = {}
        self.now = NOW

    def tell(self) -> None:
        times = sorted(NOW + timedelta(days=self.random.uniform(0, DAYS)) for _ in range(FILES + EVENTS))
        new = set(self.random.sample(range(len(times)), FILES))
        for number, at in enumerate(times):
            self.at(at)
            self.file(f"T{number:02}") if number in new else self.event(number)
        handed_over(self.book)

    def at(self, now: datetime) -> None:
        self.now = now
        self.patch.setattr(books, "NOW", now)
        self.patch.setattr(books, "LATER", now)

    def file(self, name: str) -> None:
        book, random = self.book, self.random
        pays = [pay(*one[:2], to=one[2]) for one in random.sample(POOL, random.randint(1, 3))]
        book.received(name, now=self.now)
        row = book.judged(name, f"MSG-{name}", *pays, now=self.now)
        self.files[name] = pays
        if row.state is State.HELD and random.random() < 0.7:
            row = book.ledger.people.release(name, who="ann", reason="so", now=self.now, at_once=True)
        if row.state is not State.READY or random.random() < 0.2:
            return
        leased = book.lease(row, now=self.now)
        assert leased is not None
        begun = alone.publishing(book.transfers, leased, self.now)
        if random.random() < 0.9:
            book.transfers.sent(begun, {"answer": "OK"}, self.now)

    def event(self, number: int) -> None:
        if not self.files:
            return
        name = self.random.choice(sorted(self.files))
        happens = self.random.choice((self.answer, self.answer, self.book_all, self.book_one, self.back, self.decide))
        with suppress(H2hError):  # where that is not possible now
            happens(name, number)

    def answer(self, name: str, _number: int) -> None:
        word = self.random.choice(WORDS)
        if self.random.random() < 0.6:
            self.book.report(says(f"MSG-{name}", word))
            return
        one = self.random.choice(self.files[name])
        self.book.report(says(f"MSG-{name}", "PART", batch(f"MSG-{name}-1", None, tx(one.reference, word))))

    def book_all(self, name: str, number: int) -> None:
        others = self.files[self.random.choice(sorted(self.files))]
        entries = [debit(one.amount, one.reference) for one in (*self.files[name], *others)]
        self.book.report(statement(f"S{number}", *entries, period_to=f"{self.now:%Y-%m-%d}"))

    def book_one(self, name: str, number: int) -> None:
        one = self.random.choice(self.files[name])
        self.book.report(statement(f"S{number}", debit(one.amount, one.reference), debit("999.00", "nobody's")))

    def back(self, name: str, number: int) -> None:
        one = self.random.choice(self.files[name])
        self.book.report(statement(f"S{number}", credit(one.amount, one.reference, reason="AC04")))

    def decide(self, name: str, number: int) -> None:
        match self.random.randrange(3):
            case 0:
                self.book.decide(name, Trigger.CANCEL)
            case 1:
                repair(self.book, f"R{number}", name, now=self.now)
                self.files[f"R{number}"] = self.files[name]
            case _:
                self.book.ledger.people.resend(name, who="bob", reason="so", now=self.now)


def told(book: Book, name: str) -> dict[str, Any]:
    """All that anybody is told of one file, and what is asked before it is sent (again)."""
    views = book.ledger.views
    return {
        "row": book.transfers.get(name),  # type: ignore[arg-type]
        "history": views.history(name),
        "payments": views.payments_of(name),
        "messages": views.messages_about(name),
        "case": book.ledger.cases.of(name),
        "resend": refused(lambda: book.ledger.rehearsal.resend(name, who="eve", reason="so", now=NOW)),
        "repair": refused(lambda: book.ledger.repair_rehearsal.plan(name)),
    }


def refused(act: Any) -> str:
    try:
        return str(act())
    except H2hError as error:
        return str(error)


def closure(book: Book) -> dict[str, set[str]]:
    found = book.ledger.cash.rows(EVER)
    sorts = ("accepted", "unmatched", "repeated", "refused", "returned")
    return {sort: {str(row) for row in getattr(found, sort)} for sort in sorts}


@pytest.mark.parametrize("seed", range(200 if os.environ.get("H2H_LONG") else 12))
def test_what_stays_has_lost_nothing(book: Book, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    story = Story(book, random, monkeypatch)
    story.tell()
    names = sorted(story.files)
    before, cash = {name: told(book, name) for name in names}, closure(book)
    events = len(book.ledger.journal.of("M1"))
    policy = Policy(before=NOW + timedelta(days=random.choice((DAYS / 2, DAYS, DAYS * 2))))
    gone = purge(book, policy)
    for name in (name for name in names if name not in gone):
        assert told(book, name) == before[name]
    for name in (name for name in names if name in gone):
        assert before[name]["row"].state in (State.SENT, State.INVALID, State.CANCELLED)
        assert "purged on" in refused(
            lambda name=name: book.ledger.rehearsal.resend(name, who="e", reason="so", now=NOW)
        )  # type: ignore[misc]
    for sort, rows in closure(book).items():
        assert rows <= cash[sort]
        lost = cash[sort] - rows
        assert all(any(name in row for name in gone) for row in lost)
    assert len(book.ledger.journal.of("M1")) == events + ("M1" in gone)
    assert book.ledger.journal.verify().fault is None


def test_these_ledgers_are_of_all_sorts(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above is about something."""
    story = Story(book, Random(5), monkeypatch)
    story.tell()
    gone = purge(book, Policy(before=NOW + timedelta(days=DAYS * 2)))
    assert {name[0] for name in gone} >= {"T", "M"}
    assert set(story.files) - set(gone)
