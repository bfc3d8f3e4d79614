"""Watched folders: which file is complete, taking it, filing it away; and writing files for others atomically.

A complete file is claimed by renaming it into a hidden folder on the same file system, under the id that it will
have: the rename is atomic, and a restart finds what was under way. Names are data; links, devices, folders, hidden
and temporary names are left alone and told.

    WATCH/invoice.xml                        dropped by the ERP
    WATCH/.h2h/lock                          held by the one gateway that watches the folder
    WATCH/.h2h/head                          how far its journal had come when a file was last sent from here
    WATCH/.h2h/claims/T261121-…/invoice.xml  claimed
    WATCH/processed/T261121-…-invoice.xml    taken over
    WATCH/rejected/T261121-…-invoice.xml     refused, with its report beside it (.report.txt, .report.json)
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from h2h.archive import sync_folder
from h2h.config import Outbound
from h2h.errors import AlreadyRunning, FolderError, StillChanging
from h2h.model import TransferId
from h2h.text import harmless, printable
from h2h.witness import Witness

TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")
LISTED = 10_000  # names looked at in one scan; the rest waits for the next
NAME_BYTES = 150  # of an original name kept in a local one
FILED = re.compile(r"(T\d{6}-[0-9A-Z]{8})-")  # how the names begin that a file has once it is filed away
REPORTS = (".report.txt", ".report.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    id: TransferId
    path: Path

    @property
    def name(self) -> str:
        return printable(self.path.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What stands in a folder: complete files, files that are not yet, and what is left alone and why."""

    ready: tuple[str, ...]
    waiting: tuple[str, ...]
    ignored: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Sighting:
    size: int
    modified: int
    inode: int
    since: float


