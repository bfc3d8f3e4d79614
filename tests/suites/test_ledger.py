"""The promises of the ledger's verbs on outbound files and of its journal, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, NullPool, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from h2h.errors import NotAllowed, Stale, StoreError, UsageError
from h2h.kinds import MOST, Kind
from h2h.ledger import Ledger, database, moves, transfers
from h2h.ledger.attempts import Attempt
from h2h.ledger.database import Database
from h2h.ledger.leases import Book as Names
from h2h.ledger.leases import Planned
from h2h.ledger.rows import Received, Transfer
from h2h.ledger.tables import metadata
from h2h.lifecycle import Actor, State, Trigger
from h2h.model import Judgement, TransferId, Way
from h2h.verdicts import Verdict
from tests import alone
from tests.changing import replace
from tests.suites.books import LATER, LEASE, NOW, ROUTE, Book, judgement, pay, plan, says

pytestmark = pytest.mark.every_database  # whatever keeps a payment from going twice
EXPIRED = NOW + LEASE + timedelta(seconds=1)


# Received and judged.


def test_a_file_is_received_once_for_each_id(book: Book) -> None:
    first = book.received("T1")
    again = Received(id=first.id, bank="acme", watch="/out", name="run.xml", sha256=first.sha256, size=100)
    assert alone.received(book.transfers, again, LATER) == first
    assert book.transfers.get("T1") == first
    assert book.kinds("T1") == ["RECEIVED"]


def test_an_id_that_comes_back_with_other_bytes_is_refused(book: Book) -> None:
    book.received("T1")
    other = Received(id=TransferId("T1"), bank="acme", watch="/out", name="run.xml", sha256="f" * 64, size=1)
    with pytest.raises(Stale, match="other content"):
        alone.received(book.transfers, other, NOW)


def test_an_unknown_id_says_where_to_look(book: Book) -> None:
    with pytest.raises(UsageError, match="h2h files"):
        book.transfers.get("T9")


def test_a_good_file_is_ready_at_once_with_what_it_holds(book: Book) -> None:
    transfer = book.ready("T1", "MSG-1", pay("A", "10.50"), pay("B", "0.50"))
    assert (transfer.state, transfer.due_at, transfer.message_id) == (State.READY, NOW, "MSG-1")
    assert (transfer.payments, str(transfer.control_sum), transfer.currencies) == (2, "11.00", ["EUR"])
    assert [t.id for t in book.transfers.due("acme", NOW)] == ["T1"]


def judged_as(book: Book, said: Judgement) -> Transfer:
    return alone.judged(book.transfers, TransferId("T1"), said, NOW)


def test_the_kinds_of_its_payments_are_kept_with_a_file(book: Book) -> None:
    file = judgement("MSG-1", pay("A"), pay("B", batch=2))
    urgent = replace(file.batches[0], service_level="URGP", further_service_levels=("G001",))
    euros, dollars = file.payments
    payments = [euros, replace(dollars, currency="USD")]
    book.received("T1")
    made = judged_as(book, replace(file, batches=[urgent, file.batches[1]], payments=payments))
    assert made.kinds == [Kind((), None, "USD"), Kind(("URGP", "G001"), None, "EUR")]
    assert book.transfers.get("T1") == made


def test_a_file_of_more_kinds_than_are_told_apart_has_none(book: Book) -> None:
    file = judgement("MSG-1", *(pay(f"E{n}") for n in range(MOST + 1)))
    book.received("T1")
    odd = [replace(one, local_instrument=f"I{n}") for n, one in enumerate(file.payments)]
    assert judged_as(book, replace(file, payments=odd)).kinds is None
    assert book.transfers.get("T1").kinds is None


def test_a_bad_file_is_invalid_and_says_why(book: Book) -> None:
    book.received("T1")
    transfer = book.judged("T1", "MSG-1", wrong="SUM_MISMATCH")
    assert (transfer.state, transfer.reason) == (State.INVALID, "SUM_MISMATCH: Mend it.")
    assert book.transfers.due("acme", NOW) == []


@pytest.mark.parametrize(
    ("content", "message_id", "amount", "code"),
    [
        ("same", "MSG-1", "10.00", "DUPLICATE_BYTES"),
        ("same", "MSG-2", "10.00", "DUPLICATE_BYTES"),
        ("new", "MSG-1", "10.00", "DUPLICATE_CONTENT"),
        ("new", "MSG-1", "10.01", "DUPLICATE_MESSAGE_ID"),
    ],
)
def test_the_same_bytes_content_or_message_id_are_a_duplicate(
    book: Book, content: str, message_id: str, amount: str, code: str
) -> None:
    book.ready("T1", "MSG-1", pay("A"), content="same")
    second = book.ready("T2", message_id, pay("A", amount), content=content)
    [finding] = book.ledger.views.history("T2").findings
    assert (second.state, second.duplicate_of) == (State.DUPLICATE, "T1")
    assert finding.code == code
    assert "T1" in finding.text
    assert [t.id for t in book.transfers.due("acme", NOW)] == ["T1"]


def test_the_same_bytes_at_another_bank_are_a_duplicate_but_the_same_message_id_is_not(book: Book) -> None:
    book.ready("T1", "MSG-1", content="same")
    book.received("T2", "same", bank="other")
    book.received("T3", "new", bank="other")
    assert book.judged("T2", "MSG-1").state is State.DUPLICATE
    assert book.judged("T3", "MSG-1", pay("OTHER")).state is State.READY


@pytest.mark.parametrize("state", ["READY", "STAGING", "PUBLISHING", "UNCERTAIN", "SENT"])
def test_a_message_id_is_taken_in_every_state_on_the_way(book: Book, state: str) -> None:
    make: dict[str, Callable[[str, str], Transfer]] = {
        "READY": book.ready, "STAGING": book.staging, "PUBLISHING": book.publishing,
        "UNCERTAIN": book.uncertain, "SENT": book.sent,
    }  # fmt: skip
    make[state]("T1", "MSG-1")
    assert book.ready("T2", "MSG-1").state is State.DUPLICATE


def test_an_invalid_file_frees_its_message_id_and_its_bytes(book: Book) -> None:
    book.received("T1", "same")
    book.judged("T1", "MSG-1", wrong="SUM_MISMATCH")
    assert book.ready("T2", "MSG-1", content="same").state is State.READY


def test_a_file_cancelled_before_it_was_sent_frees_its_message_id(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.decide("T1", Trigger.CANCEL)
    assert book.ready("T2", "MSG-1").state is State.READY


def test_a_file_cancelled_after_it_was_announced_at_the_bank_does_not(book: Book) -> None:
    """The bank may have it after all: the same file dropped again would pay twice."""
    book.uncertain("T1", "MSG-1")
    book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    book.decide("T1", Trigger.CANCEL)
    assert book.ready("T2", "MSG-1").state is State.DUPLICATE


def test_two_files_of_one_content_judged_at_the_same_moment_are_one_and_its_duplicate(book: Book) -> None:
    """At two banks, so that no unique message id helps."""
    book.received("T1", "same", bank="one")
    book.received("T2", "same", bank="two")
    states = at_once(lambda: book.judged("T1", "MSG-1").state, lambda: book.judged("T2", "MSG-1").state)
    assert sorted(states) == [State.DUPLICATE, State.READY]


# Lease and fence.


def test_a_leased_transfer_is_not_leased_again(book: Book) -> None:
    ready = book.ready("T1", "MSG-1")
    first = book.lease(ready, "node/1")
    assert first is not None
    assert (first.state, first.owner, first.attempts) == (State.STAGING, "node/1", 1)
    assert book.lease(ready, "node/2") is None
    assert book.transfers.due("acme", NOW) == []


def test_two_workers_that_lease_at_the_same_moment_get_one_lease(book: Book) -> None:
    ready = book.ready("T1", "MSG-1")
    leases = at_once(lambda: book.lease(ready, "node/1"), lambda: book.lease(ready, "node/2"))
    assert sorted(lease is None for lease in leases) == [False, True]
    assert len(book.attempts("T1")) == 1


def test_a_worker_that_was_overtaken_cannot_publish(book: Book) -> None:
    old = book.staging("T1", "MSG-1", owner="node/1")
    taken_back = book.transfers.take_back(book.transfers.get("T1"), EXPIRED)
    new = book.lease(taken_back, "node/1", EXPIRED)
    assert new is not None
    assert new.fence > old.fence
    for late in (
        lambda: alone.publishing(book.transfers, old, NOW),
        lambda: book.transfers.renew(old, NOW, LEASE),
        lambda: failed(book, old, due_at=LATER),
        lambda: book.transfers.stop_staging(old, Trigger.CLASH, "taken", NOW),
    ):
        with pytest.raises(Stale):
            late()
    assert alone.publishing(book.transfers, new, EXPIRED).state is State.PUBLISHING


def test_a_worker_whose_lease_was_taken_back_cannot_publish_before_anybody_leased_again(book: Book) -> None:
    old = book.staging("T1", "MSG-1", owner="node/1")
    book.transfers.release_leases("node", "node/2", NOW)
    with pytest.raises(Stale):
        alone.publishing(book.transfers, old, NOW)


def test_a_publisher_that_was_overtaken_cannot_say_what_became_of_it(book: Book) -> None:
    old = book.publishing("T1", "MSG-1")
    new = book.lease(old, "node/2", EXPIRED)
    assert new is not None
    for late in (
        lambda: book.transfers.sent(old, {}, NOW),
        lambda: book.transfers.in_doubt(old, "?", {}, NOW),
        lambda: book.transfers.look_again(old, "?", LATER, NOW),
    ):
        with pytest.raises(Stale):
            late()
    assert book.transfers.sent(new, {}, NOW).state is State.SENT


def test_a_lease_that_is_renewed_does_not_run_out(book: Book) -> None:
    held = book.staging("T1", "MSG-1")
    book.transfers.renew(held, EXPIRED, LEASE)
    assert book.transfers.due("acme", EXPIRED) == []
    with pytest.raises(Stale, match="worked on again"):
        book.transfers.take_back(book.transfers.get("T1"), EXPIRED)
    assert alone.publishing(book.transfers, held, EXPIRED).state is State.PUBLISHING


def test_an_upload_whose_worker_vanished_is_due_again_when_its_lease_has_run_out(book: Book) -> None:
    """Without a restart too: the ledger's disk was full just when the failure had to be written down."""
    book.staging("T1", "MSG-1")
    assert book.transfers.due("acme", NOW) == []
    [found] = book.transfers.due("acme", EXPIRED)
    back = book.transfers.take_back(found, EXPIRED)
    assert (back.state, back.owner, back.due_at) == (State.READY, None, EXPIRED)
    assert book.attempts("T1")[0]["outcome"] == "NOT_DELIVERED"


