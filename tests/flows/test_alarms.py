"""Alarms as people meet them: each kind from the world that makes it, on the screen, taken, and over."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from h2h.errors import ChannelError
from h2h.gateway import Gateway
from h2h.ledger.alarms import AlarmRow
from h2h.ledger.rows import Received
from h2h.lookout import Lookout
from h2h.lookout.banks import gaps
from h2h.masking import masker
from h2h.model import TransferId
from h2h.sandbox.keys import create_client_key
from tests import alone
from tests.flows.process import daemon
from tests.flows.test_bad_world import SILENT
from tests.flows.test_inbound_matrix import again, house, statement
from tests.flows.test_statements_missing import DAILY, FIRST, FRIDAY, closing
from tests.flows.world import MovableClock, World, answer, only, opened, payments, put, send, transfers, until, world
from tests.shell.command import run as h2h
from tests.suites.books import LEASE, ROUTE, plan


def look(gateway: Gateway) -> dict[str, AlarmRow]:
    """One look of the lookout; what is open then, by its word."""
    Lookout(gateway).round()
    return {row.word: row for row in gateway.ledger.alarms.rows()}


def pull(gateway: Gateway) -> None:
    gateway.desks["box"].pull(gateway.bank("box").inbound[0])


def shown(erp: World, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = h2h(erp.config, *arguments, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_what_waits_for_somebody_or_was_refused_names_what_to_do(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, bank={"contact": '"Cash desk, +49 69 555 0100"'}) as (erp, bank):
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1", 2), "a.xml")
            send(gateway)
            erp.drop_file(payments("MSG-1", 2), "same.xml")
            erp.drop_file(payments("MSG-2").replace(b"<NbOfTxs>1<", b"<NbOfTxs>3<"), "wrong.xml")
            send(gateway)
            put(bank.folders.outbox, "no.xml", answer("MSG-1", "RJCT", reason="AC04"))
            pull(gateway)
            found = look(gateway)
        assert sorted(found) == ["bank_refused", "file_duplicate", "file_refused"]
        refused = found["bank_refused"]
        assert refused.text.startswith("a.xml (1 file, 2 payments, 20.02 EUR) was refused by the bank: ")
        assert f"h2h resend {refused.file}" in refused.step
        assert refused.step.endswith("Contact of box: Cash desk, +49 69 555 0100.")
        assert "COUNT_MISMATCH" in found["file_refused"].text
        assert (refused.passing, found["file_duplicate"].passing) == (True, False)
        assert f"h2h release {found['file_duplicate'].file}" in found["file_duplicate"].step
        assert "alarm" in h2h(erp.config, "show", refused.file).stdout


def test_alarms_are_shown_taken_and_not_forgotten(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1"))
            send(gateway)
            put(bank.folders.outbox, "no.xml", answer("MSG-1", "RJCT"))
            pull(gateway)
        before = h2h(erp.config, "alarms")
        assert (before.returncode, " new  urgent  box  bank_refused" in before.stdout) == (1, True)
        assert shown(erp, "pull") == (0, [])  # which looks around at its end
        [number] = [row["id"] for row in shown(erp, "alarms")[1]]
        status = h2h(erp.config, "status").stdout
        assert "Alarms that nobody has taken: 1 urgent." in status
        assert "Nothing needs attention" not in status
        assert [row["id"] for row in shown(erp, "status")[1][0]["open_alarms"]] == [number]
        assert shown(erp, "ack", str(number), "--note", "the bank is called")[1][0]["taken_by"]
        status, [row] = shown(erp, "alarms")
        assert (status, row["note"]) == (0, "the bank is called")
        assert ", taken by " in h2h(erp.config, "alarms").stdout
        assert "nobody has taken" not in h2h(erp.config, "status").stdout
        assert h2h(erp.config, "ack", "77").stderr.startswith("h2h: There is no alarm 77")
        assert h2h(erp.config, "ack").returncode == 2
        assert shown(erp, "alarms", "--bank", "box")[1] == [row]
        assert "There is no bank 'none'" in h2h(erp.config, "alarms", "--bank", "none").stderr
        assert h2h(erp.config, "ack", "--all").stdout == ""  # nothing is left that nobody has taken


def test_a_bank_that_refuses_us_is_told_at_once(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _):
        (tmp_path / "client_key").unlink()
        create_client_key(tmp_path / "client_key")  # which the bank does not know
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1"))
            send(gateway)
            found = look(gateway)["bank_refuses"]
        assert found.urgency == "urgent"
        assert "box refuses us; never reached yet. 1 file, 1 payment, 10.01 EUR wait for it." in found.text


def test_a_bank_that_shows_another_host_key_is_told_at_once(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.fingerprint = "SHA256:" + "A" * 43
        with opened(erp) as gateway:
            erp.drop_file(payments("MSG-1"))
            send(gateway)
            found = look(gateway)["host_key_changed"]
        assert found.urgency == "urgent"
        for said in (erp.fingerprint, bank.host_key_fingerprint, "1 file, 1 payment, 10.01 EUR wait for it."):
            assert said in found.text


def test_a_folder_of_the_bank_that_is_gone_is_told_until_it_is_there_again(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), opened(erp) as gateway:
        away = bank.folders.outbox.rename(tmp_path / "away")
        with pytest.raises(ChannelError, match="out"):
            pull(gateway)
        assert look(gateway)["folder_trouble"].urgency == "warning"
        shutil.move(away, bank.folders.outbox)
        pull(gateway)
        assert look(gateway) == {}


def test_an_account_is_shown_in_full_and_told_outside_in_part(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=DAILY) as it:
        put(it.out, "a.xml", closing(221, "2026-11-18", *FIRST))
        it.pull()
        it.gateway.note_overdue(it.gateway.settings.banks)
        alarm = look(it.gateway)["statement_missing"]
        assert "DE89370400440532013000" in alarm.text  # on the screen, where somebody has to find it
        letter = masker(it.gateway.settings.accounts())(alarm.text)
        assert "DE89…3000" in letter
        assert "DE89370400440532013000" not in letter


def test_an_accepted_payment_that_no_statement_shows_is_told_until_one_does(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=DAILY) as it:
        lookout = Lookout(it.gateway)

        def told(**later: float) -> list[str]:
            clock.advance(**later)
            lookout.round()
            return [row.text for row in it.gateway.ledger.alarms.rows() if row.word == "debit_missing"]

        it.erp.drop_file(payments("MSG-1", 2).replace(b"2026-11-18", b"2026-11-20"))
        [sent] = send(it.gateway)
        assert sent.state == "SENT"
        put(it.out, "yes.xml", answer("MSG-1", "ACSP"))
        it.pull()
        assert told() == []
        assert told(days=5) == []  # Wednesday: three business days, and today is the third
        [text] = told(days=1)
        assert text.startswith(
            "2 of 2 payments of payments.xml (message id MSG-1) are accepted, and no statement shows"
        )
        put(it.out, "one.xml", booked("MSG-1-1"))
        it.pull()
        assert told(minutes=59)[0].startswith("2 of 2")  # looked for once an hour
        assert told(minutes=2)[0].startswith("1 of 2")
        put(it.out, "two.xml", booked("MSG-1-2"))
        it.pull()
        assert told(hours=1) == []


def booked(reference: str) -> bytes:
    """A statement whose first debit names this payment, of 10.01."""
    text = statement(300 + int(reference[-1]), "2026-11-26").decode()
    return text.replace("ZA-2026-004701", reference, 1).replace("2140.00", "10.01").encode()


def test_a_file_from_the_bank_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with house(tmp_path, "folder") as it:
        put(it.out, "broken.xml", b"<Document>")
        it.pull()
        found = look(it.gateway)["message_unreadable"]
        assert found.text.startswith("broken.xml from box cannot be read: ")
        assert found.passing
        assert f"h2h reread {found.file}" in found.step


def test_what_keeps_the_gateway_from_its_work_is_an_alarm_too(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, gateway_settings={"min_free": "999999999999999"}) as (erp, _), opened(erp) as gateway:
        assert look(gateway)["room"].urgency == "urgent"


def test_the_running_gateway_notes_alarms_by_itself_and_their_end(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _):
        erp.write_settings()
        with daemon(erp.config):
            erp.drop_file(payments("MSG-1"), "a.xml")
            until(lambda: [f["state"] for f in shown(erp, "files")[1]] == ["SENT"], "a file that is sent")
            erp.drop_file(payments("MSG-1"), "b.xml")

            def noted() -> list[str]:
                return [row["word"] for row in shown(erp, "alarms", "--all")[1] if row["ended_at"] is None]

            until(lambda: noted() == ["file_duplicate"], "an alarm that is noted")
            [row] = shown(erp, "alarms")[1]
            assert h2h(erp.config, "cancel", row["file"], "--reason", "it is the same").returncode == 0
            until(lambda: noted() == [], "its end")


def words(gateway: Gateway, lookout: Lookout) -> dict[str, AlarmRow]:
    lookout.round()
    return {row.word: row for row in gateway.ledger.alarms.rows()}


CONTRACT = """
[[bank.answers]]
stage = "received"
within = "1h"

