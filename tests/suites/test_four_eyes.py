"""Four eyes in the ledger: which files are held, who may let them go, and that nothing goes without them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h2h.approval import Rule, Sight
from h2h.errors import NotAllowed, Stale
from h2h.ledger import Ledger
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.lifecycle import State, Trigger
from h2h.model import Judgement, TransferId
from h2h.verdicts import Verdict
from tests import alone
from tests.changing import replace
from tests.suites.books import LATER, NOW, RADAR, Book, Pay, judgement, pay, says
from tests.suites.plans import noted, whole_tables

ALWAYS, TWO = Rule(), Rule(people=2)
KNOWN, NEW, NEWER = "DE89370400440532013000", "FR1420041010050500013M02606", "GB33BUKB20201555555555"
YEAR = timedelta(days=365)


def dropped(book: Book, name: str, *rules: Rule, by: str = "erp", pays: Sequence[Pay] = (), **more: Any) -> Transfer:
    """Judged by these rules; the file's owner is its maker."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    file = Received(id=TransferId(name), bank="acme", watch="/out", name="run.xml", sha256=sha256, size=1, makers=[by])
    alone.received(book.transfers, file, NOW)
    return judged(book, name, judgement(f"MSG-{name}", *(pays or [pay(f"E-{name}", to=KNOWN)])), *rules, **more)


def judged(book: Book, name: str, said: Judgement, *rules: Rule, at: Any = NOW) -> Transfer:
    file = Judged(id=TransferId(name), judgement=said, approvals=rules)
    [row] = book.transfers.judged_many([file], at, same_payments_within=RADAR)
    return row


def release(book: Book, name: str, who: str, *, at_once: bool = False, rehearsed: bool = False) -> Transfer:
    people = book.ledger.rehearsal if rehearsed else book.ledger.people
    return people.release(name, who=who, reason="as agreed", now=LATER, at_once=at_once, sight=seen(book, name))


def seen(book: Book, name: str) -> Sight:
    """As if somebody had looked at its bytes."""
    row = book.transfers.get(name)
    return Sight(
        sha256=row.sha256, size=row.size, payments=row.payments or 0, batches=1, totals={"EUR": Decimal("10.00")},
        debtors=[], execution_dates=[], largest=[], new_accounts=0, some_new_accounts=[],
    )  # fmt: skip


def resend(book: Book, name: str, who: str) -> Transfer:
    return book.ledger.people.resend(name, who=who, reason="mended", now=LATER, sight=seen(book, name))


def hand_over(book: Book, row: Transfer) -> Transfer:
    leased = book.lease(row)
    assert leased is not None
    return book.transfers.sent(alone.publishing(book.transfers, leased, NOW), {"answer": "OK"}, NOW)


def texts(book: Book, name: str) -> list[str]:
    return [f.text for f in book.ledger.views.history(name).findings if f.code == "APPROVAL_NEEDED"]


# Which files.


@pytest.mark.parametrize(
    ("rule", "amounts", "held"),
    [
        (Rule(above=Decimal("50.00")), ["25.00", "25.00"], False),
        (Rule(above=Decimal("50.00")), ["25.00", "25.01"], True),
        (Rule(above=Decimal("50.00"), currency="EUR"), ["50.01"], True),
        (Rule(above=Decimal("50.00"), currency="USD"), ["50.01"], False),
        (Rule(payment_above=Decimal("30")), ["30.00", "30.00"], False),
        (Rule(payment_above=Decimal("30")), ["1.00", "30.01"], True),
        (Rule(above=Decimal("50.00"), payment_above=Decimal("30")), ["20.00", "30.01"], True),
        (Rule(above=Decimal("50.00"), payment_above=Decimal("30")), ["1.00", "30.01"], False),
        (ALWAYS, ["0.01"], True),
    ],
)
def test_amounts_decide_which_files_wait(book: Book, rule: Rule, amounts: list[str], held: bool) -> None:
    row = dropped(book, "T1", rule, pays=[pay(f"E{n}", amount) for n, amount in enumerate(amounts)])
    assert row.state is (State.HELD if held else State.READY)
    assert bool(row.approvals) is held
    assert ("APPROVAL_NEEDED" in str(row.reason)) is held


