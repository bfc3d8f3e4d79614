"""SFTP version 3 on a byte stream: requests, replies, and many of either under way at a time. Knows no banks.

Written here, on paramiko's public Channel, because paramiko's own client loses what the gateway must know: it drops
the list of extensions and the status codes, takes a cut reply for "OK" (it pads with zeros), fails on names that are
not UTF-8, and has no bound for a reply's size.

    Lost       the stream ended or broke        Garbled    the server does not speak SFTP as it should
    TimedOut   ... or nothing came in time      Answered   the server said no: code and words

After Lost and Garbled the wire is of no use: a late reply must never be taken for the answer to a later question.
Draft: draft-ietf-secsh-filexfer-02.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from paramiko.ssh_exception import SSHException

BLOCK = 32_640  # asked for, or written, in one request: every server takes it, and with it fills one SSH packet
LARGE_BLOCK = 130_752  # the same for four, where the server says that it takes so much
SEND = 64 * 1024  # bytes of requests that leave together, unless somebody waits for a reply before
RECEIVE = 1 << 20  # bytes taken from the stream at once at most
MAX_PACKET = 256 * 1024  # the bound of OpenSSH
LIMITS = b"limits@openssh.com"


class Kind(IntEnum):
    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


OPEN_READ = 0x01
OPEN_NEW = 0x02 | 0x08 | 0x20  # write, create, fail if it exists


class Lost(Exception):
    pass


class TimedOut(Lost):
    pass


class Garbled(Exception):
    pass


class Answered(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Stream(Protocol):
    def sendall(self, data: bytes, /) -> object: ...
    def recv(self, count: int, /) -> bytes | memoryview: ...
    def settimeout(self, seconds: float, /) -> None: ...
    @property
    def closed(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    size: int | None
    mode: int | None
    modified: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    name: bytes
    long_name: bytes
    attributes: Attributes


class Reply:
    """One reply, read from left to right; reading past its end is Garbled, never a zero.

    `order`: how many replies of the session had come when it came.
    """

    def __init__(self, kind: int, body: bytes | memoryview) -> None:
        self.kind = kind
        self.order = 0
        self._body = memoryview(body)
        self._at = 0

    def done(self) -> str:
        """The words of a plain OK; anything else raises."""
        self._expect(Kind.STATUS)
        code, text = self._status()
        if code != Code.OK:
            raise Answered(code, text)
        return text

    def handle(self) -> bytes:
        self._expect(Kind.HANDLE)
        return self.string()

    def attributes(self) -> Attributes:
        self._expect(Kind.ATTRS)
        return self._attributes()

    def data(self) -> memoryview | None:
        """The bytes read; None at the end of the file."""
        if self._is_end():
            return None
        self._expect(Kind.DATA)
        return self._view(self.u32())

    def listed(self) -> list[Listed] | None:
        """The next names of a folder; None at its end."""
        if self._is_end():
            return None
        self._expect(Kind.NAME)
        return [self._listed() for _ in range(self.u32())]

    def limits(self) -> tuple[int, int]:
        """The most bytes to read and to write in one request; 0 where none is told."""
        if self.kind != Kind.EXTENDED_REPLY:
            return 0, 0
        self.u64()
        return self.u64(), self.u64()

    def u32(self) -> int:
        return int.from_bytes(self._take(4))

    def u64(self) -> int:
        return int.from_bytes(self._take(8))

    def string(self) -> bytes:
        return self._take(self.u32())

    def more(self) -> bool:
        return self._at < len(self._body)

    def _take(self, count: int) -> bytes:
        return bytes(self._view(count))

    def _view(self, count: int) -> memoryview:
        piece = self._body[self._at : self._at + count]
        if len(piece) < count:
            raise Garbled(f"a reply of kind {self.kind} ends too early")
        self._at += count
        return piece

    def _status(self) -> tuple[int, str]:
        code = self.u32()
        return code, self.string().decode("utf-8", "replace") if self.more() else ""

    def _is_end(self) -> bool:
        if self.kind != Kind.STATUS:
            return False
        code, text = self._status()
        if code != Code.EOF:
            raise Answered(code, text) if code != Code.OK else Garbled("an OK where data was due")
        return True

    def _expect(self, kind: Kind) -> None:
        if self.kind == kind:
            return
        if self.kind == Kind.STATUS:
            raise Answered(*self._status())
        raise Garbled(f"a reply of kind {self.kind} came where {kind.name} was due")

    def _listed(self) -> Listed:
        return Listed(name=self.string(), long_name=self.string(), attributes=self._attributes())

    def _attributes(self) -> Attributes:
        flags = self.u32()
        size = self.u64() if flags & 0x1 else None
        if flags & 0x2:
            self._take(8)  # owner and group
        mode = self.u32() if flags & 0x4 else None
        times = (self.u32(), self.u32()) if flags & 0x8 else None
        for _ in range(self.u32() if flags & 0x80000000 else 0):
            self.string(), self.string()
        return Attributes(size=size, mode=mode, modified=times[1] if times else None)


class Wire:
    """An SFTP session. `timeout_seconds` bounds the wait for each reply as a whole. One thread at a time."""

    def __init__(self, stream: Stream, *, timeout_seconds: float) -> None:
        self._stream = stream
        self._timeout = timeout_seconds
        self._number = 0
        self._replies = 0
        self._open: set[int] = set()
        self._asked: list[int] = []  # what has not left yet
        self._early: dict[int, Reply] = {}
        self._came: deque[memoryview] = deque()
        self._there = 0  # bytes in it
        self._going: list[bytes] = []
        self._waiting = 0  # bytes in it
        self.read_block = self.write_block = BLOCK
        self.extensions = self._greet()
        self._limits = self._ask_limits() if LIMITS in self.extensions else None

    def ask(self, kind: Kind, *fields: bytes) -> Reply:
        """One request and its reply; replies still due to earlier requests are read first and dropped."""
        self.drain()
        return self.reply_to(self.send(kind, *fields))

    def send(self, kind: Kind, *fields: bytes) -> int:
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._asked.append(self._number)
        self._send(kind, u32(self._number), *fields)
        return self._number

    @property
    def usable(self) -> bool:
        return not self._stream.closed

    def reply_to(self, number: int) -> Reply:
        while number not in self._early:
            came, reply = self._receive()
            self._early[came] = reply
        return self._early.pop(number)

    def drain(self) -> None:
        self.flush()
        while self._open:
            self._receive()
        self._early.clear()

    def _greet(self) -> frozenset[bytes]:
        self._send(Kind.INIT, u32(3))
        reply = self._packet()
        if reply.kind != Kind.VERSION:
            raise Garbled("the server did not answer with its SFTP version")
        version = reply.u32()
        if version != 3:
            raise Garbled(f"the server wants SFTP version {version}; version 3 was offered")
        names = set()
        while reply.more():
            names.add(reply.string())
            reply.string()
        return frozenset(names)

    def _ask_limits(self) -> int:
        """Nobody waits for the answer: it costs no round trip, and is noted when it comes."""
        self._number += 1
        self._send(Kind.EXTENDED, u32(self._number), string(LIMITS))
        self.flush()
        return self._number

    def _receive(self) -> tuple[int, Reply]:
        number, reply = self._numbered()
        if number == self._limits:
            self._limits = None
            self._note(*reply.limits())
            number, reply = self._numbered()
        if number not in self._open:
            raise Garbled(f"a reply to request {number}, which is not open")
        self._open.remove(number)
        self._replies += 1
        reply.order = self._replies
        return number, reply

    def _note(self, most_read: int, most_written: int) -> None:
        self.read_block = LARGE_BLOCK if most_read >= LARGE_BLOCK else BLOCK
        self.write_block = LARGE_BLOCK if most_written >= LARGE_BLOCK else BLOCK

    def _numbered(self) -> tuple[int, Reply]:
        reply = self._packet()
        return reply.u32(), reply

    def _packet(self) -> Reply:
        deadline = time.monotonic() + self._timeout
        length = int.from_bytes(self._exactly(4, deadline))
        if not 1 <= length <= MAX_PACKET:
            raise Garbled(f"a reply of {length} bytes; 1 to {MAX_PACKET} are possible")
        packet = self._exactly(length, deadline)
        return Reply(packet[0], memoryview(packet)[1:])

    def _exactly(self, count: int, deadline: float) -> bytes:
        if self._there < count:
            self.flush()
        while self._there < count:
            self._came.append(memoryview(self._recv(RECEIVE, deadline - time.monotonic())))
            self._there += len(self._came[-1])
        self._there -= count
        pieces: list[memoryview] = []
        while count:
            piece = self._came.popleft()
            if len(piece) > count:
                self._came.appendleft(piece[count:])
                piece = piece[:count]
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _recv(self, count: int, seconds: float) -> bytes | memoryview:
        try:
            self._stream.settimeout(max(seconds, 0.001))
            piece = self._stream.recv(count)
        except TimeoutError as error:
            raise TimedOut("no answer in time") from error
        except (OSError, EOFError, SSHException) as error:
            raise Lost(str(error) or "the connection broke") from error
        if not piece:
            raise Lost("the server closed the connection")
        return piece

    def _send(self, kind: Kind, *fields: bytes) -> None:
        length = 1 + sum(map(len, fields))
        self._going += (struct.pack(">IB", length, kind), *fields)
        self._waiting += length
        if self._waiting >= SEND:
            self.flush()

    def flush(self) -> None:
        """Let what was sent leave now. Whoever waits for a reply need not ask for it."""
        if not self._going:
            return
        going, self._going, self._waiting = b"".join(self._going), [], 0
        self._open.update(self._asked)  # a reply that came before would be to nothing
        self._asked.clear()
        try:
            self._stream.settimeout(self._timeout)
            self._stream.sendall(going)
        except TimeoutError as error:
            raise TimedOut("the server stopped reading") from error
        except (OSError, EOFError, SSHException) as error:
            raise Lost(str(error) or "the connection broke") from error


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


def u64(number: int) -> bytes:
    return struct.pack(">Q", number)


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
