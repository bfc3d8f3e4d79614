"""When files may be handed over: a folder's own times, and others for some payments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Annotated, ClassVar

from pydantic import Field

from h2h.config.section import Contradiction, Section
from h2h.config.values import CalendarName, ClockTime, Days, Duration
from h2h.kinds import Kind

Code = Annotated[str, Field(min_length=1, max_length=35)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
CONDITIONS = ("service_levels", "local_instruments", "currencies")


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


class CutOff(Times):
    """Times for some payments. A payment has to fit every condition that is stated, by one of its values."""

    service_levels: Annotated[list[Code], Field(min_length=1)] | None = None
    local_instruments: Annotated[list[Code], Field(min_length=1)] | None = None
    currencies: Annotated[list[Currency], Field(min_length=1)] | None = None
    calendar: CalendarName | None = None

    with_a_cut_off: ClassVar[Collection[str]] = ("opens", "days", "lead", "calendar")

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if not self.conditions:
            text = f"says for no payments that it is; state {', '.join(CONDITIONS[:-1])} or {CONDITIONS[-1]}"
            yield Contradiction(text=text, keys=((),))

    @property
    def conditions(self) -> Sequence[Sequence[str]]:
        """Those that are stated."""
        return [values for name in CONDITIONS if (values := getattr(self, name))]

    @property
    def payments(self) -> str:
        """Which ones it is for, in words."""
        return " ".join("/".join(values) for values in self.conditions)

    def fits(self, kind: Kind) -> bool:
        return (
            (self.service_levels is None or not set(kind.service_levels).isdisjoint(self.service_levels))
            and (self.local_instruments is None or kind.local_instrument in self.local_instruments)
            and (self.currencies is None or kind.currency in self.currencies)
        )


def never_counting(rows: Sequence[CutOff]) -> Iterator[int]:
    """The numbers of those rows of which earlier ones take every payment. A value that no row names fits what is not
    stated, and stands for all such values."""
    for number, row in enumerate(rows):
        if all(any(earlier.fits(kind) for earlier in rows[:number]) for kind in _taken(row, rows[:number])):
            yield number


def _taken(row: CutOff, earlier: Sequence[CutOff]) -> Iterator[Kind]:
    """Payments of every sort that the row takes, as far as the earlier rows can tell them apart."""
    values = [getattr(row, name) or [None, *_named(earlier, name)] for name in CONDITIONS]
    for level, instrument, currency in product(*values):
        yield Kind((level,) if level else (), instrument, currency)


def _named(rows: Sequence[CutOff], name: str) -> set[str]:
    return {value for row in rows for value in getattr(row, name) or ()}