def test_a_new_run_takes_back_what_an_earlier_one_on_this_node_held(book: Book) -> None:
    book.staging("T1", "MSG-1", owner="node/old")
    book.publishing("T2", "MSG-2")
    book.staging("T3", "MSG-3", owner="node/new")
    book.staging("T4", "MSG-4", owner="node2/old")
    assert sorted(book.transfers.release_leases("node", "node/new", NOW)) == ["T1", "T2"]
    assert [book.state(t) for t in ("T1", "T2", "T3", "T4")] == [
        State.READY, State.PUBLISHING, State.STAGING, State.STAGING
    ]  # fmt: skip
    assert sorted(t.id for t in book.transfers.due("acme", NOW)) == ["T1", "T2"]
    assert book.transfers.get("T2").owner is None


def test_a_node_whose_name_begins_like_ours_is_not_ours(book: Book) -> None:
    book.staging("T1", "MSG-1", owner="node_x/1")
    assert book.transfers.release_leases("node%", "node%/2", NOW) == []


# Staging, publishing and what comes of it.


def failed(book: Book, transfer: Transfer, *, due_at: Any) -> Transfer:
    return book.transfers.not_delivered(
        transfer, step="stage", outcome="REFUSED", text="quota", failures=3, due_at=due_at, now=NOW
    )


