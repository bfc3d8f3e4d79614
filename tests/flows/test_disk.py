"""A disk that is full, fails to sync, or can only be read: sending stops, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from h2h.archive import Archive
from h2h.errors import FolderError, StoreError
from h2h.gateway import Gateway
from h2h.ledger.leases import Planned
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.messages import Catalog
from h2h.resources import root
from h2h.sandbox.scenario import Scenario
from h2h.verdicts import Verdict
from tests import alone
from tests.crash import process
from tests.shell.command import run as h2h

from .disks import disk
from .world import MovableClock, World, answer, only, opened, payments, put, transfers, until, world

LONG = bool(os.environ.get("H2H_LONG"))
CATALOG = Catalog.load(root("schemas"))
FILE = payments("MSG-1")
BIG = payments("MSG-BIG", 400)  # 300 kB
SILENT = Scenario(received_seconds="never", answer_seconds="never")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gateway, "catalog", CATALOG)


def folder_world(folder: Path, **gateway: str) -> World:
    """A world whose bank is a folder."""
    for name in ("in", "out"):
        (folder / "bank" / name).mkdir(parents=True)
    erp = World(
        folder=folder,
        port=0,
        fingerprint="",
        channel={"kind": '"folder"', "path": f'"{folder}/bank"'},
        retry={"first": '"1ms"', "most": '"2ms"'},
        gateway_settings=gateway,
    )
    erp.write_settings()
    return erp


def copies(erp: World) -> list[bytes]:
    return [p.read_bytes() for p in sorted((erp.folder / "bank" / "in").iterdir()) if not p.name.startswith(".")]


def tried(*steps: Callable[[], object]) -> list[str]:
    """Run each step as a worker does: what the store cannot do is told, and the next one is tried."""
    said = []
    for step in steps:
        try:
            step()
        except (StoreError, FolderError) as error:
            said.append(str(error))
    return said


def rounds(gateway: Gateway) -> list[str]:
    desk = gateway.desks["box"]
    return tried(desk.take_in, desk.hand_over, lambda: desk.pull(desk.bank.inbound[0]))


def sent(erp: World, gateway: Gateway, clock: MovableClock, file: bytes) -> None:
    def over() -> bool:
        clock.advance(minutes=3)  # a lease that could not be given back runs out
        assert rounds(gateway) == []
        return [t.state for t in transfers(gateway)] == [State.SENT]

    until(over, "the file sent")
    assert copies(erp) == [file]
    assert [p.name for p in erp.drop.iterdir() if p.is_file()] == []
    assert list((erp.drop / ".h2h" / "claims").iterdir()) == []


def answered(erp: World, gateway: Gateway, clock: MovableClock) -> None:
    def over() -> bool:
        clock.advance(minutes=3)
        assert rounds(gateway) == []
        return not list((erp.folder / "bank" / "out").iterdir()) and len(list(erp.deliver.iterdir())) == 2

    until(over, "the answer applied, removed at the bank, and handed over")
    assert only(transfers(gateway)).verdict is Verdict.ACCEPTED
    assert [p.suffix for p in sorted(erp.deliver.iterdir())] == [".xml", ".jsonl"]
    assert gateway.ledger.journal.verify().fault is None


# Full, at every page of the way.


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("part", range(4) if LONG else (1,))
def test_wherever_the_disk_of_the_ledger_runs_full_nothing_is_lost_or_sent_twice(tmp_path: Path, part: int) -> None:
    """The room ends some pages later in each play, so that the writes of a round trip meet the end one by one."""
    failed = 0
    for pages in range(part * 3, 180, 12):
        erp = folder_world(tmp_path / str(pages), min_free="0")
        with disk(erp.folder / "data") as small, opened(erp, clock := MovableClock()) as gateway:
            rounds(gateway)
            small.fill(pages)
            erp.drop_file(BIG)
            failed += bool(told(rounds(gateway)))
            assert copies(erp) in ([], [BIG])
            small.empty()
            sent(erp, gateway, clock, BIG)
            small.fill(pages)
            put(erp.folder / "bank" / "out", "answer.xml", answer("MSG-BIG"))
            failed += bool(told(rounds(gateway)))
            small.empty()
            answered(erp, gateway, clock)
    assert failed > 5


def told(said: list[str]) -> list[str]:
    reasons = ("cannot be written", "cannot do its work", "nearly full")
    assert all(any(reason in text for reason in reasons) for text in said), said
    return said


@pytest.mark.usefixtures("quick")
def test_a_watched_folder_that_is_full_keeps_what_was_claimed_until_its_report_has_room(tmp_path: Path) -> None:
    erp = folder_world(tmp_path)
    with disk(erp.drop) as small, opened(erp) as gateway:
        (erp.drop / "rejected").mkdir()
        erp.drop_file(b"no XML", "bad.xml")
        small.fill()
        with suppress(FolderError):
            gateway.desks["box"].take_in()
        small.fill()
        with suppress(FolderError):
            gateway.desks["box"].take_in()
        assert list((erp.drop / "rejected").iterdir()) == []
        small.empty()
        gateway.desks["box"].take_in()
        assert only(transfers(gateway)).state is State.INVALID
        assert [p.suffix for p in sorted((erp.drop / "rejected").iterdir())] == [".xml", ".json", ".txt"]


@pytest.mark.usefixtures("quick")
def test_a_delivery_folder_that_is_full_gets_the_answer_whole_as_soon_as_it_has_room(tmp_path: Path) -> None:
    erp = folder_world(tmp_path)
    with disk(erp.deliver) as small, opened(erp, clock := MovableClock()) as gateway:
        erp.drop_file(FILE)
        sent(erp, gateway, clock, FILE)
        small.fill()
        put(erp.folder / "bank" / "out", "answer.xml", answer("MSG-1"))
        assert rounds(gateway) == []
        assert sorted(p.name for p in erp.deliver.iterdir()) == [".ballast"]
        small.empty()
        answered(erp, gateway, clock)


# The threshold.


@pytest.mark.usefixtures("quick")
def test_below_the_threshold_nothing_new_begins_and_what_is_under_way_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp = folder_world(tmp_path, min_free="2000000")
    with disk(erp.folder / "data") as small, opened(erp, clock := MovableClock()) as gateway:
        for name in ("ready", "publishing"):
            erp.drop_file(payments(name), f"{name}.xml")
        gateway.desks["box"].take_in()
        first, second = transfers(gateway)
        begun = first if first.message_id == "publishing" else second
        stage(gateway, begun)
        small.fill(400)
        erp.drop_file(FILE)
        put(erp.folder / "bank" / "out", "answer.xml", answer("MSG-0"))
        clock.advance(minutes=3)
        said = rounds(gateway)
        assert len(said) == 3
        assert all("nearly full" in text and "2000000 bytes" in text for text in said)
        assert {t.message_id: t.state for t in transfers(gateway)} == {
            "ready": State.READY, "publishing": State.SENT,
        }  # fmt: skip
        assert [p.name for p in erp.drop.iterdir() if p.is_file()] == ["payments.xml"]
        assert (erp.folder / "bank" / "out" / "answer.xml").exists()
        small.empty()
        assert rounds(gateway) == []
        assert {t.state for t in transfers(gateway)} == {State.SENT}
        assert len(copies(erp)) == 3


def stage(gateway: Gateway, transfer: Transfer) -> None:
    """As by a run that died right after the point of no return."""
    verbs, now = gateway.ledger.transfers, gateway.clock.now()
    root_ = Path(gateway.settings.banks[0].channel.path)  # type: ignore[union-attr]
    with gateway.archive.open(transfer.sha256) as source:
        (root_ / "in" / ".t.part").write_bytes(source.read())
    from datetime import timedelta

    names = Planned(temporary="/in/.t.part", remote="/in/publishing.xml")
    route = gateway.settings.banks[0].channel.route
    leased = alone.lease(verbs, transfer, gateway.owner, lambda *_: names, route, now, timedelta(minutes=2))
    assert leased
    alone.publishing(verbs, leased, now)


@pytest.mark.usefixtures("quick")
def test_a_file_that_does_not_fit_waits_in_the_folder_and_a_smaller_one_goes(tmp_path: Path) -> None:
    erp = folder_world(tmp_path, min_free="2000000")
    with disk(erp.folder / "data") as small, opened(erp) as gateway:
        rounds(gateway)
        small.fill(2_000_000 // 4096 + 60)
        erp.drop_file(BIG, "1-big.xml")
        erp.drop_file(FILE, "2-small.xml")
        assert len(tried(gateway.desks["box"].take_in)) == 1
        assert [t.name for t in transfers(gateway)] == ["2-small.xml"]
        assert (erp.drop / "1-big.xml").read_bytes() == BIG


@pytest.mark.usefixtures("quick")
def test_a_file_that_cannot_be_compressed_waits_and_is_told_though_a_smaller_one_goes(tmp_path: Path) -> None:
    erp = folder_world(tmp_path, min_free="2000000")
    erp.outbound |= {"compress": '"gzip"', "name": '"{msg_id}.xml.gz"'}
    erp.write_settings()
    with disk(erp.folder / "data") as small, opened(erp) as gateway:
        erp.drop_file(BIG, "1-big.xml")
        erp.drop_file(FILE, "2-small.xml")
        desk = gateway.desks["box"]
        desk.take_in()
        small.fill((2_000_000 + len(BIG) // 2) // 4096)
        [told] = tried(desk.hand_over)
        assert "nearly full" in told
        assert {t.name: t.state for t in transfers(gateway)} == {"1-big.xml": State.READY, "2-small.xml": State.SENT}


# A sync that fails.


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("part", range(2))
def test_whichever_sync_fails_the_file_goes_once_and_unaltered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    number, reached = part, True
    while reached:
        erp = folder_world(tmp_path / str(number))
        with opened(erp, clock := MovableClock()) as gateway:
            erp.drop_file(FILE)
            with failing_sync(monkeypatch, number) as failed:
                rounds(gateway)
                put(erp.folder / "bank" / "out", "answer.xml", answer("MSG-1")) if sent_already(gateway) else None
                rounds(gateway)
            reached = bool(failed)
            if not sent_already(gateway):
                sent(erp, gateway, clock, FILE)
            if not list(erp.deliver.iterdir()) and only(transfers(gateway)).verdict is Verdict.NONE:
                put(erp.folder / "bank" / "out", "answer.xml", answer("MSG-1"))
            answered(erp, gateway, clock)
        assert copies(erp) == [FILE]
        number += 2
    assert number > 10


def sent_already(gateway: Gateway) -> bool:
    return [t.state for t in transfers(gateway)] == [State.SENT]


@contextmanager
def failing_sync(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[list[int]]:
    """The n-th sync of this process fails, as after a write that the disk refused; later ones succeed."""
    calls, failed = 0, []
    original = os.fsync

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number + 1:
            failed.append(number)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield failed


def test_after_a_failed_sync_the_bytes_are_written_anew_into_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a later sync of the same file says is worth nothing: the pages may be gone."""
    archive = Archive(tmp_path)
    archive.prepare()
    inodes: list[int] = []
    original = os.fsync

    def fsync(handle: int) -> None:
        inodes.append(os.fstat(handle).st_ino)
        if len(inodes) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    assert len(tried(lambda: keep(archive, b"payments"))) == 1
    assert list((tmp_path / "incoming").iterdir()) == []
    sha256 = keep(archive, b"payments")
    stored = next(tmp_path.rglob(sha256))
    assert (stored.read_bytes(), stored.stat().st_ino) == (b"payments", inodes[1])


