"""The words between the gateway and a reader process: frames, each a batch of records of one type, as MessagePack.

A frame is the number of its type, its length, and a list of records of that type: frozen, of plain values.
Nothing else can be said, so nothing that comes from a reader process is ever run. What is too long, of no known type,
or not of its type, is Garbled.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from h2h.bank_rules import Asking
from h2h.columns import Columns, code_of
from h2h.confined.limits import Limits
from h2h.looked import Looked
from h2h.messages.catalog import MessageType
from h2h.messages.orders import Selection, Upgrade
from h2h.messages.refusal import Refusal
from h2h.model import Finding, Record
from h2h.soundness import is_sound

USUAL_FRAME = 1 << 15
MAX_FRAME = 32 << 20
BLOCK = 1 << 18  # of a file
ROOM = 2 * BLOCK  # bytes that may be on their way
ATTENTION = 4_096  # bytes; what a word costs, however short
_HEADER = struct.Struct("!BI")
_COUNT = struct.Struct("!BI")
_ARRAY, _BIN = 0xDD, 0xC6  # MessagePack: an array, or bytes, whose length follows in 32 bits
_ONE = struct.Struct("!BIBI")


class Garbled(Exception):
    """The other side said something that cannot be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The gateway's first word. `explains`: the namespace to explain refusals of, beside others; None for a reader."""

    rows: tuple[MessageType, ...]
    headers: tuple[MessageType, ...]
    limits: Limits
    explains: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything is loaded, and the limits are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file of so many bytes is to be read, its refusal to be explained, another one to be written from it, or the
    rules of a bank to be asked of it."""

    size: int
    strict: bool
    expected: tuple[str, ...] | None
    supplementary: tuple[str, ...] = ()
    refusal: Refusal | None = None
    selection: Selection | None = None
    upgrade: Upgrade | None = None
    asking: Asking | None = None
    look: bool = False  # at payments: they are told of as Looked

    @property
    def answers(self) -> tuple[type, ...]:
        """What may be said about it."""
        if self.look:
            return (Finding, Refusal, Looked, *get_args(Record))
        return (Finding, bytes) if self.selection or self.upgrade else (Finding, Refusal, Columns, *get_args(Record))


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """So many bytes of the file, from there on. The answer is a block of them; an empty one is the end of the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """All is said; or not, and the reader process ends: `limit` is what it came to, `fault` what it failed by.

    `why`: before it was handed a file, what is wrong with what it was set up with, for a person.
    """

    limit: str | None = None
    fault: str | None = None
    place: str = ""
    why: str = ""


TYPES: tuple[type, ...] = (Setup, Ready, Job, Want, bytes, Refusal, Done, Looked, Finding, *get_args(Record))
IN_COLUMNS = 0x80  # beside the number of a type
_BYTES = TYPES.index(bytes)


class Batch:
    """Records of one type on their way into a frame, each encoded as it is added: a large one is noticed at once.

    What comes in columns is one item.
    """

    def __init__(self) -> None:
        self.kind: int | None = None  # the number of the type
        self.count = 0
        self.body = bytearray()

    @property
    def size(self) -> int:
        return len(self.body)

    def fits(self, item: object) -> bool:
        return self.kind is None or (self.kind == _number(item) and self.size < USUAL_FRAME)

    def add(self, item: object) -> None:
        self.kind = _number(item)
        self.count += 1
        _ENCODER.encode_into(item.said() if isinstance(item, Columns) else item, self.body, -1)


def a_line() -> tuple[socket.socket, socket.socket]:
    """Both ends. What is sent waits in a room that is the same in both."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    return ends


class Wire:
    """One end of the line. Raises EOFError where the other end is gone, OSError, TimeoutError and Garbled."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._block = memoryview(bytearray(ROOM))
        self.received = 0  # bytes

    def send(self, item: object) -> None:
        batch = Batch()
        batch.add(item)
        self.send_batch(batch)

    def send_batch(self, batch: Batch) -> None:
        assert batch.kind is not None
        head = _HEADER.pack(batch.kind, _COUNT.size + batch.size) + _COUNT.pack(_ARRAY, batch.count)
        if (sent := self._line.sendmsg([head, batch.body])) < len(head) + batch.size:  # to send nothing may wait, too
            self._line.sendall(memoryview(head + batch.body)[sent:])

    def send_block(self, block: bytes) -> None:
        """As `send`, without a copy."""
        size = _ONE.size + len(block)
        head = _HEADER.pack(_BYTES, size) + _ONE.pack(_ARRAY, 1, _BIN, len(block))
        if (sent := self._line.sendmsg([head, block])) < len(head) + len(block):
            self._line.sendall(memoryview(head + block)[sent:])

    def receive_block(self) -> memoryview:
        """One frame that is a block: to be used before more is received."""
        number, length = self._head()
        if number != _BYTES:
            raise Garbled
        try:
            [block] = _VIEWS.decode(self._exactly(length))
        except (msgspec.MsgspecError, ValueError) as error:
            raise Garbled from error
        return block

    def _head(self) -> tuple[int, int]:
        number, length = _HEADER.unpack(self._exactly(_HEADER.size))
        if length > MAX_FRAME or number & ~IN_COLUMNS >= len(TYPES):
            raise Garbled
        return number, length

    def receive(self) -> list[Any]:
        """One frame."""
        number, length = self._head()
        try:
            items: list[Any] = _decoded(number, self._exactly(length))
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
            raise Garbled from error
        if not items or not all(map(is_sound, items)):
            raise Garbled
        return items

    def _exactly(self, size: int) -> memoryview:
        """To be used before more is received: what is of usual length stands in the same place each time."""
        block = self._block if size <= len(self._block) else memoryview(bytearray(size))
        filled = 0
        while filled < size:
            came = self._line.recv_into(block[filled:size])
            if not came:
                raise EOFError
            filled += came
        self.received += size
        return block[:size]

    def drain(self) -> None:
        """Take what comes until the other end is gone: it may be in the middle of a word, and must be heard out."""
        while self._line.recv(ATTENTION):
            pass

    def holds(self, size: int) -> bool:
        """Whether so much can be sent while the other end takes nothing: who waits to send hears nothing meanwhile."""
        room = self._line.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        return size + size // 2 <= room  # what the system needs beside it takes some of that

    def close(self) -> None:
        self._line.close()


def _number(item: object) -> int:
    return TYPES.index(item.kind) | IN_COLUMNS if isinstance(item, Columns) else TYPES.index(type(item))


def _decoded(number: int, content: memoryview) -> list[Any]:
    if not number & IN_COLUMNS:
        items: list[Any] = _DECODERS[number].decode(content)
        return items
    kind = TYPES[number & ~IN_COLUMNS]
    if kind not in get_args(Record):
        raise Garbled
    return code_of(kind).decode_many(content)


def _path(kind: type, value: object) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


_ENCODER = msgspec.msgpack.Encoder(enc_hook=str)
_DECODERS = [msgspec.msgpack.Decoder(list[kind], dec_hook=_path) for kind in TYPES]  # type: ignore[valid-type]
_VIEWS = msgspec.msgpack.Decoder(list[memoryview])
