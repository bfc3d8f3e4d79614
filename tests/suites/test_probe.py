"""What a probe finds out on real servers that behave and misbehave, and that it leaves nothing there."""

from __future__ import annotations

import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from h2h.channels.facts import Probe, Weight
from h2h.channels.kinds import connect
from h2h.channels.probe import probe
from h2h.channels.sftp_wire import Kind, Wire
from h2h.channels.trial import Watch
from h2h.config import Bank
from h2h.credentials import Credentials
from h2h.model import Presence
from tests.flows.disks import disk
from tests.suites.conftest import Misbehaving
from tests.suites.servers import SSHD, BankServer, Connection, OpenSshServer, make_key

Server = asyncssh.SFTPServer
needs_sshd = pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server")
LONG = bool(os.environ.get("H2H_LONG"))
AT_ONCE = Watch(seconds=0, pause=lambda _: None)
SENDS = {"watch": "/nowhere", "messages": ["pain.001.001.09"]}
FETCHES = {"messages": ["pain.002.001.10"], "every": "10m"}


def profile(channel: dict[str, Any], home: str = "", **folders: Any) -> Bank:
    outbound = {**SENDS, "remote": f"{home}/in", **folders.pop("outbound", {})}
    inbound = {**FETCHES, "remote": f"{home}/out", **folders.pop("inbound", {})}
    return Bank.model_validate(
        {"name": "box", "timezone": "Europe/Berlin", "channel": channel, "outbound": [outbound], "inbound": [inbound]}
    )


def at(server: BankServer, facts: dict[str, Any] | None = None, **folders: Any) -> Bank:
    settings = server.settings(**(facts or {}))
    channel = settings.model_dump(include=settings.model_fields_set)
    return profile({**channel, "key_file": str(channel["key_file"])}, server.home, **folders)


def probed(bank: Bank, watch: Watch | None = AT_ONCE) -> Probe:
    return probe(
        bank,
        connect=partial(connect, credentials=Credentials()),
        tag="0123abcd",
        now=lambda: datetime.now(UTC),
        watch=watch,
    )


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def proposed(found: Probe) -> dict[str, str | None]:
    return {change.key: change.value for change in found.changes}


def bad(found: Probe) -> list[str]:
    return [step.name for step in found.steps if step.weight is Weight.BAD]


def said(found: Probe, name: str) -> str:
    return "\n".join(f"{step.said} {step.todo}" for step in found.steps if step.name == name)


# Nothing is left.


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSshServer]:
    if SSHD is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    with OpenSshServer(tmp_path / "bank") as server:
        yield server


