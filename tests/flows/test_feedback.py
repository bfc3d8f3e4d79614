"""The ERP is told what became of its files: every change, in order, whatever crashes, and nothing twice in two ways."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from h2h import feedback
from h2h.gateway import Gateway
from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer
from tests.flows.process import daemon
from tests.flows.world import (
    MovableClock,
    World,
    answer,
    only,
    opened,
    payments,
    put,
    sample,
    send,
    transfers,
    until,
    world,
)
from tests.shell.command import run as h2h

SILENT = Scenario(received_seconds="never", answer_seconds="never")


@contextmanager
def telling(tmp_path: Path, **outbound: str) -> Iterator[tuple[World, BankServer, Path]]:
    """A world whose ERP wants to be told in a folder."""
    folder = tmp_path / "erp" / "status"
    folder.mkdir(parents=True)
    with world(tmp_path, SILENT, outbound={"status": f'"{folder}"', **outbound}) as (erp, bank):
        erp.write_settings()
        yield erp, bank, folder


def told(folder: Path) -> list[dict[str, Any]]:
    """All versions, in the order of their names; not what is being written."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("[!.]*"))]


def work(gateway: Gateway) -> None:
    desk = gateway.desks["box"]
    send(gateway)
    desk.pull(desk.bank.inbound[0])
    desk.hand_back()


def test_every_change_is_a_new_file_that_says_everything(tmp_path: Path) -> None:
    with telling(tmp_path) as (erp, bank, folder), opened(erp, MovableClock()) as gateway:
        erp.drop_file(payments("MSG-1", 2))
        desk = gateway.desks["box"]
        desk.take_in()
        desk.hand_back()
        work(gateway)
        for number, status in enumerate(("ACTC", "ACSP", "ACSP")):
            put(bank.folders.outbox, f"{number}.xml", answer("MSG-1", status, paper_id=f"STS-{number}"))
            work(gateway)
        put(bank.folders.outbox, "s.xml", sample("camt.053.001.08"))  # books nothing of it
        work(gateway)
        (transfer,) = transfers(gateway)
        assert sorted(path.name for path in folder.iterdir()) == [
            f"{transfer.id}.{n:06}.status.json" for n in range(1, 5)
        ]
        said = told(folder)
        assert [one["version"] for one in said] == [1, 2, 3, 4]
        assert [one["state"] for one in said] == ["READY", "SENT", "SENT", "SENT"]
        assert [one["verdict"] for one in said] == ["none", "none", "PENDING", "ACCEPTED"]
        assert [list(one["stages"]) for one in said] == [["NOT_SENT"], ["SUBMITTED"], ["CHECKED"], ["IN_PROCESS"]]
        assert {(one["file"], one["message_id"], one["count"], len(one["payments"])) for one in said} == {
            ("payments.xml", "MSG-1", 2, 2)
        }
        assert said[-1]["stages"]["IN_PROCESS"] == {"count": 2, "sums": {"EUR": "20.02"}}


def test_a_refused_file_is_told_with_its_reason(tmp_path: Path) -> None:
    with telling(tmp_path) as (erp, _, folder), opened(erp) as gateway:
        erp.drop_file(b"<Document/>")
        work(gateway)
        (said,) = told(folder)
        assert (said["state"], said["count"], said["payments"]) == ("INVALID", None, [])
        assert "MSG_" in said["reason"]


def test_without_a_folder_nothing_is_told_and_nothing_kept_for_later(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _):
        erp.write_settings()
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway:
            work(gateway)
        folder = tmp_path / "erp" / "status"
        folder.mkdir()
        erp.outbound["status"] = f'"{folder}"'
        erp.write_settings()
        with opened(erp) as gateway:
            work(gateway)
            assert told(folder) == []
            erp.drop_file(payments("MSG-2"), "2.xml")
            work(gateway)
            assert [one["message_id"] for one in told(folder)] == ["MSG-2"]


class Crash(BaseException):
    """The power goes off."""


