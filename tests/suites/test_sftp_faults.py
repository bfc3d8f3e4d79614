"""A bank that misbehaves on order, one fault each: the channel says what the bank may have, never less, never more."""

from __future__ import annotations

import io
from typing import Any

import asyncssh
import pytest
from asyncssh.sftp import SFTPAttrs, SFTPServerHandler

from h2h.channels.sftp import SftpChannel, open_sftp
from h2h.channels.sftp_wire import Wire
from h2h.errors import ChannelError, NotDelivered, Refused, Unknown
from h2h.model import Look, Presence, RemoteFile, Staged
from tests import alone
from tests.suites.conftest import Misbehaving
from tests.suites.servers import AsyncSshServer, OpenSshServer

Server = asyncssh.SFTPServer
PAY = bytes(range(256)) * 1000
SHORT = {"operation_timeout": 0.3}


class FullDisk(Server):
    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if offset + len(data) > 100_000:
            raise asyncssh.SFTPFailure("No space left on device")
        return super().write(file_obj, offset, data)


class LosesTheLastBlock(Server):
    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        return len(data) if offset + len(data) == len(PAY) else super().write(file_obj, offset, data)


class FailsToClose(Server):
    def close(self, file_obj: Any) -> Any:
        super().close(file_obj)
        raise asyncssh.SFTPFailure("Input/output error")


class FailsToSync(Server):
    def fsync(self, file_obj: Any) -> Any:
        raise asyncssh.SFTPFailure("Input/output error")


class TellsASmallerSize(Server):
    def fstat(self, file_obj: Any) -> Any:
        return SFTPAttrs(size=len(PAY) - 1)


class CutsInTheWrites(Server):
    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if offset > 100_000:
            self.connection.abort()
        return super().write(file_obj, offset, data)


class StopsInTheWrites(Server):
    async def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        await self.connection.wait_closed()


class ForbidsOpen(Server):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        raise asyncssh.SFTPPermissionDenied("No write access")


class CutsInOpen(Server):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        self.connection.abort()
        return super().open(path, pflags, attrs)


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (FullDisk, NotDelivered, "No space left on device"),
        (LosesTheLastBlock, NotDelivered, "after 256000 were written"),
        (FailsToClose, NotDelivered, "Input/output error"),
        (FailsToSync, NotDelivered, "Input/output error"),
        (TellsASmallerSize, NotDelivered, "255999 bytes after 256000"),
        (CutsInTheWrites, NotDelivered, "connection was lost"),
        (StopsInTheWrites, NotDelivered, "no answer in time"),
        (CutsInOpen, NotDelivered, "connection was lost"),
        (ForbidsOpen, Refused, "No write access"),
    ],
)
def test_a_fault_while_staging_is_never_a_receipt_and_never_unknown(
    bank_that: Misbehaving, behaviour: type[Server], error: type[ChannelError], words: str
) -> None:
    bank = bank_that(behaviour)
    with open_sftp(bank.settings(**SHORT), passphrase=None) as channel, pytest.raises(error, match=words) as raised:
        alone.stage(channel, "/in/.t", io.BytesIO(PAY))
    assert type(raised.value) is error
    assert f"127.0.0.1:{bank.port}" in str(raised.value)
    assert "/in/.t" in str(raised.value)


@pytest.mark.parametrize("behaviour", [FullDisk, LosesTheLastBlock, FailsToSync, TellsASmallerSize])
def test_after_a_fault_while_staging_the_part_is_removed_and_the_session_goes_on(
    bank_that: Misbehaving, behaviour: type[Server]
) -> None:
    bank = bank_that(behaviour)
    with open_sftp(bank.settings(), passphrase=None) as channel:
        with pytest.raises(NotDelivered):
            alone.stage(channel, "/in/.t", io.BytesIO(PAY))
        assert list((bank.root / "in").iterdir()) == []
        assert channel.look("/in/.t") == Look(presence=Presence.GONE)


@pytest.mark.parametrize("behaviour", [CutsInTheWrites, StopsInTheWrites])
def test_after_a_cut_or_a_time_out_the_session_is_over(bank_that: Misbehaving, behaviour: type[Server]) -> None:
    with open_sftp(bank_that(behaviour).settings(**SHORT), passphrase=None) as channel:
        with pytest.raises(NotDelivered):
            alone.stage(channel, "/in/.t", io.BytesIO(PAY))
        assert not channel.alive()
        with pytest.raises(NotDelivered):
            channel.look("/in/.t")


