"""journal: the proof."""

from __future__ import annotations

from pathlib import Path

import click

from h2h.cli.output import as_json, emit, open_gateway
from h2h.cli.who import named


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
    chain = open_gateway(ctx).proof.verify()
    if as_json:
        emit([chain])
    elif chain.fault:
        click.echo(f"The journal is BROKEN after {chain.events} good events: {chain.fault}.")
    else:
        click.echo(f"The journal is whole: {chain.events} events, head {chain.head}.")
    for loss in () if as_json else chain.restored:
        click.echo(f"The ledger was {loss}.")
    return 1 if chain.fault else 0


@journal.command()
@click.argument("about", metavar="ID|REFERENCE")
@click.option("--output", type=click.Path(path_type=Path), help="Where to.  [default: ID.zip]")
@click.pass_context
def evidence(ctx: click.Context, about: str, output: Path | None) -> None:
    """Write the evidence on a file or a payment as a bundle that can be checked without the gateway.

    A payment is named by its EndToEndId, instruction id or UETR; the bundle is on the file that carries it.

    It holds the bytes of the file and of every answer and statement that speaks of it, its history and payments, the
    journal from its first event on, and verify.py, which needs Python 3 alone.
    """
    from h2h.evidence import write_bundle

    gateway = open_gateway(ctx)
    found = gateway.ledger.views.file_of(about)
    target = output or Path(f"{found}.zip")
    anchors = gateway.proof.file.read() if gateway.proof.file else []
    write_bundle(found, target, ledger=gateway.ledger, archive=gateway.archive, anchors=anchors)
    click.echo(f"wrote {target}; unpack it and run: python3 verify.py")


@journal.command()
@click.option("--reason", required=True, help="What was compared with what; stands in the journal.")
@named
@click.pass_context
def accept(ctx: click.Context, reason: str) -> None:
    """End safe mode, after the ledger was put back from an older copy.

    Before: compare with the banks. `h2h files` lists what is UNCERTAIN; ask the bank about each, then use `resolve`.
    Where names have numbers, compare the last one with `h2h sequences`. What is READY goes as soon as safe mode has
    ended.
    """
    from h2h.cli.who import person

    gateway = open_gateway(ctx)
    gateway.accept_restored(who=person(gateway), reason=reason)
    click.echo("Safe mode has ended; what is ready is sent in its window.")


@journal.command()
@click.pass_context
def anchor(ctx: click.Context) -> None:
    """Note the head of the chain outside, now. The running gateway does so by itself.

    The place is gateway.anchor in the settings: a file on another machine that the gateway can only append to.
    """
    from h2h.errors import UsageError

    gateway = open_gateway(ctx)
    if gateway.proof.file is None:
        raise UsageError("The settings name no place for it; set gateway.anchor.")
    noted = gateway.proof.note()
    click.echo(f"noted in {gateway.proof.file.path}" if noted else "nothing has happened since the last one")
