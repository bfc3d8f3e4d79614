"""The single requests that a probe makes, each answered in a Word; nothing is raised but Broken.

Each file is made new (never over another one) and is closed when it is written. Nothing is removed but what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from h2h.channels.facts import Disk, Limits, Outcome, Server, Word
from h2h.channels.names import bytes_of, shown
from h2h.channels.sftp import POSIX_RENAME, SftpChannel
from h2h.channels.sftp_blocks import FSYNC
from h2h.channels.sftp_wire import LIMITS, OPEN_NEW, Answered, Code, Garbled, Kind, Lost, Wire, string, u32, u64

T = TypeVar("T")
OPEN_WRITE = 0x02
STATVFS = b"statvfs@openssh.com"
NO: dict[int, Outcome] = {
    Code.NO_SUCH_FILE: Outcome.ABSENT,
    Code.PERMISSION_DENIED: Outcome.REFUSED,
    Code.OP_UNSUPPORTED: Outcome.REFUSED,
}


class Broken(Exception):
    """The session ended in the middle of a request: nobody knows what became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The `word` on its last `step`. `seen`: what was told of the open file; None where it was not `made`."""

    word: Word
    step: str
    made: bool
    seen: Word | None = None


class Hands(Protocol):
    plain: str
    """What renames and never replaces, in words."""
    over: str
    """What renames and replaces."""

    @property
    def posix(self) -> bool:
        """Whether there is a rename that replaces."""

    def server(self) -> Server | None: ...

    def look(self, path: str) -> Word: ...

    def folder(self, path: str) -> Word: ...

    def writable(self, folder: str) -> bool | None:
        """Where that can be told without writing."""

    def disk(self, folder: str) -> Disk | None: ...

    def open(self, path: str) -> Word:
        """To write, without making it; closed again where it is there."""

    def write(self, path: str, data: bytes) -> Written: ...

    def rename(self, path: str, target: str, *, posix: bool) -> Word:
        """`posix`: over a file that is there; else never."""

    def remove(self, path: str) -> Word: ...


class SftpHands:
    plain, over = "the plain rename", "posix-rename"

    def __init__(self, channel: SftpChannel) -> None:
        self._wire: Wire = channel.wire
        self._channel = channel

    @property
    def posix(self) -> bool:
        return POSIX_RENAME in self._wire.extensions

    def server(self) -> Server:
        banner = self._channel.banner
        names = sorted(shown(name.decode("utf-8", "replace")) for name in self._wire.extensions)
        return Server(banner=shown(banner, most=500), extensions=names, limits=self._limits())

    def look(self, path: str) -> Word:
        return self._attributes(Kind.LSTAT, path)

    def folder(self, path: str) -> Word:
        return self._attributes(Kind.STAT, path)

    def writable(self, folder: str) -> bool | None:
        return None

    def disk(self, folder: str) -> Disk | None:
        told = self._extended(STATVFS, 11, _path(folder))
        return Disk(number=told[8], free_bytes=told[1] * told[4]) if told else None

    def open(self, path: str) -> Word:
        word, handle = self._asked(lambda: self._wire.ask(Kind.OPEN, _path(path), u32(OPEN_WRITE), u32(0)).handle())
        if handle is not None:
            self._done(Kind.CLOSE, string(handle))
        return word

    def write(self, path: str, data: bytes) -> Written:
        word, handle = self._asked(lambda: self._wire.ask(Kind.OPEN, _path(path), u32(OPEN_NEW), u32(0)).handle())
        if handle is None:
            return Written(word=word, step="make it", made=False)
        word = self._done(Kind.WRITE, string(handle), u64(0), u32(len(data)), data)
        step = "write to it"
        if word.done and FSYNC in self._wire.extensions:
            step, word = "sync it", self._done(Kind.EXTENDED, string(FSYNC), string(handle))
        seen = self._attributes(Kind.FSTAT, handle)
        closed = self._done(Kind.CLOSE, string(handle))
        if word.done:
            step, word = "close it", closed
        return Written(word=word, step=step, made=True, seen=seen)

    def rename(self, path: str, target: str, *, posix: bool) -> Word:
        if posix:
            return self._done(Kind.EXTENDED, string(POSIX_RENAME), _path(path), _path(target))
        return self._done(Kind.RENAME, _path(path), _path(target))

    def remove(self, path: str) -> Word:
        return self._done(Kind.REMOVE, _path(path))

    def _limits(self) -> Limits | None:
        told = self._extended(LIMITS, 4)
        return Limits(packet=told[0], read=told[1], write=told[2], handles=told[3]) if told else None

    def _extended(self, name: bytes, count: int, *fields: bytes) -> list[int] | None:
        """So many numbers of the reply; None where the server does not offer it, or does not tell."""
        if name not in self._wire.extensions:
            return None
        try:
            reply = self._wire.ask(Kind.EXTENDED, string(name), *fields)
            return [reply.u64() for _ in range(count)] if reply.kind == Kind.EXTENDED_REPLY else None
        except (Lost, Garbled) as error:
            raise Broken(str(error)) from error

    def _attributes(self, kind: Kind, what: str | bytes) -> Word:
        field = string(what) if isinstance(what, bytes) else _path(what)
        word, found = self._asked(lambda: self._wire.ask(kind, field).attributes())
        return word if found is None else Word(outcome=Outcome.DONE, size=found.size, modified=found.modified)

    def _done(self, kind: Kind, *fields: bytes) -> Word:
        word, text = self._asked(lambda: self._wire.ask(kind, *fields).done())
        return word if text is None else Word(outcome=Outcome.DONE, text=shown(text))

    def _asked(self, ask: Callable[[], T]) -> tuple[Word, T | None]:
        try:
            return Word(outcome=Outcome.DONE), ask()
        except Answered as error:
            words = f' "{shown(error.text)}"' if error.text else ""
            return Word(outcome=NO.get(error.code, Outcome.FAILED), text=f"code {error.code}{words}"), None
        except (Lost, Garbled) as error:
            raise Broken(shown(str(error)) or "the connection was lost") from error


def _path(path: str) -> bytes:
    return string(bytes_of(path))
