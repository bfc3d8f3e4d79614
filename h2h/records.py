"""Records as plain JSON values: amounts as text, empty fields left out, nested records kept."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from h2h.model import Entry, EntryDetail, Record


def plain(record: Record | EntryDetail) -> dict[str, Any]:
    return _without_empty(asdict(record))


def plain_entry(entry: Entry) -> dict[str, Any]:
    """An entry without its details, which are rows of their own."""
    return {key: value for key, value in plain(entry).items() if key != "details"}


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    return {key: _json(inner) for key, inner in value.items() if inner is not None and inner != ()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_empty(value)
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return format(value, "f") if isinstance(value, Decimal) else value
