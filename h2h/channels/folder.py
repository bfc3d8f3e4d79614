"""A bank, or its client software beside us, reached through a local or mounted folder.

Paths look like those of a server ("/in/x.xml") and stay below the folder of the settings: every step is opened from
the one before it, without following links; ".." is refused. What is written is synced, file and folder both.

An empty mount point whose disk is away must look neither like a bank that took our files nor like one that waits for
them: a folder in which we make files holds an empty folder .h2h, and one that lacks it is not the one we knew.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from typing import BinaryIO, ParamSpec, Self, TypeVar

from h2h.channels import DOUBT, Made, Renaming, Upload, all_wanted, unwanted
from h2h.channels.names import bytes_of, is_plain, joined, shown, text_of
from h2h.config import FolderSettings
from h2h.errors import ChannelError, NotDelivered, Refused, Unknown
from h2h.model import Look, Presence, Receipt, RemoteFile, Staged

P = ParamSpec("P")
T = TypeVar("T")
BLOCK = 1 << 20
MAX_NAMES = 100_000
FILE_MODE = 0o640
PROOF = b".h2h"
PROOF_MODE = 0o755
NOT_FOR_US = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)
ADVICE = {
    errno.EACCES: "Give the user that runs h2h the rights on this folder.",
    errno.EPERM: "Give the user that runs h2h the rights on this folder.",
    errno.ENOENT: "Make the folder, or mount it, or correct its name in the settings.",
    errno.ELOOP: "Links are not followed: name the real folder in the settings.",
    errno.ENOTDIR: "A link or a file stands where a folder was due: name the real folder in the settings.",
    errno.ENOSPC: "Make room on that disk.",
    errno.EDQUOT: "Have the quota raised, or make room.",
}


def open_folder(
    settings: FolderSettings,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    used: Callable[[str], bool] = lambda _: False,
) -> FolderChannel:
    """Raises Refused where the folder of the settings is missing or closed to us.

    `used`: whether files were made in a folder below it before, by any session.
    """
    with _doing("open", str(settings.path)):
        root = os.open(settings.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return FolderChannel(settings, root, now, used)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A new file, open for writing, and the open folder that it is in."""

    upload: Upload
    folder: int
    name: bytes
    file: int

    def remove(self) -> None:
        with suppress(OSError):
            os.unlink(self.name, dir_fd=self.folder)


