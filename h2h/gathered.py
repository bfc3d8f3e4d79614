"""The records of one file in its order, however many they are: each kind in a spool of its own.

What a file says stands in runs of records of one kind, as in a statement and then its entries. Which run comes after
which is noted in a few bytes each; the records themselves may be on disk.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from h2h.model import Entry, Record
from h2h.spool import Spool

T = TypeVar("T")
KINDS: tuple[type, ...] = get_args(Record)


class Run(Collection[Any]):
    """Records of one kind that stand together; gone through as often as wanted."""

    __slots__ = ("_end", "_first", "_spool", "kind")

    def __init__(self, kind: type, spool: Spool[Any], first: int, end: int) -> None:
        self.kind, self._spool, self._first, self._end = kind, spool, first, end

    def __len__(self) -> int:
        return self._end - self._first

    def __iter__(self) -> Iterator[Any]:
        return self._spool.part(self._first, self._end)

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


class Joined(Collection[T], Generic[T]):
    """Runs of one kind, one after the other."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def append(self, run: Run) -> None:
        self._runs.append(run)

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def __iter__(self) -> Iterator[T]:
        for run in self._runs:
            yield from run

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


class Gathered(Collection[Record]):
    """`folder`: where temporary files are made; None for the usual place."""

    def __init__(self, records: Iterable[Record] = (), folder: Path | None = None) -> None:
        self._folder = folder
        self._spools: dict[type, Spool[Any]] = {}
        self._kinds, self._firsts, self._ends = array("B"), array("Q"), array("Q")  # of each run
        self._under_way: type | None = None
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        kind = type(record)
        spool = self._spools.get(kind)
        if spool is None:
            spool = self._spools[kind] = Spool(kind, self._folder, weight=_weight if kind is Entry else None)
        if self._under_way is not kind:
            self._begin(kind, len(spool))
        spool.append(record)
        self._ends[-1] += 1

    def _begin(self, kind: type, first: int) -> None:
        self._kinds.append(KINDS.index(kind))
        self._firsts.append(first)
        self._ends.append(first)
        self._under_way = kind

    def mark(self) -> int:
        """Where the next record will stand; to come back to by `drop`."""
        self._under_way = None
        return len(self._kinds)

    def drop(self, mark: int) -> None:
        """Forget all that came since."""
        del self._kinds[mark:], self._firsts[mark:], self._ends[mark:]
        self._under_way = None

    def runs(self) -> Iterator[Run]:
        for number, first, end in zip(self._kinds, self._firsts, self._ends, strict=True):
            kind = KINDS[number]
            yield Run(kind, self._spools[kind], first, end)

    def has(self, kind: type) -> bool:
        return KINDS.index(kind) in self._kinds

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._firsts)

    def __iter__(self) -> Iterator[Record]:
        for run in self.runs():
            yield from run

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)


def _weight(entry: Entry) -> int:
    return 1 + len(entry.details)
