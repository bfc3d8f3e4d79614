"""shadow: what another profile of a bank would make of the files that came lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, at, console, emit, open_gateway, table, text, word

if TYPE_CHECKING:
    from h2h.gateway import Gateway
    from h2h.shadow import Replayed, Shadow

SHOWN = 50
SAYS = {
    "verdict": "the verdict",
    "folder": "the folder",
    "findings": "the findings",
    "name": "the name at the bank",
    "form": "what they are put into",
    "goes_at": "when they go",
    "cut_off": "the cut-off they go by",
    "pgp": "what they have to be signed or encrypted as",
    "after": "what is done with them at the bank",
    "deliver": "where the ERP gets them",
}


@click.command()
@click.argument("profile", type=click.Path(path_type=Path))
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How far back.")
@as_json
@click.pass_context
def shadow(ctx: click.Context, profile: Path, days: int, as_json: bool) -> int:
    """Replay what came lately through PROFILE, another profile of a bank, and show what would change.

    PROFILE is a file as those of the settings, with the name of the bank that it is for. Each file of the last days is
    judged by the profile in force and by the other one, both as on the day on which it came; so what differs is the
    profile's doing. Duplicates, used names and approvals are not asked, and numbers in names are shown as 1. Nothing is
    stored, sent or changed. Exit status 1 where a file would be refused, held or left alone that is not now.
    """
    gateway = open_gateway(ctx)
    replay, bank = _shadow(gateway, profile)
    since = gateway.clock.now() - timedelta(days=days)
    found: list[Replayed] = []
    kinds: Counter[str] = Counter()
    for one in replay.replayed(since):
        kinds[one.direction] += 1
        if as_json:
            emit([_told(one)])
        if one.changes:
            found.append(one)
    if not as_json:
        _print(found, kinds, gateway.ledger.recent.purged(bank, since), f"{bank}, the last {days} days")
    return int(any(one.worse for one in found))


def _shadow(gateway: Gateway, profile: Path) -> tuple[Shadow, str]:
    from h2h.config import load_profile
    from h2h.confined import ConfinedReader
    from h2h.shadow import Shadow, Side

    then = load_profile(profile)
    now = gateway.bank(then.name)
    catalog = gateway.catalog.with_own(then.schemas) if then.schemas else gateway.catalog
    reader = ConfinedReader(catalog)
    click.get_current_context().call_on_close(reader.close)
    sides = Side(bank=now, reader=gateway.reader_of(now)), Side(bank=then, reader=reader)
    environment = gateway.settings.gateway.environment
    return Shadow(*sides, ledger=gateway.ledger, archive=gateway.archive, environment=environment), now.name


def _told(one: Replayed) -> dict[str, Any]:
    """As `shadow --json` shows it."""
    return {
        "id": one.id,
        "direction": one.direction,
        "file": one.file,
        "at": one.at,
        "changes": list(one.changes),
        "worse": one.worse,
        "now": one.now,
        "then": one.then,
        "findings": list(one.findings),
    }


def _print(found: Sequence[Replayed], kinds: Counter[str], purged: int, head: str) -> None:
    out = console()
    worse = sum(one.worse for one in found)
    out.print(text(f"{head}: {kinds['out']} payment files and {kinds['in']} files from the bank.", "bold"))
    if purged:
        out.print(text(f"{purged} more were purged, and cannot be replayed."))
    if not found:
        out.print(text("Nothing would change.", "green"))
        return
    out.print(text(f"{len(found)} would go another way, {worse} of them to the worse:", "red" if worse else ""))
    for name, number in Counter(name for one in found for name in one.changes).most_common():
        out.print(text(f"  {SAYS[name]}: {number}"))
    out.print()
    first = sorted(found, key=lambda one: not one.worse)[:SHOWN]
    table(("id", "file", "taken", "what", "now", "then"), [row for one in first for row in _rows(one)])
    if len(found) > SHOWN:
        out.print(text(f"{len(found) - SHOWN} more; --json lists all.", "dim"))


def _rows(one: Replayed) -> list[Sequence[object]]:
    """A line for each thing that changes, the file named on the first."""
    rows: list[Sequence[object]] = []
    for name in one.changes:
        head = ("", "", "") if rows else (one.id, one.file, at(one.at))
        rows.append((*head, name.replace("_", " "), _cell(one.now, name), _cell(one.then, name)))
    return rows


def _cell(side: object, name: str) -> object:
    value = getattr(side, name, None)
    if name == "verdict":
        return word(value)
    if name in ("goes_at", "cut_off"):
        return at(value) if value else "-"
    return ", ".join(value) or "-" if isinstance(value, tuple) else value or "-"
