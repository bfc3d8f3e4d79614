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

    With gateway.anchor set, a cut tail and a chain that was rebuilt are found as well. Exit status 1 if the chain is
    broken.
    """
    chain = open_gateway(ctx).verify_journal()
    if as_json:
        emit([chain])
    elif chain.fault:
        click.echo(f"The journal is BROKEN after {chain.events} good events: {chain.fault}.")
    else:
        click.echo(f"The journal is whole: {chain.events} events, head {chain.head}.")
    return 1 if chain.fault else 0


@journal.command()
@click.pass_context
def anchor(ctx: click.Context) -> None:
    """Note the head of the chain outside, now. The running gateway does so by itself.

    The place is gateway.anchor in the settings: a file on another machine that the gateway can only append to.
    """
    from h2h.errors import UsageError

    gateway = open_gateway(ctx)
    if gateway.anchors is None:
        raise UsageError("The settings name no place for it; set gateway.anchor.")
    noted = gateway.anchor()
    click.echo(f"noted in {gateway.anchors.path}" if noted else "nothing has happened since the last one")
