"""A daemon with nothing to do sleeps, and what comes up wakes the line that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from h2h.clock import Clock
from h2h.daemon import RESCAN_SECONDS, Daemon
from h2h.errors import FolderError, StoreError
from h2h.gateway import Gateway
from h2h.ledger.wakes import Wakes
from h2h.lifecycle import State

from .world import OneOfMany, World, only, payments, send, transfers


@pytest.fixture
def erp(tmp_path: Path) -> World:
    """Two banks that are folders; the ERP wants to know what becomes of the second one's files."""
    banks = [_bank(tmp_path, name) for name in ("box", "other")]
    banks[0].others = [banks[1]]
    banks[1].outbound["status"] = f'"{tmp_path}/status"'
    (tmp_path / "status").mkdir()
    return banks[0]


def _bank(folder: Path, name: str) -> World:
    for part in ("in", "out"):
        (folder / "banks-side" / name / part).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/banks-side/{name}"'}
    return OneOfMany(folder=folder, name=name, port=0, fingerprint="", channel=channel, inbound={"every": '"10m"'})


@pytest.fixture
def gateway(erp: World) -> Iterator[Gateway]:
    gateway = Gateway(erp.settings(), Clock())
    with gateway.running():
        yield gateway
    gateway.close()


def woken(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The lines that one glance wakes."""
    found: set[str] = set()
    monkeypatch.setattr(daemon._engine, "wake", found.add)
    daemon._glance()
    return found - {"lookout"}


def test_with_nothing_to_do_a_line_sleeps_until_somebody_wakes_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(gateway)
    assert daemon._seconds_to_next(gateway.desks["box"]) == RESCAN_SECONDS
    woken(daemon, monkeypatch)
    assert woken(daemon, monkeypatch) == set()


def test_a_file_that_waits_wakes_the_line_of_its_bank_and_what_happened_wakes_those_that_tell_it(
    erp: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(gateway)
    woken(daemon, monkeypatch)
    erp.drop_file(payments("MSG-1"))
    gateway.desks["box"].take_in()
    assert only(transfers(gateway)).state is State.READY
    assert woken(daemon, monkeypatch) == {"line box", "line other"}
    assert woken(daemon, monkeypatch) == {"line box"}
    send(gateway)
    assert woken(daemon, monkeypatch) == {"line other"}
    assert woken(daemon, monkeypatch) == set()


def test_a_line_to_a_bank_that_is_left_alone_sleeps_until_that_ends_though_a_file_is_due(
    erp: World, gateway: Gateway
) -> None:
    now = gateway.clock.now()
    until = now + timedelta(minutes=5)
    gateway.ledger.contacts.failed("box", "NotDelivered", "down", until, now)
    erp.drop_file(payments("MSG-1"))
    gateway.desks["box"].take_in()
    assert gateway.desks["box"].next_look() == until


def test_a_glance_that_fails_wakes_everybody_who_then_finds_out_and_tells(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StoreError("the disk is gone")

    daemon = Daemon(gateway)
    with monkeypatch.context() as patch:
        patch.setattr(Wakes, "banks", fails)
        assert woken(daemon, patch) == {"line box", "line other"}
    assert "line other" in woken(daemon, monkeypatch)  # something may have happened meanwhile


def test_a_status_that_could_not_be_written_is_tried_again_in_its_own_time(
    erp: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise FolderError("status cannot be used")

    desk = gateway.desks["other"]
    erp.others[0].drop_file(payments("MSG-1"))
    send(gateway, "other")
    with monkeypatch.context() as patch:
        patch.setattr("h2h.feedback.write_version", away)
        desk.hand_back()
    due = desk.next_look()
    assert due
    assert 0 < (due - gateway.clock.now()).total_seconds() <= 30
