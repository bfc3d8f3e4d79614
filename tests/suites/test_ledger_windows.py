"""Entries are matched many at a time: with the outcome of one at a time, in queries that do not grow with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from h2h.ledger import Ledger, alike, bookings, matching, strangers, sums, window
from h2h.model import Entry, Record
from tests.changing import replace
from tests.suites.books import Book, Pay, credit, debit, pay, statement
from tests.suites.test_cash_leg import notice
from tests.suites.test_ledger import book_url, sql

LONG = bool(os.environ.get("H2H_LONG"))
KEPT = (
    "SELECT transfer_id, position, booked_by, advised_by, returned_by FROM payment ORDER BY 1, 2",
    "SELECT entry_id, detail, transfer_id, payment, role, final, amount, reasons FROM booking ORDER BY id",
    "SELECT entry_id, position, transfer_id, payment FROM detail ORDER BY 1, 2",
    "SELECT id, position, account_servicer_reference FROM entry ORDER BY id",
    "SELECT id, entries, matched FROM statement ORDER BY id",
    "SELECT subject, code, text FROM finding ORDER BY id",
)


def story(seed: int, strangers: int = 0, names: int = 8) -> tuple[list[list[Pay]], list[list[Record]]]:
    """Files over few references and amounts, and notices and statements of them: much of it is ambiguous.

    `strangers`: for so many of twenty entries no reference of theirs is that of a payment.
    """
    chance = Random(seed)

    def one() -> str:
        return f"{'X' if stranger else 'E'}{chance.randrange(names)}"

    def amount() -> str:
        return chance.choice(["10.00", "10", "20.00", "7.50"])

    stranger = False
    files = [[pay(one(), amount(), batch=chance.randrange(1, 3)) for _ in range(12)] for _ in range(3)]
    told: list[list[Entry]] = [[], [], [], []]
    for entries in told:
        for _ in range(14):
            stranger = strangers > 0 and chance.randrange(20) < strangers
            entries.append(_entry(chance, one, amount, f"{'OTHER' if stranger else 'REF'}-{chance.randrange(12)}"))
    return files, [(notice if n % 2 == 0 else statement)(f"S{n}", *entries) for n, entries in enumerate(told)]


def _entry(chance: Random, one: Any, amount: Any, reference: str) -> Entry:
    said: dict[str, Any] = {"account_servicer_reference": reference}
    match chance.randrange(6):
        case 0:
            return credit(amount(), one(), reason="AC04", **said)
        case 1:
            return credit(amount(), one(), reversal=True)
        case 2:
            return replace(debit(amount(), one(), **said), details=())
        case 3:
            return debit("30.00", batch_payment_information_id=f"MSG-{chance.randrange(3)}-1", **said)
        case 4:
            entry = debit(amount(), one(), one(), one(), **said)
            return replace(entry, amount=sum((d.amount or Decimal() for d in entry.details), Decimal()))
        case _:
            return debit(amount(), one(), **said)


def told(book: Book, seed: int, strangers: int = 0, names: int = 8) -> list[list[Any]]:
    return left_by(book, *story(seed, strangers, names), KEPT)


def left_by(
    book: Book, files: Sequence[Sequence[Pay]], messages: Sequence[Sequence[Record]], queries: Sequence[str]
) -> list[list[Any]]:
    """What the queries find once these files were sent and these messages came."""
    for number, pays in enumerate(files):
        book.sent(f"T{number}", f"MSG-{number}", *pays)
    for message in messages:
        book.report(message)
    return [sql(book_url(book), query) for query in queries]


@contextmanager
def fresh(tmp_path: Path, name: str) -> Iterator[Book]:
    (tmp_path / name).mkdir()
    ledger = Ledger("sqlite:///h2h.db", tmp_path / name)
    yield Book(ledger)
    ledger.close()


@pytest.mark.parametrize("seed", range(60 if LONG else 3))
def test_how_many_entries_are_looked_at_together_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """All at once; two at a time; one at a time, page by page; and each detail alone, as where too much fits."""
    with fresh(tmp_path, "whole") as book:
        expected = told(book, seed)
    assert any(row[2] for row in expected[0]), "nothing was booked"
    for size in (2, 1):
        for module in (bookings, matching, window):
            monkeypatch.setattr(module, "SIZE", size)
        monkeypatch.setattr(sums, "PAGE", size)
        with fresh(tmp_path, f"by{size}") as book:
            assert told(book, seed) == expected
    monkeypatch.undo()
    for module in (window, alike):
        monkeypatch.setattr(module, "MOST_HELD", 0)
    with fresh(tmp_path, "alone") as book:
        assert told(book, seed) == expected


@pytest.mark.parametrize("seed", range(120 if LONG else 4))
def test_to_pass_over_what_the_ledger_knows_nothing_of_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    passed_over: list[int] = []

    def noted(connection: Any, place: Any, some: Any) -> set[int]:
        found = strangers.known(connection, place, some)
        passed_over.append(len(some.numbers) - len(found))
        return found

    monkeypatch.setattr(bookings, "known", noted)
    with fresh(tmp_path, "most") as book:
        found = told(book, seed, strangers=15)
    assert sum(passed_over) > 5
    monkeypatch.setattr(strangers, "MOST", 1)
    with fresh(tmp_path, "few details") as book:
        assert told(book, seed, strangers=15) == found
    monkeypatch.setattr(bookings, "known", lambda _, place, some: strangers._acting(place, some))
    with fresh(tmp_path, "none") as book:
        assert told(book, seed, strangers=15) == found


def test_what_is_as_usual_is_done_in_short_as_at_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, seeds = matching.Matching._usual, range(100 if LONG else 4)
    shorter: list[Any] = []

    def noted(self: Any, number: int, entry: Entry) -> Any:
        shorter.append(usual(self, number, entry))
        return shorter[-1]

    found = []
    for name, way in (("short", noted), ("long", lambda *_: None)):
        monkeypatch.setattr(matching.Matching, "_usual", way)
        for seed in seeds:
            with fresh(tmp_path, f"{name}{seed}") as book:
                found.append(told(book, seed, names=30))
    assert found[: len(seeds)] == found[len(seeds) :]
    assert any(shorter), "nothing was as usual"


def queries(book: Book, records: list[Record]) -> int:
    asked: list[str] = []
    engine = book.ledger._database.engine

    def note(_c: Any, _cursor: Any, said: str, *_: Any) -> None:
        asked.append(said)

    event.listen(engine, "before_cursor_execute", note)
    book.report(records)
    event.remove(engine, "before_cursor_execute", note)
    return len(asked)


@pytest.mark.every_database
@pytest.mark.parametrize("sort", ["matched", "unknown", "returned", "nameless", "announced"])
def test_twice_as_many_entries_take_as_many_queries(book: Book, sort: str) -> None:
    """While they fit in one window; of each sort of entry that comes in great numbers."""
    book.sent("T1", "MSG-1", *(pay(f"E{n}") for n in range(90)))

    def entries(first: int, count: int) -> list[Entry]:
        names = [(f"E{n}", {"account_servicer_reference": f"R{n}"}) for n in range(first, first + count)]
        match sort:
            case "unknown":
                return [debit("10.00", f"X{name}", **more) for name, more in names]
            case "nameless":
                return [debit("10.00", None, **more) for name, more in names]
            case "returned":
                return [credit("10.00", name, reason="AC04", **more) for name, more in names]
            case _:
                return [debit("10.00", name, **more) for name, more in names]

    kind = notice if sort == "announced" else statement
    if sort == "returned":
        book.report(statement("S0", *(debit("10.00", f"E{n}") for n in range(90))))
    few = queries(book, kind("S1", *entries(0, 20)))
    assert queries(book, kind("S2", *entries(20, 40))) <= few + 1
