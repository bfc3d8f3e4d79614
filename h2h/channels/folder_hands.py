"""The single requests of a probe on a local or mounted folder. No .h2h is made: `h2h init` and the gateway do that."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from h2h.channels.facts import Disk, Outcome, Word
from h2h.channels.folder import FILE_MODE, FolderChannel, walk
from h2h.channels.hands import Written
from h2h.channels.names import bytes_of, parent
from h2h.errors import ChannelError

NOT_FOR_US = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTDIR, errno.ELOOP)
MOUNTS = Path("/proc/self/mountinfo")


class FolderHands:
    plain, over = "a link in place of renaming", "rename"
    posix = True

    def __init__(self, channel: FolderChannel) -> None:
        self._root = channel.root

    def server(self) -> None:
        return None

    def look(self, path: str) -> Word:
        def see() -> os.stat_result:
            with self._beside(path) as (opened, name):
                return os.stat(name, dir_fd=opened, follow_symlinks=False)

        return _word(see)

    def folder(self, path: str) -> Word:
        def see() -> os.stat_result:
            with self._opened(path) as opened:
                return os.fstat(opened)

        return _word(see)

    def writable(self, folder: str) -> bool:
        with suppress(OSError, ChannelError), self._opened(folder) as opened:
            return os.access(f"/proc/self/fd/{opened}", os.W_OK | os.X_OK, effective_ids=True)
        return False

    def disk(self, folder: str) -> Disk | None:
        with suppress(OSError, ChannelError), self._opened(folder) as opened:
            space, device = os.fstatvfs(opened), os.fstat(opened).st_dev
            return Disk(number=device, free_bytes=space.f_frsize * space.f_bavail, kind=_kind_of(device))
        return None

    def open(self, path: str) -> Word:
        def opened_to_write() -> None:
            with self._beside(path) as (opened, name):
                os.close(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened))

        return _word(opened_to_write)

    def write(self, path: str, data: bytes) -> Written:
        step, made = "make it", False
        seen: os.stat_result | None = None

        def written() -> None:
            nonlocal step, made, seen
            with self._beside(path) as (opened, name):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                file = os.open(name, flags, FILE_MODE, dir_fd=opened)
                step, made = "write to it", True
                with open(file, "wb", buffering=0) as sink:
                    sink.write(data)
                    step = "sync it"
                    os.fsync(file)
                    os.fsync(opened)
                    seen, step = os.fstat(file), "close it"

        word = _word(written)
        return Written(word=word, step=step, made=made, seen=_word(lambda: seen) if seen else None)

    def rename(self, path: str, target: str, *, posix: bool) -> Word:
        """As the channel does it: over another file by rename, else by a link, and the first name removed."""

        def renamed() -> None:
            with self._beside(path) as (here, name), self._beside(target) as (there, new):
                if posix:
                    os.rename(name, new, src_dir_fd=here, dst_dir_fd=there)
                else:
                    os.link(name, new, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                    os.unlink(name, dir_fd=here)

        return _word(renamed)

    def remove(self, path: str) -> Word:
        def removed() -> None:
            with self._beside(path) as (opened, name):
                os.unlink(name, dir_fd=opened)

        return _word(removed)

    @contextmanager
    def _opened(self, folder: str) -> Iterator[int]:
        opened = walk(self._root, [bytes_of(step) for step in folder.split("/") if step not in ("", ".")])
        try:
            yield opened
        finally:
            os.close(opened)

    @contextmanager
    def _beside(self, path: str) -> Iterator[tuple[int, bytes]]:
        with self._opened(parent(path)) as opened:
            yield opened, bytes_of(path.rpartition("/")[2])


def _word(act: Callable[[], os.stat_result | None]) -> Word:
    try:
        found = act()
    except ChannelError as error:
        return Word(outcome=Outcome.REFUSED, text=str(error))
    except OSError as error:
        absent = Outcome.ABSENT if error.errno == errno.ENOENT else Outcome.FAILED
        outcome = Outcome.REFUSED if error.errno in NOT_FOR_US else absent
        return Word(outcome=outcome, text=error.strerror or str(error))
    if found is None:
        return Word(outcome=Outcome.DONE)
    return Word(outcome=Outcome.DONE, size=found.st_size, modified=int(found.st_mtime))


def _kind_of(device: int) -> str:
    """Of the file system, as Linux names it; empty where that cannot be told."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0]
    return ""
