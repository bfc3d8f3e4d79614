"""What a bank has to say of each file that it gets, and by when."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from datetime import time, timedelta
from typing import Annotated

from pydantic import Field

from h2h.calendars import Calendar
from h2h.config.section import Contradiction
from h2h.config.some_payments import CONDITIONS, SomePayments, never_counting
from h2h.config.toml_file import KeyPath
from h2h.config.values import ClockTime, Duration
from h2h.contract import AnswerStage, Owed
from h2h.kinds import Kind
from h2h.schedule import Hours


class Answers(SomePayments):
    """One stage, for all payments or some: `within` so much of the bank's time, or `by` a time, so many open `days`
    later."""

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

    @property
    def counted(self) -> tuple[object, ...]:
        """In which way, and for which payments: only such as agree in that can be compared."""
        way = ("by",) if self.within is None else (self.opens, self.closes)
        return *way, *(getattr(self, name) for name in CONDITIONS)

    @property
    def takes(self) -> tuple[timedelta, time]:
        """What is less is due earlier, among those that are counted alike."""
        if self.within is not None:
            return self.within, time()
        return timedelta(days=self.days), self.by or time()

    def owed(self, timezone: str, calendar: Calendar) -> Owed:
        hours = Hours(timezone=timezone, calendar=calendar, opens=self.opens, closes=self.closes)
        return Owed(stage=self.stage, hours=hours, within=self.within, days=self.days, by=self.by, warn=self.warn)


def first_of(rows: Sequence[Answers], kinds: Collection[Kind] | None) -> list[Answers]:
    """Of one stage: for each kind of payments in a file the first row that fits; where the kinds are not known, all."""
    if kinds is None:
        return list(rows)
    found = [next((row for row in rows if row.fits(kind)), None) for kind in kinds]
    return [row for row in rows if row in found]


def out_of_order(rows: Sequence[Answers]) -> Iterator[Contradiction]:
    """Rows that never count, and of two stages the later one if it would be due first."""
    order = list(AnswerStage)
    for stage in order:
        numbers = [number for number, row in enumerate(rows) if row.stage is stage]
        for place in never_counting([rows[number] for number in numbers]):
            text = f"never counts: {stage} stands before it for every payment that it is for; leave one of them out"
            yield Contradiction(
                text=text, keys=(("answers", numbers[place], "stage"), ("answers", numbers[0], "stage"))
            )
    for (first, one), (second, other) in itertools.permutations(enumerate(rows), 2):
        later = order.index(one.stage) < order.index(other.stage)
        if later and one.counted == other.counted and other.takes < one.takes:
            text = f"{other.stage} comes after {one.stage}, and would be due before it"
            yield Contradiction(text=text, keys=(("answers", second, "stage"), ("answers", first, "stage")))
