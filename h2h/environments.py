"""That test and production do not cross: told before anything moves, as far as it can be seen from here.

A private key can carry a mark, in the comment of an SSH key (in its file, or in FILE.pub beside it) or a user id of a
PGP key: the words `h2h test` or `h2h production`, as `h2h keys new` writes them. And where the settings name those of
the other environment (gateway.other_environment), the two may share no login, host key, key, folder or ledger. A key
without a mark that was copied to where other settings do not name it cannot be told from any other.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.channels.ssh_keys import comment, facts
from h2h.clashes import local_folders, login_keys, pgp_keys, private_keys
from h2h.config import Profile, Reading, SftpSettings, read
from h2h.config.toml_file import Place, about
from h2h.errors import H2hError, Problem

if TYPE_CHECKING:
    from h2h.openpgp import KeyFacts

MARK = re.compile(r"h2h[ _-](test|production)\b")
APART = "test and production share nothing"


def crossings(reading: Reading) -> Iterator[Problem]:
    if reading.gateway is None:
        return
    for file, place, marks in _marks(reading):
        for mark in marks:
            if mark != reading.gateway.environment:
                text = f"{file} is marked as a key for {mark}, and this is {reading.gateway.environment}: make another"
                yield from about(text, place)
    if reading.gateway.other_environment:
        yield from _with_other(reading, reading.gateway.other_environment)


def _with_other(reading: Reading, file: Path) -> Iterator[Problem]:
    assert reading.gateway
    here = reading.source.at("gateway", "other_environment")
    other = read(file) if file.exists() else None
    if other is None or other.gateway is None:
        yield from about(f"{file} cannot be read as settings, so that nothing was compared", here)
    elif other.gateway.environment == reading.gateway.environment:
        yield from about(f"{file} is {other.gateway.environment}, too; name the settings of the other one", here)
    else:
        yield from _shared_folders(reading, other)
        yield from _shared_ledger(reading, other)
        yield from _shared_banks(reading, other)
        yield from _shared_keys(reading, other)


def _shared_folders(reading: Reading, other: Reading) -> Iterator[Problem]:
    for ours, theirs in itertools.product(local_folders(reading), local_folders(other)):
        if ours.path.is_relative_to(theirs.path) or theirs.path.is_relative_to(ours.path):
            yield from about(f"{ours.path} is used by {theirs.place}, too; {APART}", ours.place)


def _shared_ledger(reading: Reading, other: Reading) -> Iterator[Problem]:
    if not reading.ledger.url.startswith("sqlite") and reading.ledger.url == other.ledger.url:
        yield from about(f"is the ledger of {other.source.file}, too; {APART}", reading.source.at("ledger", "url"))


def _shared_banks(reading: Reading, other: Reading) -> Iterator[Problem]:
    for ours, theirs in itertools.product(_over_sftp(reading), _over_sftp(other)):
        (profile, mine), (stranger, its) = ours, theirs
        at, there = profile.source.at, stranger.source.at
        if mine.route.server == its.route.server:
            text = f"{mine.user} at {mine.host} is the login of {there('bank', 'channel', 'user')}, too; {APART}"
            yield from about(text, at("bank", "channel", "user"))
        for number, pin in enumerate(mine.host_keys):
            if pin in its.host_keys:
                text = f"{pin} is a host key in {there('bank', 'channel', 'host_keys')}, too; {APART}"
                yield from about(text, at("bank", "channel", "host_keys", number))


def _shared_keys(reading: Reading, other: Reading) -> Iterator[Problem]:
    """The same key in two files; a file that both name is told as one that is shared."""
    known = {key: (file, place) for key, file, place in _private(other)}
    told = {os.path.realpath(file) for profile in other.profiles for file, _ in private_keys(profile)}
    for key, mine, here in _private(reading):
        if key in known and os.path.realpath(mine) not in told:
            its, there = known[key]
            yield from about(f"{mine} is the same key as {its} ({there}); {APART}", here)


def _private(reading: Reading) -> Iterator[tuple[str, Path, Place]]:
    """Private keys by their fingerprints. Those that cannot be seen are told elsewhere."""
    for profile in reading.profiles:
        for file, place in login_keys(profile):
            if fingerprint := _fingerprint(file):
                yield fingerprint, file, place
        for file, place in pgp_keys(profile):
            yield from ((key.fingerprint, file, place) for key in _pgp_facts(file))


def _over_sftp(reading: Reading) -> list[tuple[Profile, SftpSettings]]:
    return [(p, p.bank.channel) for p in reading.profiles if isinstance(p.bank.channel, SftpSettings)]


def _fingerprint(key_file: Path) -> str | None:
    """None where it cannot be seen, which is told elsewhere."""
    try:
        return facts(key_file, lambda: None).fingerprint
    except H2hError:
        return None


def _marks(reading: Reading) -> Iterator[tuple[Path, Place, set[str]]]:
    for profile in reading.profiles:
        yield from ((file, place, _ssh_marks(file)) for file, place in login_keys(profile))
        yield from ((file, place, _pgp_marks(file)) for file, place in pgp_keys(profile))


def _ssh_marks(file: Path) -> set[str]:
    return set(MARK.findall(comment(file)))


def _pgp_marks(file: Path) -> set[str]:
    return {mark for key in _pgp_facts(file) for name in key.user_ids for mark in MARK.findall(name)}


def _pgp_facts(file: Path) -> list[KeyFacts]:
    """Nothing where it cannot be seen, which is told elsewhere."""
    from h2h.openpgp import facts as pgp_facts  # here, as few banks have any

    try:
        return pgp_facts(file.read_bytes())
    except (OSError, H2hError):
        return []
