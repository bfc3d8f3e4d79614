"""One reader process as the gateway sees it: started, handed a file at a time, and ended when in doubt.

It is handed the bytes that it asks for, and no descriptor of the file; so whoever checks them as they are read (the
archive) checks what was judged (of a second half: at the same time, as halves.py says). It is used again only after it
has said that all is said.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from h2h.confined.deaths import Death, Untouched
from h2h.confined.limits import address_space
from h2h.confined.wire import ATTENTION, BLOCK, Done, Garbled, Job, Ready, Setup, Want, Wire, a_line
from h2h.errors import ReaderError
from h2h.messages.bounds import MAX_RATIO, MAX_UNPACKED, PACKED

END_SECONDS = 5.0
# Memory that a block took is kept for the next one: to give it back each time costs a tenth of reading (glibc).
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(4 << 20), "MALLOC_MMAP_THRESHOLD_": str(4 << 20)}

SAME_HASHES = {"PYTHONHASHSEED": str(secrets.randbelow(1 << 32))}  # of references, in all of them; nobody foresees them


class ReaderProcess:
    program: tuple[str, ...] = ("-P", "-m", "h2h.confined.worker")

    def __init__(self, setup: Setup) -> None:
        """Starts it. It lives no longer than the thread that calls this."""
        ours, its = a_line()
        with its:
            self._process = subprocess.Popen(  # noqa: S603  # the interpreter, with arguments of our own
                [sys.executable, *self.program],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1", **SAME_HASHES, **KEPT},
                start_new_session=True,
            )
        ours.settimeout(setup.limits.silence_seconds)
        self._wire = Wire(ours)
        self._limits = setup.limits
        self._setup = setup
        self._at_start = 0
        self.pid = self._process.pid
        self.explains = setup.explains is not None
        self.idle_since = 0.0
        self.clean = False

    def get_ready(self) -> None:
        """Wait until it has confined itself. Raises ReaderError."""
        try:
            self._wire.send(self._setup)
            [word] = self._wire.receive()
            self._at_start = address_space(self.pid)
        except (EOFError, OSError, Garbled) as error:
            self.end()
            text = f"it ended with status {self._process.returncode} ({type(error).__name__})"
            raise ReaderError(f"The process that reads files cannot be started: {text}.") from error
        if word != Ready():
            self.end()
            done = word if isinstance(word, Done) else Done(fault=type(word).__name__)
            why = done.why.rstrip(".") or f"it failed by {done.fault}"
            raise ReaderError(f"The process that reads files cannot be started: {why}.")
        self.clean = True

    def usable(self) -> bool:
        """Alive, with nothing in hand, and about as small as it was at its start."""
        try:
            grown = address_space(self.pid) - self._at_start
        except (OSError, IndexError):
            return False
        return self.clean and self._process.poll() is None and grown <= self._limits.memory // 4

    def read(self, job: Job, source: BinaryIO, start: int) -> Iterator[Any]:
        """What it says about the file that begins at `start`. Raises Death, Untouched, and what the source raises."""
        self.clean = False
        handed = touched = 0
        ratio = 1
        told = self._wire.received
        self._send(job, touched)
        while True:
            items = self._receive(touched)
            if self._wire.received - told > self._limits.told(min(handed * ratio, handed + 2 * MAX_UNPACKED)):
                raise self._killed("said more than any file of this size holds", limit="words")
            word = items[0]
            if isinstance(word, Want):
                block = self._block(word, source, start)
                if word.offset == 0 and block.startswith(PACKED) and not job.strict:
                    ratio = MAX_RATIO  # what is in it may be said, too
                handed, touched = handed + len(block), touched + max(len(block), ATTENTION)
                if touched > self._limits.handed(job.size):
                    raise self._killed("asked for more than the file has")
                self._send(block, touched)
            elif isinstance(word, job.answers):
                yield from items
            else:
                self._ended_with(word)
                return

    def _ended_with(self, word: object) -> None:
        if word == Done():
            self.clean = True
            return
        if not isinstance(word, Done):
            raise self._killed("said what it may not say")
        self.end()
        raise Death(f"failed by {word.fault}", limit=word.limit or "", place=word.place)

    def _block(self, want: Want, source: BinaryIO, start: int) -> bytes:
        if not (0 <= want.offset <= 1 << 62 and 0 < want.size <= BLOCK):
            raise self._killed("asked for what no file has")
        if source.tell() != start + want.offset:
            source.seek(start + want.offset)
        return source.read(want.size)

    def _send(self, item: object, touched: int) -> None:
        try:
            self._wire.send_block(item) if isinstance(item, bytes) else self._wire.send(item)
        except TimeoutError as error:
            raise self._silent(touched) from error
        except OSError as error:
            raise self._gone(touched) from error

    def _receive(self, touched: int) -> list[Any]:
        try:
            return self._wire.receive()
        except TimeoutError as error:
            raise self._silent(touched) from error
        except Garbled as error:
            raise self._killed("said what cannot be understood") from error
        except (EOFError, OSError) as error:
            raise self._gone(touched) from error

    def _silent(self, touched: int) -> Death | Untouched:
        death = self._killed(f"gave no sign of life for {self._limits.silence_seconds:g} s")
        return death if touched else Untouched()

    def _gone(self, touched: int) -> Death | Untouched:
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return self._killed("closed its line")
        self.end()
        if not touched:
            return Untouched()
        if status == -signal.SIGXCPU:
            return Death("was ended", limit="cpu")
        return Death(f"was ended by signal {-status}" if status < 0 else f"ended with status {status}")

    def _killed(self, what: str, *, limit: str = "") -> Death:
        self.end()
        return Death(what, limit=limit)

    def end(self) -> None:
        """Kill it, whatever it does, and leave nothing of it behind."""
        self.clean = False
        self._wire.close()
        self._process.kill()
        self._process.wait()

    def rest(self) -> None:
        self.idle_since = time.monotonic()
