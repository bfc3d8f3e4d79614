"""What others see of a running gateway while it runs: its heartbeat. None of it may keep the gateway from its work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from h2h.config import Bank, SftpSettings
from h2h.confined import Limits
from h2h.engine import Turn
from h2h.errors import StoreError
from h2h.gateway import Gateway
from h2h.heartbeat import Heartbeat

log = logging.getLogger(__name__)

WAIT_SECONDS = Limits().silence_seconds  # for a reader process, on this machine the longest wait
GRACE_SECONDS = 60.0  # beyond the time-outs: slow disks, and whoever else the machine has to serve


class Pulse:
    def __init__(self, gateway: Gateway, turns: Callable[[], Sequence[Turn]]) -> None:
        self._clock = gateway.clock
        self._turns = turns
        lines = allowed(gateway.settings.banks)
        self._heartbeat = Heartbeat(gateway.heartbeat_file, lines, else_allowed=WAIT_SECONDS + GRACE_SECONDS)
        self._unwritten = ""

    def beat(self) -> None:
        """At each turn of the main loop."""
        try:
            self._heartbeat.write(self._heartbeat.take(self._turns(), self._clock.monotonic()))
            self._unwritten = ""
        except StoreError as error:
            if str(error) != self._unwritten:
                log.error("no heartbeat", extra={"event": "heartbeat_failed", "text": str(error)})
            self._unwritten = str(error)

    def stop(self) -> None:
        try:
            self._heartbeat.end()
        except StoreError as error:
            log.warning("heartbeat left", extra={"event": "heartbeat_failed", "text": str(error)})


def allowed(banks: Sequence[Bank]) -> dict[str, float]:
    """By worker, for how many seconds nothing may move in it: the longest wait for one answer, and some grace."""
    return {f"line {bank.name}": max(WAIT_SECONDS, _answer_seconds(bank)) + GRACE_SECONDS for bank in banks}


def _answer_seconds(bank: Bank) -> float:
    channel = bank.channel
    if not isinstance(channel, SftpSettings):
        return 0.0
    return max(channel.operation_timeout.total_seconds(), 2 * channel.connect_timeout.total_seconds())
