"""A bank in a box for the pack, reached as the profile reaches its bank: with its key, over SFTP, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from h2h.certify.inputs import Inputs, load_inputs
from h2h.channels.ssh import load_key
from h2h.config import Bank, SftpSettings
from h2h.credentials import Credentials
from h2h.errors import UsageError
from h2h.sandbox.onboarding import inputs, onboarding
from h2h.sandbox.scenario import Scenario
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
    with BankServer(folder / "bank", onboarding(scenario), authorized_keys=[_public(channel, credentials)]) as box:
        there = {"host": box.host, "port": box.port, "host_keys": [box.host_key_fingerprint], "addresses": None}
        told = folder / "bank" / "inputs.toml"
        told.write_text(inputs(), encoding="utf-8")
        yield _at(bank, channel.model_copy(update=there)), _own_debtor(bank, load_inputs(told))


def _at(bank: Bank, channel: SftpSettings) -> Bank:
    outbound = [each.model_copy(update={"remote": "/in", "staging": None}) for each in bank.outbound]
    whole = {"remote": "/out", "claim": None, "settle": timedelta(0)}  # the box renames whole files into place
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
