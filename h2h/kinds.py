"""Which kinds of payments a file holds, as far as cut-offs differ by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from h2h.columns import Columns
from h2h.model import Batch, Payment

MOST = 100  # that are told apart; a file with more counts as one of which nothing is known
_ASKED = ("batch", "service_level", "further_service_levels", "local_instrument", "transfer_currency", "currency")


class Kind(NamedTuple):
    """Of a payment: what PmtTpInf says of it, and the currency that is transferred."""

    service_levels: tuple[str, ...]  # mostly one, or none
    local_instrument: str | None
    currency: str | None

    def __str__(self) -> str:
        return " ".join((*self.service_levels, *filter(None, (self.local_instrument, self.currency))))


class Kinds:
    """Tell it the payments of a file as they pass; then ask which kinds there were."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = {
            b.position: (_levels(b.service_level, b.further_service_levels), b.local_instrument) for b in batches
        }
        self._found: set[Kind] = set()

    def look(self, payments: Columns[Payment]) -> None:
        if len(self._found) > MOST:
            return
        for batch, level, further, instrument, transferred, currency in _different(payments):
            levels, usual = self._batches.get(batch, ((), None))
            own = _levels(level, further)
            self._found.add(Kind(own or levels, instrument or usual, transferred or currency))

    def told(self) -> list[Kind] | None:
        """In one order; None where there are too many."""
        if len(self._found) > MOST:
            return None
        return sorted(self._found, key=lambda k: (k.service_levels, k.local_instrument or "", k.currency or ""))


def kinds_of(said: Sequence[Sequence[Any]] | None) -> list[Kind] | None:
    """As they were stored."""
    return None if said is None else [Kind(tuple(levels), *others) for levels, *others in said]


def _different(payments: Columns[Payment]) -> Collection[tuple[Any, ...]]:
    return {*zip(*map(payments.column, _ASKED), strict=True)}


def _levels(first: str | None, further: Sequence[str]) -> tuple[str, ...]:
    return (first, *further) if first else ()
