"""Records as plain JSON values: amounts and instants as text, nested records kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct, structs

from h2h.model import Entry, EntryDetail, Record


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


def without_details(entry: Entry) -> Entry:
    """They are rows of their own."""
    return structs.replace(entry, details=()) if entry.details else entry


_TEXT = msgspec.json.Encoder(order="sorted")
_EXPONENT = re.compile(r'"-?[0-9.]+E[-+]?[0-9]')  # an amount that is not written out


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
