"""What systemd is told, and when: by a real datagram socket, named or abstract."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.pulse import Systemd
from h2h.resources import root
from h2h.systemd import Notifier

PROCESS = 4711


@pytest.fixture(params=["named", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """systemd's socket, and the name that it gives to the service."""
    name = f"@{tmp_path}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.settimeout(10)
        yield listening, name


def test_each_word_is_a_datagram(heard: tuple[socket.socket, str]) -> None:
    listening, name = heard
    notifier = Notifier({"NOTIFY_SOCKET": name}, PROCESS)
    told = [notifier.ready(), notifier.alive(), notifier.status("all\nis well \udce9"), notifier.stopping()]
    assert told == [True] * 4
    assert [listening.recv(1000) for _ in told] == [b"READY=1", b"WATCHDOG=1", b"STATUS=all is well ?", b"STOPPING=1"]


def test_without_a_socket_nobody_asked_and_with_a_dead_one_nobody_hears(tmp_path: Path) -> None:
    assert Notifier({}, PROCESS).ready()
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}, PROCESS).ready()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000"}, 3.0),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(PROCESS)}, 3.0),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "/s"}, None),
        ({"WATCHDOG_USEC": "3000000"}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ, PROCESS).watchdog_seconds == seconds


class Heard(Notifier):
    """Notes what is told, as long as anybody listens."""

    def __init__(self, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        self.words: list[str] = []
        self.listens = True

    def _tell(self, words: str) -> bool:
        self.words += [words] if self.listens else []
        return self.listens


def test_it_is_ready_once_and_tells_how_it_goes_when_that_changes() -> None:
    notifier = Heard()
    systemd = Systemd(notifier, 2.0)
    for now, fault in enumerate(["", "", "it hangs", "it hangs", ""]):
        systemd.beat(float(now), fault, well="all is well")
    systemd.stop()
    assert notifier.words == [
        "READY=1", "STATUS=all is well", "STATUS=it hangs", "STATUS=all is well", "STOPPING=1",
    ]  # fmt: skip


def test_what_nobody_heard_is_told_again() -> None:
    notifier = Heard(4.0)
    systemd = Systemd(notifier, 2.0)
    notifier.listens = False
    systemd.beat(0.0, "", well="all is well")
    notifier.listens = True
    systemd.beat(0.1, "", well="all is well")
    assert notifier.words == ["READY=1", "STATUS=all is well", "WATCHDOG=1"]


def test_what_hangs_is_not_alive() -> None:
    notifier = Heard(4.0)
    systemd = Systemd(notifier, 2.0)
    for now in range(0, 20, 2):
        systemd.beat(float(now), "it hangs", well="")
    assert "WATCHDOG=1" not in notifier.words


@given(st.floats(0.5, 600), st.floats(0.1, 60), st.lists(st.floats(0.01, 1), min_size=1, max_size=200))
def test_alive_is_told_within_half_of_the_watchdog_and_not_at_every_beat(
    watchdog: float, every: float, waits: list[float]
) -> None:
    notifier, now, told = Heard(watchdog), 0.0, []
    systemd = Systemd(notifier, every)
    assert systemd.every <= min(every, watchdog / 2)
    for part in waits:
        before = len(notifier.words)
        systemd.beat(now, "", well="all is well")
        told += [now] * ("WATCHDOG=1" in notifier.words[before:])
        now += part * systemd.every
    assert all(later - one <= watchdog / 2 + 1e-9 for one, later in zip([*told, now], [*told[1:], now], strict=False))
    assert len(told) <= 2 + 2 * now / max(watchdog / 2 - systemd.every, systemd.every * min(waits))


UNIT = root("config") / "h2h.service"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here")
    text = UNIT.read_text()
    unit = tmp_path / "h2h.service"
    unit.write_text(text.replace("/opt/h2h/bin/h2h", sys.executable))
    assert sys.executable in unit.read_text()
    found = subprocess.run([program, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert (found.returncode, [line for line in found.stderr.splitlines() if "h2h.service" in line]) == (0, [])
    unit.write_text(unit.read_text().replace("WatchdogSec=2min", "WatchdogSec=often"))
    found = subprocess.run([program, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "often" in found.stderr  # it does look


def test_the_unit_waits_for_the_program_and_asks_whether_it_lives() -> None:
    said = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    assert (said["Type"], said["Restart"], said["RestartPreventExitStatus"]) == ("notify", "on-failure", "2")
    assert said["WatchdogSec"] == "2min"