def test_the_finding_says_rule_amounts_accounts_and_who(book: Book) -> None:
    rules = (
        Rule(above=Decimal("50.00"), people=2),
        Rule(payment_above=Decimal("10"), new_creditors=YEAR, who=("anna", "ben")),
    )
    dropped(book, "T1", *rules, pays=[pay("A", "49.00", to=NEW), pay("B", "2.00", to=KNOWN), pay("C", "1.00", to=NEW)])
    unpaid = "2 accounts that nothing sent to this bank in 365 days has paid"
    amounts, accounts = texts(book, "T1")
    assert amounts == "Its payments come to 52.00 EUR, above 50.00. Two people who did not make it have to release it."
    assert accounts == (
        f"Payment 1 is of 49.00 EUR, above 10; it pays {unpaid}: {NEW}, {KNOWN}. "
        "One person (anna, ben) who did not make it has to release it."
    )


def test_an_account_is_known_once_a_file_that_pays_it_was_sent_to_this_bank(book: Book) -> None:
    rule = Rule(new_creditors=YEAR)
    for name, paid, at, held in (
        ("T1", KNOWN, NOW, True),
        ("T2", KNOWN, NOW, True),  # T1 still waits
        ("T3", KNOWN, NOW, False),
        ("T4", NEW, NOW, True),
        ("T5", KNOWN, NOW + YEAR + timedelta(seconds=1), True),
    ):
        if name == "T3":
            hand_over(book, release(book, "T1", "anna"))
        row = dropped(book, name, rule, pays=[pay(name, f"{name[1]}.00", to=paid)], at=at)
        assert (name, row.state) == (name, State.HELD if held else State.READY)


def test_what_another_bank_was_sent_or_this_one_refused_makes_no_account_known(book: Book) -> None:
    rule = Rule(new_creditors=YEAR)
    other = Book(book.ledger, bank="other")
    other.sent("X", "MSG-X", pay("X", to=KNOWN))
    book.sent("Y", "MSG-Y", pay("Y", to=NEW))
    book.report(says("MSG-Y", "RJCT", reason="AC04"))
    dropped(book, "T1", rule, pays=[pay("A", "11.00", to=KNOWN)])
    dropped(book, "T2", rule, pays=[pay("B", "12.00", to=NEW)])
    assert [len(texts(book, name)) for name in ("T1", "T2")] == [1, 1]


def test_a_payment_without_an_account_is_one_to_a_new_account(book: Book) -> None:
    book.sent("Y", "MSG-Y", pay("Y", to=KNOWN))
    row = dropped(book, "T1", Rule(new_creditors=YEAR), pays=[pay("A", to=KNOWN), pay("B", to=None)])
    assert row.state is State.HELD
    assert texts(book, "T1")[0].startswith("One of its payments names no account of the creditor.")


def test_an_account_that_is_no_iban_is_counted_and_not_named(book: Book) -> None:
    """The reason goes to alerts and webhooks, where IBANs alone can be told from other numbers."""
    dropped(book, "T1", Rule(new_creditors=YEAR), pays=[pay("A", to="4711-0815"), pay("B", to=NEW)])
    assert f"It pays 2 accounts that nothing sent to this bank in 365 days has paid: {NEW}, …." in texts(book, "T1")[0]
    dropped(book, "T2", Rule(new_creditors=YEAR), pays=[pay("C", "11.00", to="4711-0815")])
    assert "4711" not in texts(book, "T2")[0]


