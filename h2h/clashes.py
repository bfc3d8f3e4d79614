"""Folders that get in each other's way, on this machine and at the banks.

A file would go round in circles, to the wrong bank, or where nobody looks for it. Folders here are compared by where
they really are, links resolved; folders at a bank by host, port, user and path.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from h2h.config import Bank, FolderSettings, Inbound, Outbound, Profile, Reading, SftpSettings
from h2h.config.toml_file import Place, about
from h2h.errors import Problem


class Use(StrEnum):
    DATA = "the data folder"
    ANCHOR = "the file of the journal's heads"
    SETTINGS = "a settings file"
    KEY = "a private key"
    WATCH = "a watched folder"
    DELIVER = "a delivery folder"
    STATUS = "a folder for statuses"
    CHANNEL = "the folder of a channel"
    EXCHANGE = "a folder of the bank"


QUICKER = "each file would go to whoever is quicker"
OTHERS = "one bank's files could be taken for the other's"
BACK = "what the bank sends would be sent back"
AGAIN = "what goes to the bank would be taken up again"
OPEN = "whoever drops files there could change the ledger"
REPLACED = "whoever drops files there could replace it"
OURS = "it is for ledger and archive alone"
APART = (  # what may not be, or be inside of, what, and why
    (Use.WATCH, Use.WATCH, QUICKER),
    (Use.DELIVER, Use.WATCH, BACK),
    (Use.STATUS, Use.WATCH, "what is told of a file would be taken for another one"),
    (Use.CHANNEL, Use.WATCH, AGAIN),
    (Use.WATCH, Use.EXCHANGE, AGAIN),
    (Use.EXCHANGE, Use.WATCH, AGAIN),
    (Use.DELIVER, Use.EXCHANGE, "what the bank sent would be fetched again, or handed to it"),
    (Use.WATCH, Use.DATA, OURS),
    (Use.STATUS, Use.EXCHANGE, "what is told of a file would be handed to the bank, or fetched from it"),
    (Use.DELIVER, Use.DATA, OURS),
    (Use.STATUS, Use.DATA, OURS),
    (Use.CHANNEL, Use.DATA, OURS),
    (Use.EXCHANGE, Use.DATA, OURS),
    (Use.ANCHOR, Use.DATA, "who can cut the journal could cut its noted heads, too; put it on another machine"),
    (Use.SETTINGS, Use.WATCH, REPLACED),
    (Use.KEY, Use.WATCH, REPLACED),
    (Use.DATA, Use.WATCH, OPEN),
    (Use.DATA, Use.EXCHANGE, OPEN),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder or file on this machine. `others`: places that it follows from, too; `within`: its channel's folder."""

    use: Use
    path: Path
    place: Place
    others: tuple[Place, ...] = ()
    within: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A folder at a bank, as one block of the settings uses it."""

    key: str
    folder: str
    server: tuple[str, ...]
    bank: Bank
    block: Outbound | Inbound
    place: Place
    others: tuple[Place, ...]


def clashes(reading: Reading) -> Iterator[Problem]:
    local = list(local_folders(reading))
    for first, second in itertools.combinations(local, 2):
        yield from _apart(first, second)
    remote = [folder for profile in reading.profiles for folder in _remote(profile)]
    for here, there in itertools.combinations(remote, 2):
        if (here.server, here.folder) == (there.server, there.folder) and (why := _why(here, there)):
            text = f"{here.folder} is {here.key} in {here.place}, too; {why}"
            yield from about(text, there.place, here.place, *there.others, *here.others)


# On this machine.


def local_folders(reading: Reading) -> Iterator[Folder]:
    """All that the settings name here."""
    yield _folder(Use.SETTINGS, reading.source.file, reading.source.at())
    if reading.gateway:
        yield _folder(Use.DATA, reading.gateway.data, reading.source.at("gateway", "data"))
        if reading.gateway.anchor:
            yield _folder(Use.ANCHOR, reading.gateway.anchor, reading.source.at("gateway", "anchor"))
    for profile in reading.profiles:
        at, bank = profile.source.at, profile.bank
        yield _folder(Use.SETTINGS, profile.source.file, at())
        yield from (_folder(Use.KEY, file, place) for file, place in private_keys(profile))
        for number, out in enumerate(bank.outbound):
            yield _folder(Use.WATCH, out.watch, at("bank", "outbound", number, "watch"))
            if out.status:
                yield _folder(Use.STATUS, out.status, at("bank", "outbound", number, "status"))
        for number, back in enumerate(bank.inbound):
            if back.deliver:
                yield _folder(Use.DELIVER, back.deliver, at("bank", "inbound", number, "deliver"))
        if isinstance(bank.channel, FolderSettings):
            channel = _folder(Use.CHANNEL, bank.channel.path, at("bank", "channel", "path"))
            yield channel
            for remote in _remote(profile):
                exchange = _folder(Use.EXCHANGE, Path(remote.folder), remote.place)
                yield replace(exchange, others=remote.others, within=channel.path)


def private_keys(profile: Profile) -> Iterator[tuple[Path, Place]]:
    yield from login_keys(profile)
    yield from pgp_keys(profile)


def login_keys(profile: Profile) -> Iterator[tuple[Path, Place]]:
    """Files of the private keys that we log in with, now and from an hour on."""
    channel, at = profile.bank.channel, profile.source.at
    if isinstance(channel, SftpSettings):
        yield channel.key_file, at("bank", "channel", "key_file")
        if channel.next_key:
            yield channel.next_key.file, at("bank", "channel", "next_key", "file")


def pgp_keys(profile: Profile) -> Iterator[tuple[Path, Place]]:
    """Files of our private keys of PGP."""
    for number, row in enumerate(profile.bank.pgp.our_keys):
        yield row.file, profile.source.at("bank", "pgp", "our_keys", number, "file")


def _folder(use: Use, path: Path, place: Place) -> Folder:
    return Folder(use=use, path=Path(os.path.realpath(path)), place=place)


def _apart(first: Folder, second: Folder) -> Iterator[Problem]:
    """The first rule that the two break, told at the inner one."""
    for inner, outer in ((second, first), (first, second)):
        why = next((why for use, other, why in APART if (use, other) == (inner.use, outer.use)), None)
        told_of_the_channel = inner.within is not None and inner.within.is_relative_to(outer.path)
        if why and inner.path.is_relative_to(outer.path) and not told_of_the_channel:
            where = "is" if inner.path == outer.path else f"is inside of {outer.path},"
            text = f"{inner.path} {where} {outer.use} ({outer.place}); {why}"
            yield from about(text, inner.place, outer.place, *inner.others, *outer.others)
            return


# At the banks.


def _remote(profile: Profile) -> Iterator[Remote]:
    for number, out in enumerate(profile.bank.outbound):
        staging = out.staging if out.staging != out.remote else None
        yield from _uses(profile, out, ("outbound", number), {"remote": out.remote, "staging": staging})
    for number, back in enumerate(profile.bank.inbound):
        folders = {"remote": back.remote, "claim": back.claim, "move_to": back.move_to}
        yield from _uses(profile, back, ("inbound", number), folders)


def _uses(
    profile: Profile, block: Outbound | Inbound, path: tuple[str, int], folders: dict[str, str | None]
) -> Iterator[Remote]:
    at, channel = profile.source.at, ("kind", "host", "port", "user", "path")
    for key, folder in folders.items():
        if folder is not None:
            server, where = _where(profile.bank, folder)
            yield Remote(
                key=f"{path[0]}.{key}",
                folder=where,
                server=server,
                bank=profile.bank,
                block=block,
                place=at("bank", *path, key),
                others=tuple(at("bank", "channel", part) for part in channel),
            )


def _where(bank: Bank, folder: str) -> tuple[tuple[str, ...], str]:
    match bank.channel:
        case SftpSettings(host=host, port=port, user=user):
            return (host.lower().rstrip("."), str(port), user), posixpath.normpath(folder)
        case FolderSettings(path=path):
            return (), os.path.realpath(f"{path}/{folder}")


def _why(first: Remote, second: Remote) -> str | None:
    """What is wrong with the two uses of one folder at a bank; None where they get along."""
    if first.block is second.block:
        return None  # told where the block is looked at alone
    match first.block, second.block:
        case Outbound() as one, Outbound() as other:
            apart = all("{id" in block.name or "{bank" in block.name for block in (one, other))
            fine = first.bank is second.bank or apart or "staging" in first.key + second.key
            return None if fine else f"{OTHERS}. If that is meant, write {{bank}} into the names of both"
        case Inbound() as one, Inbound() as other:
            return _both_fetched(first, one, second, other)
        case Outbound() as out, Inbound() as back:
            return _out_and_back(first, out, second, back)
        case Inbound() as back, Outbound() as out:
            return _out_and_back(second, out, first, back)
    return None


def _both_fetched(first: Remote, one: Inbound, second: Remote, other: Inbound) -> str | None:
    if "move_to" in first.key and "move_to" in second.key:
        return None
    if first.key != second.key:
        return "a file that was moved there would be fetched again"
    if one.match == other.match or ("*" in (one.match, other.match) and first.bank is not second.bank):
        return f"{QUICKER}. If that is meant, let match tell them apart"
    return None


def _out_and_back(ours: Remote, out: Outbound, theirs: Remote, back: Inbound) -> str | None:
    if "remote" not in theirs.key:
        return BACK
    if "staging" in ours.key:
        return "our temporary files and the bank's own would stand together"
    name = _name(ours.bank, out)
    if fnmatch.fnmatchcase(name, back.match):
        return f"our own files ({name}) would be fetched as the bank's. If that is meant, let match leave them out"
    return None


def _name(bank: Bank, folder: Outbound) -> str:
    """A name as the folder's template gives it."""
    day = datetime(2026, 12, 31, tzinfo=UTC)
    return folder.name.format(bank=bank.name, msg_id="MSG-1", id="T261231-0A1B2C3D", name="payments.xml", date=day)