[[bank.answers]]
stage = "batch"
within = "2h"
"""


def test_what_a_bank_said_of_the_first_copy_is_no_answer_to_the_second(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=CONTRACT) as it:
        lookout = Lookout(it.gateway)
        it.erp.drop_file(payments("MSG-1"))
        [sent] = send(it.gateway)
        put(it.out, "no.xml", answer("MSG-1", "RJCT", reason="FF01"))
        it.pull()
        clock.advance(hours=1)
        it.gateway.decisions.resend(sent.id, who="ann", reason="the bank has mended it")
        send(it.gateway)
        clock.advance(minutes=30)
        assert "answer_missing" not in words(it.gateway, lookout)
        clock.advance(minutes=31)
        assert words(it.gateway, lookout)["answer_missing"].subject == f"{sent.id} received"


def test_an_answer_that_says_no_more_than_was_known_is_an_answer(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=CONTRACT) as it:
        lookout = Lookout(it.gateway)
        it.erp.drop_file(payments("MSG-1"))
        send(it.gateway)
        put(it.out, "yes.xml", answer("MSG-1", "ACTC"))
        it.pull()
        clock.advance(hours=3)
        assert words(it.gateway, lookout)["answer_missing"].subject.endswith(" batch")
        batch = b"<OrgnlPmtInfId>LIEF-2026-47</OrgnlPmtInfId><PmtInfSts>ACTC</PmtInfSts>"
        more = b"<OrgnlPmtInfAndSts>" + batch + b"</OrgnlPmtInfAndSts></CstmrPmtStsRpt>"
        said = answer("MSG-1", "ACTC", paper_id="STS-2").replace(b"</CstmrPmtStsRpt>", more)
        put(it.out, "again.xml", said)
        it.pull()
        assert "answer_missing" not in words(it.gateway, lookout)


def test_a_file_that_is_being_tried_just_now_waits_as_before(tmp_path: Path) -> None:
    """Whoever took the alarm would be told again each time that the bank is tried."""
    with world(tmp_path, SILENT) as (erp, bank), opened(erp) as gateway:
        lookout = Lookout(gateway)
        erp.drop_file(payments("MSG-1"))
        gateway.desks["box"].take_in()
        for _ in range(3):
            gateway.ledger.contacts.failed("box", "NotDelivered", "no answer", gateway.clock.now(), gateway.clock.now())
        before = words(gateway, lookout)["bank_unreachable"]
        assert before.urgency == "urgent"
        [file] = transfers(gateway)
        assert alone.lease(gateway.ledger.transfers, file, gateway.owner, plan, ROUTE, gateway.clock.now(), LEASE)
        assert words(gateway, lookout)["bank_unreachable"] == before
        assert bank.taken == []


def test_a_bank_that_is_back_is_found_so_though_nothing_waits_for_it(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, _), opened(erp) as gateway:
        lookout = Lookout(gateway)
        for _ in range(3):
            gateway.ledger.contacts.failed("box", "Refused", "no such key", gateway.clock.now(), gateway.clock.now())
        assert words(gateway, lookout)["bank_refuses"].urgency == "urgent"
        gateway.desks["box"].probe()
        assert words(gateway, lookout) == {}


WINDOW = {"opens": '"08:00"', "cut_off": '"15:30"', "warn": '"30m"', "days": '"mon-fri"'}


def test_what_somebody_released_for_the_next_window_is_no_more_urgent(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T15:00:00+01:00")  # a Friday
    with world(tmp_path, SILENT, outbound=WINDOW) as (erp, _), opened(erp, clock) as gateway:
        lookout = Lookout(gateway)
        erp.drop_file(payments("MSG-1"))
        gateway.desks["box"].take_in()
        [file] = transfers(gateway)
        gateway.decisions.hold(file.id, who="ann", reason="is it ours?")
        clock.advance(hours=1)
        assert words(gateway, lookout)["cut_off_missed"].urgency == "urgent"
        gateway.decisions.release(file.id, who="ann", reason="it is", now=False)
        gateway.desks["box"].hand_over()
        found = words(gateway, lookout)["cut_off_missed"]
        assert (found.urgency, found.step) == ("warning", "They go by themselves as soon as they may.")
        shown_ = h2h(erp.config, "forecast", file.id, H2H_NOW="2026-11-20T16:00:00+01:00")
        assert (shown_.returncode, "NEXT_WINDOW" in shown_.stdout) == (0, True)


def test_a_file_that_could_not_go_anyway_makes_a_line_that_is_down_no_more_urgent(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-21T12:00:00+01:00")  # a Saturday
    with world(tmp_path, SILENT, outbound=WINDOW) as (erp, _), opened(erp, clock) as gateway:
        erp.drop_file(payments("MSG-1"))
        send(gateway)
        for _ in range(3):
            gateway.ledger.contacts.failed("box", "NotDelivered", "no answer", clock.now(), clock.now())
        assert words(gateway, Lookout(gateway))["bank_unreachable"].urgency == "warning"


def test_a_cut_off_behind_maintenance_is_near_before_that_begins(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T13:20:00+01:00")
    away = '\n[[bank.maintenance]]\ndays = "fri"\nstarts = "14:00"\nends = "16:00"\n'
    with world(tmp_path, SILENT, outbound=WINDOW) as (erp, _):
        erp.write_settings()
        erp.profile_file.write_text(erp.profile() + away)
        with again(erp, clock) as gateway:
            lookout = Lookout(gateway)
            erp.drop_file(payments("MSG-1"))
            gateway.desks["box"].take_in()
            gateway.decisions.hold(only(transfers(gateway)).id, who="ann", reason="is it ours?")
            assert "cut_off_near" not in words(gateway, lookout)
            clock.advance(minutes=15)
            found = words(gateway, lookout)["cut_off_near"]
            assert (
                "is at 2026-11-20 14:30 UTC. Its server is in maintenance before that, from 2026-11-20 13:00"
                in found.text
            )


def test_a_file_that_is_kept_and_not_judged_yet_waits_for_its_cut_off_too(tmp_path: Path) -> None:
    clock = MovableClock("2026-11-20T15:10:00+01:00")
    with world(tmp_path, SILENT, outbound=WINDOW) as (erp, _), opened(erp, clock) as gateway:
        at = clock.now() - timedelta(minutes=5)
        new = Received(id=TransferId("T1"), bank="box", watch=str(erp.drop), name="run.xml", sha256="0" * 64, size=1)
        alone.received(gateway.ledger.transfers, new, at)
        assert list(words(gateway, Lookout(gateway))) == ["cut_off_near"]  # and nothing is wrong with it
        assert "run.xml, RECEIVED" in words(gateway, Lookout(gateway))["cut_off_near"].text
        clock.advance(minutes=30)
        assert "cut_off_missed" in words(gateway, Lookout(gateway))


def test_what_is_missing_of_a_bank_that_is_gone_from_the_settings_is_told_no_more(tmp_path: Path) -> None:
    clock = MovableClock(FRIDAY.isoformat())
    with house(tmp_path, "folder", clock=clock, more=DAILY) as it:
        put(it.out, "a.xml", closing(221, "2026-11-18", *FIRST))
        it.pull()
        it.gateway.note_overdue(it.gateway.settings.banks)
        rows = it.gateway.ledger.gaps.rows()
        assert [alarm.bank for alarm in gaps(it.gateway.settings, rows)] == ["box"]
        assert list(gaps(it.gateway.settings.model_copy(update={"banks": ()}), rows)) == []