def test_new_accounts_are_looked_up_by_index(book: Book) -> None:
    book.sent("Y", "MSG-Y", pay("Y", to=KNOWN))
    with noted(book.ledger._database.engine) as asked:
        dropped(book, "T1", Rule(new_creditors=YEAR), pays=[pay(f"E{n}", to=KNOWN) for n in range(3)])
    assert whole_tables(book.ledger._database.engine, asked) == []


def test_a_bad_file_and_a_duplicate_are_refused_as_ever(book: Book) -> None:
    book.received("T1")
    assert judged(book, "T1", judgement("MSG-1", pay("A"), wrong="AMOUNT_ZERO"), ALWAYS).state is State.INVALID
    dropped(book, "T2", ALWAYS, pays=[pay("A", to=KNOWN)])
    assert dropped(book, "T3", ALWAYS, pays=[pay("A", to=KNOWN)]).state is State.DUPLICATE
    assert texts(book, "T3") == []


def test_a_folder_without_rules_is_as_it_was(book: Book) -> None:
    row = dropped(book, "T1")
    assert (row.state, row.approvals) == (State.READY, None)
    book.decide("T1", Trigger.HOLD)
    assert release(book, "T1", "anna").state is State.READY


# Who.


def test_whoever_dropped_it_does_not_approve_it(book: Book) -> None:
    dropped(book, "T1", ALWAYS, by="anna")
    with pytest.raises(NotAllowed, match="you had a hand in it"):
        release(book, "T1", "anna", at_once=True)
    assert release(book, "T1", "ben").state is State.READY


def test_two_approvers_are_two_people(book: Book) -> None:
    row = dropped(book, "T1", TWO)
    first = release(book, "T1", "anna")
    assert (first.state, first.approved_by) == (State.HELD, ["anna"])
    with pytest.raises(NotAllowed, match="you approved it already"):
        release(book, "T1", "anna")
    assert book.lease(row) is None
    assert release(book, "T1", "ben").state is State.READY
    event = book.ledger.journal.of("T1")[-1]
    assert (event.kind, event.actor, event.data["sha256"]) == ("READY", "ben", row.sha256)
    assert (event.data["approved_by"], event.data["seen"]["totals"]) == (["anna", "ben"], {"EUR": "10.00"})
    assert event.data["rules"] == ["Every file of this folder has to be approved"]


def test_only_who_is_named_may_and_each_row_wants_its_own(book: Book) -> None:
    dropped(book, "T1", Rule(who=("anna",)), Rule(people=2, who=("anna", "ben", "cid")))
    with pytest.raises(NotAllowed, match="you are not named"):
        release(book, "T1", "eve")
    assert release(book, "T1", "ben").state is State.HELD
    with pytest.raises(NotAllowed, match="you approved it already"):
        release(book, "T1", "ben")
    assert release(book, "T1", "cid").state is State.HELD
    assert release(book, "T1", "anna").state is State.READY


def test_a_person_whose_row_is_content_is_not_asked_any_more(book: Book) -> None:
    dropped(book, "T1", Rule(who=("anna",)), Rule(who=("ben", "cid")))
    release(book, "T1", "ben")
    with pytest.raises(NotAllowed, match="you are not named"):
        release(book, "T1", "cid")


def test_a_rehearsal_approves_nothing(book: Book) -> None:
    dropped(book, "T1", ALWAYS)
    assert release(book, "T1", "anna", rehearsed=True).state is State.READY
    assert book.transfers.get("T1").approved_by == []
    dropped(book, "T2", TWO, pays=[pay("B", to=NEW)])
    assert release(book, "T2", "anna", rehearsed=True).approved_by == ["anna"]
    assert book.kinds("T2") == ["RECEIVED", "HELD"]


def test_who_let_a_duplicate_go_on_or_held_a_file_does_not_approve_it(book: Book) -> None:
    dropped(book, "T1", ALWAYS)
    dropped(book, "T2", ALWAYS, pays=[pay("E-T1", to=KNOWN)])
    assert release(book, "T2", "anna").state is State.HELD
    with pytest.raises(NotAllowed):
        release(book, "T2", "anna")
    assert release(book, "T2", "ben").state is State.READY
    book.decide("T2", Trigger.HOLD, who="cid")
    for who in ("anna", "cid", "erp"):
        with pytest.raises(NotAllowed):
            release(book, "T2", who)
    assert release(book, "T2", "ben").state is State.READY


