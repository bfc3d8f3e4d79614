"""Numbers in names, end to end: over midnight, after a ledger was put back, by marker, and where none is left."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from h2h.channels import Upload
from h2h.channels.folder import FolderChannel
from h2h.errors import NotDelivered, StoreError, Unknown
from h2h.ledger.sequences import Counter
from h2h.lifecycle import State
from h2h.outbound.handover import Handover
from h2h.outbound.numbers import note
from h2h.verdicts import Verdict
from tests.flows.test_feedback import Crash, crash
from tests.flows.world import MovableClock, World, opened, payments, send, transfers
from tests.shell.command import run as h2h

START = "2026-11-20T23:59:00+01:00"
NAME = '"PAY_{date:%Y%m%d}_{sequence_day:03}{test:_T}{production:_P}.xml"'


def numbered(folder: Path, **outbound: str) -> World:
    for part in ("in", "out"):
        (folder / "bank" / part).mkdir(parents=True)
    channel = {"kind": '"folder"', "path": f'"{folder}/bank"'}
    return World(folder, 0, "", channel=channel, outbound={"name": NAME, "unique": '"refuse"', **outbound})


def drop(erp: World, *names: str) -> None:
    for name in names:
        erp.drop_file(payments(f"MSG-{name}"), f"{name}.xml")


def at_the_bank(erp: World) -> list[str]:
    return sorted(path.name for path in (erp.folder / "bank" / "in").iterdir() if not path.name.startswith("."))


def test_files_get_the_numbers_of_the_day_in_their_order_with_the_mark_of_a_test(tmp_path: Path) -> None:
    erp, clock = numbered(tmp_path), MovableClock(START)
    with opened(erp, clock) as gateway:
        drop(erp, "a", "b")
        send(gateway)
        clock.advance(minutes=2)
        drop(erp, "c")
        found = send(gateway)
    assert [transfer.remote for transfer in found] == [
        "/in/PAY_20261120_001_T.xml", "/in/PAY_20261120_002_T.xml", "/in/PAY_20261121_001_T.xml",
    ]  # fmt: skip
    assert at_the_bank(erp) == [transfer.remote.removeprefix("/in/") for transfer in found if transfer.remote]


def test_a_file_that_is_uploaded_over_midnight_gets_a_number_of_the_new_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp, clock = numbered(tmp_path), MovableClock(START)
    stage = FolderChannel.stage_many

    def slow(channel: FolderChannel, *given: object) -> object:
        clock.advance(minutes=2)
        return stage(channel, *given)  # type: ignore[arg-type]

    with opened(erp, clock) as gateway, monkeypatch.context() as patch:
        drop(erp, "a")
        patch.setattr(FolderChannel, "stage_many", slow)
        gateway.desks["box"].take_in()
        gateway.desks["box"].hand_over()
        [waits] = transfers(gateway)
        assert (waits.state, at_the_bank(erp)) == (State.READY, [])
        assert waits.reason
        assert "gets a number of the new day" in waits.reason
        [sent] = send(gateway)
    assert (sent.state, sent.remote) == (State.SENT, "/in/PAY_20261121_001_T.xml")


def test_after_a_ledger_was_put_back_numbers_go_on_beyond_those_noted_in_the_watched_folder(tmp_path: Path) -> None:
    erp, clock = numbered(tmp_path), MovableClock(START)
    with opened(erp, clock) as gateway:
        drop(erp, "a")
        send(gateway)
    copy = shutil.copytree(erp.folder / "data", tmp_path / "copy")
    with opened(erp, clock) as gateway:
        drop(erp, "b", "c")
        send(gateway)
    shutil.rmtree(erp.folder / "data")
    shutil.copytree(copy, erp.folder / "data")
    with opened(erp, clock) as gateway:
        told = [event for event in gateway.ledger.journal.of("bank box") if event.kind == "numbers begin beyond"]
        assert [(event.data["was"], event.data["last"]) for event in told] == [(1, 3)]
        gateway.accept_restored(who="ann", reason="compared")
        drop(erp, "d")
        send(gateway)
        assert gateway.ledger.transfers.get(transfers(gateway)[-1].id).remote == "/in/PAY_20261120_004_T.xml"


def test_a_number_is_noted_although_a_crash_came_between_its_commit_and_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp, clock = numbered(tmp_path), MovableClock(START)
    with opened(erp, clock) as gateway, monkeypatch.context() as patch:
        patch.setattr(Handover, "_witness", crash)
        drop(erp, "a")
        with pytest.raises(Crash):
            send(gateway)
        assert [transfer.state for transfer in transfers(gateway)] == [State.PUBLISHING]
    clock.advance(minutes=3)
    with opened(erp, clock) as gateway:
        [found] = send(gateway)
        [foothold] = gateway._all_footholds()
        assert (found.state, foothold.numbers.read("/in")) == (State.SENT, {"2026-11-20": 1})


def test_what_another_file_left_under_a_name_before_its_marker_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload broke off, the next file has its number and its name."""
    erp, clock = numbered(tmp_path), MovableClock(START)
    assert erp.channel
    erp.channel |= {"publish": '"marker"', "publish_marker": '".done"'}
    erp.retry = {"first": '"10m"', "most": '"20m"'}
    stage = FolderChannel.stage_many

    def broken(channel: FolderChannel, uploads: list[Upload], made: object) -> object:
        stage(channel, uploads, made)  # type: ignore[arg-type]
        return [NotDelivered("the line broke") for _ in uploads]

    with opened(erp, clock) as gateway:
        drop(erp, "a")
        with monkeypatch.context() as patch:
            patch.setattr(FolderChannel, "stage_many", broken)
            send(gateway)
        assert at_the_bank(erp) == ["PAY_20261120_001_T.xml"]
        drop(erp, "b")
        first, second = send(gateway)
        assert (first.state, second.state) == (State.READY, State.SENT)
        assert second.remote == "/in/PAY_20261120_001_T.xml.done"
        assert (erp.folder / "bank" / "in" / "PAY_20261120_001_T.xml").read_bytes() == payments("MSG-b")


