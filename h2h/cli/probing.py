"""health: for probes of containers, systemd and load balancers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from h2h.cli.output import as_json, emit, local_times, open_gateway, printed

if TYPE_CHECKING:
    from h2h.alarms import Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `health --json` shows."""

    at: datetime
    healthy: bool
    process: int | None
    reasons: Sequence[Alarm]


@click.command()
@as_json
@click.pass_context
def health(ctx: click.Context, as_json: bool) -> int:
    """Whether the gateway runs and can do its work, for probes.

    Exit status 0 where it runs on this data folder, its main loop and workers turn, the ledger answers, and nothing
    that `status` calls an alarm keeps it from its work; else 1, and a line for each reason.
    """
    from h2h.health import ailments

    gateway = open_gateway(ctx)
    process, found = gateway.runs(), ailments(gateway)
    if as_json:
        emit([Health(at=gateway.clock.now(), healthy=not found, process=process, reasons=found)])
    elif found:
        for reason in found:
            click.echo(printed(local_times(" ".join(f"{reason.word}: {reason.text}".split()))))
    else:
        click.echo(f"healthy: process {process}")
    return 1 if found else 0
