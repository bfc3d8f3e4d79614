"""export: rows for spreadsheets and programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from h2h.cli.output import open_gateway
from h2h.cli.reading import known
from h2h.cli.tabular import write_csv, write_json_lines, write_parquet

if TYPE_CHECKING:
    from h2h.gateway import Gateway

WRITERS: dict[str, Callable[..., None]] = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.argument("what", type=click.Choice(["files", "payments", "statuses", "statements", "entries"]))
@click.option("--bank", help="Only this bank.")
@click.option("--from", "since", type=DAY, help="Only from this day on; of statements and entries, the bank's.")
@click.option("--to", "until", type=DAY, help="Only up to this day, it included.")
@click.option("--format", "form", type=click.Choice(list(WRITERS)), default="csv", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file.  [default: standard output]")
@click.option("--limit", type=click.IntRange(1), help="At most so many.  [default: all]")
@click.pass_context
def export(
    ctx: click.Context,
    what: str,
    bank: str | None,
    since: datetime | None,
    until: datetime | None,
    form: str,
    as_json: bool,
    output: Path | None,
    limit: int | None,
) -> None:
    """Write files, payments, statuses (every answer of a bank), statements or entries, newest first.

    The columns and their order stay. In CSV a text that a spreadsheet would take for a formula gets an apostrophe in
    front; control characters are escaped. A file is there when it is whole.
    """
    from h2h.ledger.exports import COLUMNS, Wanted

    form = "jsonl" if as_json else form
    _check(form, output)
    gateway = open_gateway(ctx)
    _known(gateway, bank)
    wanted = Wanted(bank=bank, since=since and since.date(), until=until and until.date())
    _say_purged(gateway.ledger.exports.purged(what, wanted))
    rows = islice(gateway.ledger.exports.rows(what, wanted), limit)
    with _target(output) as target:
        WRITERS[form](COLUMNS[what], rows, target)


def _say_purged(ways: Sequence[tuple[str, int]]) -> None:
    for way, count in ways:
        click.echo(f"h2h: {count} file(s) that {way} were purged; their records are not in this.", err=True)


def _check(form: str, output: Path | None) -> None:
    from h2h.errors import UsageError

    if form != "parquet":
        return
    if output is None:
        raise UsageError("Parquet is no text for a screen: name a file by -o.")
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow, which is not installed: pip install 'h2h[parquet]'.") from error


def _known(gateway: Gateway, bank: str | None) -> None:
    """Refuse a bank that nobody knows; one that only the ledger knows has files."""
    known(gateway, bank, gateway.ledger.views.files(bank=bank, limit=1))


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    from h2h.folders import atomic_writer

    if output is None:
        yield sys.stdout.buffer
        return
    with atomic_writer(output) as file:
        yield file
