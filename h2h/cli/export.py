"""export: rows for spreadsheets and programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from unicodedata import category

import click

from h2h.cli.output import emit, one_line, open_gateway
from h2h.cli.reading import known
from h2h.records import json_value

if TYPE_CHECKING:
    from h2h.ledger.views import Views

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula


@click.command()
@click.argument("what", type=click.Choice(["files", "payments", "statements", "entries"]))
@click.option("--bank", help="Only this bank.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@click.option("--limit", default=10_000, show_default=True, type=click.IntRange(1, 10_000_000), help="At most so many.")
@click.pass_context
def export(ctx: click.Context, what: str, bank: str | None, form: str, as_json: bool, limit: int) -> None:
    """Write files, payments, statements or entries to standard output, newest first.

    In CSV a text that a spreadsheet would take for a formula gets an apostrophe in front; control characters are
    escaped.
    """
    gateway = open_gateway(ctx)
    views = gateway.ledger.views
    known(gateway, bank, views.files(bank=bank, limit=1))
    rows = _rows(views, what, bank, limit)
    if as_json or form == "jsonl":
        emit(rows)
    else:
        _write_csv([json_value(row) for row in rows])


def _rows(views: Views, what: str, bank: str | None, limit: int) -> Iterable[Any]:
    match what:
        case "files":
            return views.files(bank=bank, limit=limit)
        case "payments":
            return views.payments(bank=bank, limit=limit)
        case "statements":
            return views.statements(bank=bank, limit=limit)
    messages = dict.fromkeys(s.message for s in views.statements(bank=bank, limit=limit))
    return (entry for message in messages for entry in views.entries(message))


def _write_csv(rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return one_line(value)
    if not isinstance(value, str):
        return value
    shown = "".join(c if category(c) != "Cc" else c.encode("unicode_escape").decode() for c in value)
    return f"'{shown}" if value.startswith(DANGEROUS) and not _number(value) else shown


def _number(value: str) -> bool:
    return value.lstrip("-").replace(".", "", 1).isdigit()
