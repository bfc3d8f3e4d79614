"""Windows, cut-offs and back-off: pure functions of rules and an instant.

Every comparison is made in UTC: local times in a DST fold compare equal in Python. A local time that does not exist
is the first instant after the gap; one that exists twice is the first of the two (the cautious choice for a cut-off).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from h2h.calendars import EVERY_DAY, SEARCH_DAYS, Calendar

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DUE_DAYS = 60
NEVER = datetime.max.replace(tzinfo=UTC)  # what is always open closes then
MOST_AWAY = 50
PLAIN_WEEKS, WEEKS = (
    date(2026, 6, 1),
    4,
)  # from a Monday on, without changes of the clocks
YEARS = range(2026, 2038)  # in which cut-offs are held against the clock changes that are known


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When handing over makes sense: from `opens` to `cut_off` minus `lead`, on open days, in the bank's zone.

    Without a cut-off it is always open. `also`: another calendar by which a day has to be open; `payments`: the ones
    that it is for, in words, where a folder has other windows for others.
    """

    timezone: str
    calendar: Calendar = EVERY_DAY
    also: Calendar = EVERY_DAY
    days: frozenset[int] = frozenset(range(7))
    opens: time = time(0, 0)
    cut_off: time | None = None
    lead: timedelta = timedelta(0)
    payments: str = ""

    def is_open_on(self, day: date) -> bool:
        return day.weekday() in self.days and self.calendar.is_open(day) and self.also.is_open(day)


def closing(window: Window, now: datetime) -> datetime | None:
    """The end of the span that is open at `now`; None where it is closed. Without a cut-off: NEVER."""
    if window.cut_off is None:
        return NEVER
    today = now.astimezone(ZoneInfo(window.timezone)).date()
    for day in (today - timedelta(days=1), today):
        span = _span(window, day)
        if span is not None and span[0] <= now < span[1]:
            return span[1]
    return None


def next_opening(window: Window, now: datetime) -> datetime:
    """The first instant from `now` on at which the window is open: `now` itself where it is."""
    if closing(window, now) is not None:
        return now
    today = now.astimezone(ZoneInfo(window.timezone)).date()
    for ahead in range(SEARCH_DAYS):
        span = _span(window, today + timedelta(days=ahead))
        if span is not None and now < span[0] < span[1]:
            return span[0]
    raise AssertionError(f"no open day within {SEARCH_DAYS} days in {window}")


def last_closing(window: Window, now: datetime) -> datetime | None:
    """The latest end of a span that has passed."""
    today = now.astimezone(ZoneInfo(window.timezone)).date()
    spans = (_span(window, today - timedelta(days=back)) for back in range(SEARCH_DAYS)) if window.cut_off else ()
    return next((span[1] for span in spans if span is not None and span[1] <= now), None)


def closings(window: Window, since: datetime, until: datetime) -> list[tuple[date, datetime]]:
    """The ends of its spans after `since`, up to `until`, each with its day; of a long time those of SEARCH_DAYS."""
    if window.cut_off is None:
        return []
    zone = ZoneInfo(window.timezone)
    last = until.astimezone(zone).date() + timedelta(days=1)
    first = max(since.astimezone(zone).date() - timedelta(days=1), last - timedelta(days=SEARCH_DAYS))
    days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
    spans = ((day, span[1]) for day in days if (span := _span(window, day)))
    return [(day, end) for day, end in spans if since < end <= until]


def missed(window: Window, waiting_since: datetime, now: datetime) -> bool:
    """Whether a cut-off went by while the file was waiting, or earlier on the day on which it came."""
    last = last_closing(window, now)
    if last is None or closing(window, now) is not None:
        return False
    zone = ZoneInfo(window.timezone)
    return last >= waiting_since or last.astimezone(zone).date() == waiting_since.astimezone(zone).date()


# Of several windows that a file goes by together: it may go while all of them are open.


def all_closing(windows: Sequence[Window], now: datetime) -> datetime | None:
    """The end of the time in which all are open, as they are now; None where one is closed."""
    ends = [closing(window, now) for window in windows]
    return min((end for end in ends if end), default=None) if all(ends) else None


