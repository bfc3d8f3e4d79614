"""validate --addresses: over many files, whose postal addresses are fit for banks from November 2026 on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.cli.output import console, emit, table, text

if TYPE_CHECKING:
    from h2h.addresses import PartyForms, Tally, Totals
    from h2h.confined import ConfinedReader

MAX_FILES = 100_000
MAX_ROWS = 200  # on the screen; --json has all
SUFFIX = ".xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file of which nothing was counted, and why."""

    file: str
    why: str


def report_on(places: tuple[Path, ...], reader: ConfinedReader, *, as_json: bool) -> int:
    from h2h.addresses import Tally

    unread: list[Unread] = []
    files = list(_files(places, unread))
    tally = Tally()
    with _progress(len(files)) as done:
        for file in files:
            if why := _counted(file, reader, tally):
                unread.append(Unread(file=str(file), why=why))
            done()
    parties = [row for row in tally.parties() if row.role == "Cdtr" or row.ready < row.payments]
    if as_json:
        _emit(parties, unread, tally.totals())
    else:
        _show(parties, unread, tally.totals())
    return int(bool(unread) or tally.totals().ready < tally.totals().payments)


def _files(places: tuple[Path, ...], unread: list[Unread]) -> Iterator[Path]:
    """The files named, and those in the folders named, each once; not more than anybody has."""
    known: set[str] = set()
    for file in (file for place in places for file in (_below(place, unread) if place.is_dir() else [place])):
        if (real := os.path.realpath(file)) in known:
            continue
        if len(known) == MAX_FILES:
            why = f"not looked at, nor what follows: these are more than {MAX_FILES} files; do it in parts"
            unread.append(Unread(file=str(file), why=why))
            return
        known.add(real)
        yield file


def _below(folder: Path, unread: list[Unread]) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        unread.append(Unread(file=str(error.filename), why=f"cannot be listed: {error.strerror}"))

    for here, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(here, name)
            if name.lower().endswith(SUFFIX) and not name.startswith(".") and file.is_file():
                yield file


def _counted(file: Path, reader: ConfinedReader, tally: Tally) -> str | None:
    """Why the file could not be counted. What was read of half a file is not counted."""
    from h2h.addresses import Tally
    from h2h.model import Finding, PaymentFile, Severity
    from h2h.outbound.judge import UNFINISHED

    within, is_payments = Tally(), False
    try:
        with file.open("rb") as source:
            for item in reader.read(source, strict=False):
                if isinstance(item, Finding):
                    if item.severity is Severity.ERROR and (item.code in UNFINISHED or not is_payments):
                        return f"{item.code}: {item.text}"
                else:
                    is_payments |= isinstance(item, PaymentFile)
                    within.add(item)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not is_payments:
        return "holds no payment message (pain.001)"
    tally.merge(within)
    return None


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Something to call after each file: a bar on the terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda: progress.advance(task)


def _emit(parties: list[PartyForms], unread: list[Unread], totals: Totals) -> None:
    for kind, records in (("Party", parties), ("Unread", unread), ("Totals", [totals])):
        emit({"record": kind, **asdict(record)} for record in records)


def _show(parties: list[PartyForms], unread: list[Unread], totals: Totals) -> None:
    columns = ("party", "role", "account", "payments", "files", "structured", "hybrid", "none", "unstructured", "unfit")
    table(columns, map(_row, parties[:MAX_ROWS]), right=columns[3:])
    out = console()
    if len(parties) > MAX_ROWS:
        out.print(text(f"… and {len(parties) - MAX_ROWS} more; --json lists all."))
    if totals.left_out:
        out.print(
            text(f"More than {totals.parties} parties: {totals.left_out} mentions of others are not in the list.")
        )
    if totals.payments:
        of = f"{totals.payments} payments in {totals.files} files"
        bare = f"; {totals.without_address} name no address of the creditor" if totals.without_address else ""
        out.print(text(f"{_share(totals.ready, totals.payments)} of {of} are ready{bare}."))
    else:
        out.print(text("No payments were found."))
    for each in unread[:MAX_ROWS]:
        out.print(text(f"not read: {each.file}: {each.why}"))
    if len(unread) > MAX_ROWS:
        out.print(text(f"… and {len(unread) - MAX_ROWS} more that were not read."))


def _row(row: PartyForms) -> tuple[object, ...]:
    forms = (row.structured, row.hybrid, row.none, row.unstructured, row.unfit)
    return row.name, row.role, row.account, row.payments, row.files, *(count or "" for count in forms)


def _share(part: int, whole: int) -> str:
    """Rounded down: 100 % only where it is all."""
    return f"{part * 1000 // whole / 10:.1f} %"
