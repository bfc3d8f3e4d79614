"""A gateway's daemon in a process forked from one that has imported everything already, killed at a point of choice."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from h2h.cli import main
from h2h.drill.effects import Effects
from tests.forked import context

SECONDS = 30


class Gateway:
    """`h2h run` in a process of its own. `kill_at`: the point at which it kills itself with SIGKILL."""

    def __init__(self, config: Path, kill_at: str | None = None) -> None:
        self.points_file = config.parent / "points"
        self._log = config.parent / "daemon.log"
        self._told_before = self._log.stat().st_size if self._log.exists() else 0
        self._process = context().Process(target=_run, args=(config, self.points_file, kill_at), daemon=True)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def started(self) -> bool:
        return self._log.exists() and " started " in self._log.read_bytes()[self._told_before :].decode()

    def wait(self, seconds: float = SECONDS) -> int | None:
        """The exit status, -9 after a SIGKILL; None while it runs on."""
        self._process.join(seconds)
        return self._process.exitcode

    def terminate(self) -> int | None:
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(SECONDS)

    def points(self) -> list[str]:
        """Every point that was reached, in order."""
        return self.points_file.read_text().splitlines() if self.points_file.exists() else []


def _run(config: Path, points_file: Path, kill_at: str | None) -> None:
    log = os.open(config.parent / "daemon.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    points = os.open(points_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def reached(point: str) -> None:
        os.write(points, f"{point}\n".encode())
        if point == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    Effects(reached).install()
    sys.argv = ["h2h", "-c", str(config), "run"]
    main()
