"""What keeps a file from its way without a failure: settings that changed, folders that came back, one that is full."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from h2h.archive import Archive
from h2h.clock import Clock
from h2h.config import load
from h2h.daemon import Daemon
from h2h.errors import FolderError, NotAllowed, ReaderError, StoreError
from h2h.folders import WatchedFolder
from h2h.gateway import Gateway
from h2h.health import alarms
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.outbound.intake import Intake

from .world import World, answer, only, opened, payments, put, send, transfers

FILE = payments("MSG-1")


@pytest.fixture
def erp(tmp_path: Path) -> World:
    """A gateway whose bank is a folder that takes nothing away."""
    bank = tmp_path / "bank"
    for name in ("in", "out"):
        (bank / name).mkdir(parents=True)
    return World(
        folder=tmp_path, port=0, fingerprint="", channel={"kind": '"folder"', "path": f'"{bank}"'},
        outbound={"name": '"{id}.xml"'},
    )  # fmt: skip


def taken(erp: World) -> list[str]:
    return sorted(path.name for path in (erp.folder / "bank" / "in").iterdir() if path.is_file())


def pull(gateway: Gateway) -> None:
    desk = gateway.desks["box"]
    desk.pull(desk.bank.inbound[0])


# What a person decided stays decided.


@pytest.mark.parametrize("decide", ["sent_by_hand", "cancel", "hold"])
def test_a_copy_of_the_data_folder_put_back_does_not_undo_what_a_person_decided(erp: World, decide: str) -> None:
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
    shutil.copytree(erp.folder / "data", erp.folder / "copy")
    with opened(erp) as gateway:
        how = {"how": "portal"} if decide == "sent_by_hand" else {}
        getattr(gateway.decisions, decide)(only(transfers(gateway)).id, who="ann", reason="line down", **how)
    shutil.rmtree(erp.folder / "data")
    shutil.copytree(erp.folder / "copy", erp.folder / "data")
    with opened(erp) as gateway:
        assert gateway.ledger.restored.safe_mode() is not None
        assert only(send(gateway)).state is State.UNCERTAIN
    assert taken(erp) == []


def test_what_the_bank_answered_while_it_was_held_takes_two_persons(erp: World) -> None:
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
        held = gateway.decisions.hold(only(transfers(gateway)).id, who="ann", reason="wait")
        put(erp.folder / "bank" / "out", "r.xml", answer("MSG-1", "ACCP"))
        pull(gateway)
        first = gateway.decisions.release(held.id, who="ann", reason="the bank has nothing", now=True)
        assert (first.state, first.proposed_by) == (State.HELD, "ann")
        with pytest.raises(NotAllowed, match="somebody else"):
            gateway.decisions.release(held.id, who="ann", reason="the bank has nothing", now=True)
        assert gateway.decisions.release(held.id, who="bob", reason="so it is", now=True).state is State.READY


def test_what_is_held_cannot_be_sent_again(erp: World) -> None:
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
        held = gateway.decisions.hold(only(transfers(gateway)).id, who="ann", reason="wait")
        with pytest.raises(NotAllowed, match="not possible"):
            gateway.decisions.send_again(held.id, who="ann", reason="wrong command")
        assert gateway.decisions.release(held.id, who="ann", reason="go", now=True).state is State.READY


def test_what_is_in_doubt_is_not_sent_again_once_another_file_carries_its_payments(
    erp: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp.duplicates_days = 30
    erp.drop_file(payments("A", 3), "a.xml")
    with opened(erp) as gateway:
        first = _in_doubt(gateway, monkeypatch)
        erp.drop_file(payments("A", 3).replace(b"<MsgId>A</MsgId>", b"<MsgId>B</MsgId>"), "b.xml")
        second = send(gateway)[1]
        gateway.decisions.release(second.id, who="ann", reason="it is new", now=True)
        gateway.decisions.release(second.id, who="bob", reason="it is new", now=True)
        assert send(gateway)[1].state is State.SENT
        gateway.decisions.send_again(first.id, who="ann", reason="the bank has nothing")
        with pytest.raises(NotAllowed, match=second.id):
            gateway.decisions.send_again(first.id, who="bob", reason="the bank has nothing")


def _in_doubt(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Transfer:
    """The only transfer, of which nobody knows whether the bank has it: by the word of an older ledger."""
    gateway.desks["box"].take_in()
    gateway.ledger.restored.begin(["a test"], gateway.clock.now())
    gateway.ledger.restored.stock_taken([], gateway.clock.now())
    gateway.accept_restored(who="ann", reason="a test")
    found = only(transfers(gateway))
    assert found.state is State.UNCERTAIN
    return found


# A folder whose disk was away.


def test_a_folder_that_came_back_is_still_watched_by_one_gateway_alone(erp: World) -> None:
    with opened(erp) as gateway:
        erp.drop_file(payments("MSG-0"))
        send(gateway)
    os.rename(erp.drop, erp.folder / "disk")
    erp.drop.mkdir()
    with opened(erp) as gateway:
        assert "not the folder that it was" in str(gateway.desks["box"].take_in()[0].error)
        erp.drop.rmdir()
        os.rename(erp.folder / "disk", erp.drop)
        with _beside(erp) as second:
            erp.drop_file(FILE)
            scan = gateway.desks["box"].take_in()[0]
            assert "watched by another gateway" in str(scan.error)
            assert [file.state for file in transfers(gateway)] == [State.SENT]
            assert [file.state for file in send(second)][-1] is State.UNCERTAIN or taken(erp)


def _beside(erp: World) -> Any:
    """A second gateway with a data folder of its own and the same watched folder."""
    other = erp.folder / "other.toml"
    other.write_text(erp.config.read_text().replace('"data"', '"data2"', 1))

    class Opened:
        def __enter__(self) -> Gateway:
            self.gateway = Gateway(load(other), Clock())
            self.running = self.gateway.running()
            self.running.__enter__()
            return self.gateway

        def __exit__(self, *_: object) -> None:
            self.running.__exit__(None, None, None)
            self.gateway.close()

    return Opened()


# After the ledger was put back.


def _copied_before(erp: World, then: Callable[[Gateway], None]) -> None:
    """The data folder as it was before `then`."""
    with opened(erp):
        pass
    shutil.copytree(erp.folder / "data", erp.folder / "copy")
    with opened(erp) as gateway:
        then(gateway)
    shutil.rmtree(erp.folder / "data")
    shutil.copytree(erp.folder / "copy", erp.folder / "data")


def test_stock_is_not_taken_while_a_claim_cannot_be_read(erp: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be judged later as if it were new, and the bank may have it."""

    def sent_and_not_filed_away(gateway: Gateway) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(WatchedFolder, "file_away", _no_room)
            erp.drop_file(FILE)
            send(gateway)

    _copied_before(erp, sent_and_not_filed_away)
    claim = next((erp.drop / ".h2h" / "claims").rglob("payments.xml"))
    os.link(claim, erp.folder / "second-name")
    with pytest.raises(FolderError, match="second name"), opened(erp):
        pass
    (erp.folder / "second-name").unlink()
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN


