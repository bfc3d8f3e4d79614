"""Several windows at once, against a search that looks at each minute on the clocks of the zone, and knows no more."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from h2h.calendars import Calendar, Closings
from h2h.schedule import Window, all_closing, all_missed, all_opening, astray

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EXAMPLES = 300 if os.environ.get("H2H_LONG") else 60
SEEN = range(-4, 5)  # the days around an instant that are looked at
# Days on which the clocks of a zone change, forward or back, some of them at midnight or by half an hour.
CHANGES = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "Africa/Cairo": ["2026-04-24", "2026-10-29"],
    "America/Santiago": ["2026-04-05", "2026-09-06"],
    "Asia/Kolkata": ["2026-06-01"],
}


@cache
def _minutes(zone: str, day: date) -> list[tuple[datetime, datetime]]:
    """From the evening before a day to the morning after it: each minute, and what the clocks show then."""
    start = datetime.combine(day, time(), UTC) - timedelta(hours=16)
    instants = (start + n * MINUTE for n in range(56 * 60))
    return [(each, each.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for each in instants]


@cache
def _first(zone: str, day: date, clock: time) -> datetime:
    """The first minute at which the clocks show that time, or are past it."""
    wanted = datetime.combine(day, clock)
    return next(instant for instant, shown in _minutes(zone, day) if shown >= wanted)


def _spans(window: Window, around: datetime) -> list[tuple[datetime, datetime]]:
    assert window.cut_off
    found, today = [], around.astimezone(ZoneInfo(window.timezone)).date()
    for day in (today + n * DAY for n in SEEN):
        if day.weekday() in window.days and window.calendar.is_open(day) and window.also.is_open(day):
            early = window.calendar.local.early.get(day, window.cut_off)
            ends = _first(window.timezone, day, min(window.cut_off, early)) - window.lead
            found.append((_first(window.timezone, day, window.opens), ends))
    return found


def _open(spans: list[tuple[datetime, datetime]], now: datetime) -> bool:
    return any(begins <= now < ends for begins, ends in spans)


def _missed(window: Window, spans: list[tuple[datetime, datetime]], since: datetime, now: datetime) -> bool:
    """A closing went by since, or before that on the very day; and it has not opened again."""
    zone = ZoneInfo(window.timezone)
    over = [ends for _, ends in spans if ends <= now]
    same_day = [ends for ends in over[-1:] if ends.astimezone(zone).date() == since.astimezone(zone).date()]
    return not _open(spans, now) and bool(same_day or [ends for ends in over[-1:] if ends >= since])


def _windows(zone: str) -> st.SearchStrategy[Window]:
    changes = [date.fromisoformat(day) for day in CHANGES[zone]]
    early = st.dictionaries(st.sampled_from(changes), st.builds(time, st.integers(0, 23), st.sampled_from([0, 30])))
    return st.builds(
        Window,
        timezone=st.just(zone),
        calendar=st.builds(Calendar, st.sampled_from(["EVERYDAY", "WEEKDAYS"]), st.builds(Closings, early=early)),
        also=st.sampled_from(["EVERYDAY", "EVERYDAY", "WEEKDAYS"]).map(Calendar),
        days=st.sets(st.integers(0, 6), min_size=4).map(frozenset),
        opens=st.builds(time, st.integers(0, 12), st.sampled_from([0, 30])),
        cut_off=st.builds(time, st.integers(1, 23), st.sampled_from([0, 30, 59])),
        lead=st.sampled_from([timedelta(0), timedelta(minutes=20)]),
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[list[Window], datetime]:
    """Some windows of one bank, and an instant within days of a change of its clocks."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    windows = draw(st.lists(_windows(zone), min_size=1, max_size=3))
    assume(all(_has_time(window) for window in windows))
    day = date.fromisoformat(draw(st.sampled_from(CHANGES[zone]))) + draw(st.integers(-1, 1)) * DAY
    return windows, datetime.combine(day, time(), UTC) + draw(st.integers(0, 1_439)) * MINUTE


def _has_time(window: Window) -> bool:
    """As the settings ask for it."""
    assert window.cut_off
    opens, cut_off = (datetime.combine(date.min, clock) for clock in (window.opens, window.cut_off))
    return opens + window.lead < cut_off


@settings(deadline=None, max_examples=EXAMPLES)
@given(moments())
def test_all_are_open_until_the_first_of_them_closes(drawn: tuple[list[Window], datetime]) -> None:
    windows, now = drawn
    spans = [_spans(window, now) for window in windows]
    at = now
    while at < now + 2 * DAY and all(_open(each, at) for each in spans):
        at += MINUTE
    assert all_closing(windows, now) == (at if at > now else None)


