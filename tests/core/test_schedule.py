"""Windows, cut-offs and back-off, as tables of rules and instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.calendars import SEARCH_DAYS, Calendar, Closings
from h2h.schedule import (
    Due,
    Window,
    astray,
    backoff,
    closing,
    days_due,
    instant,
    last_closing,
    missed,
    next_opening,
    parse_days,
)
from tests.changing import replace

BERLIN = Window(timezone="Europe/Berlin", calendar=Calendar("TARGET"), opens=time(8), cut_off=time(15, 30))
NEW_YORK = Window(timezone="America/New_York", calendar=Calendar("WEEKDAYS"), opens=time(9), cut_off=time(17))
AUCKLAND = Window(timezone="Pacific/Auckland", calendar=Calendar("WEEKDAYS"), opens=time(9), cut_off=time(17))
ALWAYS = Window(timezone="Europe/Berlin")


def at(text: str, zone: str = "UTC") -> datetime:
    """An instant from "2026-11-20 09:00", read in a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def changed(window: Window, **changes: object) -> Window:
    return replace(window, **changes)  # type: ignore[arg-type]


# 2026-11-20 is a Friday.


@pytest.mark.parametrize(
    ("window", "now", "closes", "opens"),
    [
        # Berlin in winter is an hour before UTC, in summer two.
        (BERLIN, "2026-11-20 06:59", None, "2026-11-20 07:00"),
        (BERLIN, "2026-11-20 07:00", "2026-11-20 14:30", "2026-11-20 07:00"),
        (BERLIN, "2026-11-20 14:29", "2026-11-20 14:30", "2026-11-20 14:29"),
        (BERLIN, "2026-11-20 14:30", None, "2026-11-23 07:00"),  # over the weekend
        (BERLIN, "2026-07-17 12:00", "2026-07-17 13:30", "2026-07-17 12:00"),
        (BERLIN, "2026-11-21 10:00", None, "2026-11-23 07:00"),
        (BERLIN, "2026-04-02 14:00", None, "2026-04-07 06:00"),  # Good Friday, weekend, Easter Monday
        (BERLIN, "2026-05-01 10:00", None, "2026-05-04 06:00"),  # Labour Day
        (BERLIN, "2026-12-24 15:00", None, "2026-12-28 07:00"),  # Christmas, and the 26th is a Saturday
        (BERLIN, "2026-12-31 15:00", None, "2027-01-04 07:00"),
        (NEW_YORK, "2026-11-20 13:59", None, "2026-11-20 14:00"),
        (NEW_YORK, "2026-11-20 21:59", "2026-11-20 22:00", "2026-11-20 21:59"),
        (NEW_YORK, "2026-11-21 00:30", None, "2026-11-23 14:00"),  # still Friday there
        (AUCKLAND, "2026-11-19 20:00", "2026-11-20 04:00", "2026-11-19 20:00"),  # Friday there already
        (AUCKLAND, "2026-11-22 19:59", None, "2026-11-22 20:00"),  # Monday there, Sunday here
        (changed(BERLIN, lead=timedelta(minutes=10)), "2026-11-20 14:19", "2026-11-20 14:20", "2026-11-20 14:19"),
        (changed(BERLIN, lead=timedelta(minutes=10)), "2026-11-20 14:20", None, "2026-11-23 07:00"),
        (changed(BERLIN, days=frozenset({1, 3})), "2026-11-20 10:00", None, "2026-11-24 07:00"),
        (changed(BERLIN, calendar=Calendar("EVERYDAY")), "2026-11-21 10:00", "2026-11-21 14:30", "2026-11-21 10:00"),
    ],
)  # fmt: skip
def test_when_a_window_closes_and_when_it_opens_next(window: Window, now: str, closes: str | None, opens: str) -> None:
    assert closing(window, at(now)) == (at(closes) if closes else None)
    assert next_opening(window, at(now)) == at(opens)


LOCAL = Closings(
    closed=frozenset({date(2026, 11, 23)}),
    open=frozenset({date(2026, 11, 21)}),
    early={date(2026, 11, 20): time(12), date(2026, 11, 24): time(7), date(2026, 11, 25): time(18)},
)


