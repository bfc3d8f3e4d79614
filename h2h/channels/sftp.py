"""A bank reached by SFTP. Every reply is read; what is not a clear "done" is an error that says what the bank may have.

    stage    open (create, exclusive) -> writes -> fsync, where offered -> size of the open handle -> close, each OK
    publish  posix-rename, where offered (one step, replaces), else rename; exclusive: rename, which does not replace
    place    as stage, under the final name
    fetch    size of the open handle = size listed, then read to the very end

After a time-out or a broken reply the session is closed: a late answer must not be taken for the next one.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import BinaryIO, Self, TypeVar

import paramiko

from h2h.channels import DOUBT, Made, Renaming, Upload, all_wanted, only, unwanted
from h2h.channels.names import bytes_of, is_name, joined, parent, shown, text_of
from h2h.channels.sftp_blocks import NOT_SHOWN, attributes_of, read_all, write_file
from h2h.channels.sftp_talks import AT_ONCE, Talk, together
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
T = TypeVar("T")
POSIX_RENAME = b"posix-rename@openssh.com"
NOT_FOR_US = (Code.NO_SUCH_FILE, Code.PERMISSION_DENIED, Code.OP_UNSUPPORTED)
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

    @property
    def wire(self) -> Wire:
        """For single requests that no method here is for."""
        return self._wire

    @property
    def banner(self) -> str:
        """What the server shows to whoever logs in."""
        return (self._transport.get_banner() or b"").decode("utf-8", "replace")

    def stage_many(self, uploads: Sequence[Upload], made: Made = all_wanted) -> Sequence[Staged | Exception]:
        opened = self._each("write", [(upload.path, self._create(upload.path)) for upload in uploads])
        begun = [(upload, handle) for upload, handle in zip(uploads, opened, strict=True) if isinstance(handle, bytes)]
        try:
            wanted = made([upload.path for upload, _ in begun]) if begun else ()
        except Exception:
            together(self._wire, [self._give_up(handle, upload.path) for upload, handle in begun])
            raise
        beside = min(len(begun), AT_ONCE)
        talks = [(up.path, self._stage(handle, up, beside, wanted=up.path in wanted)) for up, handle in begun]
        staged = iter(self._each("write", talks))
        return [next(staged) if isinstance(handle, bytes) else handle for handle in opened]

    def place(self, path: str, source: BinaryIO) -> Receipt:
        try:
            size = only(self._each("write", [(path, self._place(path, source))]))
        except ChannelError as error:
            raise Unknown(f"{error} {DOUBT}") from error
        return Receipt(path=path, answer=f"{size} bytes written", at=self._now(), how="written")

    @property
    def replaces(self) -> bool:
        return POSIX_RENAME in self._wire.extensions

    def publish_many(self, renamings: Sequence[Renaming]) -> Sequence[Receipt | Exception]:
        asked = [(f"{one.staged.path} to {one.path}", self._rename(one)) for one in renamings]
        return [_as_published(outcome) for outcome in self._each("rename", asked)]

    def look_many(self, paths: Sequence[str]) -> Sequence[Look | Exception]:
        """A file is gone only from a folder that is there: one that is not mounted tells nothing."""
        seen = self._each("look at", [(path, self._lstat(path)) for path in paths])
        unseen = [path for path, look in zip(paths, seen, strict=True) if isinstance(look, Look) and not _there(look)]
        folders = list(dict.fromkeys(map(parent, unseen)))
        known = dict(zip(folders, together(self._wire, list(map(self._folder_there, folders))), strict=True))
        return [
            self._not_seen(path, look, known[parent(path)]) if isinstance(look, Look) and not _there(look) else look
            for path, look in zip(paths, seen, strict=True)
        ]

    def look(self, path: str) -> Look:
        return only(self.look_many([path]))

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
                now = attributes_of(self._wire.ask(Kind.FSTAT, string(handle)))
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

    def _each(self, what: str, talks: Sequence[tuple[str, Talk[T]]]) -> Sequence[T | Exception]:
        """The outcome of each talk about a path, wire errors translated."""
        outcomes = together(self._wire, [talk for _, talk in talks])
        return [self._told(what, path, outcome) for (path, _), outcome in zip(talks, outcomes, strict=True)]

    def _told(self, what: str, path: str, outcome: T | Exception) -> T | Exception:
        if not isinstance(outcome, Answered | Lost | Garbled):
            return outcome
        error = self._translated(outcome, what, path)
        error.__cause__ = outcome
        return error

    @contextmanager
    def _doing(self, what: str, path: str, *, gone_is: type[ChannelError] = Refused) -> Iterator[None]:
        """Translate what the wire raises; the reader's or writer's own errors at this end pass through."""
        try:
            yield
        except (Answered, Lost, Garbled) as error:
            raise self._translated(error, what, path, gone_is=gone_is) from error

    def _translated(
        self, error: Answered | Lost | Garbled, what: str, path: str, *, gone_is: type[ChannelError] = Refused
    ) -> ChannelError:
        """In the words of the channel; a session that broke is closed."""
        tried = f"{self._settings.host}:{self._settings.port}: could not {what} {shown(path, most=1000)}"
        if isinstance(error, Answered):
            kind = gone_is if error.code == Code.NO_SUCH_FILE else Refused if error.code in NOT_FOR_US else NotDelivered
            return kind(f"{tried}. {ADVICE.get(error.code, 'The server said no.')}{_quoted(error)}")
        self._transport.close()
        if isinstance(error, TimedOut):
            seconds = self._settings.operation_timeout.total_seconds()
            return NotDelivered(f"{tried}: {error} ({seconds:g} s). The session was closed.")
        if isinstance(error, Lost):
            return NotDelivered(f"{tried}: the connection was lost ({shown(str(error))}).")
        return NotDelivered(f"{tried}: the server broke the rules of SFTP ({error}).")

    def _at(self, path: str) -> str:
        return f"{self._settings.host}:{self._settings.port} {shown(path, most=1000)}"

    # Talks: each asks for something and waits for the reply, while others do the same.

    def _create(self, path: str) -> Talk[bytes]:
        return (yield self._wire.send(Kind.OPEN, _path(path), u32(OPEN_NEW), u32(0))).handle()

    def _stage(self, handle: bytes, upload: Upload, beside: int, *, wanted: bool) -> Talk[Staged]:
        try:
            if not wanted:
                raise unwanted(self._at(upload.path))
            size = yield from write_file(self._wire, handle, upload.opened, self._at(upload.path), beside)
        except (Lost, Garbled):
            raise
        except Exception:
            yield from self._give_up(handle, upload.path)
            raise
        return Staged(path=upload.path, size=size)

    def _place(self, path: str, source: BinaryIO) -> Talk[int]:
        handle = yield from self._create(path)
        return (yield from write_file(self._wire, handle, lambda: nullcontext(source), self._at(path)))

    def _give_up(self, handle: bytes, path: str) -> Talk[None]:
        """Remove what was staged, if that can be done; the error under way is the one that counts."""
        try:
            for kind, field in ((Kind.CLOSE, string(handle)), (Kind.REMOVE, _path(path))):
                with suppress(Answered):
                    (yield self._wire.send(kind, field)).done()
        except (Lost, Garbled):
            self._transport.close()

    def _rename(self, asked: Renaming) -> Talk[Receipt]:
        names = _path(asked.staged.path) + _path(asked.path)
        how, answer = "posix-rename", None
        if self.replaces and not asked.exclusive:
            try:
                answer = (yield self._wire.send(Kind.EXTENDED, string(POSIX_RENAME), names)).done()
            except Answered as error:
                if error.code != Code.OP_UNSUPPORTED:  # which means: nothing was done
                    raise
        if answer is None:
            how, answer = "rename", (yield self._wire.send(Kind.RENAME, names)).done()
        return Receipt(path=asked.path, answer=shown(answer) or "OK", at=self._now(), how=how)

    def _lstat(self, path: str) -> Talk[Look]:
        """Where the server does not show it, GONE is what it says alone: see `_not_seen`."""
        try:
            found = (yield self._wire.send(Kind.LSTAT, _path(path))).attributes()
        except Answered as error:
            if error.code not in (Code.NO_SUCH_FILE, *NOT_SHOWN, Code.FAILURE):
                raise
            return Look(presence=Presence.GONE if error.code == Code.NO_SUCH_FILE else Presence.HIDDEN)
        return Look(presence=Presence.THERE, size=found.size, modified=found.modified)

    def _not_seen(self, path: str, look: Look, folder: bool | Exception) -> Look | Exception:
        """`folder`: whether the one that it is in can be seen to be there."""
        if isinstance(folder, Exception):
            return self._told("look at", path, folder)
        return Look(presence=look.presence if folder else Presence.HIDDEN, folder_there=folder)

    def _folder_there(self, folder: str) -> Talk[bool]:
        """Whether a folder can be seen, or opened, to be there; Refused where the server says that it is not."""
        for seen in (self._stat, self._opened):
            try:
                yield from seen(folder)
            except Answered as error:
                if error.code == Code.NO_SUCH_FILE:
                    raise Refused(f"{self._at(folder)} is not there, so nothing is known about its files.") from error
            else:
                return True
        return False

    def _stat(self, folder: str) -> Talk[None]:
        (yield self._wire.send(Kind.STAT, _path(folder))).attributes()

    def _opened(self, folder: str) -> Talk[None]:
        """Some servers look at the folder only when the first names are asked for."""
        handle = (yield self._wire.send(Kind.OPENDIR, _path(folder))).handle()
        names = yield self._wire.send(Kind.READDIR, string(handle))
        with suppress(Answered):
            (yield self._wire.send(Kind.CLOSE, string(handle))).done()
        names.listed()

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


def _as_published(outcome: Receipt | Exception) -> Receipt | Exception:
    """Anything but "done" leaves a doubt; "no such file" says something of the temporary one."""
    if not isinstance(outcome, ChannelError):
        return outcome
    cause = outcome.__cause__
    missing = isinstance(cause, Answered) and cause.code == Code.NO_SUCH_FILE
    error = (TemporaryGone if missing else Unknown)(f"{outcome} {DOUBT}")
    error.__cause__ = outcome
    return error


def _there(look: Look) -> bool:
    return look.presence is Presence.THERE


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
