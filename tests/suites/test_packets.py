"""The packetizer of our own says what paramiko's says, and refuses what paramiko's refuses."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

from h2h.channels import packets
from h2h.channels.packets import CHANNEL_DATA, MAX_LENGTH, GcmPacketizer, Pieces, known
from h2h.channels.sftp import SftpChannel, open_sftp
from h2h.channels.ssh import ALLOWED
from h2h.channels.stream import Pipe
from h2h.errors import NotDelivered
from h2h.model import RemoteFile
from tests import alone
from tests.suites.conftest import Misbehaving
from tests.suites.servers import OpenSshServer

KEY, NONCE = bytes(range(16)), bytes(12)
CIPHERS = [name for name in ALLOWED["ciphers"] if name in paramiko.Transport._preferred_ciphers]  # type: ignore[attr-defined]
SIZES = [1, 2, 10, 11, 12, 13, 27, 28, 255, 32_704, 100_000]


def test_the_installed_paramiko_is_one_that_the_packetizer_was_held_against() -> None:
    """Else files go the slow way: look at what changed in paramiko.packet, and add the version."""
    assert known()


# Against paramiko's own, byte by byte.


def sender(kind: type[Packetizer], line: socket.socket) -> Any:
    packetizer: Any = kind(line)
    packetizer.set_outbound_cipher(
        block_engine=AESGCM(KEY), block_size=16, mac_engine=None, mac_size=16, mac_key=None, aead=True, iv_out=NONCE
    )
    return packetizer


def receiver(kind: type[Packetizer], line: socket.socket) -> Any:
    packetizer: Any = kind(line)
    packetizer.set_inbound_cipher(
        block_engine=AESGCM(KEY), block_size=16, mac_engine=None, mac_size=16, mac_key=None, aead=True, iv_in=NONCE
    )
    return packetizer


@contextmanager
def lines() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for line in (ours, theirs):
        line.settimeout(5)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(("sends", "receives"), [(GcmPacketizer, Packetizer), (Packetizer, GcmPacketizer)])
def test_what_one_sends_the_other_reads(sends: type[Packetizer], receives: type[Packetizer]) -> None:
    messages = [bytes([CHANNEL_DATA]) + random.Random(size).randbytes(size) for size in SIZES * 3]
    with lines() as (ours, theirs):
        out, into = sender(sends, ours), receiver(receives, theirs)
        thread = threading.Thread(target=lambda: [out.send_message(Message(message)) for message in messages])
        thread.start()
        got = [into.read_message() for _ in messages]
        thread.join()
    assert [kind for kind, _ in got] == [CHANNEL_DATA] * len(messages)
    assert [bytes([CHANNEL_DATA]) + remainder(message) for _, message in got] == messages
    assert [message.seqno for _, message in got] == list(range(len(messages)))


def remainder(message: Any) -> bytes:
    return bytes(message._body) if hasattr(message, "_body") else message.get_remainder()


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 700_000])
def test_pieces_are_as_many_messages_of_paramiko(size: int) -> None:
    data = random.Random(size).randbytes(size)
    with lines() as (ours, theirs):
        out, into = sender(GcmPacketizer, ours), receiver(Packetizer, theirs)
        thread = threading.Thread(target=lambda: out.send_message(Pieces(7, memoryview(data), 1000)))
        thread.start()
        got = b""
        for _ in range(-(-size // 1000)):
            kind, message = into.read_message()
            assert (kind, message.get_int()) == (CHANNEL_DATA, 7)
            got += message.get_binary()
        thread.join()
    assert got == data


def test_data_for_a_channel_is_read_as_paramiko_reads_it() -> None:
    with lines() as (ours, theirs):
        message = Message()
        message.add_byte(bytes([CHANNEL_DATA])).add_int(7).add_string(b"statement")
        sender(Packetizer, ours).send_message(message)
        _, read = receiver(GcmPacketizer, theirs).read_message()
        assert (read.get_int(), bytes(read.get_binary())) == (7, b"statement")


def sealed(*messages: bytes) -> bytes:
    with lines() as (ours, theirs):
        out = sender(Packetizer, ours)
        for message in messages:
            out.send_message(Message(message))
        ours.close()
        return b"".join(iter(lambda: theirs.recv(65_536), b""))


def read_by(kind: type[Packetizer], stream: bytes) -> list[bytes]:
    """Every message of a stream that ends."""
    with lines() as (ours, theirs):
        ours.sendall(stream)
        ours.close()
        into, got = receiver(kind, theirs), []
        with suppress(EOFError):
            while True:
                number, message = into.read_message()
                got.append(bytes([number]) + remainder(message))
        return got


@pytest.mark.parametrize("kind", [Packetizer, GcmPacketizer])
def test_a_packet_with_one_bit_changed_is_refused_wherever_it_is(kind: type[Packetizer]) -> None:
    stream = sealed(b"\x05first", b"\x06second")
    assert read_by(kind, stream) == [b"\x05first", b"\x06second"]
    for place in range(4, len(stream) // 2):
        changed = bytearray(stream)
        changed[place] ^= 1
        with pytest.raises(Exception, match=r"tag does not fit|^$") as refused:
            read_by(kind, bytes(changed))
        assert not isinstance(refused.value, EOFError)


@pytest.mark.parametrize("changed", [1, 0x11, 0x20])
def test_a_length_that_was_changed_is_never_believed(changed: int) -> None:
    stream = bytearray(sealed(b"\x05first", b"\x06second"))
    stream[3] ^= changed
    with suppress(SSHException):  # or the stream ends before the packet does
        assert read_by(GcmPacketizer, bytes(stream)) == []


@pytest.mark.parametrize("length", [0, 15, 17, MAX_LENGTH + 16, 0xFFFFFFF0])
def test_a_length_that_cannot_be_is_refused_before_anything_is_taken_in(length: int) -> None:
    with pytest.raises(SSHException, match=f"a packet of {length} bytes"):
        read_by(GcmPacketizer, struct.pack(">I", length) + bytes(100))


def test_a_packet_that_comes_twice_or_out_of_order_is_refused() -> None:
    first, second = sealed(b"\x05first"), sealed(b"\x05first", b"\x06second")
    for stream in (first + first, second[len(first) :]):
        with pytest.raises(SSHException, match="tag does not fit"):
            read_by(GcmPacketizer, stream)


@pytest.mark.parametrize("padding", [0, 3, 15, 255])
def test_padding_that_cannot_be_is_refused(padding: int) -> None:
    header = struct.pack(">I", 16)
    stream = header + AESGCM(KEY).encrypt(NONCE, bytes([padding]) + bytes(15), header)
    with pytest.raises(SSHException, match="bytes of padding"):
        read_by(GcmPacketizer, stream)


def test_packets_that_come_in_any_cuts_are_read_whole() -> None:
    messages = [bytes([CHANNEL_DATA]) + os.urandom(size) for size in (1, 70_000, 3, 200_000, 150_000, 9)]
    stream = sealed_in_a_thread(messages)
    for cut in (1, 19, 20, 21, 65_537):
        with lines() as (ours, theirs):
            thread = threading.Thread(target=in_cuts, args=(ours, stream, cut if cut > 21 else len(stream) // 9 + cut))
            thread.start()
            into = receiver(GcmPacketizer, theirs)
            assert [bytes([CHANNEL_DATA]) + remainder(into.read_message()[1]) for _ in messages] == messages
            thread.join()


def in_cuts(line: socket.socket, stream: bytes, size: int) -> None:
    for start in range(0, len(stream), size):
        line.sendall(stream[start : start + size])


def sealed_in_a_thread(messages: list[bytes]) -> bytes:
    with lines() as (ours, theirs):
        out = sender(GcmPacketizer, ours)

        def send() -> None:
            for message in messages:
                out.send_message(Message(message))
            ours.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        stream = b"".join(iter(lambda: theirs.recv(65_536), b""))
        thread.join()
        return stream


# New keys, and what is not for it.


def test_new_keys_are_asked_for_in_time_and_waited_for_with_patience_only_so_long() -> None:
    with lines() as (ours, theirs):
        out, into = sender(GcmPacketizer, ours), receiver(GcmPacketizer, theirs)
        into.REKEY_BYTES, into.REKEY_BYTES_OVERFLOW_MAX = 100, 200
        for _ in range(2):
            assert not into.need_rekey()
            out.send_message(Message(b"\x05" + bytes(11)))
            into.read_message()
        assert into.need_rekey()
        for _ in range(9):
            out.send_message(Message(b"\x05" + bytes(11)))
        with pytest.raises(SSHException, match="does not agree on new keys"):
            deque(iter(into.read_message, None))


def test_who_sends_too_much_asks_for_new_keys_too_and_an_idle_line_lets_it_do_so() -> None:
    with lines() as (ours, theirs):
        out, into = sender(GcmPacketizer, ours), receiver(GcmPacketizer, theirs)
        out.REKEY_BYTES = 100
        receiving = receiver(GcmPacketizer, ours)
        for _ in range(3):
            out.send_message(Message(b"\x05" + bytes(11)))
            into.read_message()
        assert out.need_rekey()
        ours.settimeout(0.01)
        receiving._trigger_rekey()
        with pytest.raises(NeedRekeyException):
            receiving.read_message()


def test_another_cipher_in_the_middle_or_compression_ends_the_session() -> None:
    with lines() as (ours, theirs):
        out, into = sender(GcmPacketizer, ours), receiver(GcmPacketizer, theirs)
        engine: Any = object()
        with pytest.raises(SSHException, match="another cipher"):
            out.set_outbound_cipher(block_engine=engine, block_size=16, mac_engine=None, mac_size=32, mac_key=b"k")
        with pytest.raises(SSHException, match="another cipher"):
            into.set_inbound_cipher(block_engine=engine, block_size=16, mac_engine=None, mac_size=32, mac_key=b"k")
        for set_compressor in (out.set_outbound_compressor, into.set_inbound_compressor):
            with pytest.raises(SSHException, match="compression"):
                set_compressor(engine)


# Against a real server.


def there_and_back(channel: SftpChannel, bank: OpenSshServer, content: bytes) -> bytes:
    alone.stage(channel, f"{bank.home}/out/f", io.BytesIO(content))
    assert (bank.root / "out" / "f").read_bytes() == content
    sink = io.BytesIO()
    channel.fetch(RemoteFile(folder=f"{bank.home}/out", name="f", size=len(content)), sink)
    return sink.getvalue()


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("asks", ["the server", "we"])
def test_under_every_cipher_the_bytes_are_the_same_and_new_keys_change_nothing(
    openssh: OpenSshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cipher: str, asks: str
) -> None:
    keys: list[int] = []
    activate = paramiko.Transport._activate_inbound  # type: ignore[attr-defined]
    monkeypatch.setattr(paramiko.Transport, "_activate_inbound", lambda t: (keys.append(1), activate(t))[1])
    if asks == "we":
        for kind in (Packetizer, GcmPacketizer):
            monkeypatch.setattr(kind, "REKEY_BYTES", 1 << 20)
    content = random.Random(1).randbytes(5_000_000)
    limit = "RekeyLimit 1M" if asks == "the server" else "RekeyLimit default none"
    with (
        OpenSshServer(tmp_path / "bank", [f"Ciphers {cipher}", limit]) as bank,
        open_sftp(bank.settings(), passphrase=None) as channel,
    ):
        packetizer = channel._transport.packetizer
        assert isinstance(packetizer, GcmPacketizer)
        assert (packetizer._sealing is not None, packetizer._opening is not None) == ("gcm" in cipher,) * 2
        assert there_and_back(channel, bank, content) == content
    assert len(keys) > 4


def test_with_a_paramiko_that_is_not_known_files_go_by_its_own(
    openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "KNOWN", ())
    content = random.Random(1).randbytes(3_000_000)
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        assert type(channel._transport.packetizer) is Packetizer
        assert there_and_back(channel, openssh, content) == content


def test_a_byte_changed_on_the_line_ends_the_session(openssh: OpenSshServer) -> None:
    content = random.Random(1).randbytes(3_000_000)
    (openssh.root / "out" / "f").write_bytes(content)
    file = RemoteFile(folder=f"{openssh.home}/out", name="f", size=len(content))
    with (
        changing(openssh.port, after=1_000_000) as port,
        open_sftp(openssh.settings(port=port), passphrase=None) as channel,
    ):
        sink = io.BytesIO()
        with pytest.raises(NotDelivered, match="connection was lost"):
            channel.fetch(file, sink)
        assert not channel.alive()
        assert content.startswith(sink.getvalue())


@contextmanager
def changing(port: int, *, after: int) -> Iterator[int]:
    """A port that leads to another one, and changes one byte of what comes back."""

    def change(piece: bytes, before: int) -> bytes:
        place = after - before
        return piece[:place] + bytes([piece[place] ^ 1]) + piece[place + 1 :] if 0 <= place < len(piece) else piece

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            near, _ = listener.accept()
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                back = threading.Thread(target=copy, args=(far, near, change))
                back.start()
                copy(near, far, lambda piece, before: piece)
                back.join()

        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def copy(source: socket.socket, target: socket.socket, change: Callable[[bytes, int], bytes]) -> None:
    before = 0
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(change(piece, before))
            before += len(piece)
    for line in (source, target):
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("window", "packet"), [(50_000, 4_097), (4_096, 100_000)])
def test_a_server_with_a_small_window_gets_all_of_it_in_packets_that_it_takes(
    bank_that: Misbehaving, window: int, packet: int
) -> None:
    bank = bank_that(window=window, max_pktsize=packet)
    content = random.Random(1).randbytes(1_000_000)
    with open_sftp(bank.settings(), passphrase=None) as channel:
        alone.stage(channel, "/in/.t", io.BytesIO(content))
    assert (bank.root / "in" / ".t").read_bytes() == content


def test_a_pipe_gives_what_came_in_order_then_its_end() -> None:
    pipe = Pipe(5)
    pipe.feed(b"abc")
    pipe.feed(b"de")
    assert [bytes(pipe.read(2)), bytes(pipe.read(9)), bytes(pipe.read(9))] == [b"ab", b"c", b"de"]
    with pytest.raises(paramiko.buffered_pipe.PipeTimeout):
        pipe.read(1, 0.01)
    pipe.close()
    assert bytes(pipe.read(1, 0.01)) == b""


def test_a_server_that_does_not_mind_the_window_fills_no_memory() -> None:
    pipe = Pipe(10)
    pipe.feed(bytes(10))
    pipe.read(4)
    pipe.feed(bytes(4))
    with pytest.raises(SSHException, match="more than the 10 bytes"):
        pipe.feed(b"x")
