"""Accounts of people: passwords, tries that were wrong, and that nobody adds or unlocks anybody alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread

import argon2
import pytest

from h2h.accounts import Accounts
from h2h.errors import H2hError, NotAllowed, UsageError
from h2h.ledger import Ledger
from h2h.ledger.accounts import FIRST_WAIT, FREE_TRIES, LONGEST_WAIT, Account
from tests.flows.world import MovableClock
from tests.hashing import Cheap
from tests.suites.books import Book

SECRETS = {"anna": "seven green ladders", "ben": "a kettle of doves", "cid": "nobody paints rain"}
WRONG = "this is not the one"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2, "PasswordHasher", Cheap)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def people(book: Book, clock: MovableClock) -> Accounts:
    """anna and ben."""
    made = Accounts(book.ledger.accounts, clock, refusal_seconds=0)
    made.add("anna", SECRETS["anna"], who="root")
    made.add("ben", SECRETS["ben"], who="anna")
    return made


def confirm(people: Accounts, name: str, who: str) -> Account:
    return people.confirm(people.proposed(name), who=who)


def usable(people: Accounts) -> list[str]:
    return [account.name for account in people.all() if account.usable]


def three(people: Accounts) -> Accounts:
    people.add("cid", SECRETS["cid"], who="anna")
    confirm(people, "cid", who="ben")
    return people


def test_the_first_two_are_added_by_one_and_the_third_by_two(people: Accounts) -> None:
    assert usable(people) == ["anna", "ben"]
    proposed = people.add("cid", SECRETS["cid"], who="anna")
    assert (proposed.usable, proposed.proposed_by) == (False, "anna")
    with pytest.raises(NotAllowed, match="There is no such person"):
        people.enter("cid", SECRETS["cid"])
    with pytest.raises(NotAllowed, match="somebody else has to confirm"):
        confirm(people, "cid", who="anna")
    confirm(people, "cid", who="ben")
    assert people.enter("cid", SECRETS["cid"]) == "cid"


@pytest.mark.parametrize("who", ["root", "cid", "gateway", "eve"])
def test_whoever_is_no_person_changes_none(people: Accounts, who: str) -> None:
    people.add("cid", SECRETS["cid"], who="anna")
    acts: list[Callable[[], object]] = [
        lambda: people.add("eve", SECRETS["cid"], who=who),
        lambda: confirm(people, "cid", who=who),
        lambda: people.lock("ben", who=who),
        lambda: people.unlock("ben", who=who),
    ]
    for act in acts:
        with pytest.raises(NotAllowed):
            act()
    assert usable(people) == ["anna", "ben"]


def test_the_second_is_added_by_the_first_alone(book: Book, clock: MovableClock) -> None:
    people = Accounts(book.ledger.accounts, clock, refusal_seconds=0)
    people.add("anna", SECRETS["anna"], who="root")
    with pytest.raises(NotAllowed):
        people.add("ben", SECRETS["ben"], who="root")
    with pytest.raises(NotAllowed):
        people.add("anna", SECRETS["ben"], who="root")
    assert people.enter("anna", SECRETS["anna"]) == "anna"


def test_locking_takes_one_and_unlocking_two_others(people: Accounts) -> None:
    three(people).lock("ben", who="anna")
    with pytest.raises(NotAllowed):
        people.enter("ben", SECRETS["ben"])
    people.unlock("ben", who="anna")
    for who in ("anna", "ben"):
        with pytest.raises(NotAllowed):
            confirm(people, "ben", who=who)
    confirm(people, "ben", who="cid")
    assert people.enter("ben", SECRETS["ben"]) == "ben"


def test_who_locks_the_other_one_gets_no_second_person_by_it(people: Accounts) -> None:
    people.lock("ben", who="anna")
    people.add("eve", SECRETS["cid"], who="anna")
    for act in (partial(confirm, people), people.unlock):
        with pytest.raises(NotAllowed):
            act("eve", who="anna")
    assert usable(people) == ["anna"]
    with pytest.raises(NotAllowed, match="nobody could decide"):
        people.lock("anna", who="anna")


def test_a_new_password_for_somebody_else_takes_two_and_for_oneself_the_old_one(people: Accounts) -> None:
    three(people).add("ben", WRONG, who="anna")
    assert people.enter("ben", SECRETS["ben"]) == "ben"
    with pytest.raises(NotAllowed):
        confirm(people, "ben", who="ben")
    confirm(people, "ben", who="cid")
    assert people.enter("ben", WRONG) == "ben"
    people.change_password("ben", SECRETS["ben"])
    with pytest.raises(NotAllowed):
        people.enter("ben", WRONG)


def test_a_lock_makes_what_was_proposed_void(people: Accounts) -> None:
    three(people).add("ben", WRONG, who="anna")
    people.lock("ben", who="cid")
    with pytest.raises(NotAllowed, match="Nothing is proposed"):
        confirm(people, "ben", who="cid")


def test_nobody_confirms_another_proposal_than_the_one_that_was_looked_at(people: Accounts) -> None:
    three(people)
    people.add("dan", SECRETS["cid"], who="anna")
    with pytest.raises(NotAllowed, match="anna proposed something of dan already"):
        people.add("dan", WRONG, who="cid")
    seen = people.proposed("dan")
    assert (seen.proposed_by, seen.proposed_at is not None) == ("anna", True)
    people.withdraw("dan", who="cid")
    for act in (lambda: people.confirm(seen, who="ben"), lambda: people.withdraw("dan", who="cid")):
        with pytest.raises(NotAllowed, match="Nothing is proposed"):
            act()
    people.add("dan", WRONG, who="anna")
    with pytest.raises(NotAllowed, match="Something else is proposed of dan since you looked"):
        people.confirm(seen, who="ben")
    assert "dan" not in usable(people)
    assert confirm(people, "dan", who="ben").usable


def test_what_is_proposed_of_a_locked_person_stands_until_it_is_withdrawn(people: Accounts) -> None:
    three(people).lock("ben", who="cid")
    people.unlock("ben", who="anna")
    for act in (lambda: people.unlock("ben", who="cid"), lambda: people.add("ben", WRONG, who="anna")):
        with pytest.raises(NotAllowed, match="anna proposed something of ben already"):
            act()
    with pytest.raises(NotAllowed):
        people.withdraw("ben", who="ben")
    people.withdraw("ben", who="anna")
    people.unlock("ben", who="cid")


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "anna" * 4, "ababababab" * 3, "y" * 1001])
def test_a_weak_password_is_refused(people: Accounts, password: str) -> None:
    with pytest.raises(UsageError, match="password"):
        people.change_password("anna", password)


@pytest.mark.parametrize("name", ["", "Anna", "gateway", "bank", "-a", "a b", "a\n", "x" * 33, "ännä"])
def test_a_name_is_plain_and_nobody_elses(people: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a person's name"):
        people.add(name, SECRETS["cid"], who="anna")


def test_wrong_passwords_make_a_person_wait_longer_each_time_whatever_process_asks(
    book: Book, url: str, people: Accounts, clock: MovableClock
) -> None:
    for _ in range(FREE_TRIES + 1):
        with pytest.raises(NotAllowed, match="or the password is wrong"):
            people.enter("anna", WRONG)
    other = Ledger(url, Path("/nowhere"))
    anew = Accounts(other.accounts, clock, refusal_seconds=0)
    wait = FIRST_WAIT
    for _ in range(8):
        for password in (SECRETS["anna"], WRONG):
            with pytest.raises(NotAllowed, match="no other one is looked at"):
                anew.enter("anna", password)
        clock.advance(seconds=wait.total_seconds() + 1)
        with pytest.raises(NotAllowed, match="or the password is wrong"):
            anew.enter("anna", WRONG)
        wait = min(wait * 2, LONGEST_WAIT)
    clock.advance(seconds=LONGEST_WAIT.total_seconds() + 1)
    assert anew.enter("anna", SECRETS["anna"]) == "anna"
    assert anew.all()[0].failures == 0
    assert people.enter("ben", SECRETS["ben"]) == "ben"
    other.close()


def test_tries_at_the_same_time_are_all_counted(url: str, people: Accounts, clock: MovableClock) -> None:
    ledgers = [Ledger(url, Path("/nowhere")) for _ in range(8)]
    said: list[str] = []

    def guess(ledger: Ledger) -> None:
        try:
            Accounts(ledger.accounts, clock, refusal_seconds=0).enter("anna", WRONG)
        except H2hError as error:
            said.append(str(error))

    threads = [Thread(target=guess, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert sum("no other one is looked at" in text for text in said) == len(ledgers) - FREE_TRIES - 1


def test_an_unknown_name_costs_as_much_as_a_wrong_password_and_is_told_alike(
    people: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    done: list[str] = []
    for name in ("hash", "verify"):
        original = getattr(PasswordHasher, name)

        monkeypatch.setattr(PasswordHasher, name, _counted(name, original, done))
    told = set()
    costs = []
    for name in ("anna", "nobody"):
        people.__dict__.pop("_nobodys", None)
        done.clear()
        with pytest.raises(NotAllowed) as refused:
            people.enter(name, WRONG)
        told.add(str(refused.value))
        costs.append([*done])
    assert (len(told), costs) == (1, [["hash", "verify"]] * 2)


def _counted(name: str, original: Callable[..., object], done: list[str]) -> Callable[..., object]:
    def counted(*args: object) -> object:
        done.append(name)
        return original(*args)

    return counted


def test_the_journal_has_who_and_what_and_no_hash(book: Book, people: Accounts) -> None:
    three(people)
    people.lock("ben", who="cid")
    with pytest.raises(NotAllowed):
        people.enter("anna", WRONG)
    events = [event for name in SECRETS for event in book.ledger.journal.of(f"person {name}")]
    assert [(event.kind, event.actor) for event in events] == [
        ("person added", "root"), ("password refused", "gateway"), ("person added", "anna"), ("person locked", "cid"),
        ("password proposed", "anna"), ("person added", "ben"),
    ]  # fmt: skip
    assert all("argon2" not in str(event.data) and WRONG not in str(event.data) for event in events)
