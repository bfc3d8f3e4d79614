"""`kill -9` of the daemon at many moments of a round trip, then a restart: each file once at the bank, nothing lost.

The bank takes a file the moment that it has its final name, so that nobody can look it up there afterwards. It runs
in the test's own process and survives.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.sandbox.server import BankServer, BankSftp
from tests.flows.world import World, payments, transfers, until, world

from . import process
from .roundtrip import BANK, Play, check, drop

LONG = bool(os.environ.get("H2H_LONG"))
SETTINGS = {"inbound": {"every": '"100ms"'}}

# A spread over the whole way, close around the point of no return; every point there is with H2H_LONG=1.
POINTS = (
    "after WatchedFolder.claim 1",
    "after Incoming.place 1",
    "after Transfers.judged 1",
    "before Transfers.publishing 1",
    "after Transfers.publishing 1",
    "after Channel.publish 1",
    "after Messages.kept 1",
    "in Messages.applied 1",
    "before delivery 1",
)


@contextmanager
def stage(
    folder: Path, *, server_class: object = None, **options: object
) -> Iterator[tuple[World, BankServer, Gateway]]:
    """A bank, and a gateway in this process that only looks: the ledger is made before the daemon starts."""
    with world(folder, BANK, server_class=server_class, **SETTINGS) as (erp, bank):
        views = erp.gateway()
        assert not transfers(views)
        yield erp, bank, views
        views.close()


@contextmanager
def opened_again(erp: World) -> Iterator[process.Gateway]:
    """The daemon once more, with the same settings and no kill point."""
    daemon = process.Gateway(erp.config)
    try:
        until(daemon.started, "a daemon that runs again")
        yield daemon
    finally:
        daemon.kill()


def start_again(erp: World, bank: BankServer, views: Gateway, play: Play) -> None:
    """The same settings, no kill point: everything comes to its end."""
    with opened_again(erp) as daemon:
        play.go()
        assert daemon.terminate() == 0
    check(erp, views, [t.data for t in bank.taken])


def killed_at(folder: Path, point: str) -> None:
    with stage(folder) as (erp, bank, views):
        drop(erp)
        play = Play(bank, views)
        daemon = process.Gateway(erp.config, kill_at=point)
        try:
            play.go(cut_short=lambda: daemon.wait(0) is not None)
        finally:
            daemon.kill()
        assert (daemon.wait(), point in daemon.points()) == (-signal.SIGKILL, True)
        start_again(erp, bank, views, play)


def undisturbed(folder: Path) -> list[str]:
    with stage(folder) as (erp, bank, views):
        drop(erp)
        daemon = process.Gateway(erp.config)
        try:
            Play(bank, views).go()
            assert daemon.terminate() == 0
        finally:
            daemon.kill()
        check(erp, views, [t.data for t in bank.taken])
        return daemon.points()


def test_every_kill_point_lies_on_the_way_of_an_undisturbed_round_trip(tmp_path: Path) -> None:
    assert set(POINTS) <= set(undisturbed(tmp_path))


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_moment_each_file_arrives_once_and_each_answer_counts_once(tmp_path: Path, point: str) -> None:
    killed_at(tmp_path, point)


# Killed by the bank's hand, in the middle of what the channel does: before the server did it, or after it, unanswered.

BIG = payments("MSG-BIG", 800)  # 600 kB: five writes
IN_THE_CHANNEL = (
    ("write", 3, "after"),
    ("close", 1, "after"),
    ("posix_rename", 1, "before"),
    ("posix_rename", 1, "after"),
)


def bank_that_kills(operation: str, call: int, when: str, victims: list[process.Gateway]) -> type[BankSftp]:
    """Kills its client in the n-th call of an operation."""
    original = getattr(BankSftp, operation)
    calls = 0

    def wrapped(self: BankSftp, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call:
            return original(self, *arguments)
        done = original(self, *arguments) if when == "after" else None
        os.kill(victims[0].pid, signal.SIGKILL)
        if when == "before":
            raise asyncssh.SFTPConnectionLost("killed")
        return done

    return type("Killing", (BankSftp,), {operation: wrapped})


@pytest.mark.parametrize(("operation", "call", "when"), IN_THE_CHANNEL)
def test_killed_in_the_middle_of_an_upload_or_of_the_rename_the_file_arrives_once(
    tmp_path: Path, operation: str, call: int, when: str
) -> None:
    victims: list[process.Gateway] = []
    killing = bank_that_kills(operation, call, when, victims)
    with stage(tmp_path, server_class=killing) as (erp, bank, views):
        victims.append(first := process.Gateway(erp.config))
        erp.drop_file(BIG)
        assert first.wait() == -signal.SIGKILL
        with opened_again(erp) as second:
            until(lambda: [t.state for t in transfers(views)] == [State.SENT], "a transfer that is SENT")
            assert second.terminate() == 0
        assert [t.data for t in bank.taken] == [BIG]
        assert views.ledger.journal.verify().fault is None
        assert [p.name for p in bank.folders.inbox.iterdir() if not p.name.startswith(".")] == []


# The same in the middle of a group, of which many requests are under way at once.

GROUP = sorted(payments(f"MSG-{number}") for number in range(6))
IN_A_GROUP = (
    ("open", 3, "after"),
    ("write", 3, "before"),
    ("close", 3, "after"),
    ("posix_rename", 1, "before"),
    ("posix_rename", 3, "before"),
    ("posix_rename", 3, "after"),
    ("posix_rename", 6, "after"),
)


@pytest.mark.parametrize(("operation", "call", "when"), IN_A_GROUP)
def test_killed_in_the_middle_of_a_group_each_of_its_files_arrives_once(
    tmp_path: Path, operation: str, call: int, when: str
) -> None:
    victims: list[process.Gateway] = []
    killing = bank_that_kills(operation, call, when, victims)
    with stage(tmp_path, server_class=killing) as (erp, bank, views):
        for number, content in enumerate(GROUP):
            erp.drop_file(content, f"{number}.xml")
        victims.append(first := process.Gateway(erp.config))
        assert first.wait() == -signal.SIGKILL
        assert [p for p in first.points() if "after Transfers.lease" in p] == ["after Transfers.lease 1"]  # all at once
        with opened_again(erp) as second:
            until(lambda: [t.state for t in transfers(views)] == [State.SENT] * len(GROUP), "all of them SENT")
            assert second.terminate() == 0
        assert sorted(t.data for t in bank.taken) == GROUP
        assert views.ledger.journal.verify().fault is None
        assert [p.name for p in bank.folders.inbox.iterdir() if not p.name.startswith(".")] == []


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="every point there is: H2H_LONG=1")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
def test_killed_at_every_point_there_is(tmp_path: Path, part: int) -> None:
    again_and_again = {f"{when} Channel.list {n}" for when in ("before", "after") for n in range(3, 1000)}
    points = sorted(set(undisturbed(tmp_path / "dry")) - set(POINTS) - again_and_again)
    for number, point in enumerate(points[part::8]):
        killed_at(tmp_path / str(number), point)
