"""keys new: a pair of keys of ours, and the letter that tells the bank of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from h2h.cli.output import as_json, emit, open_gateway
from h2h.cli.who import named, person

if TYPE_CHECKING:
    from h2h.config import Bank
    from h2h.gateway import Gateway
    from h2h.key_pairs import Files, Pair, SshKind

FILL_IN = datetime(2099, 1, 1)  # noqa: DTZ001 (a time of the bank's zone)


@click.group()
def new() -> None:
    """Make a pair of keys, and a letter by which the bank learns the public one."""


def making(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what each of them takes."""
    for add in (
        click.pass_context,
        named,
        as_json,
        click.option("--from", "starts", type=click.DateTime(), help="The hour of the change, in the bank's zone."),
        click.option(
            "--passphrase", "reference", help="Where it stands: env:NAME, file:/path, …  [default: made here]"
        ),
        click.option("--name", help="Of the files.  [default: BANK-ssh-DAY, BANK-pgp-DAY]"),
        click.option("--folder", type=click.Path(path_type=Path), help="Where to.  [default: where keys are]"),
        click.argument("bank"),
    ):
        command = add(command)
    return command


@new.command()
@click.option("--rsa", is_flag=True, help="RSA of 4096 bits, for banks that do not take Ed25519.")
@making
def ssh(ctx: click.Context, bank: str, rsa: bool, **said: Any) -> None:
    """A key to log in with: Ed25519 in OpenSSH's format.

    Prints the lines for the bank's profile. Nothing is written over.
    """
    from h2h.key_pairs import mark, ssh_pair

    gateway = open_gateway(ctx)
    kind: SshKind = "rsa" if rsa else "ed25519"
    marked = mark(gateway.settings.gateway.environment)
    _make(gateway, gateway.bank(bank), "ssh", lambda secret, name: ssh_pair(kind, secret, f"{marked} {name}"), **said)


@new.command()
@click.option("--user-id", required=True, help="Whose key it is, as in 'Corp Ltd <pay@corp.example>'.")
@click.option("--rsa", "kind", flag_value="rsa4096", help="RSA of 4096 bits, for banks that do not take Ed25519.")
@click.option("--days", type=int, default=730, show_default=True, help="After so many days it ends.")
@making
def pgp(ctx: click.Context, bank: str, user_id: str, kind: str | None, days: int, **said: Any) -> None:
    """A key to sign with, and for what the bank encrypts to us.

    Prints the lines for the bank's profile. Nothing is written over.
    """
    from h2h.key_pairs import mark, pgp_pair

    gateway = open_gateway(ctx)

    def make(secret: str, _: str) -> Pair:
        who, bracket, address = user_id.partition("<")
        marked = f"{who.strip()} ({mark(gateway.settings.gateway.environment)}) {bracket}{address}".strip()
        return pgp_pair(kind or "ed25519", secret, marked, days, gateway.clock.now())

    _make(gateway, gateway.bank(bank), "pgp", make, **said)


def _make(
    gateway: Gateway,
    bank: Bank,
    kind: str,
    make: Callable[[str, str], Pair],
    *,
    folder: Path | None,
    name: str | None,
    reference: str | None,
    starts: datetime | None,
    as_json: bool,
) -> None:
    from h2h.config import SftpSettings
    from h2h.errors import UsageError
    from h2h.key_pairs import Files, letter, new_passphrase, write

    if kind == "ssh" and not isinstance(bank.channel, SftpSettings):
        raise UsageError(f"{bank.name} is reached through a folder; nobody logs in there.")
    who, now = person(gateway), gateway.clock.now()
    name = name or f"{bank.name}-{kind}-{now:%Y%m%d}"
    files = Files.of(folder or _folder(gateway, bank), name, ".asc" if kind == "pgp" else "")
    files.refuse_if_there(passphrase=reference is None)
    passphrase = gateway.credentials.secret(reference) if reference else new_passphrase()
    if not passphrase:
        raise UsageError(f"{reference} is empty; a new key needs a passphrase. Nothing was made.")
    pair = make(passphrase, name)
    replaced = _replaced(gateway, bank, kind)
    when = f"{starts:%Y-%m-%d %H:%M} ({bank.timezone})" if starts else ""
    environment = gateway.settings.gateway.environment
    text = letter(bank, pair, environment=environment, made=now, valid_from=when, replaces=replaced)
    write(files, pair, text, None if reference else passphrase)
    gateway.ledger.keys.made(bank.name, pair.fingerprint, who=who, use=pair.use, now=now)
    lines = _settings(kind, files, reference or f"file:{files.passphrase}", starts, first=replaced is None)
    agreed = starts is not None or replaced is None
    _tell(files, pair, lines, own=not reference, agreed=agreed, as_json=as_json)


def _folder(gateway: Gateway, bank: Bank) -> Path:
    """Where the keys of this bank are, or beside the settings."""
    from h2h.config import SftpSettings

    channel = bank.channel
    return channel.key_file.parent if isinstance(channel, SftpSettings) else gateway.settings.file.parent / "keys"


def _replaced(gateway: Gateway, bank: Bank, kind: str) -> str | None:
    """The fingerprint of the key of today, in whose place the new one comes: of several, the one that began last."""
    from h2h.config.pgp import LONG_AGO
    from h2h.key_pairs import grouped

    ours = [key for key in gateway.inventory.listed() if (key.bank, key.kind, key.ours) == (bank.name, kind, True)]
    now = [(key.starts or LONG_AGO, key.fingerprint) for key in ours if key.fingerprint and key.stands == "in force"]
    return grouped(max(now)[1]) if now else None


def _settings(kind: str, files: Files, reference: str, starts: datetime | None, *, first: bool) -> list[str]:
    """What to write into the bank's profile."""
    if kind == "ssh" and first:
        return ["[bank.channel]", f'key_file = "{files.private}"', f'key_passphrase = "{reference}"']
    if kind == "pgp" and first:
        return ["[bank.pgp]", f'our_keys = [{{ file = "{files.private}", passphrase = "{reference}" }}]']
    row = f'file = "{files.private}", passphrase = "{reference}", from = {starts or FILL_IN:%Y-%m-%dT%H:%M:%S}'
    if kind == "ssh":
        return ["[bank.channel]", f"next_key = {{ {row} }}"]
    return ["[bank.pgp]", "our_keys = [", "    # … the rows that are there, then:", f"    {{ {row} }},", "]"]


def _tell(files: Files, pair: Pair, lines: list[str], *, own: bool, agreed: bool, as_json: bool) -> None:
    made = [files.private, files.public, *([files.passphrase] if own else []), files.letter, files.page]
    if as_json:
        emit([{"fingerprint": pair.fingerprint, "ends": pair.ends, "files": [*map(str, made)], "settings": lines}])
        return
    for path in made:
        click.echo(f"wrote {path}")
    click.echo(f"\n{pair.algorithm}, {pair.shown}\n")
    click.echo(f"Print {files.letter}, have two persons sign it, and send it to the bank with {files.public}.")
    click.echo(
        f"When the bank has it, write into its profile{'' if agreed else ', with the hour that you agreed on'}:\n"
    )
    for line in lines:
        click.echo(f"    {line}")
