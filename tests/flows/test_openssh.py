"""The whole way there and back with the daemon as a process and a real OpenSSH server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from h2h.lifecycle import State
from h2h.verdicts import Verdict
from tests.suites.servers import SSHD, OpenSshServer

from .process import Daemon, daemon, h2h
from .world import SAMPLES, World, opened, put, sample, transfers, until

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
