"""sequences: the numbers in names at the banks, and to go on beyond those that another program used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, console, emit, open_gateway, text
from h2h.cli.who import named

if TYPE_CHECKING:
    from h2h.gateway import Gateway
    from h2h.ledger.sequences import Counted, Counter


@click.command()
@click.argument("bank", required=False)
@click.option("--beyond", type=click.IntRange(1, 999_999_999), help="Numbers up to this one are used; go on after it.")
@click.option("--series", help="Of which series, where the bank has several.")
@click.option(
    "--day", help="Of which day (2026-11-22), where numbers begin again each day.  [default: the bank's today]"
)
@click.option("--reason", help="Why; stands in the journal.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@as_json
@named
@click.pass_context
def sequences(
    ctx: click.Context,
    bank: str | None,
    beyond: int | None,
    series: str | None,
    day: str | None,
    reason: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """The last number of each series in the names of files at the banks.

    Also those that are used, by a file that is not known to be at the bank. With --beyond numbers go on after that one:
    where another program gave names before, or the bank has more files than the ledger knows of. They never go back.
    """
    gateway = open_gateway(ctx)
    if beyond is not None:
        if not bank or not reason:
            raise click.UsageError("--beyond goes with the name of a bank, and with --reason.")
        _go_beyond(gateway, bank, _counter(gateway, bank, series, day), beyond, reason, dry_run=dry_run)
        if dry_run:
            return
    rows = gateway.ledger.sequences.counted(gateway.bank(bank).name if bank else None)
    if as_json:
        emit(rows)
    else:
        _print(rows)


def _counter(gateway: Gateway, bank: str, series: str | None, day: str | None) -> Counter:
    """The one that is meant: numbers that run on, unless a day is named or each day has its own."""
    from h2h.ledger.sequences import Counter
    from h2h.naming import SEQUENCE, SEQUENCE_DAY

    profile = gateway.bank(bank)
    found: dict[str, set[str]] = {}
    for folder in profile.outbound:
        if folder.counters:
            found.setdefault(folder.counted_as, set()).update(folder.counters)
    if not found:
        raise click.UsageError(f"No name at {bank} has a number in it; {{sequence}} in bank.outbound.name puts one in.")
    if series is None and len(found) > 1:
        raise click.UsageError(f"{bank} has several series; say which with --series: {', '.join(found)}.")
    if series is not None and series not in found:
        raise click.UsageError(f"{bank} has no series {series!r}; it has {', '.join(found)}.")
    name = series or next(iter(found))
    if day and SEQUENCE_DAY not in found[name]:
        raise click.UsageError(f"Numbers of {name} at {bank} run on from day to day; leave --day out.")
    if day is None and SEQUENCE in found[name]:
        return Counter(name)
    return Counter(name, _day(day) if day else profile.today(gateway.clock.now()).isoformat())


def _go_beyond(gateway: Gateway, bank: str, counter: Counter, beyond: int, reason: str, *, dry_run: bool) -> None:
    from h2h.cli.who import person
    from h2h.ledger.people import in_words

    now, why = gateway.clock.now(), in_words("reason", reason)
    if dry_run:
        click.echo(f"{bank} {counter.series}: the next number would be {beyond + 1}, if none after {beyond} was used.")
        return
    who = person(gateway)
    if not gateway.ledger.sequences.go_beyond(bank, counter, beyond, who=who, reason=why, now=now):
        click.echo(f"{bank} {counter.series}: numbers are beyond {beyond} already; nothing was changed.", err=True)


def _day(value: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise click.UsageError(f"--day {value!r} is not a day; write it as in 2026-11-22.") from None


def _print(rows: Sequence[Counted]) -> None:
    out = console()
    if not rows:
        out.print(text("No number was used in a name yet."))
    latest = {(row.bank, row.counter.series, bool(row.counter.day)): row for row in rows}  # in the order of days
    for row in rows:
        of = f" of {row.counter.day}" if row.counter.day else ""
        goes_on = row in latest.values()
        told = f"last {row.last}, next {row.last + 1}" if goes_on else f"last {row.last}"
        out.print(text(f"{row.bank}  {row.counter.series}{of}  {told}"))
        if row.unsettled:
            numbers = ", ".join(map(str, row.unsettled))
            out.print(text(f"    not known to be at the bank: {numbers}", "yellow"))
