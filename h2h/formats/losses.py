"""Which values of a record do not stand in the output, and why. Lost is whatever nobody says is written: a value that
is new in the records is a loss until a form has a place for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

# Where a record stands, which its order in the output tells.
PLACES = frozenset({"position", "statement", "batch", "line"})


class Why(StrEnum):
    NO_PLACE = "NO_PLACE"
    NO_ROOM = "NO_ROOM"
    CUT = "CUT"
    CHARACTERS = "CHARACTERS"
    SHORTENED = "SHORTENED"
    DECIMALS = "DECIMALS"
    NOT_BOOKED = "NOT_BOOKED"
    SEVERAL = "SEVERAL"
    STAND_IN = "STAND_IN"


MEANING: dict[Why, str] = {
    Why.NO_PLACE: "the form has no place for it",
    Why.NO_ROOM: "there was no room left for it",
    Why.CUT: "it was cut, being longer than its place",
    Why.CHARACTERS: "characters that the form does not have, or not there, were replaced",
    Why.SHORTENED: "only the day, or the minute, is told",
    Why.DECIMALS: "it was rounded to the decimals of its currency",
    Why.NOT_BOOKED: "the entry is not booked; only booked ones are told",
    Why.SEVERAL: "the entry books several payments, and is told as one",
    Why.STAND_IN: "the bank did not say it, and the form must have it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A value that is not there, or not whole. `written` is what stands in its place.

    `statement` and `entry` count from 1 as in the file, `line` is a line of it; `field` is the record's, with
    numbers from 1.
    """

    statement: int | None
    entry: int | None
    line: int | None
    field: str
    value: str
    written: str | None
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one value: whole where `why` is None."""

    field: str
    written: str | None = None
    why: Why | None = None


def whole(*names: str) -> list[Fate]:
    return [Fate(field=name) for name in names]


def lost(record: Any, fates: Iterable[Fate], *, statement: int | None, entry: int | None = None) -> Iterator[Loss]:
    """The losses of a record. Of several fates of a value the best one counts; what has none has no place."""
    best: dict[str, Fate] = {}
    for fate in fates:
        known = best.get(fate.field)
        if known is None or (known.why is not None and (fate.why is None or known.written is None)):
            best[fate.field] = fate
    values = dict(leaves(record))
    stood_in = [name for name, fate in best.items() if fate.why is Why.STAND_IN and name not in values]
    for name in [*values, *stood_in]:
        fate = best.get(name) or Fate(field=name, why=Why.NO_PLACE)
        if fate.why is not None:
            yield Loss(
                statement=statement,
                entry=entry,
                line=getattr(record, "line", None),
                field=name,
                value=values.get(name, ""),
                written=fate.written,
                why=fate.why,
            )


def leaves(record: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a record that says something, as text under its dotted name."""
    for name in record.__struct_fields__:
        if name not in PLACES:
            yield from _leaves(f"{prefix}{name}", getattr(record, name))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Struct):
        yield from leaves(value, f"{name}.")
    elif isinstance(value, tuple):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(f"{name}[{number}]", inner)
    elif value is not None and value != "":
        yield name, text_of(value)


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