def test_a_hold_makes_approvals_void_and_lateness_does_not(book: Book) -> None:
    dropped(book, "T1", TWO)
    release(book, "T1", "anna")
    row = release(book, "T1", "ben")
    late = book.transfers.late(row, "the window is closed", NOW)
    assert release(book, "T1", "dan").state is State.READY
    book.decide("T1", Trigger.HOLD, who="cid")
    assert book.transfers.get("T1").approved_by == []
    assert late.approved_by == ["anna", "ben"]
    assert release(book, "T1", "ben").state is State.HELD


def test_approvals_are_of_these_bytes(book: Book) -> None:
    """Whatever would ever change a row's bytes: nothing goes that was approved as something else."""
    dropped(book, "T1", ALWAYS)
    row = release(book, "T1", "anna")
    with book.ledger._database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE transfer SET sha256 = '{'f' * 64}' WHERE id = 'T1'")
    assert book.lease(replace(row, sha256="f" * 64)) is None
    after = book.transfers.get("T1")
    assert (after.state, after.lacking) == (State.HELD, after.approvals)
    assert str(after.reason).startswith("not approved: One person")
    assert release(book, "T1", "anna").state is State.READY


@pytest.mark.parametrize("other", [None, "e" * 64])
def test_nobody_approves_what_he_did_not_see(book: Book, other: str | None) -> None:
    dropped(book, "T1", ALWAYS)
    sight = replace(seen(book, "T1"), sha256=other) if other else None
    with pytest.raises(NotAllowed, match="not the bytes that you were shown"):
        book.ledger.people.release("T1", who="anna", reason="so", now=LATER, at_once=False, sight=sight)
    assert book.state("T1") is State.HELD


def test_a_repair_is_made_by_who_repaired_and_who_dropped(book: Book) -> None:
    row = dropped(book, "T1", pays=[pay("A", to=KNOWN), pay("B", to=NEW)])
    hand_over(book, row)
    book.report(says("MSG-T1", "RJCT", reason="AC04"))
    plan = book.ledger.repairs.plan("T1")
    new = Received(id=TransferId("T2"), bank="acme", watch="/out", name="x", sha256="e" * 64, size=1, repair_of=row.id)
    said = judgement(plan.message_id, pay("A", to=KNOWN), pay("B", to=NEW))
    made = book.ledger.repairs.enter(
        plan, new, Judged(id=new.id, judgement=said, approvals=[ALWAYS]), {},
        who="anna", reason="mended", now=LATER, same_payments_within=RADAR,
    )  # fmt: skip
    assert (made.state, made.makers) == (State.HELD, ["erp", "anna"])
    with pytest.raises(NotAllowed):
        release(book, "T2", "anna")
    assert release(book, "T2", "ben").state is State.READY


# Once more.


def failed(book: Book, name: str, *rules: Rule) -> None:
    leased = book.lease(dropped(book, name, *rules))
    assert leased
    text = {"step": "stage", "outcome": "REFUSED", "text": "no"}
    book.transfers.not_delivered(leased, failures=9, due_at=None, now=NOW, **text)


RARELY = Rule(above=Decimal("1000000"))


def test_a_resend_takes_two_where_the_folder_has_rules(book: Book) -> None:
    failed(book, "T1", RARELY)
    first = resend(book, "T1", "anna")
    assert (first.state, first.proposed_by) == (State.FAILED, "anna")
    for who in ("anna", "erp"):
        with pytest.raises(NotAllowed, match="you had a hand in it"):
            resend(book, "T1", who)
    assert resend(book, "T1", "ben").state is State.READY
    assert book.lease(book.transfers.get("T1"))


