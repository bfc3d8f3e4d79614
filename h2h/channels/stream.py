"""A paramiko Channel as the stream of an SFTP session, with as little between line and session as can be.

What is sent at once is cut into packets here, and they go out in one piece; what comes is handed on in the pieces it
came in, without a copy. With a paramiko whose inside is not known (packets.known) it is the plain Channel.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import paramiko
from paramiko.buffered_pipe import PipeTimeout
from paramiko.ssh_exception import SSHException

from h2h.channels.packets import GcmPacketizer, Pieces

SPARE = 64  # bytes of a packet that paramiko leaves free beside the data
AT_ONCE = 256 * 1024 - 8 * 1024  # bytes handed to the packetizer at once


def stream_of(channel: paramiko.Channel) -> paramiko.Channel | Stream:
    """For a channel on which nothing has come yet."""
    lean = isinstance(channel.get_transport().packetizer, GcmPacketizer)
    return Stream(channel) if lean else channel


class Stream:
    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._transport = channel.get_transport()
        self._most = channel.out_max_packet_size - SPARE
        channel.in_buffer = Pipe(channel.in_window_size)
        self.recv = channel.recv
        self.settimeout = channel.settimeout

    @property
    def closed(self) -> bool:
        return bool(self._channel.closed)

    def sendall(self, data: bytes, /) -> None:
        left = memoryview(data)
        while left:
            count = self._room(min(len(left), AT_ONCE))
            self._transport._send_user_message(Pieces(self._channel.remote_chanid, left[:count], self._most))
            left = left[count:]

    def _room(self, wanted: int) -> int:
        """How many bytes the other side takes now, taken off its window; waits until it takes any."""
        channel = self._channel
        with channel.lock:
            count: int = channel._wait_for_send_window(wanted)
            if not count:
                raise OSError("the channel is closed")
            more: int = min(wanted - count, channel.out_window_size)
            channel.out_window_size -= more
        return count + more


class Pipe:
    """What came for a channel, in pieces. Stands in for paramiko's BufferedPipe, which copies it three times.

    More than `most` unread bytes end the session: a server that minds the window of the channel never sends them.
    """

    def __init__(self, most: int) -> None:
        self._pieces: deque[memoryview] = deque()
        self._most = most
        self._unread = 0
        self._closed = False
        self._changed = threading.Condition()

    def feed(self, data: bytes | memoryview) -> None:
        with self._changed:
            self._unread += len(data)
            if self._unread > self._most:
                raise SSHException(f"the server sent more than the {self._most} bytes that it may send unread")
            self._pieces.append(memoryview(data))
            self._changed.notify()

    def read(self, count: int, timeout: float | None = None) -> memoryview:
        """The next piece, `count` bytes of it at most; none at the end."""
        with self._changed:
            if not self._changed.wait_for(self._ready, timeout):
                raise PipeTimeout
            piece = self._pieces.popleft() if self._pieces else memoryview(b"")
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            self._unread -= len(piece)
            return piece

    def _ready(self) -> bool:
        return bool(self._pieces) or self._closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
