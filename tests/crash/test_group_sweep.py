"""The plug pulled in the middle of a group: each file once at the bank, or one of them, and no more, for a person.

As test_sweep.py, with three files at a time. Between the operations on the files of a group lie points of their own;
the requests to an SFTP server, of which many are under way, are those of `h2h drill` and of test_kill.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.verdicts import Verdict
from tests.flows.world import payments

from .test_sweep import ANSWERS, HABITS, KINDS, LONG, OTHERS, Kind, Sweep, near_what_counts

FILES = tuple(payments(f"MSG-{number}") for number in (1, 2, 3))
SECOND = tuple(replace(kind, at=2) for kind in KINDS)
USUAL = SECOND[0], SECOND[4], SECOND[7], SECOND[12]
CERTAIN = tuple(
    Kind(habit=habit, answers=answers, at=at) for habit in HABITS for answers in ANSWERS for at in (1, 2, 3)
)
LEAST = 7  # points near what counts


def right(kind: Kind, found: Sequence[Transfer], copies: list[bytes], pulled: int) -> bool:
    """Each file once at the bank and known to be so, or for a person; of those one for each disturbance at most."""
    doubtful = [transfer for transfer in found if transfer.state is State.UNCERTAIN]
    disturbed = pulled + (kind.answers != "clear")
    return (
        len(copies) == len(set(copies)) == len(FILES) - len(doubtful)
        and set(copies) <= set(FILES)
        and all(t.state is State.SENT and t.verdict is Verdict.ACCEPTED for t in found if t not in doubtful)
        and len(doubtful) <= (0 if kind.certain else disturbed)
    )


def wrong(sweep: Sweep, kind: Kind, kills: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [kill for kill in kills if not right(kind, *sweep.plays(*kill), pulled=len(kill))]


@pytest.mark.parametrize("kind", SECOND if LONG else USUAL, ids=str)
def test_wherever_the_plug_is_pulled_in_a_group_each_file_comes_once_or_one_of_them_is_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind, *FILES)
    assert right(kind, *sweep.plays(), pulled=0)
    singles = list(dict.fromkeys(sweep.points))
    near = near_what_counts(singles)
    assert len(near) >= LEAST
    pairs: list[tuple[str, ...]] = []
    for first in near if LONG else near[1::9]:
        sweep.plays(first)
        pairs += [(first, second) for second in dict.fromkeys(near_what_counts(sweep.points))]
    points = singles if LONG else near
    assert wrong(sweep, kind, [*((point,) for point in points), *(pairs if LONG else pairs[::19])]) == []


@pytest.mark.parametrize("kind", CERTAIN if LONG else CERTAIN[3::9], ids=lambda kind: f"{kind}, at {kind.at}")
def test_where_a_group_goes_at_once_whatever_the_bank_answers_to_one_of_it_leaves_nothing_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind, *FILES)
    assert right(kind, *sweep.plays(), pulled=0)
    commits = [point for point in sweep.points if "after Transfers.publishing" in point]
    assert commits == ["after Transfers.publishing 1"]
    assert wrong(sweep, kind, [(point,) for point in near_what_counts(sweep.points)]) == []


@pytest.mark.parametrize("kind", OTHERS if LONG else OTHERS[4::90], ids=str)
def test_in_every_combination_of_habit_answer_and_fact_a_group_keeps_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind, *FILES)
    assert right(kind, *sweep.plays(), pulled=0)
    assert wrong(sweep, kind, [(point,) for point in near_what_counts(sweep.points)]) == []