def keep(archive: Archive, content: bytes) -> str:
    with archive.incoming() as incoming:
        incoming.write(content)
        return incoming.keep()


def test_bytes_that_could_not_be_written_leave_nothing_behind_in_the_archive(tmp_path: Path) -> None:
    """What is still in a buffer fails when the file is closed: that is a StoreError too, and the file is removed."""
    with disk(tmp_path / "small", 1) as small:
        archive = Archive(small.folder / "archive")
        archive.prepare()
        small.fill()
        assert "No space left" in "".join(tried(lambda: keep(archive, b"x" * 100)))
        with archive.incoming() as incoming:
            incoming.write(b"x" * 100)
        assert list((small.folder / "archive" / "incoming").iterdir()) == []


# The daemon and the board.


def test_the_daemon_stops_sending_says_so_and_goes_on_by_itself(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), disk(tmp_path / "data") as small, ExitStack() as stack:
        erp.gateway_settings = {"min_free": "2000000"}
        erp.write_settings()
        views = erp.gateway()
        stack.callback(views.close)
        assert transfers(views) == []
        assert h2h_status(erp) == (0, [])
        daemon = process.Gateway(erp.config)
        stack.callback(daemon.kill)
        until(daemon.started, "a daemon that runs")
        small.fill(100)
        erp.drop_file(FILE)
        until(lambda: "round_failed" in (tmp_path / "daemon.log").read_text(), "an alarm in the log")
        status, words = h2h_status(erp)
        assert (status, words[0]) == (1, "room")
        until(lambda: "trouble" in h2h_status(erp)[1], "the daemon's own word for it on the board")
        assert (erp.drop / "payments.xml").exists()
        small.empty()
        until(lambda: [t.state for t in transfers(views)] == [State.SENT], "the file sent")
        until(lambda: h2h_status(erp) == (0, []), "a board without an alarm")
        assert daemon.terminate() == 0
        assert [t.data for t in bank.taken] == [FILE]
        log = (tmp_path / "daemon.log").read_text()
        assert ("ERROR round_failed" in log, "Traceback" in log) == (True, False)


def h2h_status(erp: World) -> tuple[int, list[str]]:
    done = h2h(erp.config, "status", "--json")
    return done.returncode, [alarm["word"] for alarm in json.loads(done.stdout)["alarms"]]


def test_where_there_is_no_room_the_board_does_not_say_that_all_is_well(tmp_path: Path) -> None:
    erp = folder_world(tmp_path, min_free=str(1 << 60))
    shown = h2h(erp.config, "status").stdout
    assert ("ALARM" in shown, "Nothing needs attention" in shown) == (True, False)


def test_on_a_disk_that_can_only_be_read_every_command_says_so_in_a_sentence(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), disk(tmp_path / "data") as small:
        erp.gateway_settings = {"min_free": "0"}
        erp.write_settings()
        erp.drop_file(FILE)
        erp.gateway().close()
        small.read_only(True)
        for command in ("send", "pull", "run"):
            done = h2h(erp.config, command)
            assert (done.returncode, "has to read and write there" in done.stderr) == (2, True)
        board = h2h(erp.config, "status")
        assert (board.returncode, "ALARM" in board.stdout, board.stderr) == (1, True, "")
        small.read_only(False)
        assert h2h(erp.config, "send").returncode == 0
        assert [t.data for t in bank.taken] == [FILE]
