"""What is asked of the ledger for alarms and forecasts: of the right bank, account, copy and day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from h2h.alarms import Alarm, Urgency
from h2h.ledger.columns import Instant
from h2h.ledger.timings import Timings
from tests import alone
from tests.suites.books import ACCOUNT, LATER, LEASE, NOW, ROUTE, Book, batch, pay, plan, says
from tests.suites.test_alarms import LATER as AFTER
from tests.suites.test_alarms import NOW as THEN
from tests.suites.test_alarms import alarm, told
from tests.suites.test_cut_offs_passed import DAY, MONDAY, WINDOW, closings, events, passed
from tests.suites.test_expected import DAILY, IN_DOLLARS, at, complete, of_other
from tests.suites.test_gaps import closes
from tests.suites.test_ledger import book_url, sql
from tests.suites.test_timings import goes

SECOND = timedelta(seconds=1)


def test_the_first_answer_counts_from_when_it_was_sent(book: Book) -> None:
    goes(book, "A", begins=2, takes=3)
    book.report(says("MSG-A", "ACTC"))
    book.report(says("MSG-A", "ACSP"))
    sql(
        book_url(book),
        f"UPDATE message SET fetched_at = '{Instant.written(LATER + timedelta(hours=1))}' WHERE id = 'M2'",
    )
    assert book.ledger.outlook.timings("acme").answers == (295.0,)


def test_a_try_that_failed_is_no_upload_and_what_is_under_way_is_none(book: Book) -> None:
    ready = book.ready("A", "MSG-A", pay("E"))
    leased = alone.lease(book.transfers, ready, "node/1", plan, ROUTE, NOW + timedelta(seconds=2), LEASE)
    assert leased
    again = NOW + timedelta(seconds=30)
    back = book.transfers.not_delivered(
        leased,
        step="open",
        outcome="NOT_DELIVERED",
        text="no",
        failures=1,
        due_at=again,
        now=NOW + timedelta(seconds=9),
    )
    leased = alone.lease(book.transfers, back, "node/1", plan, ROUTE, again, LEASE)
    assert leased
    assert book.ledger.outlook.timings("acme") == Timings()
    publishing = alone.publishing(book.transfers, leased, again)
    book.transfers.sent(publishing, {}, again + timedelta(seconds=4))
    assert book.ledger.outlook.timings("acme") == Timings(queues=(2.0,), uploads=((100, 4.0),))


def test_what_came_between_two_cut_offs_is_counted_in_the_event(book: Book) -> None:
    passed(book.ledger, MONDAY)
    at_ = MONDAY + timedelta(days=1, hours=1)
    book.received("T1", now=at_)
    book.judged("T1", "MSG-1", now=at_)
    assert passed(book.ledger, MONDAY + 3 * DAY) == 3
    assert events(book.ledger) == [("2026-11-26", 1, 3)]


def test_each_channel_and_each_bank_has_cut_offs_of_its_own(book: Book) -> None:
    def note(bank: str, channel: str) -> int:
        return book.ledger.cut_offs.passed(
            bank, channel, lambda since: closings(WINDOW, since, MONDAY), lambda _: 0, MONDAY
        )

    assert [note(*one) for one in (("acme", "/out"), ("acme", "/out USD"), ("other", "/out"), ("acme", "/out"))] == [
        1,
        1,
        1,
        0,
    ]


def test_two_banks_have_complete_days_of_their_own(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    book.report(closes(18, 7, "100", "90"), bank="other")
    for bank in ("acme", "other"):
        book.ledger.expectations.note_complete(bank, DAILY, at(19))
    kinds = [book.kinds(f"bank {bank}").count("day complete") for bank in ("acme", "other")]
    assert kinds == [1, 1]


def test_a_gap_of_another_bank_or_account_keeps_no_day_from_being_complete(book: Book) -> None:
    book.report(closes(18, 7, "100", "90"))
    book.report(of_other(closes(17, 4, "100", "90")))
    book.report(of_other(closes(19, 6, "90", "80")))
    book.report(closes(17, 4, "100", "90"), bank="other")
    book.report(closes(19, 6, "90", "80"), bank="other")
    assert len(book.ledger.gaps.rows()) >= 2
    assert complete(book, at(18, 20)) == [("2026-11-18", 1)]


def test_a_gap_in_another_currency_keeps_no_day_of_this_one(book: Book) -> None:
    book.report(closes(18, 1, "5", "4", currency="USD", statement_id="D1"))
    book.report(closes(17, 6, "110", "100"))
    book.report(closes(19, 8, "90", "80"))
    assert complete(book, at(18, 20), IN_DOLLARS) == [("2026-11-18", 1)]


def test_urgent_ones_come_first_then_the_oldest(book: Book) -> None:
    book.ledger.alarms.note([alarm("OLD")], THEN)
    book.ledger.alarms.note([alarm("OLD"), alarm("NEW", Urgency.URGENT)], AFTER)
    assert [row.subject for row in book.ledger.alarms.rows()] == ["NEW", "OLD"]


def test_who_took_it_is_gone_with_all_that_was_said(book: Book) -> None:
    book.ledger.alarms.note([alarm()], THEN)
    [row] = book.ledger.alarms.rows()
    assert book.ledger.alarms.take(row.id or 0, "ek", "", THEN).note is None
    book.ledger.alarms.take(row.id or 0, "ek", "I call", THEN)
    book.ledger.alarms.note([alarm(urgency=Urgency.URGENT)], AFTER)
    [worse] = book.ledger.alarms.rows()
    assert (worse.taken_by, worse.taken_at, worse.note) == (None, None, None)


def test_an_alarm_of_a_bank_is_told_of_the_bank(book: Book) -> None:

    book.ledger.alarms.note(
        [Alarm(word="bank_unreachable", bank="box", text="It is down."), Alarm(word="room", text="Full.")], THEN
    )
    assert (told(book.ledger, "bank box"), told(book.ledger, "gateway")) == (
        [("alarm", "bank box")],
        [("alarm", "gateway")],
    )


# outlook

DAYS = (date(2026, 11, 1), date(2026, 11, 30))


def undebited(book, since=DAYS[0], until=DAYS[1], bank="acme", account=ACCOUNT):
    return [(r.transfer, r.payments) for r in book.ledger.outlook.undebited(bank, [account], since, until)]


@pytest.fixture
def accepted(book: Book) -> Book:
    book.sent("T1", "MSG-1", pay("A"), pay("B"))
    book.report(says("MSG-1", "ACSP"))
    sql(book_url(book), "UPDATE payment SET execution_date = '2026-11-18'")
    return book


def test_undebited_is_what_is_accepted_of_these_days_and_accounts(accepted: Book) -> None:
    book = accepted
    assert undebited(book) == [("T1", 2)]
    assert undebited(book, since=date(2026, 11, 19)) == []
    assert undebited(book, until=date(2026, 11, 17)) == []
    assert undebited(book, account="other") == undebited(book, bank="other") == []


@pytest.mark.parametrize("column", ["booked_by", "advised_by", "returned_by"])
def test_what_is_booked_announced_or_returned_is_not_undebited(accepted: Book, column: str) -> None:
    book = accepted
    from tests.suites.books import debit, statement

    book.report(statement("S1", debit("7.77", "ZZZ")))
    [(n,)] = sql(book_url(book), "SELECT id FROM entry")
    sql(book_url(book), f"UPDATE payment SET {column} = {n} WHERE end_to_end_id = 'A'")
    assert undebited(book) == [("T1", 1)]


def test_what_is_refused_or_not_spoken_of_is_not_undebited(accepted: Book) -> None:
    book = accepted
    sql(book_url(book), "UPDATE payment SET status = 'RJCT' WHERE end_to_end_id = 'A'")
    assert undebited(book) == [("T1", 1)]


def test_what_was_sent_after_those_days_is_not_late(accepted: Book) -> None:
    assert undebited(accepted, until=date(2026, 11, 19)) == []  # sent on the 20th


def test_nothing_is_owed_on_what_was_purged(book: Book) -> None:
    book.sent("T1", "MSG-1")
    sql(book_url(book), f"UPDATE transfer SET purged_at = '{Instant.written(LATER)}'")
    assert book.ledger.outlook.unsettled("acme", LATER) == []


def test_a_batch_that_was_only_taken_note_of_by_the_file_is_silent(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"), pay("B", batch=2))
    book.report(says("MSG-1", None, batch("MSG-1-1", "PDNG")))
    assert book.ledger.outlook.spoken("T1", NOW).silent == 1
    assert book.ledger.outlook.spoken("T1", LATER + timedelta(seconds=1)).silent == 2
    book.report(says("MSG-1", "PDNG"))
    assert book.ledger.outlook.spoken("T1", LATER + timedelta(seconds=1)).silent == 2
    book.report(says("MSG-1", "RJCT"))
    assert book.ledger.outlook.spoken("T1", NOW).silent == 0
