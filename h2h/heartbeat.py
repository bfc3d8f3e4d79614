"""The heartbeat of the running gateway: a small file in the data folder, written anew while the main loop turns, by
which another process sees whether main loop and workers turn.

Its times are of the monotonic clock, which all processes of a machine share, which no setting of the clock moves, and
which stands still while the machine sleeps; they say nothing after the next start of the machine, whose id stands with
them. A worker may rest, work, or wait for an answer as long as its time-outs let it. It hangs when it is within a round
and took no processor time for longer than that: in a call that does not return, or for a lock that nobody gives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from h2h.engine import Turn
from h2h.errors import StoreError

STALE_SECONDS = 60.0  # without a turn of the main loop, which waits for the ledger for half of that at most
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBeat:
    """One worker. `still`: since when nothing moves in its round. `allowed`: for how many seconds that may be so."""

    worker: str
    alive: bool
    still: float | None
    allowed: float

    def fault(self, now: float) -> str | None:
        if not self.alive:
            return f"The worker {self.worker} has ended. Restart the gateway, and report it, with the log."
        if self.still is None or now - self.still <= self.allowed:
            return None
        return (
            f"The worker {self.worker} hangs: nothing moved in it for more than {self.allowed:.0f} s, in which all its "
            "time-outs end. Look whether its folders and disks answer, and restart the gateway."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """How the gateway stood at `at`."""

    process: int
    boot: str
    at: float
    workers: tuple[WorkerBeat, ...]

    def faults(self, now: float) -> list[str]:
        """What keeps it from turning; empty where all is well."""
        if now - self.at > STALE_SECONDS:
            text = f"The main loop of process {self.process} hangs: it did not turn for {STALE_SECONDS:.0f} s or more. "
            return [f"{text}Look whether the ledger and the watched folders answer, and restart the gateway."]
        return [fault for worker in self.workers if (fault := worker.fault(now))]


class Heartbeat:
    """That of this process."""

    def __init__(self, path: Path, allowed: Mapping[str, float], *, else_allowed: float) -> None:
        """`allowed`: by worker, for how many seconds nothing may move in its round; `else_allowed`: in all others."""
        self._path = path
        self._allowed = allowed
        self._else_allowed = else_allowed
        self._seen: dict[str, tuple[Turn, float]] = {}

    def take(self, turns: Sequence[Turn], now: float) -> Beat:
        """How the workers stand, compared with how they stood when this was asked before."""
        workers = tuple(
            WorkerBeat(
                worker=turn.worker,
                alive=turn.alive,
                still=self._still(turn, now),
                allowed=self._allowed.get(turn.worker, self._else_allowed),
            )
            for turn in turns
        )
        return Beat(process=os.getpid(), boot=_boot(), at=now, workers=workers)

    def _still(self, turn: Turn, now: float) -> float | None:
        if turn.began is None or turn.used is None:
            self._seen.pop(turn.worker, None)
            return None
        before, since = self._seen.get(turn.worker, (None, now))
        if before != turn:
            since = now
        self._seen[turn.worker] = turn, since
        return since

    def write(self, beat: Beat) -> None:
        """StoreError where that cannot be done."""
        part = self._path.with_name(f".{self._path.name}.tmp")
        try:
            part.write_text(json.dumps(asdict(beat)), encoding="utf-8")
            os.replace(part, self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}.") from error

    def end(self) -> None:
        """Nobody beats any more. What stays is no harm: its process is gone."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be removed: {error.strerror}.") from error


def noted(path: Path, process: int) -> Beat | None:
    """The last beat of the running process; None where it did not beat yet."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        beat = Beat(**{**found, "workers": tuple(WorkerBeat(**worker) for worker in found["workers"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return beat if (beat.process, beat.boot) == (process, _boot()) else None


def _boot() -> str:
    """Which start of the machine this is; empty where the system does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
