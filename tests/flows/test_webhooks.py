"""Programs are told of what happens by the running gateway, and payments wait for none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from h2h.alarms import Urgency
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lookout import Lookout
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer
from tests.flows.process import daemon
from tests.flows.world import MovableClock, World, answer, only, opened, payments, put, transfers, until, world
from tests.listening import Receiver, answers, is_silent, receiver, settings_of, takes
from tests.shell.command import run as h2h

SILENT = Scenario(received_seconds="never", answer_seconds="never")


@dataclass
class Telling(World):
    """`hooks`: blocks of the main file."""

    hooks: str = ""

    def write_settings(self) -> None:
        super().write_settings()
        self.config.write_text(f"{self.config.read_text()}\n{self.hooks}")


@contextmanager
def telling(tmp_path: Path, *receivers: Receiver, **more: str) -> Iterator[tuple[Telling, BankServer]]:
    """A world whose webhooks are these: `erp0`, `erp1`, …"""
    with world(tmp_path, SILENT) as (erp, bank):
        hooks = (settings_of(one.url, tmp_path, f"erp{n}", **more) for n, one in enumerate(receivers))
        found = Telling(folder=erp.folder, port=erp.port, fingerprint=erp.fingerprint, hooks="\n".join(hooks))
        found.write_settings()
        yield found, bank


def journal(erp: World, subject: str) -> list[str]:
    gateway = Gateway(erp.settings(), MovableClock())
    kinds = [event.kind for event in gateway.ledger.journal.of(subject)]
    gateway.close()
    return kinds


def test_a_receiver_hears_of_a_file_from_its_folder_to_the_banks_word(tmp_path: Path) -> None:
    with receiver() as heard, telling(tmp_path, heard) as (erp, bank), daemon(erp.config) as gateway:
        erp.drop_file(payments("MSG-1"))
        until(lambda: "SENT" in json.dumps(heard.told()), "that it was sent")
        put(bank.folders.outbox, "a.xml", answer("MSG-1", "ACSC"))
        until(lambda: "verdict ACCEPTED" in json.dumps(heard.told()), "the bank's word")
        [subject] = {said["subject"] for said in (one.said for one in heard.taken) if said["kind"] == "SENT"}
        assert heard.told(subject) == journal(erp, subject)
        assert heard.taken[0].said["environment"] == "test"
        assert gateway.terminate() == 0


def test_neither_payments_nor_other_webhooks_nor_the_end_wait_for_one_that_hangs(tmp_path: Path) -> None:
    with (
        receiver(is_silent) as hangs,
        receiver() as well,
        telling(tmp_path, hangs, well, timeout='"1m"') as (erp, bank),
    ):
        with daemon(erp.config) as gateway:
            erp.drop_file(payments("MSG-1"))
            until(bank.folders.taken, "the file at the bank")
            until(lambda: "SENT" in json.dumps(well.told()), "that the other one was told")
            until(lambda: hangs.asked, "that it was asked")
            assert gateway.terminate() == 0
            assert "stop_forced" not in gateway.log()
        assert hangs.taken == []


def test_whatever_is_killed_each_file_is_told_whole_and_in_order(tmp_path: Path) -> None:
    with receiver() as heard, telling(tmp_path, heard) as (erp, _):
        for number in range(1, 5):
            with daemon(erp.config) as gateway:
                erp.drop_file(payments(f"MSG-{number}"), f"{number}.xml")
                until(lambda: not list(erp.drop.glob("*.xml")), "that it was taken")
                gateway.end()  # SIGKILL
        with daemon(erp.config):
            ids = [file.id for file in _files(erp)]
            until(lambda: all("SENT" in heard.told(one) for one in ids), "that all were told")
        for one in ids:
            assert list(dict.fromkeys(heard.told(one))) == list(dict.fromkeys(journal(erp, one)))
        by_id = {said.headers["H2H-Event-Id"]: said.body for said in heard.taken}
        assert all(by_id[said.headers["H2H-Event-Id"]] == said.body for said in heard.taken)


def _files(erp: World) -> list[Transfer]:
    gateway = Gateway(erp.settings(), MovableClock())
    found = transfers(gateway)
    gateway.close()
    return found


def test_cron_tells_at_its_end_and_a_failure_is_a_warning(tmp_path: Path) -> None:
    with receiver(answers(500)) as heard, telling(tmp_path, heard) as (erp, bank):
        erp.drop_file(payments("MSG-1"))
        sent = h2h(erp.config, "send")
        assert sent.returncode == 0
        assert "h2h: warning: the webhook erp0 answered 500; it is told the next time." in sent.stderr
        assert 1 <= len(heard.asked) <= 3
        heard.behave = takes
        again = h2h(erp.config, "send")
        assert (again.returncode, again.stderr) == (0, "")
        [transfer] = _files(erp)
        assert heard.told(transfer.id) == journal(erp, transfer.id)
        put(bank.folders.outbox, "a.xml", answer("MSG-1", "ACSC"))
        assert h2h(erp.config, "pull").returncode == 0
        assert heard.told(transfer.id)[-1] == "verdict ACCEPTED"


def test_what_fails_stands_in_status_and_is_an_alarm_until_it_is_over(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T10:00:00+00:00")
    with receiver(answers(503)) as heard, telling(tmp_path, heard) as (erp, _), opened(erp, clock) as gateway:
        [deliverer] = gateway.deliverers(lambda: False)
        gateway.ledger.contacts.good("box", clock.now())
        deliverer.round()
        assert _alarms(gateway) == []
        happened = gateway.ledger.journal.note
        happened(at=clock.now(), subject="T1", kind="READY", actor="gateway", data={})
        deliverer.round()
        assert _alarms(gateway) == []
        clock.advance(minutes=6)
        assert _alarms(gateway) == [("webhook_failing", "erp0", Urgency.WARNING)]
        clock.advance(days=3)
        assert _alarms(gateway) == [("webhook_failing", "erp0", Urgency.URGENT)]
        said = h2h(erp.config, "status")
        assert "The webhook erp0 has " in said.stdout
        assert "waiting since 2026-11-20 10:00 UTC: the receiver answered 503." in " ".join(said.stdout.split())
        [row] = json.loads(h2h(erp.config, "status", "--json").stdout)["webhooks"]
        assert (row["webhook"], row["stopped"], row["text"]) == ("erp0", False, "answered 503")
        assert row["waiting"] >= 1
        heard.behave = takes
        [deliverer] = gateway.deliverers(lambda: False)
        deliverer.round()
        assert _alarms(gateway) == []


def _alarms(gateway: Gateway) -> list[tuple[str, str, Urgency]]:
    Lookout(gateway).round()
    rows = gateway.ledger.alarms.rows()
    return [(row.word, row.subject, row.urgency) for row in rows if row.word.startswith("webhook")]


def test_a_secret_that_is_away_is_told_and_holds_up_nothing(tmp_path: Path) -> None:
    with receiver() as heard, telling(tmp_path, heard) as (erp, bank), daemon(erp.config) as gateway:
        until(lambda: " started " in gateway.log(), "a start")
        secret = tmp_path / "erp0.secret"
        kept = secret.read_text()
        secret.unlink()
        erp.drop_file(payments("MSG-1"))
        until(bank.folders.taken, "the file at the bank")
        until(lambda: "erp0.secret cannot be read" in gateway.log(), "that it is told")
        assert heard.asked == []
        secret.touch(mode=0o600)
        secret.write_text(kept)
        until(lambda: "SENT" in json.dumps(heard.told()), "that it was told")
        assert only([one for one in heard.told() if one.endswith(" SENT")])
