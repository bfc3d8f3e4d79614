"""Taking files from a bank exactly once: what can go wrong between its folder and the ERP's, row by row.

Each row over a folder and over SFTP, but for those that only a server can do. The bank is the sandbox's, its faults
are subclasses of its sessions or happen between two calls on the channel; a crash is a KeyboardInterrupt, after which
another gateway opens the same data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from sqlalchemy import event

from h2h.archive import Incoming
from h2h.channels.folder import FolderChannel
from h2h.channels.sftp import SftpChannel
from h2h.clock import Clock
from h2h.config import load
from h2h.errors import ChannelError, NotAllowed, NotDelivered, SettingsError
from h2h.gateway import Gateway
from h2h.ledger.messages import Message, Messages, MessageState
from h2h.ledger.troubles import Kind
from h2h.mailbox import numbered, unnumbered
from h2h.messages import Catalog
from h2h.model import InboundId, RemoteFile
from h2h.sandbox.server import BankSftp
from h2h.verdicts import Verdict
from tests.shell.command import run as h2h

from .test_bad_world import SILENT, cutting, denied, failing, failure
from .world import MovableClock, World, answer, only, opened, payments, put, sample, send, transfers, world

STATEMENT = sample("camt.053.001.08")
CLAIMED = {"claim": '"/archive"', "names_are_unique": "false"}
LEFT = {"after": '"leave"', "names_are_unique": "false"}
ONE_SHOT = {**LEFT, "one_shot": "true"}
SETTLES = {"settle": '"5s"'}
A_DAY_AGO = datetime.now(UTC).timestamp() - 86_400


@dataclass
class House:
    """A bank's /out and /archive as it sees them, and a gateway that pulls from it."""

    erp: World
    out: Path
    archive: Path
    gateway: Gateway

    def pull(self) -> dict[str, str]:
        """One pull of every inbound folder; every inbound file by its name, with its state."""
        desk = self.gateway.desks["box"]
        for folder in desk.bank.inbound:
            desk.pull(folder)
        return self.states()

    def states(self) -> dict[str, str]:
        return {file.name: file.state for file in self.files()}

    def files(self) -> list[Message]:
        """Oldest first."""
        rows = [f for f in self.gateway.ledger.views.files(limit=10_000) if f.direction == "in"]
        return [self.gateway.ledger.messages.get(row.id) for row in reversed(rows)]

    def statements(self) -> list[str | None]:
        """The statements in the books, oldest first."""
        return [row.statement_id for row in reversed(self.gateway.ledger.views.statements())]

    def troubles(self, *, after: timedelta = timedelta(0)) -> list[tuple[str, str]]:
        """What the board tells of the folders: kind and name of a file."""
        board = self.gateway.ledger.views.board(["box"], self.gateway.clock.now() + after)
        return [(trouble.kind, trouble.name) for trouble in board.troubles]

    def attention(self) -> list[str]:
        return [file.name for file in self.gateway.ledger.views.board(["box"], self.gateway.clock.now()).attention]

    def findings(self, name: str) -> list[str]:
        message = [file for file in self.files() if file.name == name][-1]
        return [f.code for f in self.gateway.ledger.views.history(message.id).findings]

    def at_the_bank(self) -> list[str]:
        return sorted(path.name for folder in (self.out, self.archive) for path in folder.iterdir())

    def records(self) -> list[str]:
        """The kinds of records that the ERP was given, over all files."""
        lines = [line for path in self.erp.deliver.glob("*.jsonl") for line in path.read_text().splitlines()]
        return [json.loads(line)["record"] for line in lines]


