"""The whole way there and back with the daemon as a process and a real OpenSSH server."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from h2h.channels.sftp_wire import Kind, Wire
from h2h.lifecycle import State
from h2h.verdicts import Verdict
from tests.shell.command import run as h2h
from tests.suites.servers import SSHD, OpenSshServer

from .process import Daemon, daemon
from .world import SAMPLES, World, opened, payments, put, sample, send, transfers, until

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server")

PLAIN, RENAMED = "pain.001.001.09", "pain.001.001.03"


@contextmanager
def running(folder: Path) -> Iterator[tuple[World, OpenSshServer, Daemon]]:
    """A bank that is OpenSSH alone, and a daemon that serves it."""
    with OpenSshServer(folder / "openssh") as bank:
        erp = World(
            folder=folder / "erp",
            port=bank.port,
            fingerprint=bank.fingerprint,
            user=bank.user,
            remote=bank.home,
            outbound={"settle": '"300ms"'},
            inbound={"every": '"200ms"'},
        )
        erp.write_settings()
        shutil.copyfile(bank.user_key, erp.folder / "client_key")
        (erp.folder / "client_key").chmod(0o600)
        with daemon(erp.config) as process:
            yield erp, bank, process


def at_the_bank(bank: OpenSshServer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (bank.root / "in").iterdir()}


def drop_both(erp: World) -> None:
    """One by plain `cp`, straight to its name; one written under another name and then renamed."""
    shutil.copyfile(SAMPLES / f"{PLAIN}.xml", erp.drop / "plain.xml")
    shutil.copyfile(SAMPLES / f"{RENAMED}.xml", erp.drop / "renamed.xml.part")
    os.rename(erp.drop / "renamed.xml.part", erp.drop / "renamed.xml")


def test_files_dropped_by_copy_and_by_rename_arrive_once_and_byte_for_byte(tmp_path: Path) -> None:
    with running(tmp_path) as (erp, bank, process):
        drop_both(erp)
        expected = {"MMB-20261116-0001.xml": sample(PLAIN), "MMB-20261005-0001.xml": sample(RENAMED)}
        until(lambda: len(list((erp.drop / "processed").glob("*.xml"))) == 2, "both files filed away")
        until(lambda: at_the_bank(bank) == expected, "both files at the bank, and nothing else")
        assert process.terminate() == 0
        with opened(erp) as gateway:
            assert [(t.state, t.attempts) for t in transfers(gateway)] == [(State.SENT, 1)] * 2
            assert gateway.ledger.journal.verify().fault is None
        assert at_the_bank(bank) == expected
        assert sorted(p.name for p in erp.drop.iterdir()) == [".h2h", "processed"]


def test_the_banks_answer_and_statement_are_fetched_applied_and_delivered(tmp_path: Path) -> None:
    with running(tmp_path) as (erp, bank, process):
        drop_both(erp)
        until(lambda: len(at_the_bank(bank)) == 2, "both files at the bank")
        for name in ("pain.002.001.10", "camt.053.001.08"):
            put(bank.root / "out", f"{name}.xml", sample(name))
        until(lambda: not os.listdir(bank.root / "out"), "both papers fetched and removed")
        until(lambda: len(list(erp.deliver.glob("*.jsonl"))) == 2, "both papers delivered")
        assert process.terminate() == 0
        delivered = {p.read_bytes() for p in erp.deliver.glob("*.xml")}
        assert delivered == {sample("pain.002.001.10"), sample("camt.053.001.08")}
        with opened(erp) as gateway:
            verdicts = {t.message_id: t.verdict for t in transfers(gateway)}
            assert verdicts == {"MMB-20261116-0001": Verdict.PARTIAL, "MMB-20261005-0001": Verdict.NONE}
            statements = gateway.ledger.views.statements()
            assert [s.reconciles for s in statements] == [True]
            assert statements[0].matched == 7  # of eight payments; the bank refused one


MANY = 40  # more than go together


@pytest.mark.parametrize("cut_at", [None, "OPEN 5", "WRITE 7", "CLOSE 9", "posix-rename 11", "LSTAT 50"])
def test_many_small_files_arrive_once_and_unchanged_also_where_the_server_dies_in_the_middle(
    tmp_path: Path, cut_at: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenSshServer(tmp_path / "openssh") as bank:
        erp = at(bank, tmp_path / "erp")
        files = {f"MSG-{number:02}.xml": payments(f"MSG-{number:02}") for number in range(MANY)}
        for name, content in files.items():
            erp.drop_file(content, name)
        with opened(erp) as gateway:
            cuts = cutting(bank, monkeypatch, cut_at)
            send(gateway)
            assert len(cuts) == (cut_at is not None)
            until(lambda: {t.state for t in send(gateway)} == {State.SENT}, "all of them sent")
            assert gateway.ledger.journal.verify().fault is None
        there = at_the_bank(bank)
        assert {name: content for name, content in there.items() if name.endswith(".xml")} == files


def cutting(bank: OpenSshServer, patch: pytest.MonkeyPatch, point: str | None) -> list[str]:
    """Kill the server when the n-th request of a kind has left; what was cut."""
    send, calls, cuts = Wire.send, Counter[str](), list[str]()

    def sending(wire: Wire, kind: Kind, *fields: bytes) -> int:
        asked = send(wire, kind, *fields)
        name = fields[0][4:].partition(b"@")[0].decode() if kind is Kind.EXTENDED else kind.name
        calls[name] += 1
        if f"{name} {calls[name]}" == point:
            wire.flush()
            bank.cut()
            cuts.append(name)
        return asked

    patch.setattr(Wire, "send", sending)
    return cuts


def test_what_stands_in_the_way_of_one_file_keeps_none_beside_it(tmp_path: Path) -> None:
    with OpenSshServer(tmp_path / "openssh") as bank:
        erp = at(bank, tmp_path / "erp")
        (bank.root / "in" / "MSG-2.xml").write_bytes(b"another company's")
        for number in range(1, 6):
            erp.drop_file(payments(f"MSG-{number}"), f"{number}.xml")
        with opened(erp) as gateway:
            expected = [State.SENT, State.HELD, State.SENT, State.SENT, State.SENT]
            assert [t.state for t in send(gateway)] == expected
        assert at_the_bank(bank)["MSG-2.xml"] == b"another company's"


def at(bank: OpenSshServer, folder: Path) -> World:
    """The world of a gateway in this process."""
    erp = World(folder=folder, port=bank.port, fingerprint=bank.fingerprint, user=bank.user, remote=bank.home)
    erp.write_settings()
    shutil.copyfile(bank.user_key, folder / "client_key")
    (folder / "client_key").chmod(0o600)
    return erp


def test_a_second_gateway_on_the_same_data_folder_is_refused_and_sigterm_ends_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as (erp, _, process):
        until(lambda: "started" in process.log(), "a daemon that runs")
        for command in ("run", "send"):
            second = h2h(erp.config, command)
            assert (second.returncode, second.stdout) == (1, "")
            assert f"process {process.pid}" in second.stderr
        assert process.alive()
        assert process.terminate() == 0
        assert h2h(erp.config, "send").returncode == 0  # and now the folder is free
