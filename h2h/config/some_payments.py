"""Which payments a block of the settings is for, where it is not for all: by what PmtTpInf says, and by currency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated

from pydantic import Field

from h2h.config.section import Section
from h2h.kinds import Kind

Code = Annotated[str, Field(min_length=1, max_length=35)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
CONDITIONS = ("service_levels", "local_instruments", "currencies")


class SomePayments(Section):
    """A payment has to fit every condition that is stated, by one of its values."""

    service_levels: Annotated[list[Code], Field(min_length=1)] | None = None
    local_instruments: Annotated[list[Code], Field(min_length=1)] | None = None
    currencies: Annotated[list[Currency], Field(min_length=1)] | None = None

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


def never_counting(rows: Sequence[SomePayments]) -> Iterator[int]:
    """The numbers of those rows of which earlier ones take every payment. A value that no row names fits what is not
    stated, and stands for all such values."""
    for number, row in enumerate(rows):
        if all(any(earlier.fits(kind) for earlier in rows[:number]) for kind in _taken(row, rows[:number])):
            yield number


def _taken(row: SomePayments, earlier: Sequence[SomePayments]) -> Iterator[Kind]:
    """Payments of every sort that the row takes, as far as the earlier rows can tell them apart."""
    values = [getattr(row, name) or [None, *_named(earlier, name)] for name in CONDITIONS]
    for level, instrument, currency in product(*values):
        yield Kind((level,) if level else (), instrument, currency)


def _named(rows: Sequence[SomePayments], name: str) -> set[str]:
    return {value for row in rows for value in getattr(row, name) or ()}
