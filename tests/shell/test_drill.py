"""`h2h drill`: the fault drill as a person runs it, and the things that it must not miss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from h2h.drill.banks import KINDS, Kind
from h2h.drill.campaign import Campaign, Plan, chosen
from h2h.drill.play import Kill, Phase, Play, Result
from h2h.errors import Stale
from h2h.ledger.rows import Transfer
from h2h.outbound.publisher import Publisher

from .command import run

NOWHERE = Path("no settings are needed")
SMALL = ("--points", "3", "--pairs", "1")
CERTAIN = next(kind for kind in KINDS if kind.name == "cuts the line after the rename")
PLAN = Plan(points=2, pairs=0, seed=1, workers=1)


def test_the_drill_prints_its_table_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    done = run(NOWHERE, "drill", str(tmp_path / "drill"), "--bank", CERTAIN.name, *SMALL)
    assert done.returncode == 0, done.stderr
    head, row, total = done.stdout.splitlines()[:3]
    assert head.split() == ["the", "bank", "tried", "sent", "once", "held", "lost", "twice"]
    assert row.split()[-5:] == ["5", "5", "0", "0", "0"]
    assert total.split()[-5:] == ["5", "5", "0", "0", "0"]
    assert not (tmp_path / "drill").exists()  # what went well is cleared away


def test_for_programs_it_is_one_object_for_each_kind_of_bank(tmp_path: Path) -> None:
    done = run(NOWHERE, "drill", "--bank", CERTAIN.name, "--at", "out: sent POSIX-RENAME 1", "--json")
    row = json.loads(done.stdout)
    assert (row["bank"], row["points"], row["once"], row["lost"], row["twice"]) == (CERTAIN.name, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--bank", "nobody"), "takes files at once"), (("--at", "somewhere"), "out: sent RENAME 1")],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], said: str) -> None:
    done = run(NOWHERE, "drill", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True)


# A drill that cannot find a fault shows nothing: these gateways and banks are wrong, and it has to say so.


def careless(self: Publisher, _session: object, transfers: list[Transfer], **_: object) -> list[Transfer | Stale]:
    """Calls a file sent before it asks for anything."""
    return self._ledger.transfers.sent_many([(each, {"answer": "surely"}) for each in transfers], self._clock.now())


def test_a_file_that_is_called_sent_and_is_not_there_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.drill.play.child.run", _careless_run)
    row = Campaign(tmp_path, PLAN).bank(KINDS[0])
    assert (row.lost, row.good) == (1, False)
    assert "SENT, 0 at the bank" in row.wrong[0]


def _careless_run(*arguments: object) -> None:
    from h2h.drill import child

    Publisher.publish = careless  # type: ignore[method-assign, assignment]
    child.run(*arguments)  # type: ignore[arg-type]


def test_a_file_that_comes_twice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank that copies what it gets stands for a gateway that sends twice."""

    def copies(self: Play, bank: object, gateway: object) -> tuple[Result, str]:
        (taken,) = bank.taken  # type: ignore[attr-defined]
        taken.path.with_name("000002-again.xml").write_bytes(taken.data)
        return ORIGINAL_JUDGE(self, bank, gateway)  # type: ignore[arg-type]

    monkeypatch.setattr(Play, "_judge", copies)
    row = Campaign(tmp_path, PLAN).bank(KINDS[0])
    assert (row.twice, row.good) == (1, False)


ORIGINAL_JUDGE = Play._judge


def test_what_a_profile_promises_too_little_for_is_held_and_not_counted_as_wrong(tmp_path: Path) -> None:
    doubtful = Kind(name="in the dark", facts=(), certain=False)
    row = Campaign(tmp_path, PLAN).single(doubtful, (Kill(phase=Phase.OUT, point="after Transfers.publishing 1"),))
    assert (row.held, row.good) == (1, True)
    row = Campaign(tmp_path, PLAN).single(
        Kind(name="should know", facts=(), certain=True),
        (Kill(phase=Phase.OUT, point="after Transfers.publishing 1"),),
    )
    assert (row.held, row.good) == (1, False)


def test_the_points_taken_are_those_around_what_counts_and_a_spread_of_the_others() -> None:
    points = [Kill(phase=Phase.OUT, point=f"before LSTAT {n}") for n in range(100)]
    points[50] = Kill(phase=Phase.OUT, point="in Transfers.publishing 1")
    taken = chosen(points, 19)
    assert len(taken) == 19
    assert set(points[46:55]) <= set(taken)
    assert {points[0]} <= set(taken)
    assert chosen(points, None) == points


def test_every_kind_of_bank_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 6
