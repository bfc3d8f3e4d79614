"""purge: what came to its end so long ago that it may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, console, emit, open_gateway, sentence, table, text
from h2h.cli.who import named

if TYPE_CHECKING:
    from h2h.retention import Outcome, Sum

COLUMNS = ("bank", "files", "payments", "entries", "bytes")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--clock-is-right", is_flag=True, help="Although files came on fewer than 5 of the last 31 days.")
@as_json
@named
@click.pass_context
def purge(ctx: click.Context, dry_run: bool, clock_is_right: bool, as_json: bool) -> None:
    """Remove bytes and records of files that came to their end as long ago as [retention] says.

    Nothing goes that is still to be sent, unanswered, on hold, accepted and not debited, or needed by what stays. The
    row of each file stays, with its hashes, sums and verdict, and its history in the journal: duplicates are known for
    ever. The gateway does the same once a day. --json: a line for each bank, then one that counts by why others stay
    that are as old. Exit status 1 in safe mode, or where the clock may be ahead.
    """
    from h2h.cli.who import person
    from h2h.errors import NotAllowed, UsageError
    from h2h.retention import Retention, doubt, policy_of
    from h2h.retention import purge as purged

    gateway = open_gateway(ctx)
    policy = policy_of(gateway.settings, gateway.clock)
    if policy is None:
        text_ = 'Nothing is ever purged by these settings. To change that, write: [retention] files = "3650d"'
        raise UsageError(text_)
    if not (dry_run or clock_is_right) and (why := doubt(gateway.ledger, gateway.clock)):
        raise NotAllowed(why)
    retention = Retention(gateway.ledger, gateway.archive, gateway.clock, policy)
    outcome = purged(retention, who=person(gateway), dry_run=dry_run)
    if as_json:
        emit([*outcome.sums, {"stay": dict(sorted(outcome.stay.items()))}])
        return
    _print(outcome, dry_run=dry_run)


def _print(outcome: Outcome, *, dry_run: bool) -> None:
    if outcome.sums:
        console().print(text("Would go:" if dry_run else "Gone:", "bold"))
        table(COLUMNS, map(_row, outcome.sums), right=COLUMNS[1:])
    else:
        click.echo("Nothing is old enough, and at its end.")
    if outcome.stay:
        console().print(text("As old, and kept, since"))
        for why, count in outcome.stay.most_common():
            console().print(text(f"  {count:>7,}  ").append_text(sentence(why)))


def _row(found: Sum) -> list[str]:
    return [found.bank, *(f"{getattr(found, name):,}" for name in COLUMNS[1:])]
