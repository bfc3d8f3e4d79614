"""A file on which its reader process dies is refused or kept, and nothing else is; none outlives its gateway."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from h2h.arrivals import reading_of
from h2h.confined import CODES
from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from h2h.messages import Catalog, read
from h2h.model import Finding, Severity
from h2h.outbound import intake
from h2h.outbound.judge import judge
from h2h.resources import root

from .process import daemon
from .world import answer, only, opened, payments, put, sample, send, transfers, until, world

pytestmark = pytest.mark.usefixtures("own_readers")


class Deadly:
    """An archive's file whose bytes are wanted by a reader process, which is killed for it."""

    def __init__(self, source: BinaryIO, gateway: Gateway) -> None:
        self._source, self._gateway = source, gateway

    def tell(self) -> int:
        return self._source.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._source.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        for pid in self._gateway.reader.pids:
            os.kill(pid, signal.SIGKILL)
        return self._source.read(size)


def deadly(gateway: Gateway, *contents: bytes) -> None:
    """From now on readers die of files of these sizes."""
    sizes = {len(content) for content in contents}

    @contextmanager
    def observe(source: BinaryIO, size: int, what: str) -> Iterator[BinaryIO]:
        yield cast(BinaryIO, Deadly(source, gateway)) if size in sizes else source

    gateway.archive.observe = observe


def findings(gateway: Gateway, file_id: str) -> list[str]:
    return [finding.code for finding in gateway.ledger.views.history(file_id).findings]


def test_a_file_that_kills_its_reader_is_invalid_and_the_next_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "JUDGES", 1)  # all readers are killed: no other file may be in one
    bad = payments("MSG-BAD", 2)
    with world(tmp_path) as (erp, bank), opened(erp) as gateway:
        deadly(gateway, bad)
        erp.drop_file(bad, "a.xml")
        erp.drop_file(payments("MSG-GOOD", 1), "b.xml")
        sent = {transfer.name: transfer for transfer in send(gateway)}
        assert {name: transfer.state for name, transfer in sent.items()} == {
            "a.xml": State.INVALID,
            "b.xml": State.SENT,
        }
        assert findings(gateway, sent["a.xml"].id) == ["READER_DIED"]
        assert [taken.data for taken in bank.taken] == [payments("MSG-GOOD", 1)]
        report = only(list((erp.drop / "rejected").glob("*.txt"))).read_text()
        assert "READER_DIED" in report
        deadly(gateway)
        erp.drop_file(bad, "again.xml")
        assert {t.name: t.state for t in send(gateway)}["again.xml"] is State.SENT


def test_an_answer_that_kills_its_reader_is_kept_and_left_and_the_next_is_applied(tmp_path: Path) -> None:
    bad, good = sample("camt.053.001.08"), answer("MSG-1")
    with world(tmp_path) as (erp, bank), opened(erp) as gateway:
        deadly(gateway, bad)
        put(bank.folders.outbox, "a.xml", bad)
        put(bank.folders.outbox, "b.xml", good)
        desk = gateway.desks["box"]
        desk.pull(desk.bank.inbound[0])
        came = {file.name: file for file in gateway.ledger.views.files()}
        assert {name: file.state for name, file in came.items()} == {
            "a.xml": MessageState.UNREADABLE,
            "b.xml": MessageState.APPLIED,
        }
        assert findings(gateway, came["a.xml"].id) == ["READER_DIED"]
        assert gateway.ledger.views.statements() == []
        assert [path.name for path in bank.folders.outbox.iterdir()] == ["a.xml"]


def test_records_that_cannot_be_read_again_are_handed_over_later_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = sample("camt.053.001.08")
    with world(tmp_path) as (erp, bank), opened(erp) as gateway:
        put(bank.folders.outbox, "a.xml", statement)
        desk = gateway.desks["box"]
        applied = gateway.ledger.messages.applied

        def then_deadly(*arguments: object) -> object:
            deadly(gateway, statement)
            return applied(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(gateway.ledger.messages, "applied", then_deadly)
        desk.pull(desk.bank.inbound[0])
        assert only(list(gateway.ledger.views.files())).state == MessageState.APPLIED
        assert list(erp.deliver.iterdir()) == []
        deadly(gateway)
        desk.finish_started()
        lines = only(list(erp.deliver.glob("*.jsonl"))).read_text().splitlines()
        assert '"record": "StatementFile"' in lines[0]
        assert len(lines) > 2


@pytest.mark.parametrize("code", sorted(CODES))
def test_nothing_counts_that_was_said_before_the_death(code: str) -> None:
    """Of an answer nothing is applied; of a payment file, counts and sums are not held against what was read."""
    death = Finding(code=code, severity=Severity.ERROR, text="It ended.")
    catalog = Catalog.load(root("schemas"))
    statement = list(read(io.BytesIO(sample("camt.053.001.08")), catalog, strict=False))
    assert reading_of(statement).records
    assert not reading_of([*statement[:3], death]).records
    order = list(read(io.BytesIO(payments("MSG-1", 3)), catalog, strict=True))
    judgement = judge([*order[:3], death])
    assert [finding.code for finding in judgement.findings] == [code]
    assert not judgement.good


def readers_of(pid: int) -> set[int]:
    """The reader processes that a process has started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == pid and b"h2h.confined.worker" in command:
            found.add(int(stat.parent.name))
    return found


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}/cmdline").exists() and b"h2h" in _command(pid) for pid in pids)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "stopped"])
def test_kill_9_of_the_gateway_leaves_no_reader_process(tmp_path: Path, busy: bool) -> None:
    with world(tmp_path) as (erp, _):
        erp.write_settings()
        erp.drop_file(payments("MSG-1", 1))
        with daemon(erp.config) as running:
            until(lambda: readers_of(running.pid), "a reader process")
            views = erp.gateway()
            until(lambda: [t.state for t in transfers(views)] == [State.SENT], "a file that was sent")
            views.close()
            pids = readers_of(running.pid)
            if busy:  # it cannot notice by itself that its line has ended
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
            os.kill(running.pid, signal.SIGKILL)
            until(lambda: gone(pids), "no reader process left behind")


def test_the_end_of_the_gateway_is_the_end_of_its_readers(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, _):
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1", 1))
            assert only(send(gateway)).state is State.SENT
            pids = set(gateway.reader.pids)
            assert pids
        assert gone(pids)
