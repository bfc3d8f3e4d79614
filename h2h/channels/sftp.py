"""A bank reached by SFTP. Every reply is read; what is not a clear "done" is an error that says what the bank may have.

    stage    open (create, exclusive) -> writes -> fsync, where offered -> size of the open handle -> close, each OK
    publish  posix-rename, where offered (one step, replaces), else rename; exclusive: rename, which does not replace
    place    as stage, under the final name
    fetch    size of the open handle = size listed, then read to the very end

After a time-out or a broken reply the session is closed: a late answer must not be taken for the next one.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO, Self

import paramiko

from h2h.channels import DOUBT, nobody
from h2h.channels.names import bytes_of, is_name, joined, parent, shown, text_of
from h2h.channels.sftp_blocks import read_all, write_all
from h2h.channels.sftp_wire import (
    OPEN_NEW,
    OPEN_READ,
    Answered,
    Attributes,
    Code,
    Garbled,
    Kind,
    Listed,
    Lost,
    TimedOut,
    Wire,
    string,
    u32,
)
from h2h.channels.ssh import open_wire
from h2h.config import SftpSettings
from h2h.errors import ChannelError, NotDelivered, Refused, TemporaryGone, Unknown
from h2h.model import Look, Presence, Receipt, RemoteFile, Staged

MAX_NAMES = 100_000  # in one folder; more is Refused, because a part of a listing looks like a whole one
POSIX_RENAME = b"posix-rename@openssh.com"
FSYNC = b"fsync@openssh.com"
NOT_FOR_US = (Code.NO_SUCH_FILE, Code.PERMISSION_DENIED, Code.OP_UNSUPPORTED)
NOT_SHOWN = (Code.PERMISSION_DENIED, Code.OP_UNSUPPORTED)
ADVICE: dict[int, str] = {
    Code.NO_SUCH_FILE: "The server has no such file or folder. Compare the folder names of this bank with its guide.",
    Code.PERMISSION_DENIED: "The server does not permit it. Ask the bank for the rights of this user.",
    Code.OP_UNSUPPORTED: "The server does not know this operation. Compare the settings of this bank with its guide.",
    Code.FAILURE: "The server does not say why: a full disk, a quota, or a name that exists already.",
}


def open_sftp(
    settings: SftpSettings, *, passphrase: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> SftpChannel:
    """Connect, check the host key, log in. Raises NotDelivered or Refused."""
    transport, wire = open_wire(settings, passphrase=passphrase)
    return SftpChannel(settings, transport, wire, now)


class SftpChannel:
    """See h2h.channels.Channel. For one thread at a time."""

    def __init__(
        self, settings: SftpSettings, transport: paramiko.Transport, wire: Wire, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._wire = wire
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._transport.close()

    def alive(self) -> bool:
        return self._transport.is_active() and self._wire.usable

    def stage(self, path: str, source: BinaryIO, made: Callable[[], None] = nobody) -> Staged:
        with self._doing("write", path):
            handle = self._create(path)
            try:
                made()
                size = self._fill(handle, path, source)
            except (Lost, Garbled):
                raise
            except Exception:
                self._give_up(handle, path)
                raise
        return Staged(path=path, size=size)

    def place(self, path: str, source: BinaryIO) -> Receipt:
        try:
            with self._doing("write", path):
                size = self._fill(self._create(path), path, source)
        except ChannelError as error:
            raise Unknown(f"{error} {DOUBT}") from error
        return Receipt(path=path, answer=f"{size} bytes written", at=self._now(), how="written")

    @property
    def replaces(self) -> bool:
        return POSIX_RENAME in self._wire.extensions

    def publish(self, staged: Staged, path: str, *, exclusive: bool = False) -> Receipt:
        try:
            with self._doing("rename", f"{staged.path} to {path}"):
                how, answer = self._rename(_path(staged.path) + _path(path), exclusive=exclusive)
        except ChannelError as error:
            cause = error.__cause__
            missing = isinstance(cause, Answered) and cause.code == Code.NO_SUCH_FILE
            doubt = TemporaryGone if missing else Unknown
            raise doubt(f"{error} {DOUBT}") from error
        return Receipt(path=path, answer=shown(answer) or "OK", at=self._now(), how=how)

    def look(self, path: str) -> Look:
        with self._doing("look at", path):
            try:
                found = self._wire.ask(Kind.LSTAT, _path(path)).attributes()
            except Answered as error:
                return self._not_seen(path, error)
        return Look(presence=Presence.THERE, size=found.size, modified=found.modified)

    def list(self, folder: str) -> list[RemoteFile]:
        with self._doing("list the folder", folder):
            handle = self._wire.ask(Kind.OPENDIR, _path(folder)).handle()
            with self._closing(handle):
                entries = [entry for entry in self._entries(handle, folder) if _is_file(entry)]
            files = [self._remote_file(folder, entry) for entry in entries]
        return sorted(files, key=lambda file: file.name)

    def fetch(self, file: RemoteFile, sink: BinaryIO, start: int = 0) -> int:
        path = joined(file.folder, file.name)
        if not is_name(bytes_of(file.name)):
            raise Refused(f"{self._at(path)}: {shown(file.name)!r} is no name of a file. It is left alone.")
        with self._doing("read", path, gone_is=NotDelivered):
            handle = self._wire.ask(Kind.OPEN, _path(path), u32(OPEN_READ), u32(0)).handle()
            with self._closing(handle):
                now = self._seen(self._wire.send(Kind.FSTAT, string(handle)))
                if start:
                    self._same(path, file, now)
                size = read_all(self._wire, handle, file.size + 1, sink, start)
                self._whole(path, size, file.size)
                self._whole(path, size if now.size is None else now.size, file.size)
        return size

    def discard(self, path: str) -> None:
        with self._doing("remove", path):
            try:
                self._wire.ask(Kind.REMOVE, _path(path)).done()
            except Answered as error:
                if error.code != Code.NO_SUCH_FILE:
                    raise

    def move(self, path: str, target: str) -> None:
        if self.look(target).presence is Presence.THERE:
            if self.look(path).presence is Presence.GONE:
                return
            raise Refused(f"{self._at(target)} exists already, so {path} was not moved there. Nothing was overwritten.")
        with self._doing("move", f"{path} to {target}"):
            try:
                self._wire.ask(Kind.RENAME, _path(path), _path(target)).done()
            except Answered:
                if self.look(path).presence is not Presence.GONE:
                    raise

    @contextmanager
    def _doing(self, what: str, path: str, *, gone_is: type[ChannelError] = Refused) -> Iterator[None]:
        """Translate what the wire raises; the reader's or writer's own errors at this end pass through."""
        tried = f"{self._settings.host}:{self._settings.port}: could not {what} {shown(path, most=1000)}"
        try:
            yield
        except Answered as error:
            kind = gone_is if error.code == Code.NO_SUCH_FILE else Refused if error.code in NOT_FOR_US else NotDelivered
            raise kind(f"{tried}. {ADVICE.get(error.code, 'The server said no.')}{_quoted(error)}") from error
        except TimedOut as error:
            self._transport.close()
            seconds = self._settings.operation_timeout.total_seconds()
            raise NotDelivered(f"{tried}: {error} ({seconds:g} s). The session was closed.") from error
        except Lost as error:
            self._transport.close()
            raise NotDelivered(f"{tried}: the connection was lost ({shown(str(error))}).") from error
        except Garbled as error:
            self._transport.close()
            raise NotDelivered(f"{tried}: the server broke the rules of SFTP ({error}).") from error

    def _at(self, path: str) -> str:
        return f"{self._settings.host}:{self._settings.port} {shown(path, most=1000)}"

    def _create(self, path: str) -> bytes:
        return self._wire.ask(Kind.OPEN, _path(path), u32(OPEN_NEW), u32(0)).handle()

    def _fill(self, handle: bytes, path: str, source: BinaryIO) -> int:
        """Write, sync, check the size and close; the number of bytes.

        Sync and size are asked for behind the last block, which saves two round trips; a server has to answer what
        is asked of one file in its order. Where one does not, they are asked for once more. Only a file that is
        found whole is closed: for some banks that is the sign to take it.
        """
        size, (sync, seen) = write_all(self._wire, handle, source, lambda: self._ask_behind(handle))
        if sync is not None and not self._synced(sync):
            self._synced(self._wire.send(Kind.EXTENDED, string(FSYNC), string(handle)))
        found = self._seen(seen).size
        if found not in (None, size):
            found = self._seen(self._wire.send(Kind.FSTAT, string(handle))).size
        if found not in (None, size):
            raise NotDelivered(f"{self._at(path)} has {found} bytes after {size} were written and confirmed.")
        self._wire.ask(Kind.CLOSE, string(handle)).done()
        return size

    def _ask_behind(self, handle: bytes) -> tuple[int | None, int]:
        offered = FSYNC in self._wire.extensions
        sync = self._wire.send(Kind.EXTENDED, string(FSYNC), string(handle)) if offered else None
        return sync, self._wire.send(Kind.FSTAT, string(handle))

    def _synced(self, sync: int) -> bool:
        """Read the answer. False where it came before that to a write, and tells nothing of what it wrote."""
        early = self._wire.came(sync)
        try:
            self._wire.reply_to(sync).done()
        except Answered as error:
            if error.code != Code.OP_UNSUPPORTED:
                raise
            return True
        return not early

    def _seen(self, asked: int) -> Attributes:
        """The answer to FSTAT; nothing in it where the server does not tell."""
        try:
            return self._wire.reply_to(asked).attributes()
        except Answered as error:
            if error.code not in NOT_SHOWN:
                raise
            return Attributes(size=None, mode=None, modified=None)

    def _give_up(self, handle: bytes, path: str) -> None:
        """Remove what was staged, if that can be done; the error under way is the one that counts."""
        self._quietly(Kind.CLOSE, string(handle))
        self._quietly(Kind.REMOVE, _path(path))

    @contextmanager
    def _closing(self, handle: bytes) -> Iterator[None]:
        """Close a handle that was only read from, so that the reply does not count."""
        try:
            yield
        except (Lost, Garbled):
            raise
        except Exception:
            self._quietly(Kind.CLOSE, string(handle))
            raise
        self._quietly(Kind.CLOSE, string(handle))

    def _quietly(self, kind: Kind, *fields: bytes) -> None:
        """Ask for something whose outcome changes nothing; a broken session is closed all the same."""
        try:
            with suppress(Answered):
                self._wire.ask(kind, *fields).done()
        except (Lost, Garbled):
            self._transport.close()

    def _rename(self, names: bytes, *, exclusive: bool) -> tuple[str, str]:
        if self.replaces and not exclusive:
            try:
                return "posix-rename", self._wire.ask(Kind.EXTENDED, string(POSIX_RENAME), names).done()
            except Answered as error:
                if error.code != Code.OP_UNSUPPORTED:  # which means: nothing was done
                    raise
        return "rename", self._wire.ask(Kind.RENAME, names).done()

    def _not_seen(self, path: str, error: Answered) -> Look:
        """A file is gone only from a folder that is there: one that is not mounted tells nothing."""
        if error.code not in (Code.NO_SUCH_FILE, *NOT_SHOWN, Code.FAILURE):
            raise error
        there = self._folder_there(parent(path))
        gone = error.code == Code.NO_SUCH_FILE and there
        return Look(presence=Presence.GONE if gone else Presence.HIDDEN, folder_there=there)

    def _folder_there(self, folder: str) -> bool:
        """Whether a folder can be seen, or opened, to be there; Refused where the server says that it is not."""
        for seen in (self._stat, self._opened):
            try:
                seen(folder)
            except Answered as error:
                if error.code == Code.NO_SUCH_FILE:
                    raise Refused(f"{self._at(folder)} is not there, so nothing is known about its files.") from error
            else:
                return True
        return False

    def _stat(self, folder: str) -> None:
        self._wire.ask(Kind.STAT, _path(folder)).attributes()

    def _opened(self, folder: str) -> None:
        """Some servers look at the folder only when the first names are asked for."""
        handle = self._wire.ask(Kind.OPENDIR, _path(folder)).handle()
        with self._closing(handle):
            self._wire.ask(Kind.READDIR, string(handle)).listed()

    def _entries(self, handle: bytes, folder: str) -> Iterator[Listed]:
        count = 0
        while (names := self._wire.ask(Kind.READDIR, string(handle)).listed()) is not None:
            count += len(names)
            if count > MAX_NAMES:
                raise Refused(f"{self._at(folder)} holds more than {MAX_NAMES} names. Have old files cleared away.")
            yield from names

    def _remote_file(self, folder: str, entry: Listed) -> RemoteFile:
        attributes, name = entry.attributes, text_of(entry.name)
        size = attributes.size if is_name(entry.name) else 0
        if size is None:
            size = self._wire.ask(Kind.LSTAT, _path(joined(folder, name))).attributes().size
        if size is None:
            raise Refused(f"{self._at(folder)}: the server tells no sizes, so a whole file cannot be told from a part.")
        return RemoteFile(folder=folder, name=name, size=size, modified=attributes.modified)

    def _same(self, path: str, listed: RemoteFile, now: Attributes) -> None:
        """Nothing is added to the first part of a file unless it is seen to be the same file still."""
        if None in (now.size, now.modified) or (now.size, now.modified) != (listed.size, listed.modified):
            raise NotDelivered(f"{self._at(path)} may have changed since its first part was read; it is read anew.")

    def _whole(self, path: str, size: int, listed: int) -> None:
        if size != listed:
            raise NotDelivered(
                f"{self._at(path)} was listed with {listed} bytes and now has {'more' if size > listed else size}: "
                "it is still being written, or was cut. It stays at the bank."
            )


def _path(path: str) -> bytes:
    assert "\0" not in path
    return string(bytes_of(path))


def _is_file(entry: Listed) -> bool:
    """A regular file; without a mode the first letter of the long name tells."""
    if entry.name in (b"", b".", b".."):
        return False
    if entry.attributes.mode is None:
        return entry.long_name[:1] not in (b"d", b"l", b"p", b"s", b"b", b"c")
    return stat.S_ISREG(entry.attributes.mode)


def _quoted(error: Answered) -> str:
    words = shown(error.text)
    return f' (code {error.code}: "{words}")' if words else f" (code {error.code})"
