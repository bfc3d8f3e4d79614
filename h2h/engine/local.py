"""The engine of one process: a thread for each worker, so that a stuck bank never delays another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from h2h.engine import Round, Turn
from h2h.errors import H2hError

log = logging.getLogger(__name__)

AFTER_FAILURE_SECONDS = 5.0


def _nobody(_worker: str, _trouble: str | None) -> None:
    pass


class LocalEngine:
    def __init__(self, workers: Mapping[str, Round], told: Callable[[str, str | None], None] = _nobody) -> None:
        """`told`: hears after each round what keeps a worker from its work, or None."""
        self._told = told
        self._failing: dict[str, str] = {}
        self._began: dict[str, float] = {}  # rounds under way
        self._ended: dict[str, float] = {}
        self._stopping = threading.Event()
        self._wakes = {name: threading.Event() for name in workers}
        self._threads = [
            threading.Thread(target=self._work, args=(name, round_), name=name, daemon=True)
            for name, round_ in workers.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self, worker: str) -> None:
        self._wakes[worker].set()

    def stopping(self) -> bool:
        return self._stopping.is_set()

    def turns(self) -> list[Turn]:
        return [
            Turn(
                worker=thread.name,
                alive=thread.is_alive(),
                ended=self._ended.get(thread.name),
                began=self._began.get(thread.name),
                used=_processor_seconds(thread),
            )
            for thread in self._threads
        ]

    def stop(self, seconds: float) -> bool:
        self._stopping.set()
        for wake in self._wakes.values():
            wake.set()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, name: str, round_: Round) -> None:
        wake = self._wakes[name]
        while not self._stopping.is_set():
            wake.clear()
            self._began[name] = time.monotonic()
            seconds = self._one_round(name, round_)
            self._ended[name] = time.monotonic()
            del self._began[name]
            wake.wait(seconds)

    def _one_round(self, name: str, round_: Round) -> float:
        """A round that fails is told and tried again: a worker never ends before the engine does."""
        try:
            seconds = round_()
        except H2hError as error:
            self._failed(name, str(error))
            return AFTER_FAILURE_SECONDS
        except Exception as error:
            log.exception("round failed", extra={"event": "round_failed", "worker": name})
            self._told(name, f"the gateway itself failed ({type(error).__name__}); report it, with the log")
            return AFTER_FAILURE_SECONDS
        if self._failing.pop(name, None):
            log.info("round good again", extra={"event": "round_good_again", "worker": name})
        self._told(name, None)
        return seconds

    def _failed(self, name: str, text: str) -> None:
        """Once for each trouble, however often it is met again."""
        if self._failing.get(name) != text:
            log.error("round failed", extra={"event": "round_failed", "worker": name, "text": text})
        self._failing[name] = text
        self._told(name, text)


def _processor_seconds(thread: threading.Thread) -> float | None:
    """Of a thread that is alive: the clock of one that is not must not be asked."""
    if not thread.is_alive() or thread.ident is None or not hasattr(time, "pthread_getcpuclockid"):
        return None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