class WatchedFolder:
    def __init__(self, settings: Outbound) -> None:
        self.path = settings.watch
        self._settle = settings.settle.total_seconds()
        self._marker = settings.marker
        self._processed = settings.processed
        self._rejected = settings.rejected
        self._max_size = settings.max_size
        self._ours = self.path / ".h2h"
        self._claims = self._ours / "claims"
        self._sightings: dict[str, _Sighting] = {}
        self.witness = Witness(self._ours / "head")

    @contextmanager
    def held(self, holder: str) -> Iterator[None]:
        """Be the one gateway that watches the folder; AlreadyRunning beside another. One that is away is not held."""
        if not self.path.is_dir():
            yield
            return
        with _translated(self.path):
            _no_link(self._ours)
            self._ours.mkdir(exist_ok=True, mode=0o700)
            handle = os.open(self._ours / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._lock(handle)
            with suppress(OSError):  # it says who holds the folder; the lock is what counts
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{holder}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = printable(os.pread(handle, 1000, 0).decode("utf-8", "replace").strip()) or "unknown"
            raise AlreadyRunning(f"{self.path} is watched by another gateway already ({other}).") from None
        except OSError as error:
            said = f"{self.path} lies on a file system that cannot lock files ({error.strerror})"
            raise FolderError(f"{said}, so two gateways could not be kept apart. Watch a folder elsewhere.") from error

    def scan(self, monotonic: float) -> Scan:
        """Look at every name once. A file is complete when it stood unchanged for `settle`, or its marker is there."""
        candidates, ignored = self._sort_out()
        names = {entry.name for entry in candidates}
        ready: list[str] = []
        waiting: list[str] = []
        for entry in candidates:
            try:
                (ready if self._complete(entry, monotonic) else waiting).append(entry.name)
            except FileNotFoundError:
                continue  # gone since it was listed
        self._sightings = {name: seen for name, seen in self._sightings.items() if name in names}
        return Scan(ready=tuple(ready), waiting=tuple(waiting), ignored=tuple(ignored))

    def _sort_out(self) -> tuple[list[os.DirEntry[str]], list[tuple[str, str]]]:
        """What may be a payment file, and what is left alone and why; both in order of name, and bounded."""
        candidates: list[os.DirEntry[str]] = []
        ignored: list[tuple[str, str]] = []
        with _translated(self.path), os.scandir(self.path) as found:
            for entry in found:
                if entry.name in (self._processed, self._rejected, ".h2h"):
                    continue
                with suppress(FileNotFoundError):
                    if why := self._left_alone(entry):
                        ignored.append((printable(entry.name), why))
                    else:
                        candidates.append(entry)
                if len(candidates) == LISTED:
                    break
                del ignored[LISTED:]
        return sorted(candidates, key=lambda entry: entry.name), sorted(ignored)

    def _left_alone(self, entry: os.DirEntry[str]) -> str | None:
        if entry.name.startswith("."):
            return "hidden name"
        if entry.name.lower().endswith(TEMPORARY):
            return "temporary name"
        if self._marker and entry.name.endswith(self._marker):
            return "marker"
        if entry.is_symlink():
            return "a link"
        if not entry.is_file(follow_symlinks=False):
            return "not a regular file"
        size = entry.stat(follow_symlinks=False).st_size
        if size == 0:
            return "empty"
        if size > self._max_size:
            return f"larger than {self._max_size} bytes"
        return None if os.access(entry.path, os.R_OK) else "not readable for the gateway"

    def _complete(self, entry: os.DirEntry[str], monotonic: float) -> bool:
        if self._marker:
            return any(os.path.lexists(self.path / marker) for marker in self._markers(entry.name))
        found = entry.stat(follow_symlinks=False)
        known = self._sightings.get(entry.name)
        if known and (known.size, known.modified, known.inode) == (found.st_size, found.st_mtime_ns, found.st_ino):
            return monotonic - known.since >= self._settle
        self._sightings[entry.name] = _Sighting(found.st_size, found.st_mtime_ns, found.st_ino, monotonic)
        return self._settle == 0

    def _markers(self, name: str) -> set[str]:
        assert self._marker
        return {name + self._marker, os.path.splitext(name)[0] + self._marker}

    def size(self, name: str) -> int:
        """In bytes; 0 where it is gone."""
        try:
            return os.lstat(self.path / name).st_size
        except OSError:
            return 0

    def claim(self, name: str, transfer_id: TransferId) -> Claimed | None:
        """Take the file away from the folder; None where it is gone already."""
        place = self._claims / transfer_id
        with _translated(self.path):
            _no_link(self._claims.parent, self._claims)
            place.mkdir(parents=True, mode=0o700)
            try:
                os.rename(self.path / name, place / name)
            except FileNotFoundError:
                place.rmdir()
                return None
            for folder in (place, self._claims, self.path):
                sync_folder(folder)
            if self._marker:
                for marker in self._markers(name):
                    (self.path / marker).unlink(missing_ok=True)
        self._sightings.pop(name, None)
        return Claimed(id=transfer_id, path=place / name)

    def claims(self) -> list[Claimed]:
        """What was claimed and not filed away yet, by this run or an earlier one."""
        with _translated(self.path):
            if not self._claims.is_dir():
                return []
            return [claim for place in sorted(self._claims.iterdir()) if (claim := self._claim_in(place))]

    def _claim_in(self, place: Path) -> Claimed | None:
        inside = sorted(place.iterdir())
        if not inside:
            place.rmdir()  # a crash came between making the folder and the rename
            return None
        return Claimed(id=TransferId(place.name), path=inside[0])

    def filed(self) -> list[Claimed]:
        """What was filed away, taken over before refused, each oldest first; reports and what is not ours left out."""
        return [file for name in (self._processed, self._rejected) for file in self._filed_in(self.path / name)]

    def _filed_in(self, folder: Path) -> list[Claimed]:
        found: list[tuple[int, Claimed]] = []
        with _translated(folder), suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                match = FILED.match(entry.name)
                if match and not entry.name.endswith(REPORTS) and self._left_alone(entry) is None:
                    claimed = Claimed(id=TransferId(match[1]), path=Path(entry.path))
                    found.append((entry.stat(follow_symlinks=False).st_ctime_ns, claimed))
        return [claimed for _, claimed in sorted(found, key=lambda one: (one[0], one[1].id))]

    @contextmanager
    def open(self, claimed: Claimed) -> Iterator[BinaryIO]:
        """The claimed file's bytes, opened once and without following links; StillChanging if it grew meanwhile."""
        with _translated(claimed.path):
            handle = os.open(claimed.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            os.close(handle)
            raise FolderError(f"{claimed.path} is not a regular file; remove it.")
        with os.fdopen(handle, "rb") as file:
            yield file
            after = os.fstat(handle)
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise StillChanging(f"{claimed.path} is still being written to.")

    def file_away(self, claimed: Claimed, *, rejected: bool, reports: Mapping[str, bytes]) -> Path:
        """Move a claimed file to `processed` or `rejected`; reports (by suffix) are written beside it first."""
        folder = self.path / (self._rejected if rejected else self._processed)
        target = folder / local_name(claimed.id, claimed.path.name)
        with _translated(folder):
            _no_link(folder)
            folder.mkdir(exist_ok=True)
            for suffix, content in reports.items():
                with atomic_writer(folder / (target.name + suffix)) as file:
                    file.write(content)
            os.rename(claimed.path, target)
            sync_folder(folder)
            claimed.path.parent.rmdir()
        return target


@contextmanager
def atomic_writer(target: Path) -> Iterator[BinaryIO]:
    """Write a file so that nobody ever sees half of it; it survives a crash once the block is left.

    Nothing appears under `target` if the block raises.
    """
    part = target.parent / f".{target.name}.tmp"
    with _translated(target.parent):
        part.unlink(missing_ok=True)  # written anew: what a failed sync left is not to be trusted
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
            sync_folder(target.parent)
        finally:
            part.unlink(missing_ok=True)


def local_name(file_id: str, name: str) -> str:
    """A name of ours for a file from outside: its id, then what is harmless of its own name."""
    return f"{file_id}-{harmless(printable(name))[-NAME_BYTES:]}"


def _no_link(*folders: Path) -> None:
    """Whoever may write into the watched folder cannot lead us elsewhere by a link in place of a folder of ours."""
    for folder in folders:
        if folder.is_symlink():
            raise FolderError(f"{folder} is a link; a folder has to stand there. Remove the link.")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"{path} cannot be used: {error.strerror}.") from error
