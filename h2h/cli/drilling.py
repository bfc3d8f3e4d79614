"""The command `drill`: what the gateway does when it is killed, shown on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h2h.drill.banks import Kind
    from h2h.drill.campaign import Campaign, Plan, Row

POINTS = 6
PAIRS = 2


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--bank", "names", multiple=True, metavar="NAME", help="Only this kind of bank; may be repeated.")
@click.option("--points", default=POINTS, show_default=True, metavar="N", help="Points tried for each kind of bank.")
@click.option("--pairs", default=PAIRS, show_default=True, metavar="N", help="Pairs of kills for each kind of bank.")
@click.option("--all", "everything", is_flag=True, help="Every point there is: about 3,000; takes an hour or two.")
@click.option("--seed", default=1, show_default=True, metavar="N", help="Which pairs are taken.")
@click.option("--at", "kills", multiple=True, metavar="POINT", help='One play again, as in "out: sent RENAME 1".')
@click.option("--workers", default=2, show_default=True, metavar="N", help="Plays at the same time.")
@as_json
@click.pass_context
def drill(
    ctx: click.Context,
    folder: Path | None,
    names: tuple[str, ...],
    points: int,
    pairs: int,
    everything: bool,
    seed: int,
    kills: tuple[str, ...],
    workers: int,
    as_json: bool,
) -> None:
    """Kill the gateway at every effect it makes, against banks that misbehave, and count the files there.

    Each play is a bank in a box, a gateway set up against it and one payment file. The gateway is ended by SIGKILL
    before, within or after an archive write, a commit of the ledger, a request to the bank or the move of a file, some
    banks break the line, lie or have a full disk on top of it, and it is started again. Then the file has to be at the
    bank once, or held for a person; and each answer of the bank has to be applied once.

    Plays that go wrong stay in FOLDER (else in a temporary folder that is named). Exit status 0 only if nothing was
    lost, nothing came twice, and nothing was held where the bank's facts leave nothing for a person.
    """
    from h2h.cli.output import emit
    from h2h.drill.campaign import Plan

    plan = Plan(points=None if everything else points, pairs=pairs, seed=seed, workers=workers)
    rows = _play(_folder(folder), plan, _kinds(names), kills, quiet=as_json)
    emit(rows) if as_json else _show(rows)
    ctx.exit(0 if all(row.good for row in rows) else 1)


def _folder(folder: Path | None) -> Path:
    import tempfile

    from h2h.errors import UsageError

    if folder is None:
        return Path(tempfile.mkdtemp(prefix="h2h-drill-"))
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder for the drill.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _kinds(names: Sequence[str]) -> list[Kind]:
    from h2h.drill.banks import KINDS
    from h2h.errors import UsageError

    known = {kind.name: kind for kind in KINDS}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"There is no kind of bank {unknown[0]!r}; there is: {'; '.join(known)}.")
    return [known[name] for name in names] or list(KINDS)


def _play(folder: Path, plan: Plan, kinds: Sequence[Kind], kills: Sequence[str], *, quiet: bool) -> list[Row]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from h2h.drill.campaign import Campaign

    columns = (TextColumn("{task.description:34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("", total=None)
        campaign = Campaign(folder, plan, lambda done, total: progress.update(task, completed=done, total=total))
        rows = []
        for kind in kinds:
            progress.reset(task, description=kind.name, total=None)
            rows.append(_one(campaign, kind, kills))
    _clear(folder)
    return rows


def _one(campaign: Campaign, kind: Kind, kills: Sequence[str]) -> Row:
    from h2h.drill.play import Kill, Phase

    if not kills:
        return campaign.bank(kind)
    try:
        parsed = [Kill(phase=Phase(phase), point=point) for phase, _, point in (kill.partition(": ") for kill in kills)]
    except ValueError:
        raise click.BadParameter('write a point as the table gives it, as in "out: sent RENAME 1"') from None
    return campaign.single(kind, tuple(parsed))


def _clear(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
    else:
        click.echo(f"The plays that went wrong are in {folder}.", err=True)


def _show(rows: Sequence[Row]) -> None:
    from h2h.cli.output import table, text

    sums = [sum(getattr(row, name) for row in rows) for name in ("points", "once", "held", "lost", "twice")]
    columns = ("the bank", "tried", "sent once", "held", "lost", "twice")
    lines: list[Sequence[object]] = [_cells(row) for row in rows]
    table(columns, [*lines, ["all of them", *sums]], right=columns[1:])
    for row in rows:
        for wrong in row.wrong:
            click.echo(text(f"{row.bank}: {wrong}").plain)
        if row.unreached:
            click.echo(f"{row.bank}: {row.unreached} point(s) did not come up again and do not count.")


def _cells(row: Row) -> list[object]:
    from h2h.cli.output import text

    bad = [text(number, "bold red" if number else "") for number in (row.lost, row.twice)]
    return [row.bank, row.points, row.once, row.held, *bad]
