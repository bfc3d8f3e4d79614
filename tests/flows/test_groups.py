"""Small files that go together: each has an outcome of its own, and none comes twice, whatever befalls one of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.sftp import SFTPAttrs

from h2h.errors import Stale, StoreError
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.ledger.transfers import Transfers
from h2h.lifecycle import State
from h2h.outbound import handover
from h2h.outbound.groups import groups
from h2h.sandbox.scenario import Take
from h2h.sandbox.server import BankServer, BankSftp
from h2h.witness import Witness

from .test_bad_world import KEEPS, SILENT, at_the_bank, attempts, denied, failure
from .world import INTO_THE_DARK, PATIENCE_SECONDS, MovableClock, World, opened, payments, send, transfers, until, world

NUMBER = 5
FILES = [payments(f"MSG-{number}") for number in range(1, NUMBER + 1)]
THIRD = 3
OTHERS = [1, 2, 4, 5]


def drop(erp: World, files: list[bytes]) -> None:
    erp.write_settings()
    for number, content in enumerate(files, start=1):
        erp.drop_file(content, f"{number:03}.xml")


@contextmanager
def started(
    folder: Path, scenario: object = SILENT, server: object = None, files: list[bytes] = FILES, **options: object
) -> Iterator[tuple[World, BankServer, Gateway]]:
    with world(folder, scenario, server_class=server, **options) as (erp, bank):  # type: ignore[arg-type]
        drop(erp, files)
        with opened(erp) as gateway:
            yield erp, bank, gateway


def nth(operation: str, number: int, act: Callable[..., Any], parent: type[BankSftp] = BankSftp) -> type[BankSftp]:
    """A bank that acts in the n-th call of an operation; `act` is given the original, and what that is given."""
    original = getattr(parent, operation)
    calls = 0

    def wrapped(self: BankSftp, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return act(original, self, *arguments) if calls == number else original(self, *arguments)

    return type("Acting", (parent,), {operation: wrapped})


def dropped(result: Any) -> None:
    if isinstance(result, io.IOBase):
        result.close()


def instead(error: Callable[[], Exception], *, done: bool = False) -> Callable[..., Any]:
    def act(original: Callable[..., Any], self: BankSftp, *arguments: Any) -> Any:
        if done:
            dropped(original(self, *arguments))
        raise error()

    return act


def cut(*, done: bool) -> Callable[..., Any]:
    def act(original: Callable[..., Any], self: BankSftp, *arguments: Any) -> Any:
        if done:
            dropped(original(self, *arguments))
        elif original.__name__ == "close":
            dropped(arguments[0])  # else nobody would close it
        self.connection.abort()
        raise asyncssh.SFTPConnectionLost("cut")

    return act


class TellsAShortThird(BankSftp):
    """Of the third file that it is asked the size of, however often."""

    asked: list[str]

    def fstat(self, file_obj: Any) -> Any:
        asked = type(self).asked
        if file_obj.name not in asked:
            asked.append(file_obj.name)
        attributes = SFTPAttrs.from_local(super().fstat(file_obj))  # type: ignore[arg-type]
        if asked.index(file_obj.name) == THIRD - 1:
            attributes.size = (attributes.size or 0) - 1
        return attributes


def short() -> type[BankSftp]:
    return type("Short", (TellsAShortThird,), {"asked": []})


def missing() -> Exception:
    return asyncssh.SFTPNoSuchFile("No such file")


# What befalls the third file; whether it is uploaded anew then.
FAULTS = [
    pytest.param(lambda: nth("open", THIRD, instead(denied)), True, id="create refused"),
    pytest.param(lambda: nth("open", THIRD, instead(failure, done=True)), True, id="created and called failed"),
    pytest.param(lambda: nth("write", THIRD, instead(failure)), True, id="write refused"),
    pytest.param(short, True, id="short"),
    pytest.param(lambda: nth("close", THIRD, instead(failure, done=True)), True, id="close fails"),
    pytest.param(lambda: nth("posix_rename", THIRD, instead(denied)), False, id="rename refused"),
    pytest.param(
        lambda: nth("posix_rename", THIRD, instead(failure, done=True)), False, id="renamed and called failed"
    ),
    pytest.param(lambda: nth("posix_rename", THIRD, instead(missing, done=True)), False, id="temporary gone, renamed"),
    pytest.param(lambda: nth("posix_rename", THIRD, lambda *_: None), False, id="called renamed and not done"),
]


@pytest.mark.parametrize("scenario", [SILENT, KEEPS], ids=["takes", "keeps"])
@pytest.mark.parametrize(("fault", "anew"), FAULTS)
def test_what_befalls_one_file_of_a_group_spoils_no_other_and_none_comes_twice(
    tmp_path: Path, fault: Callable[[], type[BankSftp]], anew: bool, scenario: object
) -> None:
    with started(tmp_path, scenario, fault()) as (_, bank, gateway):
        first = send(gateway)
        assert [first[number - 1].state for number in OTHERS] == [State.SENT] * 4
        until(lambda: states(send(gateway)) == {State.SENT}, "the third one sent")
        assert [t.attempts for t in transfers(gateway)] == [1, 1, 1 + anew, 1, 1]
        assert copies(bank) == sorted(FILES)
        assert gateway.ledger.journal.verify().fault is None


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("operation", ["open", "write", "close", "posix_rename"])
def test_a_line_that_breaks_in_the_middle_of_a_group_leaves_each_file_once_at_the_bank(
    tmp_path: Path, operation: str, done: bool
) -> None:
    with started(tmp_path, SILENT, nth(operation, THIRD, cut(done=done))) as (_, bank, gateway):
        first = send(gateway)
        assert {transfer.owner for transfer in first} == {None}
        until(lambda: states(send(gateway)) == {State.SENT}, "all of them sent")
        renamed = operation == "posix_rename"
        assert {t.attempts for t in transfers(gateway)} == ({1} if renamed else {2})
        assert copies(bank) == sorted(FILES)
        assert gateway.ledger.journal.verify().fault is None


def test_a_name_that_is_there_already_holds_its_file_alone(tmp_path: Path) -> None:
    with started(tmp_path, KEEPS) as (_, bank, gateway):
        foreign = bank.folders.inbox / "MSG-3.xml"
        foreign.write_bytes(b"another company's")
        sent = send(gateway)
        assert [t.state for t in sent] == [State.SENT, State.SENT, State.HELD, State.SENT, State.SENT]
        assert foreign.read_bytes() == b"another company's"
        assert at_the_bank(bank) == [f"MSG-{number}.xml" for number in range(1, NUMBER + 1)]


def test_two_files_of_one_name_in_a_group_get_two_names(tmp_path: Path) -> None:
    names = {"outbound": {"name": '"payments.xml"'}}
    with started(tmp_path, KEEPS, **names) as (_, bank, gateway):
        assert states(send(gateway)) == {State.SENT}
        assert at_the_bank(bank) == [
            "payments-2.xml",
            "payments-3.xml",
            "payments-4.xml",
            "payments-5.xml",
            "payments.xml",
        ]
        assert copies(bank) == sorted(FILES)


def test_files_are_published_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    asked: list[bytes] = []

    class Noting(BankSftp):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            asked.append(newpath)
            return super().posix_rename(oldpath, newpath)

    files = [payments(f"MSG-{number:02}") for number in range(40)]
    with started(tmp_path, SILENT, Noting, files) as (_, bank, gateway):
        assert states(send(gateway)) == {State.SENT}
        assert asked == [b"/in/MSG-%02d.xml" % number for number in range(40)]
        assert [taken.data for taken in bank.taken] == files


def late(clock: MovableClock, minutes: float = 2) -> type[BankSftp]:
    """So much time passes when the last file of a group is closed."""

    def act(original: Callable[..., Any], self: BankSftp, *arguments: Any) -> Any:
        clock.advance(minutes=minutes)
        return original(self, *arguments)

    return nth("close", NUMBER, act)


def test_a_cut_off_that_comes_while_a_group_is_uploaded_lets_none_of_it_go(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T15:29:00+01:00")
    window = {"outbound": {"cut_off": '"15:30"', "after_cut_off": '"next-window"'}}
    with world(tmp_path, SILENT, server_class=late(clock), **window) as (erp, bank):
        drop(erp, FILES)
        with opened(erp, clock) as gateway:
            waiting = send(gateway)
            assert states(waiting) == {State.READY}
            assert {t.due_at and t.due_at.isoformat() for t in waiting} == {"2026-11-22T23:00:00+00:00"}
            assert {attempts(gateway, t)[0]["outcome"] for t in waiting} == {"STOPPED"}
            assert (at_the_bank(bank), bank.taken) == ([], [])
            clock.advance(days=2, hours=12)
            assert states(send(gateway)) == {State.SENT}
        assert copies(bank) == sorted(FILES)


def test_a_cut_off_that_comes_while_a_group_is_uploaded_is_told_before_it_goes_all_the_same(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T15:29:00+01:00")
    window = {"outbound": {"cut_off": '"15:30"', "after_cut_off": '"send"'}}
    with world(tmp_path, SILENT, server_class=late(clock), **window) as (erp, bank):
        drop(erp, FILES)
        with opened(erp, clock) as gateway:
            assert states(send(gateway)) == {State.READY}
            assert (at_the_bank(bank), bank.taken) == ([], [])
            sent = send(gateway)
            assert states(sent) == {State.SENT}
            for transfer in sent:
                kinds = [event.kind for event in gateway.ledger.journal.of(transfer.id)]
                assert kinds.count("goes_late") == 1
                assert kinds.index("goes_late") < kinds.index("PUBLISHING")
        assert copies(bank) == sorted(FILES)


class TwoFolders(World):
    """With a second watched folder, whose window is always open."""

    @property
    def second(self) -> Path:
        return self.folder / "erp" / "second"

    def make_folders(self) -> None:
        super().make_folders()
        self.second.mkdir(exist_ok=True)

    def profile(self) -> str:
        lines = ("[[bank.outbound]]", f'watch = "{self.second}"', 'settle = "0s"', 'messages = ["pain.001.001.09"]')
        return "\n".join([super().profile(), *lines, 'remote = "/in"', 'name = "{msg_id}.xml"', ""])

    def drop_in_both(self) -> None:
        """Two files of a group are in the first folder, and three in the second."""
        for number, content in enumerate(FILES):
            path = (self.drop if number < 2 else self.second) / f"{number}.xml"
            path.write_bytes(content)


@pytest.mark.parametrize("minutes", [0, 2])
def test_each_file_of_a_group_has_the_window_and_the_witness_of_its_own_folder(tmp_path: Path, minutes: int) -> None:
    clock = MovableClock("2026-11-20T15:29:00+01:00")
    window = {"outbound": {"cut_off": '"15:30"', "after_cut_off": '"next-window"'}}
    with world(tmp_path, SILENT, server_class=late(clock, minutes), **window) as (usual, bank):
        erp = TwoFolders(**vars(usual))
        erp.write_settings()
        erp.drop_in_both()
        with opened(erp, clock) as gateway:
            found = send(gateway)
            first = State.READY if minutes else State.SENT
            assert [transfer.state for transfer in found] == [first, first, State.SENT, State.SENT, State.SENT]
            asked = max(event.seq for t in found[2:] for event in gateway.ledger.journal.of(t.id)[:-1])
        heads = [Witness(folder / ".h2h" / "head").read() for folder in (erp.drop, erp.second)]
        assert [head.seq >= asked if head else None for head in heads] == [None if minutes else True, True]
        assert copies(bank) == sorted(FILES[2:] if minutes else FILES)


def test_a_stop_in_the_middle_of_a_group_lets_the_group_end_and_begins_no_other(tmp_path: Path) -> None:
    asked: list[bytes] = []

    class Noting(BankSftp):
        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            asked.append(path)
            return super().open(path, pflags, attrs)

    files = [payments(f"MSG-{number:02}") for number in range(40)]
    with started(tmp_path, SILENT, Noting, files) as (_, bank, gateway):
        desk = gateway.desks["box"]
        desk.take_in()
        desk.hand_over(stop=lambda: len(asked) > 0)
        expected = [State.SENT] * handover.GROUP + [State.READY] * (40 - handover.GROUP)
        assert [t.state for t in transfers(gateway)] == expected
        assert states(send(gateway)) == {State.SENT}
        assert copies(bank) == sorted(files)


def test_the_lease_of_each_file_is_renewed_while_its_group_is_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: set[str] = set()
    each_was = threading.Event()
    original = Transfers.renew

    def renew(self: Transfers, transfer: Transfer, now: datetime, lease: timedelta) -> None:
        original(self, transfer, now, lease)
        renewed.add(transfer.id)
        if len(renewed) == NUMBER:
            each_was.set()

    def waiting(original: Callable[..., Any], self: BankSftp, *arguments: Any) -> Any:
        if not each_was.wait(PATIENCE_SECONDS / 2):
            raise failure()
        return original(self, *arguments)

    monkeypatch.setattr(Transfers, "renew", renew)
    monkeypatch.setattr(handover, "LEASE", timedelta(milliseconds=30))
    with started(tmp_path, SILENT, nth("write", 1, waiting)) as (_, _, gateway):
        assert [(t.state, t.attempts) for t in send(gateway)] == [(State.SENT, 1)] * NUMBER


def test_what_a_group_left_at_the_bank_is_removed_before_its_files_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the ledger's disk is full")

    def parts() -> list[str]:
        return [path.name for path in bank.folders.inbox.iterdir() if path.name.endswith(".part")]

    with world(tmp_path, KEEPS) as (erp, bank):
        drop(erp, FILES)
        with opened(erp) as gateway, monkeypatch.context() as patch:
            patch.setattr(Transfers, "publishing_many", full)
            with pytest.raises(StoreError):
                send(gateway)
            assert gateway.desks["box"]._line._session is None  # nothing more is asked of the bank
        assert len(parts()) == NUMBER
        with opened(erp) as gateway:
            assert [(t.state, t.attempts) for t in send(gateway)] == [(State.SENT, 2)] * NUMBER
        assert (parts(), copies(bank)) == ([], sorted(FILES))


def test_a_group_that_others_were_quicker_to_lease_is_asked_for_once_in_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def taken(_: Transfers, group: list[Transfer], *__: object) -> list[Transfer]:
        asked.append(len(group))
        return []

    monkeypatch.setattr(Transfers, "lease_many", taken)
    with started(tmp_path) as (_, bank, gateway):
        assert states(send(gateway)) == {State.READY}
        assert (asked, bank.taken) == ([NUMBER], [])


# When a group is one.


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files were committed to PUBLISHING at a time."""
    sizes: list[int] = []
    original = Transfers.publishing_many

    def noting(self: Transfers, group: list[Transfer], *given: Any, **named: Any) -> list[Transfer | Stale]:
        sizes.append(len(group))
        return original(self, group, *given, **named)

    monkeypatch.setattr(Transfers, "publishing_many", noting)
    return sizes


