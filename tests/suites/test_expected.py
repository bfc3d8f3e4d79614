"""Days whose statements the calendar expects: overdue, noted once, healed by whatever covers them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from h2h.calendars import Calendar
from h2h.ledger import Ledger
from h2h.ledger.expected import Expected
from h2h.model import Record
from h2h.schedule import Due
from tests.changing import replace
from tests.suites.books import ACCOUNT, Book
from tests.suites.test_gaps import closes
from tests.suites.test_ledger import book_url

DUE = Due(timezone="Europe/Berlin", calendar=Calendar("TARGET"), clock=time(9))
DAILY = [Expected(account=ACCOUNT, currency=None, due=DUE)]
IN_DOLLARS = [Expected(account=ACCOUNT, currency="USD", due=DUE)]


def at(day: int, hour: int = 12) -> datetime:
    """In November 2026; the 20th is a Friday, and Berlin an hour before UTC."""
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def overdue(book: Book) -> list[str]:
    return [f"{gap.kind} {gap.to_day}" for gap in book.ledger.gaps.rows()]


def note(book: Book, now: datetime, expected: list[Expected] = DAILY) -> list[str]:
    book.ledger.expectations.note("acme", expected, now)
    return overdue(book)


def test_nothing_is_expected_of_an_account_before_its_first_statement(book: Book) -> None:
    assert note(book, at(20)) == []
    book.report(closes(19, 7, "100", "90"))
    assert note(book, at(20)) == []


def test_a_day_is_a_gap_from_the_time_at_which_its_statement_was_due(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    assert note(book, at(20, 7)) == []
    assert note(book, at(20, 9)) == ["DAY 2026-11-19"]
    (gap,) = book.ledger.gaps.rows()
    assert (gap.since, gap.shown_by, gap.account, gap.bank) == (at(20, 8), None, ACCOUNT, "acme")
    assert gap.text == (
        f"The statement of {ACCOUNT} for 2026-11-19 has not come; it was due at 2026-11-20 08:00 UTC. "
        "Ask the bank to send it."
    )
    assert book.kinds(f"account {ACCOUNT}") == ["gap"]


def test_a_day_is_noted_once_and_one_that_lasts_is_noted_no_more(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    for hour in (9, 10, 11):
        note(book, at(20, hour))
    assert book.kinds(f"account {ACCOUNT}") == ["gap"]
    assert note(book, at(23)) == ["DAY 2026-11-19", "DAY 2026-11-20"]  # nothing on the weekend


def test_what_is_missing_can_be_looked_at_and_is_not_noted(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    found = book.ledger.expectations.missing("acme", DAILY, at(20))
    assert [(gap.id, gap.to_day, gap.since) for gap in found] == [(None, "2026-11-19", at(20, 8))]
    assert overdue(book) == []
    note(book, at(20))
    assert book.ledger.expectations.missing("acme", DAILY, at(20)) == []


@pytest.mark.parametrize(
    ("what", "healed"),
    [
        (closes(19, 8, "90", "80"), True),
        (closes(20, 8, "90", "80", period_from="2026-11-19T00:00:00"), True),
        (closes(20, 8, "90", "80"), False),
        (closes(20, 8, "90", "80", period_from="2026-11-20T00:00:00"), False),
        (closes(19, 8, "90", "", page="1", booked="5"), True),
        (closes(19, 8, "90", "80", iban=None, account="4711"), False),
    ],
)
def test_what_covers_the_day_heals_it(book: Book, what: list[Record], healed: bool) -> None:
    book.report(closes(18, 7, "100", "90"))
    note(book, at(20))
    message, _ = book.report(what)
    assert ("DAY 2026-11-19" not in overdue(book)) == healed
    rows = [gap for gap in book.ledger.gaps.rows(healed=True) if gap.kind == "DAY"]
    assert [gap.healed_by for gap in rows] == [message.id if healed else None]
    assert ("gap healed" in book.kinds(message.id)) == healed
    assert ("DAY 2026-11-19" not in note(book, at(20, 13))) == healed


def test_a_statement_that_covers_days_before_they_are_noted_leaves_nothing_to_note(book: Book) -> None:
    book.report(closes(2, 7, "100", "90"))
    book.report(closes(30, 8, "90", "80", period_from="2026-11-03T00:00:00"))
    assert note(book, at(28)) == []


def test_a_currency_is_expected_by_itself(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    assert note(book, at(20), IN_DOLLARS) == []
    book.report(closes(18, 1, "5", "4", currency="USD", statement_id="D1"))
    assert note(book, at(20), IN_DOLLARS) == ["DAY 2026-11-19"]
    book.report(closes(19, 8, "90", "80"))
    assert overdue(book) == ["DAY 2026-11-19"]
    book.report(closes(19, 2, "4", "3", currency="USD", statement_id="D2"))
    assert overdue(book) == []


@pytest.mark.parametrize(
    "expected",
    [[], IN_DOLLARS, [replace(DAILY[0], due=replace(DUE, days=frozenset({0})))]],
)
def test_a_day_that_the_settings_expect_no_more_is_closed(book: Book, expected: list[Expected]) -> None:
    book.report(closes(18, 7, "100", "90"))
    note(book, at(20))
    assert note(book, at(20, 13), expected) == []
    (gap,) = book.ledger.gaps.rows(healed=True)
    assert (gap.healed_at, gap.healed_by) == (at(20, 13), None)
    assert book.kinds(f"account {ACCOUNT}") == ["gap", "gap closed"]
    assert note(book, at(20, 14)) == ["DAY 2026-11-19"]  # expected again


def test_another_bank_is_left_alone(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    note(book, at(20))
    book.ledger.expectations.note("other", [], at(20))
    assert overdue(book) == ["DAY 2026-11-19"]


def test_two_gateways_on_one_ledger_note_a_day_once(book: Book) -> None:
    book.report(closes(date(2026, 11, 18), 7, "100", "90"))
    other = Ledger(book_url(book), Path("/nowhere"))
    other.expectations.note("acme", DAILY, at(20))
    assert note(book, at(20)) == ["DAY 2026-11-19"]
    other.close()
    assert book.kinds(f"account {ACCOUNT}") == ["gap"]


# Days that are complete.

OTHER = "DE89370400440532013000"
TWO = [*DAILY, Expected(account=OTHER, currency=None, due=DUE)]


def complete(book: Book, now: datetime, expected: list[Expected] = DAILY) -> list[tuple[str, int]]:
    """All that are noted by then, with how many accounts each."""
    book.ledger.expectations.note("acme", expected, now)
    book.ledger.expectations.note_complete("acme", expected, now)
    events = [event.data for event in book.ledger.journal.of("bank acme") if event.kind == "day complete"]
    return [(data["day"], data["accounts"]) for data in events]


def test_a_day_is_complete_as_soon_as_its_statement_is_there_and_once(book: Book) -> None:
    assert complete(book, at(18)) == []
    book.report(closes(18, 7, "100", "90"))
    for hour in (19, 20, 21):
        assert complete(book, at(18, hour)) == [("2026-11-18", 1)]
    assert complete(book, at(20)) == [("2026-11-18", 1)]


def test_a_day_is_complete_when_the_last_of_its_accounts_is_there(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    book.report(of_other(closes(17, 4, "100", "90")))
    assert complete(book, at(19), TWO) == [("2026-11-17", 1)]
    book.report(of_other(closes(18, 5, "90", "80")))
    assert complete(book, at(19), TWO) == [("2026-11-17", 1), ("2026-11-18", 2)]


def test_a_day_with_a_gap_is_complete_when_that_has_come(book: Book) -> None:
    book.report(closes(17, 6, "110", "100"))
    book.report(closes(19, 8, "90", "80"))
    assert complete(book, at(20)) == []  # number 7 is missing, and may be of any of these days
    book.report(closes(18, 7, "100", "90"))
    assert complete(book, at(20)) == [("2026-11-17", 1), ("2026-11-18", 1), ("2026-11-19", 1)]


def test_closed_days_and_days_before_the_first_statement_are_none(book: Book) -> None:
    book.report(closes(20, 9, "80", "70"))
    book.report(closes(23, 10, "70", "60"))
    assert complete(book, at(24)) == [("2026-11-20", 1), ("2026-11-23", 1)]


def of_other(records: list[Record]) -> list[Record]:
    return [replace(record, iban=OTHER) if hasattr(record, "iban") else record for record in records]
