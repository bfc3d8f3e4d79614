"""Records of one kind, column by column: what is asked of many at once costs a fraction of what it costs one by one.

A payment as an object is made of some twenty values, and mostly asked for a few. So what is read in large numbers is
handed on as columns, and only who needs a record has it made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec

T = TypeVar("T")  # a Struct
TOGETHER = 500  # records whose columns are made at a time


def names_of(kind: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = kind.__struct_fields__
    return names


class Columns(Collection[T], Generic[T]):
    """`values`: of every field of `kind`, in their order, as many as there are records."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: type[T], values: Sequence[Sequence[Any]]) -> None:
        self.kind: Any = kind
        self.values = values

    @classmethod
    def of(cls, records: Sequence[T]) -> Columns[T]:
        """At least one, all of the same kind."""
        kind = type(records[0])
        return cls(kind, [[getattr(record, name) for record in records] for name in names_of(kind)])

    def column(self, name: str) -> Sequence[Any]:
        return self.values[names_of(self.kind).index(name)]

    def __len__(self) -> int:
        return len(self.values[0])

    def __iter__(self) -> Iterator[T]:
        return map(_maker(self.kind), *self.values)

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


class InColumns(Collection[T], ABC, Generic[T]):
    """Records that are kept in columns."""

    @abstractmethod
    def columns(self) -> Iterator[Columns[T]]: ...

    def __iter__(self) -> Iterator[T]:
        for records in self.columns():
            yield from records

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


def in_columns(records: Iterable[T]) -> Iterator[Columns[T]]:
    """Records of one kind, however they are kept."""
    if isinstance(records, InColumns):
        yield from records.columns()
        return
    rest = iter(records)
    while some := list(islice(rest, TOGETHER)):
        yield Columns.of(some)


def one_by_one(items: Iterable[Any]) -> Iterator[Any]:
    """Each record of what comes in columns, too."""
    for item in items:
        if isinstance(item, Columns):
            yield from item
        else:
            yield item


@cache
def _maker(kind: Any) -> Callable[..., Any]:
    """Makes a record of its values by position."""
    names = names_of(kind)
    made = ", ".join(f"{name}={name}" for name in names)
    make: Callable[..., Any] = eval(f"lambda {', '.join(names)}: kind({made})", {"kind": kind})  # noqa: S307
    return make


@cache
def code_of(kind: Any) -> Code[Any]:
    """Made once of each kind: to make one takes longer than to judge a small file."""
    return Code(kind)


class Code(Generic[T]):
    """Columns of one kind as bytes, and back. Raises msgspec's errors, ValueError and ArithmeticError for others."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        said = [get_type_hints(kind)[name] for name in names_of(kind)]
        self._amounts = [at for at, hint in enumerate(said) if Decimal in (hint, *get_args(hint))]
        for at in self._amounts:
            said[at] = str | None if said[at] != Decimal else str  # amounts are made in a quarter of the time here
        columns = [(f"c{at}", list.__class_getitem__(hint)) for at, hint in enumerate(said)]
        form = msgspec.defstruct(f"{kind.__name__}Columns", columns, array_like=True, frozen=True)
        self._decode = msgspec.msgpack.Decoder(form).decode
        self._decode_many = msgspec.msgpack.Decoder(list.__class_getitem__(form)).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def encode(self, columns: Columns[T]) -> bytes:
        return self._encode(columns.values)

    def decode(self, content: bytes | bytearray) -> Columns[T]:
        return self._taken(self._decode(content))

    def decode_many(self, content: bytes | bytearray) -> list[Columns[T]]:
        """Of a list of such columns."""
        return [self._taken(each) for each in self._decode_many(content)]

    def _taken(self, found: Any) -> Columns[T]:
        values = [getattr(found, name) for name in found.__struct_fields__]
        if not values[0] or len({*map(len, values)}) != 1:
            raise ValueError("columns of different lengths")
        for at in self._amounts:
            values[at] = [value if value is None else Decimal(value) for value in values[at]]
        return Columns(self._kind, values)