class HidesFinalNames(BankSftp):
    def lstat(self, path: bytes) -> Any:
        if path.endswith(b".xml"):
            raise asyncssh.SFTPPermissionDenied("no looking here")
        return super().lstat(path)


class HidesTemporaryNames(BankSftp):
    def lstat(self, path: bytes) -> Any:
        if path.endswith(b".part"):
            raise asyncssh.SFTPPermissionDenied("no looking here")
        return super().lstat(path)


CERTAIN = {"atomic_rename": "true", "staging_is_ours": "true"}


@pytest.mark.parametrize(
    ("facts", "server", "sizes"),
    [
        (CERTAIN, BankSftp, [5]),
        (CERTAIN, HidesFinalNames, [1] * 5),
        (CERTAIN, HidesTemporaryNames, [1] * 5),
        (CERTAIN | {"staging_is_ours": "false"}, BankSftp, [1] * 5),
        (CERTAIN | {"atomic_rename": "false"}, BankSftp, [1] * 5),
        (INTO_THE_DARK, BankSftp, [1] * 5),
        ({"publish": '"marker"', "staging_is_ours": "true", "takes_file_before_marker": "true"}, BankSftp, [1] * 5),
        ({"publish": '"direct"'}, BankSftp, [1] * 5),
    ],
)
def test_a_group_passes_the_point_of_no_return_at_once_only_where_each_file_would_settle_by_itself(
    tmp_path: Path, facts: dict[str, str], server: type[BankSftp], sizes: list[int], committed: list[int]
) -> None:
    with started(tmp_path, KEEPS, server, facts=facts) as (_, bank, gateway):
        assert states(send(gateway)) == {State.SENT}
        assert committed == sizes
        assert copies(bank) == sorted(FILES)


