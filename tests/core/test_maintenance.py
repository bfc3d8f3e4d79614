"""When a bank's server is away, against a search that looks at each minute on the clocks of the zone."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2h.calendars import Calendar
from h2h.schedule import MOST_AWAY, Away, Window, away_until, closes_away
from tests.changing import replace
from tests.core.test_windows import CHANGES, DAY, MINUTE, _first

SUNDAYS = Away(timezone="Europe/Berlin", days=frozenset({6}), starts=time(2), ends=time(6))
NIGHTS = Away(timezone="Europe/Berlin", days=frozenset({4, 5}), starts=time(22), ends=time(1, 30))
ONCE = Away(timezone="Europe/Berlin", on=date(2026, 12, 5), starts=time(6), ends=time(12))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("times", "now", "until"),
    [
        # 2026-11-22 is a Sunday; Berlin is an hour before UTC.
        ([SUNDAYS], "2026-11-22 00:59", None),
        ([SUNDAYS], "2026-11-22 01:00", "2026-11-22 05:00"),
        ([SUNDAYS], "2026-11-22 04:59", "2026-11-22 05:00"),
        ([SUNDAYS], "2026-11-22 05:00", None),
        ([SUNDAYS], "2026-11-21 03:00", None),
        ([NIGHTS], "2026-11-20 20:59", None),
        ([NIGHTS], "2026-11-20 21:00", "2026-11-21 00:30"),
        ([NIGHTS], "2026-11-21 00:29", "2026-11-21 00:30"),  # of the evening before
        ([NIGHTS], "2026-11-22 00:29", "2026-11-22 00:30"),
        ([NIGHTS], "2026-11-22 22:00", None),  # a Sunday evening
        ([ONCE], "2026-12-05 05:00", "2026-12-05 11:00"),
        ([ONCE], "2026-12-12 05:00", None),
        ([SUNDAYS, replace(NIGHTS, ends=time(2))], "2026-11-21 21:00", "2026-11-22 05:00"),  # one after the other
        ([replace(SUNDAYS, starts=time(22), ends=time(0))], "2026-11-22 22:30", "2026-11-22 23:00"),  # to midnight
        # The clocks go forward on 29 March 2026, a Sunday, from 2:00 to 3:00, and back on 25 October.
        ([SUNDAYS], "2026-03-29 01:00", "2026-03-29 04:00"),
        ([replace(SUNDAYS, ends=time(2, 30))], "2026-03-29 01:00", None),  # there is no such time
        ([SUNDAYS], "2026-10-25 00:00", "2026-10-25 05:00"),
        ([], "2026-11-22 03:00", None),
    ],
)
def test_until_when_a_server_is_away(times: list[Away], now: str, until: str | None) -> None:
    assert away_until(times, at(now)) == (at(until) if until else None)


def test_what_follows_itself_for_ever_comes_to_an_end_all_the_same() -> None:
    always = [replace(SUNDAYS, days=frozenset(range(7)), starts=time(h), ends=time((h + 12) % 24)) for h in (0, 12)]
    assert away_until(always, at("2026-11-22 00:00")) == at("2026-11-21 23:00") + MOST_AWAY * timedelta(hours=12)


@cache
def _span(away: Away, day: date) -> tuple[datetime, datetime]:
    last = day if away.starts < away.ends else day + DAY
    return _first(away.timezone, day, away.starts), _first(away.timezone, last, away.ends)


def _lasts(away: Away, now: datetime) -> bool:
    today = now.astimezone(ZoneInfo(away.timezone)).date()
    days = [today + n * DAY for n in (-2, -1, 0, 1)]
    spans = [_span(away, day) for day in days if (day == away.on if away.on else day.weekday() in away.days)]
    return any(begins <= now < ends for begins, ends in spans)


clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))


@st.composite
def moments(draw: st.DrawFn) -> tuple[list[Away], datetime]:
    """Some maintenance of one bank, and an instant within a day of a change of its clocks."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    day = date.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    weekly = st.fixed_dictionaries({"days": st.sets(st.integers(0, 6), min_size=1).map(frozenset)})
    once = st.fixed_dictionaries({"on": st.integers(-1, 1).map(lambda n: day + n * DAY)})
    made = []
    for when in draw(st.lists(weekly | once, min_size=1, max_size=2)):
        starts, ends = draw(st.lists(clocks, min_size=2, max_size=2, unique=True))
        made.append(Away(timezone=zone, starts=starts, ends=ends, **when))  # type: ignore[arg-type]
    now = datetime.combine(day, time(), UTC) + draw(st.integers(-1_440, 2 * 1_440)) * MINUTE
    return made, now


@settings(deadline=None, max_examples=300 if os.environ.get("H2H_LONG") else 100)
@given(moments())
def test_it_is_away_until_the_first_minute_at_which_none_lasts(drawn: tuple[list[Away], datetime]) -> None:
    times, now = drawn
    until = now
    while until < now + 2 * DAY and any(_lasts(away, until) for away in times):
        until += MINUTE
    found = away_until(times, now)
    assert found == (until if until > now else None) or (found is not None and found >= until == now + 2 * DAY)


NINE_TO_THREE = Window(timezone="Europe/Berlin", calendar=Calendar("TARGET"), opens=time(9), cut_off=time(15))


@pytest.mark.parametrize(
    ("window", "away", "falls"),
    [
        (NINE_TO_THREE, {"days": {0}, "starts": time(14), "ends": time(16)}, True),
        (NINE_TO_THREE, {"days": {0}, "starts": time(14), "ends": time(15)}, True),
        (NINE_TO_THREE, {"days": {0}, "starts": time(14), "ends": time(14, 59)}, False),
        (NINE_TO_THREE, {"days": {0}, "starts": time(15), "ends": time(16)}, False),
        (NINE_TO_THREE, {"days": {6}, "starts": time(14), "ends": time(16)}, False),  # a day that is closed anyway
        (NINE_TO_THREE, {"on": date(2026, 6, 2), "starts": time(14), "ends": time(16)}, False),  # once
        (replace(NINE_TO_THREE, lead=timedelta(hours=1)), {"days": {4}, "starts": time(13), "ends": time(14)}, True),
        (replace(NINE_TO_THREE, cut_off=None), {"days": {0}, "starts": time(14), "ends": time(16)}, False),
    ],
)
def test_a_cut_off_that_falls_into_maintenance_each_week(window: Window, away: dict[str, object], falls: bool) -> None:
    when = {**away, "days": frozenset(away.get("days", ()))}  # type: ignore[call-overload]
    assert closes_away(window, [Away(timezone="Europe/Berlin", **when)]) is falls
