"""What a probe finds out about a bank's server, as data: steps, facts, and what to change in the profile.

Nothing here asks anybody. None stands for what was not asked, or not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from h2h.model import Presence


class Outcome(StrEnum):
    """Of one request."""

    DONE = "done"
    ABSENT = "no such file"
    REFUSED = "refused"  # not permitted, or not known there
    FAILED = "failed"  # for another reason, or for none that is told


class Weight(StrEnum):
    GOOD = "good"
    NOTE = "note"  # to be known; nothing that keeps files from going
    BAD = "bad"  # so the profile does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The server's answer to one request. Size in bytes, `modified` in seconds since 1970 by its clock."""

    outcome: Outcome
    text: str = ""
    size: int | None = None
    modified: int | None = None

    @property
    def done(self) -> bool:
        return self.outcome is Outcome.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`name`: what was tried; `said`: what came of it, a sentence; `todo`: what to do about it."""

    name: str
    place: str = ""
    weight: Weight
    said: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKey:
    """A host key that the server shows. `pinned`: it is one of the settings'."""

    fingerprint: str
    kind: str
    pinned: bool
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a server tells before anybody logs in.

    `allowed`: the addresses that the settings let us connect to; `silent`: why some of them could not be asked.
    `methods`: the ways to log in that it offers to this user; asked of a server alone whose key is pinned.
    """

    addresses: Sequence[str]
    allowed: Sequence[str]
    silent: Sequence[str]
    version: str
    host_keys: Sequence[ShownKey]
    algorithms: Sequence[str]  # key exchange, cipher, MAC where there is one
    strict_kex: bool
    methods: Sequence[str]

    @property
    def strangers(self) -> Sequence[str]:
        """The addresses at which no key is pinned."""
        asked = dict.fromkeys(key.address for key in self.host_keys)
        return [one for one in asked if not any(key.pinned for key in self.host_keys if key.address == one)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """limits@openssh.com, in bytes; 0 for none."""

    packet: int
    read: int
    write: int
    handles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a session tells of itself. `banner`: what it shows to whoever logs in."""

    banner: str
    extensions: Sequence[str]
    limits: Limits | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What holds a folder: `number` tells file systems apart, `kind` is told of local folders alone."""

    number: int
    free_bytes: int
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """A folder of the profile. `uses`: the settings that name it, as in ``outbound[1].remote``.

    `shows`, `opens` (to write), `removes`, `renames`, `posix_renames`: False where the server refuses it even for a
    file that is not there; True where it says that there is none.
    """

    path: str
    uses: Sequence[str]
    there: bool | None = None
    files: int | None = None
    writable: bool | None = None
    shows: bool | None = None
    opens: bool | None = None
    removes: bool | None = None
    renames: bool | None = None
    posix_renames: bool | None = None
    disk: Disk | None = None

    def apart_from(self, other: FolderFacts) -> bool:
        """Whether they are known to be on two file systems."""
        here, there = (one.disk.number if one.disk else 0 for one in (self, other))
        return bool(here and there and here != there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of our probe files in a folder.

    `size_told`: of the open file; `size_shown`: by its path. `at_once`, `later`: how the first one looked after it was
    closed, and after `watched_seconds`. `exclusive`: a new file never takes another's place. `renamed`: by the
    operation that publishing uses. `replaced`: whether the plain rename put one file over another, which version 3 of
    SFTP forbids; `posix_replaced`: the same of posix-rename, which it is for.
    """

    folder: str
    written: bool
    size_told: bool | None = None
    size_shown: bool | None = None
    at_once: Presence | None = None
    later: Presence | None = None
    watched_seconds: float = 0.0
    swept: bool | None = None
    exclusive: bool | None = None
    renamed: bool | None = None
    replaced: bool | None = None
    posix_replaced: bool | None = None
    removed: bool | None = None
    clock_ahead_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line of the profile that should be another. `value` is TOML, None to leave the key out.

    `section`: ``bank.channel``, ``bank.outbound`` or ``bank.inbound``; `number`: which block of these, from 1.
    """

    section: str
    number: int | None
    key: str
    value: str | None
    was: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """All that was found out. `left`: files of ours that may still be there; `ask`: what only the bank can say."""

    bank: str
    at: datetime
    thorough: bool
    steps: Sequence[Step]
    greeting: Greeting | None
    server: Server | None
    folders: Sequence[FolderFacts]
    trials: Sequence[Trial]
    left: Sequence[str]
    changes: Sequence[Change]
    ask: Sequence[str]

    @property
    def good(self) -> bool:
        return not self.left and all(step.weight is not Weight.BAD for step in self.steps)
