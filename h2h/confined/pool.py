"""The reader processes that are kept: started when they are first needed, used again, ended when nobody needs them.

At most `size` at once; who needs one more waits. They are started by one thread that lives as long as the pool, since
the kernel ends a process that is to die with its parent when the thread ends that started it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from h2h.confined.process import ReaderProcess
from h2h.errors import ReaderError

Start = Callable[[str | None], ReaderProcess]


class Pool:
    """`start` starts a process; one with a namespace explains refusals."""

    def __init__(self, start: Start, *, size: int, idle_seconds: float) -> None:
        self._start, self._size, self._idle_seconds = start, size, idle_seconds
        self._starter = ThreadPoolExecutor(1, "reader-starter")
        self._change = threading.Condition()
        self._idle: list[ReaderProcess] = []
        self._busy: list[ReaderProcess] = []
        self._starting = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        with self._change:
            return tuple(process.pid for process in (*self._idle, *self._busy))

    def has_room(self, processes: int) -> bool:
        """Whether so many may be taken now without waiting; somebody else may be quicker."""
        with self._change:
            return len(self._busy) + self._starting + processes <= self._size

    @contextmanager
    def taken(self, explains: str | None) -> Iterator[ReaderProcess]:
        """A process for one file. One that is not clean afterwards is ended. Raises ReaderError."""
        process = self._waiting_one(explains is not None) or self._new_one(explains)
        try:
            yield process
        finally:
            self._give_back(process)

    def close(self) -> None:
        """End what is idle now, and what is busy when it has done. Nobody gets one any more."""
        with self._change:
            self._closed = True
            self._drop(self._idle)
            if self._timer:
                self._timer.cancel()
            self._change.notify_all()
        self._starter.shutdown()

    def _waiting_one(self, explains: bool) -> ReaderProcess | None:
        """An idle process of that kind; None where one may be started."""
        with self._change:
            while True:
                if self._closed:
                    raise ReaderError("The gateway is stopping, and reads no further file.")
                self._drop([process for process in self._idle if not process.usable()])
                if fitting := [process for process in self._idle if process.explains == explains]:
                    return self._taken(fitting[-1])
                if len(self._idle) + len(self._busy) + self._starting >= self._size:
                    self._drop(self._idle[:1])
                if len(self._idle) + len(self._busy) + self._starting < self._size:
                    self._starting += 1
                    return None
                self._change.wait()

    def _taken(self, process: ReaderProcess) -> ReaderProcess:
        self._idle.remove(process)
        self._busy.append(process)
        return process

    def _new_one(self, explains: str | None) -> ReaderProcess:
        process: ReaderProcess | None = None
        try:
            process = self._starter.submit(self._start, explains).result()
            process.get_ready()
        except (OSError, RuntimeError) as error:
            raise ReaderError(f"The process that reads files cannot be started: {error}.") from error
        finally:
            if process is not None and not process.clean:
                process.end()
            with self._change:
                self._starting -= 1
                if process is not None and process.clean:
                    self._busy.append(process)
                self._change.notify()
        return process

    def _give_back(self, process: ReaderProcess) -> None:
        usable = process.usable()
        with self._change:
            self._busy.remove(process)
            self._idle.append(process)
            process.rest()
            if self._closed or not usable:
                self._drop([process])
            elif self._timer is None:
                self._wake_in(self._idle_seconds)
            self._change.notify()

    def _drop(self, processes: list[ReaderProcess]) -> None:
        for process in list(processes):
            self._idle.remove(process)
            process.end()

    def _wake_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_idle(self) -> None:
        with self._change:
            now = time.monotonic()
            self._drop([process for process in self._idle if now - process.idle_since >= self._idle_seconds])
            self._timer = None
            if self._idle and not self._closed:
                self._wake_in(min(p.idle_since for p in self._idle) + self._idle_seconds - now)
