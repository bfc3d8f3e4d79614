"""The time. Nobody else asks for it, so that a test (or `H2H_NOW` in a test environment) can set it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from h2h.errors import UsageError

SLOWLY = timedelta(seconds=5)  # how far a clock may drift between two looks


class Clock:
    """Now in UTC, and waiting. With `start` given, time runs on from there."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = start - datetime.now(UTC) if start else timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        """Seconds that never jump, for waits and for how long something stayed as it is."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Until the event is set or the time is over; whether it was set."""
        return event.wait(seconds)


class SetBack:
    """Notices that the clock was set back: times noted as ahead of it are further away than was meant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.noted()

    def noted(self) -> None:
        """From here on the clock is right."""
        self._now, self._monotonic = self._clock.now(), self._clock.monotonic()

    def by(self) -> timedelta | None:
        """By how much since it was `noted`; None where it was not. Slow corrections do not count."""
        expected = self._now + timedelta(seconds=self._clock.monotonic() - self._monotonic)
        back = expected - self._clock.now()
        return back if back > SLOWLY else None


def clock_for(environment: str, h2h_now: str | None) -> Clock:
    """The real clock, or in a test environment the one that `H2H_NOW` sets."""
    if h2h_now is None or environment != "test":
        return Clock()
    try:
        start = datetime.fromisoformat(h2h_now)
    except ValueError:
        raise UsageError(f"H2H_NOW={h2h_now!r} is not an ISO time such as 2026-11-20T09:00:00+01:00.") from None
    if start.tzinfo is None:
        raise UsageError(f"H2H_NOW={h2h_now!r} has no zone; write it as 2026-11-20T09:00:00+01:00.")
    return Clock(start)
