"""SSH packets under AES-GCM, leaner than paramiko's own; whatever else is agreed on is left to paramiko's own.

It stands in for `paramiko.packet.Packetizer` through the hook that Transport has for it. Packets are sealed into one
buffer and opened from another, both used again and again; what was gathered goes out in one send, and one receive
takes in as many packets as have come. Which bytes go over the line is the same but for the padding, which is random.

A packet that was changed on the way, or whose length cannot be, ends the connection. RFC 4253, 5647.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import paramiko
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

KNOWN = ("5.1",)  # versions of paramiko whose own packetizer this one was held against
CHANNEL_DATA = 94
LENGTH, TAG, BLOCK, NONCE, LEAST_PADDING = 4, 16, 16, 12, 4  # bytes
MAX_LENGTH = 256 * 1024  # of a packet; the bound of OpenSSH
MOST = LENGTH + MAX_LENGTH + TAG  # bytes given to the line, or taken from it, at once


def known() -> bool:
    return paramiko.__version__.rpartition(".")[0] in KNOWN


class _Key:
    """One direction's key, with the nonces that it has used and what went through since it was agreed on."""

    def __init__(self, cipher: AESGCM, nonce: bytes) -> None:
        self.cipher = cipher
        self._fixed = nonce[:4]
        self._counter = int.from_bytes(nonce[4:])
        self.packets = 0
        self.bytes = 0

    def nonce(self) -> bytes:
        """The next one: the last eight bytes count the packets."""
        nonce = self._fixed + self._counter.to_bytes(8)
        self._counter = (self._counter + 1) & 0xFFFFFFFFFFFFFFFF
        return nonce

    def count(self, size: int) -> None:
        self.packets += 1
        self.bytes += size


def _key(engine: Any, nonce: bytes | None) -> _Key | None:
    fits = isinstance(engine, AESGCM) and nonce is not None and len(nonce) == NONCE
    return _Key(engine, nonce) if fits and nonce is not None else None


