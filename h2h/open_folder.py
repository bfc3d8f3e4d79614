"""A folder held open: what is done in it is done there, by whatever path it may be reached by then.

Everything below a folder that others may write into goes through its descriptor, one name at a time and without
following links. Whoever swaps a path between our check and our act leads nothing elsewhere: there is no path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OpenFolder:
    """Every operation raises OSError. `path` is only what people are told."""

    def __init__(self, handle: int, path: Path) -> None:
        self.handle = handle
        self.path = path

    @classmethod
    def at(cls, path: Path) -> OpenFolder:
        """A folder that the settings name; whoever wrote them may have put a link there."""
        return cls(os.open(path, _FOLDER), path)

    def __enter__(self) -> OpenFolder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    def make(self, *names: str, mode: int = 0o777) -> None:
        for name in names:
            os.mkdir(name, mode, dir_fd=self.handle)
        self.sync()

    def inside(self, name: str) -> OpenFolder:
        """A folder in this one, which may not be a link."""
        try:
            handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self.handle)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            text = f"{name} in it has to be a folder, and is a link or something else. Remove it"
            raise OSError(error.errno, text) from error
        return OpenFolder(handle, self.path / name)

    def made(self, name: str, mode: int = 0o777) -> OpenFolder:
        """A folder in this one, made where it is missing."""
        try:
            return self.inside(name)
        except FileNotFoundError:
            with suppress(FileExistsError):
                self.make(name, mode=mode)
            return self.inside(name)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.handle))

    def look(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self.handle, follow_symlinks=False)

    def has(self, name: str) -> bool:
        with suppress(FileNotFoundError):
            self.look(name)
            return True
        return False

    def has_file(self, name: str, *, not_after: int | None = None) -> bool:
        """Whether a regular file has this name; `not_after`: and did not change after this time, in nanoseconds."""
        try:
            found = self.look(name)
        except OSError:  # it is gone, or no name may be as long
            return False
        return stat.S_ISREG(found.st_mode) and (not_after is None or found.st_ctime_ns <= not_after)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A regular file to read; opening never waits, whatever stands there."""
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.handle)
        with os.fdopen(_regular(handle), "rb") as file:
            yield file

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Write a file that appears under its name at once and whole, and durably, when the block is left well."""
        part = f".{name}.tmp"
        with suppress(FileNotFoundError):
            self.remove(part)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=self.handle)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)
            self.sync()
        except BaseException:
            with suppress(OSError):
                self.remove(part)
            raise

    def move(self, name: str, to: OpenFolder, new: str) -> None:
        os.rename(name, new, src_dir_fd=self.handle, dst_dir_fd=to.handle)

    def link(self, name: str, to: OpenFolder, new: str) -> None:
        """A second name for a file; unlike `move` it never takes the place of another file."""
        os.link(name, new, src_dir_fd=self.handle, dst_dir_fd=to.handle, follow_symlinks=False)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self.handle)

    def remove_folder(self, name: str) -> None:
        os.rmdir(name, dir_fd=self.handle)

    def sync(self) -> None:
        """Make the names in here durable."""
        os.fsync(self.handle)


def words(error: OSError) -> str:
    """What is wrong, without a name, and to be put into a sentence."""
    return (error.strerror or str(error)).rstrip(".")


def _regular(handle: int) -> int:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(None, "it is not a regular file")
    return handle
