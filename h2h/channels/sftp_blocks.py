"""A whole file over an SFTP session: many requests under way, every reply read, memory bounded by what is ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from h2h.channels import Opened
from h2h.channels.sftp_talks import Talk
from h2h.channels.sftp_wire import Answered, Attributes, Code, Garbled, Kind, Reply, Wire, string, u32, u64
from h2h.errors import NotDelivered

FSYNC = b"fsync@openssh.com"
NOT_SHOWN = (Code.PERMISSION_DENIED, Code.OP_UNSUPPORTED)
REQUESTS_AHEAD = 64  # not answered yet
BYTES_AHEAD = 4 << 20  # in them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """`last`: when the last reply to a write came, in the order of the wire's replies."""

    size: int
    last: int


def write_file(wire: Wire, handle: bytes, opened: Opened, where: str, beside: int = 1) -> Talk[int]:
    """Write, sync, check the size and close; the number of bytes. `beside`: so many files are written at a time.

    Sync and size are asked for behind the last block, which saves two round trips; a server has to answer what is asked
    of one file in its order. Where one does not, they are asked for once more. Only a file that is found whole is
    closed: for some banks that is the sign to take it.
    """
    behind: list[int] = []
    written = yield from _write_all(wire, handle, opened, lambda: behind.extend(_ask_behind(wire, handle)), beside)
    *syncs, seen = behind
    for sync in syncs:
        reply = yield sync
        if _synced(reply) and reply.order < written.last:  # it tells nothing of what was written later
            _synced((yield wire.send(Kind.EXTENDED, string(FSYNC), string(handle))))
    found = attributes_of((yield seen)).size
    if found not in (None, written.size):
        found = attributes_of((yield wire.send(Kind.FSTAT, string(handle)))).size
    if found not in (None, written.size):
        raise NotDelivered(f"{where} has {found} bytes after {written.size} were written and confirmed.")
    (yield wire.send(Kind.CLOSE, string(handle))).done()
    return written.size


def _write_all(wire: Wire, handle: bytes, opened: Opened, behind: Callable[[], None], beside: int) -> Talk[_Written]:
    """Write a source to an open file, some blocks ahead, every reply read.

    `behind` may send more when the last block is sent, so that its replies come with the last ones of the writes.
    """
    sent: deque[int] = deque()
    size = last = 0
    with opened() as source:
        while block := source.read(wire.write_block):
            if len(sent) >= max(1, _ahead(wire.write_block) // beside):
                last = max(last, _confirmed((yield sent.popleft())))
            sent.append(wire.send(Kind.WRITE, string(handle), u64(size), u32(len(block)), block))
            size += len(block)
    behind()
    for number in sent:
        last = max(last, _confirmed((yield number)))
    return _Written(size=size, last=last)


def _confirmed(reply: Reply) -> int:
    reply.done()
    return reply.order


def _ask_behind(wire: Wire, handle: bytes) -> Iterator[int]:
    if FSYNC in wire.extensions:
        yield wire.send(Kind.EXTENDED, string(FSYNC), string(handle))
    yield wire.send(Kind.FSTAT, string(handle))


def _synced(reply: Reply) -> bool:
    """False where the server does not know how, though it said that it does."""
    try:
        reply.done()
    except Answered as error:
        if error.code != Code.OP_UNSUPPORTED:
            raise
        return False
    return True


def attributes_of(reply: Reply) -> Attributes:
    """The answer to FSTAT; nothing in it where the server does not tell."""
    try:
        return reply.attributes()
    except Answered as error:
        if error.code not in NOT_SHOWN:
            raise
        return Attributes(size=None, mode=None, modified=None)


def _ahead(block: int) -> int:
    return min(REQUESTS_AHEAD, BYTES_AHEAD // block)


def read_all(wire: Wire, handle: bytes, limit: int, sink: BinaryIO, start: int = 0) -> int:
    """Read an open file in order from `start` until it ends, or up to `limit`; where the reading ended."""
    asked: deque[tuple[int, int, int]] = deque()
    offset = done = start
    while True:
        while offset < limit and len(asked) < _ahead(wire.read_block):
            asked.append(_ask_for(wire, handle, offset, min(wire.read_block, limit - offset)))
            offset += asked[-1][2]
        if not asked:
            return done
        number, start, count = asked.popleft()
        data = wire.reply_to(number).data()
        if data is None:
            wire.drain()
            return done
        if not 0 < len(data) <= count:
            raise Garbled(f"{len(data)} bytes where 1 to {count} were asked for")
        sink.write(data)
        done += len(data)
        if len(data) < count:
            asked.appendleft(_ask_for(wire, handle, start + len(data), count - len(data)))


def _ask_for(wire: Wire, handle: bytes, offset: int, count: int) -> tuple[int, int, int]:
    return wire.send(Kind.READ, string(handle), u64(offset), u32(count)), offset, count
