"""The archive: file bytes, stored once, addressed by their SHA-256, checked whenever they are read.

A file is written under a temporary name, synced, renamed, and its folder synced, before anybody names it in the
ledger. A crash between leaves bytes that nothing names, which is harmless.

Bytes are removed when no row asks for them any more, and never such as were written lately: somebody may be about to
name them. Writing and removing exclude each other, also between processes, by a lock on the folder of what comes in.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, cast

from h2h.errors import Damaged, FolderError, StoreError
from h2h.syncs import sync_all, sync_folders

BLOCK = 1 << 18
LATELY_SECONDS = 86_400  # bytes that were written since are not removed: their row may be yet to come
Observe = Callable[[BinaryIO, int, str], AbstractContextManager[BinaryIO]]
"""Wraps a file that is being read, with its size and what it is read for: a command shows progress by it."""


class Archive:
    def __init__(self, folder: Path, min_free: int = 0) -> None:
        """`min_free`: bytes that stay free on its disk, so that what is under way can be finished."""
        self._folder = folder
        self._incoming = folder / "incoming"
        self._min_free = min_free
        self.observe: Observe = _as_it_is

    def shortage(self, size: int = 0) -> str | None:
        """Why nothing new of this size is begun now; None where there is room."""
        place = self._folder.parent
        try:
            found = os.statvfs(place)
        except OSError as error:
            return f"The disk of {place} cannot be asked for its room: {error.strerror}."
        if found.f_bavail * found.f_frsize >= self._min_free + size:
            return None
        least = f"{self._min_free} bytes (gateway.min_free)"
        return f"The disk of {place} is nearly full: {least} have to stay free. Nothing new is taken, sent or fetched."

    def require_room(self, size: int = 0) -> None:
        if why := self.shortage(size):
            raise StoreError(why)

    @property
    def scratch(self) -> Path:
        """A folder on its disk, for files without a name."""
        with _translated(self._folder):
            _make_folder(str(self._incoming))
        return self._incoming

    def prepare(self) -> None:
        """Make the folders; drop what an earlier crash left half written. Only while no other process writes."""
        with _translated(self._folder):
            _make_folder(str(self._incoming))
            for rest in self._incoming.iterdir():
                rest.unlink()

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A place to write bytes to; `keep` on it makes them part of the archive, leaving without drops them."""
        part = f"{self._incoming}/{os.getpid()}-{os.urandom(8).hex()}"
        with _translated(self._folder):
            file = os.fdopen(_made(part), "wb")
        incoming = Incoming(file, part, self._folder)
        try:
            yield incoming
        finally:
            with suppress(OSError):  # what could not be written out is thrown away with the file
                file.close()
            if not incoming.placed:
                with _translated(self._folder), suppress(FileNotFoundError):
                    os.unlink(part)

    def write_out(self, files: Sequence[Incoming]) -> None:
        """Make the bytes of several durable, all of them together."""
        with _translated(self._folder):
            sync_all([file.flushed() for file in files])
        for file in files:
            file.synced = True

    def secure(self, kept: Sequence[str]) -> None:
        """Make the names of files durable that were placed, all of them together."""
        _sync_names(self._folder, kept)

    def remove(self, sha256: str) -> bool:
        """Remove bytes that no row asks for any more, durably; False where they were written lately, and stay."""
        place = _place(self._folder, sha256)
        with _translated(self._folder), _locked(self.scratch, fcntl.LOCK_EX):
            try:
                written = os.stat(place).st_mtime
            except FileNotFoundError:
                return True
            if written > self._now() - LATELY_SECONDS:
                return False
            os.unlink(place)
        with _translated(self._folder):
            sync_folders([os.path.dirname(place)])
        return True

    def _now(self) -> float:
        """By the clock of its disk, by which its files are dated."""
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            return os.fstat(file.fileno()).st_mtime

    @contextmanager
    def open(self, sha256: str, what: str = "reading") -> Iterator[BinaryIO]:
        """The bytes of a file, to be read from start to end; the last read raises Damaged if they were changed.

        `what`: in a word, what is done with them.
        """
        path = _place(self._folder, sha256)
        try:
            file = open(path, "rb")  # closed below  # noqa: SIM115
        except OSError as error:
            raise Damaged(f"The archive has lost {sha256} ({path}): {error.strerror}. Restore it.") from error
        with file:
            size = os.fstat(file.fileno()).st_size
            with self.observe(cast(BinaryIO, Checked(file, sha256)), size, what) as source:
                yield source


