"""Which EndToEndIds a file uses more than once, whatever their number: of each payment 64 bits, put aside.

While the payments come, only hashes of their references are kept, those that may be equal together. Where one comes
twice, the payments are gone through once more, and what is found there is exact. Of the references that repeat, the
first `MAX_WATCHED` are followed; of each of these every repetition is told.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from h2h.model import Finding, Severity
from h2h.text import shown

UNREFERENCED = frozenset({"NOTPROVIDED"})
PARTS = 256
FEW = 5_000  # of which no parts are made
FRAME = 512  # of one part that are put aside at a time
MAX_WATCHED = 10_000  # more than anybody is told of


class Referred(NamedTuple):
    """An EndToEndId: of which payment of the file, where, and on which line."""

    reference: str | None
    position: int
    path: str
    line: int | None


class Aside(Protocol):
    """Frames of bytes that are kept elsewhere, and read by their number."""

    def __len__(self) -> int: ...
    def append(self, frame: bytes) -> None: ...
    def read(self, number: int) -> bytes: ...


class References:
    """`hashed`: one that no file can foresee, as Python's own is: else it could be made slow. Without `aside`, hashes
    stay in memory."""

    def __init__(self, aside: Aside | None = None, *, hashed: Callable[[str], int] = hash) -> None:
        self._aside, self._hashed = aside, hashed
        self._few = array("q")  # that are not in their parts yet
        self._parts: list[array[int]] = []  # what of them is not put aside
        self._frames: list[list[int]] = []  # what is, by part
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
        if not self._parts:
            self._parts, self._frames = [array("q") for _ in range(PARTS)], [[] for _ in range(PARTS)]
        add = [part.append for part in self._parts]
        for value in self._few:
            add[value & (PARTS - 1)](value)
        self._few = array("q")
        if self._aside is not None:
            self._put(self._aside)

    def _put(self, aside: Aside) -> None:
        for part, frames in zip(self._parts, self._frames, strict=True):
            if len(part) >= FRAME:
                frames.append(len(aside))
                aside.append(part.tobytes())
                del part[:]

    def _whole(self) -> Iterator[array[int]]:
        """Each part, with what of it was put aside."""
        for part, frames in zip(self._parts, self._frames, strict=True):
            whole = array("q", part)
            for number in frames:
                assert self._aside is not None
                whole.frombytes(self._aside.read(number))
            yield whole

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
        for part in self._whole() if self._parts else [self._few]:
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