@pytest.mark.parametrize(
    ("now", "closes", "opens"),
    [
        ("2026-11-20 10:59", "2026-11-20 11:00", "2026-11-20 10:59"),  # closed early
        ("2026-11-20 11:00", None, "2026-11-21 07:00"),  # a Saturday that is open
        ("2026-11-21 14:30", None, "2026-11-25 07:00"),  # a Monday that is closed; Tuesday ends before it begins
        ("2026-11-25 14:29", "2026-11-25 14:30", "2026-11-25 14:29"),  # early is no later than ever
    ],
)
def test_what_a_bank_or_branch_closes_opens_or_closes_early(now: str, closes: str | None, opens: str) -> None:
    window = changed(BERLIN, calendar=Calendar("TARGET", LOCAL))
    assert closing(window, at(now)) == (at(closes) if closes else None)
    assert next_opening(window, at(now)) == at(opens)


def test_a_day_of_the_week_that_is_closed_for_months_is_waited_for() -> None:
    tuesdays = [date(2026, 11, 24) + timedelta(weeks=n) for n in range(20)]
    local = Closings(closed=frozenset(tuesdays))
    window = changed(BERLIN, calendar=Calendar("TARGET", local), days=frozenset({1}))
    assert next_opening(window, at("2026-11-20 15:00")) == at("2027-04-13 06:00")


def test_a_statement_is_due_on_the_next_day_that_is_open_here() -> None:
    due = replace(DUE, calendar=Calendar("TARGET", LOCAL))
    assert due.at(date(2026, 11, 20)) == at("2026-11-21 08:00")
    assert due.at(date(2026, 11, 21)) == at("2026-11-24 08:00")
    assert not due.expects(date(2026, 11, 23))


def test_without_a_cut_off_everything_is_open() -> None:
    assert closing(ALWAYS, at("2026-11-22 03:00")) == datetime.max.replace(tzinfo=UTC)
    assert next_opening(ALWAYS, at("2026-11-22 03:00")) == at("2026-11-22 03:00")
    assert last_closing(ALWAYS, at("2026-11-22 03:00")) is None
    assert not missed(ALWAYS, at("2026-11-01 03:00"), at("2026-11-22 03:00"))


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-20 14:29", "2026-11-19 14:30"),
        ("2026-11-20 14:30", "2026-11-20 14:30"),
        ("2026-11-23 10:00", "2026-11-20 14:30"),
        ("2026-04-07 05:00", "2026-04-02 13:30"),
    ],
)
def test_when_it_closed_last(now: str, last: str) -> None:
    assert last_closing(BERLIN, at(now)) == at(last)


@pytest.mark.parametrize(
    ("came", "now", "late"),
    [
        ("2026-11-20 10:00", "2026-11-20 11:00", False),  # open
        ("2026-11-20 10:00", "2026-11-20 14:30", True),  # waited across the cut-off
        ("2026-11-20 15:00", "2026-11-20 15:01", True),  # came after it, on the same day
        ("2026-11-20 05:00", "2026-11-20 05:01", False),  # came before the opening
        ("2026-11-21 10:00", "2026-11-21 10:01", False),  # came on a Saturday: no cut-off was missed
        ("2026-11-20 15:00", "2026-11-21 10:00", True),  # came late on Friday
        ("2026-11-20 15:00", "2026-11-23 08:00", False),  # open again
    ],
)
def test_when_a_cut_off_was_missed(came: str, now: str, late: bool) -> None:
    assert missed(BERLIN, at(came), at(now)) is late


# Local times that do not exist, or exist twice.


@pytest.mark.parametrize(
    ("zone", "day", "clock", "utc"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(1, 59), "2026-03-29 00:59"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 0), "2026-03-29 01:00"),  # in the gap: its end
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 59), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(3, 0), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25 00:30"),  # twice: the first
        ("Europe/Berlin", date(2026, 10, 25), time(3, 0), "2026-10-25 02:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08 07:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01 05:30"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03 15:30"),  # a gap of half an hour
        ("Asia/Kolkata", date(2026, 11, 20), time(12, 0), "2026-11-20 06:30"),
    ],
)
def test_the_instant_of_a_local_time(zone: str, day: date, clock: time, utc: str) -> None:
    assert instant(day, clock, zone) == at(utc)


@pytest.mark.parametrize(
    ("zone", "night", "before", "closes"),
    [
        ("Europe/Berlin", "2026-10-25", "2026-10-25 00:15", "2026-10-25 00:30"),
        ("America/New_York", "2026-11-01", "2026-11-01 05:15", "2026-11-01 05:30"),
    ],
)
def test_a_cut_off_that_comes_twice_is_the_first(zone: str, night: str, before: str, closes: str) -> None:
    hour = 2 if "Berlin" in zone else 1
    window = Window(timezone=zone, opens=time(0), cut_off=time(hour, 30))
    assert closing(window, at(before)) == at(closes)
    assert closing(window, at(closes) + timedelta(minutes=59)) is None  # 2:29 for the second time


