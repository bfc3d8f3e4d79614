"""A bank, a network and people that do what they should not: nothing is lost, nothing goes twice, somebody is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.config import load
from h2h.daemon import Daemon
from h2h.errors import ChannelError, NotAllowed, StoreError
from h2h.folders import WatchedFolder
from h2h.gateway import Gateway
from h2h.health import alarms
from h2h.ledger.messages import MessageState
from h2h.ledger.rows import Transfer
from h2h.ledger.transfers import Transfers
from h2h.ledger.views import BankRow, FileRow
from h2h.lifecycle import State
from h2h.model import Severity
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Scenario, Take
from h2h.sandbox.server import BankServer, BankSftp
from h2h.verdicts import Verdict
from tests.shell.command import run as h2h

from .process import daemon
from .world import (
    MovableClock,
    World,
    answer,
    only,
    opened,
    payments,
    put,
    sample,
    send,
    settled,
    transfers,
    until,
    world,
)

FILE = payments("MSG-1")
SILENT = Scenario(received_seconds="never", answer_seconds="never")
KEEPS = Scenario(take=Take.KEEP, received_seconds="never", answer_seconds="never")


def attempts(gateway: Gateway, transfer: Transfer) -> list[dict[str, Any]]:
    return gateway.ledger.views.history(transfer.id).attempts


def evidence(gateway: Gateway, transfer: Transfer) -> dict[str, Any]:
    """What the journal gives as proof of the last change of state."""
    return [line.data for line in gateway.ledger.views.history(transfer.id).lines if line.kind == transfer.state][-1]


def line(gateway: Gateway) -> BankRow:
    return gateway.ledger.views.board(["box"], gateway.clock.now()).banks[0]


def at_the_bank(bank: BankServer) -> list[str]:
    """Whatever lies in /in, under whatever name."""
    return sorted(path.name for path in bank.folders.inbox.iterdir())


def failing(*operations: str, error: Callable[[], Exception], done_before: bool = False, times: int = 10_000) -> type:
    """A bank whose operations fail so many times, with or without doing what was asked."""
    left = dict.fromkeys(operations, times)

    def fault(operation: str) -> Callable[..., Any]:
        original = getattr(BankSftp, operation)

        def wrapped(self: BankSftp, *arguments: Any) -> Any:
            if not left[operation]:
                return original(self, *arguments)
            left[operation] -= 1
            if done_before:
                original(self, *arguments)
            raise error()

        return wrapped

    return type("Failing", (BankSftp,), {operation: fault(operation) for operation in operations})


def cutting(operation: str, *, times: int = 1) -> type:
    """A bank that does what it is asked, and then cuts the line instead of answering."""
    original = getattr(BankSftp, operation)
    left = times

    def wrapped(self: BankSftp, *arguments: Any) -> Any:
        nonlocal left
        done = original(self, *arguments)
        if left:
            left -= 1
            self.connection.abort()
        return done

    return type("Cutting", (BankSftp,), {operation: wrapped})


def denied() -> Exception:
    return asyncssh.SFTPPermissionDenied("no")


def failure() -> Exception:
    return asyncssh.SFTPFailure("no")


# The bank cannot be reached, or does not want us.


def test_a_bank_that_is_down_is_tried_again_and_gets_the_file_once_when_it_comes_up(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        port, key = bank.port, erp.folder / "client_key.pub"
    erp.write_settings()
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        transfer = only(send(gateway))
        tried = only(attempts(gateway, transfer))
        assert (transfer.state, tried["step"], tried["outcome"]) == (State.READY, "connect", "NOT_DELIVERED")
        assert tried["next_at"] == transfer.due_at
        assert transfer.due_at
        assert transfer.due_at > transfer.received_at
        assert line(gateway).error_class == "NotDelivered"
        with BankServer(erp.folder / "bank", SILENT, authorized_keys=[key], port=port) as bank:
            settled(gateway)
            assert [t.data for t in bank.taken] == [FILE]
        assert line(gateway).error_class is None


def test_a_server_with_another_host_key_gets_nothing_and_status_says_so(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        pinned, erp.fingerprint = erp.fingerprint, "SHA256:" + "A" * 43
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            transfer = only(send(gateway))
            assert (transfer.state, only(attempts(gateway, transfer))["outcome"]) == (State.READY, "REFUSED")
        assert (bank.taken, at_the_bank(bank)) == ([], [])
        board = json.loads(h2h(erp.config, "status", "--json").stdout)
        assert board["banks"][0]["error_class"] == "HostKeyChanged"
        assert pinned in board["banks"][0]["error"]  # the key that it showed, to be compared with the bank's letter
        assert "REFUSED" in h2h(erp.config, "status").stdout


def test_a_bank_that_is_not_reached_needs_attention_though_nothing_waits_for_it(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _):
        erp.write_settings()
        assert "Nothing needs attention" in h2h(erp.config, "status").stdout
        erp.fingerprint = f"SHA256:{'Q' * 42}A"
        erp.write_settings()
        assert h2h(erp.config, "pull").returncode == 1
        h2h(erp.config, "ack", "--all")
        shown = h2h(erp.config, "status").stdout
        assert ("REFUSED" in shown, "Nothing needs attention" in shown) == (True, False)


def test_a_key_that_the_bank_does_not_know_is_refused_and_nothing_is_uploaded(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        (erp.folder / "client_key").unlink()
        create_client_key(erp.folder / "client_key")
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            transfer = only(send(gateway))
            tried = only(attempts(gateway, transfer))
        assert (transfer.state, tried["step"], tried["outcome"]) == (State.READY, "connect", "REFUSED")
        assert (bank.taken, at_the_bank(bank)) == ([], [])


REFUSALS = [
    pytest.param({"remote": '"/nowhere"'}, None, id="missing folder"),
    pytest.param({}, failing("open", error=denied), id="no permission"),
]


@pytest.mark.parametrize(("outbound", "server_class"), REFUSALS)
def test_a_refused_upload_is_given_up_after_so_many_and_goes_after_a_persons_word(
    tmp_path: Path, outbound: dict[str, str], server_class: type | None
) -> None:
    options = {"outbound": outbound, "retry": {"give_up_after": "2"}}
    with world(tmp_path / "bank", SILENT, server_class=server_class, **options) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            failed = settled(gateway, wanted=State.FAILED)
            tried = attempts(gateway, failed)
        assert [(a["step"], a["outcome"]) for a in tried] == [("stage", "REFUSED")] * 2
        assert (bank.taken, at_the_bank(bank)) == ([], [])
        assert failed.id in h2h(erp.config, "status").stdout
    erp.outbound = {}
    with BankServer(erp.folder / "bank", SILENT, authorized_keys=[erp.folder / "client_key.pub"]) as mended:
        erp.port = mended.port
        with opened(erp) as gateway:
            gateway.decisions.resend(failed.id, who="ann", reason="the bank mended it")
            settled(gateway)
        assert [t.data for t in mended.taken] == [FILE]


# The rename, and what becomes of its answer.


def test_a_bank_that_does_not_rename_is_asked_again_but_never_gets_a_second_upload(tmp_path: Path) -> None:
    uploads: list[bytes] = []
    refusing = failing("posix_rename", "rename", error=failure)

    class Counting(refusing):  # type: ignore[misc, valid-type]
        def open(self, path: bytes, pflags: int, attrs: object) -> object:
            uploads.append(path)
            return super().open(path, pflags, attrs)

    with world(tmp_path, SILENT, server_class=Counting, retry={"give_up_after": "2"}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            assert doubtful.attempts == 1
            with pytest.raises(NotAllowed, match="may have it"):
                gateway.decisions.resend(doubtful.id, who="ann", reason="again")
        assert (len(uploads), bank.taken) == (1, [])


@pytest.mark.parametrize("scenario", [SILENT, KEEPS], ids=["takes", "keeps"])
def test_a_bank_that_says_failure_although_it_renamed_has_the_file_once(tmp_path: Path, scenario: Scenario) -> None:
    lying = failing("posix_rename", "rename", error=failure, done_before=True)
    with world(tmp_path, scenario, server_class=lying) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            sent = settled(gateway)
            assert sent.attempts == 1
        assert [t.data for t in bank.taken] == [FILE]


def test_a_file_taken_at_once_while_the_answer_is_lost_is_sent_and_noted_as_taken_unseen(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, server_class=cutting("posix_rename")) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            sent = settled(gateway)
            proof = evidence(gateway, sent)
        assert "taken unseen" in proof["reason"]
        assert (proof["temporary"], proof["final"]) == ("gone", "gone")
        assert [t.data for t in bank.taken] == [FILE]


def test_where_the_bank_may_clear_our_temporary_files_a_lost_answer_waits_for_the_banks_word(tmp_path: Path) -> None:
    facts = {"atomic_rename": "true", "staging_is_ours": "false"}
    with world(tmp_path, Scenario(), server_class=cutting("posix_rename"), facts=facts) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            send(gateway)
            assert only(transfers(gateway)).state is State.UNCERTAIN  # nothing happens to it by itself
            bank.settle()
            desk = gateway.desks["box"]
            desk.pull(desk.bank.inbound[0])
            known = gateway.ledger.transfers.get(doubtful.id)
            assert (known.state, known.verdict) == (State.SENT, Verdict.ACCEPTED)
            assert known.sent_at
        assert [t.data for t in bank.taken] == [FILE]


def test_a_server_that_leaves_both_names_and_forbids_removing_has_the_file_and_is_not_asked_for_ever(
    tmp_path: Path,
) -> None:
    class Links(BankSftp):
        """Renames by linking, is interrupted before the unlinking, and lets nobody remove anything."""

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            os.link(self.map_path(oldpath), self.map_path(newpath))
            self.connection.abort()

        def remove(self, path: bytes) -> None:
            raise denied()

    with world(tmp_path, KEEPS, server_class=Links) as (erp, _):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            sent = settled(gateway)
            assert sent.attempts == 1


def test_another_file_under_the_final_name_is_never_overwritten(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        foreign = bank.folders.inbox / "MSG-1.xml"
        foreign.write_bytes(b"somebody else's")
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            held = settled(gateway, wanted=State.HELD)
            assert "never overwritten" in (held.reason or "")
            assert (at_the_bank(bank), foreign.read_bytes()) == (["MSG-1.xml"], b"somebody else's")
            gateway.decisions.release(held.id, who="ann", reason="the bank knows that file", now=False)
            settled(gateway)
        assert [(t.name, t.data) for t in bank.taken] == [("MSG-1-2.xml", FILE)]
        assert foreign.read_bytes() == b"somebody else's"


def test_a_ledger_that_fails_at_the_point_of_no_return_stops_the_file_and_it_goes_later_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Transfer:
        raise StoreError("disk full")

    clock = MovableClock()
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            with monkeypatch.context() as patch:
                patch.setattr(Transfers, "publishing_many", full)
                with pytest.raises(StoreError):
                    send(gateway)
            assert bank.taken == []
            clock.advance(minutes=5)
            settled(gateway)
        assert [t.data for t in bank.taken] == [FILE]


def test_a_file_whose_bytes_were_changed_in_the_archive_is_never_sent(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            gateway.desks["box"].take_in()
            stored = only([p for p in (erp.folder / "data" / "archive").rglob("*") if p.is_file()])
            stored.write_bytes(stored.read_bytes().replace(b"10.01", b"90.01"))
            gateway.desks["box"].hand_over()
            failed = only(transfers(gateway))
            assert (failed.state, failed.due_at) == (State.FAILED, None)
            assert "changed" in (failed.reason or "")
        assert (bank.taken, at_the_bank(bank)) == ([], [])


# Twice.


@pytest.mark.parametrize(
    ("second", "code"),
    [(FILE, "DUPLICATE_BYTES"), (FILE.replace(b"10.01", b"20.02"), "DUPLICATE_MESSAGE_ID")],
    ids=["same bytes", "same message id"],
)
def test_a_second_file_with_the_same_bytes_or_message_id_is_not_sent(tmp_path: Path, second: bytes, code: str) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE, "first.xml")
        with opened(erp) as gateway:
            send(gateway)
            erp.drop_file(second, "second.xml")
            first, repeated = send(gateway)
            assert (first.state, repeated.state) == (State.SENT, State.DUPLICATE)
            assert repeated.duplicate_of == first.id
        assert [t.data for t in bank.taken] == [FILE]
        report = json.loads(only(list((erp.drop / "rejected").glob("*-second.xml.report.json"))).read_text())
        assert (report["verdict"], only(report["findings"])["code"]) == ("DUPLICATE", code)
        assert first.id in only(list((erp.drop / "rejected").glob("*-second.xml.report.txt"))).read_text()


# The cut-off. 20 November 2026 is a Friday; the bank's zone is Europe/Berlin.

HOLDS = {"cut_off": '"15:00"', "after_cut_off": '"hold"'}
ROLLS = {"cut_off": '"15:00"', "after_cut_off": '"next-window"'}
FRIDAY_LATE, MONDAY_OPENS = "2026-11-20T16:00:00+01:00", datetime.fromisoformat("2026-11-23T00:00:00+01:00")


def test_after_the_cut_off_a_file_is_held_and_goes_in_the_next_window_once_released(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY_LATE)
    with world(tmp_path, SILENT, outbound=HOLDS) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            held = only(send(gateway))
            assert (held.state, held.attempts) == (State.HELD, 0)
            assert "15:00" in (held.reason or "")
            gateway.decisions.release(held.id, who="ann", reason="Monday will do", now=False)
            waiting = only(send(gateway))
            assert (waiting.state, waiting.due_at) == (State.READY, MONDAY_OPENS)
            assert (bank.taken, at_the_bank(bank)) == ([], [])
            clock.advance(days=2, hours=18)  # Monday, 10:00
            assert only(send(gateway)).state is State.SENT
        assert [t.data for t in bank.taken] == [FILE]


def test_where_the_profile_says_so_a_late_file_goes_all_the_same_and_the_journal_tells_it(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={**ROLLS, "after_cut_off": '"send"'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, MovableClock(FRIDAY_LATE)) as gateway:
            sent = only(send(gateway))
            assert (sent.state, sent.attempts) == (State.SENT, 1)
            events = gateway.ledger.journal.of(sent.id)
            [told] = [event for event in events if event.kind == "goes_late"]
            assert told.seq < next(event.seq for event in events if event.kind == "STAGING")
            text = "the cut-off at 15:00 (Europe/Berlin) has passed; it goes all the same, as its folder says"
            assert told.data["reason"] == text
        assert [t.data for t in bank.taken] == [FILE]


def test_before_it_opens_or_on_a_closed_day_such_a_file_waits(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-21T10:00:00+01:00")  # a Saturday
    with world(tmp_path, SILENT, outbound={**ROLLS, "after_cut_off": '"send"'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, waiting.due_at, bank.taken) == (State.READY, MONDAY_OPENS, [])


def test_on_a_day_that_ends_early_and_before_one_that_the_bank_closes_a_file_is_late_and_waits(tmp_path: Path) -> None:
    (tmp_path / "days.toml").write_text('until = 2027-01-31\nclosed = [2026-11-23]\n[early]\n2026-11-20 = "12:00"\n')
    local = {"closings": f'"{tmp_path}/days.toml"'}
    clock = MovableClock("2026-11-20T12:01:00+01:00")
    with world(tmp_path, SILENT, outbound=HOLDS, bank=local) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            held = only(send(gateway))
            assert held.state is State.HELD
            said, _, then = (held.reason or "").partition(";")
            assert said == "the cut-off at 12:00 (Europe/Berlin), early on this day, has passed"
            assert then == " release it for the next window, or with --now"
            gateway.decisions.release(held.id, who="ann", reason="Tuesday will do", now=False)
            assert only(send(gateway)).due_at == datetime.fromisoformat("2026-11-24T00:00:00+01:00")
            assert [alarm.text for alarm in alarms(gateway)] == [
                "The closings of box are known until 2027-01-31 only; add what the bank has announced since."
            ]
        assert bank.taken == []


@pytest.mark.parametrize(("until", "told"), [("2027-02-18", ["calendar"]), ("2027-02-19", [])])
def test_a_file_of_closings_that_ends_within_90_days_is_an_alarm(tmp_path: Path, until: str, told: list[str]) -> None:
    (tmp_path / "days.toml").write_text(f"until = {until}\n")
    with world(tmp_path, SILENT, bank={"closings": f'"{tmp_path}/days.toml"'}) as (erp, _):
        erp.write_settings()
        with opened(erp, MovableClock("2026-11-20T23:59:00+01:00")) as gateway:
            assert [alarm.word for alarm in alarms(gateway)] == told


def test_a_held_file_that_is_released_now_goes_after_the_cut_off(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound=HOLDS) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, MovableClock(FRIDAY_LATE)) as gateway:
            held = only(send(gateway))
            gateway.decisions.release(held.id, who="ann", reason="the bank waits for it", now=True)
            assert only(send(gateway)).state is State.SENT
        assert [t.data for t in bank.taken] == [FILE]


def test_where_the_profile_says_so_a_late_file_waits_for_the_next_window_by_itself(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY_LATE)
    with world(tmp_path, SILENT, outbound=ROLLS) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, waiting.due_at, waiting.attempts) == (State.READY, MONDAY_OPENS, 0)
            clock.advance(days=2, hours=7, minutes=59)  # a minute before Monday
            assert only(send(gateway)).state is State.READY
            clock.advance(minutes=2)
            assert only(send(gateway)).state is State.SENT
        assert [t.data for t in bank.taken] == [FILE]


@pytest.mark.parametrize(
    ("outbound", "state", "due_at"),
    [(HOLDS, State.HELD, None), (ROLLS, State.READY, MONDAY_OPENS)],
    ids=["hold", "next-window"],
)
def test_a_window_that_closes_during_the_upload_stops_the_file_before_the_rename(
    tmp_path: Path, outbound: dict[str, str], state: State, due_at: datetime | None
) -> None:
    clock = MovableClock("2026-11-20T14:59:00+01:00")

    class Slow(BankSftp):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            clock.advance(minutes=2)
            return super().write(file_obj, offset, data)

    with world(tmp_path, SILENT, server_class=Slow, outbound=outbound) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, clock) as gateway:
            stopped = only(send(gateway))
            assert (stopped.state, stopped.due_at, stopped.attempts) == (state, due_at, 1)
        assert (bank.taken, at_the_bank(bank)) == ([], [])


# What comes in.


def incoming(gateway: Gateway) -> dict[str, FileRow]:
    return {file.name: file for file in gateway.ledger.views.files() if file.direction == "in"}


def pull(gateway: Gateway) -> None:
    desk = gateway.desks["box"]
    desk.pull(desk.bank.inbound[0])


GOOD = {"a.xml": answer("MSG-1", "ACTC", paper_id="A"), "c.xml": answer("MSG-1", "ACSP", paper_id="C")}


def test_an_unreadable_file_between_two_good_ones_is_kept_shown_and_left_at_the_bank(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.inbound["unreadable"] = '"deliver"'
        erp.write_settings()
        erp.drop_file(FILE)
        for name, content in {**GOOD, "b.xml": b"<Document>not what you think"}.items():
            put(bank.folders.outbox, name, content)
        with opened(erp) as gateway:
            send(gateway)
            pull(gateway)
            pull(gateway)  # and it is not fetched again and again
            found = incoming(gateway)
            assert {name: file.state for name, file in found.items()} == {
                "a.xml": MessageState.APPLIED, "b.xml": MessageState.UNREADABLE, "c.xml": MessageState.APPLIED,
            }  # fmt: skip
            assert only(transfers(gateway)).verdict is Verdict.ACCEPTED
            unreadable = found["b.xml"].id
        assert os.listdir(bank.folders.outbox) == ["b.xml"]
        assert [p.name for p in erp.deliver.iterdir() if unreadable in p.name] == [f"{unreadable}-b.xml"]
        shown = json.loads(h2h(erp.config, "files", "--state", "UNREADABLE", "--json").stdout)
        assert (shown["id"], bool(shown["reason"])) == (unreadable, True)
        assert unreadable in h2h(erp.config, "status").stdout


def test_a_file_cut_anywhere_is_not_applied_and_stays_at_the_bank_until_the_whole_one_stands_there(
    tmp_path: Path,
) -> None:
    whole = sample("camt.053.001.08")
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        with opened(erp) as gateway:
            for number, end in enumerate((len(whole) * 3 // 10, len(whole) // 2, len(whole) - 30)):
                put(bank.folders.outbox, f"cut-{number}.xml", whole[:end])
            pull(gateway)
            assert {f.state for f in incoming(gateway).values()} == {MessageState.UNREADABLE}
            assert gateway.ledger.views.statements() == []
            assert len(os.listdir(bank.folders.outbox)) == 3
            put(bank.folders.outbox, "cut-1.xml", whole)
            pull(gateway)
            assert [s.reconciles for s in gateway.ledger.views.statements()] == [True]
            assert sorted(os.listdir(bank.folders.outbox)) == ["cut-0.xml", "cut-2.xml"]


def test_a_paper_that_may_not_be_removed_is_applied_once_delivered_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    with world(tmp_path, SILENT, server_class=failing("remove", error=denied)) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        for name, content in GOOD.items():
            put(bank.folders.outbox, name, content)
        with opened(erp) as gateway:
            send(gateway)
            desk = gateway.desks["box"]
            for _ in range(2):
                desk.pull(desk.bank.inbound[0], lambda file: told.append(file.name))
            assert [file.state for file in incoming(gateway).values()] == [MessageState.APPLIED] * 2
            assert len(list(erp.deliver.glob("*.jsonl"))) == 2
        assert sorted(told) == ["a.xml", "c.xml"]


def test_a_paper_whose_reading_breaks_the_line_does_not_keep_the_others_away(tmp_path: Path) -> None:
    class Breaking(BankSftp):
        def open(self, path: bytes, pflags: int, attrs: object) -> object:
            if path.endswith(b"a.xml"):
                self.connection.abort()
            return super().open(path, pflags, attrs)

    with world(tmp_path, SILENT, server_class=Breaking) as (erp, bank):
        erp.write_settings()
        for name, content in GOOD.items():
            put(bank.folders.outbox, name, content)
        with opened(erp) as gateway:
            for _ in range(3):
                with suppress(ChannelError):
                    pull(gateway)
            assert "c.xml" in incoming(gateway)


def test_a_claimed_file_that_was_written_on_after_it_was_taken_does_not_stop_the_next(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        with opened(erp) as gateway:
            original = erp.drop_file(FILE, "a.xml").open("ab")
            with original, pytest.MonkeyPatch.context() as patch:
                patch.setattr(WatchedFolder, "file_away", lambda *_, **__: original.write(b"<!-- more -->"))
                send(gateway)
            erp.drop_file(payments("MSG-2"), "b.xml")
            until(lambda: len(send(gateway)) == 2, "the second file taken in")
            send(gateway)
            assert [t.state for t in transfers(gateway)] == [State.SENT, State.SENT]
        assert [t.data for t in bank.taken] == [FILE, payments("MSG-2")]


GOOD_HERE = {
    "ACCOUNT_FOREIGN", "MSG_UNEXPECTED", "TEST_FILE", "NOT_A_TEST_FILE",  # good files for another folder
    "END_TO_END_ID_REPEATED", "CREATION_DATE_UNUSUAL", "EXECUTION_DATE_UNUSUAL",  # warnings
    "NAME_UNSEEN",  # held
}  # fmt: skip
BAD_SAMPLES = sorted({path.stem for path in (root("samples") / "bad").glob("*.xml")} - GOOD_HERE)


def test_every_bad_sample_is_refused_with_the_words_that_its_name_promises_and_nothing_of_it_is_sent(
    tmp_path: Path,
) -> None:
    with world(tmp_path, SILENT, outbound={"patience": '"0s"', "addresses": '"refuse"'}) as (erp, bank):
        erp.write_settings()
        for name in BAD_SAMPLES:
            erp.drop_file((root("samples") / "bad" / f"{name}.xml").read_bytes(), f"{name}.xml")
        with opened(erp) as gateway:
            send(gateway)
        assert bank.taken == []
        reports = [json.loads(path.read_text()) for path in (erp.drop / "rejected").glob("*.report.json")]
        codes = {r["file"].removesuffix(".xml"): {f["code"] for f in r["findings"]} for r in reports}
        assert [name for name in BAD_SAMPLES if name not in codes.get(name, ())] == []
        assert {r["verdict"] for r in reports} == {"INVALID"}


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("NAME_UNSEEN", {}, "NAME_UNSEEN"),
        ("EXECUTION_DATE_UNUSUAL", {"unusual_dates": '"hold"'}, "EXECUTION_DATE_UNUSUAL"),
    ],
)
def test_what_a_person_must_look_at_is_held_until_it_is_released(
    tmp_path: Path, name: str, settings: dict[str, str], code: str
) -> None:
    content = (root("samples") / "bad" / f"{name}.xml").read_bytes()
    with world(tmp_path, SILENT, outbound=settings) as (erp, bank):
        erp.drop_file(content)
        with opened(erp, MovableClock("2026-11-17T10:00:00+01:00")) as gateway:
            held = only(send(gateway))
            assert (held.state, bank.taken) == (State.HELD, [])
            assert held.reason is not None
            assert held.reason.startswith(f"{code}: ")
            assert gateway.ledger.views.board(["box"], held.received_at).attention
            gateway.decisions.release(held.id, who="anna", reason="seen", now=True)
            assert only(send(gateway)).state is State.SENT
        assert [t.data for t in bank.taken] == [content]


@pytest.mark.parametrize(("account", "state"), [("DE89370400440532013000", State.SENT), ("4711", State.INVALID)])
def test_only_files_that_debit_an_account_of_the_folder_go_out(tmp_path: Path, account: str, state: State) -> None:
    with world(tmp_path, SILENT, outbound={"accounts": f'["{account}"]'}) as (erp, bank):
        erp.drop_file((root("samples") / "bad" / "ACCOUNT_FOREIGN.xml").read_bytes())
        with opened(erp) as gateway:
            assert only(send(gateway)).state is state
        assert len(bank.taken) == (state is State.SENT)


def test_a_statement_that_breaches_its_schema_is_applied_with_a_warning(tmp_path: Path) -> None:
    """Banks do it: of 255 papers collected in the field 72 do."""
    loose = sample("camt.053.001.08").replace(b"<Acct>", b"<Colour>blue</Colour><Acct>", 1)
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        put(bank.folders.outbox, "loose.xml", loose)
        with opened(erp) as gateway:
            pull(gateway)
            paper = only(list(incoming(gateway).values()))
            assert paper.state == MessageState.APPLIED
            assert [s.reconciles for s in gateway.ledger.views.statements()] == [True]
            findings = gateway.ledger.views.history(paper.id).findings
            assert {(f.code, f.severity) for f in findings} == {("XSD_UNEXPECTED", Severity.WARNING)}


# Two banks, two folders: the trouble of one is not the other's.


@pytest.fixture
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """Accepts a connection and says nothing, ever; the event tells that somebody came."""
    came, end = threading.Event(), threading.Event()
    held: list[socket.socket] = []

    def accept() -> None:
        while not end.is_set():
            with suppress(TimeoutError):
                held.append(listener.accept()[0])
                came.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1], came
        end.set()
        thread.join()
        for connection in held:
            connection.close()


def test_a_bank_that_accepts_and_says_nothing_never_delays_another_and_never_holds_up_the_end(
    tmp_path: Path, silent_server: tuple[int, threading.Event]
) -> None:
    port, came = silent_server
    with world(tmp_path, SILENT) as (erp, bank):
        key = {"kind": '"sftp"', "host": '"127.0.0.1"', "port": str(port), "user": '"corp"',
               "key_file": f'"{erp.folder}/client_key"', "host_keys": f'["{erp.fingerprint}"]',
               "connect_timeout": '"60s"'}  # fmt: skip
        stuck = World(folder=erp.folder / "stuck", port=port, fingerprint="", name="stuck", channel=key)
        erp.others = [stuck]
        erp.write_settings()
        stuck.drop_file(payments("MSG-STUCK"))
        with daemon(erp.config, before="import h2h.daemon; h2h.daemon.STOP_SECONDS = 1.0") as process:
            assert came.wait(20)
            erp.drop_file(FILE)
            until(lambda: bank.taken, "the file at the good bank")
            assert process.terminate() == 0
        with opened(erp) as gateway:
            assert {t.bank: t.state for t in transfers(gateway)} == {"box": State.SENT, "stuck": State.READY}
        assert [t.data for t in bank.taken] == [FILE]


def test_a_watched_folder_that_is_away_does_not_stop_the_other_folder_of_the_bank(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        second = World(folder=erp.folder / "second", port=0, fingerprint="")
        second.make_folders()
        erp.write_settings()
        both = erp.profile_file.read_text() + erp.profile().split("[[bank.outbound]]")[1].split("[[")[0].join(
            ["\n[[bank.outbound]]", ""]
        ).replace(str(erp.drop), str(second.drop))
        erp.profile_file.write_text(both)
        gateway = Gateway(load(erp.config), MovableClock())
        shutil.rmtree(erp.drop)
        second.drop_file(FILE)
        with gateway.running():
            gateway.desks["box"].take_in()
            gateway.desks["box"].hand_over()
            assert only(transfers(gateway)).state is State.SENT
        gateway.close()
        assert [t.data for t in bank.taken] == [FILE]


def test_while_a_bank_is_down_the_daemon_does_not_ask_the_ledger_in_a_busy_loop(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _):
        pass
    erp.retry = {"first": '"10m"', "most": '"20m"'}
    erp.write_settings()
    for number in range(3):
        erp.drop_file(payments(f"MSG-{number}"), f"{number}.xml")
    with opened(erp) as gateway:
        desk = gateway.desks["box"]
        send(gateway)
        assert desk.suspended_until()
        assert Daemon(gateway)._seconds_to_next(desk) >= 1
