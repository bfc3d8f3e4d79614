"""What others see of a running gateway while it runs: its heartbeat, what systemd is told, metrics.

None of it may keep the gateway from its work: what fails here is told, once, and tried again at the next turn.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from h2h.config import Bank, SftpSettings
from h2h.confined import Limits
from h2h.engine import Turn
from h2h.errors import StoreError
from h2h.gateway import Gateway
from h2h.heartbeat import Beat, Heartbeat
from h2h.systemd import Notifier

if TYPE_CHECKING:
    from h2h.metrics.server import MetricsServer

log = logging.getLogger(__name__)

WAIT_SECONDS = Limits().silence_seconds  # for a reader process, on this machine the longest wait
BEAT_SECONDS = 10.0  # between two beats that are written, where nothing has changed
GRACE_SECONDS = 60.0  # beyond the time-outs: slow disks, and whoever else the machine has to serve


class Pulse:
    def __init__(
        self,
        gateway: Gateway,
        turns: Callable[[], Sequence[Turn]],
        *,
        every: float,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`every`: so many seconds pass at most from one `beat` to the next; with a watchdog fewer, by `self.every`."""
        banks = gateway.settings.banks
        self._gateway = gateway
        self._clock = gateway.clock
        self._turns = turns
        self._heartbeat = Heartbeat(gateway.heartbeat_file, allowed(banks), else_allowed=WAIT_SECONDS + GRACE_SECONDS)
        self._well = f"{len(banks)} bank(s): {', '.join(bank.name for bank in banks)}"
        self._systemd = Systemd(Notifier(environ, os.getpid()), every)
        self.every = self._systemd.every
        self._unwritten = ""
        self._written: Beat | None = None
        self._standing = self._look()
        self._metrics: MetricsServer | None = None

    def start(self) -> None:
        """Before anything is done. SettingsError where the address for metrics cannot be had."""
        if self._gateway.settings.gateway.metrics is None:
            return
        from h2h.metrics.server import listening

        self._metrics = listening(self._gateway, lambda: self._standing)
        self._metrics.serve()
        log.info("metrics", extra={"event": "metrics", "address": str(self._gateway.settings.gateway.metrics)})

    def _look(self) -> tuple[Beat, Sequence[Turn]]:
        turns = self._turns()
        return self._heartbeat.take(turns, self._clock.monotonic()), turns

    def beat(self) -> None:
        """At each turn of the main loop."""
        self._standing = self._look()
        beat, _ = self._standing
        self._write(beat)
        self._systemd.beat(beat.at, " ".join(beat.faults(beat.at)), well=self._well)

    def stop(self) -> None:
        if self._metrics:
            self._metrics.close()
        self._systemd.stop()
        try:
            self._heartbeat.end()
        except StoreError as error:
            log.warning("heartbeat left", extra={"event": "heartbeat_failed", "text": str(error)})

    def _write(self, beat: Beat) -> None:
        """Where something hangs, or does not any more, at once; else once in a while, which is less for the disk."""
        before = self._written
        if before and beat.at - before.at < BEAT_SECONDS and beat.faults(beat.at) == before.faults(before.at):
            return
        try:
            self._heartbeat.write(beat)
            self._written, self._unwritten = beat, ""
        except StoreError as error:
            if str(error) != self._unwritten:
                log.error("no heartbeat", extra={"event": "heartbeat_failed", "text": str(error)})
            self._unwritten = str(error)


class Systemd:
    """What is told when: that the gateway is ready with the first beat; how it goes when that changes; that it is alive
    no later than after half of the watchdog's time, unless something hangs."""

    def __init__(self, notifier: Notifier, every: float) -> None:
        self._notifier = notifier
        self._half = notifier.watchdog_seconds and notifier.watchdog_seconds / 2
        self.every = min(every, self._half) if self._half else every
        self._ready = False
        self._status = ""
        self._alive_at: float | None = None

    def beat(self, now: float, fault: str, *, well: str) -> None:
        if not self._ready:
            self._ready = self._notifier.ready()
        if self._status != (fault or well) and self._notifier.status(fault or well):
            self._status = fault or well
        if self._half and not fault and self._is_time(now) and self._notifier.alive():
            self._alive_at = now

    def _is_time(self, now: float) -> bool:
        """Whether the next beat would come too late."""
        assert self._half
        return self._alive_at is None or now + self.every > self._alive_at + self._half

    def stop(self) -> None:
        self._notifier.stopping()


def allowed(banks: Sequence[Bank]) -> dict[str, float]:
    """By worker, for how many seconds nothing may move in it: the longest wait for one answer, and some grace."""
    return {f"line {bank.name}": max(WAIT_SECONDS, _answer_seconds(bank)) + GRACE_SECONDS for bank in banks}


def _answer_seconds(bank: Bank) -> float:
    channel = bank.channel
    if not isinstance(channel, SftpSettings):
        return 0.0
    return max(channel.operation_timeout.total_seconds(), 2 * channel.connect_timeout.total_seconds())
