"""What the ledger knows of who was told: noted once a letter was taken, and asked for with the alarms it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from h2h.alarms import Alarm, Urgency
from tests.suites.books import Book

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stand(book: Book, *subjects: str, at: datetime = NOW, passing: bool = False) -> dict[str, int]:
    """These alarms, and no others, stand; the numbers of all there ever were."""
    found = [Alarm(word="held", bank="box", subject=subject, text="It waits.", passing=passing) for subject in subjects]
    book.ledger.alarms.note(found, at)
    return {row.subject: row.id or 0 for row in book.ledger.alarms.rows(ended=True)}


def known(book: Book, *recipients: str, at: datetime = NOW) -> list[str]:
    return sorted(row.subject for row in book.ledger.tellings.known(recipients, at).alarms)


def heard(book: Book, *recipients: str) -> list[tuple[str, int, Urgency, datetime, int, datetime | None]]:
    told = book.ledger.tellings.known(recipients, NOW).told
    return sorted((one.recipient, one.alarm_id, one.urgency, one.at, one.times, one.over_at) for one in told)


def everyone(numbers: Sequence[int]) -> dict[int, Urgency]:
    return dict.fromkeys(numbers, Urgency.URGENT)


def test_each_recipient_has_heard_what_it_was_told_and_how_often(book: Book) -> None:
    ids = stand(book, "T1", "T2")
    book.ledger.tellings.note("treasury", {ids["T1"]: Urgency.WARNING}, [], NOW)
    book.ledger.tellings.note("treasury", everyone([ids["T1"], ids["T2"]]), [], NOW + HOUR)
    book.ledger.tellings.note("pager", everyone([ids["T2"]]), [], NOW)
    treasury = [
        ("treasury", ids["T1"], Urgency.URGENT, NOW + HOUR, 2, None),
        ("treasury", ids["T2"], Urgency.URGENT, NOW + HOUR, 1, None),
    ]
    assert heard(book, "treasury") == treasury
    assert heard(book, "treasury", "pager") == [("pager", ids["T2"], Urgency.URGENT, NOW, 1, None), *treasury]
    assert heard(book, "nobody") == []


def test_what_is_over_is_known_until_those_who_heard_of_it_were_told(book: Book) -> None:
    ids = stand(book, "T1", "T2", "T3")
    book.ledger.tellings.note("treasury", everyone([ids["T1"], ids["T2"]]), [], NOW)
    stand(book, "T3")
    assert known(book, "treasury") == ["T1", "T2", "T3"]
    assert known(book, "pager") == ["T3"]
    book.ledger.tellings.note("treasury", {}, [ids["T1"]], NOW)
    assert known(book, "treasury") == ["T2", "T3"]
    assert [one[1] for one in heard(book, "treasury")] == [ids["T2"]]
    assert known(book, "treasury", at=NOW + 8 * DAY) == ["T3"]


def test_what_passed_by_itself_is_known_for_a_day(book: Book) -> None:
    stand(book, "T1", passing=True)
    stand(book)
    assert known(book, "treasury", at=NOW + DAY) == ["T1"]
    assert known(book, "treasury", at=NOW + DAY + HOUR) == []


def test_every_letter_stands_in_the_journal(book: Book) -> None:
    ids = stand(book, "T1", "T2")
    stand(book, "T2")
    book.ledger.tellings.note("treasury", everyone([ids["T2"]]), [ids["T1"]], NOW)
    told = [event for event in book.ledger.journal.of("gateway") if event.kind == "alarms told"]
    assert [event.data for event in told] == [{"recipient": "treasury", "alarms": [ids["T2"]], "over": [ids["T1"]]}]
    assert book.ledger.journal.verify([]).fault is None