def test_a_window_on_the_day_of_the_gap_is_an_hour_shorter() -> None:
    window = Window(timezone="Europe/Berlin", opens=time(2, 30), cut_off=time(4))
    assert next_opening(window, at("2026-03-29 00:00")) == at("2026-03-29 01:00")
    assert closing(window, at("2026-03-29 01:00")) == at("2026-03-29 02:00")


@pytest.mark.parametrize(
    ("zone", "cut_off", "calendar", "told"),
    [
        ("Europe/Berlin", time(2, 30), "EVERYDAY", (date(2026, 3, 29), "never comes")),
        ("Europe/Berlin", time(2), "EVERYDAY", (date(2026, 3, 29), "never comes")),
        ("Europe/Berlin", time(1, 59), "EVERYDAY", None),
        ("Europe/Berlin", time(3), "EVERYDAY", None),  # in October, 3:00 is put back to 2:00
        ("Europe/Berlin", time(2, 30), "WEEKDAYS", None),  # it is always a Sunday
        ("America/New_York", time(1, 30), "EVERYDAY", (date(2026, 11, 1), "comes twice")),
        ("Africa/Cairo", time(0, 30), "WEEKDAYS", (date(2026, 4, 24), "never comes")),  # a Friday
        ("Africa/Cairo", time(23, 30), "WEEKDAYS", (date(2026, 10, 29), "comes twice")),  # back over midnight
        ("Asia/Kolkata", time(2, 30), "EVERYDAY", None),
    ],
)
def test_a_cut_off_that_some_open_day_does_not_have_once(
    zone: str, cut_off: time, calendar: str, told: tuple[date, str] | None
) -> None:
    assert astray(Window(timezone=zone, calendar=Calendar(calendar), cut_off=cut_off)) == told


def test_a_cut_off_that_is_early_on_the_day_of_a_change_is_looked_at_as_it_is_on_that_day() -> None:
    early = Calendar("EVERYDAY", Closings(early={date(2027, 3, 28): time(2, 30)}))
    window = Window(timezone="Europe/Berlin", calendar=early, cut_off=time(15))
    assert astray(window) == (date(2027, 3, 28), "never comes")


def test_only_days_of_the_window_count() -> None:
    window = Window(timezone="Europe/Berlin", cut_off=time(2, 30), days=frozenset(range(6)))
    assert astray(window) is None
    assert astray(ALWAYS) is None


instants = st.integers(0, 2 * 365 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
windows = st.builds(
    Window,
    timezone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "UTC"]),
    calendar=st.sampled_from(["EVERYDAY", "WEEKDAYS", "TARGET", "UK"]).map(Calendar),
    days=st.sets(st.integers(0, 4), min_size=1).map(frozenset),
    opens=st.builds(time, st.integers(0, 11), st.integers(0, 59)),
    cut_off=st.builds(time, st.integers(13, 23), st.integers(0, 59)),
    lead=st.timedeltas(timedelta(0), timedelta(minutes=59)),
)


@given(windows, instants)
def test_it_is_open_at_its_next_opening_and_closed_before_it(window: Window, now: datetime) -> None:
    opening = next_opening(window, now)
    closes = closing(window, opening)
    assert now <= opening < now + timedelta(days=SEARCH_DAYS)
    assert closes is not None
    assert closes > opening
    if opening > now:
        assert closing(window, now) is None
        assert closing(window, opening - timedelta(seconds=1)) is None


@given(windows, instants)
def test_it_is_closed_at_its_closing_and_that_was_the_last(window: Window, now: datetime) -> None:
    if (closes := closing(window, now)) is not None:
        assert closing(window, closes) is None
        assert last_closing(window, closes) == closes
        assert not missed(window, now, closes - timedelta(seconds=1))
        assert missed(window, now, closes)


# Days of the week.


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("mon,wed, fri", {0, 2, 4}),
        ("sun", {6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("mon-tue,sat-sun", {0, 1, 5, 6}),
        ("wed-wed", {2}),
    ],
)
def test_days_of_the_week(text: str, days: set[int]) -> None:
    assert parse_days(text) == days


@pytest.mark.parametrize("value", ["", "monday", "-fri", "mon;fri", "mon,", "Mon", 3, None, ["mon"]])
def test_what_is_no_day_of_the_week(value: object) -> None:
    with pytest.raises(ValueError, match="write days as in"):
        parse_days(value)


# Back-off.


