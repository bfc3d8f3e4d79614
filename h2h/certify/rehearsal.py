"""A bank in a box for the pack, reached as the profile reaches its bank: with its key, over SFTP, on this machine."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from h2h.certify.inputs import Inputs, load_inputs
from h2h.channels.ssh import load_key
from h2h.config import Bank, SftpSettings, TheirKeyRow
from h2h.credentials import Credentials
from h2h.errors import UsageError
from h2h.openpgp import public_part
from h2h.sandbox.onboarding import inputs, onboarding
from h2h.sandbox.scenario import Pgp, Scenario
from h2h.sandbox.server import BankServer


@contextmanager
def rehearsing(bank: Bank, folder: Path, credentials: Credentials) -> Iterator[tuple[Bank, Inputs]]:
    """The bank as the box plays it, whose folders are /in and /out, and what it tells of its test side."""
    channel = bank.channel
    if not isinstance(channel, SftpSettings):
        raise UsageError(f"{bank.name} is reached through a folder; --sandbox plays a bank that is reached over SFTP.")
    kinds = {name[:8] for each in bank.inbound for name in each.messages}
    scenario = Scenario(
        intraday="camt.052" in kinds, notifications="camt.054" in kinds, marker=_marker(channel), credits_per_day=1
    )
    folder = folder / "bank"
    scenario = replace(scenario, pgp=_pgp(bank, folder))
    logins = [_public(each, credentials) for each in (channel, channel.by_next_key()) if each]
    with BankServer(folder, onboarding(scenario), authorized_keys=logins) as box:
        there = {"host": box.host, "port": box.port, "host_keys": [box.host_key_fingerprint], "addresses": None}
        told = folder / "inputs.toml"
        told.write_text(inputs(), encoding="utf-8")
        played = _at(bank, channel.model_copy(update=there))
        yield _knowing(played, box.pgp_block()), _own_debtor(bank, load_inputs(told))


def _pgp(bank: Bank, folder: Path) -> Pgp | None:
    """The box does the same both ways. It gets the public part of our keys."""
    forms = {*(each.pgp for each in bank.outbound), *(each.pgp for each in bank.inbound)}
    if forms <= {None}:
        return None
    if len(forms) > 1 or not bank.pgp.our_keys:
        raise UsageError(
            f"The bank in a box does the same by PGP both ways, and {bank.name} does not; leave --sandbox out."
        )
    form = forms.pop()
    assert form
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"client-{number}.asc" for number, _ in enumerate(bank.pgp.our_keys, start=1)]
    for file, row in zip(files, bank.pgp.our_keys, strict=True):
        file.write_bytes(public_part(row.file.read_bytes()))
    return Pgp(client_keys=tuple(map(str, files)), form=form)


def _knowing(bank: Bank, block: str) -> Bank:
    """The box's key in place of the bank's. `block`: its row, as settings would have it."""
    if not block:
        return bank
    rows = tomllib.loads(block)["bank"]["pgp"]["their_keys"]
    known = [TheirKeyRow.model_validate(row) for row in rows]
    return bank.model_copy(update={"pgp": bank.pgp.model_copy(update={"their_keys": known})})


def _at(bank: Bank, channel: SftpSettings) -> Bank:
    outbound = [each.model_copy(update={"remote": "/in", "staging": None}) for each in bank.outbound]
    whole = {
        "remote": "/out",
        "match": "*",
        "claim": None,
        "settle": timedelta(0),
    }  # the box renames whole files into place
    inbound = [each.model_copy(update={**whole, **_left(each.after)}) for each in bank.inbound]
    return bank.model_copy(update={"channel": channel, "outbound": outbound, "inbound": inbound, "maintenance": []})


def _own_debtor(bank: Bank, told: Inputs) -> Inputs:
    """An account that the profile names is debited as well here, and may be the only one that is."""
    own = Inputs().paying(bank)
    return told.model_copy(update={"debtor": None, "currency": None}) if own else told


def _left(after: str) -> dict[str, object]:
    """Moving needs a folder at the bank, and the box has one."""
    return {"move_to": "/archive"} if after == "move" else {}


def _marker(channel: SftpSettings) -> str | None:
    return channel.publish_marker if channel.publish == "marker" else None


def _public(channel: SftpSettings, credentials: Credentials) -> str:
    """The public line of our key."""
    reference = channel.key_passphrase
    passphrase = credentials.secret(reference) if reference else None
    key = load_key(channel.key_file, passphrase=passphrase)
    return f"{key.get_name()} {key.get_base64()}"
