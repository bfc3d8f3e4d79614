"""Cut-offs in the ledger: each is noted once for ever, and what nobody saw passing is one event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from h2h.ledger import Ledger
from h2h.schedule import Window, closings
from tests.suites.books import Book
from tests.suites.test_ledger import sql

WINDOW = Window(timezone="Europe/Berlin", days=frozenset(range(5)), cut_off=time(15, 30))
DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 23, 14, 31, tzinfo=UTC)  # 15:31 in Berlin
BEFORE = MONDAY - timedelta(hours=5)


def passed(ledger: Ledger, now: datetime, window: Window = WINDOW) -> int:
    def waiting(at: datetime) -> int:
        return sum(file.received_at < at for file in ledger.outlook.on_the_way())

    return ledger.cut_offs.passed("acme", "/out", lambda since: closings(window, since, now), waiting, now)


def events(ledger: Ledger) -> list[tuple[str, int, int]]:
    """The last day, files left behind, cut-offs that passed."""
    found = [event.data for event in ledger.journal.of("bank acme") if event.kind == "cut-off"]
    return [(data["day"], data["waiting"], data["passed"]) for data in found]


def test_each_is_noted_once_however_often_somebody_looks(book: Book) -> None:
    book.received("T1", now=BEFORE)
    book.judged("T1", "MSG-1", now=BEFORE)
    book.received("T2", now=MONDAY + timedelta(minutes=1))  # after it
    book.judged("T2", "MSG-2", now=MONDAY + timedelta(minutes=1))
    assert [passed(book.ledger, MONDAY + timedelta(minutes=n)) for n in (2, 3, 500)] == [1, 0, 0]
    assert events(book.ledger) == [("2026-11-23", 1, 1)]


def test_where_nothing_waits_it_is_noted_and_no_event(book: Book) -> None:
    assert passed(book.ledger, MONDAY) == 1
    assert (passed(book.ledger, MONDAY), events(book.ledger)) == (0, [])


def test_those_that_nobody_saw_passing_are_noted_together(book: Book) -> None:
    passed(book.ledger, MONDAY)
    book.received("T1", now=MONDAY + timedelta(hours=1))
    book.judged("T1", "MSG-1", now=MONDAY + timedelta(hours=1))
    assert passed(book.ledger, MONDAY + 10 * DAY) == 8
    assert passed(book.ledger, MONDAY + 10 * DAY) == 0
    assert events(book.ledger) == [("2026-12-03", 1, 8)]


def test_a_clock_that_is_set_back_a_restart_and_another_time_make_none_pass_again(book: Book, url: str) -> None:
    passed(book.ledger, MONDAY)
    assert passed(book.ledger, MONDAY + 3 * DAY) == 3
    assert passed(book.ledger, MONDAY + DAY) == 0
    other = Ledger(url, Path("/nowhere"))
    try:
        assert passed(other, MONDAY + 3 * DAY) == 0
        later = Window(timezone="Europe/Berlin", days=WINDOW.days, cut_off=time(16, 30))
        assert passed(other, MONDAY + 3 * DAY + timedelta(hours=1), later) == 0  # the profile was changed on the day
    finally:
        other.close()
    days = [day for (day,) in sql(url, "SELECT day FROM cut_off ORDER BY day")]
    assert days == sorted(set(days))


def test_a_clock_that_ran_ahead_silences_no_cut_off_that_it_did_not_note(book: Book) -> None:
    passed(book.ledger, MONDAY)
    passed(book.ledger, MONDAY + 365 * DAY, replace(WINDOW, days=frozenset({4})))  # Fridays alone, for a while
    assert [passed(book.ledger, MONDAY + n * DAY) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
