"""A command in a process of its own, forked from one that has loaded the libraries already: a tenth of the time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import rich.console
import rich.table  # noqa: F401

from h2h.cli import main

SECONDS = 60


def run(config: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As `python -m h2h -c CONFIG …`, with `variables` in its environment."""
    command = ["h2h", "-c", str(config), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        process = _context().Process(target=_child, args=(command, variables, folder))
        process.start()
        process.join(SECONDS)
        assert process.exitcode is not None, f"{command} did not end within {SECONDS} s"
        out, err = ((Path(folder) / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__, "tests.crash.process"])
    return found


def _child(command: list[str], variables: dict[str, str], folder: str) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    for name in [name for name in os.environ if name.startswith(("H2H_", "SUDO_")) or name == "COLUMNS"]:
        del os.environ[name]
    os.environ.update(variables)
    time.tzset()
    sys.argv = command
    with contextlib.suppress(BrokenPipeError):
        main()
