"""Records of one kind, column by column: what is asked of many at once costs a fraction of what it costs one by one.

A payment as an object is made of some twenty values, and mostly asked for a few. So what is read in large numbers is
handed on as columns, and only who needs a record has it made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, reduce
from itertools import chain, compress, islice, repeat
from operator import iadd
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints, overload

import msgspec
from msgspec import Struct, structs

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

    def where(self, wanted: Sequence[object]) -> Columns[T]:
        """Those that are wanted, in their order."""

        def left(column: Sequence[Any]) -> Sequence[Any]:
            return column.each(left) if isinstance(column, Inside) else [*compress(column, wanted)]

        return Columns(self.kind, [*map(left, self.values)])

    def said(self) -> list[Any]:
        """As they are written: `Code`."""
        return [column.columns if type(column) is Inside else column for column in self.values]

    def __len__(self) -> int:
        return len(self.values[0])

    def __iter__(self) -> Iterator[T]:
        named = zip(names_of(self.kind), self.values, strict=True)
        said = {name: column for name, column in named if not _says_nothing(column, default_of(self.kind, name))}
        return map(_maker(self.kind, tuple(said)), *said.values())

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


class Inside(Sequence[tuple[T]], Generic[T]):
    """A column in which each value is a tuple of one record, as an entry mostly has one detail: columns, too.

    `columns`: of the fields that are not all as they are where nothing is said; at least one.
    """

    __slots__ = ("columns", "kind")

    def __init__(self, kind: type[T], columns: Mapping[str, Sequence[Any]]) -> None:
        self.kind: Any = kind
        self.columns = columns

    def column(self, name: str, size: int | None = None) -> Sequence[Any]:
        if name in self.columns:
            return self.columns[name]
        return [default_of(self.kind, name)] * (len(self) if size is None else size)

    def records(self) -> Iterator[T]:
        return map(_maker(self.kind, tuple(self.columns)), *self.columns.values())

    def each(self, change: Callable[[Sequence[Any]], Sequence[Any]]) -> Inside[T]:
        return Inside(self.kind, {name: change(column) for name, column in self.columns.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[tuple[T]]:
        return zip(self.records())

    @overload
    def __getitem__(self, at: int) -> tuple[T]: ...
    @overload
    def __getitem__(self, at: slice) -> Inside[T]: ...
    def __getitem__(self, at: int | slice) -> tuple[T] | Inside[T]:
        if isinstance(at, slice):
            return self.each(lambda column: column[at])
        return (next(iter(self[at : at + 1 or None].records())),)


def joined(pieces: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """One column of several, one behind the other."""
    inside = inside_all(pieces, [*map(len, pieces)])
    return reduce(iadd, pieces, []) if inside is None else inside.each(joined)


def inside_all(pieces: Sequence[Sequence[Any]], sizes: Sequence[int]) -> Inside[Any] | None:
    """Where all of several columns, of so many records each, are of that sort: of each field all its columns."""
    inside: list[Any] = [piece for piece in pieces if type(piece) is Inside]  # isinstance takes ten times as long
    if not inside or len(inside) < len(pieces):
        return None
    names = dict.fromkeys(name for piece in inside for name in piece.columns)
    sized = [*zip(inside, sizes, strict=True)]
    return Inside(inside[0].kind, {name: [piece.column(name, size) for piece, size in sized] for name in names})


def inner_counts(column: Sequence[Any]) -> Iterable[int]:
    """How many records there are in each tuple of a column."""
    return repeat(1, len(column)) if isinstance(column, Inside) else map(len, column)


def inner_records(column: Sequence[Any]) -> Iterator[Any]:
    """Those in the tuples of a column, one behind the other."""
    return column.records() if isinstance(column, Inside) else chain.from_iterable(column)


def inner_column(column: Sequence[Any], name: str) -> Sequence[Any]:
    """Of these, one field."""
    return column.column(name) if isinstance(column, Inside) else [getattr(one, name) for one in inner_records(column)]


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
def _maker(kind: Any, names: tuple[str, ...]) -> Callable[..., Any]:
    """Makes a record of the values of these fields by position."""
    made = ", ".join(f"{name}={name}" for name in names)
    make: Callable[..., Any] = eval(f"lambda {', '.join(names)}: _kind({made})", {"_kind": kind})  # noqa: S307
    return make


def default_of(kind: Any, name: str) -> Any:
    """What a field is where nothing is said; of a field that must be said, nothing that any is."""
    return _defaults(kind)[name]


@cache
def _defaults(kind: Any) -> Mapping[str, Any]:
    """By name. Of those that must be said, which stand first, there are none (msgspec.structs.fields would look at the
    types of all fields, which takes a millisecond)."""
    names, defaults = names_of(kind), kind.__struct_defaults__
    return dict(zip(names, (*[msgspec.NODEFAULT] * (len(names) - len(defaults)), *defaults), strict=True))


def _says_nothing(column: Sequence[Any], default: object) -> bool:
    """Whether all values are what they are where nothing is said; asked only where nothing else is equal to that."""
    if type(column) is not list or not column or not (default is None or default == ()):
        return False
    return column[0] is default is column[-1] and column.count(default) == len(column)


@cache
def code_of(kind: Any) -> Code[Any]:
    """Made once of each kind: to make one takes longer than to judge a small file."""
    return Code(kind)


class Code(Generic[T]):
    """Columns of one kind as bytes, and back. Raises msgspec's errors, ValueError and ArithmeticError for others."""

    def __init__(self, kind: type[T]) -> None:
        form: _Form[T] = _Form(kind)
        self._taken = form.taken
        self._decode = msgspec.msgpack.Decoder(form.type).decode
        self._decode_many = msgspec.msgpack.Decoder(list.__class_getitem__(form.type)).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def encode(self, columns: Columns[T]) -> bytes:
        return self._encode(columns.said())

    def decode(self, content: bytes) -> Columns[T]:
        return self._taken(self._decode(content))

    def decode_many(self, content: bytes | memoryview) -> list[Columns[T]]:
        """Of a list of such columns."""
        return [self._taken(each) for each in self._decode_many(content)]