def test_what_a_verb_returns_is_the_row_as_it_is_read(book: Book) -> None:
    """With the very forms of its values: people are told instants in UTC, whatever zone a window is of."""
    there = LATER.astimezone(timezone(timedelta(hours=5, minutes=45)))
    verbs: list[Callable[[], Transfer]] = [
        lambda: book.ready("T1", "MSG-1", pay("E2E-1", amount="10.50"), pay("E2E-2")),
        lambda: book.transfers.postpone(book.transfers.get("T1"), there, "the window opens", NOW),
        lambda: only(book.lease(book.transfers.get("T1"), now=LATER)),
        lambda: book.transfers.not_delivered(
            book.transfers.get("T1"), step="stage", outcome="REFUSED", text="", failures=1, due_at=there, now=NOW
        ),
        lambda: only(book.lease(book.transfers.get("T1"), now=LATER)),
        lambda: alone.publishing(book.transfers, book.transfers.get("T1"), NOW),
        lambda: book.transfers.look_again(book.transfers.get("T1"), "the line broke", there, NOW),
        lambda: only(book.lease(book.transfers.get("T1"), now=LATER)),
        lambda: book.transfers.in_doubt(book.transfers.get("T1"), "gone", {}, NOW),
        lambda: book.decide("T1", Trigger.BANK_HAS_IT),
        lambda: book.judged(book.received("T2").id, "MSG-2", wrong="AMOUNT_ZERO"),
        lambda: book.judged(book.received("T3").id, "MSG-1"),
        lambda: book.transfers.late(book.ready("T4", "MSG-4"), "too late", NOW),
        lambda: book.decide("T4", Trigger.RELEASE),
    ]
    for verb in verbs:
        returned = verb()
        assert repr(returned) == repr(book.transfers.get(returned.id))


def only(transfer: Transfer | None) -> Transfer:
    assert transfer
    return transfer


def test_a_failed_upload_is_on_record_with_step_outcome_and_next_time(book: Book) -> None:
    back = failed(book, book.staging("T1", "MSG-1"), due_at=LATER)
    assert (back.state, back.due_at, back.failures, back.reason) == (State.READY, LATER, 3, "quota")
    [attempt] = book.attempts("T1")
    assert (attempt["step"], attempt["outcome"], attempt["text"]) == ("stage", "REFUSED", "quota")
    assert (attempt["next_at"], attempt["ended_at"]) == (LATER, NOW)
    assert book.transfers.due("acme", NOW) == []
    assert book.transfers.next_due("acme") == LATER


def test_a_transfer_that_is_given_up_waits_for_a_person(book: Book) -> None:
    given_up = failed(book, book.staging("T1", "MSG-1"), due_at=None)
    assert (given_up.state, given_up.due_at) == (State.FAILED, None)
    again = book.decide("T1", Trigger.RETRY)
    assert (again.state, again.due_at, again.failures) == (State.READY, LATER, 0)


def test_each_attempt_has_a_temporary_name_of_its_own_and_keeps_an_unpublished_final_one(book: Book) -> None:
    failed(book, book.staging("T1", "MSG-1"), due_at=LATER)
    book.lease(book.transfers.get("T1"), now=LATER)
    first, second = book.attempts("T1")
    assert first["temporary"] != second["temporary"]
    assert first["remote"] == second["remote"] == "/in/MSG-1.xml"


def test_an_attempt_remembers_by_which_way_and_to_which_server_it_goes(book: Book) -> None:
    keys = replace(ROUTE, way=Way.MARKER, host_keys=("SHA256:A", "SHA256:B"))
    leased = alone.lease(book.transfers, book.ready("T1", "MSG-1"), "node/1", plan, keys, NOW, LEASE)
    assert leased
    assert book.transfers.last_attempt(leased).route == keys
    told = book.ledger.journal.of("T1")[-1].data
    assert (told["way"], told["server"]) == ("marker", ROUTE.server)
    assert book.transfers.last_attempt(book.ready("T2", "MSG-2")) == Attempt(route=None, made=False, exclusive=False)


def test_an_attempt_remembers_whether_it_made_its_temporary_file(book: Book) -> None:
    staging = book.staging("T1", "MSG-1")
    assert not book.transfers.last_attempt(staging).made
    assert book.transfers.made([replace(staging, fence=staging.fence + 1)]) == []
    assert not book.transfers.last_attempt(staging).made
    assert book.transfers.made([staging]) == [staging]
    assert book.transfers.last_attempt(staging).made


def test_the_ledger_knows_in_which_folders_of_a_server_files_were_made(book: Book) -> None:
    book.transfers.made([book.staging("T1", "MSG-1")])
    asked = [("", False), ("/in", True), ("/IN", False), ("/i%", False), ("/in/tmp", False)]
    assert [book.transfers.made_in(ROUTE.server, folder) for folder, _ in asked] == [made for _, made in asked]
    assert not book.transfers.made_in("sftp://corp@other:22", "/in")


