"""What a gateway leaves of itself in a watched folder, and what it finds of itself there.

WATCH/.h2h/lock     held by the one gateway that watches the folder
WATCH/.h2h/head     how far its journal had come when a file from here was last sent, or decided about
WATCH/.h2h/numbers  the last numbers that files from here had in their names at the bank
WATCH/processed/    and rejected/: the files that were filed away, each under the id of its transfer
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from h2h.config import Outbound
from h2h.errors import AlreadyRunning, FolderError, StillChanging, StoreError
from h2h.folders import OURS, local_name, translated
from h2h.model import TransferId
from h2h.open_folder import OpenFolder
from h2h.text import printable
from h2h.witness import Head, NumberWitness, Witness

log = logging.getLogger(__name__)

FILED = re.compile(r"(T\d{6}-[0-9A-Z]{8})-(.+)", re.DOTALL)  # the names that files have once they are filed away
ASIDE = (".report.txt", ".report.json", ".manifest", ".tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """A file in `processed` or `rejected`; `name` is the one under which it was dropped, as far as it is known."""

    id: TransferId
    name: str
    folder: str
    entry: str


class Foothold:
    def __init__(self, settings: Outbound, used_before: Callable[[], bool] = lambda: False) -> None:
        self.path = settings.watch
        self._filed_in = (settings.processed, settings.rejected)
        self._used_before = used_before
        self._holder: str | None = None
        self._lock_file: int | None = None
        self.witness = Witness(self.path / OURS / "head", partial(self._open, "head"))
        self.numbers = NumberWitness(self.path / OURS / "numbers", partial(self._open, "numbers"))

    def _open(self, name: str, flags: int) -> int:
        with OpenFolder.at(self.path) as folder, folder.inside(OURS) as ours:
            return os.open(name, flags, 0o600, dir_fd=ours.handle)

    @contextmanager
    def held(self, holder: str) -> Iterator[None]:
        """Be the one gateway that watches the folder; AlreadyRunning beside another."""
        self._holder = holder
        try:
            self.take()
            yield
        finally:
            self._holder = None
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def take(self) -> bool:
        """Whether we hold the folder, now at the latest: its disk may have been away when we started.

        A folder that is away, or that is not the one it was, is not held: nothing is made in it.
        """
        assert self._holder, "only who holds the folder may take files from it"
        if self._lock_file is not None:
            return True
        if not self.path.is_dir() or not ((self.path / OURS).is_dir() or not self._used_before()):
            return False
        with translated(self.path), OpenFolder.at(self.path) as folder, folder.made(OURS, 0o700) as ours:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open("lock", flags, 0o600, dir_fd=ours.handle)
        try:
            self._lock(handle)
        except BaseException:
            os.close(handle)
            raise
        with suppress(OSError):  # it says who holds the folder; the lock is what counts
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{self._holder}\n".encode(), 0)
        self._lock_file = handle
        return True

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = printable(os.pread(handle, 1000, 0).decode("utf-8", "replace").strip()) or "unknown"
            raise AlreadyRunning(f"{self.path} is watched by another gateway already ({other}).") from None
        except OSError as error:
            said = f"{self.path} lies on a file system that cannot lock files ({error.strerror})"
            raise FolderError(f"{said}, so two gateways could not be kept apart. Watch a folder elsewhere.") from error

    def note(self, head: Head) -> None:
        """How far the journal has come, outside of the data folder, which may be put back as a whole."""
        try:
            self.witness.note(head)
        except StoreError as error:
            log.warning("the journal's head was not noted", extra={"event": "witness_failed", "text": str(error)})

    def size(self, name: str) -> int:
        """In bytes; 0 where it is gone."""
        try:
            return os.lstat(self.path / name).st_size
        except OSError:
            return 0

    def filed(self) -> list[Filed]:
        """What was filed away, taken over before refused, each oldest first; what is not ours left out.

        Of several under one id, as where somebody made a copy, it is the first.
        """
        found: list[Filed] = []
        with translated(self.path), suppress(FileNotFoundError), OpenFolder.at(self.path) as folder:
            for name in self._filed_in:
                with suppress(FileNotFoundError), folder.inside(name) as filed:
                    found += _files(filed, name)
        return list({file.id: file for file in reversed(found)}.values())[::-1]

    def leave(self, transfer_id: TransferId, name: str, source: BinaryIO) -> None:
        """File a copy away of a file that was never dropped here: `filed` finds it as it finds the others."""
        with translated(self.path), OpenFolder.at(self.path) as folder:
            if not folder.has(OURS):
                raise OSError(None, f"{OURS} is gone from it. Is its disk mounted?")
            with folder.made(self._filed_in[0]) as place, place.create(local_name(transfer_id, name)) as file:
                shutil.copyfileobj(source, file)

    @contextmanager
    def open(self, filed: Filed) -> Iterator[BinaryIO]:
        """Its bytes; StillChanging if somebody wrote on it meanwhile."""
        with (
            translated(self.path),
            OpenFolder.at(self.path) as folder,
            folder.inside(filed.folder) as place,
            place.open(filed.entry) as file,
        ):
            before = os.fstat(file.fileno())
            yield file
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise StillChanging(f"{printable(filed.entry)} in {filed.folder} is being written to.")


def _files(place: OpenFolder, folder: str) -> list[Filed]:
    found: list[tuple[int, Filed]] = []
    for entry in place.names():
        match = FILED.fullmatch(entry)
        if match is None or entry.endswith(ASIDE):
            continue
        with suppress(FileNotFoundError):
            status = place.look(entry)
            if stat.S_ISREG(status.st_mode) and status.st_size:
                filed = Filed(id=TransferId(match[1]), name=printable(match[2]), folder=folder, entry=entry)
                found.append((status.st_ctime_ns, filed))
    return [filed for _, filed in sorted(found, key=lambda one: (one[0], one[1].id))]
