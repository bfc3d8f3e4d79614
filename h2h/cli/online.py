"""How the answers of banks look that `h2h check --online` asked."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from h2h.cli.output import console, text

if TYPE_CHECKING:
    from h2h.channels.facts import Probe
    from h2h.channels.trial import Watch
    from h2h.config import Bank, Settings
    from h2h.config.vault import VaultSettings

STYLES = {"good": "green", "note": "yellow", "bad": "red"}
QUESTION = (
    "Small files that are no payments are made in the folders for temporary files at {banks}, renamed there and "
    "removed, under names that begin with a dot and end with .part. Go on?"
)


def watch_for(seconds: float, banks: list[Bank], *, production: bool, meant: bool) -> Watch:
    """Leave to make files at the banks: asked for on a terminal; in production only with the word for it."""
    from h2h.channels.trial import Watch
    from h2h.errors import UsageError

    if production and not meant:
        raise UsageError(
            "--probe makes and renames files at the banks, and these settings are of production. Where the bank knows "
            "of it, say so: --probe --in-production."
        )
    if sys.stdin.isatty():
        click.confirm(QUESTION.format(banks=", ".join(bank.name for bank in banks)), abort=True, err=True)
    return Watch(seconds=seconds, pause=time.sleep)


def reached(settings: Settings, banks: Sequence[Bank], *, by_next_key: bool) -> list[Bank]:
    """As the gateway would reach them now, with the host keys that people accepted; or, of those that have one, by
    their next key."""
    from h2h.clock import clock_for
    from h2h.errors import UsageError
    from h2h.gateway import Gateway

    clock = clock_for(settings.gateway.environment, os.environ.get("H2H_NOW"))
    if not settings.gateway.data.is_dir():  # nobody has accepted anything yet, and none is to be made
        found = [bank.as_of(clock.now()) for bank in banks]
    else:
        gateway = Gateway(settings, clock)
        try:
            found = [gateway.as_reached(bank) for bank in banks]
        finally:
            gateway.close()
    if by_next_key:
        found = [then for bank in found if (then := bank.by_next_key())]
        if not found:
            raise UsageError("No such bank has a next_key in its channel: name the new key there, with its hour.")
    return found


def asked(bank: Bank, watch: Watch | None, vault: VaultSettings | None) -> Probe:
    from h2h.channels.kinds import connect
    from h2h.channels.probe import probe
    from h2h.clock import Clock
    from h2h.credentials import Credentials

    return probe(
        bank,
        connect=partial(connect, credentials=Credentials(vault=vault)),
        tag=secrets.token_hex(6),
        now=Clock().now,
        watch=watch,
    )


def show(found: Probe) -> None:
    out = console()
    for line in _facts(found):
        out.print(text(f"{found.bank}: {line}", "dim"))
    for step in found.steps:
        out.print(text(f"{found.bank}: {step.said}{' ' + step.todo if step.todo else ''}", STYLES[step.weight]))
    for question in found.ask:
        out.print(text(f"{found.bank}: ask the bank {question}.", "yellow"))
    _show_proposal(found)


def _facts(found: Probe) -> list[str]:
    lines = []
    if met := found.greeting:
        addresses = ", ".join(met.addresses)
        lines.append(f"{addresses}: {met.version}; {', '.join(met.algorithms)}{', strict' if met.strict_kex else ''}")
    if (server := found.server) is None:
        return lines
    if server.banner:
        lines.append(f'it says "{server.banner}"')
    lines.append(f"SFTP 3 with {', '.join(server.extensions) or 'no extensions'}")
    if limits := server.limits:
        lines.append(f"limits: {limits.packet} bytes a packet, {limits.read} read, {limits.write} written at once")
    return lines


def _show_proposal(found: Probe) -> None:
    from h2h.channels.proposal import as_toml

    if found.changes:
        out = console()
        out.print(text(f"{found.bank}: proposed for its profile:", "bold"))
        for line in as_toml(found.changes).splitlines():
            out.print(text(line))
    elif found.folders:
        console().print(text(f"{found.bank}: no line of the profile has to change.", "green"))
