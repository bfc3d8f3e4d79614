"""The heartbeat: when a worker counts as hung, when the main loop does, and whose beat counts at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h import heartbeat
from h2h.engine import Turn
from h2h.engine.local import LocalEngine
from h2h.heartbeat import STALE_SECONDS, Beat, Heartbeat
from tests.changing import replace

ALLOWED = 30.0
AT_WORK = Turn(worker="line acme", alive=True, ended=None, began=100.0, used=1.5)
AT_REST = replace(AT_WORK, ended=105.0, began=None)


def looked(*turns: tuple[float, Turn], at: float) -> list[str]:
    """What is wrong at that time with a worker that was seen like this, at these times."""
    heart = Heartbeat(Path("unused"), {"line acme": ALLOWED}, else_allowed=1.0)
    beats = [heart.take([turn], now) for now, turn in turns]
    return replace(beats[-1], at=at).faults(at)


@pytest.mark.parametrize(
    ("turns", "at", "hangs"),
    [
        pytest.param([(100, AT_WORK)], 100 + ALLOWED, False, id="waits within its time-outs"),
        pytest.param([(100, AT_WORK), (129, AT_WORK)], 131, True, id="waits longer than its time-outs"),
        pytest.param([(100, AT_WORK), (129, replace(AT_WORK, used=1.6))], 131, False, id="something moved"),
        pytest.param([(100, AT_WORK), (129, replace(AT_WORK, began=128.0))], 131, False, id="another round"),
        pytest.param([(100, AT_REST), (900, AT_REST)], 1000, False, id="rests"),
        pytest.param([(100, AT_WORK), (101, AT_REST), (131, AT_WORK)], 132, False, id="rested meanwhile"),
        pytest.param([(100, replace(AT_WORK, used=None))] * 2, 900, False, id="the system does not say"),
    ],
)
def test_a_worker_hangs_that_is_within_a_round_in_which_nothing_moves(
    turns: list[tuple[float, Turn]], at: float, hangs: bool
) -> None:
    assert bool(looked(*turns, at=at)) == hangs


def test_a_worker_of_which_nothing_is_said_has_time_outs_too() -> None:
    assert looked((100, replace(AT_WORK, worker="other")), at=101) == []
    assert "other hangs" in looked((100, replace(AT_WORK, worker="other")), at=102)[0]


def test_a_worker_that_has_ended_is_told() -> None:
    assert "has ended" in looked((100, replace(AT_WORK, alive=False)), at=100)[0]


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from("moves still rests")), min_size=1))
def test_still_is_since_the_first_of_the_last_looks_that_saw_the_same(story: list[tuple[int, str]]) -> None:
    heart, now, used, seen = Heartbeat(Path("unused"), {"line acme": ALLOWED}, else_allowed=1.0), 0.0, 0.0, []
    for seconds, what in story:
        now += seconds
        used += what == "moves"
        turn = replace(AT_WORK, used=used, began=None if what == "rests" else 1.0)
        seen.append((now, turn))
        beat = heart.take([turn], now)
    same = [at for at, turn in seen if all(later == seen[-1][1] for t, later in seen if t >= at)]
    assert beat.workers[0].still == (None if seen[-1][1].began is None else same[0])


def test_a_main_loop_that_does_not_turn_hangs_whatever_its_workers_did_last() -> None:
    beat = Beat(process=7, boot="b", at=100.0, workers=())
    assert beat.faults(100 + STALE_SECONDS) == []
    assert "process 7 hangs" in beat.faults(100 + STALE_SECONDS + 1)[0]


def test_a_beat_counts_for_its_process_and_this_start_of_the_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "h2h.beat"
    heart = Heartbeat(file, {"line acme": ALLOWED}, else_allowed=1.0)
    beat = heart.take([AT_WORK], 100.0)
    assert heartbeat.noted(file, os.getpid()) is None
    heart.write(beat)
    assert heartbeat.noted(file, os.getpid()) == beat
    assert heartbeat.noted(file, os.getpid() + 1) is None
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(heartbeat, "BOOT_ID", tmp_path / "boot_id")
    assert heartbeat.noted(file, os.getpid()) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"process": 1}', '{"process": 1, "workers": [{"still": 1}]}', "7"])
def test_a_damaged_beat_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "h2h.beat").write_text(content)
    assert heartbeat.noted(tmp_path / "h2h.beat", 1) is None


# How an engine tells of its workers.


class Rounds:
    """Two workers: one works until it may end, one waits until it may."""

    def __init__(self) -> None:
        self.entered, self.may_end = threading.Semaphore(0), threading.Event()
        self.engine = LocalEngine({"busy": self._busy, "waits": self._waits})

    def _busy(self) -> float:
        self.entered.release()
        while not self.may_end.is_set():
            pass
        return 1000.0

    def _waits(self) -> float:
        self.entered.release()
        self.may_end.wait()
        return 1000.0

    def turns(self) -> dict[str, Turn]:
        return {turn.worker: turn for turn in self.engine.turns()}


@pytest.fixture
def rounds() -> Iterator[Rounds]:
    made = Rounds()
    yield made
    made.may_end.set()
    made.engine.stop(30)


def test_an_engine_tells_rounds_and_what_moves_in_them(rounds: Rounds) -> None:
    assert not any(turn.alive for turn in rounds.turns().values())
    rounds.engine.start()
    rounds.entered.acquire()
    rounds.entered.acquire()
    before = rounds.turns()
    assert all(turn.alive and turn.began and not turn.ended for turn in before.values())
    while rounds.turns()["busy"] == before["busy"]:  # until processor time passed
        pass
    settled, still = rounds.turns()["waits"], rounds.turns()["waits"]
    while settled != still:  # it may just have been on its way into its wait
        settled, still = still, rounds.turns()["waits"]
    rounds.may_end.set()
    while any(turn.began for turn in rounds.turns().values()):
        pass
    assert all(turn.alive and turn.ended for turn in rounds.turns().values())
