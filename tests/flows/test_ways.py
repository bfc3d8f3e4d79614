"""Banks that know no rename: a marker beside the file, or the file straight under its final name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario, Take
from h2h.sandbox.server import BankServer, BankSftp

from .test_bad_world import FILE, at_the_bank, evidence
from .world import World, opened, payments, put, send, settled, world

MARKED = Scenario(marker=".done", received_seconds="never", answer_seconds="never")
MARKED_AND_KEPT = Scenario(marker=".done", take=Take.KEEP, received_seconds="never", answer_seconds="never")
TAKES = Scenario(received_seconds="never", answer_seconds="never")
MARKER = {"publish": '"marker"', "staging_is_ours": "true", "takes_file_before_marker": "true"}
CARELESS_MARKER = {"publish": '"marker"'}
DIRECT = {"publish": '"direct"'}
BIG = payments("MSG-BIG", 2000)


class NoRename(BankSftp):
    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("no renaming here")

    posix_rename = rename


def at(operation: str, name: bytes, act: Callable[[BankSftp], None], *, before: bool = False) -> type[BankSftp]:
    """A bank that acts once, after (or before) an operation on a file whose name ends in `name`."""
    original = getattr(NoRename, operation)
    done = False

    def wrapped(self: BankSftp, target: Any, *arguments: Any) -> Any:
        nonlocal done
        path = target if isinstance(target, bytes) else target.name
        meant = not done and (path if isinstance(path, bytes) else str(path).encode()).endswith(name)
        done = done or meant
        if meant and before:
            act(self)
            raise asyncssh.SFTPConnectionLost("cut")
        result = original(self, target, *arguments)
        if meant:
            act(self)
        return result

    return type("Acting", (NoRename,), {operation: wrapped})


def cut(server: BankSftp) -> None:
    server.connection.abort()


@contextmanager
def started(
    folder: Path, scenario: Scenario, facts: dict[str, str], server_class: type[BankSftp] = NoRename, file: bytes = FILE
) -> Iterator[tuple[World, BankServer, Gateway]]:
    with world(folder, scenario, server_class=server_class, facts=facts) as (erp, bank):
        erp.write_settings()
        erp.drop_file(file)
        with opened(erp) as gateway:
            yield erp, bank, gateway


@pytest.mark.parametrize("scenario", [MARKED, MARKED_AND_KEPT], ids=["takes", "keeps"])
@pytest.mark.parametrize("facts", [MARKER, CARELESS_MARKER], ids=["stated", "not stated"])
def test_a_bank_that_waits_for_a_marker_gets_the_file_and_then_its_marker(
    tmp_path: Path, scenario: Scenario, facts: dict[str, str]
) -> None:
    with started(tmp_path, scenario, facts) as (_, bank, gateway):
        sent = settled(gateway)
        assert (sent.temporary, sent.remote) == ("/in/MSG-1.xml", "/in/MSG-1.xml.done")
        assert [(t.name, t.data) for t in bank.taken] == [("MSG-1.xml", FILE)]


def test_a_marker_whose_answer_is_lost_tells_the_bank_once(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, MARKER, at("close", b".done", cut)) as (_, bank, gateway):
        sent = settled(gateway)
        assert "taken unseen" in evidence(gateway, sent)["reason"]
        assert (sent.attempts, [t.data for t in bank.taken]) == (1, [FILE])


def test_a_marker_that_never_arrived_is_made_for_the_same_file(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, MARKER, at("open", b".done", cut, before=True)) as (_, bank, gateway):
        sent = settled(gateway)
        assert (sent.attempts, [t.name for t in bank.taken]) == (1, ["MSG-1.xml"])
        assert at_the_bank(bank) == []


def test_where_the_bank_may_take_the_marker_first_a_lost_one_is_for_a_person(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, CARELESS_MARKER, at("open", b".done", cut, before=True)) as (_, bank, gateway):
        doubtful = settled(gateway, wanted=State.UNCERTAIN)
        assert "may have taken the marker" in evidence(gateway, doubtful)["reason"]
        assert (bank.taken, at_the_bank(bank)) == ([], ["MSG-1.xml"])


def test_an_upload_that_broke_before_its_marker_begins_anew_under_another_name(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, MARKER, at("write", b"MSG-BIG.xml", cut), BIG) as (_, bank, gateway):
        sent = settled(gateway)
        assert (sent.attempts, [(t.name, t.data) for t in bank.taken]) == (2, [("MSG-BIG-2.xml", BIG)])
        assert at_the_bank(bank) == []


def test_a_marker_that_somebody_else_made_is_left_alone_and_the_file_waits(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, MARKER) as (_, bank, gateway):
        put(bank.folders.inbox, "MSG-1.xml.done", b"")
        held = settled(gateway, wanted=State.HELD)
        assert "MSG-1.xml.done is there at the bank already" in (held.reason or "")
        assert (bank.taken, at_the_bank(bank)) == ([], ["MSG-1.xml.done"])


def without_looking(server: type[BankSftp]) -> type[BankSftp]:
    def denied(self: BankSftp, path: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no looking here")

    return type("Blind", (server,), {"lstat": denied, "stat": denied})


@pytest.mark.parametrize("facts", [MARKER, CARELESS_MARKER], ids=["stated", "not stated"])
def test_a_file_of_somebody_else_that_has_its_name_is_left_alone_and_the_file_waits(
    tmp_path: Path, facts: dict[str, str]
) -> None:
    with started(tmp_path, MARKED, facts) as (_, bank, gateway):
        put(bank.folders.inbox, "MSG-1.xml", b"somebody else's")
        held = settled(gateway, wanted=State.HELD)
        assert "MSG-1.xml is there at the bank already" in (held.reason or "")
        gateway.decisions.release(held.id, who="ann", reason="the bank knows that file", now=False)
        settled(gateway)
        assert [(t.name, t.data) for t in bank.taken] == [("MSG-1-2.xml", FILE)]
        assert (bank.folders.inbox / "MSG-1.xml").read_bytes() == b"somebody else's"


def test_where_nobody_may_look_a_file_of_somebody_else_is_never_taken_for_our_leftover(tmp_path: Path) -> None:
    with started(tmp_path, MARKED, MARKER, without_looking(NoRename)) as (_, bank, gateway):
        put(bank.folders.inbox, "MSG-1.xml", b"somebody else's")
        sent = settled(gateway)
        assert (sent.attempts, [(t.name, t.data) for t in bank.taken]) == (2, [("MSG-1-2.xml", FILE)])
        assert (bank.folders.inbox / "MSG-1.xml").read_bytes() == b"somebody else's"


def test_a_file_that_goes_straight_to_its_name_is_uploaded_once(tmp_path: Path) -> None:
    with started(tmp_path, TAKES, DIRECT) as (_, bank, gateway):
        sent = settled(gateway)
        assert sent.remote == "/in/MSG-1.xml"
        assert [(t.name, t.data) for t in bank.taken] == [("MSG-1.xml", FILE)]


@pytest.mark.parametrize(
    ("operation", "before", "scenario", "expected"),
    [
        ("open", True, TAKES, State.UNCERTAIN),
        ("write", False, MARKED_AND_KEPT, State.UNCERTAIN),  # this bank does not look: the half file stays
        ("close", False, TAKES, State.UNCERTAIN),  # taken, and nobody can see it
        ("close", False, Scenario(take=Take.KEEP), State.SENT),  # the whole file can be seen there
    ],
)
def test_an_upload_to_the_final_name_is_never_begun_again(
    tmp_path: Path, operation: str, before: bool, scenario: Scenario, expected: State
) -> None:
    opens: list[bytes] = []
    fault = at(operation, b"MSG-BIG.xml", cut, before=before)

    class Counting(fault):  # type: ignore[misc, valid-type]
        def open(self, path: bytes, pflags: int, attrs: object) -> object:
            opens.append(path)
            return super().open(path, pflags, attrs)

    with started(tmp_path, scenario, DIRECT, Counting, BIG) as (_, bank, gateway):
        ended = settled(gateway, wanted=expected)
        for _ in range(3):
            send(gateway)
        assert (ended.attempts, len(opens)) == (1, 1 if operation != "open" else len(opens))
        assert len(bank.taken) <= 1


def test_damaged_bytes_are_found_before_the_upload_to_the_final_name_begins(tmp_path: Path) -> None:
    with started(tmp_path, TAKES, DIRECT) as (erp, bank, gateway):
        gateway.desks["box"].take_in()
        for blob in (erp.folder / "data" / "archive").rglob("*"):
            if blob.is_file():
                blob.chmod(0o600)
                blob.write_bytes(FILE.replace(b"10.01", b"99.99"))
        failed = settled(gateway, wanted=State.FAILED)
        assert "changed" in (failed.reason or "")
        assert (bank.taken, at_the_bank(bank)) == ([], [])
