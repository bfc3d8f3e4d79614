"""What others see of a running gateway. `h2h health`: zero where it runs, turns and can do its work; else one, and a
line for each reason. systemd: that it is ready, lives, and stops.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from h2h import heartbeat
from h2h.clock import Clock
from h2h.gateway import Gateway
from h2h.health import ailments
from h2h.heartbeat import STALE_SECONDS, Beat
from h2h.sandbox.keys import create_client_key
from tests.shell.command import run as h2h

from .process import Daemon, daemon
from .world import PATIENCE_SECONDS, World, opened, until

HANGS = "import h2h.desk, threading; h2h.desk.Desk.hand_over = lambda *a, **k: threading.Event().wait()"
OFTEN = "import h2h.pulse; h2h.pulse.BEAT_SECONDS = 0"
SOON = "import h2h.pulse; h2h.pulse.GRACE_SECONDS = 0.5 - h2h.pulse.WAIT_SECONDS"


@pytest.fixture
def erp(tmp_path: Path) -> World:
    """A bank that is a folder."""
    for part in ("in", "out"):
        (tmp_path / "bank-side" / part).mkdir(parents=True)
    erp = World(
        folder=tmp_path, port=0, fingerprint="", channel={"kind": '"folder"', "path": f'"{tmp_path}/bank-side"'}
    )
    erp.write_settings()
    return erp


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def beat(erp: World, running: Daemon) -> Beat | None:
    return heartbeat.noted(erp.folder / "data" / "h2h.beat", running.pid)


def at_work(erp: World, running: Daemon) -> bool:
    """The line is within a round."""
    found = beat(erp, running)
    return found is not None and any(w.worker == "line box" and w.still for w in found.workers)


def reasons(erp: World) -> dict[str, str]:
    found = json.loads(h2h(erp.config, "health", "--json").stdout)
    assert found["healthy"] == (not found["reasons"])
    words = {reason["word"] for reason in found["reasons"]}
    return {word: " ".join(r["text"] for r in found["reasons"] if r["word"] == word) for word in words}


def test_a_gateway_is_healthy_from_its_first_turn_to_its_end(erp: World) -> None:
    before = h2h(erp.config, "health")
    assert (before.returncode, before.stderr) == (1, "")
    assert before.stdout == f"not_running: No gateway runs on {erp.folder / 'data'}.\n"
    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        healthy = h2h(erp.config, "health")
        assert (healthy.returncode, healthy.stdout) == (0, f"healthy: process {running.pid}\n")
        assert running.terminate() == 0
    assert reasons(erp).keys() == {"not_running"}
    assert not (erp.folder / "data" / "h2h.beat").exists()


def test_a_killed_gateway_is_not_running_whatever_beat_it_left(erp: World) -> None:
    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        running.end()
        assert beat(erp, running)
        assert reasons(erp).keys() == {"not_running"}


def test_what_status_calls_an_alarm_is_a_reason(erp: World) -> None:
    erp.gateway_settings = {"min_free": str(1 << 60)}
    erp.write_settings()
    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        found = h2h(erp.config, "health")
        assert (found.returncode, len(found.stdout.splitlines())) == (1, 1)
        assert found.stdout.startswith("room: ")


def test_what_is_only_to_be_read_is_no_reason(erp: World) -> None:
    (erp.folder / "closings.toml").write_text(f"until = {Clock().now().date() + timedelta(days=30)}\n")
    erp.bank = {"closings": f'"{erp.folder}/closings.toml"'}
    erp.write_settings()
    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        assert reasons(erp) == {}
        assert json.loads(h2h(erp.config, "status", "--json").stdout)["alarms"][0]["word"] == "calendar"


def test_a_ledger_that_does_not_answer_is_a_reason(erp: World) -> None:
    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        database = erp.folder / "data" / "h2h.db"
        os.rename(database, erp.folder / "away.db")
        for left in database.parent.glob("h2h.db-*"):
            left.unlink()
        database.write_bytes(b"no database" * 1000)
        assert "ledger" in reasons(erp)


def test_a_line_that_waits_within_its_time_outs_is_no_reason(erp: World, mute: int) -> None:
    erp.channel, erp.port, erp.fingerprint = None, mute, "SHA256:" + "ab" * 21 + "c"
    create_client_key(erp.folder / "client_key")
    erp.write_settings()
    with daemon(erp.config, OFTEN) as running:
        until(lambda: at_work(erp, running), "a line that waits for the bank")
        assert reasons(erp) == {}


def test_a_worker_that_hangs_is_a_reason_after_its_time_outs_alone(erp: World) -> None:
    with daemon(erp.config, f"{HANGS}\n{OFTEN}") as running:
        until(lambda: at_work(erp, running), "a line that hangs")
        assert reasons(erp) == {}
        running.end()
    with daemon(erp.config, f"{HANGS}\n{SOON}") as running:
        until(lambda: "line box hangs" in reasons(erp).get("hangs", ""), "a line that is told to hang")


def test_a_main_loop_that_hangs_is_a_reason(erp: World) -> None:
    class Later(Clock):
        def monotonic(self) -> float:
            return super().monotonic() + STALE_SECONDS

    with daemon(erp.config) as running:
        until(lambda: beat(erp, running), "a heartbeat")
        gateway = Gateway(erp.settings(), Later())
        [found] = ailments(gateway)
        assert (found.word, f"main loop of process {running.pid} hangs" in found.text) == ("hangs", True)
        gateway.close()


def test_whoever_holds_the_data_folder_without_a_turn_is_no_running_gateway(erp: World) -> None:
    with opened(erp):
        assert reasons(erp).keys() == {"starting"}


# systemd.


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{tmp_path}")
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


def told(systemd: socket.socket, word: str) -> list[str]:
    """All that is told up to this word."""
    found: list[str] = []
    while word not in found:
        found.append(systemd.recv(4096).decode())
    return found


def test_systemd_hears_that_the_gateway_is_ready_that_it_lives_and_that_it_stops(
    erp: World, systemd: socket.socket
) -> None:
    asked = {"NOTIFY_SOCKET": f"@{erp.folder}", "WATCHDOG_USEC": "400000"}
    with daemon(erp.config, **asked) as running:
        assert told(systemd, "READY=1") == ["READY=1"]
        assert reasons(erp) == {}  # ready is when health says so
        assert told(systemd, "WATCHDOG=1") == ["STATUS=1 bank(s): box", "WATCHDOG=1"]
        assert told(systemd, "WATCHDOG=1") == ["WATCHDOG=1"]
        assert running.terminate() == 0
        assert set(told(systemd, "STOPPING=1")) <= {"WATCHDOG=1", "STOPPING=1"}


def test_systemd_does_not_hear_that_a_gateway_lives_whose_worker_hangs(erp: World, systemd: socket.socket) -> None:
    asked = {"NOTIFY_SOCKET": f"@{erp.folder}", "WATCHDOG_USEC": "400000"}
    with daemon(erp.config, f"{HANGS}\n{SOON}", **asked):
        while "line box hangs" not in systemd.recv(4096).decode():
            pass
        systemd.settimeout(2)  # ten times as long as it takes to be told of one that lives
        with pytest.raises(TimeoutError):
            told(systemd, "WATCHDOG=1")