def test_a_folder_in_which_nothing_could_be_made_is_not_one_that_was_used(book: Book) -> None:
    book.staging("T1", "MSG-1")
    assert not book.transfers.made_in(ROUTE.server, "/in")


def test_a_file_that_went_straight_to_its_name_counts_when_it_was_delivered(book: Book) -> None:
    def straight(row: Transfer, number: int, names: Names) -> Planned:
        return Planned(temporary="/in/f.xml", remote="/in/f.xml")

    direct = replace(ROUTE, way=Way.DIRECT)
    leased = alone.lease(book.transfers, book.ready("T1", "MSG-1"), "node/1", straight, direct, NOW, LEASE)
    assert leased
    publishing = alone.publishing(book.transfers, leased, NOW)
    assert not book.transfers.made_in(ROUTE.server, "/in")
    book.transfers.sent(publishing, {"answer": "OK"}, NOW)
    assert book.transfers.made_in(ROUTE.server, "/in")


def test_what_is_under_way_is_due_before_all_that_is_ready(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the disk short the READY ones stay where they are, and there may be more of them than are looked at."""
    monkeypatch.setattr(transfers, "DUE_LIMIT", 2)
    for number in range(3):
        book.ready(f"T{number}", f"MSG-{number}")
    book.transfers.look_again(book.publishing("T9", "MSG-9"), "the line broke", LATER, NOW)
    assert [transfer.id for transfer in book.transfers.due("acme", LATER)] == ["T9", "T0"]


def test_what_was_taken_at_one_moment_is_due_in_the_order_of_its_names(book: Book) -> None:
    for id_, name in (("T3", "1.xml"), ("T1", "2.xml"), ("T4", "3.xml"), ("T2", "4.xml")):
        book.ready(id_, f"MSG-{id_}")
        with book.ledger._database.transaction() as connection:
            connection.execute(text("UPDATE transfer SET name = :name WHERE id = :id"), {"name": name, "id": id_})
    assert [transfer.id for transfer in book.transfers.due("acme", LATER)] == ["T3", "T1", "T4", "T2"]
    with book.ledger._database.transaction() as connection:  # and whatever the order of their rows
        connection.execute(text("UPDATE transfer SET name = '0.xml' WHERE id = 'T2'"))
    assert [transfer.id for transfer in book.transfers.due("acme", LATER)] == ["T2", "T3", "T1", "T4"]


def test_a_reader_sees_one_moment_whatever_is_committed_meanwhile(book: Book) -> None:
    def count() -> int:
        return int(connection.execute(text("SELECT count(*) FROM transfer")).scalar_one())

    book.received("T1")
    with book.ledger._database.reading() as connection:
        assert count() == 1
        book.received("T2")
        assert count() == 1
    with book.ledger._database.reading() as connection:
        assert count() == 2


def three(book: Book) -> list[Transfer]:
    """READY, and then the second one changed by somebody else."""
    found = [book.ready(f"T{number}", f"MSG-{number}") for number in range(3)]
    book.transfers.postpone(found[1], NOW, "somebody was here", NOW)
    return found


def test_of_several_leased_at_once_those_are_ours_that_nobody_changed(book: Book) -> None:
    def one_name(row: Transfer, number: int, names: Names) -> Planned:
        return Planned(temporary=f"/in/.{row.id}-{number}", remote="/in/f" if not names.taken("/in/f") else "/in/f-2")

    leased = book.transfers.lease_many(three(book), "node/1", one_name, ROUTE, NOW, LEASE)
    assert [(t.id, t.state, t.owner) for t in leased] == [(id_, State.STAGING, "node/1") for id_ in ("T0", "T2")]
    assert [t.remote for t in leased] == ["/in/f", "/in/f-2"]  # a name that is planned beside it is taken
    assert book.transfers.get("T1").state is State.READY


def test_several_pass_the_point_of_no_return_in_one_commit_and_a_fenced_off_one_spoils_none(book: Book) -> None:
    staging = [book.staging(f"T{number}", f"MSG-{number}") for number in range(3)]
    staging[1] = replace(staging[1], fence=staging[1].fence + 1)
    passed = book.transfers.publishing_many(staging, NOW, exclusive=["T2"])
    assert [type(one) for one in passed] == [Transfer, Stale, Transfer]
    assert [book.transfers.get(f"T{n}").state for n in range(3)] == [State.PUBLISHING, State.STAGING, State.PUBLISHING]
    ours = [one for one in passed if isinstance(one, Transfer)]
    assert [book.transfers.last_attempt(one).exclusive for one in ours] == [False, True]
    assert [book.transfers.announced(one) for one in ours] == [True, True]
    sent = book.transfers.sent_many([(ours[0], {"answer": "OK"}), (staging[1], {}), (ours[1], {"answer": "yes"})], NOW)
    assert [type(one) for one in sent] == [Transfer, Stale, Transfer]
    assert [book.ledger.journal.of(f"T{n}")[-1].data.get("answer") for n in (0, 2)] == ["OK", "yes"]
    assert book.ledger.journal.verify().fault is None


def test_a_commit_of_several_is_all_of_them_or_none(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = [book.staging(f"T{number}", f"MSG-{number}") for number in range(2)]
    record, told = moves.record, list[str]()

    def full(connection: Connection, **event: Any) -> None:
        told.append(event["subject"])
        if len(told) == 2:
            raise StoreError("disk full")
        record(connection, **event)

    monkeypatch.setattr(moves, "record", full)
    with pytest.raises(StoreError):
        book.transfers.publishing_many(staging, NOW)
    assert told == ["T0", "T1"]
    assert [book.transfers.get(f"T{number}").state for number in range(2)] == [State.STAGING] * 2
    assert not book.transfers.announced(staging[0])


def test_only_one_attempt_is_in_flight(book: Book, url: str) -> None:
    book.staging("T1", "MSG-1")
    insert = (
        "INSERT INTO attempt (transfer_id, number, started_at, temporary, remote, step) "
        "VALUES ('T1', 2, 'now', 't', 'r', 'stage')"
    )
    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        sql(url, insert)


def test_publishing_is_the_point_of_no_return(book: Book) -> None:
    publishing = book.publishing("T1", "MSG-1")
    assert (publishing.state, publishing.due_at) == (State.PUBLISHING, NOW)
    assert book.attempts("T1")[0]["step"] == "publish"
    assert book.kinds("T1")[-1] == "PUBLISHING"
    for back in (lambda: failed(book, publishing, due_at=LATER), lambda: failed(book, publishing, due_at=None)):
        with pytest.raises(NotAllowed):
            back()
    for trigger in (Trigger.CANCEL, Trigger.RETRY, Trigger.RESEND_REJECTED, Trigger.SEND_AGAIN, Trigger.HOLD):
        with pytest.raises(NotAllowed):
            book.decide("T1", trigger)
    assert book.state("T1") is State.PUBLISHING


def test_a_publishing_transfer_that_is_leased_again_keeps_its_names_and_its_attempt(book: Book) -> None:
    publishing = book.publishing("T1", "MSG-1")
    again = book.lease(publishing, "node/2", EXPIRED)
    assert again is not None
    assert (again.state, again.temporary, again.remote) == (State.PUBLISHING, publishing.temporary, publishing.remote)
    assert len(book.attempts("T1")) == 1


def test_a_sent_transfer_carries_the_evidence(book: Book) -> None:
    sent = book.sent("T1", "MSG-1")
    assert (sent.state, sent.sent_at, sent.owner, sent.due_at) == (State.SENT, NOW, None, None)
    [attempt] = book.attempts("T1")
    assert (attempt["outcome"], attempt["text"], attempt["ended_at"]) == ("DELIVERED", "OK", NOW)
    assert book.ledger.journal.of("T1")[-1].data["answer"] == "OK"


def test_what_cannot_be_known_now_stays_publishing_and_is_looked_at_later(book: Book) -> None:
    later = book.transfers.look_again(book.publishing("T1", "MSG-1"), "no route", LATER, NOW)
    assert (later.state, later.due_at, later.failures, later.owner) == (State.PUBLISHING, LATER, 1, None)
    assert book.transfers.due("acme", NOW) == []
    assert [t.id for t in book.transfers.due("acme", LATER)] == ["T1"]
    assert book.attempts("T1")[0]["ended_at"] is None


def test_an_uncertain_transfer_is_not_touched_on_its_own(book: Book) -> None:
    held = book.uncertain("T1", "MSG-1")
    assert (held.state, held.due_at, held.owner) == (State.UNCERTAIN, None, None)
    assert book.attempts("T1")[0]["outcome"] == "UNKNOWN"
    assert book.transfers.due("acme", NOW + timedelta(days=30)) == []


@pytest.mark.parametrize("trigger", [Trigger.LATE, Trigger.CLASH])
def test_a_staged_file_that_must_not_go_is_held(book: Book, trigger: Trigger) -> None:
    held = book.transfers.stop_staging(book.staging("T1", "MSG-1"), trigger, "why", NOW)
    assert (held.state, held.reason, held.owner) == (State.HELD, "why", None)
    assert book.attempts("T1")[0]["outcome"] == "STOPPED"


def test_a_final_name_that_was_announced_is_never_used_again(book: Book) -> None:
    """Not by the same transfer when it is sent again, and not by another one, not even of the same message id."""
    book.uncertain("T1", "MSG-1")
    ready = book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
    second = book.lease(ready, now=LATER)
    assert second is not None
    assert second.remote == "/in/MSG-1-2.xml"
    assert book.ready("T2", "MSG-1", content="new").state is State.DUPLICATE
    book.decide("T2", Trigger.OVERRIDE)
    third = book.lease(book.decide("T2", Trigger.RELEASE))
    assert third is not None
    assert third.remote == "/in/MSG-1-3.xml"


def test_a_name_planned_by_one_transfer_is_not_free_for_another(book: Book) -> None:
    book.staging("T1", "MSG-1")
    other = book.ready("T2", "MSG-2")
    leased = alone.lease(
        book.transfers,
        other,
        "node/1",
        lambda row, number, taken: plan(_as(row, "MSG-1"), number, taken),
        ROUTE,
        NOW,
        LEASE,
    )
    assert leased is not None
    assert leased.remote == "/in/MSG-1-2.xml"


def _as(row: Transfer, message_id: str) -> Transfer:
    return replace(row, message_id=message_id)


# Waiting.


def test_a_transfer_that_was_changed_in_between_is_neither_held_nor_postponed(book: Book) -> None:
    seen = book.ready("T1", "MSG-1")
    book.decide("T1", Trigger.HOLD)
    with pytest.raises(Stale):
        book.transfers.late(seen, "late", NOW)
    with pytest.raises(Stale):
        book.transfers.postpone(seen, LATER, "later", NOW)


def test_a_postponed_transfer_is_due_at_its_time(book: Book) -> None:
    book.transfers.postpone(book.ready("T1", "MSG-1"), LATER, "the window opens later", NOW)
    assert book.transfers.due("acme", NOW) == []
    assert [t.id for t in book.transfers.due("acme", LATER)] == ["T1"]


def test_due_is_of_one_bank_and_oldest_first(book: Book) -> None:
    book.transfers.postpone(book.ready("T1", "MSG-1"), LATER, "later", NOW)
    book.ready("T2", "MSG-2")
    book.received("T3", bank="other")
    book.judged("T3", "MSG-3")
    assert [t.id for t in book.transfers.due("acme", LATER)] == ["T2", "T1"]


# What people decide.


def test_a_decision_names_who_and_why(book: Book) -> None:
    book.ready("T1", "MSG-1")
    held = book.decide("T1", Trigger.HOLD, who="anna")
    event = book.ledger.journal.of("T1")[-1]
    assert (held.state, held.reason, held.due_at) == (State.HELD, "as agreed", None)
    assert (event.kind, event.actor, event.data["reason"], event.data["from"]) == ("HELD", "anna", "as agreed", "READY")


def test_a_release_says_what_may_happen_after_the_cut_off(book: Book) -> None:
    book.ready("T1", "MSG-1")
    book.decide("T1", Trigger.HOLD)
    said = {"who": "anna", "reason": "call", "now": LATER, "late_allowed": "next"}
    ready = book.ledger.people.decide("T1", Trigger.RELEASE, Actor.OPERATOR, **said)  # type: ignore[arg-type]
    assert (ready.state, ready.late_allowed, ready.due_at) == (State.READY, "next", LATER)


def test_a_duplicate_that_is_none_goes_by_way_of_held(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.ready("T2", "MSG-1")
    with pytest.raises(NotAllowed, match="`h2h release T2`, `h2h cancel T2`"):
        book.decide("T2", Trigger.RELEASE)
    assert book.decide("T2", Trigger.OVERRIDE).state is State.HELD
    assert book.decide("T2", Trigger.RELEASE).state is State.READY


def test_sending_an_uncertain_file_again_takes_the_second_person(book: Book) -> None:
    book.uncertain("T1", "MSG-1")
    with pytest.raises(NotAllowed):
        book.decide("T1", Trigger.SEND_AGAIN, Actor.OPERATOR)
    proposed = book.ledger.people.send_again("T1", who="anna", reason="bank says no", now=NOW)
    assert (proposed.state, proposed.proposed_by) == (State.UNCERTAIN, "anna")
    again = book.decide("T1", Trigger.SEND_AGAIN, Actor.SECOND_PERSON, who="ben")
    assert (again.state, again.proposed_by, again.due_at) == (State.READY, None, LATER)


def test_a_proposal_to_send_again_needs_an_uncertain_file(book: Book) -> None:
    book.sent("T1", "MSG-1")
    with pytest.raises(NotAllowed):
        book.ledger.people.send_again("T1", who="anna", reason="so", now=NOW)


def test_a_file_that_the_bank_has_is_sent_by_a_persons_word(book: Book) -> None:
    book.uncertain("T1", "MSG-1")
    sent = book.decide("T1", Trigger.BANK_HAS_IT)
    assert (sent.state, sent.sent_at) == (State.SENT, LATER)


@pytest.mark.parametrize("status", [None, "ACTC", "ACCP", "PART"])
def test_a_sent_file_is_sent_again_only_when_the_bank_refused_all_of_it(book: Book, status: str | None) -> None:
    book.sent("T1", "MSG-1")
    if status:
        book.report(says("MSG-1", status))
    with pytest.raises(NotAllowed, match="not sent again"):
        book.decide("T1", Trigger.RESEND_REJECTED)
    assert book.state("T1") is State.SENT


def test_a_refused_file_that_is_sent_again_waits_for_a_new_answer(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT"))
    again = book.decide("T1", Trigger.RESEND_REJECTED)
    assert (again.state, again.verdict, again.sent_at) == (State.READY, Verdict.NONE, None)
    assert book.statuses("A") == [None]
    assert len(book.ledger.views.history("T1").reports) == 1


def test_a_refused_file_of_which_the_bank_also_said_otherwise_is_not_sent_again(book: Book) -> None:
    book.sent("T1", "MSG-1", pay("A"))
    book.report(says("MSG-1", "RJCT"))
    assert book.codes(says("MSG-1", "ACSC")) == ["REPORT_CONFLICT"]
    assert book.verdict("T1") == "REJECTED"
    with pytest.raises(NotAllowed, match="contradict"):
        book.decide("T1", Trigger.RESEND_REJECTED)


# Journal.


def test_every_change_of_state_is_an_event_in_the_same_commit(book: Book) -> None:
    book.sent("T1", "MSG-1")
    assert book.kinds("T1") == ["RECEIVED", "READY", "STAGING", "PUBLISHING", "SENT"]
    before = book.transfers.get("T1")
    with pytest.raises(NotAllowed):
        book.decide("T1", Trigger.HOLD)
    assert book.transfers.get("T1") == before
    assert len(book.kinds("T1")) == 5


def test_the_chain_of_an_untouched_journal_is_whole(book: Book) -> None:
    book.sent("T1", "MSG-1")
    book.ledger.journal.note(at=NOW, subject="gateway", kind="note", actor="ärger", data={"ü": "€", "n": None})
    chain = book.ledger.journal.verify()
    assert (chain.events, chain.fault) == (6, None)
    assert chain.head == sql(book_url(book), "SELECT hash FROM event ORDER BY seq DESC LIMIT 1")[0][0]


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'x'", "DELETE FROM event WHERE seq = 2"])
def test_the_database_refuses_to_change_or_delete_an_event(book: Book, url: str, statement: str) -> None:
    book.sent("T1", "MSG-1")
    with pytest.raises(DBAPIError, match="never changed"):
        sql(url, statement)
    assert book.ledger.journal.verify().fault is None


SWAP = (
    "UPDATE event SET seq = -2 WHERE seq = 2",
    "UPDATE event SET seq = 2 WHERE seq = 3",
    "UPDATE event SET seq = 3 WHERE seq = -2",
)


INSERT = (  # a forged event with a good hash of nothing in particular
    "INSERT INTO event (seq, at, subject, kind, actor, data, previous, hash)"
    " SELECT 6, at, subject, 'forged', actor, data, previous, 'x' FROM event WHERE seq = 2"
)
MAKE_ROOM = "UPDATE event SET seq = -seq - 1 WHERE seq >= 3"
MOVE_BACK = "UPDATE event SET seq = -seq WHERE seq < 0"


@pytest.mark.parametrize(
    ("edits", "fault"),
    [
        (["UPDATE event SET actor = 'nobody' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET data = '{}' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET subject = 'T2' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET at = '2026-11-20T09:00:01.000000Z' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET at = '2026-11-20T09:00:00.0Z' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET at = 'yesterday' WHERE seq = 3"], "event 3 was edited"),
        (["UPDATE event SET hash = 'x' WHERE seq = 3"], "event 3 was edited"),
        (["DELETE FROM event WHERE seq = 3"], "event 3 is missing; the next one there is 4"),
        (["DELETE FROM event WHERE seq = 1"], "event 1 is missing; the next one there is 2"),
        (
            ["DELETE FROM event WHERE seq = 3", "UPDATE event SET seq = seq - 1 WHERE seq > 3"],
            "event 3 does not follow",
        ),
        (SWAP, "event 2 does not follow"),
        ([INSERT], "event 6 does not follow"),
        ([MAKE_ROOM, MOVE_BACK, INSERT.replace("SELECT 6", "SELECT 3")], "event 3 does not follow"),
    ],
)
def test_verify_finds_what_was_done_behind_the_databases_back(
    book: Book, url: str, edits: list[str], fault: str
) -> None:
    book.sent("T1", "MSG-1")
    sql(url, *drop_triggers(url), *edits)
    chain = book.ledger.journal.verify()
    assert chain.fault is not None
    assert chain.fault.startswith(fault)


def test_verify_finds_a_tail_that_was_cut_off_by_a_head_noted_before(book: Book, url: str) -> None:
    book.sent("T1", "MSG-1")
    noted = book.ledger.journal.head(NOW)
    assert noted is not None
    sql(url, *drop_triggers(url), "DELETE FROM event WHERE seq = 5")
    assert book.ledger.journal.verify().fault is None
    assert "cut off: event 5" in str(book.ledger.journal.verify([noted]).fault)


def test_verify_finds_a_chain_that_was_rebuilt_by_a_head_noted_before(book: Book, url: str) -> None:
    book.sent("T1", "MSG-1")
    noted = book.ledger.journal.head(NOW)
    assert noted is not None
    sql(url, *drop_triggers(url), "DELETE FROM event")
    book.sent("T2", "MSG-2")
    assert book.ledger.journal.verify().fault is None
    assert "rebuilt" in str(book.ledger.journal.verify([noted]).fault)


def test_what_a_person_accepted_as_lost_is_told_and_is_no_fault(book: Book, url: str) -> None:
    """Heads noted of the lost part are explained by it, and those of any other time are not."""
    book.sent("T1", "MSG-1")
    copy_ends = book.ledger.journal.head(NOW)
    book.sent("T2", "MSG-2")
    lost = book.ledger.journal.head(NOW)
    assert copy_ends
    assert lost
    sql(url, *drop_triggers(url), f"DELETE FROM event WHERE seq > {copy_ends.seq}")
    book.ledger.restored.begin(["a sign"], LATER)
    assert "rebuilt" in str(book.ledger.journal.verify([copy_ends, lost]).fault) or "cut off" in str(
        book.ledger.journal.verify([copy_ends, lost]).fault
    )
    book.ledger.restored.stock_taken([], LATER)
    book.ledger.restored.accept(who="ann", reason="compared", now=LATER)
    chain = book.ledger.journal.verify([copy_ends, lost])
    assert (chain.fault, len(chain.restored)) == (None, 1)
    assert "event 5; accepted by ann" in chain.restored[0]
    assert book.ledger.journal.verify([replace(lost, at=LATER + LEASE)]).fault
    assert book.ledger.journal.verify([replace(copy_ends, hash="x")]).fault


def test_verify_is_content_with_the_heads_of_its_own_past(book: Book) -> None:
    heads = []
    for number in (1, 2):
        book.sent(f"T{number}", f"MSG-{number}")
        heads.append(book.ledger.journal.head(NOW))
    assert book.ledger.journal.verify([h for h in heads if h]).fault is None


def test_verify_reads_on_past_one_page(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.ledger.journal.PAGE", 2)
    book.sent("T1", "MSG-1")
    assert book.ledger.journal.verify().events == 5


def test_events_written_at_the_same_moment_make_one_chain(book: Book) -> None:
    def note(name: str) -> Callable[[], None]:
        def write() -> None:
            for n in range(5):
                book.ledger.journal.note(at=NOW, subject=name, kind=f"k{n}", actor="a", data={})

        return write

    at_once(*(note(f"s{n}") for n in range(4)))
    chain = book.ledger.journal.verify()
    assert (chain.events, chain.fault) == (20, None)


# Contacts and slots.


def test_a_slot_is_taken_once_whoever_fires(book: Book) -> None:
    slots = book.ledger.slots
    first, second = at_once(*(lambda: slots.take("pull acme", "2026-11-20T09:00", NOW) for _ in range(2)))
    assert sorted([first, second]) == [False, True]
    assert slots.take("pull acme", "2026-11-20T09:10", NOW)
    assert slots.take("pull other", "2026-11-20T09:00", NOW)


def test_old_slots_are_forgotten_and_recent_ones_are_not(book: Book, url: str) -> None:
    slots = book.ledger.slots
    slots.take("pull", "old", NOW)
    slots.take("pull", "recent", NOW + timedelta(days=5))
    slots.take("pull", "new", NOW + timedelta(days=9))
    assert sorted(sql(url, "SELECT slot FROM slot")) == [("new",), ("recent",)]


def test_a_bank_that_fails_is_left_alone_until_it_answers(book: Book) -> None:
    contacts = book.ledger.contacts
    contacts.failed("acme", "NotDelivered", "no route", LATER, NOW)
    contacts.failed("acme", "NotDelivered", "no route", LATER, NOW)
    assert (contacts.failures("acme"), contacts.suspended_until("acme")) == (2, LATER)
    assert contacts.suspended_until("other") is None
    contacts.good("acme", LATER)
    contacts.good("acme", LATER)
    assert (contacts.failures("acme"), contacts.suspended_until("acme")) == (0, None)
    assert book.kinds("bank acme") == ["bank unreachable", "bank reached"]


# The database itself.


def test_a_new_ledger_is_what_the_migrations_make(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, columns, keys, indexes and guards; all that the code has, and nothing else."""

    def found() -> dict[str, Any]:
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            return schema(connection)

    Ledger(url, Path("/nowhere")).close()
    at_once = found()
    emptied(url)
    assert found_tables(url) == []
    monkeypatch.setattr(Database, "_revision", lambda *_: "0000")
    Ledger(url, Path("/nowhere")).close()
    migrated = found()
    assert migrated == at_once
    assert len(at_once) > 20


def test_a_ledger_of_a_newer_version_is_refused_in_a_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(url, Path("/nowhere")).close()
    monkeypatch.setattr(Database, "_revision", lambda *_: "9999")
    with pytest.raises(StoreError, match="by a newer h2h \\(its tables are of 9999"):
        Ledger(url, Path("/nowhere"))


def schema(connection: Connection) -> dict[str, Any]:
    """Each table as the database tells of it, in no order; but for defaults, which migrations needed for old rows."""
    seen = inspect(connection)

    def told(many: Any) -> list[str]:
        return sorted(repr(sorted((key, repr(value)) for key, value in one.items())) for one in many)

    tables = {
        name: (
            told({**each, "type": str(each["type"]), "default": None} for each in seen.get_columns(name)),
            told([seen.get_pk_constraint(name)]),
            told(seen.get_foreign_keys(name)),
            told(seen.get_unique_constraints(name)),
            told(seen.get_check_constraints(name)),
            told(
                {**index, "dialect_options": {k: str(v) for k, v in index.get("dialect_options", {}).items()}}
                for index in seen.get_indexes(name)
            ),
        )
        for name in seen.get_table_names()
    }
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
    else:
        query = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
    guards = [tuple(row) for row in connection.exec_driver_sql(query)]
    assert guards
    return {**tables, "guards": guards, "version": connection.exec_driver_sql("SELECT * FROM alembic_version").scalar()}


def found_tables(url: str) -> list[str]:
    return inspect(create_engine(url, poolclass=NullPool)).get_table_names()


def emptied(url: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        everything = MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP FUNCTION event_is_final CASCADE")


def test_a_second_start_finds_everything_as_it_was(book: Book, url: str) -> None:
    sent = book.sent("T1", "MSG-1")
    other = Ledger(url, Path("/nowhere"))
    assert other.transfers.get("T1") == sent
    other.close()


def test_sqlite_is_used_at_full_durability(sqlite_template: Path, tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{sqlite_template}", tmp_path)
    with ledger._database.reading() as connection:
        asked = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")}
    ledger.close()
    assert asked == {"synchronous": 2, "journal_mode": "wal"}


def test_a_database_that_cannot_be_reached_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="The ledger cannot do its work"):
        Ledger("sqlite:////nowhere/at/all/h2h.db", tmp_path)


def test_whoever_only_reads_waits_for_no_writer_not_even_to_open_the_ledger(
    book: Book, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.ready("T1", "MSG-1")
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with book.ledger._database.transaction():
        reader = Ledger(url, Path("/nowhere"))
        assert reader.transfers.get("T1").state is State.READY
        reader.close()


def test_a_verb_that_fails_leaves_no_trace(book: Book) -> None:
    """The names cannot be made: neither attempt nor event nor lease stays behind."""
    ready = book.ready("T1", "MSG-1")

    def broken(row: Transfer, number: int, taken: object) -> tuple[str, str]:
        raise ValueError("template")

    with pytest.raises(ValueError, match="template"):
        alone.lease(book.transfers, ready, "node/1", broken, ROUTE, NOW, LEASE)
    assert book.transfers.get("T1") == ready
    assert book.attempts("T1") == []
    assert book.kinds("T1") == ["RECEIVED", "READY"]


def test_a_judgement_that_comes_twice_is_refused(book: Book) -> None:
    book.ready("T1", "MSG-1")
    with pytest.raises((NotAllowed, StoreError)):
        alone.judged(book.transfers, TransferId("T1"), judgement("MSG-1", pay("A")), NOW)
    assert book.state("T1") is State.READY


def sql(url: str, *statements: str) -> list[Any]:
    """Run statements beside the ledger; the rows of the last one."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []


def book_url(book: Book) -> str:
    return book.ledger._database.engine.url.render_as_string(hide_password=False)


def drop_triggers(url: str) -> list[str]:
    if url.startswith("sqlite"):
        return ["DROP TRIGGER event_no_update", "DROP TRIGGER event_no_delete"]
    return ["ALTER TABLE event DISABLE TRIGGER event_is_final"]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """The results of acts that start together, each in a thread of its own."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        barrier.wait(10)
        try:
            results[place] = act()
        except Exception as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
