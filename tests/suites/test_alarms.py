"""Alarms in the ledger: raised once, ended once, taken by somebody; whatever is asked how often."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from h2h.alarms import Alarm, Urgency
from h2h.errors import UsageError
from h2h.ledger import Ledger, alarms
from tests.suites.books import Book
from tests.suites.test_ledger import book_url, sql

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def alarm(
    subject: str = "T1", urgency: Urgency = Urgency.WARNING, text: str = "It waits.", word: str = "held"
) -> Alarm:
    return Alarm(word="held", bank="box", subject=subject, file=subject, urgency=urgency, text=text, step="Release it.")


def told(ledger: Ledger, subject: str = "T1") -> list[tuple[str, str]]:
    return [(event.kind, event.subject) for event in ledger.journal.of(subject)]


def test_what_stands_is_raised_once_and_ends_once(book: Book) -> None:
    for _ in range(3):
        book.ledger.alarms.note([alarm()], NOW)
    [row] = book.ledger.alarms.rows()
    assert (row.word, row.bank, row.subject, row.raised_at, row.ended_at) == ("held", "box", "T1", NOW, None)
    for _ in range(3):
        book.ledger.alarms.note([], LATER)
    assert book.ledger.alarms.rows() == []
    [ended] = book.ledger.alarms.rows(ended=True)
    assert ended.ended_at == LATER
    assert told(book.ledger) == [("alarm", "T1"), ("alarm over", "T1")]


def test_the_same_again_after_its_end_is_another_row(book: Book) -> None:
    for found in ([alarm()], [], [alarm()]):
        book.ledger.alarms.note(found, NOW)
    assert [row.ended_at for row in book.ledger.alarms.rows(ended=True)] == [None, NOW]


def test_other_words_are_no_news_and_what_is_more_urgent_is(book: Book) -> None:
    book.ledger.alarms.note([alarm()], NOW)
    [row] = book.ledger.alarms.rows()
    assert row.id is not None
    book.ledger.alarms.take(row.id, "ek", "I call the bank", NOW)
    book.ledger.alarms.note([alarm(text="It waits, and waits.")], LATER)
    [same] = book.ledger.alarms.rows()
    assert (same.text, same.taken_by, same.note) == ("It waits, and waits.", "ek", "I call the bank")
    book.ledger.alarms.note([alarm(urgency=Urgency.URGENT)], LATER)
    [worse] = book.ledger.alarms.rows()
    assert (worse.id, worse.urgency, worse.taken_by) == (row.id, Urgency.URGENT, None)
    assert told(book.ledger) == [("alarm", "T1"), ("alarm taken", "T1"), ("alarm", "T1")]


def test_an_alarm_that_is_not_there_or_over_is_not_taken(book: Book) -> None:
    with pytest.raises(UsageError, match="There is no alarm 7"):
        book.ledger.alarms.take(7, "ek", "", NOW)
    book.ledger.alarms.note([alarm()], NOW)
    [row] = book.ledger.alarms.rows()
    book.ledger.alarms.note([], LATER)
    with pytest.raises(UsageError, match="is over since 2026-11-20 10:05 UTC"):
        book.ledger.alarms.take(row.id or 0, "ek", "", LATER)


def test_to_look_is_to_see_what_noting_would_leave_and_changes_nothing(book: Book) -> None:
    book.ledger.alarms.note([alarm("T1"), alarm("T2")], NOW)
    found = [alarm("T2", Urgency.URGENT), alarm("T3")]
    seen = [(r.subject, r.urgency, r.raised_at) for r in book.ledger.alarms.look(found, LATER)]
    assert [row.subject for row in book.ledger.alarms.rows()] == ["T1", "T2"]
    book.ledger.alarms.note(found, LATER)
    assert [(r.subject, r.urgency, r.raised_at) for r in book.ledger.alarms.rows()] == seen
    assert seen == [("T2", Urgency.URGENT, NOW), ("T3", Urgency.WARNING, LATER)]


def test_of_one_alarm_the_database_takes_one_open_row(book: Book) -> None:
    book.ledger.alarms.note([alarm()], NOW)
    columns = "word, bank, subject, file, urgency, text, step, passing, raised_at"
    with pytest.raises(Exception, match=r"(?i)unique"):
        sql(book_url(book), f"INSERT INTO alarm ({columns}) SELECT {columns} FROM alarm")


def test_whatever_stands_at_each_look_is_open_after_it_and_each_begins_and_ends_once(book: Book) -> None:
    chance = random.Random(6)
    begun = over = 0
    before: dict[str, Urgency] = {}
    for minute in range(60):
        kept = {name: urgency for name, urgency in before.items() if chance.random() < 0.6}
        standing = kept | {name: chance.choice(list(Urgency)) for name in "ABCDEF" if chance.random() < 0.3}
        begun += len(standing.keys() - before.keys())
        begun += sum(standing[name].rank > before[name].rank for name in standing.keys() & before.keys())
        over += len(before.keys() - standing.keys())
        found = [alarm(name, urgency) for name, urgency in standing.items()]
        book.ledger.alarms.note(found, NOW + timedelta(minutes=minute))
        assert {row.subject: row.urgency for row in book.ledger.alarms.rows()} == standing
        before = standing
    kinds = [kind for name in "ABCDEF" for kind, _ in told(book.ledger, name)]
    assert (kinds.count("alarm"), kinds.count("alarm over")) == (begun, over)
    assert begun > 50 < over


def test_where_there_are_too_many_what_is_open_stays_so_and_the_most_urgent_is_raised(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "MOST", 3)
    held = [alarm(f"H{n}") for n in range(5)]
    book.ledger.alarms.note(held[:3], NOW)
    found = [*held, alarm("U", Urgency.URGENT)]
    book.ledger.alarms.note(found, LATER)
    assert {row.subject for row in book.ledger.alarms.rows()} == {"H0", "H1", "H2"}
    book.ledger.alarms.note(found[1:], LATER)
    assert {row.subject for row in book.ledger.alarms.rows()} == {"H1", "H2", "U"}
    assert told(book.ledger, "H0") == [("alarm", "H0"), ("alarm over", "H0")]
