"""Which EndToEndIds a file uses more than once, whatever their number: 64 bits of memory for each payment.

While the payments come, only hashes of their references are kept. Where one comes twice, the payments are gone through
once more, and what is found there is exact. Of the references that repeat, the first `MAX_WATCHED` are followed; of
each of these every repetition is told.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from h2h.model import Finding, Severity
from h2h.text import shown

UNREFERENCED = frozenset({"NOTPROVIDED"})
PARTS = 256
FEW = 5_000  # of which no parts are made
MAX_WATCHED = 10_000  # more than anybody is told of


class Referred(NamedTuple):
    """An EndToEndId: of which payment of the file, where, and on which line."""

    reference: str | None
    position: int
    path: str
    line: int | None


class References:
    """`hashed`: one that no file can foresee, as Python's own is: else it could be made slow."""

    def __init__(self, hashed: Callable[[str], int] = hash) -> None:
        self._hashed = hashed
        self._few = array("q")  # that are not in their parts yet
        self._parts: list[array[int]] = []
        self._others = False

    def extend(self, references: Iterable[str | None]) -> None:
        self._few.extend(_hashes(references, self._hashed))
        if len(self._few) >= FEW:
            self._spread()

    def extend_hashed(self, hashes: bytes) -> None:
        """With what `hashed` says in another process: all of them, or none."""
        self._others = True
        self._few.frombytes(hashes)
        if len(self._few) >= FEW:
            self._spread()

    @property
    def unexplained(self) -> bool:
        """Some repeat, and which ones those are only another process can tell by their hashes."""
        return self._others and next(self._twice(), None) is not None

    def _spread(self) -> None:
        self._parts = self._parts or [array("q") for _ in range(PARTS)]
        add = [part.append for part in self._parts]
        for value in self._few:
            add[value & (PARTS - 1)](value)
        self._few = array("q")

    def repeated(self, payments: Iterable[Referred]) -> Iterator[Finding]:
        """`payments`: those whose references were added, from the first one on; not looked at where none repeats."""
        twice = array("q", sorted(self._twice()))
        if not twice:
            return
        first: dict[str, int] = {}
        for reference, position, path, line in payments:
            if reference is None or reference in UNREFERENCED:
                continue
            if reference in first:
                yield _repeated(reference, first[reference], path, line)
            elif len(first) < MAX_WATCHED and _holds(twice, self._hashed(reference)):
                first[reference] = position

    def _twice(self) -> Iterator[int]:
        """Hashes that came more than once."""
        if self._parts:
            self._spread()
        for part in self._parts or [self._few]:
            if len(set(part)) < len(part):
                yield from (value for value, count in Counter(part).items() if count > 1)


def hashed(references: Iterable[str | None]) -> bytes:
    """For `extend_hashed` of somebody else."""
    return array("q", _hashes(references, hash)).tobytes()


def _hashes(references: Iterable[str | None], hashed: Callable[[str], int]) -> Iterator[int]:
    said = [reference for reference in references if reference is not None and reference not in UNREFERENCED]
    return map(hashed, said)


def _holds(ascending: array[int], value: int) -> bool:
    at = bisect_left(ascending, value)
    return at < len(ascending) and ascending[at] == value


def _repeated(reference: str, first: int, path: str, line: int | None) -> Finding:
    text = (
        f"EndToEndId {shown(reference)} was used by payment {first} of this file already; "
        "the bank's answers cannot tell the two apart by it."
    )
    return Finding(code="END_TO_END_ID_REPEATED", severity=Severity.WARNING, text=text, path=path, line=line)
