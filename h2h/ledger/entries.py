"""Entries and their details as rows, made column by column: to make each by itself takes longer than to store it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress, repeat
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from h2h.columns import Inside, inner_column, inner_counts
from h2h.gathered import Written
from h2h.ledger import tables as t
from h2h.ledger.bulk import store_columns
from h2h.model import Entry, EntryDetail

DAY = re.compile(r"\d{4}-\d\d-\d\d")
ENTRY = (
    "id", "statement_id", "position", "amount", "currency", "direction", "reversal", "status", "booking_date",
    "value_date", "reference", "account_servicer_reference", "batch_payment_information_id", "told_in", "day", "record",
)  # fmt: skip
DETAIL = (
    "entry_id", "position", "end_to_end_id", "instruction_id", "payment_information_id", "uetr", "amount", "currency",
    "direction", "transaction_id", "account_servicer_reference", "transfer_id", "payment", "record",
)  # fmt: skip
T = TypeVar("T")
Payments = Sequence[tuple[str | None, int | None]]  # which transfer, and which payment of it, each detail is about


class Numbered(Struct, frozen=True, kw_only=True):
    """An entry, the number of its row, and what is kept of each detail as text."""

    number: int
    entry: Entry
    texts: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """Entries that stand one behind the other, with the numbers of their rows."""

    numbers: Sequence[int]
    entries: Written

    def column(self, name: str) -> Sequence[Any]:
        return self.entries.column(name)

    def of_details(self, name: str) -> Sequence[Any]:
        """A field of all details, one behind the other."""
        return inner_column(self.column("details"), name)

    def owners(self, those: Sequence[T]) -> list[T]:
        """Of each detail what is said here of its entry."""
        details = self.column("details")
        if isinstance(details, Inside):
            return [*those]
        return [*chain.from_iterable(map(repeat, those, inner_counts(details)))]

    def chosen(self, places: Collection[int]) -> Iterator[Numbered]:
        """The entries at these places, in their order, as records."""
        if places:
            wanted = [at in places for at in range(len(self.numbers))]
            each = zip(compress(self.numbers, wanted), self.entries.where(wanted).one_by_one(), strict=True)
            for number, (entry, texts) in each:
                yield Numbered(number=number, entry=entry, texts=texts)

    def without(self, places: Collection[int]) -> Some:
        """The others."""
        if not places:
            return self
        wanted = [at not in places for at in range(len(self.numbers))]
        return Some(numbers=[*compress(self.numbers, wanted)], entries=self.entries.where(wanted))


def store_entries(connection: Connection, statement: int, some: Some, day: str) -> None:
    """`day`: that of the statement, for entries that say none."""
    ours = {
        "id": some.numbers,
        "statement_id": [statement] * len(some.numbers),
        "day": _days(some.column("booking_date"), some.column("value_date"), day),
        "record": some.entries.texts,
    }
    store_columns(connection, t.entry, {name: ours[name] if name in ours else some.column(name) for name in ENTRY})


def store_details(
    connection: Connection,
    numbers: Sequence[int],
    details: Sequence[Sequence[EntryDetail]],
    texts: Sequence[str],
    payments: Payments,
) -> None:
    """`details`: of each entry. `numbers`: of the entry of each detail; `texts`: what is kept of each detail."""
    if not numbers:
        return
    said = (inner_column(details, name) for name in DETAIL[1:-3])
    columns = (numbers, *said, *zip(*payments, strict=True), texts)
    store_columns(connection, t.detail, dict(zip(DETAIL, columns, strict=True)))


def _days(booked: Sequence[str | None], valued: Sequence[str | None], day: str) -> list[str]:
    pairs = [*zip(booked, valued, strict=True)]
    found = {pair: day_among(*pair) or day for pair in set(pairs)}
    return [*map(found.__getitem__, pairs)]


def day_among(*said: str | None) -> str | None:
    """The first that is a day."""
    return next((word[:10] for word in said if word and DAY.fullmatch(word[:10])), None)
