"""Of every zone of tzdata, over four years, with cut-offs each quarter of an hour: each day has exactly one.

Zones whose clocks go alike are tried once. What a day is like follows from its clocks alone, so that only days around
changes are tried, and a month without any; H2H_LONG=1 tries all days.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from h2h.schedule import Window, astray, closing, closings, last_closing, next_opening

LONG = bool(os.environ.get("H2H_LONG"))
FIRST, LAST = date(2026, 1, 1), date(2029, 12, 31)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
QUARTERS = [time(n // 4, n % 4 * 15) for n in range(1, 96)]
ONE_DAY, TICK = timedelta(days=1), timedelta(microseconds=1)


def _offsets(zone: str) -> tuple[timedelta | None, ...]:
    known = ZoneInfo(zone)
    return tuple(datetime.combine(day, time(), known).utcoffset() for day in DAYS)


def _clocks(zone: str) -> tuple[object, ...]:
    """What tells the clocks of a zone from those of others: the offset of each day, and of each quarter of an hour on
    the days around changes, for the first time and the second one."""
    known, offsets = ZoneInfo(zone), _offsets(zone)
    changing = [n for n in range(1, len(DAYS)) if offsets[n] != offsets[n - 1]]
    near = [datetime.combine(DAYS[n - back], clock, known) for n in changing for back in (1, 0) for clock in QUARTERS]
    return offsets, tuple((each.utcoffset(), each.replace(fold=1).utcoffset()) for each in near)


ZONES = {_clocks(zone): zone for zone in sorted(available_timezones() - {"localtime"}, reverse=True)}


def _stretches(zone: str) -> Iterator[tuple[date, date]]:
    """From one day to another: those around each change of the clocks, and a month."""
    if LONG:
        yield FIRST, LAST
        return
    offsets = _offsets(zone)
    for at in range(1, len(DAYS)):
        if offsets[at] != offsets[at - 1]:
            yield DAYS[max(at - 3, 0)], DAYS[min(at + 2, len(DAYS) - 1)]
    yield date(2026, 12, 10), date(2027, 1, 10)


def _fired(window: Window, since: datetime, until: datetime) -> list[datetime]:
    """The closings after `since`, up to `until`, from the last one back."""
    found = []
    while (last := last_closing(window, until)) and last > since:
        found.append(last)
        until = last - TICK
    return found[::-1]


def _day(local: datetime) -> date:
    """Midnight is a closing only where the last hour of a day is left out."""
    return local.date() if local.time() > time() else local.date() - ONE_DAY


@pytest.mark.long
@pytest.mark.parametrize("zone", ZONES.values())
def test_each_day_has_exactly_one_cut_off_at_its_time(zone: str) -> None:
    known = ZoneInfo(zone)
    for first, last in _stretches(zone):
        start, end = (datetime.combine(day, time(), known).astimezone(UTC) for day in (first, last + ONE_DAY))
        days = (last - first).days + 1
        step = 1 if LONG else 3 if days < 20 else 29  # other quarters in each zone
        for clock in QUARTERS[sum(map(ord, zone)) % step :: step]:
            window = Window(timezone=zone, cut_off=clock)
            fired = _fired(window, start, end)
            assert len(fired) == days, clock
            local = [each.astimezone(known) for each in fired]
            assert [*map(_day, local)] == [first + timedelta(days=n) for n in range(days)], clock
            if astray(window) is None:
                assert {each.time() for each in local} == {clock}
                assert {each.fold for each in local} == {0}


@pytest.mark.long
@pytest.mark.parametrize("zone", ZONES.values())
def test_who_waits_from_one_closing_to_the_next_meets_each(zone: str) -> None:
    """As the gateway goes through them: where it is closed to its next opening, from there to its closing."""
    for first, last in _stretches(zone):
        for clock in QUARTERS[15::31]:  # no clock changes as late as that, nor a whole window away
            window = Window(timezone=zone, cut_off=clock)
            until = datetime.combine(last, time(12), ZoneInfo(zone)).astimezone(UTC)
            now = start = datetime.combine(first, time(), ZoneInfo(zone)).astimezone(UTC)
            met = []
            while now <= until:
                ends = closing(window, next_opening(window, now))
                assert ends is not None
                assert ends > now
                met.append(now := ends)
            assert [each for each in met if each <= until] == _fired(window, start, until)


@pytest.mark.long
@pytest.mark.parametrize("zone", ZONES.values())
def test_whenever_somebody_looks_each_closing_is_found_once_with_its_day(zone: str) -> None:
    """As the lookout does it: since the last one that was noted. Whoever sleeps for days gets them all at once."""
    chance = random.Random(zone)
    for first, last in _stretches(zone):
        for clock in QUARTERS[3::31]:
            window = Window(timezone=zone, cut_off=clock, lead=timedelta(minutes=chance.choice([0, 10, 300])))
            start, until = (datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC) for day in (first, last))
            noted, now = [(first, start)], start
            while now < until:
                now = min(until, now + timedelta(minutes=chance.choice([1, 45, 700, 5000])))
                noted += closings(window, noted[-1][1], now)
            assert [at for _, at in noted[1:]] == _fired(window, start, until)
            days = [day for day, _ in noted[1:]]
            assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
            assert {(at + window.lead).astimezone(ZoneInfo(zone)).time() for _, at in noted[1:]} <= {
                clock,
                *((at + window.lead).astimezone(ZoneInfo(zone)).time() for day, at in noted[1:] if _changes(zone, day)),
            }


def _changes(zone: str, day: date) -> bool:
    known = ZoneInfo(zone)
    return len({datetime.combine(d, time(), known).utcoffset() for d in (day - ONE_DAY, day, day + ONE_DAY)}) > 1
