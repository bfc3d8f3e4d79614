"""A channel is a way to a bank's server. One file per kind; flows and ledger know only this protocol.

A channel never retries and never decides. Its errors say what the bank may have: NotDelivered, Refused, or (from
publishing and `place` alone) Unknown. tests/suites/test_channels.py states the promises and runs on every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, Self, TypeVar

from h2h.errors import NotDelivered
from h2h.model import Look, Receipt, RemoteFile, Staged

DOUBT = "The bank may have the file: look, and never send it again before."
T = TypeVar("T")
Opened = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens the bytes of a file, once, when their turn has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file to be staged under `path`."""

    path: str
    opened: Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """A staged file and its final name. `exclusive`: never over a file that is there."""

    staged: Staged
    path: str
    exclusive: bool = False


Made = Callable[[Sequence[str]], Collection[str]]
"""Told the paths of new files, which are ours, before anything is written to them; says which are still wanted."""


def all_wanted(paths: Sequence[str]) -> Collection[str]:
    return paths


def unwanted(path: str) -> NotDelivered:
    return NotDelivered(f"{path} was made and is not wanted any more; nothing was written to it.")


def only(outcomes: Sequence[T | Exception]) -> T:
    """What became of one file alone: its error is raised."""
    [outcome] = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class Channel(Protocol):
    """An open session on a bank's server, used in a ``with``; leaving it closes the connection."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def alive(self) -> bool:
        """Whether the session still looks usable; no round trip to the bank."""

    # Of many files at once each has an outcome of its own, in their order, and an error is a value there: what becomes
    # of one file hangs on no other. Where the session breaks, so say all that have no clear answer.

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        """Write each to a new file, every reply read, size checked on the open handle.

        `made` is called once at most; new files that are not wanted any more are removed, and all of them where it
        raises. NotDelivered or Refused where a path exists or cannot be written, or what its source raised; a part of
        such a file may stay under its path.
        """

    def look_many(self, paths: Sequence[str]) -> Sequence[Look | Exception]:
        """What stands under each; HIDDEN where the bank does not allow looking. NotDelivered or Refused."""

    def publish_many(self, renamings: Sequence[Renaming]) -> Sequence[Receipt | Exception]:
        """Rename each to its final name, asked for in their order. Unknown on anything but a clear "done".

        TemporaryGone where the server says that it has no such file, and can say so. An exclusive one may take more
        than one step; where it is interrupted both names may be there.
        """

    @property
    def replaces(self) -> bool:
        """Whether publishing would replace a file that has the final name already, where it is not exclusive."""

    # One file alone: its error is raised.

    def look(self, path: str) -> Look: ...

    def place(self, path: str, source: BinaryIO) -> Receipt:
        """Write `source` to the new file `path`, for the bank to take: a marker, or a file at a bank without rename.

        Fails if `path` exists; nothing is ever removed. Raises Unknown on anything but a clear "done".
        """

    def list(self, folder: str) -> list[RemoteFile]:
        """The regular files of a folder, in order of their names; an absent folder is Refused.

        What a server lists under a name that cannot be one is told too; such a file is never opened.
        """

    def fetch(self, file: RemoteFile, sink: BinaryIO, start: int = 0) -> int:
        """Copy a file whole into `sink`; its number of bytes. Fewer (or more) than listed is NotDelivered;

        what came until then is in `sink` all the same. `start`: how many bytes of it `sink` has from before; they
        are not asked for again, and NotDelivered is raised unless size and time of the file are those listed.
        """

    def discard(self, path: str) -> None:
        """Remove a file; that it is gone already is fine. Raises NotDelivered or Refused."""

    def move(self, path: str, target: str) -> None:
        """Rename a file that we have taken; an existing target is Refused. That `path` is gone already is fine."""
