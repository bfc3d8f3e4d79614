"""A ledger that was put back from an older copy: it is noticed, and nothing that the bank may have is sent again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from h2h.channels.sftp import SftpChannel
from h2h.errors import NotAllowed
from h2h.gateway import Gateway
from h2h.ledger import Ledger
from h2h.ledger.journal import record
from h2h.ledger.leases import Planned
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict
from h2h.witness import Head, Witness
from tests import alone

from .world import World, answer, only, opened, payments, put, send, transfers, world

SILENT = Scenario(received_seconds="never", answer_seconds="never")
AT = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
FILE = payments("MSG-1")
OTHER = payments("MSG-2")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[World, BankServer]]:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        yield erp, bank


def copy_ledger(erp: World) -> None:
    """As a nightly backup does it: the database alone."""
    (erp.folder / "copy.db").unlink(missing_ok=True)
    with closing(sqlite3.connect(erp.folder / "data" / "h2h.db")) as ledger:
        ledger.execute("VACUUM INTO ?", (str(erp.folder / "copy.db"),))


def put_ledger_back(erp: World) -> None:
    for name in ("h2h.db", "h2h.db-wal", "h2h.db-shm"):
        (erp.folder / "data" / name).unlink(missing_ok=True)
    shutil.copy(erp.folder / "copy.db", erp.folder / "data" / "h2h.db")


def copy_all(erp: World) -> None:
    copy_ledger(erp)
    shutil.copytree(erp.folder / "data", erp.folder / "copy", ignore=shutil.ignore_patterns("h2h.db*"))


def put_all_back(erp: World) -> None:
    """The whole data folder, witness and all."""
    shutil.rmtree(erp.folder / "data")
    shutil.copytree(erp.folder / "copy", erp.folder / "data")
    shutil.copy(erp.folder / "copy.db", erp.folder / "data" / "h2h.db")


def put_back_into_an_empty_folder(erp: World) -> None:
    shutil.rmtree(erp.folder / "data")
    (erp.folder / "data").mkdir()
    shutil.copy(erp.folder / "copy.db", erp.folder / "data" / "h2h.db")


WAYS = [(copy_ledger, put_ledger_back), (copy_all, put_all_back), (copy_ledger, put_back_into_an_empty_folder)]
IDS = ["the database", "the data folder", "the database, into a new folder"]
Ways = Callable[[World], None]


def ready(gateway: Gateway) -> None:
    gateway.desks["box"].take_in()


@pytest.mark.parametrize(("copy", "restore"), WAYS, ids=IDS)
def test_a_file_that_was_sent_after_the_copy_was_made_is_not_sent_again(
    there: tuple[World, BankServer], copy: Ways, restore: Ways
) -> None:
    erp, bank = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
        copy(erp)
        assert only(send(gateway)).state is State.SENT
    restore(erp)
    with opened(erp) as gateway:
        transfer = only(send(gateway))
        assert (transfer.state, "older copy" in str(transfer.reason)) == (State.UNCERTAIN, True)
        assert gateway.ledger.restored.safe_mode()
    assert [t.data for t in bank.taken] == [FILE]


@pytest.mark.parametrize(("copy", "restore"), WAYS, ids=IDS)
def test_a_file_that_was_taken_after_the_copy_was_made_is_known_again_and_not_sent_a_second_time(
    there: tuple[World, BankServer], copy: Ways, restore: Ways
) -> None:
    erp, bank = there
    with opened(erp) as gateway:
        assert send(gateway) == []
        copy(erp)
        erp.drop_file(FILE)
        lost = only(send(gateway))
    restore(erp)
    with opened(erp) as gateway:
        found = only(send(gateway))
        assert (found.id, found.state, found.name) == (lost.id, State.UNCERTAIN, lost.name)
        erp.drop_file(FILE, "again.xml")
        assert [t.state for t in send(gateway)] == [State.UNCERTAIN, State.DUPLICATE]
        put(bank.folders.outbox, "answer.xml", answer("MSG-1"))
        gateway.desks["box"].pull(gateway.desks["box"].bank.inbound[0])
        known = gateway.ledger.transfers.get(lost.id)
        assert (known.state, known.verdict) == (State.SENT, Verdict.ACCEPTED)
    assert [t.data for t in bank.taken] == [FILE]


@pytest.mark.parametrize(
    "since",
    [
        {"max_payments": "1"},
        {"accounts": '["FR1420041010050500013M02606"]'},
        {"rules": '[{ at = "CdtTrfTxInf/PmtId/EndToEndId", rule = "forbidden" }]'},
    ],
    ids=lambda since: next(iter(since)),
)
def test_a_file_that_the_folder_took_once_is_in_doubt_whatever_it_would_take_today(
    there: tuple[World, BankServer], since: dict[str, str]
) -> None:
    """Refused, it would be told as one that the bank never got."""
    erp, bank = there
    with opened(erp) as gateway:
        assert send(gateway) == []
        copy_ledger(erp)
        erp.drop_file(payments("MSG-1", 2))
        assert only(send(gateway)).state is State.SENT
    put_ledger_back(erp)
    erp.outbound = since
    erp.write_settings()
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN
        erp.drop_file(payments("MSG-2", 2), "today.xml")
        assert send(gateway)[1].state is State.INVALID
    assert len(bank.taken) == 1


def test_a_file_that_was_held_and_released_is_in_doubt_and_not_held_once_more(
    there: tuple[World, BankServer],
) -> None:
    """Held, one person alone could send it again."""
    erp, bank = there
    erp.outbound = {"unusual_dates": '"hold"', "execution_days": "[-3, -2]"}
    erp.write_settings()
    with opened(erp) as gateway:
        assert send(gateway) == []
        copy_ledger(erp)
        erp.drop_file(FILE)
        held = only(send(gateway))
        assert held.state is State.HELD
        gateway.decisions.release(held.id, who="ann", reason="right", now=True)
        assert only(send(gateway)).state is State.SENT
    put_ledger_back(erp)
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN
    assert len(bank.taken) == 1


def test_a_new_file_waits_until_a_person_has_compared_and_then_goes(there: tuple[World, BankServer]) -> None:
    erp, bank = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
        copy_ledger(erp)
        send(gateway)
    put_ledger_back(erp)
    erp.drop_file(OTHER, "new.xml")
    for _ in range(2):  # a restart changes nothing
        with opened(erp) as gateway:
            assert [t.state for t in send(gateway)] == [State.UNCERTAIN, State.READY]
            assert gateway.desks["box"].next_due() is None
            assert gateway.ledger.transfers.due("box", gateway.clock.now()) == []
    with opened(erp) as gateway:
        new = transfers(gateway)[1]
        assert leased(gateway, new) is None
        gateway.accept_restored(who="ann", reason="compared with the bank's list")
        assert [t.state for t in send(gateway)] == [State.UNCERTAIN, State.SENT]
        last = gateway.ledger.journal.of("ledger")[-1]
        assert (last.actor, last.data["reason"]) == ("ann", "compared with the bank's list")
        with pytest.raises(NotAllowed, match="not in safe mode"):
            gateway.accept_restored(who="ann", reason="again")
    with opened(erp) as gateway:
        assert gateway.ledger.restored.safe_mode() is None
        assert gateway.ledger.journal.verify().fault is None
    assert [t.data for t in bank.taken] == [FILE, OTHER]


def test_nothing_is_accepted_before_stock_was_taken(there: tuple[World, BankServer]) -> None:
    erp, _ = there
    gateway = erp.gateway()
    gateway.ledger.restored.begin(["a sign"], gateway.clock.now())
    with pytest.raises(NotAllowed, match="has not taken stock"):
        gateway.accept_restored(who="ann", reason="too soon")
    gateway.close()


def test_a_claim_that_the_ledger_lost_is_not_taken_for_a_new_file(there: tuple[World, BankServer]) -> None:
    """The gateway died after it had sent the file and before it filed it away; then the ledger was lost."""
    erp, bank = there
    with opened(erp) as gateway:
        send(gateway)
        copy_ledger(erp)
        erp.drop_file(FILE)
        sent = only(send(gateway))
    filed = only(list((erp.drop / "processed").iterdir()))
    claim = erp.drop / ".h2h" / "claims" / sent.id
    claim.mkdir()
    filed.rename(claim / "payments.xml")
    put_ledger_back(erp)
    with opened(erp) as gateway:
        gateway.accept_restored(who="ann", reason="compared")
        assert [(t.id, t.state) for t in send(gateway)] == [(sent.id, State.UNCERTAIN)]
    assert [p.name[:16] for p in (erp.drop / "processed").iterdir()] == [sent.id]
    assert [t.data for t in bank.taken] == [FILE]


@pytest.mark.parametrize("state", [State.HELD, State.FAILED, State.STAGING, State.PUBLISHING, State.RECEIVED])
def test_whatever_had_not_come_to_an_end_may_have_been_sent_since(
    there: tuple[World, BankServer], state: State
) -> None:
    erp, bank = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
        transfer = only(transfers(gateway))
        bring(gateway, transfer.id, state)
        assert only(transfers(gateway)).state is state
        copy_ledger(erp)
        gateway.ledger.journal.note(at=gateway.clock.now(), subject="x", kind="later", actor="test", data={})
    put_ledger_back(erp)
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN
        assert [a["outcome"] for a in gateway.ledger.views.history(transfer.id).attempts] in (
            [],
            ["UNKNOWN"],
            ["REFUSED"],
        )
    assert bank.taken == []


def test_a_file_that_was_not_judged_when_the_copy_was_made_and_was_taken_later_is_in_doubt(
    there: tuple[World, BankServer],
) -> None:
    erp, _ = there
    erp.drop_file(payments("MSG-1", 2))
    with opened(erp) as gateway:
        ready(gateway)
        bring(gateway, only(transfers(gateway)).id, State.RECEIVED)
        copy_ledger(erp)
        gateway.ledger.journal.note(at=gateway.clock.now(), subject="x", kind="later", actor="test", data={})
    put_ledger_back(erp)
    erp.outbound = {"max_payments": "1"}
    erp.write_settings()
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN


def leased(gateway: Gateway, transfer: Transfer) -> Transfer | None:
    names = Planned(temporary="/in/.t.part", remote="/in/f.xml")
    now = gateway.clock.now()
    route = gateway.settings.banks[0].channel.route
    return alone.lease(
        gateway.ledger.transfers, transfer, gateway.owner, lambda *_: names, route, now, timedelta(minutes=2)
    )


def bring(gateway: Gateway, transfer_id: str, state: State) -> None:
    verbs, now = gateway.ledger.transfers, gateway.clock.now()
    if state is State.RECEIVED:
        with closing(sqlite3.connect(gateway.data / "h2h.db")) as ledger, ledger:
            ledger.execute("DELETE FROM payment")
            ledger.execute("DELETE FROM batch")
            ledger.execute("UPDATE transfer SET state = 'RECEIVED', message_id = NULL, due_at = NULL")
        return
    if state is State.HELD:
        gateway.decisions.hold(transfer_id, who="ann", reason="wait")
        return
    held = leased(gateway, verbs.get(transfer_id))
    assert held
    if state is State.PUBLISHING:
        alone.publishing(verbs, held, now)
    if state is State.FAILED:
        verbs.not_delivered(held, step="stage", outcome="REFUSED", text="x", failures=1, due_at=None, now=now)


def test_a_ledger_that_is_lost_altogether_knows_its_files_again(there: tuple[World, BankServer]) -> None:
    erp, bank = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        sent = only(send(gateway))
        erp.drop_file(b"no XML", "bad.xml")
        send(gateway)
    shutil.rmtree(erp.folder / "data")
    with opened(erp) as gateway:
        found = {t.id: t.state for t in send(gateway)}
        assert (found.pop(sent.id), list(found.values())) == (State.UNCERTAIN, [State.INVALID])
        gateway.accept_restored(who="ann", reason="compared")
    with opened(erp) as gateway:
        assert gateway.ledger.restored.safe_mode() is None
    assert len(bank.taken) == 1


def test_a_ledger_put_back_once_more_is_noticed_once_more(there: tuple[World, BankServer]) -> None:
    erp, bank = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
        copy_ledger(erp)
        gateway.decisions.hold(only(transfers(gateway)).id, who="ann", reason="wait")
    put_ledger_back(erp)
    erp.drop_file(OTHER, "other.xml")
    with opened(erp) as gateway:
        send(gateway)
        copy_ledger(erp)  # within safe mode, with a file that waits
        gateway.accept_restored(who="ann", reason="compared")
        assert [t.state for t in send(gateway)] == [State.UNCERTAIN, State.SENT]
    put_ledger_back(erp)
    with opened(erp) as gateway:
        assert [t.state for t in send(gateway)] == [State.UNCERTAIN, State.UNCERTAIN]
    assert [t.data for t in bank.taken] == [OTHER]


@pytest.mark.parametrize("text", ["", "0", "no head", "9" * 78])
def test_a_witness_that_says_nothing_sensible_leads_to_safe_mode(there: tuple[World, BankServer], text: str) -> None:
    erp, _ = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
    (erp.folder / "data" / "h2h.head").write_text(text)
    with opened(erp) as gateway:
        assert gateway.ledger.restored.safe_mode()


def test_a_decision_on_a_restored_ledger_does_not_hide_that_it_is_one(there: tuple[World, BankServer]) -> None:
    """Commands write to the journal before the gateway is started: the witness must not follow them."""
    erp, _ = there
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        ready(gateway)
        transfer = only(transfers(gateway))
        copy_ledger(erp)
        send(gateway)
    put_ledger_back(erp)
    (erp.drop / ".h2h" / "head").unlink()  # the data folder's own witness has to do
    for _ in range(5):
        gateway = erp.gateway()
        gateway.decisions.hold(transfer.id, who="ann", reason="wait")
        gateway.decisions.release(transfer.id, who="ann", reason="go", now=True)
        gateway.close()
    with opened(erp) as gateway:
        assert only(send(gateway)).state is State.UNCERTAIN


def test_an_event_that_was_rolled_back_is_never_noted(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "head")
    ledger = Ledger("sqlite:///h2h.db", tmp_path, witness)
    with suppress(ZeroDivisionError), ledger._database.transaction() as connection:
        record(connection, at=AT, subject="x", kind="x", actor="x", data={})
        raise ZeroDivisionError
    ledger.contacts.hurry()  # commits, and no event
    assert witness.read() == ledger.journal.last() == Head(seq=0, hash="0" * 64)
    ledger.close()


def test_the_witness_is_synced_before_the_bank_is_asked_to_rename(
    there: tuple[World, BankServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    erp, _ = there
    erp.drop_file(FILE)
    steps: list[str] = []
    note, publish = Witness.note, SftpChannel.publish_many
    monkeypatch.setattr(
        Witness,
        "note",
        lambda self, head, **how: (steps.append(f"{self.path.name} {how.get('durably')}"), note(self, head, **how))[1],
    )
    monkeypatch.setattr(SftpChannel, "publish_many", lambda *a, **b: (steps.append("publish"), publish(*a, **b))[1])
    with opened(erp) as gateway:
        send(gateway)
    at = steps.index("publish")
    assert steps[at - 2 : at] == ["h2h.head True", "head None"]
