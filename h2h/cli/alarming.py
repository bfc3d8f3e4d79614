"""alarms, ack: what somebody has to be told, and who looks after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, at, console, emit, open_gateway, sentence, span, text
from h2h.cli.who import named

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.gateway import Gateway
    from h2h.ledger.alarms import AlarmRow

COLOURS = {"urgent": "bold red", "warning": "yellow", "notice": "cyan"}
MOST = 100  # shown, with those that are over


@click.command()
@click.option("--all", "ended", is_flag=True, help="The newest of all, those that are over too.")
@click.option("--bank", help="Only of this bank.")
@as_json
@click.pass_context
def alarms(ctx: click.Context, ended: bool, bank: str | None, as_json: bool) -> int:
    """What somebody has to look after now, the most urgent first, each with the next step.

    Found anew when it is asked, so that it is right while no gateway runs; an alarm that has no number yet gets one as
    soon as the gateway, `h2h send` or `h2h pull` notes it. Exit status 1 where one is urgent and nobody has taken it.
    """
    gateway = open_gateway(ctx)
    rows = gateway.ledger.alarms.rows(ended=True, limit=MOST) if ended else _now(gateway)
    if bank:
        rows = [row for row in rows if row.bank == gateway.bank(bank).name]
    if as_json:
        emit(rows)
    else:
        _print(rows, gateway.clock.now())
    left = any(row.urgency == "urgent" and row.ended_at is None and row.taken_by is None for row in rows)
    return 1 if left else 0


@click.command()
@click.argument("numbers", type=int, nargs=-1, metavar="NUMBER…")
@click.option("--all", "every", is_flag=True, help="All that nobody has taken.")
@click.option("--note", default="", help="What you do about it; stands in the journal.")
@as_json
@named
@click.pass_context
def ack(ctx: click.Context, numbers: tuple[int, ...], every: bool, note: str, as_json: bool) -> None:
    """Take alarms: you look after them, and nobody is told of them again, unless they become more urgent."""
    from h2h.cli.who import person

    if bool(numbers) == every:
        raise click.UsageError("Give the numbers that `h2h alarms` shows, or --all.")
    gateway = open_gateway(ctx)
    if every:
        numbers = tuple(row.id for row in gateway.ledger.alarms.rows() if row.id and row.taken_by is None)
    who, now = person(gateway), gateway.clock.now()
    for number in numbers:
        row = gateway.ledger.alarms.take(number, who, note, now)
        if as_json:
            emit([row])
        else:
            console().print(text(f"{row.id} is yours, {who}: ").append_text(sentence(row.text)))


def _now(gateway: Gateway) -> list[AlarmRow]:
    from h2h.lookout import Lookout

    now = gateway.clock.now()
    return gateway.ledger.alarms.look(Lookout(gateway).look(now), now)


def _print(rows: Sequence[AlarmRow], now: datetime) -> None:
    out = console()
    if not rows:
        out.print(text("No alarms.", "green"))
    for row in rows:
        out.print(_head(row, now))
        out.print(text("    ").append_text(sentence(row.text)))
        if row.step and row.ended_at is None:
            out.print(text("    → ").append_text(sentence(row.step)))


def _head(row: AlarmRow, now: datetime) -> Text:
    head = text(f"{row.id or 'new':>4}  ", "bold").append_text(text(row.urgency.value, COLOURS[row.urgency]))
    head.append_text(text(f"  {row.bank or 'gateway'}  {row.word}  since {at(row.raised_at).plain}"))
    if row.ended_at:
        return head.append_text(text(f", over since {at(row.ended_at).plain}", "green"))
    head.append_text(text(f" ({span(now - row.raised_at)})"))
    note = f": {row.note}" if row.note else ""
    return head.append_text(text(f", taken by {row.taken_by}{note}", "dim")) if row.taken_by else head
