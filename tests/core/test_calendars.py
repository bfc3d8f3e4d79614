"""Calendars against the days that their operators publish."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from h2h.calendars import CALENDARS, Calendar, is_calendar

# The closing days that do not fall on a weekend.
PUBLISHED = {
    ("TARGET", 2024): "01-01 03-29 04-01 05-01 12-25 12-26",  # European Central Bank
    ("TARGET", 2025): "01-01 04-18 04-21 05-01 12-25 12-26",
    ("TARGET", 2026): "01-01 04-03 04-06 05-01 12-25",
    ("TARGET", 2027): "01-01 03-26 03-29",
    ("TARGET", 2028): "04-14 04-17 05-01 12-25 12-26",
    ("FEDWIRE", 2024): "01-01 01-15 02-19 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",  # Federal Reserve Banks
    ("FEDWIRE", 2025): "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25",
    ("FEDWIRE", 2026): "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",  # not Friday, July 3
    ("FEDWIRE", 2027): "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25",  # not Fridays, June 18, December 24
    (
        "FEDWIRE",
        2028,
    ): "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25",  # nor November 10, nor December 31, 2027
    ("SIC", 2026): "01-01 01-02 04-03 04-06 05-01 05-14 05-25 12-25",
    ("UK", 2026): "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    ("UK", 2027): "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
}


@pytest.mark.parametrize(("calendar", "year"), PUBLISHED)
def test_a_calendar_closes_on_the_days_that_were_published_and_on_no_other(calendar: str, year: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(366 if year % 4 == 0 else 365)]
    closed = [f"{day:%m-%d}" for day in days if day.weekday() < 5 and not Calendar(calendar).is_open(day)]
    assert closed == PUBLISHED[calendar, year].split()


@pytest.mark.parametrize("calendar", sorted(set(CALENDARS) - {"EVERYDAY"}))
def test_every_calendar_but_one_closes_on_weekends(calendar: str) -> None:
    assert not any(Calendar(calendar).is_open(date(2026, 11, day)) for day in (21, 22))
    assert Calendar("EVERYDAY").is_open(date(2026, 11, 21))


@pytest.mark.parametrize(
    ("calendar", "day", "open_"),
    [
        ("UK", "2026-05-04", False),
        ("WEEKDAYS", "2026-05-04", True),
        ("DE", "2026-10-03", False),
        ("DE", "2026-06-04", True),
        ("DE-BY", "2026-06-04", False),  # Corpus Christi
        ("WEEKDAYS", "2026-11-21", False),
        ("TARGET", "2026-11-21", False),
        ("EVERYDAY", "2026-11-21", True),
        ("EVERYDAY", "2026-12-25", True),
        ("TARGET+DE-BY", "2026-06-04", False),
        ("DE-BY+TARGET", "2026-06-04", False),
        ("TARGET+DE-BY", "2026-04-06", False),
        ("TARGET+DE-BY", "2026-06-05", True),
        ("TARGET+FEDWIRE", "2026-07-03", True),
        ("TARGET+FEDWIRE", "2027-07-05", False),
    ],
)
def test_other_calendars(calendar: str, day: str, open_: bool) -> None:
    assert Calendar(calendar).is_open(date.fromisoformat(day)) is open_


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("TARGET", True),
        ("DE", True),
        ("CH-ZH", True),
        ("TARGET+DE-BY", True),
        ("QQ", False),
        ("DE-QQ", False),
        ("de", False),
        ("TARGET+QQ", False),
        ("TARGET+", False),
        ("", False),
    ],
)
def test_which_calendars_there_are(name: str, known: bool) -> None:
    assert is_calendar(name) is known
