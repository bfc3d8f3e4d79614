"""The data folder: made for us alone, and held (by h2h.pid in it) by one process that moves files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from h2h.errors import AlreadyRunning, StoreError

LOCK = "h2h.pid"


def made(data: Path) -> Path:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"The data folder {data} cannot be used: {error.strerror}.") from error
    return data


@contextmanager
def held(data: Path) -> Iterator[None]:
    """By this process alone; AlreadyRunning where another one holds it."""
    lock = data / LOCK
    try:
        file = lock.open("a+")
    except OSError as error:
        raise StoreError(f"The data folder {data} cannot be written: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = lock.read_text().strip() or "unknown"
            text = f"A gateway is running on {data} already (process {pid}); it sends and pulls by itself."
            raise AlreadyRunning(text) from None
        _write_pid(file)
        try:
            yield
        finally:
            file.truncate(0)


def holder(data: Path) -> int | None:
    """The process that holds it; None where nobody does."""
    try:
        pid = int((data / LOCK).read_text())
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (OSError, ValueError):
        return None
    return pid


def _write_pid(file: TextIO) -> None:
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        raise StoreError(f"The process id cannot be written to {file.name}: {error.strerror}.") from error