@pytest.fixture(params=["folder", "sftp"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def house(
    folder: Path,
    kind: str = "sftp",
    *,
    server_class: type | None = None,
    clock: Clock | None = None,
    more: str = "",
    **inbound: str,
) -> Iterator[House]:
    """`more`: further blocks of the bank's profile."""
    with world(folder, SILENT, server_class=server_class, inbound=inbound) as (erp, bank):
        if kind == "folder":
            erp.channel = {"kind": '"folder"', "path": f'"{bank.folders.client}"'}
        erp.write_settings()
        erp.profile_file.write_text(erp.profile() + more)
        with again(erp, clock) as gateway:
            it = House(erp=erp, out=bank.folders.outbox, archive=bank.folders.archive, gateway=gateway)
            try:
                yield it
            finally:
                it.gateway.close()


@contextmanager
def again(erp: World, clock: Clock | None = None) -> Iterator[Gateway]:
    """A gateway on the settings as they stand there: the first, or the next one after a crash."""
    gateway = Gateway(load(erp.config), clock or Clock())
    try:
        with gateway.running():
            yield gateway
    finally:
        gateway.close()


@contextmanager
def crashed(house: House) -> Iterator[None]:
    """A process that dies in the block; afterwards another one goes on."""
    with pytest.raises(KeyboardInterrupt):
        yield
    go_on(house)


def go_on(house: House) -> None:
    """With another gateway on the same data."""
    clock = house.gateway.clock
    house.gateway.close()
    house.gateway = Gateway(load(house.erp.config), clock)
    house.gateway.archive.prepare()


def power_cut(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def afterwards(
    patch: pytest.MonkeyPatch, operation: str, act: Callable[..., object], *, times: int = 1, instead: bool = False
) -> None:
    """`act` with the arguments, once the channel has done the operation, or instead of it; so many times."""
    left = times

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: object, *arguments: Any) -> Any:
            nonlocal left
            if not left:
                return original(self, *arguments)
            left -= 1
            done = None if instead else original(self, *arguments)
            act(*arguments)
            return done

        return call

    for door in (FolderChannel, SftpChannel):
        patch.setattr(door, operation, wrapped(getattr(door, operation)))


class Meanwhile(MovableClock):
    """Waits no time: it jumps, and something happens at the bank each time."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        super().__init__()
        self.acts = list(acts)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.advance(seconds=seconds)
        if self.acts:
            self.acts.pop(0)()
        return event.is_set()

    def monotonic(self) -> float:
        return self.now().timestamp()


def statement(number: int, day: str = "2026-11-19", **changes: str) -> bytes:
    """The sample under another id, number and closing day."""
    text = STATEMENT.decode().replace("2026-11-19-DE89", f"S{number}-DE89", 1)
    text = text.replace(">221<", f">{number}<").replace("<Dt>2026-11-19</Dt>", f"<Dt>{day}</Dt>", 2)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text.encode()


# Row 1 to 5: crashes, and answers that do not come.


def test_row_1_a_crash_before_the_bytes_are_safe_fetches_the_file_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        with monkeypatch.context() as patch, crashed(it):
            patch.setattr(Incoming, "keep", power_cut)
            it.pull()
        assert list((it.gateway.data / "archive" / "incoming").iterdir()) == []
        assert it.pull() == {"s.xml": "APPLIED"}
        assert it.at_the_bank() == []


def test_row_2_a_crash_before_the_records_are_in_the_books_needs_no_second_download(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        with monkeypatch.context() as patch, crashed(it):
            patch.setattr(Messages, "applied", power_cut)
            it.pull()
        (it.out / "s.xml").unlink()
        assert it.states() == {"s.xml": "KEPT"}
        assert it.pull() == {"s.xml": "APPLIED"}
        assert len(it.statements()) == 1


def test_row_3_a_crash_before_the_file_is_removed_at_the_bank_books_nothing_twice(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        with monkeypatch.context() as patch, crashed(it):
            afterwards(patch, "discard", power_cut, instead=True)
            it.pull()
        assert it.at_the_bank() == ["s.xml"]
        assert it.pull() == {"s.xml": "APPLIED"}
        assert (it.at_the_bank(), len(it.statements()), it.records().count("Statement")) == ([], 1, 1)


def test_row_4_a_removal_whose_answer_is_lost_is_no_alarm(tmp_path: Path) -> None:
    with house(tmp_path, server_class=cutting("remove")) as it:
        put(it.out, "s.xml", STATEMENT)
        with suppress(ChannelError):
            it.pull()
        assert it.pull() == {"s.xml": "APPLIED"}
        assert (it.at_the_bank(), it.troubles(), it.records().count("Statement")) == ([], [], 1)


def test_row_5_a_removal_that_is_not_done_is_told_and_done_again(tmp_path: Path) -> None:
    with house(tmp_path, server_class=failing("remove", error=denied, times=2)) as it:
        put(it.out, "s.xml", STATEMENT)
        for _ in range(2):
            assert it.pull() == {"s.xml": "APPLIED"}
            assert it.troubles() == [(Kind.NOT_REMOVED, "s.xml")]
            assert it.at_the_bank() == ["s.xml"]
        it.pull()
        assert (it.at_the_bank(), it.troubles(), len(it.statements())) == ([], [], 1)


# Row 6 and 7: not whole.


def test_row_6_a_file_that_is_still_being_written_waits_is_told_and_comes_once_it_stays_as_it_is(
    kind: str, tmp_path: Path
) -> None:
    clock = Meanwhile()
    with house(tmp_path, kind, clock=clock, **SETTLES) as it, (it.out / "s.xml").open("wb", buffering=0) as writer:
        pieces = [STATEMENT[start : start + 100] for start in range(0, len(STATEMENT), 100)]
        writer.write(pieces.pop(0))
        put(it.out, "whole.xml", answer("MSG-1"))
        clock.acts = [lambda: writer.write(pieces.pop(0))] * (len(pieces) - 1)
        assert it.pull() == {"whole.xml": "APPLIED"}
        assert it.troubles() == []
        assert it.troubles(after=timedelta(minutes=11)) == [(Kind.CHANGING, "s.xml")]
        clock.acts = []
        writer.write(b"".join(pieces))
        assert it.pull() == {"whole.xml": "APPLIED", "s.xml": "APPLIED"}
        assert it.troubles(after=timedelta(minutes=11)) == []
        assert it.at_the_bank() == []


@pytest.mark.parametrize("inbound", [{}, CLAIMED], ids=["unclaimed", "claimed"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_row_6_half_a_file_is_never_booked_or_removed_and_the_whole_one_comes_under_the_same_name(
    kind: str, tmp_path: Path, share: float, inbound: dict[str, str]
) -> None:
    with house(tmp_path, kind, **inbound) as it:
        put(it.out, "s.xml", STATEMENT[: int(len(STATEMENT) * share)])
        assert (it.pull(), it.pull()) == ({"s.xml": "UNREADABLE"},) * 2
        assert (it.statements(), it.records(), it.at_the_bank()) == ([], [], ["s.xml"])
        assert it.attention() == ["s.xml"]
        put(it.out, "s.xml", STATEMENT)
        assert "APPLIED" in it.pull().values()
        assert (len(it.statements()), it.records().count("Statement")) == (1, 1)


def test_row_6_half_a_file_that_was_claimed_while_it_was_written_comes_when_it_is_whole(
    kind: str, tmp_path: Path
) -> None:
    with house(tmp_path, kind, **CLAIMED) as it, (it.out / "s.xml").open("wb", buffering=0) as writer:
        writer.write(STATEMENT[:1000])
        assert it.pull() == {"s.xml": "UNREADABLE"}
        writer.write(STATEMENT[1000:])
        it.pull()
        assert [file.state for file in it.files()] == ["UNREADABLE", "APPLIED"]
        assert it.at_the_bank() == []


def test_row_7_a_transfer_that_ends_early_is_no_whole_file(tmp_path: Path) -> None:
    class EndsEarly(BankSftp):
        left = 2

        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            if offset + size > 1000 and EndsEarly.left:
                EndsEarly.left -= 1
                return b""
            return super().read(file_obj, offset, size)  # type: ignore[return-value]

    with house(tmp_path, server_class=EndsEarly) as it:
        put(it.out, "s.xml", STATEMENT)
        assert it.pull() == {}
        assert (it.troubles(), it.at_the_bank()) == ([(Kind.NOT_FETCHED, "s.xml")], ["s.xml"])
        EndsEarly.left = 0
        assert it.pull() == {"s.xml": "APPLIED"}
        assert (it.troubles(), it.at_the_bank()) == ([], [])


# Row 8 to 10: names, contents and statements.


@pytest.mark.parametrize("inbound", [{}, CLAIMED, LEFT], ids=["removed", "claimed", "left"])
def test_row_8_another_content_under_the_same_name_is_another_file(
    kind: str, tmp_path: Path, inbound: dict[str, str]
) -> None:
    with house(tmp_path, kind, **inbound) as it:
        for number, at in ((1, A_DAY_AGO), (2, A_DAY_AGO + 60)):
            put(it.out, "s.xml", statement(number))
            os.utime(it.out / "s.xml", (at, at))
            it.pull()
        assert [file.state for file in it.files()] == ["APPLIED", "APPLIED"]
        assert len(it.statements()) == 2


@pytest.mark.parametrize("content", [STATEMENT, answer("MSG-1")], ids=["statement", "report"])
def test_row_9_the_same_content_under_a_new_name_makes_no_second_records(
    kind: str, tmp_path: Path, content: bytes
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", content)
        it.pull()
        records = it.records()
        put(it.out, "t.xml", content)
        assert it.pull() == {"s.xml": "APPLIED", "t.xml": "REPEATED"}
        assert (it.at_the_bank(), it.records()) == ([], records)


@pytest.mark.parametrize("flag", ["DUPL", "CODU"])
@pytest.mark.parametrize("new_id", [False, True], ids=["same id", "new id"])
def test_row_9_a_duplicate_that_the_bank_made_anew_makes_no_second_records(
    tmp_path: Path, flag: str, new_id: bool
) -> None:
    copy = STATEMENT.decode().replace("<Acct>", f"<CpyDplctInd>{flag}</CpyDplctInd><Acct>", 1)
    copy = re.sub(r"<CreDtTm>[^<]*", "<CreDtTm>2026-11-25T08:00:00+01:00", copy)
    copy = copy.replace("2026-11-19-DE89", "COPY-DE89") if new_id else copy
    with house(tmp_path, "folder") as it:
        put(it.out, "s.xml", STATEMENT)
        it.pull()
        put(it.out, "t.xml", copy.encode())
        assert it.pull() == {"s.xml": "APPLIED", "t.xml": "REPEATED"}
        assert it.findings("t.xml") == ["STATEMENT_REPEATED"]
        assert (it.at_the_bank(), len(it.statements()), it.records().count("Statement")) == ([], 1, 1)


def test_row_9_a_file_with_a_known_and_a_new_statement_gives_the_erp_the_new_one_alone(tmp_path: Path) -> None:
    block = re.search(r"<Stmt>.*</Stmt>", STATEMENT.decode(), re.DOTALL)
    assert block
    both = STATEMENT.decode().replace("</Stmt>", f"</Stmt>{block[0].replace('2026-11-19-DE89', 'NEXT-DE89')}", 1)
    with house(tmp_path, "folder") as it:
        put(it.out, "s.xml", STATEMENT)
        it.pull()
        entries = it.records().count("Entry")
        put(it.out, "t.xml", both.encode())
        assert it.pull() == {"s.xml": "APPLIED", "t.xml": "APPLIED"}
        assert len(it.statements()) == 2
        assert (it.records().count("Statement"), it.records().count("Entry")) == (2, 2 * entries)


def test_row_10_a_known_statement_with_another_content_is_set_aside_and_told(kind: str, tmp_path: Path) -> None:
    other = STATEMENT.replace(b"101527.42", b"101527.43")
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        it.pull()
        put(it.out, "t.xml", other)
        assert it.pull() == {"s.xml": "APPLIED", "t.xml": "UNREADABLE"}
        assert it.findings("t.xml")[0] == "STATEMENT_CONFLICT"
        assert (it.attention(), it.at_the_bank()) == (["t.xml"], ["t.xml"])
        assert (len(it.statements()), it.records().count("Statement")) == (1, 1)


# Row 11 to 13: files that come and go.

FIRST, SECOND = answer("MSG-1"), answer("MSG-2")


def replaced(it: House, at: float) -> Callable[..., None]:
    """The bank writes another file of the same size under the same name."""
    assert len(FIRST) == len(SECOND)

    def write(*_: object) -> None:
        put(it.out, "r.xml", SECOND)
        os.utime(it.out / "r.xml", (at, at))

    return write


def test_row_11_a_file_written_in_place_of_the_fetched_one_is_never_removed_unread(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the same second and of the same size: no look could tell."""
    with house(tmp_path, kind, **CLAIMED) as it:
        put(it.out, "r.xml", FIRST)
        os.utime(it.out / "r.xml", (A_DAY_AGO, A_DAY_AGO))
        afterwards(monkeypatch, "fetch", replaced(it, A_DAY_AGO))
        it.pull()
        assert (it.out / "r.xml").read_bytes() == SECOND
        it.pull()
        assert [file.state for file in it.files()] == ["APPLIED", "APPLIED"]
        assert len({file.sha256 for file in it.files()}) == 2
        assert it.at_the_bank() == []


@pytest.mark.parametrize("after", ["delete", "move"])
def test_row_11_without_a_claim_nothing_may_be_removed_unless_the_bank_never_uses_a_name_again(
    tmp_path: Path, after: str
) -> None:
    inbound = {"after": f'"{after}"', "names_are_unique": "false"} | (
        {"move_to": '"/archive"'} if after == "move" else {}
    )
    erp = World(folder=tmp_path, port=22, fingerprint="SHA256:" + "A" * 43, inbound=inbound)
    erp.write_settings()
    with pytest.raises(SettingsError, match="name a folder in claim, or state names_are_unique"):
        load(erp.config)


def test_row_11_a_bank_that_breaks_its_word_is_caught_by_the_time_of_the_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "r.xml", FIRST)
        os.utime(it.out / "r.xml", (A_DAY_AGO, A_DAY_AGO))
        afterwards(monkeypatch, "fetch", replaced(it, A_DAY_AGO + 1))
        it.pull()
        assert (it.out / "r.xml").read_bytes() == SECOND
        it.pull()
        assert len({file.sha256 for file in it.files()}) == 2


class OneShot(BankSftp):
    """A file is gone once it was opened; `cut_at`: the line breaks there."""

    cut_at: int | None = None

    def open(self, path: bytes, pflags: int, attrs: object) -> object:
        opened = super().open(path, pflags, attrs)
        if path.endswith(b".xml"):
            os.unlink(self.map_path(path))
        return opened

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if self.cut_at is not None and offset + size > self.cut_at:
            if offset >= self.cut_at:
                raise failure()
            size = self.cut_at - offset
        return super().read(file_obj, offset, size)  # type: ignore[return-value]


def test_row_12_what_came_from_a_one_shot_mailbox_before_the_cut_is_kept_and_told_until_the_bank_sends_it_again(
    tmp_path: Path,
) -> None:
    server = type("Cuts", (OneShot,), {"cut_at": 1000})
    with house(tmp_path, server_class=server, **ONE_SHOT) as it:
        put(it.out, "s.xml", STATEMENT)
        it.pull()
        part = only(it.files())
        assert (part.state, part.size, it.findings("s.xml")) == ("UNREADABLE", 1000, ["FETCH_CUT"])
        with it.gateway.archive.open(part.sha256) as kept:
            assert kept.read() == STATEMENT[:1000]
        assert "Ask the bank to send it again" in (part.reason or "")
        assert (it.troubles(), it.at_the_bank()) == ([(Kind.OPENED, "s.xml")], [])
        assert "ask the bank to send it again" in h2h(it.erp.config, "status").stdout
        it.pull()
        assert it.troubles() == [(Kind.OPENED, "s.xml")]
        server.cut_at = None  # type: ignore[attr-defined]
        put(it.out, "s.xml", STATEMENT)
        it.pull()
        assert [file.state for file in it.files()] == ["UNREADABLE", "APPLIED"]
        assert it.troubles() == []


def test_row_12_a_crash_while_a_one_shot_file_is_fetched_is_told(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind, **ONE_SHOT) as it:
        put(it.out, "s.xml", STATEMENT)
        with monkeypatch.context() as patch, crashed(it):
            patch.setattr(Incoming, "keep", power_cut)
            it.pull()
        (it.out / "s.xml").unlink()
        it.pull()
        assert it.troubles() == [(Kind.OPENED, "s.xml")]


LONG = STATEMENT + b"<!-- a day without bookings -->\n" * 13_000


class BreaksOnce(BankSftp):
    """The line ends in the middle of a file, once; `asked` are the places that were read from."""

    broken = False
    asked: list[int]

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        type(self).asked.append(offset)
        if offset > 200_000 and not type(self).broken:
            type(self).broken = True
            self.connection.disconnect(asyncssh.DISC_BY_APPLICATION, "good-bye")
        return super().read(file_obj, offset, size)  # type: ignore[return-value]


@contextmanager
def broken_off(folder: Path, **inbound: str) -> Iterator[tuple[House, list[int]]]:
    """A long file of which the first part came; and where the bank is asked to read from then on."""
    asked: list[int] = []
    server = type("Breaks", (BreaksOnce,), {"asked": asked})
    with house(folder, server_class=server, **inbound) as it:
        put(it.out, "s.xml", LONG)
        os.utime(it.out / "s.xml", (A_DAY_AGO, A_DAY_AGO))
        with pytest.raises(NotDelivered):
            it.pull()
        asked.clear()
        yield it, asked


def test_a_file_is_fetched_on_from_where_the_line_broke_and_hashed_from_its_start(tmp_path: Path) -> None:
    with broken_off(tmp_path) as (it, asked):
        assert it.pull() == {"s.xml": "APPLIED"}
        assert min(asked) > 0
        message = only(it.files())
        assert message.sha256 == hashlib.sha256(LONG).hexdigest()
        with it.gateway.archive.open(message.sha256) as kept:
            assert kept.read() == LONG


@pytest.mark.parametrize("seconds", [1, -1])
def test_a_file_that_was_written_anew_since_the_line_broke_is_fetched_from_its_start(
    tmp_path: Path, seconds: int
) -> None:
    with broken_off(tmp_path) as (it, asked):
        put(it.out, "s.xml", bytes(len(LONG)))
        os.utime(it.out / "s.xml", (A_DAY_AGO, A_DAY_AGO + seconds))
        it.pull()
        assert min(asked) == 0
        assert only(it.files()).sha256 == hashlib.sha256(bytes(len(LONG))).hexdigest()


def test_the_first_part_of_a_file_is_let_go_of_when_it_is_gone_and_at_the_end(tmp_path: Path) -> None:
    for name, gone in (("a", True), ("b", False)):
        with broken_off(tmp_path / name) as (it, _):
            parts = it.gateway.data / "archive" / "incoming"
            assert [path.stat().st_size > 0 for path in parts.iterdir()] == [True]
            if gone:
                (it.out / "s.xml").unlink()
                it.pull()
            else:
                it.gateway.close()
            assert list(parts.iterdir()) == []


def test_row_13_a_listed_file_that_is_gone_is_no_error_and_one_that_was_hidden_comes_next_time(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "a.xml", FIRST)
        put(it.out, "b.xml", SECOND)

        def changes(*_: object) -> None:
            (it.out / "a.xml").unlink()
            put(it.out, "c.xml", STATEMENT)

        afterwards(monkeypatch, "list", changes)
        assert it.pull() == {"b.xml": "APPLIED"}
        assert it.troubles() == []
        assert it.pull() == {"b.xml": "APPLIED", "c.xml": "APPLIED"}


# Row 14: names.

NAMES = [
    b"new\nline.xml",
    b"\x1b[31m.xml",
    b"latin-\xfc.xml",
    b"..--rf.xml"[2:],
    "支付 ü.xml".encode(),
    b"n" * 251 + b".xml",
]
ODD = [b"../up.xml", b"/etc/x.xml", b"a/b.xml", b"nul\0l.xml", b"x" * 301 + b".xml"]


@pytest.mark.parametrize("inbound", [{}, CLAIMED], ids=["unclaimed", "claimed"])
def test_row_14_a_name_is_only_data(kind: str, tmp_path: Path, inbound: dict[str, str]) -> None:
    with house(tmp_path, kind, **inbound) as it:
        for number, name in enumerate(NAMES):
            path = os.path.join(os.fsencode(it.out), name)
            Path(os.fsdecode(path)).write_bytes(answer("MSG-1", paper_id=f"P{number}"))
        assert set(it.pull().values()) == {"APPLIED"}
        assert len(it.files()) == len(NAMES)
        assert it.at_the_bank() == []
        delivered = [path.name for path in it.erp.deliver.iterdir()]
        assert len(delivered) == 2 * len(NAMES)
        assert all(re.fullmatch(r"M\d{6}-[0-9A-Z]{8}-[\w.-]+", name, re.ASCII) for name in delivered)
        assert "\x1b" not in h2h(it.erp.config, "files").stdout


def test_row_14_a_listed_name_that_no_file_can_have_is_told_left_alone_and_leads_nowhere(tmp_path: Path) -> None:
    class Lies(BankSftp):
        def scandir(self, path: bytes) -> Any:
            return self._with_odd(super().scandir(path))

        async def _with_odd(self, entries: Any) -> Any:
            for name in ODD:
                yield asyncssh.SFTPName(name, b"", asyncssh.SFTPAttrs(size=3, permissions=0o100644))
            async for entry in entries:
                yield entry

    with house(tmp_path, server_class=Lies) as it:
        put(it.out, "r.xml", FIRST)
        before = sorted(path for path in it.erp.folder.rglob("*") if path.is_file() and "data" not in path.parts)
        assert it.pull() == {"r.xml": "APPLIED"}
        assert [kind for kind, _ in it.troubles()] == [Kind.NOT_A_NAME] * len(ODD)
        assert it.troubles()[0] == (Kind.NOT_A_NAME, "../up.xml")
        new = {p for p in it.erp.folder.rglob("*") if p.is_file() and "data" not in p.parts} - set(before)
        assert {path.parent for path in new} == {it.erp.deliver}
        assert "no file can have" in h2h(it.erp.config, "status").stdout


# Row 15 to 17: what is missing, and what is not quite right.


def test_row_15_a_gap_in_the_numbers_is_accepted_and_told_with_what_is_missing(tmp_path: Path) -> None:
    with house(tmp_path, "folder") as it:
        put(it.out, "a.xml", statement(221, "2026-11-18"))
        put(it.out, "b.xml", statement(224, "2026-11-21"))
        assert it.pull() == {"a.xml": "APPLIED", "b.xml": "APPLIED"}
        assert (it.findings("a.xml"), it.findings("b.xml")) == ([], ["STATEMENT_GAP"])
        assert it.attention() == ["b.xml"]
        assert "222, 223 did not come" in (it.files()[-1].reason or "")


def test_row_15_an_opening_that_is_not_the_last_closing_is_told(tmp_path: Path) -> None:
    with house(tmp_path, "folder") as it:
        put(it.out, "a.xml", statement(221, "2026-11-18"))
        put(it.out, "b.xml", statement(222, "2026-11-19"))
        it.pull()
        assert it.findings("b.xml") == ["STATEMENT_OPENING"]


def test_row_16_page_1_of_2_is_told_as_half_a_day_until_page_2_has_come(tmp_path: Path) -> None:
    first = STATEMENT.replace(b"<LastPgInd>true", b"<LastPgInd>false", 1)
    second = STATEMENT.replace(b"<PgNb>1<", b"<PgNb>2<", 1)
    with house(tmp_path, "folder") as it:
        put(it.out, "a.xml", first)
        it.pull()
        assert [gap.kind for gap in it.gateway.ledger.gaps.rows()] == ["PAGE"]
        assert "not the last" in h2h(it.erp.config, "statements").stdout
        put(it.out, "b.xml", second)
        it.pull()
        assert [gap.kind for gap in it.gateway.ledger.gaps.rows()] == ["SUM"]  # each page has the sum of both
        assert len(it.statements()) == 2


def test_row_17_a_statement_that_breaks_its_schema_but_can_be_read_is_applied_with_a_warning(tmp_path: Path) -> None:
    with house(tmp_path, "folder") as it:
        put(it.out, "s.xml", STATEMENT.replace(b"<Acct>", b"<Colour>blue</Colour><Acct>", 1))
        assert it.pull() == {"s.xml": "APPLIED"}
        assert (it.findings("s.xml"), len(it.statements())) == (["XSD_UNEXPECTED"], 1)


# What nobody asked for.


def test_an_answer_to_a_message_that_we_never_sent_is_kept_told_and_changes_nothing(tmp_path: Path) -> None:
    with house(tmp_path) as it:
        it.erp.drop_file(payments("MSG-1"))
        send(it.gateway)
        put(it.out, "r.xml", answer("SOMEBODY-ELSES", "RJCT"))
        assert it.pull() == {"r.xml": "APPLIED"}
        assert (it.findings("r.xml"), it.attention()) == (["REPORT_UNKNOWN"], ["r.xml"])
        assert only(transfers(it.gateway)).verdict is Verdict.NONE
        assert it.records() == ["StatusReport"]  # the ERP may know it


def test_our_own_payment_file_that_comes_back_is_kept_told_and_changes_nothing(tmp_path: Path) -> None:
    ours = payments("MSG-1")
    with house(tmp_path) as it:
        it.erp.drop_file(ours)
        before = only(send(it.gateway))
        put(it.out, "p.xml", ours)
        assert it.pull() == {"p.xml": "UNREADABLE"}
        assert "OUTBOUND_MESSAGE_CAME_IN" in it.findings("p.xml")
        assert (it.attention(), it.records(), it.at_the_bank()) == (["p.xml"], [], ["p.xml"])
        assert only(transfers(it.gateway)) == before


# The folders themselves.

OTHER_FOLDER = """
[[bank.inbound]]
remote = "/other"
messages = ["camt.053.001.08"]
every = "1s"
settle = "0s"
"""


def test_a_folder_that_is_missing_is_told_across_restarts_until_it_is_there_and_stops_no_other(
    kind: str, tmp_path: Path
) -> None:
    with house(tmp_path, kind, more=OTHER_FOLDER) as it:
        put(it.out, "s.xml", STATEMENT)
        with pytest.raises(ChannelError):
            it.pull()
        assert it.states() == {"s.xml": "APPLIED"}
        desk = it.gateway.desks["box"]
        desk.close()
        desk.pull(desk.bank.inbound[0])  # connects anew, and is fine
        assert it.troubles() == [(Kind.FOLDER, "")]
        status = h2h(it.erp.config, "status").stdout  # another process
        assert "/other" in status
        assert "Nothing needs attention" not in status
        (it.out.parent / "other").mkdir()
        it.pull()
        assert it.troubles() == []
        kinds = [e.kind for e in it.gateway.ledger.journal.of("bank box")]
        assert [kind for kind in kinds if "trouble" in kind] == ["trouble", "trouble over"]


def test_an_empty_folder_is_no_error(kind: str, tmp_path: Path) -> None:
    with house(tmp_path, kind) as it:
        assert (it.pull(), it.troubles()) == ({}, [])


def test_the_trouble_of_a_folder_that_left_the_settings_is_over(tmp_path: Path) -> None:
    with house(tmp_path, "folder", more=OTHER_FOLDER) as it, suppress(ChannelError):
        it.pull()
    assert it.erp.profile_file.read_text() != it.erp.profile()
    with opened(it.erp) as gateway:
        gateway.desks["box"].finish_started()
        assert gateway.ledger.views.board(["box"], gateway.clock.now()).troubles == []


def test_files_that_are_too_large_are_told_one_by_one_up_to_a_hundred(kind: str, tmp_path: Path) -> None:
    with house(tmp_path, kind, max_size="1000") as it:
        for number in range(150):
            (it.out / f"{number:03}.xml").write_bytes(b"x" * 1001)
        put(it.out, "r.xml", FIRST)
        assert it.pull() == {"r.xml": "APPLIED"}
        rows = it.gateway.ledger.views.board(["box"], it.gateway.clock.now()).troubles
        assert it.gateway.ledger.views.board(["box"], it.gateway.clock.now()).banks[0].error is None
        assert (rows[0].kind, rows[0].name) == (Kind.TOO_LARGE, "000.xml")
        assert "max_size allows (1000)" in rows[0].text
        for path in it.out.iterdir():
            path.unlink()
        it.pull()
        assert it.troubles() == []


def test_files_come_oldest_first_whatever_their_names(kind: str, tmp_path: Path) -> None:
    with house(tmp_path, kind) as it:
        for age, name in enumerate(["c.xml", "a.xml", "b.xml"]):
            put(it.out, name, answer("MSG-1", paper_id=name))
            os.utime(it.out / name, (A_DAY_AGO + age, A_DAY_AGO + age))
        it.pull()
        assert [file.name for file in sorted(it.files(), key=lambda f: f.fetched_at)] == ["c.xml", "a.xml", "b.xml"]


OVERLAPPING = """
[[bank.inbound]]
remote = "/out"
match = "s*"
messages = ["camt.053.001.08"]
every = "1s"
settle = "0s"
deliver = "erp/other"
"""


@pytest.mark.parametrize("inbound", [LEFT, {}, CLAIMED], ids=["left", "removed", "claimed"])
def test_a_file_that_two_blocks_match_is_taken_once(kind: str, tmp_path: Path, inbound: dict[str, str]) -> None:
    (tmp_path / "erp" / "other").mkdir(parents=True)
    with house(tmp_path, kind, more=OVERLAPPING.replace('"erp/other"', f'"{tmp_path}/erp/other"'), **inbound) as it:
        put(it.out, "s.xml", STATEMENT)
        for _ in range(2):
            assert it.pull() == {"s.xml": "APPLIED"}
        assert len(it.files()) == 1
        assert it.records().count("Statement") == 1


def test_what_a_crash_left_goes_to_the_erp_of_the_block_that_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "erp" / "other").mkdir(parents=True)
    more = OVERLAPPING.replace('"erp/other"', f'"{tmp_path}/erp/other"')
    with house(tmp_path, "folder", more=more, match='"r*"', **LEFT) as it:
        put(it.out, "s.xml", STATEMENT)
        with monkeypatch.context() as patch, crashed(it):
            patch.setattr(Messages, "handed_over", power_cut)
            it.pull()
        for path in (tmp_path / "erp" / "other").iterdir():
            path.unlink()
        it.pull()
        assert len(list((tmp_path / "erp" / "other").glob("*.jsonl"))) == 1
        assert list(it.erp.deliver.iterdir()) == []


