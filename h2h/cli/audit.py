"""journal: the proof."""

from __future__ import annotations

import click

from h2h.cli.output import as_json, emit, open_gateway


@click.group()
def journal() -> None:
    """The chained record of everything that happened."""


@journal.command()
@as_json
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> int:
    """Walk the whole chain; any edit, deletion, insertion or swap is found.

    Exit status 1 if the chain is broken. Keep the head somewhere else: with it, a cut tail is found as well.
    """
    chain = open_gateway(ctx).ledger.journal.verify()
    if as_json:
        emit([chain])
    elif chain.fault:
        click.echo(f"The journal is BROKEN after {chain.events} good events: {chain.fault}.")
    else:
        click.echo(f"The journal is whole: {chain.events} events, head {chain.head}.")
    return 1 if chain.fault else 0