def test_what_is_large_or_failed_before_goes_alone_and_the_order_stays(
    tmp_path: Path, committed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("h2h.outbound.groups.SMALL", 10_000)
    files = [FILES[0], FILES[1], payments("MSG-BIG", 20), FILES[3], FILES[4]]
    with started(tmp_path, SILENT, files=files) as (_, bank, gateway):
        assert states(send(gateway)) == {State.SENT}
        assert committed == [2, 1, 2]
        assert [taken.data for taken in bank.taken] == files


def test_a_file_that_breaks_the_line_each_time_is_given_up_alone(tmp_path: Path, committed: list[int]) -> None:
    class Poisoned(BankSftp):
        def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
            if b"MSG-3" in data:
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("cut")
            return super().write(file_obj, offset, data)

    with started(tmp_path, SILENT, Poisoned, retry={"give_up_after": "3"}) as (_, bank, gateway):
        ended = {State.SENT, State.FAILED}
        until(lambda: states(send(gateway)) == ended, "all but one sent, and that one given up")
        assert [t.state for t in transfers(gateway)][THIRD - 1] is State.FAILED
        assert committed == [1] * 4
        assert copies(bank) == sorted(file for number, file in enumerate(FILES, start=1) if number != THIRD)


def test_what_is_due_is_cut_and_never_sorted() -> None:
    class Row:
        def __init__(self, size: int, state: State = State.READY, failures: int = 0, watch: str = "out") -> None:
            self.size, self.state, self.failures, self.watch = size, state, failures, watch

    small, large, failed = Row(10), Row(1 << 30), Row(10, failures=1)
    under_way = Row(10, State.PUBLISHING)
    due: list[Any] = [under_way, under_way, small, small, small, large, small, failed, small, small]
    cuts = [list(group) for group in groups(due, 2)]
    assert [row for group in cuts for row in group] == due
    assert [len(group) for group in cuts] == [1, 1, 2, 1, 1, 1, 1, 2]
    assert [len(group) for group in groups(due, 1)] == [1] * len(due)
    assert list(groups([], 2)) == []
    due = [small, small, numbered := Row(10, watch="numbered"), numbered, small, small]
    assert [len(group) for group in groups(due, 2, {"numbered"})] == [2, 1, 1, 2]


def states(found: list[Transfer]) -> set[State]:
    return {transfer.state for transfer in found}


def copies(bank: BankServer) -> list[bytes]:
    """What the bank has, under final names."""
    left = [path.read_bytes() for path in bank.folders.inbox.iterdir() if path.name.endswith(".xml")]
    return sorted(left if bank.scenario.take is Take.KEEP else [taken.data for taken in bank.taken])
