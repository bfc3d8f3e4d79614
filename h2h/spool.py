"""Records of one kind that may be too many for memory: in order, and gone through as often as wanted.

The first stay in memory; once there are more, all go to a temporary file that has no name, so nothing of it is left
behind by whatever end. Raises StoreError where it cannot be written or read.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec

from h2h.columns import TOGETHER, Columns, InColumns, code_of
from h2h.errors import StoreError
from h2h.looked import Looked

T = TypeVar("T")
IN_MEMORY = 2_000  # records
FRAME = 1_000


class Spool(Collection[T], Generic[T]):
    """`folder`: where the file is made; None for the usual place of temporary files. `weight`: for how many a record
    counts, where some are much larger than others."""

    def __init__(
        self,
        kind: type[T],
        folder: Path | None = None,
        *,
        in_memory: int = IN_MEMORY,
        weight: Callable[[T], int] | None = None,
    ) -> None:
        self._in_memory, self._weight = in_memory, weight
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]
        self._latest: list[T] = []
        self._latest_weight = 0
        self._firsts: list[int] = []  # which record each begins with, counted from 0
        self._held: tuple[int, list[T]] | None = None  # the frame that a part was taken from last
        self._file = Frames(folder)
        self._count = 0

    def append(self, item: T) -> None:
        self._latest.append(item)
        self._count += 1
        self._latest_weight += 1 if self._weight is None else self._weight(item)
        if self._latest_weight >= (FRAME if len(self._file) else self._in_memory):
            self._write()

    def extend(self, items: Iterable[T]) -> None:
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """What was appended until the iteration came to its end."""
        at = 0
        while at < len(self._file):
            yield from self._read(at)
            at += 1
        yield from self._latest

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self)

    def part(self, first: int, end: int) -> Iterator[T]:
        """Those from the one at `first` to before `end`, counted from 0. One frame stays in memory, so that many small
        parts, one after the other, are read once."""
        for at in range(max(0, bisect_right(self._firsts, first) - 1), bisect_right(self._firsts, end - 1)):
            begins = self._firsts[at]
            yield from self._frame(at)[max(0, first - begins) : end - begins]
        begins = self._count - len(self._latest)
        yield from self._latest[max(0, first - begins) : max(0, end - begins)]

    def _frame(self, at: int) -> list[T]:
        if self._held is None or self._held[0] != at:
            self._held = at, self._read(at)
        return self._held[1]

    def _read(self, frame: int) -> list[T]:
        return self._decode(self._file.read(frame))

    def _write(self) -> None:
        size = max(1, len(self._latest) * FRAME // self._latest_weight)  # records in a frame, where all weigh the same
        known = self._count - len(self._latest)
        for first in range(0, len(self._latest), size):
            self._file.append(self._encode(self._latest[first : first + size]))
            self._firsts.append(known + first)
        self._latest, self._latest_weight = [], 0


class ColumnSpool(InColumns[T], Generic[T]):
    """The same of records that come in columns, and are handed out in columns, too."""

    def __init__(self, kind: type[T], folder: Path | None = None, *, in_memory: int = IN_MEMORY) -> None:
        self._code, self._file, self._in_memory = code_of(cast(Any, kind)), Frames(folder), in_memory
        self._latest: list[T] = []
        self._held: list[Columns[T]] = []
        self._looked: dict[int, Looked] = {}  # by frame, all of it but what is written there
        self._count = 0

    def append(self, record: T) -> None:
        self._latest.append(record)
        self._count += 1
        if len(self._latest) >= TOGETHER:
            self._close_latest()

    def add(self, records: Columns[T]) -> None:
        self._close_latest()
        self._count += len(records)
        self._hold(records)

    def add_looked(self, said: Looked) -> None:
        """They are taken out when they are wanted."""
        self._close_latest()
        self._count += said.many
        self._write_held()
        self._looked[len(self._file)] = replace(said, written=b"", references=b"")
        self._file.append(said.written)

    def _close_latest(self) -> None:
        if self._latest:
            latest, self._latest = self._latest, []
            self._hold(Columns.of(latest))

    def _hold(self, records: Columns[T]) -> None:
        self._held.append(records)
        if self._count >= self._in_memory:
            self._write_held()

    def _write_held(self) -> None:
        held, self._held = self._held, []
        for each in held:
            self._file.append(self._code.encode(each))

    def columns(self) -> Iterator[Columns[T]]:
        """What came until the iteration came to its end."""
        at = 0
        while at < len(self._file):
            written, looked = self._file.read(at), self._looked.get(at)
            yield cast(Any, replace(looked, written=written).payments()) if looked else self._code.decode(written)
            at += 1
        yield from self._held
        if self._latest:
            yield Columns.of(self._latest)

    def __len__(self) -> int:
        return self._count


def few_as_list(spool: Collection[T]) -> Collection[T]:
    """What never left memory as the list that it is: lists can be compared."""
    return spool if len(spool) >= IN_MEMORY else list(spool)


class Frames:
    """A temporary file without a name; `frames` are written behind one another, and read by their number."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._handle: int | None = None
        self._frames: list[tuple[int, int]] = []  # where each begins, and its size

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, frame: bytes) -> None:
        with _translated(self._folder):
            if self._handle is None:
                self._handle = self._opened()
            begins = sum(self._frames[-1]) if self._frames else 0
            _write_all(self._handle, frame)
        self._frames.append((begins, len(frame)))

    def read(self, number: int) -> bytes:
        assert self._handle is not None
        begins, size = self._frames[number]
        with _translated(self._folder):
            frame = os.pread(self._handle, size, begins)
        if len(frame) != size:
            raise StoreError("A temporary file is shorter than what was written to it.")
        return frame

    def _opened(self) -> int:
        """Gone when this is."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, handle)
        return handle


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _translated(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = folder or tempfile.gettempdir()
        raise StoreError(f"A temporary file in {place} cannot be written or read: {error.strerror}.") from error
