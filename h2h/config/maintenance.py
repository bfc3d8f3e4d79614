"""When a bank's server is away."""

from __future__ import annotations

from collections.abc import Iterator

from h2h.config.closings import Day
from h2h.config.section import Contradiction, Section
from h2h.config.values import ClockTime, Days
from h2h.schedule import Away


class Maintenance(Section):
    """Each week on these days, or once; past midnight where it ends no later than it starts."""

    days: Days | None = None
    on: Day | None = None
    starts: ClockTime
    ends: ClockTime

    def contradictions(self) -> Iterator[Contradiction]:
        if (self.days is None) == (self.on is None):
            text = 'say when it is: either days = "sun", each week, or on = 2026-12-05, once'
            yield Contradiction(text=text, keys=(("on",), ("days",)))
        if self.starts == self.ends:
            yield Contradiction(text="has to be another time than starts", keys=(("ends",), ("starts",)))

    def away(self, timezone: str) -> Away:
        days = self.days or frozenset()
        return Away(timezone=timezone, days=days, on=self.on, starts=self.starts, ends=self.ends)