class GcmPacketizer(Packetizer):
    """`read_message` is for the transport's thread; `send_message` for any."""

    REKEY_BYTES = 1 << 32  # a sixteenth of what RFC 4344 allows a cipher of blocks of 16 bytes
    REKEY_PACKETS = 1 << 29

    def __init__(self, line: socket.socket) -> None:
        super().__init__(line)
        self._line = line
        self._sealing: _Key | None = None
        self._opening: _Key | None = None
        self._lock = threading.RLock()
        self._out = bytearray(MOST)
        self._filled = 0
        self._in = bytearray(MOST)
        self._begin = self._end = 0
        self._received = 0  # packets, for the number of one that is not understood
        self._overdue = 0  # bytes since new keys were asked for

    def set_outbound_cipher(self, block_engine: Any, *args: Any, **kwargs: Any) -> None:
        key = _key(block_engine, kwargs.get("iv_out"))
        with self._lock:
            _same_kind(self._sealing, key)
            super().set_outbound_cipher(block_engine, *args, **kwargs)
            self._sealing = key

    def set_inbound_cipher(self, block_engine: Any, *args: Any, **kwargs: Any) -> None:
        key = _key(block_engine, kwargs.get("iv_in"))
        _same_kind(self._opening, key)
        super().set_inbound_cipher(block_engine, *args, **kwargs)
        self._opening = key
        self._overdue = 0

    def set_outbound_compressor(self, compressor: Any) -> None:
        raise SSHException("compression was agreed on; it was not offered")

    set_inbound_compressor = set_outbound_compressor

    def reset_seqno_in(self) -> None:
        super().reset_seqno_in()
        self._received = 0

    def send_message(self, data: Message) -> None:
        """Where the message is Pieces: as one packet for each, and nothing in between."""
        with self._lock:
            if self._sealing is not None:
                for payload in _payloads(data):
                    self._seal(self._sealing, payload)
                self._flush()
            elif isinstance(data, Pieces):
                for payload in data.pieces():
                    super().send_message(Message(b"".join(payload)))
            else:
                super().send_message(data)

    def _seal(self, key: _Key, payload: tuple[bytes | memoryview, ...]) -> None:
        """Put one packet behind those that are to be sent."""
        size = sum(map(len, payload))
        padding = LEAST_PADDING + -(LEAST_PADDING + 1 + size) % BLOCK
        length = 1 + size + padding
        if length > MAX_LENGTH:
            raise SSHException(f"a packet of {length} bytes was to be sent")
        header = length.to_bytes(LENGTH)
        plain = b"".join((padding.to_bytes(1), *payload, os.urandom(padding)))
        end = self._filled + LENGTH + length + TAG
        if end > len(self._out):
            self._flush()
            end = LENGTH + length + TAG
        out = memoryview(self._out)[self._filled : end]
        out[:LENGTH] = header
        key.cipher.encrypt_into(key.nonce(), plain, header, out[LENGTH:])
        self._filled = end
        self._count(key, len(out))

    def _flush(self) -> None:
        size, self._filled = self._filled, 0
        self.write_all(memoryview(self._out)[:size])

    def read_message(self) -> tuple[int, Message]:
        key = self._opening
        if key is None:
            kind, message = super().read_message()
            self._received += 1
            return kind, message
        self._take_in(LENGTH)
        length = int.from_bytes(self._in[self._begin : self._begin + LENGTH])
        if length % BLOCK or not BLOCK <= length <= MAX_LENGTH:
            raise SSHException(f"a packet of {length} bytes: the connection is out of step, or was tampered with")
        self._take_in(LENGTH + length + TAG)
        payload = self._open(key, length)
        self._count(key, LENGTH + length + TAG)
        self._patience(LENGTH + length + TAG)
        kind, body = payload[0], payload[1:]
        message = _Data(body) if kind == CHANNEL_DATA else Message(bytes(body))
        message.seqno = self._received
        self._received = (self._received + 1) & 0xFFFFFFFF
        return kind, message

    def _open(self, key: _Key, length: int) -> memoryview:
        packet = memoryview(self._in)[self._begin : self._begin + LENGTH + length + TAG]
        self._begin += len(packet)
        try:
            plain = key.cipher.decrypt(key.nonce(), packet[LENGTH:], packet[:LENGTH])
        except InvalidTag as error:
            raise SSHException("a packet was changed on the way (its tag does not fit)") from error
        padding = plain[0]
        if padding < LEAST_PADDING or padding + 2 > length:
            raise SSHException(f"a packet of {length} bytes with {padding} bytes of padding")
        return memoryview(plain)[1 : length - padding]

    def _take_in(self, size: int) -> None:
        """Receive until `size` bytes are there, and whatever else has come by then."""
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._begin + size > len(self._in):
            rest = self._in[self._begin : self._end]
            self._in[: len(rest)] = rest
            self._begin, self._end = 0, len(rest)
        if size > len(self._in):
            self._in.extend(bytes(size - len(self._in)))
        while self._end - self._begin < size:
            self._receive()

    def _receive(self) -> None:
        if self.handshake_timed_out():
            raise EOFError
        try:
            with memoryview(self._in)[self._end :] as room:
                count = self._line.recv_into(room)
        except TimeoutError:
            self._meanwhile()
        except OSError as error:
            if self.closed:
                raise EOFError from error
            if error.errno != errno.EAGAIN:
                raise
            self._meanwhile()
        else:
            if not count:
                raise EOFError
            self._end += count

    def _meanwhile(self) -> None:
        """Nothing came for a moment."""
        if self.closed:
            raise EOFError
        if self._begin == self._end and self.need_rekey():
            raise NeedRekeyException
        self._check_keepalive()  # type: ignore[attr-defined]

    def _count(self, key: _Key, size: int) -> None:
        key.count(size)
        if (key.bytes >= self.REKEY_BYTES or key.packets >= self.REKEY_PACKETS) and not self.need_rekey():
            self._overdue = 0
            self._trigger_rekey()  # type: ignore[attr-defined]

    def _patience(self, size: int) -> None:
        """Once new keys were asked for, only so much may still come under the old ones."""
        if not self.need_rekey():
            return
        self._overdue += size
        if self._overdue >= self.REKEY_BYTES_OVERFLOW_MAX:
            raise SSHException("the other side does not agree on new keys")


def _payloads(data: Message) -> Iterable[tuple[bytes | memoryview, ...]]:
    return data.pieces() if isinstance(data, Pieces) else [(data.asbytes(),)]


def _same_kind(before: _Key | None, now: _Key | None) -> None:
    if before is not None and now is None:
        raise SSHException("the other side went over to another cipher in the middle of the session")


class Pieces(Message):
    """Bytes for a channel, as one packet for each `most` of them."""

    def __init__(self, channel: int, data: memoryview, most: int) -> None:
        self._head = bytes([CHANNEL_DATA]) + channel.to_bytes(4)
        self._data = data
        self._most = most

    def pieces(self) -> Iterator[tuple[bytes | memoryview, ...]]:
        for start in range(0, len(self._data), self._most):
            piece = self._data[start : start + self._most]
            yield self._head, len(piece).to_bytes(4), piece


class _Data(Message):
    """Bytes for a channel, handed on without a copy."""

    def __init__(self, body: memoryview) -> None:
        self._body = body

    def get_int(self) -> int:
        number = int.from_bytes(self._body[:4])
        self._body = self._body[4:]
        return number

    def get_binary(self) -> memoryview:  # type: ignore[override]
        count = self.get_int()
        data, self._body = self._body[:count], self._body[count:]
        return data
