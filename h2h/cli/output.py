"""How things look: tables for people, JSON for programs. Text from files is escaped before it reaches a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import click

from h2h.records import json_value
from h2h.records import one_line as one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from h2h.config import Settings
    from h2h.gateway import Gateway

STYLES = {
    "SENT": "green", "ACCEPTED": "green", "APPLIED": "green", "VALID": "green",
    "READY": "cyan", "STAGING": "cyan", "PUBLISHING": "cyan", "RECEIVED": "cyan", "KEPT": "cyan", "PENDING": "cyan",
    "HELD": "yellow", "DUPLICATE": "yellow", "PARTIAL": "yellow", "REPEATED": "dim",
    "INVALID": "red", "FAILED": "red", "UNCERTAIN": "bold red", "REJECTED": "red", "UNREADABLE": "red",
    "CANCELLED": "dim", "ERROR": "red", "HOLD": "yellow", "WARNING": "yellow", "INFO": "dim",
    "BOOKED": "green", "CREDITED": "green", "SETTLED": "green", "CHECKED": "cyan", "SUBMITTED": "cyan",
    "IN_PROCESS": "cyan", "CHANGED": "cyan", "ADVISED": "cyan", "IN_DOUBT": "bold red", "BLOCKED": "red",
    "RETURNED": "red", "NOT_SENT": "yellow",
}  # fmt: skip

LARGE_BYTES = 3_000_000  # what takes more than a moment to read
AHEAD_BYTES = 4 << 20  # so many may be on their way to a bank, without its word that they are there
PIPE_WIDTH = 200  # of a table that goes into a file or a pipe
WHOLE = ("id", "account", "state", "verdict", "code", "attempt", "bank", "sum", "opening", "closing", "at", "since")

UTC_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[ T](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?:\.\d+)?(?: UTC\b|\+00:00|Z\b)"
)

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")


def open_gateway(ctx: click.Context) -> Gateway:
    """The gateway of the settings file; closed when the command ends."""
    from h2h.config import load

    return _gateway(ctx, load(ctx.obj))


def ready_gateway(ctx: click.Context) -> Gateway:
    """The same, to move files: refused while keys or folders are missing, or in each other's way."""
    return _gateway(ctx, ready_settings(ctx))


def ready_settings(ctx: click.Context) -> Settings:
    """The settings, if all is there that they need; SettingsError has everything that is wrong."""
    from h2h.readiness import look

    found = look(ctx.obj)
    for warning in found.warnings:
        click.echo(f"h2h: warning: {warning}", err=True)
    return found.settings()


def _gateway(ctx: click.Context, settings: Settings) -> Gateway:
    from h2h.clock import clock_for
    from h2h.gateway import Gateway

    gateway = Gateway(settings, clock_for(settings.gateway.environment, os.environ.get("H2H_NOW")))
    gateway.archive.observe = with_bar
    ctx.call_on_close(gateway.close)
    return gateway


def console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(highlight=False, soft_wrap=True, width=width)


@contextmanager
def with_bar(source: BinaryIO, size: int, what: str = "reading") -> Iterator[BinaryIO]:
    """The source, with a bar on the terminal while a large file is read from it: how much of it is done, at least."""
    if size < LARGE_BYTES or not sys.stderr.isatty():
        yield source
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=size)
        behind = AHEAD_BYTES if what == "sending" else 0
        yield cast(BinaryIO, Shown(source, lambda done: progress.update(task, completed=done), behind))


class Shown(io.RawIOBase):
    """A file that tells, whenever more of it is asked for, how much of it is done for certain: what came before, less
    the bytes that whoever reads it may have `behind` it without an answer."""

    def __init__(self, source: BinaryIO, told: Callable[[int], None], behind: int) -> None:
        self._source, self._told, self._behind = source, told, behind

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._source.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        self._told(max(0, self._source.tell() - self._behind))
        return self._source.read(size)


def emit(records: Iterable[Any]) -> None:
    """One JSON object per line."""
    for record in records:
        click.echo(one_line(json_value(record)))


def text(value: object, style: str = "") -> Text:
    """Any value as text that cannot play tricks on a terminal."""
    from rich.text import Text

    from h2h.text import printable

    shown = "" if value is None else str(value)
    return Text(shown if shown.isprintable() else printable(shown), style=style)


def word(value: str | None) -> Text:
    """A state, verdict or severity in its colour."""
    return text(value, STYLES.get(value or "", ""))


def money(amount: Decimal | None, currency: str | None = None) -> Text:
    return text("" if amount is None else f"{amount:,f}" + (f" {currency}" if currency else ""))


def at(instant: datetime | None) -> Text:
    """An instant in the local zone of the machine, to the second, with the zone's name: it may change over night."""
    return text("" if instant is None else f"{instant.astimezone():%Y-%m-%d %H:%M:%S %Z}")


def clock_time(instant: datetime) -> str:
    """Hour and minute in the local zone, with its name."""
    return f"{instant.astimezone():%H:%M %Z}"


def sentence(value: str | None) -> Text:
    """A sentence of the ledger for the screen."""
    return text(local_times(value or ""))


def local_times(value: str) -> str:
    """A text of the ledger, where times are in UTC, with the same instants as all others on the screen."""
    return UTC_TIME.sub(_local, value)


def _local(found: re.Match[str]) -> str:
    try:
        instant = datetime.fromisoformat(f"{found['day']} {found['minute']}{found['second'] or ''}").replace(tzinfo=UTC)
    except ValueError:
        return found[0]
    return f"{instant.astimezone():{'%Y-%m-%d %H:%M:%S %Z' if found['second'] else '%Y-%m-%d %H:%M %Z'}}"


def printed(value: str) -> str:
    """A text on one line of its own, safe for a terminal, without the cost of loading what draws tables."""
    from h2h.text import printable

    return "\n".join(line if line.isprintable() else printable(line) for line in value.split("\n"))


def ago(instant: datetime | None, now: datetime) -> str:
    return "never" if instant is None else f"{span(now - instant)} ago"


def span(duration: timedelta) -> str:
    """A duration in its two largest units."""
    seconds = max(0, int(duration.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {seconds % 60:02}s" if minutes else f"{seconds}s"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A plain table; nothing at all where there are no rows."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, 2, 0, 0))
    for name in columns:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        shown.add_column(name, justify=justify, overflow="fold", no_wrap=name in WHOLE)
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    console().print(shown, soft_wrap=False)


def listing(
    records: Sequence[Any],
    columns: Sequence[str],
    row: Callable[[Any], Sequence[object]],
    *,
    as_json: bool,
    empty: str,
    right: Sequence[str] = (),
) -> None:
    """A list of records in the form asked for."""
    if as_json:
        emit(records)
    elif records:
        table(columns, map(row, records), right=right)
    else:
        click.echo(empty)