@settings(deadline=None, max_examples=EXAMPLES)
@given(moments())
def test_the_next_opening_is_the_first_minute_at_which_all_are_open(drawn: tuple[list[Window], datetime]) -> None:
    windows, now = drawn
    spans = [_spans(window, now) for window in windows]
    seen = (now + n * MINUTE for n in range(3 * 1_440))
    first = next((each for each in seen if all(_open(span, each) for span in spans)), None)
    found = all_opening(windows, now)
    assert found == first or (first is None and (found is None or found >= now + 3 * DAY))


@settings(deadline=None, max_examples=EXAMPLES)
@given(moments(), st.integers(0, 3_000))
def test_what_was_missed_was_missed_by_each_window_alone(drawn: tuple[list[Window], datetime], waited: int) -> None:
    windows, now = drawn
    since = now - waited * MINUTE
    late = [window for window in windows if _missed(window, _spans(window, now), since, now)]
    found = all_missed(windows, since, now)
    assert sorted(map(repr, found)) == sorted(map(repr, late))
    closed = [max(ends for _, ends in _spans(window, now) if ends <= now) for window in found]
    assert closed == sorted(closed)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


EUROS = Window(timezone="Europe/Berlin", calendar=Calendar("TARGET"), opens=time(8), cut_off=time(15, 30))
DOLLARS = Window(
    timezone="Europe/Berlin",
    calendar=Calendar("TARGET"),
    also=Calendar("FEDWIRE"),
    opens=time(7),
    cut_off=time(13),
    payments="USD",
)
ALWAYS = Window(timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "closes", "opens"),
    [
        # 2026-11-26 is Thanksgiving, a Thursday; Berlin is an hour before UTC.
        ("2026-11-25 07:00", "2026-11-25 12:00", "2026-11-25 07:00"),
        ("2026-11-25 06:30", None, "2026-11-25 07:00"),
        ("2026-11-25 12:00", None, "2026-11-27 07:00"),
        ("2026-11-26 10:00", None, "2026-11-27 07:00"),
        ("2026-11-27 11:59", "2026-11-27 12:00", "2026-11-27 11:59"),
    ],
)
def test_a_calendar_beside_the_banks_closes_days_as_well(now: str, closes: str | None, opens: str) -> None:
    assert all_closing([EUROS, DOLLARS, ALWAYS], at(now)) == (at(closes) if closes else None)
    assert all_opening([EUROS, DOLLARS, ALWAYS], at(now)) == at(opens)
    assert (all_closing([EUROS], at("2026-11-26 10:00")) is None) is False


def test_a_day_that_the_bank_opens_in_spite_of_its_calendar_is_not_opened_in_the_other_one() -> None:
    saturday = Closings(open=frozenset({date(2026, 11, 28)}))
    branch = Window(timezone="UTC", calendar=Calendar("TARGET", saturday), cut_off=time(12))
    assert all_closing([branch], at("2026-11-28 09:00")) == at("2026-11-28 12:00")
    abroad = Window(timezone="UTC", calendar=branch.calendar, also=Calendar("FEDWIRE"), cut_off=time(12))
    assert all_opening([abroad], at("2026-11-28 09:00")) == at("2026-11-30 00:00")


def test_windows_that_are_never_open_together_have_no_opening() -> None:
    morning = Window(timezone="Europe/Berlin", opens=time(8), cut_off=time(12))
    evening = Window(timezone="Europe/Berlin", opens=time(12), cut_off=time(18))
    assert all_opening([morning, evening], at("2026-11-20 09:00")) is None
    weekend = Window(timezone="Europe/Berlin", days=frozenset({5, 6}), cut_off=time(18))
    assert all_opening([DOLLARS, weekend], at("2026-11-20 09:00")) is None


def test_of_several_that_were_missed_the_one_that_closed_first_stands_first() -> None:
    assert all_missed([EUROS, DOLLARS], at("2026-11-20 09:00"), at("2026-11-20 15:00")) == [DOLLARS, EUROS]
    assert all_missed([EUROS, DOLLARS], at("2026-11-20 09:00"), at("2026-11-20 13:00")) == [DOLLARS]
    assert all_missed([EUROS, DOLLARS], at("2026-11-20 09:00"), at("2026-11-20 11:00")) == []


def test_a_cut_off_is_astray_on_open_days_of_both_calendars_only() -> None:
    sundays = Window(timezone="Europe/Berlin", cut_off=time(2, 30))
    assert astray(sundays) == (date(2026, 3, 29), "never comes")
    assert astray(Window(timezone="Europe/Berlin", cut_off=time(2, 30), also=Calendar("FEDWIRE"))) is None
