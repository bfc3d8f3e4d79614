"""Whether the amounts that another process said can be reckoned with and shown: as text, Decimal takes NaN, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, get_args, get_type_hints

from msgspec import Struct

from h2h.columns import Columns, Inside
from h2h.model import Record

MAX_EXPONENT = 64


def is_sound(item: Any) -> bool:
    """A record, or columns of them."""
    if isinstance(item, Columns):
        return all(_all_reckonable(item.column(name)) for name in _AMOUNTS[item.kind])
    return all(reckonable(getattr(item, name)) for name in _AMOUNTS.get(type(item), ()))


def _all_reckonable(values: Sequence[Any]) -> bool:
    """As of each: amounts together."""
    if isinstance(values, Inside):
        amounts = _AMOUNTS[values.kind]
        return all(_all_reckonable(column) for name, column in values.columns.items() if name in amounts)
    said = [value for value in values if value is not None and value != ()]
    if {*map(type, said)} != {Decimal}:
        return all(map(reckonable, said))
    sizes = {*map(Decimal.adjusted, said)}
    return all(map(Decimal.is_finite, said)) and min(sizes) >= -MAX_EXPONENT and max(sizes) <= MAX_EXPONENT


def reckonable(value: Any) -> bool:
    if value is None or value == ():
        return True
    if isinstance(value, Decimal):
        return value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT
    return all(map(is_sound, value)) if isinstance(value, tuple) else is_sound(value)


def _amounts(kind: type) -> tuple[str, ...]:
    """The fields that hold amounts, however deep."""
    hints = get_type_hints(kind)
    return tuple(name for name in hints if Decimal in _deep(hints[name]))


def _deep(hint: Any) -> set[Any]:
    """The types that a field may hold, and those that these records may hold."""
    found = set(_within(hint))
    for kind in [each for each in found if _is_record(each)]:
        found |= {deeper for inner in get_type_hints(kind).values() for deeper in _deep(inner)}
    return found


def _within(hint: Any) -> Iterator[Any]:
    """The types that a field may hold."""
    yield hint
    for inner in get_args(hint):
        yield from _within(inner)


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


_RECORDS = {kind for record in get_args(Record) for kind in _deep(record) if isinstance(kind, type)}
_AMOUNTS = {kind: _amounts(kind) for kind in _RECORDS if _is_record(kind)}
