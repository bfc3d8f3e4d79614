"""The table of moves, and the reconcile table: complete, and as DESIGN draws them."""

from __future__ import annotations

from itertools import product

import pytest

from h2h.errors import NotAllowed
from h2h.lifecycle import (
    COMMANDS,
    ENDS,
    MOVES,
    RECONCILE,
    Actor,
    Case,
    Decision,
    Route,
    State,
    Trigger,
    commands,
    move,
    not_gone,
    reconcile,
)
from h2h.model import Look, Presence, Way
from h2h.verdicts import Verdict
from tests.changing import replace

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


@pytest.mark.parametrize(
    ("state", "ways"),
    [
        (State.RECEIVED, {State.INVALID, State.DUPLICATE, State.HELD, State.READY, State.UNCERTAIN}),
        (State.INVALID, set()),
        (State.DUPLICATE, {State.HELD, State.CANCELLED}),
        (State.HELD, {State.READY, State.HELD, State.CANCELLED, State.SENT, State.UNCERTAIN}),
        (State.READY, {State.READY, State.STAGING, State.HELD, State.CANCELLED, State.SENT, State.UNCERTAIN}),
        (State.STAGING, {State.PUBLISHING, State.READY, State.FAILED, State.HELD, State.UNCERTAIN}),
        (State.PUBLISHING, {State.SENT, State.UNCERTAIN}),
        (State.UNCERTAIN, {State.SENT, State.READY}),
        (State.FAILED, {State.READY, State.HELD, State.CANCELLED, State.SENT, State.UNCERTAIN}),
        (State.SENT, {State.READY, State.SENT}),
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
    back = {(m.trigger, m.actor, m.to) for m in MOVES if m.state is State.SENT and m.to is not State.SENT}
    people = {Actor.OPERATOR, Actor.SECOND_PERSON}
    assert back == {(Trigger.RESEND_REJECTED, person, State.READY) for person in people}


def test_only_what_waits_or_was_given_up_is_sent_by_hand() -> None:
    """Never what the gateway is working on or in doubt about: the two could hand it over twice."""
    by_hand = {(m.state, m.actor, m.to) for m in MOVES if m.trigger is Trigger.SENT_BY_HAND}
    assert by_hand == {(s, Actor.OPERATOR, State.SENT) for s in (State.READY, State.HELD, State.FAILED)}


# What a person is told to do.


def test_everything_that_a_person_may_do_has_a_command() -> None:
    assert {m.trigger for m in MOVES if m.actor in (Actor.OPERATOR, Actor.SECOND_PERSON)} == set(COMMANDS)


@pytest.mark.parametrize(
    ("state", "verdict", "by_hand", "possible"),
    [
        (State.SENT, Verdict.NONE, False, ["confirm {id}"]),
        (State.SENT, Verdict.PENDING, False, ["confirm {id}"]),
        (State.SENT, Verdict.ACCEPTED, False, []),
        (State.SENT, Verdict.ACCEPTED, True, ["confirm {id}"]),
        (State.SENT, Verdict.PARTIAL, False, []),
        (State.SENT, Verdict.REJECTED, False, ["resend {id}"]),
        (State.SENT, Verdict.REJECTED, True, ["resend {id}", "confirm {id}"]),
        (State.READY, Verdict.NONE, False, ["release {id} --now", "hold {id}", "cancel {id}", "sent-by-hand {id}"]),
        (State.UNCERTAIN, Verdict.NONE, False, ["resolve {id} --bank-has-it", "resolve {id} --send-again"]),
        (State.STAGING, Verdict.NONE, False, []),
        (State.PUBLISHING, Verdict.NONE, False, []),
        (State.CANCELLED, Verdict.NONE, False, []),
    ],
)
def test_the_commands_that_work_now(state: State, verdict: Verdict, by_hand: bool, possible: list[str]) -> None:
    assert commands(state, verdict, by_hand=by_hand) == possible


def test_publishing_is_reached_from_staging_alone() -> None:
    assert {m.state for m in MOVES if m.to is State.PUBLISHING} == {State.STAGING}


def test_every_state_is_reached_and_only_ends_are_never_left() -> None:
    everyone = set(Actor)
    assert reachable(State.RECEIVED, by=everyone) == set(State)
    assert {s for s in State if not any(m.state is s for m in MOVES)} == ENDS


# The reconcile tables.

BY = Route(way=Way.RENAME, server="sftp://corp@bank:22", host_keys=("A", "B"))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BY, None),
        (replace(BY, host_keys=("B", "C")), None),  # the bank changes its key
        (replace(BY, way=Way.MARKER), 'publish was "rename" and is "marker"'),
        (replace(BY, server="sftp://corp@bank2:22"), "the server was sftp://corp@bank:22 and is sftp://corp@bank2:22"),
        (replace(BY, host_keys=("C",)), "none of the host keys by which sftp://corp@bank:22 was known"),
        (replace(BY, way=Way.DIRECT, server="folder:///bank"), 'publish was "rename" and is "direct"; the server was'),
    ],
)
def test_another_way_or_another_server_is_told(now: Route, words: str | None) -> None:
    changed = BY.changed_to(now)
    assert (changed is None) == (words is None)
    assert (words or "") in (changed or "")


