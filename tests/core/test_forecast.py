"""What will become of a file: pure functions of windows, calendars and how long others took."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.calendars import Calendar
from h2h.forecast import Execution, Prospect, Spread, executions, prospect, spread, together, upload

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=1), NOW + timedelta(hours=3)


def test_what_is_usual_and_what_is_almost_always_enough() -> None:
    assert spread([]) is None
    assert spread([3.0]) == Spread(usually=3.0, almost_always=3.0, files=1)
    assert spread([float(n) for n in range(100, 0, -1)]) == Spread(usually=50.0, almost_always=95.0, files=100)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_half_of_the_files_were_as_quick_as_is_usual(seconds: list[float]) -> None:
    found = spread(seconds)
    assert found
    assert 2 * sum(each <= found.usually for each in seconds) >= len(seconds)
    assert sum(each <= found.almost_always for each in seconds) >= 0.95 * len(seconds)
    assert found.usually <= found.almost_always


def test_a_larger_file_than_any_takes_in_proportion_and_a_smaller_one_no_less() -> None:
    seen = [(1_000_000, 1.0), (2_000_000, 2.0)]
    assert upload(500, seen) == Spread(usually=1.0, almost_always=2.0, files=2)
    assert upload(4_000_000, seen) == Spread(usually=4.0, almost_always=4.0, files=2)
    assert upload(10, []) is None
    assert upload(0, [(0, 1.0)]) == Spread(usually=1.0, almost_always=1.0, files=1)


def test_of_much_smaller_files_nothing_follows() -> None:
    small = [(3_000, 0.4)] * 99
    assert upload(50_000_000, small) is None
    assert upload(90_000, small) == Spread(usually=0.4, almost_always=0.4, files=99)
    assert upload(100_000_000, [*small, (100_000_000, 12.0)]) == Spread(usually=12.0, almost_always=12.0, files=1)


def test_what_is_not_known_takes_no_time() -> None:
    one = Spread(usually=1.0, almost_always=2.0, files=5)
    assert together(None, one, one) == timedelta(seconds=4)
    assert together(None) == timedelta(0)


@pytest.mark.parametrize(
    ("closes", "opens", "takes", "after", "expected"),
    [
        (LATER, NOW, 5, "hold", Prospect.MAKES_IT),
        (SOON, NOW, 60, "hold", Prospect.MAKES_IT),
        (SOON, NOW, 61, "hold", Prospect.TOO_LATE),
        (SOON, NOW, 61, "send", Prospect.AT_ONCE_THOUGH_LATE),
        (SOON, NOW, 61, "next-window", Prospect.NEXT_WINDOW),
        (None, LATER, 5, "hold", Prospect.NEXT_WINDOW),
        (None, None, 5, "hold", Prospect.TOO_LATE),
        (None, None, 5, "send", Prospect.AT_ONCE_THOUGH_LATE),
        (None, LATER, 5, "send", Prospect.NEXT_WINDOW),
        (None, LATER, 5, "next-window", Prospect.NEXT_WINDOW),
    ],
)
def test_whether_it_makes_the_cut_off(
    closes: datetime | None, opens: datetime | None, takes: int, after: str, expected: Prospect
) -> None:
    assert prospect(NOW, closes, opens, timedelta(seconds=takes), after) is expected


def test_payments_are_executed_on_the_first_open_day_that_is_asked_and_not_over() -> None:
    target = Calendar("TARGET")
    wednesday = date(2026, 12, 23)
    asked = [(None, 1), (date(2026, 12, 20), 2), (wednesday, 3), (date(2026, 12, 25), 4), (wednesday, 5)]
    assert executions(asked, wednesday, target) == [
        Execution(asked=None, on=wednesday, payments=1),
        Execution(asked=date(2026, 12, 20), on=wednesday, payments=2),
        Execution(asked=wednesday, on=wednesday, payments=8),
        Execution(asked=date(2026, 12, 25), on=date(2026, 12, 28), payments=4),
    ]