# Thousands of files.


def test_a_listing_of_5000_known_files_asks_the_ledger_a_few_times_only(tmp_path: Path) -> None:
    with house(tmp_path, "folder", **LEFT) as it:
        messages = it.gateway.ledger.messages
        for number in range(5000):
            (it.out / f"{number}.xml").touch()
        listed = [
            RemoteFile(folder="/out", name=p.name, size=0, modified=int(p.stat().st_mtime)) for p in it.out.iterdir()
        ]
        first = messages.kept(InboundId("M0"), "box", listed[0], "aa", it.gateway.clock.now())
        _copy_rows(it.gateway, first, listed[1:])
        asked: list[str] = []
        event.listen(messages._database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
        it.gateway.desks["box"].pull(it.gateway.desks["box"].bank.inbound[0])
        assert len(asked) < 60
        assert len(it.gateway.ledger.views.files(limit=10_000)) == 5000


def _copy_rows(gateway: Gateway, first: Message, files: list[RemoteFile]) -> None:
    from sqlalchemy import insert, select, update

    from h2h.ledger import tables as t

    with gateway.ledger.messages._database.transaction() as connection:
        done = {"state": MessageState.UNREADABLE, "handed_over_at": first.fetched_at}
        connection.execute(update(t.message).values(**done))
        row: Mapping[str, Any] = connection.execute(select(t.message)).mappings().one()
        rows = [{**row, "id": f"M{n}", "name": f.name, "modified": f.modified} for n, f in enumerate(files, start=1)]
        connection.execute(insert(t.message), rows)


# Reading again.


@pytest.mark.usefixtures("own_readers")
def test_a_file_that_could_not_be_read_is_read_again_by_a_persons_word(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an update that knows its message; two files of the same content make one set of records."""
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        put(it.out, "t.xml", STATEMENT)
        with monkeypatch.context() as patch:
            known = [row for row in it.gateway.catalog.rows if row.family != "camt.053"]
            patch.setattr(it.gateway.reader, "_catalog", Catalog(tuple(known)))
            assert it.pull() == {"s.xml": "UNREADABLE", "t.xml": "UNREADABLE"}
        go_on(it)
        assert it.pull() == {"s.xml": "UNREADABLE", "t.xml": "UNREADABLE"}  # nothing happens by itself
        ids = {file.name: file.id for file in it.files()}
        it.gateway.ledger.messages.reread(ids["s.xml"], who="ann", reason="new schema", now=it.gateway.clock.now())
        assert it.pull() == {"s.xml": "APPLIED", "t.xml": "REPEATED"}
        assert (it.findings("s.xml"), it.at_the_bank(), it.records().count("Statement")) == ([], [], 1)
        told = next(e for e in it.gateway.ledger.journal.of(ids["s.xml"]) if e.kind == "read again")
        assert (told.actor, told.data) == ("ann", {"reason": "new schema", "findings": ["MSG_UNKNOWN"]})
        with pytest.raises(NotAllowed, match="only what is UNREADABLE"):
            it.gateway.ledger.messages.reread(ids["t.xml"], who="ann", reason="x", now=it.gateway.clock.now())


def test_the_command_reads_at_once_where_no_gateway_runs(tmp_path: Path) -> None:
    with house(tmp_path, "folder") as it:
        put(it.out, "s.xml", STATEMENT[:2000])
        it.pull()
        name = only(it.files()).id
    done = h2h(it.erp.config, "reread", name, "--reason", "looked at it")
    assert (done.returncode, "UNREADABLE" in done.stdout, done.stderr) == (1, True, "")


@pytest.mark.parametrize("name", ["s.xml", "s", ".hidden", "a.b.xml", "s~2.xml"])
def test_a_numbered_name_leads_back(name: str) -> None:
    assert unnumbered(numbered(name, 7)) in (name, numbered(name, 7).replace("~2", ""))


def test_a_pull_that_is_stopped_while_it_waits_takes_nothing_new(tmp_path: Path) -> None:
    stops = iter([False, True, True, True, True, True, True])
    with house(tmp_path, "folder", clock=Meanwhile(), **SETTLES, **CLAIMED) as it:
        put(it.out, "s.xml", STATEMENT)
        desk = it.gateway.desks["box"]
        desk.pull(desk.bank.inbound[0], stop=lambda: next(stops))
        assert (it.states(), (it.out / "s.xml").exists()) == ({}, True)


def test_a_server_that_lists_another_size_than_it_has_is_not_believed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, kind) as it:
        put(it.out, "s.xml", STATEMENT)
        afterwards(monkeypatch, "list", lambda *_: (it.out / "s.xml").write_bytes(STATEMENT[:1000]))
        assert it.pull() == {}
        assert it.troubles() == [(Kind.NOT_FETCHED, "s.xml")]
        assert issubclass(NotDelivered, ChannelError)