def test_a_file_whose_number_has_no_room_in_the_name_is_held(tmp_path: Path) -> None:
    erp, clock = numbered(tmp_path, name='"P_{sequence:02}.xml"'), MovableClock(START)
    with opened(erp, clock) as gateway:
        told = {"who": "ann", "reason": "the old program", "now": clock.now()}
        gateway.ledger.sequences.go_beyond("box", Counter("/in"), 98, **told)
        drop(erp, "a", "b")
        first, second = send(gateway)
    assert (first.state, first.remote) == (State.SENT, "/in/P_99.xml")
    assert (second.state, second.reason) == (
        State.HELD, "It can get no name at the bank: 100 has more digits than {sequence:02} has room for."
    )  # fmt: skip


def test_a_name_that_was_used_before_holds_the_file_where_the_bank_takes_no_other(tmp_path: Path) -> None:
    erp, clock = numbered(tmp_path, name='"{msg_id}.xml"'), MovableClock(START)
    with opened(erp, clock) as gateway:
        drop(erp, "a")
        [sent] = send(gateway)
        told = {"who": "ann", "how": "telephone", "reason": "she said so"}
        gateway.decisions.confirm(sent.id, Verdict.REJECTED, **told)
        gateway.decisions.resend(sent.id, who="bob", reason="asked")
        [held] = send(gateway)
    assert held.state is State.HELD
    assert held.reason
    assert held.reason.startswith("/in/MSG-a.xml was used at the bank before")


@pytest.mark.parametrize(
    ("name", "more", "goes_on", "refused"),
    [
        ('"P_{sequence:04}.xml"', ("--day", "2026-11-21"), "", "run on from day to day; leave --day out"),
        ('"P_{sequence:04}.xml"', (), "/in last 98, next 99", ""),
        (NAME, (), "/in of 2026-11-20 last 98, next 99", ""),
        (NAME, ("--day", "2026-11-21"), "/in of 2026-11-21 last 98, next 99", ""),
    ],
)
def test_numbers_go_on_beyond_one_in_the_counter_that_names_use(
    tmp_path: Path, name: str, more: Sequence[str], goes_on: str, refused: str
) -> None:
    erp = numbered(tmp_path, name=name)
    erp.write_settings()
    done = h2h(erp.config, "sequences", "box", "--beyond", "98", "--reason", "the old program", *more, H2H_NOW=START)
    assert (done.returncode, refused in done.stderr) == (2 if refused else 0, True)
    assert " ".join(done.stdout.split()) == (f"box {goes_on}" if goes_on else "")


def test_a_note_of_another_series_counts_for_nothing(tmp_path: Path) -> None:
    erp, clock = numbered(tmp_path), MovableClock(START)
    with opened(erp, clock) as gateway:
        drop(erp, "a")
        send(gateway)
        bank = gateway.bank("box")
        note(bank, bank.outbound[0], gateway.ledger)
        [foothold] = gateway._all_footholds()
        assert foothold.numbers.read("/in") == {"2026-11-20": 1}
        assert foothold.numbers.read("/other") == {}
        foothold.numbers.path.write_text("nonsense")
        with pytest.raises(StoreError, match="does not hold the last numbers"):
            foothold.numbers.read("/in")


def test_what_may_be_the_banks_is_never_cleared_away_for_a_file_that_goes_again_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file left something under this name before; what stands there now was announced."""
    erp, clock = numbered(tmp_path), MovableClock(START)
    assert erp.channel
    erp.channel |= {"publish": '"marker"', "publish_marker": '".done"'}
    erp.retry = {"first": '"10m"', "most": '"20m"'}
    stage = FolderChannel.stage_many

    def broken(channel: FolderChannel, uploads: list[Upload], made: object) -> object:
        stage(channel, uploads, made)  # type: ignore[arg-type]
        return [NotDelivered("the line broke") for _ in uploads]

    def unclear(*_: object) -> object:
        raise Unknown("the line broke")

    with opened(erp, clock) as gateway:
        for name, verb, instead in (("a", "stage_many", broken), ("b", "place", unclear)):
            drop(erp, name)
            with monkeypatch.context() as patch:
                patch.setattr(FolderChannel, verb, instead)
                send(gateway)
        doubtful = transfers(gateway)[1]
        assert doubtful.state is State.UNCERTAIN
        for who in ("ann", "ben"):
            gateway.decisions.send_again(doubtful.id, who=who, reason="the bank says that it has nothing")
        _, again = send(gateway)
        assert again.state is State.HELD
        assert "001_T.xml is there at the bank already" in (again.reason or "")
        assert at_the_bank(erp) == ["PAY_20261120_001_T.xml"]