def _as_it_is(source: BinaryIO, _size: int, _what: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(source)


class Checked(io.RawIOBase):
    """A reader that hashes what it hands out from start to end, and raises Damaged at the end on other bytes.

    Whoever acts on the bytes reads them from the start; after a seek elsewhere they are handed out unchecked.
    """

    def __init__(self, file: BinaryIO, sha256: str) -> None:
        self._file = file
        self._sha256 = sha256
        self._hash: hashlib._Hash | None = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        """What is read by it is not checked."""
        return self._file.fileno()

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        position = self._file.seek(offset, whence)
        self._hash = None if position else hashlib.sha256()
        return position

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._file.read(size)
        except OSError as error:
            raise Damaged(f"The archive's bytes of {self._sha256} cannot be read: {error.strerror}.") from error
        if self._hash is None:
            return block
        self._hash.update(block)
        if (not block or size < 0) and size != 0 and self._hash.hexdigest() != self._sha256:
            raise Damaged(f"The archive's bytes of {self._sha256} were changed; nothing is done with them.")
        return block


class Incoming:
    """Bytes on their way into the archive, hashed as they are written."""

    def __init__(self, file: BinaryIO, part: str, folder: Path) -> None:
        self._file = file
        self._part = part
        self._folder = folder
        self.synced = self.placed = False
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> int:
        self._hash.update(block)
        self.size += len(block)
        self.synced = False
        with _translated(self._folder):
            return self._file.write(block)

    def sink(self) -> BinaryIO:
        """Where a channel writes what it fetches."""
        return cast(BinaryIO, self)

    def copy(self, source: BinaryIO, limit: int) -> bool:
        """Copy the source to its end; False as soon as it has more than `limit` bytes."""
        while block := _read(source):
            if self.size + len(block) > limit:
                return False
            self.write(block)
        return True

    def keep(self) -> str:
        """Make the bytes durable under their SHA-256, and return it."""
        sha256 = self.place()
        _sync_names(self._folder, [sha256])
        return sha256

    def place(self) -> str:
        """As `keep`, but their name is durable only after `Archive.secure`."""
        sha256 = self._hash.hexdigest()
        place = _place(self._folder, sha256)
        with _translated(self._folder):
            if not self.synced:
                os.fsync(self.flushed())
            with _locked(os.path.dirname(self._part), fcntl.LOCK_SH):
                os.utime(self._part)  # written lately, however long the writing was ago
                _move(self._part, place)
        self.placed = True
        return sha256

    def flushed(self) -> int:
        """Its descriptor; all that was written is with the system."""
        self._file.flush()
        return self._file.fileno()


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(BLOCK)
    except OSError as error:
        name = getattr(source, "name", "The file")
        raise FolderError(f"{name} cannot be read: {error.strerror}.") from error


def _place(folder: Path, sha256: str) -> str:
    return f"{folder}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _made(part: str) -> int:
    """A new file; its folder is made where it is missing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(part, flags, 0o600)
    except FileNotFoundError:
        _make_folder(os.path.dirname(part))
        return os.open(part, flags, 0o600)


def _move(part: str, place: str) -> None:
    """Its folder is there already where the archive is large."""
    try:
        os.replace(part, place)
    except FileNotFoundError:
        _make_folder(os.path.dirname(place))
        os.replace(part, place)


@contextmanager
def _locked(folder: str | Path, how: int) -> Iterator[None]:
    """Others may place files at the same time, and nobody removes one meanwhile; or, LOCK_EX, the other way."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: str) -> None:
    """With those above it; all of them are closed to others."""
    if not os.path.isdir(above := os.path.dirname(folder)):
        _make_folder(above)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _sync_names(folder: Path, kept: Sequence[str]) -> None:
    """Each folder once, however many files are in it."""
    places = [os.path.dirname(_place(folder, sha256)) for sha256 in kept]
    with _translated(folder):
        sync_folders(dict.fromkeys([*places, *map(os.path.dirname, places), str(folder)]))


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"The archive {folder} cannot be written: {error.strerror}.") from error
