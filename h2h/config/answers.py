"""What a bank has to say of each file that it gets, and by when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from typing import Annotated

from pydantic import Field

from h2h.calendars import Calendar
from h2h.config.section import Contradiction, Section
from h2h.config.toml_file import KeyPath
from h2h.config.values import ClockTime, Duration
from h2h.contract import AnswerStage, Owed
from h2h.schedule import Hours


class Answers(Section):
    """One stage: `within` so much of the bank's time, or `by` a time, so many open `days` later."""

    stage: Annotated[AnswerStage, Field(strict=False)]
    within: Duration | None = None
    days: Annotated[int, Field(ge=0, le=60)] = 0
    by: ClockTime | None = None
    opens: ClockTime = time(0, 0)
    closes: ClockTime | None = None
    warn: Duration = timedelta(0)

    def contradictions(self) -> Iterator[Contradiction]:
        when: tuple[KeyPath, ...] = (("within",), ("by",))
        if (self.within is None) == (self.by is None):
            text = 'say by when: within = "2h" of the bank\'s time, or by = "09:00" with days; one of the two'
            yield Contradiction(text=text, keys=when)
        if self.by is None and "days" in self.model_fields_set:
            yield Contradiction(text="days go with by, a time of day", keys=(("days",), ("by",)))
        if self.within is None and (given := sorted(self.model_fields_set & {"opens", "closes"})):
            text = "opens and closes say when the time of within runs; with by there is nothing to count"
            yield Contradiction(text=text, keys=((given[0],), ("by",)))
        if self.closes is not None and self.closes <= self.opens:
            yield Contradiction(text="has to be later than opens", keys=(("closes",), ("opens",)))
        if self.within is not None and not self.within:
            yield Contradiction(text="has to be longer than nothing", keys=(("within",),))
        if self.within is not None and self.warn and self.warn >= self.within:
            text = "is no shorter than within, so that it would warn of each file as soon as it is sent"
            yield Contradiction(text=text, keys=(("warn",), ("within",)))

    def owed(self, timezone: str, calendar: Calendar) -> Owed:
        hours = Hours(timezone=timezone, calendar=calendar, opens=self.opens, closes=self.closes)
        return Owed(stage=self.stage, hours=hours, within=self.within, days=self.days, by=self.by, warn=self.warn)