def _no_room(*_: object, **__: object) -> None:
    raise FolderError("no room to file it away")


def test_a_copy_that_somebody_made_in_processed_is_no_second_file(erp: World) -> None:
    def sent(gateway: Gateway) -> None:
        erp.drop_file(FILE)
        send(gateway)
        filed = next((erp.drop / "processed").iterdir())
        shutil.copy(filed, filed.with_name(f"{filed.stem} (copy).xml"))

    _copied_before(erp, sent)
    with opened(erp) as gateway:
        found = only(transfers(gateway))
        assert (found.state, found.name) == (State.UNCERTAIN, "payments.xml")


# One folder, or one way, keeps no other from its turn.


def test_a_file_without_room_keeps_only_its_own_folder_waiting(erp: World, monkeypatch: pytest.MonkeyPatch) -> None:
    second = erp.folder / "erp" / "second"
    second.mkdir(parents=True)
    small = payments("MSG-2")[:-1]
    (second / "small.xml").write_bytes(small)
    erp.drop_file(FILE, "huge.xml")
    erp.write_settings()
    more = f'[[bank.outbound]]\nwatch = "{second}"\nsettle = "0s"\nmessages = ["pain.001.001.09"]\nremote = "/in"\n'
    erp.profile_file.write_text(erp.profile() + more)
    monkeypatch.setattr(Archive, "shortage", lambda self, size=0: "no room" if size == len(FILE) else None)
    gateway = Gateway(load(erp.config), Clock())
    with gateway.running():
        with pytest.raises(StoreError, match="no room"):
            gateway.desks["box"].take_in()
        assert only(transfers(gateway)).name == "small.xml"
    gateway.close()


@pytest.fixture
def left_unjudged(erp: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A file that was kept and not judged: the power went."""

    class PowerCut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise PowerCut

    erp.drop_file(FILE)
    with monkeypatch.context() as patch:
        patch.setattr(Intake, "_stored", cut)
        with pytest.raises(PowerCut), opened(erp) as gateway:
            gateway.desks["box"].take_in()
    return erp


def test_a_file_that_was_damaged_here_keeps_the_next_one_not_waiting(left_unjudged: World) -> None:
    erp = left_unjudged
    shutil.rmtree(erp.drop / ".h2h" / "claims")
    for path in (erp.folder / "data" / "archive").rglob("*"):
        if path.is_file():
            path.write_bytes(b"rot")
    erp.drop_file(payments("NEXT"), "next.xml")
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
        assert [file.state for file in transfers(gateway)] == [State.RECEIVED, State.READY]


def test_what_is_wrong_on_the_way_back_does_not_stop_what_goes_out(erp: World, monkeypatch: pytest.MonkeyPatch) -> None:
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        desk = gateway.desks["box"]
        desk.take_in()

        def broken(*_: object) -> None:
            raise ReaderError("no reader can be started")

        monkeypatch.setattr(desk, "finish_started", broken)
        with pytest.raises(ReaderError):
            Daemon(gateway)._line_round(desk)()
        assert only(transfers(gateway)).state is State.SENT


# Settings that know nothing of what is under way.


def test_a_file_of_a_bank_that_was_renamed_is_an_alarm_until_it_is_put_back(erp: World) -> None:
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
        assert alarms(gateway) == []
    erp.profile_file.unlink()
    erp.name = "renamed"
    with opened(erp) as gateway:
        assert [(alarm.word, "1 file(s) of box" in alarm.text) for alarm in alarms(gateway)] == [("left_behind", True)]
    erp.profile_file.unlink()
    erp.name = "box"
    with opened(erp) as gateway:
        assert alarms(gateway) == []
        assert only(send(gateway)).state is State.SENT


def test_a_file_of_a_watched_folder_that_was_moved_is_an_alarm(left_unjudged: World) -> None:
    erp = left_unjudged
    elsewhere = erp.folder / "erp" / "elsewhere"
    elsewhere.mkdir()
    erp.outbound["watch"] = f'"{elsewhere}"'
    with opened(erp) as gateway:
        gateway.desks["box"].take_in()
        assert json.dumps([alarm.word for alarm in alarms(gateway)]) == '["left_behind"]'