def test_a_resend_of_one_that_takes_two_is_asked_by_a_third(book: Book) -> None:
    dropped(book, "T1", TWO)
    for who in ("anna", "ben"):
        release(book, "T1", who)
    hand_over(book, book.transfers.get("T1"))
    book.report(says("MSG-T1", "RJCT", reason="AC04"))
    resend(book, "T1", "cid")
    assert resend(book, "T1", "anna").state is State.SENT
    assert resend(book, "T1", "ben").state is State.READY


def test_what_was_refused_by_telephone_is_sent_again_by_two_others(book: Book) -> None:
    hand_over(book, dropped(book, "T1", RARELY))
    book.ledger.people.confirmed("T1", Verdict.REJECTED, who="dan", how="telephone", reason="said so", now=LATER)
    resend(book, "T1", "anna")
    with pytest.raises(NotAllowed, match="noted by hand"):
        resend(book, "T1", "dan")
    assert resend(book, "T1", "ben").state is State.READY


def test_an_uncertain_file_is_sent_again_by_as_many_as_the_rules_want(book: Book) -> None:
    dropped(book, "T1", TWO)
    release(book, "T1", "anna")
    leased = book.lease(release(book, "T1", "ben"))
    assert leased
    book.transfers.in_doubt(alone.publishing(book.transfers, leased, NOW), "gone", {}, NOW)

    def again(who: str) -> State:
        return book.ledger.people.send_again(
            "T1", who=who, reason="the bank has nothing", now=LATER, sight=seen(book, "T1")
        ).state

    assert [again("cid"), again("anna")] == [State.UNCERTAIN] * 2
    with pytest.raises(NotAllowed):
        again("cid")
    assert again("ben") is State.READY


def test_a_proposal_ends_with_the_doubt_that_it_was_about(book: Book) -> None:
    """The bank had the file, and refused it: that it goes once more is proposed, and approved, anew."""
    dropped(book, "T1", ALWAYS)
    leased = book.lease(release(book, "T1", "anna"))
    assert leased
    book.transfers.in_doubt(alone.publishing(book.transfers, leased, NOW), "gone", {}, NOW)
    book.ledger.people.send_again("T1", who="cid", reason="it has nothing", now=LATER, sight=seen(book, "T1"))
    book.report(says("MSG-T1", "RJCT", reason="AC04"))
    assert book.transfers.get("T1").proposed_by is None
    assert resend(book, "T1", "ben").state is State.SENT
    assert resend(book, "T1", "anna").state is State.READY


def test_what_the_bank_spoke_of_is_proposed_by_one_and_approved_by_others(book: Book) -> None:
    book.report(says("MSG-T1", "ACSP"))
    dropped(book, "T1", ALWAYS)
    assert release(book, "T1", "anna").approved_by == []
    with pytest.raises(NotAllowed):
        release(book, "T1", "anna")
    assert release(book, "T1", "ben").state is State.READY


# At the same time, and in any order.


