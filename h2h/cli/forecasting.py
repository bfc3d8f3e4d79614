"""forecast: will it make the cut-off, when will it go, when is it executed?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, at, console, emit, open_gateway, span, text

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.config import Bank, Outbound
    from h2h.forecast import Spread
    from h2h.gateway import Gateway
    from h2h.model import Judgement
    from h2h.outbound.foresight import Asked, Foreseen

COLOURS = {
    "MAKES_IT": "green",
    "NEXT_WINDOW": "yellow",
    "AT_ONCE_THOUGH_LATE": "yellow",
    "TOO_LATE": "bold red",
    "INVALID": "bold red",
    "HELD": "yellow",
}
WAITING = ("READY", "STAGING", "HELD")
SAYS = {
    "MAKES_IT": "it goes in the window that is open",
    "NEXT_WINDOW": "it goes by itself in the next window",
    "AT_ONCE_THOUGH_LATE": "it goes at once, late, by its folder's rule or a person's release",
    "TOO_LATE": "it is held for a person: its cut-off has passed or comes too soon, or its windows never open together",
    "INVALID": "it is refused: `h2h validate` says why",
    "HELD": "a person has to release it first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One file, as `forecast --json` shows it. `to_spare`: seconds between being at the bank and the window's end;
    `line`: what keeps the bank from being reached now."""

    file: str
    bank: str
    folder: str
    verdict: str
    payments: int
    control_sum: Decimal | None
    currencies: list[str]
    goes_at: datetime | None
    there_by: datetime | None
    cut_off: datetime | None
    cut_off_for: str
    to_spare: float | None
    answer_by: datetime | None
    executions: list[object]
    upload: Spread | None
    answer: Spread | None
    line: str | None


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="FILE|FOLDER|ID…")
@click.option("--bank", help="As if the files were dropped for this bank; needed where the folder does not tell.")
@as_json
@click.pass_context
def forecast(ctx: click.Context, places: tuple[str, ...], bank: str | None, as_json: bool) -> int:
    """Say what will become of files: whether they make the cut-off, when they go, when payments are executed.

    By the windows of their payments, the calendars, and how long this bank has taken lately. Nothing is stored or sent.
    A folder stands for all files in it, a watched one for those that are taken from there; an id for a file that was
    taken already. What came before is not looked for: a duplicate is told when it is dropped. Exit status 1 where one
    is refused or too late.
    """
    gateway = open_gateway(ctx)
    bad = False
    for one in (found for place in places for found in _of(gateway, place, bank)):
        bad |= one.verdict in ("INVALID", "TOO_LATE")
        if as_json:
            emit([one])
        else:
            _print(one, gateway.clock.now())
    return int(bad)


def foretell(gateway: Gateway, transfer_id: str) -> None:
    """Print what will become of a file that waits to go; nothing of any other."""
    transfer = gateway.ledger.transfers.get(transfer_id)
    bank = gateway.settings.bank(transfer.bank)
    if bank and bank.outbound_for(transfer.watch) and transfer.state in WAITING:
        console().print()
        _print(_taken(gateway, transfer_id), gateway.clock.now())


def _of(gateway: Gateway, place: str, bank: str | None) -> Iterator[Forecast]:
    path = Path(place)
    if path.is_dir():
        watched = [o for each in gateway.settings.banks for o in each.outbound if o.watch == path.absolute()]
        for file in sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith(".")):
            if not watched or any(fnmatchcase(file.name, folder.match) for folder in watched):
                yield _dropped(gateway, file, bank)
    elif path.exists():
        yield _dropped(gateway, path, bank)
    else:
        yield _taken(gateway, place)


def _taken(gateway: Gateway, name: str) -> Forecast:
    """Of a file that was taken already."""
    from h2h.errors import UsageError
    from h2h.outbound.foresight import Asked

    ledger = gateway.ledger
    transfer = ledger.transfers.get(ledger.views.find_transfer(name))
    bank = gateway.bank(transfer.bank)
    folder = bank.outbound_for(transfer.watch)
    if transfer.state not in WAITING or folder is None:
        raise UsageError(f"{transfer.id} is {transfer.state}: nothing is to be foreseen. See `h2h show {transfer.id}`.")
    batches = ledger.views.history(transfer.id).batches
    asked = Asked(
        size=transfer.size,
        kinds=transfer.kinds,
        batches=[(_day(batch["execution_date"]), batch["payments"]) for batch in batches],
        control_sum=transfer.control_sum,
        currencies=transfer.currencies or (),
        since=transfer.received_at,
        taken=True,
        allowed=transfer.late_allowed,
    )
    return _forecast(gateway, bank, folder, asked, transfer.id, held=transfer.state == "HELD")


