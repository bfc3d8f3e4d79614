"""What the closure report takes from the ledger, and what comes of it. On SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from h2h.calendars import Calendar
from h2h.closure import Case, Closure, Terms, closure
from h2h.ledger.cash_views import Days
from h2h.model import EntryDetail
from h2h.verdicts import Verdict
from tests.changing import replace
from tests.suites.books import ACCOUNT, LATER, Book, batch, credit, debit, pay, says, statement, tx
from tests.suites.test_cash_leg import notice
from tests.suites.test_search import sent

TERMS = Terms(timezone="Europe/Berlin", calendar=Calendar("WEEKDAYS"), debit_within=3)
DECEMBER = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
DAY = {"booking_date": "2026-11-24"}


def decide(book: Book, since: date = date(2026, 11, 1), until: date = date(2026, 11, 30), **of: Any) -> Closure:
    rows = book.ledger.cash.rows(Days(since=since, until=until, **of))
    return closure(rows, lambda _: TERMS, DECEMBER)


def told(found: Closure) -> dict[str, list[tuple[str | None, str]]]:
    """The sections in which something is, with what each row is about."""
    return {
        str(s.case): [(row.reference, f"{row.amount} {row.currency}") for row in s.rows]
        for s in found.sections
        if s.rows
    }


def test_a_payment_that_was_debited_once_is_closed(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    book.report(says("MSG-1", "ACSC"))
    book.report(statement("S1", debit("10.00", "A", **DAY)))
    assert decide(book).closed


@pytest.mark.parametrize(
    ("status", "open_"),
    [("ACCP", True), ("ACSP", True), ("ACSC", True), ("ACWC", True), ("ACTC", False), ("RJCT", False), ("NEWC", False)],
)
def test_what_was_accepted_and_is_not_debited_in_time_is_open(book: Book, status: str, open_: bool) -> None:
    sent(book, "T1", "MSG-1", pay("A", "12.50"), pay("B", "7.50"), names="Ravel", execution="2026-11-20")
    book.report(says("MSG-1", None, batch("MSG-1-1", None, tx("A", status))))
    found = decide(book)
    assert told(found) == ({"NOT_DEBITED": [("A", "12.50 EUR")]} if open_ else {})
    if open_:
        [row] = found.sections[0].rows
        assert (row.due, row.transfer, row.account, row.creditor_name) == (date(2026, 11, 25), "T1", ACCOUNT, "Ravel")


def test_what_a_person_noted_as_accepted_is_awaited_too(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    said = {"who": "anna", "how": "telephone", "reason": "they said so"}
    book.ledger.people.confirmed("T1", Verdict.ACCEPTED, now=LATER, **said)
    assert told(decide(book)) == {"NOT_DEBITED": [("A", "10.00 EUR")]}


def test_without_an_execution_date_the_day_of_sending_counts(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "ACSP"))
    assert told(decide(book)) == {"NOT_DEBITED": [("A", "10.00 EUR")]}
    assert decide(book, until=date(2026, 11, 19)).closed


def test_what_a_notice_announced_is_debited(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    book.report(says("MSG-1", "ACSP"))
    book.report(notice("N1", debit("10.00", "A", **DAY)))
    assert decide(book).closed


def test_debits_that_are_not_ours_are_listed_with_what_they_say(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    foreign = debit("5.50", additional_information="CARD 1234", account_servicer_reference="ASR-9", **DAY)
    detail = EntryDetail(position=1, creditor_name="Ravel", remittance=("Invoice 7",), end_to_end_id="X")
    named = replace(debit("7.00", **DAY), details=(detail,))
    charges = debit("1.00", transaction_code="PMNT/MDOP/CHRG", **DAY)
    pending = debit("3.00", status="PDNG", **DAY)
    reversal = debit("2.00", reversal=True, **DAY)
    book.report(statement("S1", debit("10.00", "A", **DAY), foreign, named, charges, pending, reversal))
    book.report(notice("N1", debit("8.00", "Y", **DAY)))
    found = decide(book)
    assert told(found) == {
        "DEBIT_UNKNOWN": [(None, "5.50 EUR"), ("X", "7.00 EUR"), (None, "2.00 EUR")],
        "DEBIT_BY_THE_BANK": [(None, "1.00 EUR")],
    }
    rows = found.sections[list(Case).index(Case.DEBIT_UNKNOWN)].rows
    assert [row.says for row in rows] == ["CARD 1234", "Ravel; Invoice 7", None]
    assert (rows[0].day, rows[0].account_servicer_reference, rows[0].message) == ("2026-11-24", "ASR-9", "M1")


def test_of_a_sum_of_which_a_part_is_ours_the_rest_is_listed(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A", "10.00"), pay("B", "4.00"), execution="2026-11-20")
    both = debit("17.00", "A", "Z", **DAY)
    amounts = (Decimal("10.00"), Decimal("7.00"))
    details = tuple(replace(d, amount=a) for d, a in zip(both.details, amounts, strict=True))
    book.report(statement("S1", replace(both, details=details), debit("4.00", "B", **DAY)))
    assert told(decide(book)) == {"DEBIT_UNKNOWN": [("Z", "7.00 EUR")]}


def test_an_account_that_we_do_not_pay_from_is_none_of_our_business(book: Book) -> None:
    book.report(statement("S1", debit("10.00", "A", **DAY)))
    assert decide(book).closed
    book.ready("T1", "MSG-1", pay("B"))
    assert decide(book).closed  # it was not sent
    book.report(statement("S2", debit("10.00", "A", **DAY)), bank="other")
    sent(book, "T2", "MSG-2", pay("C"), execution="2026-12-20")
    assert told(decide(book)) == {"DEBIT_UNKNOWN": [("A", "10.00 EUR")]}


def test_a_debit_without_details_that_a_notice_explains_is_ours_again(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), pay("B", "3.00"), execution="2026-12-20")
    book.report(statement("S1", debit("10.00", account_servicer_reference="D-1", **DAY)))
    assert told(decide(book)) == {"DEBIT_UNKNOWN": [(None, "10.00 EUR")]}
    book.report(notice("N1", debit("10.00", "A", account_servicer_reference="D-1", **DAY)))
    assert decide(book).closed


def test_a_payment_that_is_debited_twice_is_open_until_it_is_given_back(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A", "10.01"), execution="2026-11-20")
    for name in ("S1", "S2", "S3"):
        book.report(statement(name, debit("10.01", "A", **DAY)))
    found = decide(book)
    assert told(found) == {"DEBIT_TWICE": [("A", "20.02 EUR")]}
    [row] = found.sections[list(Case).index(Case.DEBIT_TWICE)].rows
    assert (row.debits, row.message, row.statement_id) == (3, "M3", "S3")
    for name in ("S4", "S5"):
        book.report(statement(name, credit("10.01", "A", reversal=True, **DAY)))
    assert decide(book).closed


def test_a_second_debit_counts_in_the_days_in_which_one_of_them_was(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    book.report(statement("S1", debit("10.00", "A", booking_date="2026-10-01")))
    book.report(statement("S2", debit("10.00", "A", **DAY)))
    assert told(decide(book)) == {"DEBIT_TWICE": [("A", "10.00 EUR")]}
    assert decide(book, until=date(2026, 11, 23)).closed


def test_what_came_back_is_listed_with_its_reason_and_what_is_missing(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A", "10.00"), execution="2026-11-20")
    book.report(statement("S1", debit("10.00", "A", booking_date="2026-11-21")))
    back = replace(credit("9.25", "A", reason="AC04", **DAY))
    book.report(statement("S2", back))
    found = decide(book)
    assert told(found) == {"PAYMENT_RETURNED": [("A", "9.25 EUR")]}
    [row] = found.sections[list(Case).index(Case.PAYMENT_RETURNED)].rows
    assert (row.says, row.less, row.day) == ("AC04 the account is closed", Decimal("0.75"), "2026-11-24")
    assert decide(book, until=date(2026, 11, 23)).closed


def test_what_was_refused_and_debited_is_open_until_it_is_given_back(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    book.report(says("MSG-1", None, batch("MSG-1-1", None, tx("A", "RJCT", reason="AM04"))))
    book.report(statement("S1", debit("10.00", "A", **DAY)))
    found = decide(book)
    assert told(found) == {"DEBIT_OF_REFUSED": [("A", "10.00 EUR")]}
    [row] = found.sections[list(Case).index(Case.DEBIT_OF_REFUSED)].rows
    assert row.says == "AM04 not enough money on the account"
    book.report(statement("S2", credit("10.00", "A", **DAY)))
    assert told(decide(book)) == {"PAYMENT_RETURNED": [("A", "10.00 EUR")]}


def test_one_bank_alone_can_be_asked_for(book: Book) -> None:
    sent(book, "T1", "MSG-1", pay("A"), execution="2026-11-20")
    book.report(says("MSG-1", "ACSP"))
    book.report(statement("S1", debit("5.00", "X", **DAY)))
    assert set(told(decide(book, bank="acme"))) == {"NOT_DEBITED", "DEBIT_UNKNOWN"}
    assert decide(book, bank="other").closed


def test_more_than_is_listed_is_told(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.cash_views.MOST", 2)
    sent(book, "T1", "MSG-1", pay("A"), pay("B"), pay("C"), execution="2026-11-20")
    assert not decide(book).cut
    book.report(says("MSG-1", "ACSP"))
    found = decide(book)
    assert (found.cut, len(found.sections[0].rows)) == (True, 2)
