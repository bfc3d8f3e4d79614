"""Which days are open: of payment systems, of countries' banks, and of several of them together.

The library `holidays` knows the days of countries and of TARGET. No library knows the Federal Reserve's rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta

CALENDARS = {
    "EVERYDAY": "every day is open",
    "WEEKDAYS": "Monday to Friday",
    "TARGET": "TARGET (T2) of the Eurosystem",
    "UK": "bank holidays of England, as for CHAPS",
    "FEDWIRE": "the Federal Reserve Banks",
    "SIC": "Swiss Interbank Clearing",
}
COUNTRY = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
TOGETHER = "+"  # TARGET+DE-BY: open where both are
SEARCH_DAYS = 400  # nothing closes for longer, also where only one day of the week is open to a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Closings:
    """Days that a bank or a branch closes besides its calendar, opens in spite of it, or closes early.

    `until`: they are known up to that day.
    """

    closed: frozenset[date] = frozenset()
    open: frozenset[date] = frozenset()
    early: Mapping[date, time] = field(default_factory=dict, hash=False)
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """`name`: one of CALENDARS, a country, or several of these."""

    name: str = "EVERYDAY"
    local: Closings = Closings()

    def is_open(self, day: date) -> bool:
        if day in self.local.open:
            return True
        return day not in self.local.closed and all(_is_open(each, day) for each in self.name.split(TOGETHER))

    def after(self, day: date, number: int) -> date:
        """So many open days after the first one that is not before `day`."""
        found, left = day, number
        for _ in range(SEARCH_DAYS * (number + 1)):
            if self.is_open(found):
                if not left:
                    return found
                left -= 1
            found += timedelta(days=1)
        raise AssertionError(f"no open day within {SEARCH_DAYS} days of {found} in {self.name}")


EVERY_DAY = Calendar()


def is_calendar(name: str) -> bool:
    """Whether each of these calendars can be had: one of CALENDARS, or a country's bank holidays (DE, DE-BY, CH-ZH)."""
    return all(_is_there(each) for each in name.split(TOGETHER))


def looks_like_calendar(name: str) -> bool:
    """As `is_calendar`, but that the library, which takes a while to load, is not asked for countries."""
    return all(each in CALENDARS or COUNTRY.fullmatch(each) for each in name.split(TOGETHER))


def _is_open(calendar: str, day: date) -> bool:
    if calendar == "EVERYDAY":
        return True
    return day.weekday() < 5 and day not in _holidays(calendar, day.year)


def _is_there(calendar: str) -> bool:
    if calendar in CALENDARS:
        return True
    if not COUNTRY.fullmatch(calendar):
        return False
    try:
        _holidays(calendar, 2026)
    except (NotImplementedError, KeyError, AttributeError):
        return False
    return True


@functools.lru_cache(maxsize=64)
def _holidays(calendar: str, year: int) -> frozenset[date]:
    if calendar == "WEEKDAYS":
        return frozenset()
    import holidays

    match calendar:
        case "TARGET":
            return frozenset(holidays.financial_holidays("ECB", years=year))
        case "FEDWIRE":
            return frozenset(_of_the_fed(holidays.country_holidays("US", observed=False, years=year)))
        case "SIC":  # those of the banks of Zurich: 2 January is none of the canton's own
            return frozenset(holidays.country_holidays("CH", subdiv="ZH", years=year)) | {date(year, 1, 2)}
    country, _, part = "GB-ENG".partition("-") if calendar == "UK" else calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


def _of_the_fed(days: Iterable[date]) -> Iterable[date]:
    """A holiday on a Sunday is kept on Monday; one on a Saturday on no other day, unlike elsewhere in the country."""
    return (day + timedelta(days=1) if day.weekday() == 6 else day for day in days)
