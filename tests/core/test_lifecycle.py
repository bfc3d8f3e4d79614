"""The table of moves, and the reconcile table: complete, and as DESIGN draws them."""

from __future__ import annotations

from itertools import product

import pytest

from h2h.errors import NotAllowed
from h2h.lifecycle import ENDS, MOVES, RECONCILE, Actor, Decision, State, Trigger, move, reconcile
from h2h.model import Look, Presence

SIZE = 100
EVERY = list(product(State, Trigger, Actor))
TABLE = {(m.state, m.trigger, m.actor): m.to for m in MOVES}


def reachable(start: State, *, by: set[Actor]) -> set[State]:
    found, todo = {start}, [start]
    while todo:
        state = todo.pop()
        new = {m.to for m in MOVES if m.state is state and m.actor in by} - found
        found |= new
        todo += new
    return found


def test_no_row_stands_twice() -> None:
    assert len(TABLE) == len(MOVES)


def test_what_stands_in_the_table_happens_and_nothing_else_does() -> None:
    for state, trigger, actor in EVERY:
        if to := TABLE.get((state, trigger, actor)):
            assert move(state, trigger, actor) is to
            continue
        with pytest.raises(NotAllowed) as caught:
            move(state, trigger, actor)
        told = str(caught.value)
        assert all(word in told for word in (trigger.value, actor.value, state.value))
        possible = [m.trigger.value for m in MOVES if m.state is state and m.actor is actor]
        assert all(word in told for word in possible)


@pytest.mark.parametrize(
    ("state", "ways"),
    [
        (State.RECEIVED, {State.INVALID, State.DUPLICATE, State.HELD, State.READY, State.UNCERTAIN}),
        (State.INVALID, set()),
        (State.DUPLICATE, {State.HELD, State.CANCELLED}),
        (State.HELD, {State.READY, State.CANCELLED, State.UNCERTAIN}),
        (State.READY, {State.STAGING, State.HELD, State.CANCELLED, State.UNCERTAIN}),
        (State.STAGING, {State.PUBLISHING, State.READY, State.FAILED, State.HELD, State.UNCERTAIN}),
        (State.PUBLISHING, {State.SENT, State.UNCERTAIN}),
        (State.UNCERTAIN, {State.SENT, State.READY}),
        (State.FAILED, {State.READY, State.HELD, State.CANCELLED, State.UNCERTAIN}),
        (State.SENT, {State.READY}),
        (State.CANCELLED, set()),
    ],
)
def test_where_each_state_leads(state: State, ways: set[State]) -> None:
    assert {m.to for m in MOVES if m.state is state} == ways


def test_nothing_leads_back_from_publishing_without_a_person() -> None:
    alone = reachable(State.PUBLISHING, by={Actor.GATEWAY, Actor.BANK})
    assert alone == {State.PUBLISHING, State.SENT, State.UNCERTAIN}


def test_an_uncertain_file_goes_again_only_with_a_second_person() -> None:
    back = [m for m in MOVES if m.state is State.UNCERTAIN and m.to is not State.SENT]
    assert [(m.trigger, m.actor, m.to) for m in back] == [(Trigger.SEND_AGAIN, Actor.SECOND_PERSON, State.READY)]


def test_a_sent_file_goes_again_only_when_refused_and_by_a_person() -> None:
    back = [(m.trigger, m.actor, m.to) for m in MOVES if m.state is State.SENT]
    assert back == [(Trigger.RESEND_REJECTED, Actor.OPERATOR, State.READY)]


def test_publishing_is_reached_from_staging_alone() -> None:
    assert {m.state for m in MOVES if m.to is State.PUBLISHING} == {State.STAGING}


def test_every_state_is_reached_and_only_ends_are_never_left() -> None:
    everyone = set(Actor)
    assert reachable(State.RECEIVED, by=everyone) == set(State)
    assert {s for s in State if not any(m.state is s for m in MOVES)} == ENDS


# The reconcile table.

LOOKS = [
    Look(presence=Presence.GONE),
    Look(presence=Presence.THERE, size=SIZE),
    Look(presence=Presence.THERE, size=SIZE + 1),
    Look(presence=Presence.THERE, size=0),
    Look(presence=Presence.HIDDEN),
]
TEMPORARY = [Look(presence=p) for p in Presence]
INPUTS = list(product(TEMPORARY, LOOKS, (True, False), (True, False)))


def decided(temporary: Look, final: Look, atomic: bool, ours: bool) -> Decision:
    """DESIGN 4, row by row, in other words."""
    there, gone = temporary.presence is Presence.THERE, temporary.presence is Presence.GONE
    if final.presence is Presence.THERE and final.size != SIZE:
        return Decision.UNCERTAIN
    if final.presence is Presence.THERE:
        return Decision.SENT_REMOVE_TEMPORARY if there else Decision.SENT
    if gone:
        return Decision.SENT if ours else Decision.UNCERTAIN
    return Decision.RENAME_AGAIN if atomic else Decision.UNCERTAIN


@pytest.mark.parametrize(("temporary", "final", "atomic", "ours"), INPUTS)
def test_every_input_is_decided_as_the_design_says(temporary: Look, final: Look, atomic: bool, ours: bool) -> None:
    case = reconcile(temporary, final, SIZE, atomic_rename=atomic, staging_is_ours=ours)
    assert case.decision is decided(temporary, final, atomic, ours)
    assert case.reason


def test_every_row_decides_something() -> None:
    used = {reconcile(t, f, SIZE, atomic_rename=a, staging_is_ours=o) for t, f, a, o in INPUTS}
    assert used == set(RECONCILE)


def test_careless_settings_never_rename_again_and_never_trust_a_missing_file() -> None:
    for temporary, final in product(TEMPORARY, LOOKS):
        case = reconcile(temporary, final, SIZE, atomic_rename=False, staging_is_ours=False)
        assert case.decision is not Decision.RENAME_AGAIN
        if final.presence is not Presence.THERE:
            assert case.decision is Decision.UNCERTAIN


def test_nothing_is_removed_or_renamed_onto_while_a_file_of_another_size_stands_there() -> None:
    other = Look(presence=Presence.THERE, size=SIZE - 1)
    for temporary, atomic, ours in product(TEMPORARY, (True, False), (True, False)):
        case = reconcile(temporary, other, SIZE, atomic_rename=atomic, staging_is_ours=ours)
        assert case.decision is Decision.UNCERTAIN


def test_a_final_file_whose_size_is_not_told_does_not_cost_the_temporary_one() -> None:
    unsized = Look(presence=Presence.THERE, size=None)
    case = reconcile(Look(presence=Presence.THERE), unsized, SIZE, atomic_rename=True, staging_is_ours=True)
    assert case.decision is Decision.UNCERTAIN
