"""report: what became of one payment file, in one file for an ERP."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import click

from h2h.cli.output import open_gateway

if TYPE_CHECKING:
    from h2h.ledger.standings import Standing

IN_MEMORY = 8_000_000  # bytes


@click.command()
@click.argument("file")
@click.option(
    "--message",
    type=click.Choice(["pain.002.001.03", "pain.002.001.10"]),
    default="pain.002.001.10",
    show_default=True,
    help="The version.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file.  [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead, as statuses are handed back.")
@click.pass_context
def report(ctx: click.Context, file: str, message: str, output: Path | None, as_json: bool) -> None:
    """Write one pain.002 for a whole payment file: the last known status of every payment in it.

    It sums up what the bank's answers and statements said so far, and what became of the file here; the ids are those
    of the file. FILE is its id, or the end of it.
    """
    gateway = open_gateway(ctx)
    ledger, now = gateway.ledger, gateway.clock.now()
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as said:
        with ledger.standings.of(ledger.views.find_transfer(file)) as standing:
            _write(standing, said, None if as_json else message, now)
        said.seek(0)
        with _target(output) as target:
            shutil.copyfileobj(said, target)


def _write(standing: Standing, to: IO[bytes], message: str | None, now: datetime) -> None:
    from h2h.formats.pain002 import write_pain_002
    from h2h.formats.status import parts, write_json

    if message is None:
        to.write(b"{")
        write_json(standing.file, parts(standing.payments()), standing.payments(), to, line_end="")
        return
    message_id = f"{standing.file.transfer}-{now.astimezone(UTC):%Y%m%d%H%M%S}"
    write_pain_002(standing.file, standing.payments, to, message=message, message_id=message_id, at=now)


def _target(output: Path | None) -> AbstractContextManager[BinaryIO]:
    from h2h.folders import atomic_writer

    return nullcontext(sys.stdout.buffer) if output is None else atomic_writer(output)
