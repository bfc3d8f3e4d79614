"""When files may be handed over: a folder's own times, and others for some payments."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from typing import ClassVar

from h2h.config.section import Contradiction, Section
from h2h.config.some_payments import CONDITIONS, SomePayments
from h2h.config.values import CalendarName, ClockTime, Days, Duration


class Times(Section):
    """From `opens` to `cut_off` less `lead`, on these days; without a cut-off always."""

    opens: ClockTime = time(0, 0)
    cut_off: ClockTime | None = None
    lead: Duration = timedelta(0)
    days: Days = frozenset(range(7))

    with_a_cut_off: ClassVar[Collection[str]] = ("opens", "days", "lead")

    def contradictions(self) -> Iterator[Contradiction]:
        if self.cut_off is None and (given := sorted(self.model_fields_set & {*self.with_a_cut_off})):
            *some, last = self.with_a_cut_off
            text = f"{', '.join(some)} and {last} go with a cut_off; without one it is always open"
            yield Contradiction(text=text, keys=((given[0],), ("cut_off",)))
        if self.cut_off is not None:
            opens, cut_off = (datetime.combine(date.min, clock) for clock in (self.opens, self.cut_off))
            if opens + self.lead >= cut_off:
                text = "the window has no time in it: opens plus lead must be before cut_off"
                yield Contradiction(text=text, keys=(("cut_off",), ("opens",), ("lead",)))


class CutOff(Times, SomePayments):
    """Times for some payments."""

    calendar: CalendarName | None = None

    with_a_cut_off: ClassVar[Collection[str]] = ("opens", "days", "lead", "calendar")

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if not self.conditions:
            text = f"says for no payments that it is; state {', '.join(CONDITIONS[:-1])} or {CONDITIONS[-1]}"
            yield Contradiction(text=text, keys=((),))
