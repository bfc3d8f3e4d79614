"""The parts under the channels: names, secrets, the SFTP wire byte by byte, the folder's walls."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.channels.folder import FolderChannel, open_folder
from h2h.channels.names import bytes_of, joined, parent, shown, text_of
from h2h.channels.sftp import SftpChannel, open_sftp
from h2h.channels.sftp_blocks import BYTES_AHEAD, REQUESTS_AHEAD, read_all, write_file
from h2h.channels.sftp_talks import AT_ONCE, together
from h2h.channels.sftp_wire import BLOCK, LARGE_BLOCK, Answered, Garbled, Kind, Lost, TimedOut, Wire, string, u32, u64
from h2h.channels.ssh import Line
from h2h.config import FolderSettings
from h2h.credentials import Credentials
from h2h.errors import NotDelivered, Refused, Unknown
from h2h.model import RemoteFile, Staged
from tests import alone
from tests.suites.servers import OpenSshServer

VERSION = bytes([Kind.VERSION]) + u32(3)


@given(st.binary())
def test_every_name_leads_back_to_its_bytes_and_can_be_stored(raw: bytes) -> None:
    assert bytes_of(text_of(raw)) == raw
    text_of(raw).encode()


@given(st.lists(st.binary(), unique=True))
def test_different_names_stay_different(names: list[bytes]) -> None:
    assert len({text_of(raw) for raw in names}) == len(names)


@pytest.mark.parametrize("path", ["/in/f", "/f", "./f"])
def test_a_path_is_its_folder_and_its_name(path: str) -> None:
    assert joined(parent(path), path.rpartition("/")[2]) == path


def test_a_server_cannot_write_to_the_terminal() -> None:
    assert shown("a\x1b[2J\r\nb\u202ec") == "a?[2J b?c"


def test_a_secret_comes_from_where_the_settings_say(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("from the file\n")
    path.chmod(0o600)
    environ = {"PASS": "from the environment", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    secret = Credentials(environ).secret
    assert secret("env:PASS") == "from the environment"
    assert secret(f"file:{path}") == "from the file"
    path.chmod(0o440)  # systemd keeps credentials like this; the folder is what guards them
    assert secret("cred:secret") == "from the file"


@pytest.mark.parametrize("reference", ["env:NONE", "file:/nowhere", "cred:none", "cred:../x", "cred:", "plain"])
def test_a_reference_that_leads_nowhere_is_refused(tmp_path: Path, reference: str) -> None:
    for environ in ({}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        with pytest.raises(Refused):
            Credentials(environ).secret(reference)


def test_a_secret_that_others_could_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("sesame")
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600") as raised:
        Credentials({}).secret(f"file:{path}")
    assert "sesame" not in str(raised.value)


def test_a_gateway_with_folders_alone_does_not_load_the_ssh_library(tmp_path: Path) -> None:
    program = (
        "import sys; from h2h.channels.kinds import connect; from h2h.config import FolderSettings\n"
        "from h2h.credentials import Credentials\n"
        f"settings = FolderSettings.model_construct(kind='folder', path={str(tmp_path)!r})\n"
        "with connect(settings, Credentials()): pass\n"
        "sys.exit('paramiko' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


class Script:
    """A stream that says what stands in the script, one reply at a time, and then nothing."""

    closed = False

    def __init__(self, *replies: bytes) -> None:
        self.rest = [string(reply) for reply in replies]

    def sendall(self, data: bytes, /) -> None:
        pass

    def settimeout(self, seconds: float, /) -> None:
        pass

    def recv(self, count: int, /) -> bytes:
        if not self.rest:
            raise TimeoutError
        piece = self.rest.pop(0)
        if len(piece) > count:
            self.rest.insert(0, piece[count:])
        return piece[:count]


def wire(*replies: bytes) -> Wire:
    return Wire(Script(VERSION, *replies), timeout_seconds=1)


def status(number: int, code: int, *rest: bytes) -> bytes:
    return bytes([Kind.STATUS]) + u32(number) + u32(code) + b"".join(rest)


@pytest.mark.parametrize(
    "reply",
    [
        bytes([Kind.STATUS]) + u32(1),
        bytes([Kind.STATUS]) + u32(1) + b"\0\0",
        status(1, 0, u32(50), b"cut"),
        bytes([Kind.STATUS]),
        status(2, 0),
        bytes([Kind.HANDLE]) + u32(1) + string(b"h"),
        bytes([77]) + u32(1),
        b"",
        bytes(256 * 1024 + 1),
    ],
    ids=["no code", "half a code", "cut words", "no number", "wrong number", "handle", "unknown", "empty", "huge"],
)
def test_what_is_not_a_whole_ok_is_never_taken_for_one(reply: bytes) -> None:
    with pytest.raises(Garbled):
        wire(reply).ask(Kind.REMOVE, string(b"/f")).done()


def test_a_status_without_words_is_enough() -> None:
    assert wire(status(1, 0)).ask(Kind.REMOVE, string(b"/f")).done() == ""
    with pytest.raises(Answered):
        wire(status(1, 4)).ask(Kind.REMOVE, string(b"/f")).done()


@pytest.mark.parametrize("greeting", [bytes([Kind.VERSION]) + u32(6), status(3, 0), VERSION + b"\0\0\0\x09half"])
def test_a_server_of_another_protocol_is_garbled(greeting: bytes) -> None:
    with pytest.raises(Garbled):
        Wire(Script(greeting), timeout_seconds=1)


def test_replies_out_of_order_find_their_request() -> None:
    first, second = (bytes([Kind.DATA]) + u32(n) + string(bytes([64 + n]) * size) for n, size in ((1, BLOCK), (2, 10)))
    sink = io.BytesIO()
    assert read_all(wire(second, first), b"h", BLOCK + 10, sink) == BLOCK + 10
    assert sink.getvalue() == b"A" * BLOCK + b"B" * 10


class Noting(Script):
    """A script that keeps what it was told."""

    def __init__(self, *replies: bytes) -> None:
        super().__init__(*replies)
        self.told: list[bytes] = []

    def sendall(self, data: bytes, /) -> None:
        while data:
            size = 4 + int.from_bytes(data[:4])
            self.told.append(data[:size])
            data = data[size:]


def limits(number: int, read: int, write: int) -> bytes:
    return bytes([Kind.EXTENDED_REPLY]) + u32(number) + b"".join(map(u64, (256 << 10, read, write, 0)))


OFFERS_LIMITS = VERSION + string(b"limits@openssh.com") + string(b"1")


@pytest.mark.parametrize(
    ("answer", "blocks"),
    [
        (limits(1, 261_120, 261_120), (LARGE_BLOCK, LARGE_BLOCK)),
        (limits(1, 261_120, LARGE_BLOCK - 1), (LARGE_BLOCK, BLOCK)),
        (limits(1, 0, 0), (BLOCK, BLOCK)),
        (status(1, 8), (BLOCK, BLOCK)),
    ],
)
def test_requests_are_large_only_where_the_server_says_that_it_takes_them(
    answer: bytes, blocks: tuple[int, int]
) -> None:
    script = Noting(OFFERS_LIMITS, answer, status(2, 0))
    session = Wire(script, timeout_seconds=1)
    assert (session.read_block, session.write_block, len(script.told)) == (BLOCK, BLOCK, 2)
    assert session.ask(Kind.REMOVE, string(b"/f")).done() == ""
    assert (session.read_block, session.write_block) == blocks


def test_who_offers_no_limits_is_not_asked_for_them_and_who_does_not_answer_is_not_waited_for() -> None:
    plain, silent = Noting(VERSION), Noting(OFFERS_LIMITS, status(2, 0))
    Wire(plain, timeout_seconds=1)
    assert len(plain.told) == 1
    assert Wire(silent, timeout_seconds=1).ask(Kind.REMOVE, string(b"/f")).done() == ""


def test_only_so_much_is_under_way_at_a_time() -> None:
    script = Noting(VERSION)
    assert isinstance(written(Wire(script, timeout_seconds=1), 1)[0], TimedOut)
    assert len(script.told) == 1 + REQUESTS_AHEAD
    script = Noting(VERSION)
    with pytest.raises(TimedOut):
        read_all(Wire(script, timeout_seconds=1), b"h", 8 << 20, io.BytesIO())
    assert len(script.told) == 1 + REQUESTS_AHEAD


@pytest.mark.parametrize("files", [2, 5, 32, 100])
def test_many_files_share_what_may_be_under_way(files: int) -> None:
    script = Noting(VERSION)
    outcomes = written(Wire(script, timeout_seconds=1), files)
    assert [type(outcome) for outcome in outcomes] == [TimedOut] * files
    writes = [told for told in script.told if told[4] == Kind.WRITE]
    assert min(files, AT_ONCE) <= len(writes) <= REQUESTS_AHEAD
    assert sum(map(len, writes)) <= BYTES_AHEAD + 100 * len(writes)


def written(wire: Wire, files: int) -> list[int | Exception]:
    def source() -> contextlib.AbstractContextManager[io.BytesIO]:
        return contextlib.nullcontext(io.BytesIO(bytes(8 << 20)))

    return together(wire, [write_file(wire, b"h", source, "/f", min(files, AT_ONCE)) for _ in range(files)])


@pytest.mark.parametrize("data", [b"", bytes(11)])
def test_a_read_of_nothing_or_of_more_than_asked_for_is_garbled(data: bytes) -> None:
    with pytest.raises(Garbled):
        read_all(wire(bytes([Kind.DATA]) + u32(1) + string(data)), b"h", 10, io.BytesIO())


def attributes(number: int, size: int) -> bytes:
    return bytes([Kind.ATTRS]) + u32(number) + u32(1) + u64(size)


@pytest.mark.parametrize("kept", [3, 0])
def test_a_bank_that_answers_out_of_order_is_asked_to_sync_and_for_the_size_again(tmp_path: Path, kept: int) -> None:
    """What it said of the file before it had written tells nothing."""
    script = Noting(
        VERSION + string(b"fsync@openssh.com") + string(b"1"),
        bytes([Kind.HANDLE]) + u32(1) + string(b"h"),
        *(attributes(4, 0), status(3, 0), status(2, 0)),
        *(status(5, 0), attributes(6, kept), status(7, 0), status(8, 0)),
    )
    transport: Any = None
    session, settings = Wire(script, timeout_seconds=1), OpenSshServer(tmp_path).settings(port=22)
    channel = SftpChannel(settings, transport, session, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    told = contextlib.nullcontext() if kept else pytest.raises(NotDelivered, match="0 bytes after 3 were written")
    with told:
        assert alone.stage(channel, "/in/.t", io.BytesIO(b"pay")).size == 3
    kinds = [Kind(told[4]) for told in script.told]
    asked = [Kind.EXTENDED, Kind.FSTAT]
    end = [Kind.CLOSE] if kept else [Kind.CLOSE, Kind.REMOVE]
    assert kinds == [Kind.INIT, Kind.OPEN, Kind.WRITE, *asked, *asked, *end]


def test_a_reply_that_is_there_before_its_request_has_left_is_garbled() -> None:
    """Requests leave together, so that one may be asked for while replies to others are read."""
    script = Script(VERSION)
    session = Wire(script, timeout_seconds=1)
    script.rest = [string(status(1, 0)) + string(status(2, 0))]
    assert session.reply_to(session.send(Kind.REMOVE, string(b"/f"))).done() == ""
    later = session.send(Kind.REMOVE, string(b"/g"))
    with pytest.raises(Garbled, match="request 2, which is not open"):
        session.reply_to(later)


def test_requests_leave_together_and_none_is_kept_while_somebody_waits() -> None:
    pieces: list[int] = []

    class Pieces(Noting):
        def sendall(self, data: bytes, /) -> None:
            super().sendall(data)
            pieces.append(len(self.told))

    script = Pieces(VERSION, *(status(number, 0) for number in range(1, 11)))
    session = Wire(script, timeout_seconds=1)
    asked = [session.send(Kind.REMOVE, string(b"/f")) for _ in range(10)]
    assert pieces == [1]
    assert [session.reply_to(number).done() for number in asked] == [""] * 10
    assert pieces == [1, 11]


def test_silence_is_a_time_out_and_an_end_is_a_loss() -> None:
    with pytest.raises(TimedOut):
        wire().ask(Kind.REMOVE, string(b"/f"))
    silent = Script(VERSION)
    silent_wire = Wire(silent, timeout_seconds=1)
    silent.recv = lambda count: b""  # type: ignore[method-assign]
    with pytest.raises(Lost, match="closed the connection"):
        silent_wire.ask(Kind.REMOVE, string(b"/f"))


def test_a_peer_that_stops_reading_is_not_waited_for_without_an_end() -> None:
    ours, theirs = socket.socketpair()
    with Line(fileno=ours.detach()) as line, theirs:
        line.settimeout(0.01)
        line.stall_seconds = 0.1
        with pytest.raises(ConnectionAbortedError, match="stopped reading"):
            send_without_end(line)


def send_without_end(line: Line) -> None:
    """As paramiko does: a time-out is a reason to go on."""
    while True:
        try:
            line.send(bytes(65_536))
        except TimeoutError:
            continue


def test_memory_stays_flat_however_big_the_file(openssh: OpenSshServer) -> None:
    size = 16 << 20
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        tracemalloc.start()
        try:
            alone.stage(channel, f"{openssh.home}/out/f", Zeros(size))
            [file] = channel.list(f"{openssh.home}/out")
            assert channel.fetch(file, Zeros(0)) == size
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()


class Zeros(io.BytesIO):
    """A source of many zeros, and a sink that keeps nothing."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        count = min(self._left, size or 0)
        self._left -= count
        return bytes(count)

    def write(self, data: object, /) -> int:
        return len(data)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, FolderChannel]]:
    root = tmp_path / "bank"
    (root / "in").mkdir(parents=True)
    with open_folder(FolderSettings(kind="folder", path=str(root))) as channel:  # type: ignore[arg-type]
        yield root, channel


