"""Banks that let nobody look: what their words are worth, and what is made sure of beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.lifecycle import State
from h2h.sandbox.server import BankSftp

from .test_bad_world import FILE, KEEPS, SILENT, at_the_bank, attempts, evidence
from .world import only, opened, send, settled, world

UNIQUE = {"name": '"{id}.xml"'}
APART = {**UNIQUE, "remote": '"/payments"', "staging": '"/in"'}


class ShowsNothing(BankSftp):
    """Neither files nor folders."""

    def lstat(self, path: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("no looking here")

    stat = lstat


class ShowsFolders(ShowsNothing):
    def stat(self, path: bytes) -> Any:
        return BankSftp.stat(self, path)


def cutting(bank: type[BankSftp], *, done: bool) -> type[BankSftp]:
    """It cuts the line in the first rename, when that was done or before."""
    left = 1

    class Cutting(bank):  # type: ignore[misc, valid-type]
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            nonlocal left
            if left and not done:
                left -= 1
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("cut")
            answer = super().posix_rename(oldpath, newpath)
            if left:
                left -= 1
                self.connection.abort()
            return answer

        rename = posix_rename

    return Cutting


def test_a_folder_that_is_missing_is_seen_before_anything_is_published(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, server_class=ShowsFolders, outbound=APART) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, attempts(gateway, waiting)[0]["step"]) == (State.READY, "stage")
            assert "/payments is not there" in (waiting.reason or "")
        assert (at_the_bank(bank), bank.taken) == ([f".{waiting.id}-1.part"], [])


@pytest.mark.parametrize("done", [None, False], ids=["asked once", "asked again"])
def test_no_such_file_does_not_mean_taken_where_a_folder_may_be_missing(tmp_path: Path, done: bool | None) -> None:
    server = ShowsNothing if done is None else cutting(ShowsNothing, done=done)
    with world(tmp_path, SILENT, server_class=server, outbound=APART) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            assert "no such file" in (doubtful.reason or "")
            assert "No such file" in evidence(gateway, doubtful)["answer"]
        assert (at_the_bank(bank), bank.taken) == ([f".{doubtful.id}-1.part"], [])


def test_no_such_file_of_what_was_just_taken_in_is_for_a_person(tmp_path: Path) -> None:
    class Forgets(ShowsFolders):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            raise asyncssh.SFTPNoSuchFile("No such file")

        rename = posix_rename

    with world(tmp_path, SILENT, server_class=Forgets, outbound=UNIQUE) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            assert "had just taken in" in (doubtful.reason or "")
        assert (at_the_bank(bank), bank.taken) == ([f".{doubtful.id}-1.part"], [])


@pytest.mark.parametrize(
    ("server", "state"), [(ShowsFolders, State.SENT), (ShowsNothing, State.UNCERTAIN)], ids=["folders seen", "not seen"]
)
def test_a_file_that_was_taken_while_the_answer_was_lost_is_sent_where_its_folder_is_seen_to_be_there(
    tmp_path: Path, server: type[BankSftp], state: State
) -> None:
    with world(tmp_path, SILENT, server_class=cutting(server, done=True), outbound=UNIQUE) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            settled(gateway, wanted=state)
        assert [taken.data for taken in bank.taken] == [FILE]


@pytest.mark.parametrize("server", [ShowsNothing, ShowsFolders])
@pytest.mark.parametrize(("outbound", "how"), [(UNIQUE, "posix-rename"), ({}, "rename")], ids=["unique", "not unique"])
def test_a_clear_answer_needs_no_look_and_the_journal_says_how_it_was_renamed(
    tmp_path: Path, server: type[BankSftp], outbound: dict[str, str], how: str
) -> None:
    with world(tmp_path, SILENT, server_class=server, outbound=outbound) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            assert evidence(gateway, settled(gateway))["how"] == how
        assert [taken.data for taken in bank.taken] == [FILE]


@pytest.mark.parametrize("server", [ShowsNothing, ShowsFolders])
def test_a_file_that_nobody_may_see_is_not_replaced_by_one_of_its_name(tmp_path: Path, server: type[BankSftp]) -> None:
    with world(tmp_path, KEEPS, server_class=server) as (erp, bank):
        erp.write_settings()
        foreign = bank.folders.inbox / "MSG-1.xml"
        foreign.write_bytes(b"another company's")
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            assert "a name that exists already" in evidence(gateway, doubtful)["answer"]
            assert (foreign.read_bytes(), doubtful.attempts) == (b"another company's", 1)


@pytest.mark.parametrize(("done", "there"), [(True, 1), (False, 0)])
def test_a_rename_that_replaces_nothing_is_not_asked_for_again(tmp_path: Path, done: bool, there: int) -> None:
    """It may be a link and an unlink: the bank may have taken the new name while the old one is still there."""
    asked: list[bytes] = []

    class Counting(cutting(ShowsFolders, done=done)):  # type: ignore[misc]
        def rename(self, oldpath: bytes, newpath: bytes) -> Any:
            asked.append(newpath)
            return super().posix_rename(oldpath, newpath)

        posix_rename = rename

    with world(tmp_path, SILENT, server_class=Counting) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            settled(gateway, wanted=State.UNCERTAIN)
        assert (len(asked), len(bank.taken)) == (1, there)


def test_a_rename_that_replaces_nothing_stays_one_when_the_bank_lets_us_look_later(tmp_path: Path) -> None:
    """T is there and F is gone: by the profile, renaming could be repeated; this one could not."""
    blind = True

    class SeesLater(cutting(BankSftp, done=False)):  # type: ignore[misc]
        def lstat(self, path: bytes) -> Any:
            if blind:
                raise asyncssh.SFTPPermissionDenied("no looking here")
            return BankSftp.lstat(self, path)

    with world(tmp_path, SILENT, server_class=SeesLater) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            assert only(send(gateway)).state is State.PUBLISHING
        blind = False
        with opened(erp) as gateway:
            settled(gateway, wanted=State.UNCERTAIN)
        assert bank.taken == []
