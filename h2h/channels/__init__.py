"""A channel is a way to a bank's server. One file per kind; flows and ledger know only this protocol.

A channel never retries and never decides. Its errors say what the bank may have: NotDelivered, Refused, or (from
`publish` and `place` alone) Unknown. tests/suites/test_channels.py states the promises and runs on every kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol, Self

from h2h.model import Look, Receipt, RemoteFile, Staged

DOUBT = "The bank may have the file: look, and never send it again before."


def nobody() -> None:
    """Nobody wants to be told."""


class Channel(Protocol):
    """An open session on a bank's server, used in a ``with``; leaving it closes the connection."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def alive(self) -> bool:
        """Whether the session still looks usable; no round trip to the bank."""

    def stage(self, path: str, source: BinaryIO, made: Callable[[], None] = nobody) -> Staged:
        """Write `source` to the new file `path`, every reply read, size checked on the open handle.

        `made` is called as soon as the new file is there, and is ours, before anything is written. Fails if `path`
        exists. Raises NotDelivered or Refused; a part of the file may stay under `path`.
        """

    @property
    def replaces(self) -> bool:
        """Whether `publish` would replace a file that has the final name already, where it is not `exclusive`."""

    def publish(self, staged: Staged, path: str, *, exclusive: bool = False) -> Receipt:
        """Rename the staged file to its final name. Raises Unknown on anything but a clear "done";

        TemporaryGone where the server says that it has no such file, and can say so. `exclusive`: never over a file
        that is there, even if that takes more than one step (an interrupted one may leave both names).
        """

    def place(self, path: str, source: BinaryIO) -> Receipt:
        """Write `source` to the new file `path`, for the bank to take: a marker, or a file at a bank without rename.

        Fails if `path` exists; nothing is ever removed. Raises Unknown on anything but a clear "done".
        """

    def look(self, path: str) -> Look:
        """What stands under `path`; HIDDEN where the bank does not allow looking. Raises NotDelivered or Refused."""

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