class FolderChannel:
    """See h2h.channels.Channel. `root` is an open descriptor that is the session."""

    def __init__(
        self, settings: FolderSettings, root: int, now: Callable[[], datetime], used: Callable[[str], bool]
    ) -> None:
        self._settings = settings
        self._root: int | None = root
        self._now = now
        self._used = used
        self._known: dict[str, bool] = {}  # folders: whether files were made in them

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._root is not None:
            os.close(self._root)
            self._root = None

    @property
    def root(self) -> int:
        assert self._root is not None
        return self._root

    def alive(self) -> bool:
        """Not where another folder is there by now: one that was mounted over ours, or the one below it."""
        try:
            return self._root is not None and os.path.samestat(os.stat(self._settings.path), os.fstat(self._root))
        except OSError:
            return False

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        with ExitStack() as folders:
            begun = [self._begin(upload, folders) for upload in uploads]
            ours = [one for one in begun if isinstance(one, _Begun)]
            try:
                wanted = made([one.upload.path for one in ours]) if ours else ()
            except Exception:
                for one in ours:
                    os.close(one.file)
                    one.remove()
                raise
            return [self._finish(one, wanted) if isinstance(one, _Begun) else one for one in begun]

    def _begin(self, upload: Upload, folders: ExitStack) -> _Begun | Exception:
        """The new file. Its folder stays open in `folders`: the file is written, or removed, where it was made."""
        try:
            folder, name = folders.enter_context(self._parent_of(upload.path))
            self._mark(folder, upload.path)
            return _Begun(upload=upload, folder=folder, name=name, file=self._create(folder, name, upload.path))
        except ChannelError as error:
            return error

    def _finish(self, begun: _Begun, wanted: Collection[str]) -> Staged | Exception:
        path = begun.upload.path
        try:
            with open(begun.file, "wb", buffering=0) as sink:
                if path not in wanted:
                    raise unwanted(self._at(path))
                with begun.upload.opened() as source:
                    size = self._write(sink, begun.folder, path, source)
        except Exception as error:
            begun.remove()
            return error
        return Staged(path=path, size=size)

    def place(self, path: str, source: BinaryIO) -> Receipt:
        try:
            with self._parent_of(path) as (folder, name):
                self._mark(folder, path)
                with open(self._create(folder, name, path), "wb", buffering=0) as sink:
                    size = self._write(sink, folder, path, source)
        except ChannelError as error:
            raise Unknown(f"{error} {DOUBT}") from error
        return Receipt(path=path, answer=f"{size} bytes written and synced", at=self._now(), how="written")

    @property
    def replaces(self) -> bool:
        return True

    def publish(self, staged: Staged, path: str, *, exclusive: bool = False) -> Receipt:
        try:
            self._rename(staged.path, path, exclusive=exclusive)
        except ChannelError as error:
            raise Unknown(f"{error} {DOUBT}") from error
        return Receipt(path=path, answer="renamed and synced", at=self._now(), how="link" if exclusive else "rename")

    def publish_many(self, renamings: Sequence[Renaming]) -> Sequence[Receipt | Exception]:
        return [_outcome(self.publish, one.staged, one.path, exclusive=one.exclusive) for one in renamings]

    def look_many(self, paths: Sequence[str]) -> Sequence[Look | Exception]:
        return [_outcome(self.look, path) for path in paths]

    def look(self, path: str) -> Look:
        with self._parent_of(path) as (folder, name), self._doing("look at", path):
            found = _lstat(name, folder)
        if found is None:
            return Look(presence=Presence.GONE)
        return Look(presence=Presence.THERE, size=found.st_size, modified=int(found.st_mtime))

    def list(self, folder: str) -> list[RemoteFile]:
        with self._folder(folder) as opened, self._doing("list the folder", folder):
            files = [_remote_file(folder, name, found) for name, found in _regular_files(opened, folder)]
        return sorted(files, key=lambda file: file.name)

    def fetch(self, file: RemoteFile, sink: BinaryIO, start: int = 0) -> int:
        path = joined(file.folder, file.name)
        with self._parent_of(path) as (folder, name):
            with self._doing("read", path, gone_is=NotDelivered):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                opened = os.open(name, flags, dir_fd=folder)
            with open(opened, "rb", buffering=0) as source:
                if start:
                    self._same(path, file, os.fstat(opened))
                    source.seek(start)
                size = start + self._copy(source, sink, path, file.size + 1 - start)
        if size != file.size:
            raise NotDelivered(
                f"{self._at(path)} was listed with {file.size} bytes and now has "
                f"{'more' if size > file.size else size}: it is still being written, or was cut. It stays there."
            )
        return size

    def discard(self, path: str) -> None:
        with self._parent_of(path) as (folder, name), self._doing("remove", path), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def move(self, path: str, target: str) -> None:
        gone = self.look(path).presence is Presence.GONE
        if self.look(target).presence is Presence.THERE and not gone:
            raise Refused(f"{self._at(target)} exists already, so {path} was not moved there. Nothing was overwritten.")
        if not gone:
            self._rename(path, target)

    def _create(self, folder: int, name: bytes, path: str) -> int:
        with self._doing("write", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(name, flags, FILE_MODE, dir_fd=folder)

    def _write(self, sink: FileIO, folder: int, path: str, source: BinaryIO) -> int:
        file, size = sink.fileno(), 0
        while block := source.read(BLOCK):
            with self._doing("write", path):
                _write_whole(file, block)
            size += len(block)
        with self._doing("sync", path):
            os.fsync(file)
            os.fsync(folder)
            found = os.fstat(file).st_size
        if found != size:
            raise NotDelivered(f"{self._at(path)} has {found} bytes after {size} were written.")
        return size

    def _same(self, path: str, listed: RemoteFile, now: os.stat_result) -> None:
        """Nothing is added to the first part of a file unless it is seen to be the same file still."""
        if (now.st_size, int(now.st_mtime)) != (listed.size, listed.modified):
            raise NotDelivered(f"{self._at(path)} may have changed since its first part was read; it is read anew.")

    def _copy(self, source: BinaryIO, sink: BinaryIO, path: str, limit: int) -> int:
        size = 0
        while size < limit:
            with self._doing("read", path):
                block = source.read(min(BLOCK, limit - size))
            if not block:
                break
            sink.write(block)
            size += len(block)
        return size

    def _rename(self, path: str, target: str, *, exclusive: bool = False) -> None:
        with (
            self._parent_of(path) as (folder, name),
            self._parent_of(target) as (new_folder, new_name),
            self._doing("rename", f"{path} to {target}"),
        ):
            if exclusive:
                os.link(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder, follow_symlinks=False)
                os.unlink(name, dir_fd=folder)
            else:
                os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)
            os.fsync(new_folder)
            os.fsync(folder)

    @contextmanager
    def _parent_of(self, path: str) -> Iterator[tuple[int, bytes]]:
        folder, _, name = path.rpartition("/")
        raw = bytes_of(name)
        if not is_plain(raw):
            raise Refused(f"{self._at(path)} does not name a file.")
        with self._folder(folder) as opened:
            yield opened, raw

    @contextmanager
    def _folder(self, folder: str) -> Iterator[int]:
        """An open descriptor of a folder below the root."""
        if self._root is None:
            raise NotDelivered(f"{self._at(folder)}: the session has ended.")
        with self._doing("open the folder", folder):
            opened = walk(self._root, [bytes_of(step) for step in folder.split("/") if step not in ("", ".")])
        try:
            with self._doing("look into", folder or "/"):
                self._recognise(opened, folder)
            yield opened
        finally:
            os.close(opened)

    def _recognise(self, opened: int, folder: str) -> None:
        """Whether it is the folder that it was."""
        there = _lstat(PROOF, opened) is not None
        if there or folder not in self._known:
            self._known[folder] = there or self._used(folder)
        if not there and self._known[folder]:
            raise Refused(
                f"{self._at(folder or '/')} is not the folder that it was: files were handed over in it, and "
                f"{PROOF.decode()} is gone. Is its disk mounted? If this is a new folder in its place, run `h2h init`."
            )

    def _mark(self, folder: int, path: str) -> None:
        """Leave in a folder by what it is recognised."""
        with self._doing("make .h2h beside", path), suppress(FileExistsError):
            if _lstat(PROOF, folder) is None:
                os.mkdir(PROOF, PROOF_MODE, dir_fd=folder)
                os.fsync(folder)
        self._known[path.rpartition("/")[0]] = True

    @contextmanager
    def _doing(self, what: str, path: str, *, gone_is: type[ChannelError] = Refused) -> Iterator[None]:
        with _doing(what, self._at(path), gone_is=gone_is):
            yield

    def _at(self, path: str) -> str:
        return f"{shown(path, most=1000)} below {self._settings.path}"