@pytest.mark.parametrize("path", ["/../outside", "/in/../../outside", "/in/..", "/in/.", "/in/", "/in/\0"])
def test_no_path_leads_out_of_the_banks_folder(folder: tuple[Path, FolderChannel], path: str) -> None:
    root, channel = folder
    (root.parent / "outside").write_bytes(b"ours")
    for act in (channel.look, channel.discard, lambda p: alone.stage(channel, p, io.BytesIO(b"x"))):
        with pytest.raises(Refused):
            act(path)
    assert (root.parent / "outside").read_bytes() == b"ours"


def test_no_link_is_followed(folder: tuple[Path, FolderChannel]) -> None:
    root, channel = folder
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "f").write_bytes(b"ours")
    (root / "link").symlink_to(root.parent / "outside")
    (root / "in" / "f").symlink_to(root.parent / "outside" / "f")
    with pytest.raises(Refused, match="link"):
        channel.list("/link")
    with pytest.raises(Refused):
        channel.discard("/link/f")
    with pytest.raises(NotDelivered):
        alone.stage(channel, "/in/f", io.BytesIO(b"pay"))
    assert channel.list("/in") == []
    assert (root.parent / "outside" / "f").read_bytes() == b"ours"


def test_a_folder_that_may_be_listed_and_not_entered_is_refused_by_its_name(
    folder: tuple[Path, FolderChannel],
) -> None:
    root, channel = folder
    file, staged = RemoteFile(folder="/in", name="f", size=3, modified=0), Staged(path="/in/.t", size=3)
    (root / "in" / "f").write_bytes(b"pay")
    acts = (
        lambda: channel.look("/in/f"),
        lambda: channel.list("/in"),
        lambda: alone.stage(channel, "/in/.t", io.BytesIO(b"pay")),
        lambda: channel.fetch(file, io.BytesIO()),
        lambda: alone.publish(channel, staged, "/in/g"),
        lambda: channel.place("/in/g", io.BytesIO(b"pay")),
    )
    for path, mode in ((root, 0o755), (root / "in", 0o444)):
        path.chmod(mode)
    before = os.geteuid()
    os.seteuid(65534 if before == 0 else before)
    try:
        for act in acts:
            with pytest.raises((Refused, Unknown), match=r"/in below .* Give the user that runs h2h the rights"):
                act()
        [told] = channel.look_many(["/in/f"])
        assert isinstance(told, Refused)
    finally:
        os.seteuid(before)
        (root / "in").chmod(0o755)


def test_a_folder_of_the_settings_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"Make the folder, or mount it"):
        open_folder(FolderSettings(kind="folder", path=str(tmp_path / "none")))  # type: ignore[arg-type]


def test_what_is_staged_is_not_for_everybody_to_read(folder: tuple[Path, FolderChannel]) -> None:
    root, channel = folder
    alone.stage(channel, "/in/.t", io.BytesIO(b"pay"))
    assert os.stat(root / "in" / ".t").st_mode & 0o007 == 0
    assert channel.look("/in/.t").size == 3
