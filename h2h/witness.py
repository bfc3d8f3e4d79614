"""The witness: how far the journal has come, noted in a small file outside of the ledger.

A ledger that was put back from an older copy is whole in itself; the witness shows that there was more. It may lag
behind the ledger, as after a crash between a commit and its note, and is never ahead of it. It is overwritten in
place: that needs no room on a full disk, and one small write is there as a whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from h2h.errors import StoreError

ROOM = 4_000  # bytes of a note on numbers
WIDTH = 78  # a number of 12 digits, a blank, a SHA-256 in hex, a line's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last event of the journal: its number and its hash."""

    seq: int
    hash: str


Opener = Callable[[int], int]
"""(flags) -> a descriptor of the file; raises OSError."""


class Witness:
    def __init__(self, path: Path, opener: Opener | None = None) -> None:
        """`opener`: how the file is reached where somebody else could put a link on the way to it."""
        self.path = path
        self._open = opener or (lambda flags: os.open(path, flags, 0o600))

    def read(self) -> Head | None:
        """What was noted last; None where there is no file. StoreError where something else stands there."""
        try:
            with self._locked(os.O_RDONLY) as handle:
                return self._found(handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}.") from error

    def begin(self, head: Head) -> None:
        """Note the head whatever is noted, and make the file itself durable."""
        self.note(head, durably=True, anew=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def note(self, head: Head, *, durably: bool = False, anew: bool = False) -> None:
        """Note the head, unless a later one is noted. `anew`: whatever is noted."""
        try:
            with self._locked(os.O_RDWR | os.O_CREAT) as handle:
                known = None if anew else self._found(handle)
                if known is None or known.seq < head.seq:
                    os.pwrite(handle, f"{head.seq:012} {head.hash}\n".encode(), 0)
                if durably:
                    os.fdatasync(handle)
        except OSError as error:
            raise StoreError(f"The journal's head cannot be noted in {self.path}: {error.strerror}.") from error

    def _found(self, handle: int) -> Head | None:
        text = os.pread(handle, WIDTH + 1, 0).decode("ascii", "replace")
        seq, _, digest = text.rstrip("\n").partition(" ")
        if not text:
            return None  # the file was made, and nothing written yet
        if len(text) != WIDTH or not seq.isdigit() or len(digest) != 64:
            raise StoreError(f"{self.path} does not hold the head of a journal.")
        return Head(seq=int(seq), hash=digest)

    def _locked(self, flags: int) -> AbstractContextManager[int]:
        return _locked(self._open, flags)


class NumberWitness:
    """How far the numbers of one series came, in the same way: a ledger put back would use some again."""

    def __init__(self, path: Path, opener: Opener) -> None:
        self.path = path
        self._open = opener

    def read(self, series: str) -> dict[str, int]:
        """The last number of each day that is noted ("" for those that run on); none of another series."""
        try:
            with _locked(self._open, os.O_RDONLY) as handle:
                found = json.loads(os.pread(handle, ROOM, 0) or b"{}")
            return {day: int(last) for day, last in found["last"].items()} if found.get("series") == series else {}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{self.path} does not hold the last numbers of a series.") from error

    def note(self, series: str, last: Mapping[str, int]) -> None:
        text = json.dumps({"series": series, "last": dict(last)})
        try:
            with _locked(self._open, os.O_RDWR | os.O_CREAT) as handle:
                os.pwrite(handle, f"{text}\n".encode().ljust(os.fstat(handle).st_size), 0)
        except OSError as error:
            raise StoreError(f"The last number cannot be noted in {self.path}: {error.strerror}.") from error


@contextmanager
def _locked(opener: Opener, flags: int) -> Iterator[int]:
    """A link in its place is not followed."""
    handle = opener(flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
