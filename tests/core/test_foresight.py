"""What a file may expect: held against what the gateway has been told of its bank, alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from h2h.config import Bank
from h2h.forecast import Prospect
from h2h.ledger.timings import Timings
from h2h.outbound.foresight import Asked, Foreseen, foresee
from tests.core.test_config import BANK, DAYS, good

FRIDAY = datetime(2026, 11, 20, 9, tzinfo=UTC)
SATURDAY = FRIDAY + timedelta(days=1)
TOOK = Timings(queues=(7.0,), uploads=((200_000, 20.0),), answers=(600.0,))


def foreseen(bank: Bank, now: datetime, times: Timings = TOOK, **more: Any) -> Foreseen:
    values: dict[str, Any] = {
        "size": 200_000, "kinds": None, "batches": [(None, 1)], "control_sum": Decimal(1), "currencies": ["EUR"],
        "since": now, **more,
    }  # fmt: skip
    return foresee(bank, bank.outbound[0], Asked(**values), times, now)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return good(tmp_path, BANK.replace(DAYS, DAYS + '\nsettle = "30s"')).banks[0]


def test_what_it_takes_is_settling_queue_and_upload_and_what_is_taken_in_only_the_upload(bank: Bank) -> None:
    found = foreseen(bank, FRIDAY)
    assert found.there_by == FRIDAY + timedelta(seconds=57)
    assert found.answer_by == FRIDAY + timedelta(seconds=657)
    assert foreseen(bank, FRIDAY, taken=True).there_by == FRIDAY + timedelta(seconds=20)
    assert foreseen(bank, FRIDAY, Timings()).answer_by is None


def test_what_goes_in_the_next_window_is_executed_on_its_day(bank: Bank) -> None:
    found = foreseen(bank, SATURDAY, batches=[(None, 1), (date(2026, 11, 20), 2)])
    assert found.verdict is Prospect.NEXT_WINDOW
    assert {each.on for each in found.executions} == {date(2026, 11, 23)}


def test_what_somebody_let_go_now_goes_now_and_has_no_cut_off(bank: Bank) -> None:
    found = foreseen(bank, SATURDAY, allowed="now", taken=True)
    assert (found.verdict, found.goes_at) == (Prospect.AT_ONCE_THOUGH_LATE, SATURDAY)


def test_what_does_not_get_there_in_time_waits_for_the_next_window_where_that_is_the_rule(tmp_path: Path) -> None:
    text = BANK.replace(DAYS, DAYS + '\nafter_cut_off = "next-window"\nsettle = "0s"')
    bank = good(tmp_path, text).banks[0]
    now = datetime(2026, 11, 20, 14, 19, 50, tzinfo=UTC)  # ten seconds before cut-off and lead
    found = foreseen(bank, now)
    assert (found.verdict, found.goes_at) == (Prospect.NEXT_WINDOW, datetime(2026, 11, 23, 7, tzinfo=UTC))
