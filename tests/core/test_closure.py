"""The cash leg: which payments and debits are open, in exact sums."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from h2h.calendars import Calendar
from h2h.closure import MEANS, Case, CashRow, CashRows, Closure, Section, Terms, closure, due
from tests.changing import replace

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday
TERMS = Terms(timezone="Europe/Berlin", calendar=Calendar("WEEKDAYS"), debit_within=3)
PAID = CashRow(bank="acme", account="DE1", amount=Decimal("10.00"), currency="EUR", execution_date="2026-11-18")


def decide(now: datetime = NOW, terms: Terms = TERMS, **rows: list[CashRow]) -> Closure:
    return closure(CashRows(**rows), lambda _: terms, now)


def section(found: Closure, case: Case) -> Section:
    [one] = [s for s in found.sections if s.case is case]
    return one


@pytest.mark.parametrize(
    ("execution", "sent", "last"),
    [
        ("2026-11-18", None, date(2026, 11, 23)),  # Wednesday: Thursday, Friday, Monday
        ("2026-11-21", None, date(2026, 11, 26)),  # Saturday counts as Monday
        ("2026-11-18T23:30:00+01:00", None, date(2026, 11, 23)),
        ("2026-11-18", datetime(2026, 11, 20, 10, tzinfo=UTC), date(2026, 11, 25)),  # sent later than it was to be
        ("2026-11-18", datetime(2026, 11, 18, 23, 30, tzinfo=UTC), date(2026, 11, 24)),  # the 19th where the bank is
        (None, datetime(2026, 11, 18, 10, tzinfo=UTC), date(2026, 11, 23)),
        ("soon", datetime(2026, 11, 18, 10, tzinfo=UTC), date(2026, 11, 23)),
        (None, None, None),
    ],
)
def test_a_debit_is_due_some_business_days_after_execution(
    execution: str | None, sent: datetime | None, last: date | None
) -> None:
    assert due(replace(PAID, execution_date=execution, sent_at=sent), TERMS) == last


def test_holidays_of_the_banks_calendar_are_no_business_days() -> None:
    christmas = replace(PAID, execution_date="2026-12-23")
    assert due(christmas, TERMS) == date(2026, 12, 28)
    assert due(christmas, replace(TERMS, calendar=Calendar("TARGET"))) == date(2026, 12, 29)
    assert due(christmas, replace(TERMS, debit_within=0)) == date(2026, 12, 23)


@pytest.mark.parametrize(
    ("now", "open_"),
    [
        (datetime(2026, 11, 23, 22, 59, tzinfo=UTC), False),  # it is still the 23rd where the bank is
        (datetime(2026, 11, 23, 23, 0, tzinfo=UTC), True),
    ],
)
def test_a_payment_is_late_on_the_day_after_the_last_one_by_the_banks_clock(now: datetime, open_: bool) -> None:
    found = decide(now, accepted=[PAID])
    assert found.closed is not open_
    assert [row.due for row in section(found, Case.NOT_DEBITED).rows] == ([date(2026, 11, 23)] if open_ else [])


def test_debits_are_told_apart_by_who_made_them() -> None:
    ours = replace(PAID, says="ACME INC")
    found = decide(unmatched=[ours, replace(PAID, transaction_code="PMNT/MDOP/CHRG", says="November")])
    assert section(found, Case.DEBIT_UNKNOWN).rows == (ours,)
    assert [row.says for row in section(found, Case.DEBIT_BY_THE_BANK).rows] == ["charges: November"]


def test_what_the_bank_debits_by_itself_alone_is_closed() -> None:
    assert decide(unmatched=[replace(PAID, proprietary_code="NCHG")]).closed
    assert not decide(unmatched=[PAID]).closed
    assert decide().closed


@pytest.mark.parametrize("sort", ["unmatched", "repeated", "refused", "returned"])
def test_every_other_section_is_open(sort: str) -> None:
    assert not decide(**{sort: [replace(PAID, debits=2)]}).closed


def test_a_debit_too_many_is_worth_what_was_debited_beyond_the_first() -> None:
    found = decide(repeated=[replace(PAID, debits=3), replace(PAID, debits=2), replace(PAID, debits=1)])
    rows = section(found, Case.DEBIT_TWICE).rows
    assert [str(row.amount) for row in rows] == ["20.00", "10.00"]


def test_totals_are_exact_and_by_currency() -> None:
    many = [replace(PAID, amount=Decimal("0.1")) for _ in range(10)]
    large = replace(PAID, amount=Decimal("123456789012345678901234567890.12345"))
    found = decide(returned=[*many, large, replace(PAID, currency="USD"), replace(PAID, amount=None)])
    totals = [(s.currency, str(s.amount), s.count) for s in section(found, Case.PAYMENT_RETURNED).totals]
    assert totals == [("EUR", "123456789012345678901234567891.12345", 12), ("USD", "10.00", 1)]


def test_every_case_has_its_section_in_one_order_with_its_words() -> None:
    found = decide()
    assert [(s.case, s.means) for s in found.sections] == [(case, MEANS[case]) for case in Case]
    assert len(set(MEANS.values())) == len(Case)