class _Form(Generic[T]):
    """How columns of one kind are written: a list for each field; those inside by name, without what nobody says."""

    def __init__(self, kind: Any, *, inside: bool = False) -> None:
        self._kind, self._names = kind, names_of(kind)
        hints = get_type_hints(kind)
        self._amounts = [name for name in self._names if _is_amount(hints[name])]
        inner = {name: _inner(hints[name]) for name in self._names if not inside}
        self._inside: dict[str, _Form[Any]] = {name: _Form(each, inside=True) for name, each in inner.items() if each}
        columns: list[Any] = []
        for field in structs.fields(kind):
            column = _said(hints[field.name])
            if field.name in self._inside:
                column |= self._inside[field.name].type
            may_lack = inside and field.default is not msgspec.NODEFAULT
            columns.append((field.name, column | None, None) if may_lack else (field.name, column))
        self.type: Any = msgspec.defstruct(
            f"{kind.__name__}Columns",
            columns,
            array_like=not inside,
            kw_only=inside,
            forbid_unknown_fields=True,
            frozen=True,
        )

    def taken(self, found: Any) -> Columns[T]:
        columns = self._columns(found)
        return Columns(self._kind, [columns[name] for name in self._names])

    def _columns(self, found: Any) -> dict[str, Sequence[Any]]:
        columns = {name: said for name in self._names if (said := getattr(found, name)) is not None}
        for name, inner in self._inside.items():
            if not isinstance(columns[name], list):
                columns[name] = Inside(inner._kind, inner._columns(columns[name]))
        if 0 in (sizes := {*map(len, columns.values())}) or len(sizes) != 1:
            raise ValueError("columns of different lengths")
        for name in self._amounts:
            if name in columns:
                columns[name] = _amounts(columns[name])
        return columns


@cache
def decoder_of(kind: Any, name: str) -> Callable[[bytes], list[Any]]:
    """Of one column as bytes: the values of this field."""
    hint = get_type_hints(kind)[name]
    decode: Callable[[bytes], list[Any]] = msgspec.msgpack.Decoder(_said(hint)).decode
    return (lambda content: _amounts(decode(content))) if _is_amount(hint) else decode


def _said(hint: Any) -> Any:
    """A column of such values as it is written: amounts as text, as they are made in a quarter of the time here."""
    if _is_amount(hint):
        hint = str if hint == Decimal else str | None
    return list.__class_getitem__(hint)


def _is_amount(hint: Any) -> bool:
    return Decimal in (hint, *get_args(hint))


def _amounts(said: Iterable[str | None]) -> list[Decimal | None]:
    return [None if value is None else Decimal(value) for value in said]


def _inner(hint: Any) -> Any:
    """The kind of the records in a tuple of any number."""
    kind = get_args(hint)[0] if get_origin(hint) is tuple else None
    return kind if isinstance(kind, type) and issubclass(kind, Struct) else None