@given(
    st.integers(1, 10_000),
    st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1)),
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=1)),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_between_half_and_all_of_its_step_and_never_more_than_the_most(
    failures: int, first: timedelta, most: timedelta, chance: float
) -> None:
    step = min(most, first * 2 ** min(failures - 1, 20))
    tick = timedelta(microseconds=1)
    assert step / 2 - tick <= backoff(failures, first, most, lambda: chance) <= step


def test_a_wait_doubles_until_the_most() -> None:
    waits = [backoff(n, timedelta(seconds=30), timedelta(minutes=5), lambda: 1.0).total_seconds() for n in range(1, 8)]
    assert waits == [30, 60, 120, 240, 300, 300, 300]


# Days whose statements are due: at the time of the next business day.

DUE = Due(timezone="Europe/Berlin", calendar=Calendar("TARGET"), clock=time(9))


@pytest.mark.parametrize(
    ("due", "since", "now", "days"),
    [
        # Berlin in winter is an hour before UTC, in summer two. 2026-11-20 is a Friday.
        (DUE, "2026-11-19", "2026-11-20 07:59", []),
        (DUE, "2026-11-19", "2026-11-20 08:00", ["2026-11-19"]),
        (DUE, "2026-11-20", "2026-11-22 12:00", []),  # Friday's is due on Monday
        (DUE, "2026-11-20", "2026-11-23 08:00", ["2026-11-20"]),
        (DUE, "2026-11-19", "2026-11-25 07:00", ["2026-11-19", "2026-11-20", "2026-11-23"]),
        (DUE, "2026-07-01", "2026-07-02 06:59", []),
        (DUE, "2026-07-01", "2026-07-02 07:00", ["2026-07-01"]),
        # Over Easter, Good Friday and Easter Monday are closed: Thursday's is due on Tuesday.
        (DUE, "2026-04-02", "2026-04-06 12:00", []),
        (DUE, "2026-04-02", "2026-04-07 07:00", ["2026-04-02"]),
        (replace(DUE, calendar=Calendar("WEEKDAYS")), "2026-04-02", "2026-04-06 07:00", ["2026-04-02", "2026-04-03"]),
        # Over Christmas and New Year's day.
        (DUE, "2026-12-24", "2027-01-04 08:00", ["2026-12-24", "2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31"]),
        # The night in which the clocks change: 02:30 comes twice in October, and never in March.
        (replace(DUE, calendar=Calendar("EVERYDAY"), clock=time(2, 30)), "2026-10-24", "2026-10-25 00:29", []),
        (
            replace(DUE, calendar=Calendar("EVERYDAY"), clock=time(2, 30)),
            "2026-10-24",
            "2026-10-25 00:30",
            ["2026-10-24"],
        ),
        (replace(DUE, calendar=Calendar("EVERYDAY"), clock=time(2, 30)), "2026-03-28", "2026-03-29 00:59", []),
        (
            replace(DUE, calendar=Calendar("EVERYDAY"), clock=time(2, 30)),
            "2026-03-28",
            "2026-03-29 01:00",
            ["2026-03-28"],
        ),
        # Only on some days of the week, and due on the next day that is open, whatever day of the week it is.
        (replace(DUE, days=frozenset({4})), "2026-11-09", "2026-11-23 08:00", ["2026-11-13", "2026-11-20"]),
        # It is tomorrow in Auckland already.
        (replace(DUE, timezone="Pacific/Auckland"), "2026-11-18", "2026-11-18 20:00", ["2026-11-18"]),
    ],
)
def test_the_days_whose_statements_are_due(due: Due, since: str, now: str, days: list[str]) -> None:
    assert [str(day) for day in days_due(due, date.fromisoformat(since), at(now))] == days


def test_of_a_long_time_only_the_last_days_are_due() -> None:
    days = days_due(DUE, date(2020, 1, 1), at("2026-11-20 12:00"))
    assert (days[0], days[-1]) == (date(2026, 9, 21), date(2026, 11, 19))


@pytest.mark.parametrize("calendar", ["EVERYDAY", "WEEKDAYS", "TARGET", "DE-BY"])
@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 31)), number=st.integers(0, 60))
def test_so_many_business_days_later_is_a_business_day_with_so_many_between(
    calendar: str, day: date, number: int
) -> None:
    found = Calendar(calendar).after(day, number)
    days = [day + timedelta(days=n) for n in range((found - day).days + 1)]
    assert sum(Calendar(calendar).is_open(each) for each in days) == number + 1
    assert Calendar(calendar).is_open(found)
