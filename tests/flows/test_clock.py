"""A clock that ran ahead and is set right: nothing waits for what it had shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from h2h.clock import SetBack
from h2h.daemon import Daemon
from h2h.errors import StoreError
from h2h.gateway import Gateway
from h2h.ledger.transfers import Transfers
from h2h.lifecycle import State

from .test_changed_settings import RENAME, behind_a_folder
from .world import MovableClock, only, opened, send, transfers

START = "2026-11-25T09:00:00+00:00"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(START)


@pytest.fixture
def gateway(tmp_path: Path, clock: MovableClock) -> Iterator[Gateway]:
    """With one file that was judged while the clock was a day ahead, and a daemon that is about to notice."""
    with opened(behind_a_folder(tmp_path, RENAME), clock) as gateway:
        gateway.desks["box"].take_in()
        yield gateway


def test_only_a_step_back_is_one(clock: MovableClock) -> None:
    set_back = SetBack(clock)
    for forward in ({"seconds": -3.0}, {"days": 1.0}):
        clock.advance(**forward)
        assert set_back.by() is None
        set_back.noted()
    clock.advance(minutes=-1)
    assert round((set_back.by() or clock.now() - clock.now()).total_seconds()) == 60
    set_back.noted()
    assert set_back.by() is None


def test_a_file_goes_as_soon_as_the_daemon_notices_that_the_clock_was_set_back(
    gateway: Gateway, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(gateway)
    woken: list[str] = []
    monkeypatch.setattr(daemon._engine, "wake", woken.append)
    clock.advance(days=-1)
    assert only(send(gateway)).state is State.READY
    daemon._mind_the_clock()
    assert woken == ["line box"]
    assert only(send(gateway)).state is State.SENT


def test_what_cannot_be_written_then_is_tried_again(
    gateway: Gateway, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("disk full")

    daemon = Daemon(gateway)
    clock.advance(days=-1)
    with monkeypatch.context() as patch:
        patch.setattr(Transfers, "hurry", full)
        daemon._mind_the_clock()
    daemon._mind_the_clock()
    assert only(send(gateway)).state is State.SENT


def test_the_lease_of_a_worker_that_failed_does_not_last_for_the_day(
    gateway: Gateway, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Transfers, "publishing_many", full)
        with pytest.raises(StoreError):
            send(gateway)
    assert only(transfers(gateway)).state is State.STAGING
    daemon = Daemon(gateway)
    clock.advance(days=-1)
    daemon._mind_the_clock()
    clock.advance(minutes=3)
    assert only(send(gateway)).state is State.READY  # taken back; the next round sends it
    assert only(send(gateway)).state is State.SENT


def test_folders_are_pulled_in_slots_that_the_clock_had_shown_before(gateway: Gateway, clock: MovableClock) -> None:
    slots = gateway.ledger.slots
    assert slots.take("pull box /out *", "2026-11-25T09:00", clock.now())
    daemon = Daemon(gateway)
    daemon._plan()
    planned = [job.id for job in daemon._scheduler.get_jobs()]
    clock.advance(days=-1)
    daemon._mind_the_clock()
    assert slots.take("pull box /out *", "2026-11-25T09:00", clock.now())
    assert not set(planned) & {job.id for job in daemon._scheduler.get_jobs()}
    assert len(daemon._scheduler.get_jobs()) == len(planned) > 0