def _outcome(act: Callable[P, T], *asked: P.args, **how: P.kwargs) -> T | Exception:
    try:
        return act(*asked, **how)
    except ChannelError as error:
        return error


@contextmanager
def _doing(what: str, path: str, *, gone_is: type[ChannelError] = Refused) -> Iterator[None]:
    """Translate the errors of our calls on the bank's folder; never those of the reader or writer at this end."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        kind = gone_is if number == errno.ENOENT else Refused if number in NOT_FOR_US else NotDelivered
        raise kind(f"Could not {what} {path}: {error.strerror or error}. {ADVICE.get(number, '')}".strip()) from error


def walk(root: int, steps: list[bytes]) -> int:
    """Open one folder after the other, each from the one before; no links, no way up."""
    opened = os.dup(root)
    for step in steps:
        if not is_plain(step):
            os.close(opened)
            raise Refused(f"{shown(text_of(step))!r} is no step of a path below the bank's folder.")
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(step, flags, dir_fd=opened)
        finally:
            os.close(opened)
        opened = inner
    return opened


def _lstat(name: bytes, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _regular_files(opened: int, folder: str) -> Iterator[tuple[bytes, os.stat_result]]:
    with os.scandir(opened) as entries:
        for count, entry in enumerate(entries, start=1):
            if count > MAX_NAMES:
                raise Refused(f"{folder} holds more than {MAX_NAMES} names. Have old files cleared away.")
            found = _lstat(raw := os.fsencode(entry.name), opened)
            if found is not None and stat.S_ISREG(found.st_mode):
                yield raw, found


def _remote_file(folder: str, raw: bytes, found: os.stat_result) -> RemoteFile:
    return RemoteFile(folder=folder, name=text_of(raw), size=found.st_size, modified=int(found.st_mtime))


def _write_whole(file: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(file, rest) :]