def _dropped(gateway: Gateway, file: Path, name: str | None) -> Forecast:
    """Of a file as if it came now: by the folder that it lies in, else by that of the bank which takes it best."""
    from h2h.ledger.judged import tallied
    from h2h.outbound.foresight import Asked

    bank, folder, judgement = _judged(gateway, file, name)
    tally = tallied(judgement)
    days = {batch.position: _day(batch.requested_execution_date) for batch in judgement.batches}
    asked = Asked(
        size=file.stat().st_size,
        kinds=tally.kinds.told(),
        batches=[(days.get(number), count.payments) for number, count in tally.batches.items()],
        control_sum=sum((count.amount for count in tally.batches.values()), Decimal()),
        currencies=sorted(tally.currencies),
        since=gateway.clock.now(),
    )
    sound = judgement.good and judgement.header is not None
    return _forecast(gateway, bank, folder, asked, str(file), held=judgement.held, refused=not sound)


def _judged(gateway: Gateway, file: Path, name: str | None) -> tuple[Bank, Outbound, Judgement]:
    from h2h.cli.judging import judgement_of
    from h2h.errors import UsageError

    banks = [gateway.bank(name)] if name else gateway.settings.banks
    known = [(bank, folder) for bank in banks for folder in bank.outbound]
    here = [(bank, folder) for bank, folder in known if folder.watch == file.absolute().parent]
    if not here and len({bank.name for bank, _ in known}) > 1:
        raise UsageError(f"{file} lies in no watched folder: say for which bank it is, with --bank NAME.")
    now = gateway.clock.now()
    found = [
        (judgement_of(file, gateway.reader_of(bank), bank.terms(folder, now)), bank, folder)
        for bank, folder in here or known
    ]
    if not found:
        raise UsageError(f"{name or 'No bank'} has no outbound folder.")
    judgement, bank, folder = min(found, key=lambda each: (not each[0].good, each[0].held))
    return bank, folder, judgement


def _forecast(
    gateway: Gateway, bank: Bank, folder: Outbound, asked: Asked, file: str, *, held: bool, refused: bool = False
) -> Forecast:
    from h2h.outbound.foresight import foresee

    outlook = gateway.ledger.outlook
    found = foresee(bank, folder, asked, outlook.timings(bank.name), gateway.clock.now())
    if refused or held:  # nobody knows when it goes
        found = replace(found, goes_at=None, there_by=None, cut_off=None, cut_off_for="", answer_by=None, executions=())
    down = [contact.text for contact in outlook.contacts() if contact.bank == bank.name and contact.error_class]
    return Forecast(
        file=file,
        bank=bank.name,
        folder=str(folder.watch),
        verdict="INVALID" if refused else "HELD" if held else found.verdict.value,
        payments=sum(number for _, number in asked.batches),
        control_sum=asked.control_sum,
        currencies=list(asked.currencies),
        goes_at=found.goes_at,
        there_by=found.there_by,
        cut_off=found.cut_off,
        cut_off_for=found.cut_off_for,
        to_spare=_to_spare(found),
        answer_by=found.answer_by,
        executions=list(found.executions),
        upload=found.upload,
        answer=found.answer,
        line=down[0] if down else None,
    )


def _to_spare(found: Foreseen) -> float | None:
    if found.there_by is None or found.cut_off is None:
        return None
    return (found.cut_off - found.there_by).total_seconds()


def _day(said: str | None) -> date | None:
    try:
        return date.fromisoformat(said[:10]) if said else None
    except ValueError:
        return None


def _print(one: Forecast, now: datetime) -> None:
    from h2h.cli.output import money

    out = console()
    head = text(f"{one.file}: ", "bold").append_text(text(one.verdict, COLOURS.get(one.verdict, "")))
    out.print(head.append_text(text(f", {SAYS[one.verdict]}")))
    out.print(
        text(f"  to        {one.bank}, {_payments(one.payments)}, ").append_text(
            money(one.control_sum, "/".join(one.currencies))
        )
    )
    for label, what in _lines(one, now):
        out.print(text(f"  {label:<9} ").append_text(what))


def _lines(one: Forecast, now: datetime) -> Iterator[tuple[str, Text]]:
    if one.line:
        yield "line", text(f"the bank cannot be reached now: {one.line}", "yellow")
    if one.goes_at:
        yield "goes", text("now") if one.goes_at <= now else at(one.goes_at)
    if one.there_by and one.goes_at:
        known = f" (the last {one.upload.files} files)" if one.upload else "; nothing was sent to this bank yet"
        yield "there", text(f"within {_short(one.there_by - one.goes_at)}, almost always{known}")
    if one.cut_off:
        what = f" for {one.cut_off_for}" if one.cut_off_for else ""
        left = f", with {span(timedelta(seconds=one.to_spare))} to spare" if one.to_spare and one.to_spare > 0 else ""
        yield "cut-off", at(one.cut_off).append_text(text(f"{what}{left}"))
    if one.answer_by and one.answer:
        usual = _short(timedelta(seconds=one.answer.usually))
        yield "answer", text("by ").append_text(at(one.answer_by)).append_text(text(f", usually within {usual}"))
    for each in one.executions:
        yield "executed", text(_executed(each))


def _executed(each: object) -> str:
    from h2h.forecast import Execution

    assert isinstance(each, Execution)
    asked = "" if each.asked in (None, each.on) else f"; {each.asked} was asked for, and is over or closed"
    return f"{each.on}, {_payments(each.payments)}{asked}"


def _payments(count: int) -> str:
    return f"{count:,} payment{'s' * (count != 1)}"


def _short(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else span(duration)
