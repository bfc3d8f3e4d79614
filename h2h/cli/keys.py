"""keys: every key that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click

from h2h.cli.host_keys import accept, withdraw
from h2h.cli.making_keys import new
from h2h.cli.output import as_json, at, console, emit, open_gateway, span, text

if TYPE_CHECKING:
    from rich.text import Text

    from h2h.inventory import Key

COLOURS = {
    "in force": "green", "scheduled": "cyan", "over": "dim", "unreadable": "red",
    "shown, not accepted": "bold red", "proposed, not accepted": "yellow",
}  # fmt: skip


@click.group(invoke_without_command=True)
@click.option("--bank", help="Only of this bank.")
@as_json
@click.pass_context
def keys(ctx: click.Context, bank: str | None, as_json: bool) -> None:
    """Every key that the settings name: whose, what for, fingerprint, age and end.

    SSH keys to log in with and their certificates, host keys, keys of PGP, certificates of servers; of secrets that
    both sides know only where they stand. Nothing secret is shown.
    """
    if ctx.invoked_subcommand:
        return
    gateway = open_gateway(ctx)
    found = gateway.inventory.listed()
    if bank:
        found = [key for key in found if key.bank == gateway.bank(bank).name]
    if as_json:
        emit(found)
    else:
        _print(found, gateway.clock.now())


keys.add_command(new)
keys.add_command(accept)
keys.add_command(withdraw)


def _print(found: list[Key], now: datetime) -> None:
    from h2h.inventory import by_bank

    out = console()
    if not found:
        out.print(text("The settings name no keys."))
    for bank, group in by_bank(found):
        out.print(text(bank or "of no bank", "bold"))
        for key in group:
            out.print(_head(key))
            for line in _lines(key, now):
                out.print(text(f"      {line}"))
            if key.fault:
                out.print(text(f"      {key.fault}", "red"))


def _head(key: Key) -> Text:
    what = " ".join(str(part) for part in (key.algorithm, key.bits) if part)
    head = text(f"  {'ours' if key.ours else 'theirs'}: {key.use}{f', {what}' if what else ''}, ")
    return head.append_text(text(key.stands, COLOURS[key.stands]))


def _lines(key: Key, now: datetime) -> Iterator[str]:
    from h2h.key_pairs import grouped

    if key.fingerprint:
        yield grouped(key.fingerprint)
    yield ", ".join(filter(None, (key.file, key.setting, key.note)))
    if times := ", ".join(_times(key, now)):
        yield times


def _times(key: Key, now: datetime) -> Iterator[str]:
    if key.since:
        yield f"since {at(key.since).plain} ({span(now - key.since)})"
    if key.starts:
        yield f"in force from {at(key.starts).plain}"
    if key.until:
        yield f"in force until {at(key.until).plain}"
    if key.expires:
        left = f"in {span(key.expires - now)}" if key.expires > now else f"{span(now - key.expires)} ago"
        yield f"ends {at(key.expires).plain} by {key.ends_by} ({left})"
    elif key.kind == "ssh" and not key.fault:
        yield "does not end by itself"
