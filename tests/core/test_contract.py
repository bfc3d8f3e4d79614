"""What a bank owes us, and by when: business time, the stages of its answers, and what the settings refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from h2h.calendars import Calendar, Closings
from h2h.contract import AnswerStage, Owed, missing, reached
from h2h.schedule import Hours, instant

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours(timezone="Europe/Berlin", calendar=Calendar("TARGET"), opens=time(8), closes=time(18))
RECEIVED, SYNTAX, BATCH, PAYMENT = AnswerStage


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-20 09:00", 2, "2026-11-20 11:00"),
        ("2026-11-20 17:00", 2, "2026-11-23 09:00"),  # a Friday
        ("2026-11-21 12:00", 1, "2026-11-23 09:00"),
        ("2026-11-20 06:00", 1, "2026-11-20 09:00"),
        ("2026-11-20 16:00", 2, "2026-11-20 18:00"),
        ("2026-12-24 16:00", 4, "2026-12-28 10:00"),  # Christmas, and a weekend
        ("2026-04-02 17:00", 11, "2026-04-07 18:00"),  # Good Friday to Easter Monday
    ],
)
def test_the_banks_time_runs_on_open_days_alone(start: str, hours: int, end: str) -> None:
    assert OFFICE.after(berlin(start), timedelta(hours=hours)) == berlin(end)


def test_a_day_whose_clocks_change_is_as_long_as_it_is() -> None:
    whole = Hours(timezone="Europe/Berlin")
    assert whole.after(berlin("2026-10-25 00:00"), timedelta(hours=25)) == berlin("2026-10-26 00:00")
    assert whole.after(berlin("2026-03-29 00:00"), timedelta(hours=23)) == berlin("2026-03-30 00:00")


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago")
STARTS = st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
CLOCKS = st.integers(0, 23 * 4).map(lambda n: time(n // 4, n % 4 * 15))


@settings(deadline=None)
@given(
    start=STARTS,
    zone=st.sampled_from(ZONES),
    opens=CLOCKS,
    lasts=st.integers(4, 40),
    quarters=st.integers(1, 60),
    closed=st.sets(st.dates(date(2026, 1, 1), date(2029, 12, 31)), max_size=4),
)
def test_counted_by_quarters_of_an_hour_it_is_the_same(
    start: datetime, zone: str, opens: time, lasts: int, quarters: int, closed: set[date]
) -> None:
    now = start = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    ends = (datetime.combine(date.min, opens) + timedelta(minutes=15 * lasts)).time()
    closes = ends if ends > opens else None
    open_days = Calendar("WEEKDAYS", Closings(closed=frozenset(closed)))
    hours = Hours(timezone=zone, calendar=open_days, opens=opens, closes=closes)
    left = quarters
    while left:
        day = now.astimezone(ZoneInfo(zone)).date()
        last = (day, closes) if closes else (day + timedelta(days=1), time())
        runs = open_days.is_open(day) and instant(day, opens, zone) <= now < instant(*last, zone)
        left -= runs
        now += timedelta(minutes=15)
    assert hours.after(start, timedelta(minutes=15 * quarters)) == now


@pytest.mark.parametrize(
    ("statuses", "silent", "answered", "there"),
    [
        ({None}, 2, False, set()),
        ({None}, 2, True, {RECEIVED}),  # PART, and nothing is listed
        ({"RCVD"}, 2, True, {RECEIVED}),
        ({"ACTC"}, 2, True, {RECEIVED, SYNTAX}),
        ({"ACTC"}, 0, True, {RECEIVED, SYNTAX, BATCH}),
        ({"ACTC", "ACSP"}, 0, True, {RECEIVED, SYNTAX, BATCH}),
        ({"ACSP", "RJCT"}, 0, True, {RECEIVED, SYNTAX, BATCH, PAYMENT}),
        ({"RJCT"}, 0, True, {RECEIVED, SYNTAX, BATCH, PAYMENT}),
        ({"ACSP", None}, 1, True, {RECEIVED}),
        ({"OWN-WORD"}, 0, True, {RECEIVED, BATCH}),  # of the bank's own: kept, shown, and settles nothing
    ],
)
def test_how_far_the_answers_have_come(
    statuses: set[str | None], silent: int, answered: bool, there: set[AnswerStage]
) -> None:
    assert reached(statuses, silent, answered=answered) == there


CONTRACT = (
    Owed(stage=RECEIVED, hours=OFFICE, within=timedelta(hours=2), warn=timedelta(minutes=30)),
    Owed(stage=PAYMENT, hours=OFFICE, days=1, by=time(10), warn=timedelta(hours=1)),
)
SENT = berlin("2026-11-20 17:00")  # a Friday


@pytest.mark.parametrize(
    ("now", "there", "told"),
    [
        ("2026-11-22 12:00", set(), []),
        ("2026-11-23 08:30", set(), [(RECEIVED, False)]),
        ("2026-11-23 09:00", set(), [(RECEIVED, True), (PAYMENT, False)]),
        ("2026-11-23 09:00", {RECEIVED, SYNTAX}, [(PAYMENT, False)]),
        ("2026-11-23 10:00", {RECEIVED, SYNTAX}, [(PAYMENT, True)]),
        ("2026-11-23 10:00", {PAYMENT}, []),
        ("2026-11-23 10:00", {SYNTAX}, [(PAYMENT, True)]),  # a later stage stands for those before it
    ],
)
def test_what_is_missing_is_told_soon_before_it_is_due_and_when_it_is_late(
    now: str, there: set[AnswerStage], told: list[tuple[AnswerStage, bool]]
) -> None:
    found = missing(CONTRACT, SENT, there, berlin(now))
    assert [(each.stage, each.late) for each in found] == told


def test_a_time_of_the_day_itself_that_is_over_is_of_the_next_open_day() -> None:
    owed = Owed(stage=RECEIVED, hours=OFFICE, by=time(12))
    assert owed.due(berlin("2026-11-20 09:00")) == berlin("2026-11-20 12:00")
    assert owed.due(berlin("2026-11-20 12:00")) == berlin("2026-11-23 12:00")
    assert owed.due(berlin("2026-11-21 09:00")) == berlin("2026-11-23 12:00")
