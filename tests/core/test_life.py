"""The one vocabulary of a payment's life: what is known last of it, whatever its bank calls that."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from h2h.life import CODES, MEANS, Stage, stage_of
from h2h.lifecycle import State
from h2h.verdicts import STATION, Verdict, verdict_of

OFFICIAL = Path(__file__).parents[2].parent / "shared" / "iso20022" / "ISO_ExternalCodeSets_2Q2026_v3.json"
LISTS = ("ExternalPaymentGroupStatus1Code", "ExternalPaymentTransactionStatus1Code")
AT_THE_BANK = (State.SENT, State.PUBLISHING, State.UNCERTAIN)


@pytest.mark.parametrize("name", LISTS)
def test_every_code_of_the_official_lists_has_a_stage(name: str) -> None:
    if not OFFICIAL.exists():
        pytest.skip("the official code lists are not at hand")
    assert set(json.loads(OFFICIAL.read_text())["definitions"][name]["enum"]) <= set(CODES)


def test_every_code_that_has_a_stage_has_a_station_and_the_other_way_round() -> None:
    """PART is of many payments: it has no place on the way of one."""
    assert set(CODES) - {"PART"} == set(STATION)


def test_every_stage_is_told_in_words_of_its_own() -> None:
    assert set(MEANS) == set(Stage)
    assert len(set(MEANS.values())) == len(Stage)
    assert len({code.means for code in CODES.values()}) == len(CODES)


@pytest.mark.parametrize("code", STATION)
def test_stage_and_verdict_tell_one_story(code: str) -> None:
    stories = {
        Verdict.REJECTED: {Stage.REJECTED, Stage.CANCELLED},
        Verdict.PENDING: {Stage.RECEIVED, Stage.PENDING, Stage.CHECKED, Stage.BLOCKED},
        Verdict.ACCEPTED: {Stage.ACCEPTED, Stage.CHANGED, Stage.IN_PROCESS, Stage.SETTLED, Stage.CREDITED},
    }
    assert stage_of(State.SENT, code) in stories[verdict_of(code)]


@pytest.mark.parametrize("state", State)
def test_before_any_word_the_stage_is_that_of_the_file(state: State) -> None:
    doubtful = state in (State.PUBLISHING, State.UNCERTAIN)
    expected = Stage.SUBMITTED if state is State.SENT else Stage.IN_DOUBT if doubtful else Stage.NOT_SENT
    assert stage_of(state, None) is expected


@pytest.mark.parametrize(
    ("state", "status", "noted"),
    list(product(State, [None, "RJCT", "ACSC", "NEWC"], [Verdict.NONE, Verdict.REJECTED])),
)
def test_what_the_account_shows_is_what_happened(state: State, status: str | None, noted: Verdict) -> None:
    assert stage_of(state, status, noted=noted, advised=True) is Stage.ADVISED
    assert stage_of(state, status, noted=noted, advised=True, booked=True) is Stage.BOOKED
    assert stage_of(state, status, noted=noted, booked=True, returned=True) is Stage.RETURNED


def test_an_unknown_code_settles_nothing() -> None:
    assert stage_of(State.SENT, "NEWC") is Stage.SUBMITTED


@pytest.mark.parametrize(
    ("noted", "status", "stage"),
    [
        (Verdict.ACCEPTED, None, Stage.ACCEPTED),
        (Verdict.REJECTED, None, Stage.REJECTED),
        (Verdict.PENDING, None, Stage.SUBMITTED),
        (Verdict.REJECTED, "ACSP", Stage.IN_PROCESS),
    ],
)
def test_what_a_person_noted_counts_where_the_bank_said_nothing(
    noted: Verdict, status: str | None, stage: Stage
) -> None:
    assert stage_of(State.SENT, status, noted=noted) is stage


def test_a_status_of_an_earlier_sending_says_nothing_of_a_file_that_waits() -> None:
    assert stage_of(State.READY, "RJCT") is Stage.NOT_SENT
