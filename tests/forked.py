"""Commands in processes forked from one that has loaded all libraries already: a tenth of the time of a new process.

A test process has one such server, which loads what the first who needs it names: so all of them ask here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
import warnings
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["tests.crash.process", "tests.loaded"])
    return found


def start(line: list[str], out: Path, err: Path, *, before: str = "", **variables: str) -> BaseProcess:
    """A command of h2h; what it says is appended to `out` and `err`. `before`: a line of Python, run before it."""
    process = context().Process(target=_run, args=(line, out, err, before, variables))
    process.start()
    return process


def _run(line: list[str], out: Path, err: Path, before: str, variables: dict[str, str]) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    for name in [name for name in os.environ if name.startswith(("H2H_", "SUDO_")) or name == "COLUMNS"]:
        del os.environ[name]
    os.environ.update({"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **variables})
    warnings.simplefilter("default")
    time.tzset()
    exec(before, {})
    sys.argv = line
    from h2h.cli import main

    with contextlib.suppress(BrokenPipeError):
        main()
