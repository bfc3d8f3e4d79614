"""Records as plain JSON values: amounts and instants as text, nested records kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct, defstruct, structs

from h2h.columns import Columns, Inside, inner_records, names_of
from h2h.model import EntryDetail, Record

TEXT_KINDS = 64  # kept, each for other fields of which something is said


def json_value(value: Any) -> Any:
    """Any record or value, whole."""
    if isinstance(value, Struct):
        return json_value(structs.asdict(value))
    if is_dataclass(value) and not isinstance(value, type):
        return json_value(asdict(value))
    if isinstance(value, dict):
        return {key: json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


def one_line(value: Any) -> str:
    """As JSON; what a terminal might obey or hide is escaped, which means the same to a program."""
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def plain(record: Record | EntryDetail) -> dict[str, Any]:
    """A record of a message, without what is empty."""
    return _plain(record)


def as_text(record: Struct) -> str:
    """A record as canonical JSON, without what is empty or as usual."""
    text = _TEXT.encode(record).decode()
    return _TEXT.encode(_plain(record)).decode() if ":null" in text or _EXPONENT.search(text) else text


def as_texts(records: Sequence[Struct]) -> list[str]:
    """The same of many at once."""
    lines = _TEXT.encode_lines(records).decode()
    if ":null" in lines or _EXPONENT.search(lines):
        return [*map(as_text, records)]
    return lines.split("\n")[:-1]


def columns_as_texts(records: Columns[Any], without: str) -> list[str]:
    """Of records that stand in columns, but for one field."""
    names = [name for name in names_of(records.kind) if name != without]
    return _texts_of(records.kind, {name: records.column(name) for name in names})


def inner_texts(column: Sequence[Any]) -> list[str]:
    """Of the records in the tuples of a column, one behind the other."""
    return _texts_of(column.kind, column.columns) if isinstance(column, Inside) else as_texts([*inner_records(column)])


def _texts_of(kind: Any, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Of records whose fields are as usual where they stand in no column."""
    return as_texts([*map(_text_kind(kind, tuple(columns)), *columns.values())])


@lru_cache(TEXT_KINDS)
def _text_kind(kind: Any, names: tuple[str, ...]) -> Callable[..., Struct]:
    """Records that are made by position, and have no field that must be there."""
    usual = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False))
    fields = [(name, Any, None if usual.get(name) is NODEFAULT else usual.get(name)) for name in names]
    return defstruct(f"{kind.__name__}Text", fields, omit_defaults=True)


_TEXT = msgspec.json.Encoder(order="sorted")
_EXPONENT = re.compile(r':"-?[0-9.]+E[-+]?[0-9]')  # an amount that is not written out: amounts stand in fields alone


def _plain(record: Any) -> dict[str, Any]:
    kind: Any = type(record)
    names, values = _fields(kind)
    said = zip(names, values(record), strict=True)
    return {
        name: value if type(value) is str else _json(value)
        for name, value in said
        if value is not None and value != ()
    }  # fmt: skip


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = kind.__struct_fields__
    if len(names) == 1:
        return names, lambda record: (getattr(record, names[0]),)
    return names, attrgetter(*names)


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return _plain(value) if isinstance(value, Struct) else value
