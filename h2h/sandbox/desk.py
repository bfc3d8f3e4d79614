"""The one worker of a sandbox bank: handles taken files in order, says "received", then the final word, ends the day.

Every step writes its papers to /out first and saves the state after, so a bank that is killed in between says the same
again, under the same names, when it is started anew; it never forgets a file that it took.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from h2h.sandbox.bank import Bank, Paper
from h2h.sandbox.books import dump_state, load_state
from h2h.sandbox.folders import Folders
from h2h.sandbox.scenario import NEVER, Scenario, Take
from h2h.sandbox.wrapping import Wrapping

log = logging.getLogger("h2h.sandbox")

STOP_SECONDS = 5.0


@dataclass(order=True, slots=True)
class _Job:
    due: float  # time.monotonic()
    turn: int
    run: Callable[[], Sequence[str]] = field(compare=False)
    names: Future[Sequence[str]] = field(compare=False, default_factory=Future)


class Desk:
    def __init__(self, folders: Folders, bank: Bank, wrapping: Wrapping | None = None) -> None:
        self.folders = folders
        self._wrapping = wrapping or Wrapping()
        self._bank = bank
        self._jobs: list[_Job] = []
        self._turn = 0
        self._busy = False
        self._stopping = False
        self._closing_due = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="sandbox-desk", daemon=True)

    @property
    def scenario(self) -> Scenario:
        return self._bank.scenario

    def start(self) -> None:
        """Take up what an earlier run left behind, then begin to work."""
        if saved := self.folders.load_state():
            self._bank.state = load_state(saved)
        for taken in self.folders.taken():
            if taken.number > self._bank.state.answered:
                self._expect(taken.number)
        for path in self.folders.arrivals():
            if self.scenario.take is not Take.KEEP or not self.folders.has_copy(path):
                self.arrived(path)
        if any(account.entries for account in self._bank.state.accounts.values()):
            self._expect_close()
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(STOP_SECONDS)

    def arrived(self, path: Path) -> None:
        """Something got the name `path`, or was closed under it. Called on the server's thread, before its reply."""
        path = self.folders.announced(path)
        if not self.folders.is_arrival(path):
            return
        if self.scenario.take is Take.AFTER:
            self._later(self.scenario.after_seconds, lambda: self._take(path))
        else:
            self._take(path)

    def settle(self, timeout_seconds: float) -> None:
        """Wait until nothing is owed any more, delays included. Raises TimeoutError, or what went wrong at the desk."""
        with self._changed:
            done = self._changed.wait_for(lambda: not self._jobs and not self._busy, timeout_seconds)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if not done:
            raise TimeoutError(f"The sandbox bank still has work after {timeout_seconds} s.")

    def close_day(self, timeout_seconds: float) -> list[str]:
        """End the bank's day now, after all that is due; returns the names of the files put out for it."""
        return list(self._later(0, self._close).result(timeout_seconds))

    def _take(self, path: Path) -> Sequence[str]:
        taken = self.folders.take(path, keep=self.scenario.take is Take.KEEP)
        if taken is not None:
            log.info("taken", extra={"event": "taken", "number": taken.number, "file": taken.name})
            self._expect(taken.number)
        return ()

    def _expect(self, number: int) -> None:
        """Both steps at once, so that whatever is asked for later comes after them where they are due."""
        wait_seconds = _delay(self.scenario.received_seconds)
        self._later(wait_seconds, lambda: self._receive(number))
        self._later(wait_seconds + _delay(self.scenario.answer_seconds), lambda: self._answer(number))

    def _receive(self, number: int) -> Sequence[str]:
        if number <= self._bank.state.received:  # by an earlier run
            return ()
        return self._finish(self._bank.receive(number, self._order(number)))

    def _answer(self, number: int) -> Sequence[str]:
        names = self._finish(self._bank.answer(number, self._order(number)))
        self._expect_close()
        return names

    def _expect_close(self) -> None:
        if self.scenario.statement_seconds != NEVER and not self._closing_due:
            self._closing_due = True
            self._later(_delay(self.scenario.statement_seconds), self._close)

    def _close(self) -> Sequence[str]:
        self._closing_due = False
        return self._finish(self._bank.close_day(self._order))

    def _order(self, number: int) -> bytes:
        """A file that was taken, out of what it came in."""
        return self._wrapping.came(self.folders.data(number))

    def _finish(self, papers: Sequence[Paper]) -> Sequence[str]:
        names = [paper.name + self._wrapping.ending for paper in papers]
        for name, paper in zip(names, papers, strict=True):
            self.folders.put(name, self._wrapping.goes(paper.data))
            log.info("put out", extra={"event": "put_out", "file": name})
        self.folders.save_state(dump_state(self._bank.state))
        return names

    def _later(self, seconds: float, run: Callable[[], Sequence[str]]) -> Future[Sequence[str]]:
        with self._changed:
            self._turn += 1
            job = _Job(time.monotonic() + seconds, self._turn, run)
            heapq.heappush(self._jobs, job)
            self._changed.notify_all()
            return job.names

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job.names.set_result(job.run())
            except Exception as error:  # the next file must still be served; settle() raises it
                log.exception("the desk failed", extra={"event": "desk_failed"})
                job.names.set_exception(error)
                self._failure = error
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next_job(self) -> _Job | None:
        """Waits for the next job that is due; None when the bank stops."""
        with self._changed:
            while not self._stopping:
                wait = self._jobs[0].due - time.monotonic() if self._jobs else None
                if wait is not None and wait <= 0:
                    self._busy = True
                    return heapq.heappop(self._jobs)
                self._changed.wait(wait)
        return None


def _delay(seconds: float | str) -> float:
    """NEVER leaves out the words, not the step."""
    return 0 if isinstance(seconds, str) else seconds
