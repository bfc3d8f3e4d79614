"""Where money could be paid twice: what the bank says, late, twice or in doubt, against what people may do then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from h2h.errors import NotAllowed
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.sandbox.server import BankServer
from h2h.verdicts import Verdict

from .test_bad_world import FILE, SILENT, at_the_bank, cutting, failing, failure, pull
from .world import MovableClock, World, answer, only, opened, put, send, settled, transfers, world

WHO = {"who": "ann", "reason": "the treasurer asked for it"}


@contextmanager
def started(erp: World) -> Iterator[Gateway]:
    """A gateway that has just handed the file over, or tried to."""
    erp.write_settings()
    erp.drop_file(FILE)
    with opened(erp) as gateway:
        send(gateway)
        yield gateway


def says(bank: BankServer, gateway: Gateway, status: str, number: int, **reason: str) -> Transfer:
    """The bank answers the file; the transfer after that."""
    put(bank.folders.outbox, f"{number}.xml", answer("MSG-1", status, paper_id=f"STS-{number}", **reason))
    pull(gateway)
    return only(transfers(gateway))


def test_a_file_that_the_bank_refused_as_a_whole_may_be_sent_again_under_another_name(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), started(erp) as gateway:
        assert says(bank, gateway, "RJCT", 1, reason="AM04").verdict is Verdict.REJECTED
        gateway.decisions.resend(only(transfers(gateway)).id, **WHO)
        assert only(send(gateway)).verdict is Verdict.NONE
        assert [t.name for t in bank.taken] == ["MSG-1.xml", "MSG-1-2.xml"]
        assert [t.data for t in bank.taken] == [FILE, FILE]


@pytest.mark.parametrize("status", ["RCVD", "ACTC", "ACCP", "ACSC", "PDNG"])
def test_a_file_that_the_bank_has_and_did_not_refuse_is_never_sent_again(tmp_path: Path, status: str) -> None:
    with world(tmp_path, SILENT) as (erp, bank), started(erp) as gateway:
        sent = says(bank, gateway, status, 1)
        with pytest.raises(NotAllowed, match="the bank has it"):
            gateway.decisions.resend(sent.id, **WHO)
        assert [t.state for t in send(gateway)] == [State.SENT]
        assert len(bank.taken) == 1


def test_a_late_repetition_of_the_first_refusal_does_not_open_the_way_for_a_third_copy(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), started(erp) as gateway:
        says(bank, gateway, "RJCT", 1, reason="AM04")
        gateway.decisions.resend(only(transfers(gateway)).id, **WHO)
        send(gateway)
        says(bank, gateway, "RJCT", 2, reason="AM04")  # the same refusal, said by another of the bank's systems
        accepted = says(bank, gateway, "ACSC", 3)  # the second copy is paid
        with pytest.raises(NotAllowed):
            gateway.decisions.resend(accepted.id, **WHO)


def test_a_refusal_as_a_duplicate_after_sending_again_means_that_the_bank_has_the_first_copy(tmp_path: Path) -> None:
    facts = {"atomic_rename": "true", "staging_is_ours": "false"}
    with world(tmp_path, SILENT, server_class=cutting("posix_rename"), facts=facts) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            for person in ("ann", "bob"):
                gateway.decisions.send_again(doubtful.id, who=person, reason="the bank says that it has nothing")
            settled(gateway)
            says(bank, gateway, "RJCT", 1, reason="DU01", text="Received before")
            with pytest.raises(NotAllowed):
                gateway.decisions.resend(doubtful.id, **WHO)


def test_a_file_that_the_bank_answers_although_it_was_never_published_is_not_sent_on_top(tmp_path: Path) -> None:
    """A bank that takes a temporary file for a final one has it, whatever the profile says of temporary names."""
    interrupted = failing("fsync", error=failure, times=1)
    slow = {"first": '"1h"', "most": '"1h"'}
    with world(tmp_path, SILENT, server_class=interrupted, retry=slow) as (erp, bank), started(erp) as gateway:
        waiting = only(transfers(gateway))
        assert (waiting.state, bank.taken) == (State.READY, [])
        named = says(bank, gateway, "ACCP", 1)
        assert named.state is not State.READY


def test_a_given_up_file_that_the_bank_answers_is_not_sent_again_on_one_persons_word(tmp_path: Path) -> None:
    given_up = failing("fsync", error=failure, times=1)
    once = {"give_up_after": "1"}
    with world(tmp_path, SILENT, server_class=given_up, retry=once) as (erp, bank), started(erp) as gateway:
        failed = only(transfers(gateway))
        assert (failed.state, bank.taken) == (State.FAILED, [])
        says(bank, gateway, "ACCP", 1)
        with pytest.raises(NotAllowed):
            gateway.decisions.resend(failed.id, **WHO)


def test_an_uncertain_file_needs_two_persons_and_is_sent_again_with_the_same_message_id(tmp_path: Path) -> None:
    facts = {"atomic_rename": "false", "staging_is_ours": "true"}
    silent_rename = failing("posix_rename", "rename", error=failure, times=1)
    with world(tmp_path, SILENT, server_class=silent_rename, facts=facts) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            doubtful = settled(gateway, wanted=State.UNCERTAIN)
            proposed = gateway.decisions.send_again(doubtful.id, who="ann", reason="the bank has nothing")
            assert proposed.state is State.UNCERTAIN
            with pytest.raises(NotAllowed, match="somebody else"):
                gateway.decisions.send_again(doubtful.id, who="ann", reason="really")
            assert only(send(gateway)).state is State.UNCERTAIN
            gateway.decisions.send_again(doubtful.id, who="bob", reason="asked again: nothing")
            settled(gateway)
        assert [(t.name, t.data) for t in bank.taken] == [("MSG-1-2.xml", FILE)]
        assert at_the_bank(bank) == []  # the temporary file of the first try is gone, too


def test_no_decision_can_be_made_twice_or_on_what_is_at_work(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), started(erp) as gateway:
        sent = only(transfers(gateway))
        for decide in (gateway.decisions.hold, gateway.decisions.cancel, gateway.decisions.bank_has_it):
            with pytest.raises(NotAllowed):
                decide(sent.id, **WHO)
        with pytest.raises(NotAllowed):
            gateway.decisions.release(sent.id, now=True, **WHO)
        assert len(bank.taken) == 1


def test_what_the_bank_answered_while_it_waited_takes_two_persons_to_release(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            gateway.desks["box"].take_in()
            held = says(bank, gateway, "ACCP", 1)
            assert held.state is State.HELD
            assert gateway.decisions.release(held.id, who="ann", reason="no", now=True).state is State.HELD
            with pytest.raises(NotAllowed, match="somebody else"):
                gateway.decisions.release(held.id, who="ann", reason="no", now=True)
            assert gateway.decisions.release(held.id, who="bob", reason="no", now=True).state is State.READY


def test_a_file_that_a_person_brought_to_the_bank_is_never_handed_over_by_the_gateway(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            gateway.desks["box"].take_in()
            waiting = only(transfers(gateway))
            gateway.decisions.sent_by_hand(waiting.id, how="portal", **WHO)
            assert [t.state for t in send(gateway)] == [State.SENT]
            assert bank.taken == []
            assert says(bank, gateway, "ACSC", 1).verdict is Verdict.ACCEPTED
            with pytest.raises(NotAllowed):
                gateway.decisions.resend(waiting.id, **WHO)


def test_a_refusal_by_telephone_lets_a_second_person_send_again_until_the_bank_says_otherwise(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank), started(erp) as gateway:
        sent = only(transfers(gateway))
        gateway.decisions.confirm(sent.id, Verdict.REJECTED, how="telephone", **WHO)
        with pytest.raises(NotAllowed, match="Somebody else"):
            gateway.decisions.resend(sent.id, **WHO)
        assert says(bank, gateway, "ACSP", 1).verdict is Verdict.ACCEPTED
        with pytest.raises(NotAllowed):
            gateway.decisions.resend(sent.id, who="bob", reason="asked again")
        assert len(bank.taken) == 1


def test_a_file_that_waits_for_its_window_is_released_to_go_at_once(tmp_path: Path) -> None:
    closed = {"opens": '"08:00"', "cut_off": '"15:30"', "after_cut_off": '"next-window"'}
    with world(tmp_path, SILENT, outbound=closed) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp, MovableClock("2026-11-20T22:00:00+01:00")) as gateway:
            waiting = only(send(gateway))
            assert (waiting.state, bank.taken) == (State.READY, [])
            with pytest.raises(NotAllowed, match="goes by itself, at 2026-11-23 07:00 UTC"):
                gateway.decisions.release(waiting.id, now=False, **WHO)
            gateway.decisions.release(waiting.id, now=True, **WHO)
            assert only(send(gateway)).state is State.SENT
        assert len(bank.taken) == 1
