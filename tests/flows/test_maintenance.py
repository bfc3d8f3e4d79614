"""Maintenance of a bank's server: it is not asked, nothing counts as a failure, and what waits goes at its end.

22 November 2026 is a Sunday; the bank's zone is Europe/Berlin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from h2h.channels import Channel
from h2h.config import Bank
from h2h.daemon import Daemon
from h2h.errors import ChannelError, NotDelivered
from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.sandbox.server import BankServer, BankSftp
from tests.shell.command import run as h2h

from .test_bad_world import SILENT, pull
from .world import MovableClock, World, answer, only, opened, payments, put, send, transfers, world

FILE = payments("MSG-1")
SUNDAYS = {"maintenance": '[{days = "sun", starts = "02:00", ends = "06:00"}]'}
DURING, BEFORE = "2026-11-22T03:00:00+01:00", "2026-11-22T01:59:59+01:00"
ENDS = datetime.fromisoformat("2026-11-22T06:00:00+01:00")
UNTIL = "box is in maintenance until 2026-11-22 05:00 UTC and is not asked."


@contextmanager
def at_work(folder: Path, now: str) -> Iterator[tuple[World, BankServer, Gateway, MovableClock]]:
    clock = MovableClock(now)
    with world(folder, SILENT, bank=SUNDAYS) as (erp, bank):
        erp.write_settings()
        with opened(erp, clock) as gateway:
            yield erp, bank, gateway, clock


def failures(gateway: Gateway) -> tuple[int, str | None]:
    [row] = gateway.ledger.views.board(["box"], gateway.clock.now()).banks
    return row.failures, row.error_class


def test_what_waits_goes_when_it_ends_and_the_bank_is_not_asked_before(tmp_path: Path) -> None:
    with at_work(tmp_path, DURING) as (erp, bank, gateway, clock):
        erp.drop_file(FILE)
        waiting = only(send(gateway))
        assert (waiting.state, waiting.attempts) == (State.READY, 0)
        assert gateway.desks["box"].next_look() == ENDS
        with pytest.raises(NotDelivered, match=UNTIL):
            pull(gateway)
        assert (bank.taken, failures(gateway)) == ([], (0, None))
        clock.advance(hours=3)
        assert only(send(gateway)).state is State.SENT
        pull(gateway)


def test_a_session_from_before_is_not_used(tmp_path: Path) -> None:
    with at_work(tmp_path, "2026-11-22T01:30:00+01:00") as (erp, bank, gateway, clock):
        erp.drop_file(FILE)
        assert only(send(gateway)).state is State.SENT
        put(bank.folders.outbox, "answer.xml", answer("MSG-1"))
        clock.advance(hours=1)
        with pytest.raises(NotDelivered, match=UNTIL):
            pull(gateway)
        assert gateway.desks["box"]._line._session is None
        clock.advance(hours=4)
        pull(gateway)
        assert only(transfers(gateway)).verdict == "ACCEPTED"


def test_what_fails_as_it_begins_is_no_failure(tmp_path: Path) -> None:
    def gone(_: Bank) -> Channel:
        clock.advance(minutes=1)
        raise NotDelivered("connection refused")

    with at_work(tmp_path, BEFORE) as (erp, _, gateway, clock):
        gateway.desks["box"]._line._connect = gone
        erp.drop_file(FILE)
        waiting = only(send(gateway))
        assert (waiting.state, waiting.failures, waiting.due_at) == (State.READY, 0, ENDS)
        assert failures(gateway) == (0, None)
        clock.advance(hours=4)
        with pytest.raises(ChannelError):
            pull(gateway)  # but now it is one
        assert failures(gateway) == (1, "NotDelivered")


def test_an_upload_that_breaks_as_it_begins_does_not_count(tmp_path: Path) -> None:
    clock = MovableClock(BEFORE)

    class Leaves(BankSftp):
        def write(self, file_obj: object, offset: int, data: bytes) -> int:
            clock.advance(minutes=1)
            self.connection.abort()
            return len(data)

    with world(tmp_path, SILENT, bank=SUNDAYS, server_class=Leaves) as (erp, _):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, waiting.attempts, waiting.failures, waiting.due_at) == (State.READY, 1, 0, ENDS)


def test_the_daemon_wakes_no_line_for_what_waits_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_work(tmp_path, DURING) as (erp, _, gateway, clock):
        erp.drop_file(FILE)
        send(gateway)
        daemon = Daemon(gateway)
        woken: list[str] = []
        monkeypatch.setattr(daemon._engine, "wake", woken.append)
        daemon._glance()
        assert "line box" not in woken
        clock.advance(hours=3)
        daemon._glance()
        assert "line box" in woken


def test_commands_say_it_and_end_well(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, bank=SUNDAYS) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        for command in ("send", "pull"):
            done = h2h(erp.config, command, H2H_NOW=DURING, TZ="Europe/Berlin")
            assert (done.returncode, bank.taken) == (0, []), done
            assert "box is in maintenance until 2026-11-22 06:00:00 CET: it is not asked." in done.stderr
        [board] = json.loads(h2h(erp.config, "status", "--json", H2H_NOW=DURING).stdout)["banks"]
        assert board["maintenance_until"] == "2026-11-22T05:00:00Z"
        shown = h2h(erp.config, "status", H2H_NOW=DURING, TZ="Europe/Berlin", COLUMNS="160").stdout
        assert "maintenance until 06:00 CET" in shown
        later = h2h(erp.config, "status", "--json", H2H_NOW="2026-11-22T07:00:00+01:00")
        assert json.loads(later.stdout)["banks"][0]["maintenance_until"] is None
        assert h2h(erp.config, "send", H2H_NOW="2026-11-22T07:00:00+01:00").returncode == 0
        assert [taken.data for taken in bank.taken] == [FILE]
