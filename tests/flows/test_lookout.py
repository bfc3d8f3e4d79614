"""The lookout, the probe of a line that failed, and the purge of each day: when they do something, and when not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from h2h import retention
from h2h.daemon import LOOKOUT_RESTS, Daemon
from h2h.errors import StoreError
from h2h.lookout import Lookout
from h2h.retention import HOUR, SEEN_DAYS, doubt
from tests.flows.test_alarms import WINDOW, again, words
from tests.flows.test_bad_world import SILENT
from tests.flows.world import MovableClock, opened, payments, world


def test_a_bank_is_probed_only_when_it_failed_and_may_be_asked(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _), opened(erp) as gateway:
        line, now, good = gateway.desks["box"], gateway.clock.now(), gateway.ledger.outlook.contacts
        line.probe()
        assert good() == []  # it never failed, and is not asked
        gateway.ledger.contacts.failed("box", "NotDelivered", "no answer", now + timedelta(hours=1), now)
        line.probe()
        assert good()[0].failures == 1


def test_what_waits_for_maintenance_to_end_makes_a_line_no_more_urgent(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T13:00:00+01:00")
    away = '\n[[bank.maintenance]]\ndays = "fri"\nstarts = "12:00"\nends = "14:00"\n'
    with world(tmp_path, SILENT, outbound=WINDOW) as (erp, _):
        erp.write_settings()
        erp.profile_file.write_text(erp.profile() + away)
        with again(erp, clock) as gateway:
            erp.drop_file(payments("MSG-1"))
            gateway.desks["box"].take_in()
            for _ in range(3):
                gateway.ledger.contacts.failed("box", "NotDelivered", "no answer", clock.now(), clock.now())
            lookout = Lookout(gateway)
            assert words(gateway, lookout)["bank_unreachable"].urgency == "warning"
            clock.advance(hours=1, minutes=1)
            assert words(gateway, lookout)["bank_unreachable"].urgency == "urgent"


@pytest.mark.parametrize(("seen", "believed"), [(SEEN_DAYS - 1, False), (SEEN_DAYS, True)])
def test_the_clock_is_believed_from_five_days_on(seen: int, believed: bool) -> None:
    assert SEEN_DAYS == 5
    ledger: Any = SimpleNamespace(retention=SimpleNamespace(days_seen=lambda since, until: seen))
    assert (doubt(ledger, MovableClock()) is None) == believed


def test_a_purge_that_failed_is_told_for_an_hour_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(at=0.0, monotonic=lambda: clock.at)
    daily = retention.Daily(None, None, None, clock)  # type: ignore[arg-type]
    tries = []

    def begun() -> Any:
        tries.append(clock.at)
        raise StoreError("no room")
        yield

    monkeypatch.setattr(daily, "_begun", begun)
    for clock.at in (0.0, 10.0, HOUR - 1, HOUR):
        with pytest.raises(StoreError):
            daily.round()
    assert tries == [0.0, HOUR]


def test_a_look_that_took_long_is_followed_by_a_long_rest(tmp_path: Path) -> None:
    looks: list[float] = []
    clock = SimpleNamespace(at=100.0, monotonic=lambda: clock.at)

    def look() -> None:
        looks.append(clock.at)
        clock.at += 2

    self: Any = SimpleNamespace(_gateway=SimpleNamespace(clock=clock))
    round_ = Daemon._lookout_round(self, SimpleNamespace(round=look))  # type: ignore[arg-type]
    assert round_() == 2 * LOOKOUT_RESTS
    clock.at += 10
    assert round_() == 2 * LOOKOUT_RESTS - 10
    clock.at += 2 * LOOKOUT_RESTS - 10
    round_()
    assert looks == [100.0, 152.0]