class FailsOnceEarly(Server):
    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        super().write(file_obj, offset, data)
        if offset <= 3 * 32_768 < offset + len(data):
            raise asyncssh.SFTPFailure("Try again")
        return len(data)


def test_one_failed_write_among_many_is_seen_though_the_size_is_right(bank_that: Misbehaving) -> None:
    bank = bank_that(FailsOnceEarly)
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(NotDelivered, match="Try again"):
        alone.stage(channel, "/in/.t", io.BytesIO(PAY * 20))


class CutsTheLine(io.BytesIO):
    """A source that cuts the line to a real server on the way."""

    def __init__(self, bank: OpenSshServer) -> None:
        super().__init__(bytes(3_000_000))
        self._bank = bank

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 1_000_000:
            self._bank.cut()
        return super().read(size)


def test_a_real_server_that_dies_in_the_writes_is_not_delivered(openssh: OpenSshServer) -> None:
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        with pytest.raises(NotDelivered, match="connection was lost"):
            alone.stage(channel, f"{openssh.home}/in/.t", CutsTheLine(openssh))
        assert not channel.alive()


class TellsNoSize(Server):
    def fstat(self, file_obj: Any) -> Any:
        raise asyncssh.SFTPOpUnsupported("fstat")

    def fsync(self, file_obj: Any) -> Any:
        raise asyncssh.SFTPOpUnsupported("fsync")


class ForbidsStat(Server):
    def fstat(self, file_obj: Any) -> Any:
        raise asyncssh.SFTPPermissionDenied("fstat")


@pytest.mark.parametrize("behaviour", [TellsNoSize, ForbidsStat])
def test_a_bank_that_tells_no_size_of_an_open_file_can_still_be_paid_into(
    bank_that: Misbehaving, behaviour: type[Server]
) -> None:
    bank = bank_that(behaviour)
    assert published(bank) == "posix-rename"
    assert (bank.root / "in" / "f").read_bytes() == PAY


