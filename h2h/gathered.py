"""The records of one file in its order, however many they are: each kind in a spool of its own.

What a file says stands in runs of records of one kind, as in a statement and then its entries. Which run comes after
which is noted in a few bytes each; the records themselves may be on disk. Entries stay in columns, beside what is kept
of them as text: it is made while the rest of the file is waited for, and not while the ledger keeps others waiting.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, islice, repeat
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import msgspec
from msgspec import Struct

from h2h.columns import Columns, InColumns, Inside, decoder_of, in_columns, inner_counts, joined, names_of
from h2h.model import Entry, EntryDetail, Record
from h2h.records import columns_as_texts, inner_texts
from h2h.spool import FRAME, IN_MEMORY, Spool

T = TypeVar("T")
KINDS: tuple[type, ...] = get_args(Record)


class Run(InColumns[Any]):
    """Records of one kind that stand together; gone through as often as wanted."""

    __slots__ = ("_end", "_first", "_spool", "kind")

    def __init__(self, kind: type, spool: Spool[Any] | Entries, first: int, end: int) -> None:
        self.kind, self._spool, self._first, self._end = kind, spool, first, end

    def __len__(self) -> int:
        return self._end - self._first

    def __iter__(self) -> Iterator[Any]:
        return self._spool.part(self._first, self._end)

    def columns(self) -> Iterator[Columns[Any]]:
        if isinstance(self._spool, Entries):
            return self._spool.columns(self._first, self._end)
        return in_columns(iter(self))


class Joined(InColumns[T], Generic[T]):
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

    def columns(self) -> Iterator[Columns[T]]:
        for run in self._runs:
            yield from run.columns()


class Written(Columns[Entry]):
    """Entries, and the text that is kept of each without its details (`texts`), and of each detail (`of_details`)."""

    __slots__ = ("of_details", "texts")

    def __init__(self, values: Sequence[Sequence[Any]], texts: Sequence[str], of_details: Sequence[str]) -> None:
        super().__init__(Entry, values)
        self.texts, self.of_details = texts, of_details

    @classmethod
    def from_columns(cls, entries: Columns[Entry]) -> Written:
        if isinstance(entries, Written):
            return entries
        return cls(entries.values, columns_as_texts(entries, without="details"), inner_texts(entries.column("details")))

    @classmethod
    def joined(cls, pieces: Sequence[Written]) -> Written:
        values = [*map(joined, zip(*(each.values for each in pieces), strict=True))]
        texts = [*chain.from_iterable(each.texts for each in pieces)]
        return cls(values, texts, [*chain.from_iterable(each.of_details for each in pieces)])

    def where(self, wanted: Sequence[object]) -> Written:
        inner = chain.from_iterable(map(repeat, wanted, inner_counts(self.column("details"))))
        of_details = [*compress(self.of_details, inner)]
        return Written(super().where(wanted).values, [*compress(self.texts, wanted)], of_details)

    def one_by_one(self) -> Iterator[tuple[Entry, list[str]]]:
        """Each entry as a record, and the texts of its details."""
        rest = iter(self.of_details)
        return ((entry, [*islice(rest, len(entry.details))]) for entry in self)

    def part(self, first: int, end: int) -> Written:
        """Those from the one at `first` to before `end`, counted from 0."""
        counts = [*inner_counts(self.column("details"))]
        before = sum(counts[:first])
        of_details = self.of_details[before : before + sum(counts[first:end])]
        return Written([values[first:end] for values in self.values], self.texts[first:end], of_details)

    def encoded(self) -> bytes:
        details = self.column("details")
        inside = details.columns if isinstance(details, Inside) else {}
        columns = dict(zip(names_of(Entry), self.values, strict=True))
        if inside:
            del columns["details"]
        frame = _Frame(
            size=len(self), columns=_packed(columns), inside=_packed(inside), texts=self.texts,
            of_details=self.of_details,
        )  # fmt: skip
        return _ENCODE(frame)

    @classmethod
    def decoded(cls, frame: bytes) -> Written:
        found = _DECODE(frame)
        columns: dict[str, Sequence[Any]] = _unpacked(Entry, found.columns, found.size)
        if found.inside:
            columns["details"] = Inside(EntryDetail, _unpacked(EntryDetail, found.inside, found.size))
        return cls([columns[name] for name in names_of(Entry)], found.texts, found.of_details)


class _Frame(Struct, frozen=True, kw_only=True, array_like=True):
    """`inside`: the columns of details, where each entry has one."""

    size: int
    columns: dict[str, msgspec.Raw]
    inside: dict[str, msgspec.Raw]
    texts: Sequence[str]
    of_details: Sequence[str]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Frame).decode


class _Packed(Sequence[Any]):
    """A column as it was put aside, taken out when it is asked for: half of the columns never are."""

    __slots__ = ("_packed", "_size", "_taken", "_unpack")

    def __init__(self, packed: msgspec.Raw, size: int, unpack: Callable[[bytes], list[Any]]) -> None:
        self._packed, self._size, self._unpack = packed, size, unpack
        self._taken: list[Any] | None = None

    def _values(self) -> list[Any]:
        if self._taken is None:
            self._taken = self._unpack(self._packed)
        return self._taken

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values())

    def __getitem__(self, at: Any) -> Any:
        return self._values()[at]

    def count(self, value: Any) -> int:
        return self._values().count(value)


def _packed(columns: Mapping[str, Sequence[Any]]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(_ENCODE(values)) for name, values in columns.items()}


def _unpacked(kind: type, columns: Mapping[str, msgspec.Raw], size: int) -> dict[str, Sequence[Any]]:
    return {name: _Packed(packed, size, decoder_of(kind, name)) for name, packed in columns.items()}


class Entries:
    """A spool of entries in columns, some hundred together, each detail counted; of which parts are asked for."""

    def __init__(self, folder: Path | None) -> None:
        self._frames: Spool[bytes] = Spool(bytes, folder, weight=lambda _: FRAME)  # each goes to the file at once
        self._held: list[Written] = []  # as long as they are few
        self._firsts: list[int] = []  # which entry each begins with, counted from 0
        self._latest: list[Entry] = []
        self._joining: list[Written] = []
        self._count = self._weight = self._latest_weight = 0
        self._decoded: tuple[int, Written] | None = None  # the frame that was taken last

    def append(self, entry: Entry) -> None:
        self._latest.append(entry)
        self._weigh(1, len(entry.details))

    def add(self, entries: Columns[Entry]) -> None:
        self._to_columns()
        self._joining.append(Written.from_columns(entries))
        self._weigh(len(entries), sum(inner_counts(entries.column("details"))))

    def __len__(self) -> int:
        return self._count

    def part(self, first: int, end: int) -> Iterator[Entry]:
        for some in self.columns(first, end):
            yield from some

    def columns(self, first: int, end: int) -> Iterator[Written]:
        """Those from the one at `first` to before `end`, counted from 0. One frame stays in memory, so that many small
        parts, one after the other, are read once."""
        self._close()
        for at in range(bisect_right(self._firsts, first) - 1, bisect_right(self._firsts, end - 1)):
            begins, some = self._firsts[at], self._frame(at)
            if first <= begins and begins + len(some) <= end:
                yield some
            else:
                yield some.part(max(0, first - begins), end - begins)

    def _frame(self, at: int) -> Written:
        if self._held:
            return self._held[at]
        if self._decoded is None or self._decoded[0] != at:
            [frame] = self._frames.part(at, at + 1)
            self._decoded = at, Written.decoded(frame)
        return self._decoded[1]

    def _weigh(self, entries: int, details: int) -> None:
        self._count += entries
        self._latest_weight += entries + details
        if self._latest_weight >= FRAME:
            self._close()

    def _to_columns(self) -> None:
        if self._latest:
            latest, self._latest = self._latest, []
            self._joining.append(Written.from_columns(Columns.of(latest)))

    def _close(self) -> None:
        """Make a frame of the latest."""
        self._to_columns()
        if not self._joining:
            return
        frame = Written.joined(self._joining)
        self._joining = []
        self._firsts.append(self._count - len(frame))
        self._weight, self._latest_weight = self._weight + self._latest_weight, 0
        self._held.append(frame)
        if len(self._frames) or self._weight >= IN_MEMORY:
            held, self._held = self._held, []
            self._frames.extend(map(Written.encoded, held))


class Gathered(Collection[Record]):
    """`folder`: where temporary files are made; None for the usual place."""

    def __init__(self, records: Iterable[Record] = (), folder: Path | None = None) -> None:
        self._folder = folder
        self._spools: dict[type, Any] = {}
        self._kinds, self._firsts, self._ends = array("B"), array("Q"), array("Q")  # of each run
        self._under_way: type | None = None
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        self._spool_of(type(record)).append(record)
        self._ends[-1] += 1

    def add(self, records: Columns[Any]) -> None:
        spool = self._spool_of(records.kind)
        if isinstance(spool, Entries):
            spool.add(records)
        else:
            spool.extend(records)
        self._ends[-1] += len(records)

    def _spool_of(self, kind: type) -> Any:
        """Where the next record goes, with the run that it stands in."""
        spool = self._spools.get(kind)
        if spool is None:
            spool = Entries(self._folder) if kind is Entry else Spool(kind, self._folder)
            self._spools[kind] = spool
        if self._under_way is not kind:
            self._begin(kind, len(spool))
        return spool

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
