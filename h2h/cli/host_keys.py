"""keys accept, keys withdraw: which host keys two persons take for a bank's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from h2h.cli.deciding import tell
from h2h.cli.output import as_json, console, emit, open_gateway, text
from h2h.cli.who import named, person

if TYPE_CHECKING:
    from h2h.config import SftpSettings
    from h2h.gateway import Gateway
    from h2h.ledger.keys import Acceptance, HostKey

Act = Callable[["Acceptance"], "HostKey"]

bank = click.argument("bank")
fingerprint = click.argument("fingerprint")
CONFIRMED = "How the bank confirmed it, and who; stands in the journal."
WITHDRAWN = "Why; stands in the journal."
dry_run = click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
yes = click.option("--yes", is_flag=True, help="Do not ask once more.")


@click.command()
@bank
@fingerprint
@click.option("--in-advance", is_flag=True, help="The bank told it, and its server does not show it yet.")
@click.option("--reason", required=True, help=CONFIRMED)
@dry_run
@yes
@as_json
@named
@click.pass_context
def accept(
    ctx: click.Context,
    bank: str,
    fingerprint: str,
    in_advance: bool,
    reason: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Take a host key for the bank's own, by two persons.

    FINGERPRINT is one that the bank's server showed (`h2h keys`), and that the bank confirmed by another way. One
    person proposes it, another one accepts it by the same command. It counts for this bank, host and port alone, beside
    those in the settings.
    """
    gateway = open_gateway(ctx)
    channel = _channel(gateway, bank)
    if fingerprint in channel.host_keys:
        raise click.UsageError(f"{fingerprint} stands in host_keys of {bank} already.")
    said = {"who": person(gateway), "reason": reason, "now": gateway.clock.now(), "in_advance": in_advance}

    def act(acceptance: Acceptance) -> HostKey:
        return acceptance.accept(bank, channel.address, _whole(fingerprint), **said)  # type: ignore[arg-type]

    tell([*_known(gateway, bank, channel)])
    return _done(gateway, act, dry_run=dry_run, yes=yes, as_json=as_json)


@click.command()
@bank
@fingerprint
@click.option("--reason", required=True, help=WITHDRAWN)
@dry_run
@yes
@as_json
@named
@click.pass_context
def withdraw(
    ctx: click.Context, bank: str, fingerprint: str, reason: str, dry_run: bool, yes: bool, as_json: bool
) -> int:
    """Take a host key for the bank's own no more.

    One that people accepted or proposed; those of the settings stand there. A session that may have been opened by it
    is closed. What was being published to a server that was known by it is for a person to decide.
    """
    gateway = open_gateway(ctx)
    channel = _channel(gateway, bank)
    if fingerprint in channel.host_keys:
        raise click.UsageError(f"{fingerprint} stands in host_keys of {bank}: take it out there.")
    said = {"who": person(gateway), "reason": reason, "now": gateway.clock.now()}

    def act(acceptance: Acceptance) -> HostKey:
        return acceptance.withdraw(bank, channel.address, fingerprint, **said)  # type: ignore[arg-type]

    return _done(gateway, act, dry_run=dry_run, yes=yes, as_json=as_json)


def _channel(gateway: Gateway, name: str) -> SftpSettings:
    from h2h.config import SftpSettings

    channel = gateway.bank(name).channel
    if isinstance(channel, SftpSettings):
        return channel
    raise click.UsageError(f"{name} is reached through a folder; there are no host keys.")


def _whole(fingerprint: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from h2h.config.values import HostKey

    try:
        return str(TypeAdapter(HostKey).validate_python(fingerprint))
    except ValidationError:
        said = "Give the whole fingerprint, SHA256: and 43 characters, as `h2h keys` shows it."
        raise click.UsageError(said) from None


def _known(gateway: Gateway, bank: str, channel: SftpSettings) -> Iterator[str]:
    """By what to decide: the old ones and those that came."""
    yield f"{bank} at {channel.address} is known by {', '.join(channel.host_keys)} (settings)."
    for key in gateway.ledger.keys.host_keys():
        if (key.bank, key.server) != (bank, channel.address):
            continue
        if key.counts:
            yield f"Accepted by {key.proposed_by} and {key.accepted_by}: {key.fingerprint}."
        if key.shown_at and key.last_shown_at:
            first, last = f"{key.shown_at:%Y-%m-%d %H:%M} UTC", f"{key.last_shown_at:%Y-%m-%d %H:%M} UTC"
            yield f"The server showed {key.fingerprint} ({key.algorithm}) first at {first}, last at {last}."
    yield "If this key is not the bank's, whoever holds it reads and answers all that we send from then on."


def _done(gateway: Gateway, act: Act, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    ledger = gateway.ledger
    would = act(ledger.acceptance_rehearsal)
    sure = dry_run or yes or not sys.stdin.isatty() or click.confirm(f"{_stands(would)} Go on?", err=True)
    if not sure:
        click.echo("Nothing was changed.", err=True)
        return 1
    after = would if dry_run else act(ledger.acceptance)
    if as_json:
        emit([after])
    else:
        console().print(text(_stands(after) + (" Nothing was changed." if dry_run else "")))
    return 0


def _stands(key: HostKey) -> str:
    of = f"{key.fingerprint} of {key.bank} at {key.server}"
    if key.counts:
        return f"{of} is accepted, by {key.proposed_by} and {key.accepted_by}."
    if not key.pending:
        return f"{of} is withdrawn, and counts no more."
    return f"{of} is proposed by {key.proposed_by}; a second person has to accept it with the same command."
