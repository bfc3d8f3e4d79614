"""Many plays: for each kind of bank the points of an undisturbed one, then a kill at each of them, and pairs of kills.

Which points and pairs are taken is settled by a seed, so that the same command does the same again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from h2h.drill.banks import Kind
from h2h.drill.play import Kill, Outcome, Phase, Play, Result

NEAR = 4  # points before and after the point of no return that are always among those taken
Kills = tuple[Kill, ...]
DECISIVE = ("Transfers.publishing", "Transfers.sent", "RENAME", "OPEN", "Messages.kept", "Messages.applied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one kind of bank. `wrong`: the plays that are lost, twice, or held where nothing should be."""

    bank: str
    points: int
    once: int
    held: int
    lost: int
    twice: int
    unreached: int
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried for each kind of bank; None takes every single point."""

    points: int | None
    pairs: int
    seed: int
    workers: int


class Campaign:
    def __init__(self, folder: Path, plan: Plan, progress: Callable[[int, int], None] = lambda *_: None) -> None:
        self._folder = folder
        self._plan = plan
        self._progress = progress
        self._numbers = count(1)

    def bank(self, kind: Kind) -> Row:
        """All plays against one kind of bank: undisturbed, each point, then pairs: a kill in the recovery from one."""
        dry = self._play(kind, ())
        if _wrong(kind, (), dry):
            return _row(kind, [()], [dry])
        singles = [(kill,) for kill in chosen(dry.points, self._plan.points)]
        with ThreadPoolExecutor(self._plan.workers) as pool:
            first = self._all(pool, kind, singles, more=self._plan.pairs)
            pairs = self._pairs(kind, singles, first)
            second = self._all(pool, kind, pairs, before=len(singles))
        return _row(kind, [(), *singles, *pairs], [dry, *first, *second])

    def _all(
        self, pool: Executor, kind: Kind, tries: Sequence[Kills], *, before: int = 0, more: int = 0
    ) -> list[Outcome]:
        outcomes = []
        for outcome in pool.map(lambda kills: self._play(kind, kills), tries):
            outcomes.append(outcome)
            self._progress(before + len(outcomes), before + len(tries) + more)
        return outcomes

    def _pairs(self, kind: Kind, singles: Sequence[Kills], outcomes: Sequence[Outcome]) -> list[Kills]:
        """A decisive kill, then one at a point of the way on which the gateway recovers from it."""
        chance = random.Random(f"{self._plan.seed} {kind.name}")  # noqa: S311 - to be repeated, not to be secret
        ways = [
            (kills[0], [point for point in outcome.points if point.phase is kills[0].phase])
            for kills, outcome in zip(singles, outcomes, strict=True)
            if outcome.reached and _decisive(kills[0])
        ]
        open_ways = [(kill, points) for kill, points in ways if points]
        picked = [chance.choice(open_ways) for _ in range(self._plan.pairs if open_ways else 0)]
        return [(kill, chance.choice(points)) for kill, points in picked]

    def single(self, kind: Kind, kills: Kills) -> Row:
        """One play, to see again what a campaign found."""
        return _row(kind, [kills], [self._play(kind, kills)])

    def _play(self, kind: Kind, kills: Kills) -> Outcome:
        return Play(kind, self._folder / f"{next(self._numbers):05}").run(kills)


def chosen(points: Sequence[Kill], most: int | None) -> list[Kill]:
    """Those around what counts, then others spread evenly over the way, in the order of the way."""
    if most is None or len(points) <= most:
        return list(points)
    marks = [n for n, kill in enumerate(points) if kill.phase is Phase.OUT and "Transfers.publishing" in kill.point]
    away = {n: min(abs(n - mark) for mark in marks) if marks else len(points) for n in range(len(points))}
    near = sorted((n for n in away if away[n] <= NEAR), key=lambda n: away[n])[:most]
    rest = [n for n in range(len(points)) if n not in near]
    wanted = most - len(near)
    spread = [rest[n * len(rest) // wanted] for n in range(wanted)] if wanted else []
    return [points[n] for n in sorted({*near, *spread})]


def _decisive(kill: Kill) -> bool:
    return any(word in kill.point for word in DECISIVE)


def _wrong(kind: Kind, kills: Kills, outcome: Outcome) -> str | None:
    """The play in words where it is not as promised; None where all is well."""
    bad = outcome.result in (Result.LOST, Result.TWICE) or (kind.certain and outcome.result is Result.HELD)
    if not bad:
        return None
    return f"{outcome.result} ({outcome.why}) after {', then '.join(map(str, kills)) or 'no kill at all'}"


def _row(kind: Kind, tries: Sequence[Kills], outcomes: Sequence[Outcome]) -> Row:
    counted = Counter(outcome.result for outcome in outcomes if outcome.reached)
    found = (_wrong(kind, kills, outcome) for kills, outcome in zip(tries, outcomes, strict=True))
    return Row(
        bank=kind.name,
        points=counted.total(),
        once=counted[Result.ONCE],
        held=counted[Result.HELD],
        lost=counted[Result.LOST],
        twice=counted[Result.TWICE],
        unreached=len(outcomes) - counted.total(),
        wrong=tuple(filter(None, found)),
    )
