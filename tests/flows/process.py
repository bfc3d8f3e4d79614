"""The gateway's daemon as a process of its own, as systemd would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 25


class Daemon:
    """`python -m h2h run`; its log lines go to a file."""

    def __init__(self, config: Path, before: str = "", **variables: str) -> None:
        """`before`: a line of Python, run before it. `variables`: in its environment."""
        self.log_file = config.parent / "daemon.log"
        line = command(config, "run")
        if before:
            line[1:3] = ["-c", f"{before}\nfrom h2h.cli import main\nmain()"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                line, stdout=log, stderr=log, cwd=config.parent, env=environment(**variables)
            )
        self.pid = self._process.pid

    def terminate(self) -> int:
        """SIGTERM; the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(STOP_SECONDS)

    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


@contextmanager
def daemon(config: Path, before: str = "", **variables: str) -> Iterator[Daemon]:
    running = Daemon(config, before, **variables)
    try:
        yield running
    finally:
        running.end()


def h2h(config: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """One command as a person runs it, with `variables` in its environment."""
    return subprocess.run(
        command(config, *arguments), capture_output=True, text=True, env=environment(**variables), timeout=120
    )


def command(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "h2h", "-c", str(config), *arguments]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what would steer the gateway, with the project in the path."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("H2H_", "SUDO_")) and k != "COLUMNS"}
    return {**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "default", **variables}