def test_another_way_alone_is_the_same_server() -> None:
    assert BY.moved_to(replace(BY, way=Way.DIRECT)) is None


SIZES = {Way.RENAME: 100, Way.MARKER: 0, Way.DIRECT: 100}
TEMPORARY = [Look(presence=p) for p in Presence]
BOOLS = (True, False)


def looks(size: int) -> list[Look]:
    sizes = (size, size + 1, 0, None)
    return [Look(presence=p) for p in (Presence.GONE, Presence.HIDDEN)] + [
        Look(presence=Presence.THERE, size=s) for s in dict.fromkeys(sizes)
    ]


INPUTS = [case for way in Way for case in product([way], TEMPORARY, looks(SIZES[way]), BOOLS, BOOLS)]


def case_of(way: Way, temporary: Look, final: Look, repeatable: bool, ours: bool) -> Case:
    return reconcile(way, temporary, final, SIZES[way], repeatable=repeatable, ours=ours)


def decided(way: Way, temporary: Look, final: Look, repeatable: bool, ours: bool) -> Decision:
    """DESIGN 4 in other words: when is it known that the bank has the file, and when is asking again harmless?"""
    there, gone = temporary.presence is Presence.THERE, temporary.presence is Presence.GONE
    if final.presence is Presence.THERE and final.size != SIZES[way]:
        return Decision.UNCERTAIN
    if final.presence is Presence.THERE:
        both_names = way is Way.RENAME and there
        return Decision.SENT_REMOVE_TEMPORARY if both_names else Decision.SENT
    if way is Way.DIRECT:
        return Decision.UNCERTAIN
    if gone:
        return Decision.SENT if ours else Decision.UNCERTAIN
    return Decision.PUBLISH_AGAIN if repeatable else Decision.UNCERTAIN


@pytest.mark.parametrize(("way", "temporary", "final", "repeatable", "ours"), INPUTS)
def test_every_input_is_decided_as_the_design_says(
    way: Way, temporary: Look, final: Look, repeatable: bool, ours: bool
) -> None:
    case = case_of(way, temporary, final, repeatable, ours)
    assert case.decision is decided(way, temporary, final, repeatable, ours)
    assert case.reason


@pytest.mark.parametrize("way", Way)
def test_every_row_decides_something(way: Way) -> None:
    assert {case_of(*case) for case in INPUTS if case[0] is way} == set(RECONCILE[way])


@pytest.mark.parametrize("way", Way)
def test_careless_settings_never_publish_again_and_never_trust_a_missing_file(way: Way) -> None:
    for temporary, final in product(TEMPORARY, looks(SIZES[way])):
        case = case_of(way, temporary, final, False, False)
        assert case.decision is not Decision.PUBLISH_AGAIN
        if final.presence is not Presence.THERE:
            assert case.decision is Decision.UNCERTAIN


@pytest.mark.parametrize("way", Way)
def test_nothing_is_touched_while_a_file_of_another_size_or_of_an_unknown_one_stands_there(way: Way) -> None:
    for size, temporary, repeatable, ours in product((SIZES[way] + 1, None), TEMPORARY, BOOLS, BOOLS):
        other = Look(presence=Presence.THERE, size=size)
        assert case_of(way, temporary, other, repeatable, ours).decision is Decision.UNCERTAIN


def test_a_file_without_rename_and_marker_is_never_begun_again() -> None:
    decisions = {case_of(*case).decision for case in INPUTS if case[0] is Way.DIRECT}
    assert decisions == {Decision.SENT, Decision.UNCERTAIN}


def test_only_a_temporary_file_that_was_renamed_is_ever_removed() -> None:
    removing = {case[0] for case in INPUTS if case_of(*case).decision is Decision.SENT_REMOVE_TEMPORARY}
    assert removing == {Way.RENAME}


def test_no_such_file_means_gone_only_after_an_earlier_asking_and_in_folders_that_are_there() -> None:
    """It is said of a missing folder too; and of a file that was there a moment ago it says nothing good."""
    gone = {
        (asked, there): not_gone(asked_before=asked, folders_there=there) is None for asked in BOOLS for there in BOOLS
    }
    assert gone == {(True, True): True, (True, False): False, (False, True): False, (False, False): False}