def requests_of(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> list[str]:
    """The requests of all sessions from here on, by name; `act` is called with the number of each before it leaves."""
    send, asked = Wire.send, list[str]()

    def sending(wire: Wire, kind: Kind, *fields: bytes) -> int:
        asked.append(kind.name)
        number = send(wire, kind, *fields)
        act(len(asked))
        return number

    monkeypatch.setattr(Wire, "send", sending)
    return asked


REQUESTS = 41


def test_a_whole_probe_is_so_many_requests(openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requests_of(monkeypatch, lambda _: None)
    assert probed(at(openssh)).good
    assert len(asked) == REQUESTS
    assert Counter(asked)["OPEN"] == 4  # two that make nothing


@pytest.mark.parametrize("cut_at", range(1, REQUESTS + 1) if LONG else range(2, REQUESTS, 5))
def test_where_the_line_breaks_nothing_is_left_at_the_server(
    openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    def cut(number: int) -> None:
        if number == cut_at:
            openssh.cut()

    requests_of(monkeypatch, cut)
    found = probed(at(openssh))
    assert (files(openssh.root), found.left) == ([], [])
    assert bad(found) == ["line"]
    assert "The connection was lost while asked for" in said(found, "line")
    assert found.changes == [] or "atomic_rename" in proposed(found)


def test_what_cannot_be_removed_as_the_server_is_gone_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenSshServer(tmp_path / "bank") as server:
        asked: list[str] = []

        def end(number: int) -> None:
            if asked[-1:] == ["WRITE"]:
                server.__exit__()

        asked = requests_of(monkeypatch, end)
        found = probed(at(server))
        assert found.left == [f"{server.home}/in/.h2h-probe-0123abcd-1.part"]
        assert bad(found) == ["line", "left"]
        assert found.left[0] in said(found, "left")
        assert "They hold no payment. Ask the bank to remove them." in said(found, "left")
        assert not found.good


class KeepsAll(Server):
    def remove(self, path: bytes) -> None:
        if os.path.exists(self.map_path(path)):
            raise asyncssh.SFTPPermissionDenied("what is here stays here")
        super().remove(path)


def test_what_the_server_does_not_remove_is_told_by_its_name(bank_that: Misbehaving) -> None:
    bank = bank_that(KeepsAll)
    found = probed(at(bank))
    assert [f"/{name}" for name in files(bank.root)] == found.left == ["/in/.h2h-probe-0123abcd-4.part"]
    assert bad(found) == ["remove", "left"]


class MakesWhatIsOnlyOpened(Server):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        return super().open(path, pflags | asyncssh.FXF_CREAT, attrs)


def test_a_file_that_a_server_makes_though_nobody_asked_is_removed(bank_that: Misbehaving) -> None:
    bank = bank_that(MakesWhatIsOnlyOpened)
    found = probed(at(bank), None)
    assert (found.left, files(bank.root)) == ([], [])
    assert "writing of a file that is not there is answered with done" in said(found, "asked")


# When a file is made at all.


@pytest.mark.parametrize(
    ("facts", "watch", "tried"),
    [
        ({}, None, False),
        ({"staging_is_ours": True}, None, True),
        ({"staging_is_ours": True, "publish": "marker"}, None, True),
        ({"staging_is_ours": True, "publish": "direct"}, None, False),
        ({}, AT_ONCE, True),
    ],
)
def test_a_file_is_made_only_where_the_profile_or_the_caller_allows_it(
    openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], watch: Watch | None, tried: bool
) -> None:
    asked = requests_of(monkeypatch, lambda _: None)
    found = probed(at(openssh, facts), watch)
    assert (len(found.trials), "WRITE" in asked) == (tried, tried)
    assert ("the profile does not state" in said(found, "stage")) == (not tried)
    assert found.good


class RefusesRemoval(Server):
    def remove(self, path: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no")


@pytest.mark.parametrize("watch", [None, AT_ONCE])
def test_where_removal_is_refused_nothing_is_written(bank_that: Misbehaving, watch: Watch | None) -> None:
    bank = bank_that(RefusesRemoval)
    found = probed(at(bank, {"staging_is_ours": True}), watch)
    assert (found.trials, found.good, files(bank.root)) == ([], True, [])
    assert "it could not be removed again" in said(found, "stage")


# What is found.


def test_all_facts_of_openssh(openssh: OpenSshServer) -> None:
    found = probed(at(openssh))
    [trial] = found.trials
    assert (trial.written, trial.size_told, trial.size_shown, trial.removed) == (True, True, True, True)
    assert (trial.at_once, trial.later, trial.swept) == (Presence.THERE, Presence.THERE, False)
    assert (trial.renamed, trial.replaced, trial.posix_replaced) == (True, False, True)
    assert trial.clock_ahead_seconds is not None
    assert -2 <= trial.clock_ahead_seconds <= 1
    assert [folder.path for folder in found.folders] == [f"{openssh.home}/in", f"{openssh.home}/out"]
    assert all(folder.disk and folder.disk.free_bytes > 0 for folder in found.folders)
    assert proposed(found) == {"atomic_rename": "true"}
    assert any("staging_is_ours = true" in question for question in found.ask)


def test_what_is_stated_already_is_neither_proposed_nor_asked(openssh: OpenSshServer) -> None:
    found = probed(at(openssh, {"atomic_rename": True, "staging_is_ours": True}))
    assert (found.good, found.changes, found.ask) == (True, [], [])


def test_files_that_lie_there_are_counted_and_left_alone(openssh: OpenSshServer) -> None:
    for number in range(3):
        (openssh.root / "out" / f"{number}.xml").write_bytes(b"statement")
    found = probed(at(openssh))
    assert [folder.files for folder in found.folders] == [0, 3]
    assert files(openssh.root) == ["out/0.xml", "out/1.xml", "out/2.xml"]


def test_a_folder_that_is_not_there_is_told_with_its_name(openssh: OpenSshServer) -> None:
    shutil.rmtree(openssh.root / "out")
    found = probed(at(openssh))
    assert bad(found) == ["folder"]
    assert f"{openssh.home}/out is not there" in said(found, "folder")
    assert "Compare the folder names" in said(found, "folder")


class Sweeps(Server):
    """Takes every file as soon as it is closed."""

    def close(self, file_obj: Any) -> Any:
        super().close(file_obj)
        os.unlink(file_obj.name)


def test_a_file_that_is_taken_at_once_contradicts_a_profile_that_calls_the_folder_ours(bank_that: Misbehaving) -> None:
    found = probed(at(bank_that(Sweeps), {"staging_is_ours": True}), None)
    assert (found.trials[0].swept, found.trials[0].at_once) == (True, Presence.GONE)
    assert "it vanished at once: somebody takes or removes it" in said(found, "sweep")
    assert proposed(found) == {"staging_is_ours": "false"}


def test_a_file_that_is_taken_within_some_time_is_seen_to_be(openssh: OpenSshServer) -> None:
    def sweep(_: float) -> None:
        for path in (openssh.root / "in").iterdir():
            path.unlink()

    found = probed(at(openssh, {"staging_is_ours": True}), Watch(seconds=7, pause=sweep))
    [trial] = found.trials
    assert (trial.at_once, trial.later, trial.watched_seconds, trial.swept) == (
        Presence.THERE, Presence.GONE, 7, True
    )  # fmt: skip
    assert "it vanished within 7 s" in said(found, "sweep")
    assert (proposed(found), trial.renamed) == ({"staging_is_ours": "false"}, None)


class Blind(Server):
    def lstat(self, path: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("no looking")

    stat = lstat


class BlindSweeps(Blind, Sweeps):
    pass


@pytest.mark.parametrize("watch", [None, AT_ONCE])
def test_a_sweep_is_seen_also_where_nobody_may_look(bank_that: Misbehaving, watch: Watch | None) -> None:
    found = probed(at(bank_that(BlindSweeps), {"staging_is_ours": True}), watch)
    assert (found.trials[0].at_once, found.trials[0].swept) == (Presence.HIDDEN, True)
    assert proposed(found)["staging_is_ours"] == "false"


def test_where_nobody_may_look_a_file_that_stays_is_not_called_swept(bank_that: Misbehaving) -> None:
    found = probed(at(bank_that(Blind), {"staging_is_ours": True}))
    assert (found.trials[0].swept, found.trials[0].renamed, found.trials[0].posix_replaced) == (False, True, True)
    assert proposed(found) == {"atomic_rename": "true", "name": '"{msg_id}_{id}.xml"'}


class HidesWhatIsWritten(Server):
    def lstat(self, path: bytes) -> Any:
        raise asyncssh.SFTPNoSuchFile("nothing to see here")


@pytest.mark.parametrize("watch", [None, AT_ONCE])
def test_a_file_that_is_hidden_after_it_was_written_is_not_called_swept(
    bank_that: Misbehaving, watch: Watch | None
) -> None:
    found = probed(at(bank_that(HidesWhatIsWritten), {"staging_is_ours": True}), watch)
    assert (found.trials[0].at_once, found.trials[0].swept) == (Presence.GONE, False)
    assert "hidden once it was written" in said(found, "look")
    assert found.changes == []


class Replaces(Server):
    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        return self.posix_rename(oldpath, newpath)


def test_a_plain_rename_that_replaces_is_told(bank_that: Misbehaving) -> None:
    found = probed(at(bank_that(Replaces)))
    assert found.trials[0].replaced is True
    assert "replaces a file that is there, which it must not" in said(found, "rename over")
    assert "atomic_rename" not in proposed(found)


class SaysDone(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        pass


def test_a_rename_that_is_said_to_be_done_and_is_not_is_no_way_to_publish(bank_that: Misbehaving) -> None:
    found = probed(at(bank_that(SaysDone)))
    assert found.trials[0].renamed is False
    assert "the server says done, and it is not so" in said(found, "rename")
    assert proposed(found) == {"publish": '"direct"'}


class Copies(Server):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        shutil.copyfile(self.map_path(oldpath), self.map_path(newpath))


def test_a_rename_that_leaves_the_first_name_is_no_way_to_publish(bank_that: Misbehaving) -> None:
    bank = bank_that(Copies)
    found = probed(at(bank))
    assert (found.trials[0].renamed, files(bank.root)) == (False, [])
    assert proposed(found) == {"publish": '"direct"'}


class Overwrites(Server):
    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        return super().open(path, pflags & ~asyncssh.FXF_EXCL, attrs)


@pytest.mark.parametrize(("behaviour", "exclusive"), [(Overwrites, False), (Server, True)])
def test_a_server_that_writes_over_files_is_told(
    bank_that: Misbehaving, behaviour: type[Server], exclusive: bool
) -> None:
    bank = bank_that(behaviour)
    found = probed(at(bank))
    assert (found.trials[0].exclusive, files(bank.root)) == (exclusive, [])
    assert ("takes the place of one of its name" in said(found, "stage over")) == (not exclusive)


@pytest.mark.parametrize(("publish", "renamed"), [("rename", True), ("marker", None), ("direct", None)])
def test_renaming_is_tried_where_publishing_renames(openssh: OpenSshServer, publish: str, renamed: bool | None) -> None:
    found = probed(at(openssh, {"publish": publish}))
    assert (found.trials[0].renamed, found.good, files(openssh.root)) == (renamed, True, [])


class OneSizeFitsAll(Server):
    def fstat(self, file_obj: Any) -> Any:
        return asyncssh.SFTPAttrs(size=1, permissions=0o100644)


def test_a_size_that_is_another_one_is_told(bank_that: Misbehaving) -> None:
    bank = bank_that(OneSizeFitsAll)
    found = probed(at(bank))
    assert (bad(found), files(bank.root)) == (["size"], [])
    assert "has 1 bytes after" in said(found, "size")


class LivesAhead(Server):
    def fstat(self, file_obj: Any) -> Any:
        found = os.fstat(file_obj.fileno())
        return asyncssh.SFTPAttrs(size=found.st_size, atime=0, mtime=int(found.st_mtime) + 3600)


def test_a_clock_that_is_ahead_is_told(bank_that: Misbehaving) -> None:
    found = probed(at(bank_that(LivesAhead)))
    ahead = found.trials[0].clock_ahead_seconds
    assert ahead is not None
    assert 3598 <= ahead <= 3601
    assert "s ahead of ours" in said(found, "clock")


def test_an_inbound_folder_is_asked_for_no_more_than_what_the_gateway_will_do(
    openssh: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = requests_of(monkeypatch, lambda _: None)
    bank = at(openssh)
    found = probed(bank.model_copy(update={"outbound": []}), AT_ONCE)
    assert Counter(asked) == {"STAT": 1, "OPENDIR": 1, "READDIR": 2, "CLOSE": 1, "EXTENDED": 2}  # limits, statvfs
    assert found.ask == []


class ReadsOnly(Server):
    def remove(self, path: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("read only")

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("read only")

    posix_rename = rename


@pytest.mark.parametrize(
    ("inbound", "changes"),
    [
        ({"after": "delete", "names_are_unique": True}, {"after": '"leave"'}),
        ({"after": "delete", "claim": "/mine"}, {"after": '"leave"', "claim": None}),
        ({"after": "leave", "claim": "/mine"}, {"claim": None}),
        ({"after": "move", "move_to": "/done", "names_are_unique": True}, {"after": '"leave"', "move_to": None}),
        ({}, {}),
    ],
)
def test_where_fetched_files_cannot_be_removed_the_profile_leaves_them(
    bank_that: Misbehaving, inbound: dict[str, Any], changes: dict[str, str | None]
) -> None:
    bank = bank_that(ReadsOnly)
    for name in ("mine", "done"):
        (bank.root / name).mkdir()
    profile = at(bank, inbound=inbound).model_copy(update={"outbound": []})
    assert proposed(probed(profile)) == changes


# Whom we talk to.


@needs_sshd
def test_every_type_of_host_key_is_shown_and_the_pinned_one_is_told(tmp_path: Path) -> None:
    ecdsa, rsa = tmp_path / "ecdsa", tmp_path / "rsa"
    keys = [make_key(ecdsa, "ecdsa-sha2-nistp384"), make_key(rsa, "ssh-rsa")]
    with OpenSshServer(tmp_path / "bank", [f"HostKey {ecdsa}", f"HostKey {rsa}"]) as server:
        found = probed(at(server, {"host_keys": [keys[1].get_fingerprint()]}))
        assert found.greeting
        assert {(key.kind, key.fingerprint, key.pinned) for key in found.greeting.host_keys} == {
            ("ssh-ed25519", server.fingerprint, False),
            ("ecdsa-sha2-nistp384", keys[0].get_fingerprint(), False),
            ("ssh-rsa", keys[1].get_fingerprint(), True),
        }
        assert found.good


def test_at_a_server_that_shows_no_pinned_key_nobody_logs_in(bank_that: Misbehaving) -> None:
    bank = bank_that()
    pinned = "SHA256:" + "A" * 42 + "E"
    found = probed(at(bank, {"host_keys": [pinned]}))
    assert (bank.logins, bad(found), found.folders) == ([], ["host key"], [])
    told = said(found, "host key")
    assert f"{bank.fingerprint} (ssh-ed25519) is not pinned" in told
    assert f"Pinned: {pinned}" in told
    assert "do not go on until the bank has confirmed the new key by another way" in told
    assert (found.changes, found.ask) == ([], [])  # a host key is never proposed


def test_what_the_server_says_to_whoever_logs_in_is_noted(bank_that: Misbehaving) -> None:
    class Greets(Connection):
        def begin_auth(self, username: str) -> bool:
            self.line.send_auth_banner("Closed on Sundays.\n\x1b[31m")
            return super().begin_auth(username)

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.line = conn
            super().connection_made(conn)

    found = probed(at(bank_that(connection=Greets)))
    assert found.server
    assert found.server.banner == "Closed on Sundays. ?[31m"


def test_a_bank_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    found = probed(at(BankServer(tmp_path), {"port": 1}))
    assert (bad(found), found.greeting, found.good) == (["connect"], None, False)


@needs_sshd
@pytest.mark.parametrize("line", ["", "KbdInteractiveAuthentication no"])
def test_a_login_that_is_refused_tells_why_and_what_is_offered(tmp_path: Path, line: str) -> None:
    make_key(tmp_path / "another")
    with OpenSshServer(tmp_path / "bank", [line]) as server:
        found = probed(at(server, {"key_file": str(tmp_path / "another")}))
        assert bad(found) == ["login"]
        assert "refused the login of user" in said(found, "login")
        assert found.greeting
        assert list(found.greeting.methods) == ["publickey", *([] if line else ["keyboard-interactive"])]
        assert f"To this user the server offers {', '.join(found.greeting.methods)}." in said(found, "login")


def test_each_address_of_a_name_is_asked_and_those_not_allowed_are_told(
    bank_that: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at the second one; the third is not in `addresses`."""
    bank = bank_that()
    listed, lookup = ["127.0.0.1", "127.0.0.9", "203.0.113.7"], socket.getaddrinfo

    def several(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host != "sftp.bank.example":
            return lookup(host, port, *args, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in listed]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    found = probed(at(bank, {"host": "sftp.bank.example", "addresses": ["127.0.0.0/8"]}))
    assert found.greeting
    assert (list(found.greeting.addresses), list(found.greeting.allowed)) == (listed, listed[:2])
    assert "127.0.0.9" in said(found, "address")
    assert "203.0.113.7, too, which `addresses` does not allow: it is never asked" in said(found, "address")
    assert found.good


# A folder.


@pytest.fixture
def local(tmp_path: Path) -> Path:
    for folder in ("in", "out"):
        (tmp_path / "bank" / folder).mkdir(parents=True)
    return tmp_path / "bank"


def test_all_facts_of_a_folder_and_not_even_its_mark_is_left(local: Path) -> None:
    found = probed(profile({"kind": "folder", "path": str(local)}))
    [trial] = found.trials
    assert (trial.renamed, trial.replaced, trial.posix_replaced, trial.removed) == (True, False, True, True)
    assert [folder.writable for folder in found.folders] == [True, True]
    assert found.folders[0].disk
    assert found.folders[0].disk.kind
    assert sorted(path.name for path in local.rglob("*")) == ["in", "out"]
    assert proposed(found) == {"atomic_rename": "true"}


def test_a_folder_that_is_missing_is_told(local: Path) -> None:
    shutil.rmtree(local / "in")
    assert bad(probed(profile({"kind": "folder", "path": str(local)}))) == ["folder"]
    shutil.rmtree(local)
    assert bad(probed(profile({"kind": "folder", "path": str(local)}))) == ["connect"]


def test_two_file_systems_are_told_and_nothing_is_called_atomic(local: Path) -> None:
    with disk(local / "tmp"):
        found = probed(profile({"kind": "folder", "path": str(local)}, outbound={"staging": "/tmp"}))
    assert bad(found) == ["file system"]
    assert "/tmp and /in are on two file systems" in said(found, "file system")
    assert (found.trials[0].posix_replaced, found.changes) == (True, [])


def test_two_file_systems_at_a_server_are_told_too(openssh: OpenSshServer) -> None:
    with disk(openssh.root / "tmp"):
        found = probed(at(openssh, outbound={"staging": f"{openssh.home}/tmp"}))
        assert (bad(found), found.changes, files(openssh.root)) == (["file system"], [], [])