def crash(*_: object, **__: object) -> None:
    raise Crash


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_crash_around_the_writing_leads_to_the_same_name_with_the_same_bytes(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with telling(tmp_path) as (erp, _, folder):
        erp.drop_file(payments("MSG-1"))
        with opened(erp, MovableClock("2026-11-20T10:00:00+01:00")) as gateway, monkeypatch.context() as patch:
            if point == "before":
                patch.setattr(feedback, "write_version", crash)
            else:
                patch.setattr(gateway.ledger.feedback, "written", crash)
            with pytest.raises(Crash):
                work(gateway)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert len(before) == (0 if point == "before" else 1)
        for path in folder.iterdir():
            path.unlink()  # read, and removed, as an ERP does
        with opened(erp, MovableClock("2026-11-20T11:00:00+01:00")) as gateway:
            gateway.desks["box"].hand_back()
            gateway.desks["box"].hand_back()
            after = {path.name: path.read_bytes() for path in folder.iterdir()}
            assert [name.split(".")[1] for name in after] == ["000001"]
            assert point == "before" or after == before


def test_what_changed_since_a_crash_gets_a_version_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with telling(tmp_path) as (erp, bank, folder):
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway, monkeypatch.context() as patch:
            patch.setattr(gateway.ledger.feedback, "written", crash)
            with pytest.raises(Crash):
                work(gateway)
        put(bank.folders.outbox, "1.xml", answer("MSG-1", "ACSP"))
        with opened(erp) as gateway:
            work(gateway)
            assert [(one["version"], one["verdict"]) for one in told(folder)] == [(1, "none"), (2, "ACCEPTED")]


def test_a_crash_before_the_events_are_noted_as_seen_tells_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with telling(tmp_path) as (erp, _, folder):
        erp.drop_file(payments("MSG-1"))
        with opened(erp) as gateway, monkeypatch.context() as patch:
            patch.setattr(gateway.ledger.feedback, "seen", crash)
            with pytest.raises(Crash):
                work(gateway)
        with opened(erp) as gateway:
            work(gateway)
            assert [one["version"] for one in told(folder)] == [1]


def test_a_folder_that_is_away_is_told_holds_nothing_up_and_gets_its_files_when_it_is_back(tmp_path: Path) -> None:
    clock = MovableClock()
    with telling(tmp_path) as (erp, bank, folder), opened(erp, clock) as gateway:
        shutil.rmtree(folder)
        erp.drop_file(payments("MSG-1"))
        work(gateway)
        erp.drop_file(payments("MSG-2"), "2.xml")
        work(gateway)
        assert [transfer.state for transfer in transfers(gateway)] == [State.SENT, State.SENT]
        (trouble,) = gateway.ledger.views.board(["box"], clock.now()).troubles
        assert (trouble.kind, trouble.place) == ("not written", f"statuses in {folder}")
        assert "The ERP is told nothing until it can be written" in trouble.text
        put(bank.folders.outbox, "1.xml", answer("MSG-1", "ACSP"))
        work(gateway)
        folder.mkdir()
        work(gateway)
        assert told(folder) == []  # it is not asked again at once
        clock.advance(seconds=31)
        work(gateway)
        assert sorted((one["message_id"], one["verdict"]) for one in told(folder)) == [
            ("MSG-1", "ACCEPTED"),
            ("MSG-2", "none"),
        ]
        assert gateway.ledger.views.board(["box"], clock.now()).troubles == []


def test_an_erp_that_reads_pain_002_alone_gets_one(tmp_path: Path) -> None:
    with telling(tmp_path, status_format='"pain.002.001.03"') as (erp, bank, folder), opened(erp) as gateway:
        erp.drop_file(sample("pain.001.001.03"))
        work(gateway)
        put(bank.folders.outbox, "1.xml", sample("pain.002.001.03"))
        work(gateway)
        transfer = only(transfers(gateway))
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"{transfer.id}.{n:06}.pain.002.xml" for n in (1, 2)]
        text = (folder / names[1]).read_text()
        assert f"<MsgId>{transfer.id}-2</MsgId>" in text
        assert "<GrpSts>PART</GrpSts>" in text
        assert "<OrgnlPmtInfId>EINZEL-2026-41</OrgnlPmtInfId>" in text


def test_send_and_pull_tell_the_erp_too(tmp_path: Path) -> None:
    with telling(tmp_path) as (erp, bank, folder):
        erp.drop_file(payments("MSG-1"))
        assert h2h(erp.config, "send").returncode == 0
        assert [one["state"] for one in told(folder)] == ["SENT"]
        put(bank.folders.outbox, "1.xml", answer("MSG-1", "ACSP"))
        assert h2h(erp.config, "pull").returncode == 0
        assert [one["verdict"] for one in told(folder)] == ["none", "ACCEPTED"]


def test_the_running_gateway_tells_what_the_bank_and_people_did(tmp_path: Path) -> None:
    with telling(tmp_path) as (erp, bank, folder), daemon(erp.config) as process:
        erp.drop_file(payments("MSG-1"))
        until(lambda: [one["state"] for one in told(folder)][-1:] == ["SENT"], "that it was sent")
        put(bank.folders.outbox, "1.xml", answer("MSG-1", "RJCT", reason="AM04"))
        until(lambda: [one["verdict"] for one in told(folder)][-1:] == ["REJECTED"], "that it was refused")
        assert told(folder)[-1]["payments"][0]["reasons"][0]["code"] == "AM04"
        assert process.terminate() == 0


def test_a_folder_for_statuses_in_a_watched_folder_is_refused(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={"status": f'"{tmp_path}/erp/out/status"'}) as (erp, _):
        erp.write_settings()
        (tmp_path / "erp" / "out" / "status").mkdir()
        done = h2h(erp.config, "check")
        assert done.returncode == 2
        assert "what is told of a file would be taken for another one" in done.stderr


def test_h2h_init_makes_the_folder_and_check_misses_it(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={"status": f'"{tmp_path}/erp/status"'}) as (erp, _):
        erp.write_settings()
        assert f"there is no folder {tmp_path}/erp/status" in h2h(erp.config, "check").stderr
        assert h2h(erp.config, "init").returncode == 0
        assert (tmp_path / "erp" / "status").is_dir()
        assert h2h(erp.config, "check").returncode == 0
