"""Retention as a whole: real files, the archive, the commands, the daemon's worker; and what goes on working after."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from h2h.errors import Damaged, NotAllowed, StoreError
from h2h.gateway import Gateway
from h2h.ledger.retention import Pass, Way
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.retention import DAY, Outcome, Retention, policy_of, purge
from h2h.sandbox.scenario import Scenario
from tests.flows.world import MovableClock, World, answer, only, opened, payments, put, send, transfers, until, world
from tests.shell.command import run as h2h

SILENT = Scenario(received_seconds="never", answer_seconds="never")
KEPT_FOR = '"400d"'
START = "2026-11-20T10:00:00+01:00"


@dataclass
class Told:
    """A gateway, its clock, and the file that came to its end four years ago by that."""

    erp: World
    clock: MovableClock
    gateway: Gateway
    inbox: Path

    def retention(self) -> Retention:
        policy = policy_of(self.gateway.settings, self.clock)
        assert policy is not None
        return Retention(self.gateway.ledger, self.gateway.archive, self.clock, policy)

    def purge(self, *, dry_run: bool = False) -> Outcome:
        return purge(self.retention(), who="gateway", dry_run=dry_run)

    def sent_and_answered(self, name: str) -> Transfer:
        self.erp.drop_file(payments(name, 2), f"{name}.xml")
        send(self.gateway)
        put(self.inbox, f"{name}.xml", answer(name, "ACSC", paper_id=f"STS-{name}"))
        self.gateway.desks["box"].pull(self.gateway.settings.banks[0].inbound[0])
        return next(one for one in transfers(self.gateway) if one.message_id == name)

    def blob(self, sha256: str) -> Path:
        return self.erp.folder / "data" / "archive" / sha256[:2] / sha256[2:4] / sha256

    def grow_old(self) -> None:
        """All bytes were written two days ago, and all else happened four years ago."""
        self.clock.advance(days=1500)
        for blob in (self.erp.folder / "data" / "archive").rglob("*"):
            if blob.is_file():
                aged = blob.stat().st_mtime - 2 * DAY
                os.utime(blob, (aged, aged))


@contextmanager
def telling(folder: Path, **options: Any) -> Iterator[Told]:
    clock = MovableClock(START)
    with world(folder, SILENT, **options) as (erp, bank):
        erp.retention = KEPT_FOR
        with opened(erp, clock) as gateway:
            yield Told(erp, clock, gateway, bank.folders.outbox)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with telling(tmp_path) as it:
        yield it


def test_bytes_and_records_go_and_the_rest_is_told(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    other = told.sent_and_answered("MSG-2")
    told.grow_old()
    young = told.sent_and_answered("MSG-3")
    dry = told.purge(dry_run=True)
    assert told.blob(file.sha256).exists()
    done = told.purge()
    assert dry.sums == done.sums
    [sums] = done.sums
    assert (sums.bank, sums.files, sums.payments) == ("box", 4, 4)
    assert [told.blob(one.sha256).exists() for one in (file, other, young)] == [False, False, True]
    ledger = told.gateway.ledger
    assert [len(ledger.views.payments_of(one.id)) for one in (file, young)] == [0, 2]
    assert ledger.transfers.get(file.id).erased_at is not None
    assert told.gateway.proof.verify().fault is None
    assert told.purge().sums == []


def test_what_was_purged_is_known_when_it_comes_again(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    told.purge()
    assert not told.blob(file.sha256).exists()
    told.erp.drop_file(payments("MSG-1", 2), "again.xml")
    again = send(told.gateway)[-1]
    assert (again.state, again.duplicate_of) == (State.DUPLICATE, file.id)
    with told.gateway.archive.open(again.sha256) as source:
        assert source.read() == payments("MSG-1", 2)
    told.grow_old()
    told.purge()
    assert told.blob(file.sha256).exists()  # the duplicate waits


def test_bytes_stay_as_long_as_a_file_that_stays_has_the_same(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    told.erp.drop_file(payments("MSG-1", 2), "again.xml")
    again = send(told.gateway)[-1]
    told.gateway.decisions.cancel(again.id, who="ann", reason="so")
    os.utime(told.blob(file.sha256), (1, 1))
    told.purge()
    assert told.gateway.ledger.transfers.get(file.id).erased_at is not None
    assert told.blob(file.sha256).exists()
    told.grow_old()
    told.purge()
    assert not told.blob(file.sha256).exists()


def test_with_a_file_go_the_bytes_of_each_time_that_it_was_sealed(tmp_path: Path) -> None:
    """The bank refuses it, and on another day it is sent again: its archive has another member then."""
    zipped = {"compress": '"zip"', "name": '"{msg_id}-{date:%d}.xml.zip"'}
    with telling(tmp_path, outbound=zipped) as told:
        told.erp.drop_file(payments("MSG-1", 2))
        first = send(told.gateway)[0]
        put(told.inbox, "no.xml", answer("MSG-1", "RJCT", paper_id="STS-0"))
        told.gateway.desks["box"].pull(told.gateway.settings.banks[0].inbound[0])
        told.clock.advance(days=1)
        told.gateway.decisions.resend(first.id, who="ann", reason="mended there")
        then = send(told.gateway)[0]
        put(told.inbox, "yes.xml", answer("MSG-1", "ACSC", paper_id="STS-1"))
        told.gateway.desks["box"].pull(told.gateway.settings.banks[0].inbound[0])
        kept = [first.sha256, first.sealed_sha256 or "", then.sealed_sha256 or ""]
        assert [told.blob(each).exists() for each in kept] == [True, True, True]
        assert len(set(kept)) == 3
        told.grow_old()
        told.purge()
        assert [told.blob(each).exists() for each in kept] == [False, False, False]


def test_bytes_that_were_written_lately_wait_for_another_day(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    os.utime(told.blob(file.sha256))
    told.purge()
    assert told.blob(file.sha256).exists()
    assert told.gateway.ledger.transfers.get(file.id).erased_at is None
    told.grow_old()
    told.purge()
    assert not told.blob(file.sha256).exists()
    assert told.gateway.ledger.transfers.get(file.id).erased_at is not None


@pytest.mark.parametrize("step", range(8))
def test_a_run_that_ends_anywhere_is_gone_on_with_by_the_next(tmp_path: Path, step: int) -> None:
    with telling(tmp_path) as told:
        file = told.sent_and_answered("MSG-1")
        told.grow_old()
        young = told.sent_and_answered("MSG-2")
        steps = told.retention().steps(Outcome())
        for _ in range(step):
            next(steps, None)
        steps.close()  # type: ignore[attr-defined]
        told.purge()
        assert not told.blob(file.sha256).exists()
        assert told.gateway.ledger.transfers.get(file.id).erased_at is not None
        kinds = [event.kind for event in told.gateway.ledger.journal.of(file.id)]
        assert kinds.count("purged") == 1
        assert told.blob(young.sha256).exists()


def test_an_archive_that_cannot_be_changed_leaves_the_file_for_the_next_run(told: Told) -> None:
    file, other = told.sent_and_answered("MSG-1"), told.sent_and_answered("MSG-2")
    told.grow_old()
    folder = told.blob(file.sha256).parent
    assert folder != told.blob(other.sha256).parent
    moved = folder.rename(folder.with_name("away"))
    folder.symlink_to("/dev/null")
    with pytest.raises(StoreError):
        told.purge()
    assert not told.blob(other.sha256).exists()  # the one keeps no other
    folder.unlink()
    moved.rename(folder)
    assert told.gateway.ledger.transfers.get(file.id).erased_at is None
    told.purge()
    assert not told.blob(file.sha256).exists()


def test_a_file_that_is_repeated_meanwhile_stays(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    ledger, policy = told.gateway.ledger, policy_of(told.gateway.settings, told.clock)
    assert policy
    page = ledger.retention.look(Way.OUT, Pass(policy), None)
    assert [one.id for family in page.families for one in family] == [file.id]
    told.erp.drop_file(payments("MSG-1"), "again.xml")
    told.gateway.desks["box"].take_in()
    assert [one.duplicate_of for one in transfers(told.gateway)] == [None, file.id]
    assert not ledger.retention.mark(page, Way.OUT, policy, who="gateway", now=told.clock.now())
    assert ledger.transfers.get(file.id).purged_at is None


def test_the_commands_say_that_it_was_purged(told: Told, tmp_path: Path) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    now = told.clock.now().isoformat()

    def run(*words: str) -> tuple[int, str]:
        done = h2h(told.erp.config, *words, H2H_NOW=now, COLUMNS="200")
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    dry = run("purge", "--dry-run", "--json")[1]
    assert json.loads(dry.splitlines()[0])["files"] == 2
    assert told.blob(file.sha256).exists()
    status, said = run("purge")
    assert (status, "files came on 0 of the last 31 days" in said, told.blob(file.sha256).exists()) == (1, True, True)
    assert "Gone" in run("purge", "--clock-is-right")[1]
    assert not told.blob(file.sha256).exists()
    status, shown = run("show", file.id)
    assert (status, "bytes and records are gone" in shown, "Possible now" in shown) == (0, True, False)
    assert file.sha256 in shown
    message = only([row for row in told.gateway.ledger.views.files() if row.direction == "in"])
    for words in (
        ("journal", "evidence", file.id, "--output", str(tmp_path / "e.zip")), ("report", file.id),
        ("resend", file.id, "--reason", "so"), ("repair", file.id, "--reason", "so"),
        ("confirm", file.id, "--rejected", "--how", "telephone", "--reason", "so"),
        ("convert", message.id, "--to", "mt940"), ("reread", message.id, "--reason", "so"),
    ):  # fmt: skip
        status, said = run(*words)
        assert (status, "was purged on" in said) == (1, True), (words, said)
    status, said = run("payments", "MSG-1")
    assert (status, "was purged on" in said) == (1, True), said
    assert "1 file(s) that went out were purged" in run("export", "payments")[1]
    assert run("journal", "verify")[0] == 0


def test_without_the_setting_nothing_is_ever_purged(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _), opened(erp) as gateway:
        assert policy_of(gateway.settings, gateway.clock) is None
        done = h2h(erp.config, "purge")
        assert done.returncode == 2
        assert "Nothing is ever purged" in done.stderr


def test_the_worker_does_a_little_each_time_and_rests_for_a_day(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    assert told.gateway.daily_purge.round() == DAY  # nobody has seen the clock run yet
    assert told.blob(file.sha256).exists()
    for day in range(5):
        told.clock.advance(days=1)
        told.sent_and_answered(f"MSG-DAY-{day}")
    told.gateway.daily_purge._next = 0.0
    rests = []
    until(lambda: rests.append(told.gateway.daily_purge.round()) or rests[-1] == DAY, "the end of a run")  # type: ignore[func-returns-value]
    assert len(rests) > 3
    assert not told.blob(file.sha256).exists()
    assert DAY - 60 < told.gateway.daily_purge.round() <= DAY


def test_in_safe_mode_the_worker_waits_for_another_day(told: Told) -> None:
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    told.gateway.ledger.restored.begin(["a sign"], told.clock.now())
    assert told.gateway.daily_purge.round() == DAY
    assert told.gateway.ledger.transfers.get(file.id).purged_at is None


def test_the_running_gateway_purges_by_itself(tmp_path: Path) -> None:
    from h2h.daemon import Daemon

    with telling(tmp_path) as told:
        assert "retention" in [turn.worker for turn in Daemon(told.gateway)._engine.turns()]


def test_bytes_that_are_gone_are_no_reason_to_fail_later(told: Told) -> None:
    """A purged file whose bytes somebody removed by hand already."""
    file = told.sent_and_answered("MSG-1")
    told.grow_old()
    told.blob(file.sha256).unlink()
    told.purge()
    assert told.gateway.ledger.transfers.get(file.id).erased_at is not None
    with pytest.raises(Damaged), told.gateway.archive.open(file.sha256):
        pass
    with pytest.raises(NotAllowed):
        told.gateway.decisions.resend(file.id, who="ann", reason="so")