def all_opening(windows: Sequence[Window], now: datetime) -> datetime | None:
    """The first instant from `now` on at which all are open; None where that is not within SEARCH_DAYS."""
    at, last = now, now + timedelta(days=SEARCH_DAYS)
    while at <= last:
        latest = max(next_opening(window, at) for window in windows)
        if latest == at:
            return at
        at = latest
    return None


def all_missed(windows: Sequence[Window], waiting_since: datetime, now: datetime) -> list[Window]:
    """Those that the file missed; the one that closed first stands first."""
    found = [window for window in windows if missed(window, waiting_since, now)]
    return sorted(found, key=lambda window: last_closing(window, now) or now)


def astray(window: Window) -> tuple[date, str] | None:
    """The first open day on which the clocks of the zone never show the cut-off, or show it twice; and which it is."""
    if window.cut_off is None:
        return None
    zone = ZoneInfo(window.timezone)
    for day in _clock_changes(window.timezone):
        if window.is_open_on(day):
            clock = datetime.combine(day, cut_off_on(window, day), zone)
            early, late = clock.utcoffset(), clock.replace(fold=1).utcoffset()
            assert early is not None
            assert late is not None
            if early != late:
                return day, "never comes" if early < late else "comes twice"
    return None


@functools.cache
def _clock_changes(timezone: str) -> list[date]:
    """The days of YEARS on which the clocks are put forward or back, and the days before: some are so at midnight."""
    zone, found = ZoneInfo(timezone), set[date]()
    days = (date(YEARS[0], 1, 1) + timedelta(days=ahead) for ahead in range(366 * len(YEARS)))
    offsets = ((day, datetime.combine(day, time(), zone).utcoffset()) for day in days)
    for (day, before), (following, after) in itertools.pairwise(offsets):
        if before != after:
            found |= {day, following}
    return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A day's statement is due at this time of the next business day, in the bank's zone."""

    timezone: str
    calendar: Calendar
    days: frozenset[int] = frozenset(range(7))
    clock: time = time(9, 0)

    def expects(self, day: date) -> bool:
        return day.weekday() in self.days and self.calendar.is_open(day)

    def at(self, day: date) -> datetime:
        """When the statement of this day is due."""
        return instant(self.calendar.after(day + timedelta(days=1), 0), self.clock, self.timezone)


def days_due(due: Due, since: date, now: datetime) -> list[date]:
    """The days from `since` on whose statements should be here by now; of a long time the last DUE_DAYS."""
    today = now.astimezone(ZoneInfo(due.timezone)).date()
    first = max(since, today - timedelta(days=DUE_DAYS))
    days = (first + timedelta(days=ahead) for ahead in range((today - first).days))
    return [day for day in days if due.expects(day) and due.at(day) <= now]


def _span(window: Window, day: date) -> tuple[datetime, datetime] | None:
    if not window.is_open_on(day):
        return None
    cut_off = instant(day, cut_off_on(window, day), window.timezone)
    return instant(day, window.opens, window.timezone), cut_off - window.lead


def cut_off_on(window: Window, day: date) -> time:
    """Earlier than usual where the bank closes early on that day."""
    assert window.cut_off is not None
    return min(window.cut_off, window.calendar.local.early.get(day, window.cut_off))


def instant(day: date, clock: time, timezone: str) -> datetime:
    """The UTC instant of a local time: after a gap, or the first of two in a fold."""
    zone = ZoneInfo(timezone)
    found = datetime.combine(day, clock, zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, clock):
        return found
    # In a gap: the clocks jump somewhere between the readings by the old and by the new offset.
    early = datetime.combine(day, clock, zone).replace(fold=1).astimezone(UTC)
    jump = zone.utcoffset(found.astimezone(zone))
    while found - early > timedelta(seconds=1):
        middle = early + (found - early) / 2
        early, found = (early, middle) if zone.utcoffset(middle.astimezone(zone)) == jump else (middle, found)
    return found.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """When a bank's server is away, in the bank's zone: on these days of each week, or `on` one day, from `starts` to
    `ends`, which is on the next day where it is not later."""

    timezone: str
    days: frozenset[int] = frozenset()
    on: date | None = None
    starts: time
    ends: time

    def covers(self, now: datetime) -> datetime | None:
        """Its end, where it lasts at `now`."""
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        days = [day for day in (today - timedelta(days=1), today) if day == self.on or day.weekday() in self.days]
        return max((ends for begins, ends in map(self._span, days) if begins <= now < ends), default=None)

    def _span(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.starts < self.ends else day + timedelta(days=1)
        return instant(day, self.starts, self.timezone), instant(last, self.ends, self.timezone)


def away_until(times: Sequence[Away], now: datetime) -> datetime | None:
    """The first instant from `now` on at which none of these lasts; None where none does now. Where they follow each
    other for ever, the end of the MOST_AWAY-th."""
    until = now
    for _ in range(MOST_AWAY):
        ends = max((end for each in times if (end := each.covers(until))), default=None)
        if ends is None:
            break
        until = ends
    return until if until > now else None


def closes_away(window: Window, times: Sequence[Away]) -> bool:
    """Whether on some day of the week the server is always away right before the window closes."""
    return any(_closes_away(window, times, weekday) for weekday in range(7)) if window.cut_off else False


def _closes_away(window: Window, times: Sequence[Away], weekday: int) -> bool:
    days = (PLAIN_WEEKS + timedelta(days=weekday, weeks=week) for week in range(WEEKS))
    ends = [span[1] - timedelta(seconds=1) for day in days if (span := _span(window, day))]
    return bool(ends) and all(away_until(times, end) for end in ends)


def parse_days(value: object) -> frozenset[int]:
    """Days of the week as in "mon-fri" or "mon,wed,fri"; Monday is 0."""
    found: set[int] = set()
    for part in value.split(",") if isinstance(value, str) else [""]:
        first, _, last = (word.strip() for word in part.partition("-"))
        if first not in DAY_NAMES or (last and last not in DAY_NAMES):
            raise ValueError("write days as in mon-fri or mon,wed,fri")
        start, end = DAY_NAMES.index(first), DAY_NAMES.index(last or first)
        found.update(day % 7 for day in range(start, end + 1 if end >= start else end + 8))
    return frozenset(found)


def backoff(failures: int, first: timedelta, most: timedelta, chance: Callable[[], float]) -> timedelta:
    """The wait after the n-th failure in a row: doubled each time, capped, the last half of it left to chance."""
    full: timedelta = min(most, first * 2 ** min(failures - 1, 20))
    return full * (0.5 + chance() / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a bank's time runs: on open days, from `opens` to `closes` (None: to midnight), in its zone."""

    timezone: str
    calendar: Calendar = EVERY_DAY
    opens: time = time(0, 0)
    closes: time | None = None

    def after(self, start: datetime, span: timedelta) -> datetime:
        """The instant at which so much of the bank's time has gone by since `start`."""
        day, left = start.astimezone(ZoneInfo(self.timezone)).date(), span
        for _ in range(SEARCH_DAYS + math.ceil(span / timedelta(minutes=1))):
            begins, ends = self._on(day)
            begins = max(begins, start)
            if begins < ends and self.calendar.is_open(day):
                if left <= ends - begins:
                    return begins + left
                left -= ends - begins
            day += timedelta(days=1)
        raise AssertionError(f"{span} of {self} do not come to an end")

    def on_day(self, start: datetime, days: int, clock: time) -> datetime:
        """That time of the so-many-th open day after the day of `start`; 0 is that day itself, or the next open one."""
        day = self.calendar.after(start.astimezone(ZoneInfo(self.timezone)).date(), days)
        return instant(day, clock, self.timezone)

    def _on(self, day: date) -> tuple[datetime, datetime]:
        last = (day, self.closes) if self.closes else (day + timedelta(days=1), time())
        return instant(day, self.opens, self.timezone), instant(*last, self.timezone)
