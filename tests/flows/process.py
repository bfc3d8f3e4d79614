"""The gateway's daemon as a process of its own, as systemd would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.forked import start

STOP_SECONDS = 25


class Daemon:
    """`h2h run`; its log lines go to a file."""

    def __init__(self, config: Path, before: str = "", **variables: str) -> None:
        """`before`: a line of Python, run before it. `variables`: in its environment."""
        self.log_file = config.parent / "daemon.log"
        self.log_file.touch()
        self._process = self._started(config, before, variables)
        assert self._process.pid
        self.pid = self._process.pid

    def _started(self, config: Path, before: str, variables: dict[str, str]) -> Any:
        line = ["h2h", "-c", str(config), "run"]
        return start(line, self.log_file, self.log_file, before=before, **variables)

    def terminate(self) -> int | None:
        """SIGTERM; the exit status, None if it does not end."""
        self._process.terminate()
        return self._ended(STOP_SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._ended(STOP_SECONDS)

    def alive(self) -> bool:
        return self._ended(0) is None

    def _ended(self, seconds: float) -> int | None:
        self._process.join(seconds)
        status: int | None = self._process.exitcode
        return status

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


class NewDaemon(Daemon):
    """`python -m h2h run`, which has loaded nothing before."""

    def _started(self, config: Path, before: str, variables: dict[str, str]) -> Any:
        line = command(config, "run")
        if before:
            line[1:3] = ["-c", f"{before}\nfrom h2h.cli import main\nmain()"]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(line, stdout=log, stderr=log, cwd=config.parent, env=environment(**variables))

    def _ended(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return int(self._process.wait(seconds))
        return None


@contextmanager
def daemon(config: Path, before: str = "", kind: type[Daemon] = Daemon, **variables: str) -> Iterator[Daemon]:
    running = kind(config, before, **variables)
    try:
        yield running
    finally:
        running.end()


def h2h(config: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that has loaded nothing before, with `variables` in its environment."""
    line = command(config, *arguments)
    return subprocess.run(line, capture_output=True, text=True, env=environment(**variables), timeout=120)


def command(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "h2h", "-c", str(config), *arguments]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would steer the gateway, with the project in the path."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("H2H_", "SUDO_")) and k != "COLUMNS"}
    return {**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "default", **variables}
