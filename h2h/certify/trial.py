"""A case of the pack, and one try of it: where it writes, and what it notes down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from h2h.certify.bench import Bench
from h2h.certify.office import Office, opened
from h2h.certify.results import Evidence, Sort


@dataclass(slots=True, kw_only=True)
class Trial:
    bench: Bench
    folder: Path
    evidence: list[Evidence] = field(default_factory=list)
    _offices: int = 0

    def note(self, sort: Sort, text: str) -> None:
        self.evidence.append(Evidence(sort=sort, text=text, at=self.bench.clock.now()))

    def office(self, **how: Any) -> AbstractContextManager[Office]:
        """A gateway of its own in a fresh folder; see office.opened."""
        return self._office(how)

    @contextmanager
    def _office(self, how: dict[str, Any]) -> Iterator[Office]:
        self._offices += 1
        with opened(self.bench, self.folder / f"gateway-{self._offices}", self.evidence.append, **how) as office:
            yield office


def nothing_lacks(_: Bench) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`lacks`: why it cannot be tried with this bank, or None. `play`: what came true, in a sentence; raises Unmet, or
    what the gateway raises. `by_hand`: how a person helps where the bank does not do it by itself."""

    id: str
    title: str
    proves: str
    play: Callable[[Trial], str]
    lacks: Callable[[Bench], str | None] = nothing_lacks
    by_hand: str = ""
