"""A whole file over an SFTP session: many requests under way, every reply read, memory bounded by what is ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from h2h.channels.sftp_wire import Garbled, Kind, Wire, string, u32, u64

REQUESTS_AHEAD = 64  # not answered yet
BYTES_AHEAD = 4 << 20  # in them
T = TypeVar("T")


def write_all(wire: Wire, handle: bytes, source: BinaryIO, behind: Callable[[], T]) -> tuple[int, T]:
    """Write a source to an open file, some blocks ahead, every reply read; the number of bytes.

    `behind` may send more when the last block is sent, so that its replies come with the last ones of the writes.
    """
    sent: deque[int] = deque()
    offset = 0
    while block := source.read(wire.write_block):
        if len(sent) >= _ahead(wire.write_block):
            wire.reply_to(sent.popleft()).done()
        sent.append(wire.send(Kind.WRITE, string(handle), u64(offset), u32(len(block)), block))
        offset += len(block)
    more = behind()
    for number in sent:
        wire.reply_to(number).done()
    return offset, more


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