def test_a_small_file_takes_as_few_round_trips_as_its_order_allows(
    openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open, everything that is asked of the open file, close, rename: each known to be done before the next."""
    talk: list[str] = []
    packet, send = Wire._packet, Wire._send
    monkeypatch.setattr(Wire, "_packet", lambda wire: (talk.append("answer"), packet(wire))[1])
    monkeypatch.setattr(Wire, "_send", lambda wire, kind, *fields: (talk.append(kind.name), send(wire, kind, *fields)))
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        channel.look(f"{openssh.home}/in/f")
        talk.clear()
        staged = alone.stage(channel, f"{openssh.home}/in/.t", io.BytesIO(b"pay"))
        alone.publish(channel, staged, f"{openssh.home}/in/f")
    behind = ["WRITE", "EXTENDED", "FSTAT", "answer", "answer", "answer"]
    assert talk == ["OPEN", "answer", *behind, "CLOSE", "answer", "EXTENDED", "answer"]


class RenamesAndSaysNo(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        super().posix_rename(oldpath, newpath)
        raise asyncssh.SFTPFailure("Failure")


class RenamesAndCuts(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        super().posix_rename(oldpath, newpath)
        self.connection.abort()


class RenamesAndStops(Server):
    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        Server.posix_rename(self, oldpath, newpath)
        await self.connection.wait_closed()


@pytest.mark.parametrize("behaviour", [RenamesAndSaysNo, RenamesAndCuts, RenamesAndStops])
def test_a_rename_done_without_a_clear_yes_is_unknown_and_a_look_shows_it(
    bank_that: Misbehaving, behaviour: type[Server]
) -> None:
    bank = bank_that(behaviour)
    with open_sftp(bank.settings(**SHORT), passphrase=None) as channel, pytest.raises(Unknown, match="/in/f"):
        published_on(channel)
    with open_sftp(bank.settings(), passphrase=None) as channel:
        assert channel.look("/in/.t") == Look(presence=Presence.GONE)
        assert channel.look("/in/f").size == len(PAY)


class ForbidsRename(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("Not here")


def test_a_forbidden_rename_is_unknown_too_and_no_other_rename_is_tried(bank_that: Misbehaving) -> None:
    bank = bank_that(ForbidsRename)
    with pytest.raises(Unknown, match="Not here"):
        published(bank)
    assert [file.name for file in (bank.root / "in").iterdir()] == [".t"]


def test_publishing_on_a_dead_session_is_unknown(openssh: OpenSshServer) -> None:
    with open_sftp(openssh.settings(), passphrase=None) as channel:
        staged = alone.stage(channel, f"{openssh.home}/in/.t", io.BytesIO(PAY))
        openssh.cut()
        with pytest.raises(Unknown):
            alone.publish(channel, staged, f"{openssh.home}/in/f")


class PosixRenameUnsupported(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        raise asyncssh.SFTPOpUnsupported("posix-rename")


def test_a_bank_that_offers_posix_rename_and_does_not_know_it_is_asked_to_rename(bank_that: Misbehaving) -> None:
    assert published(bank_that(PosixRenameUnsupported)) == "rename"


def test_a_bank_without_extensions_is_asked_for_none(bank_that: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SFTPServerHandler, "_extensions", [])
    monkeypatch.setattr(SFTPServerHandler, "_process_posix_rename", None)
    monkeypatch.setattr(SFTPServerHandler, "_process_fsync", None)
    bank = bank_that()
    assert published(bank) == "rename"
    with open_sftp(bank.settings(), passphrase=None) as channel:
        assert not channel.replaces


def hiding(error: Exception) -> type[Server]:
    class Hides(Server):
        def lstat(self, path: bytes) -> Any:
            raise error

    return Hides


@pytest.mark.parametrize(
    "error",
    [asyncssh.SFTPPermissionDenied("no"), asyncssh.SFTPOpUnsupported("no"), asyncssh.SFTPFailure("no")],
    ids=lambda error: type(error).__name__,
)
def test_a_bank_that_does_not_allow_looking_hides_its_files(bank_that: Misbehaving, error: Exception) -> None:
    bank = bank_that(hiding(error))
    (bank.root / "in" / "f").write_bytes(b"pay")
    with open_sftp(bank.settings(), passphrase=None) as channel:
        assert channel.look("/in/f") == Look(presence=Presence.HIDDEN)


class ShowsNothing(Server):
    """No file, no folder, no listing; `told` where it has none."""

    told: type[asyncssh.SFTPError] = asyncssh.SFTPPermissionDenied

    def lstat(self, path: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("no")

    def stat(self, path: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("no")

    async def scandir(self, path: bytes) -> Any:
        raise self.told("no")
        yield


class HasNoFile(ShowsNothing):
    def lstat(self, path: bytes) -> Any:
        raise asyncssh.SFTPNoSuchFile("no")


class ListsAlone(ShowsNothing):
    async def scandir(self, path: bytes) -> Any:
        yield asyncssh.sftp.SFTPName(b"f", attrs=SFTPAttrs(size=3))


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        (ShowsNothing, Look(presence=Presence.HIDDEN, folder_there=False)),
        (HasNoFile, Look(presence=Presence.HIDDEN, folder_there=False)),  # its disk may be away
        (ListsAlone, Look(presence=Presence.HIDDEN, folder_there=True)),
        (Server, Look(presence=Presence.GONE)),
    ],
)
def test_a_file_is_gone_only_from_a_folder_that_is_seen_to_be_there(
    bank_that: Misbehaving, behaviour: type[Server], seen: Look
) -> None:
    with open_sftp(bank_that(behaviour).settings(), passphrase=None) as channel:
        assert channel.look("/in/f") == seen


class HasNoFolder(ShowsNothing):
    told = asyncssh.SFTPNoSuchFile


def test_a_folder_that_cannot_be_opened_because_it_is_missing_is_refused(bank_that: Misbehaving) -> None:
    bank = bank_that(HasNoFolder)
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(Refused, match="/in is not there"):
        channel.look("/in/f")


class StopsWhenLookedAt(Server):
    async def lstat(self, path: bytes) -> Any:
        await self.connection.wait_closed()


def test_a_look_that_is_not_answered_is_not_delivered(bank_that: Misbehaving) -> None:
    with open_sftp(bank_that(StopsWhenLookedAt).settings(**SHORT), passphrase=None) as channel:
        with pytest.raises(NotDelivered, match=r"no answer in time \(0\.3 s\)"):
            channel.look("/in/f")
        assert not channel.alive()


class EndsEarly(Server):
    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        return super().read(file_obj, offset, max(0, min(size, 100_000 - offset)))


class FailsInTheReads(Server):
    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        if offset > 100_000:
            raise asyncssh.SFTPFailure("Input/output error")
        return super().read(file_obj, offset, size)


class CutsInTheReads(Server):
    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        if offset > 100_000:
            self.connection.abort()
        return super().read(file_obj, offset, size)


class StopsInTheReads(Server):
    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        await self.connection.wait_closed()


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (EndsEarly, NotDelivered, "now has 100000: it is still being written, or was cut"),
        (TellsASmallerSize, NotDelivered, "now has 255999"),
        (FailsInTheReads, NotDelivered, "Input/output error"),
        (CutsInTheReads, NotDelivered, "connection was lost"),
        (StopsInTheReads, NotDelivered, "no answer in time"),
        (ForbidsOpen, Refused, "No write access"),
    ],
)
def test_a_fault_while_fetching_is_never_a_whole_file(
    bank_that: Misbehaving, behaviour: type[Server], error: type[ChannelError], words: str
) -> None:
    bank = bank_that(behaviour)
    file = at_the_bank(bank)
    with open_sftp(bank.settings(**SHORT), passphrase=None) as channel, pytest.raises(error, match=words):
        channel.fetch(file, io.BytesIO())
    assert (bank.root / "out" / "f").read_bytes() == PAY


def test_a_file_that_grows_while_it_is_read_is_not_taken_for_whole(bank_that: Misbehaving) -> None:
    bank = bank_that(TellsASmallerSize)
    at_the_bank(bank)
    file = RemoteFile(folder="/out", name="f", size=len(PAY) - 1)
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(NotDelivered, match="now has more"):
        channel.fetch(file, io.BytesIO())


class ReadsInSmallPieces(Server):
    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        return Server.read(self, file_obj, offset, min(size, 1 + offset % 9000))


def test_a_bank_that_answers_with_less_than_asked_for_is_asked_for_the_rest(bank_that: Misbehaving) -> None:
    bank = bank_that(ReadsInSmallPieces)
    sink = io.BytesIO()
    with open_sftp(bank.settings(), passphrase=None) as channel:
        channel.fetch(at_the_bank(bank), sink)
    assert sink.getvalue() == PAY


def listing(*names: bytes, size: int | None = 3) -> type[Server]:
    class Lists(Server):
        async def scandir(self, path: bytes) -> Any:
            for name in names:
                yield asyncssh.SFTPName(name, b"", SFTPAttrs(size=size, permissions=0o100644))

        def lstat(self, path: bytes) -> Any:
            return SFTPAttrs(size=size)

    return Lists


def test_a_listed_name_that_is_none_is_told_and_never_opened(bank_that: Misbehaving) -> None:
    odd = [b"../up", b"/etc/passwd", b"a/b", b"nul\0l", b"x" * 301]
    bank = bank_that(listing(b".", b"..", b"", *odd, b"good", b"\xff\n"))
    with open_sftp(bank.settings(), passphrase=None) as channel:
        listed = {file.name: file for file in channel.list("/out")}
        assert set(listed) == {*map(bytes.decode, odd), "good", "\uf7ff\n"}
        for name in odd:
            with pytest.raises(Refused, match="no name of a file"):
                channel.fetch(listed[name.decode()], io.BytesIO())


def test_a_bank_that_tells_no_sizes_is_refused(bank_that: Misbehaving) -> None:
    bank = bank_that(listing(b"f", size=None))
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(Refused, match="no sizes"):
        channel.list("/out")


def test_a_listing_without_an_end_is_refused(bank_that: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.channels.sftp.MAX_NAMES", 1000)
    bank = bank_that(listing(*[b"same"] * 2000))
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(Refused, match="more than 1000 names"):
        channel.list("/out")


class SaysTerribleThings(Server):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        raise asyncssh.SFTPFailure("\x1b[2Jgone\n" + "x" * 10_000)


def test_the_words_of_a_server_are_made_harmless(bank_that: Misbehaving) -> None:
    bank = bank_that(SaysTerribleThings)
    with open_sftp(bank.settings(), passphrase=None) as channel, pytest.raises(NotDelivered) as raised:
        alone.stage(channel, "/in/.t", io.BytesIO(PAY))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000


def published(bank: AsyncSshServer) -> str:
    with open_sftp(bank.settings(), passphrase=None) as channel:
        return published_on(channel)


def published_on(channel: SftpChannel) -> str:
    staged = alone.stage(channel, "/in/.t", io.BytesIO(PAY))
    assert staged == Staged(path="/in/.t", size=len(PAY))
    return alone.publish(channel, staged, "/in/f").how


def at_the_bank(bank: AsyncSshServer) -> RemoteFile:
    (bank.root / "out" / "f").write_bytes(PAY)
    return RemoteFile(folder="/out", name="f", size=len(PAY))