def test_of_two_processes_that_approve_at_once_each_counts_once(book: Book, url: str) -> None:
    dropped(book, "T1", TWO)
    ledgers = [Ledger(url, Path("/nowhere")) for _ in range(4)]
    said: list[str] = []
    sight = seen(book, "T1")

    def approve(ledger: Ledger, who: str) -> None:
        try:
            said.append(ledger.people.release("T1", who=who, reason="so", now=LATER, at_once=False, sight=sight).state)
        except (NotAllowed, Stale):
            said.append("no")

    threads = [Thread(target=approve, args=each) for each in zip(ledgers, ("anna", "anna", "ben", "ben"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert sorted(said) == ["HELD", "READY", "no", "no"]
    assert sorted(book.transfers.get("T1").approved_by) == ["anna", "ben"]


PEOPLE = ("erp", "anna", "ben", "cid")
RULES = (
    (), (RARELY,), (ALWAYS,), (TWO,), (Rule(who=("anna", "ben")), TWO), (Rule(people=2, who=("anna", "ben")),),
    (Rule(who=("anna",)), Rule(who=("ben",))),
)  # fmt: skip
ACTS = st.tuples(
    st.sampled_from(
        ("release", "release", "release", "now", "hold", "resend", "resend", "send again", "confirm", "lease", "fail",
         "late", "doubt", "deliver", "refused", "named")
    ),
    st.sampled_from(PEOPLE),
)  # fmt: skip


@dataclass
class Story:
    """One file, as people, the bank and the gateway handle it in whatever order."""

    book: Book
    id: str

    @property
    def row(self) -> Transfer:
        return self.book.transfers.get(self.id)

    def act(self, name: str, who: str) -> None:
        book, people, row = self.book, self.book.ledger.people, self.row
        match name:
            case "release" | "now":
                release(book, self.id, who, at_once=name == "now")
            case "hold":
                book.decide(self.id, Trigger.HOLD, who=who)
            case "resend":
                resend(book, self.id, who)
            case "send again":
                people.send_again(self.id, who=who, reason="so", now=LATER, sight=seen(book, self.id))
            case "confirm":
                people.confirmed(self.id, Verdict.REJECTED, who=who, how="telephone", reason="so", now=LATER)
            case "lease" if row.state is State.READY and book.lease(row):
                self.check()
            case "late" if row.state is State.READY:
                book.transfers.late(row, "closed", NOW)
            case "fail" if row.state is State.STAGING:
                told = {"step": "stage", "outcome": "REFUSED", "text": "no"}
                book.transfers.not_delivered(row, failures=9, due_at=None, now=NOW, **told)
            case "doubt" if row.state is State.STAGING:
                book.transfers.in_doubt(alone.publishing(book.transfers, row, NOW), "gone", {}, NOW)
            case "deliver" if row.state is State.STAGING:
                book.transfers.sent(alone.publishing(book.transfers, row, NOW), {}, NOW)
            case "refused" if row.state is State.SENT:
                book.report(says(row.message_id, "RJCT", reason="AC04"))
            case "named" if row.state in (State.READY, State.FAILED, State.HELD):
                book.report(says(row.message_id, "RJCT", reason="AC04"))

    def check(self) -> None:
        """By the journal alone: as many as each rule wants said so of these bytes, who had no hand in the file."""
        makers, said, rounds = {"erp"}, set(), 1
        events = self.book.ledger.journal.of(self.id)
        for event in events:
            decision = event.data.get("decision")
            if decision in ("hold", "override") or event.kind == "send again proposed":
                makers.add(event.actor)
                said = set()
            elif event.data.get("sha256") == self.row.sha256 and event.actor not in ("gateway", "bank"):
                said.add(event.actor)
            rounds += decision in ("retry", "resend rejected", "send again")
        needed = next((e.data["approvals"] for e in events if e.data.get("approvals")), [])
        for need in needed:
            counted = {one for one in said - makers if need["who"] is None or one in need["who"]}
            assert len(counted) >= need["people"], [(e.kind, e.actor, dict(e.data)) for e in events]
        if rounds > 1 and self.row.approvals is not None:
            assert said - makers


NUMBERS = count(1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.sampled_from(RULES), acts=st.lists(ACTS, min_size=4, max_size=40), twice=st.booleans())
def test_nothing_is_leased_that_lacks_approvals(
    book: Book, rules: tuple[Rule, ...], acts: list[tuple[str, str]], twice: bool
) -> None:
    number = next(NUMBERS)
    pays = [pay(f"E{number}", to=NEW)]
    if twice:
        dropped(book, f"A{number}", pays=pays)
        book.decide(f"A{number}", Trigger.CANCEL) if number % 2 else None
    dropped(book, f"B{number}", *rules, pays=pays)
    story = Story(book, f"B{number}")
    for name, who in acts:
        with suppress(NotAllowed):
            story.act(name, who)
