"""A large pain.001 read by two processes at once, each of which is handed a half as a file of its own.

The cut is between two payments of a batch. The first half gets the tags that close it; in front of the second stand the
head of the file and that of the batch, both to the letter. So each is validated whole, and the records of both, one
behind the other, are those of the file, if two things hold: both are read without a word against them, so that nothing
but these elements was open at the cut; and the first ends in the batch that the second begins with. Wherever one of
them does not hold, Whole is raised, and the file is to be read by one process, which has the last word.

Whoever checks the bytes from start to end (the archive) does so while the halves are read; the second half is handed
out beside it, from the same descriptor. So who shows a bar of what was read has no descriptor, and the file is read
whole.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from h2h.confined.wire import BLOCK
from h2h.looked import Looked, Shift, shifted_batch
from h2h.messages.raw import RawSource
from h2h.model import Batch, PaymentFile
from h2h.spool import Frames

LEAST = 32 << 20  # bytes of a file: smaller ones are read before a second process is under way
SHARE = 0.5  # of the file that the first process is handed, or some bytes more
NEAR = 1 << 20  # bytes in which the end of a payment, or the head of a file or batch, has to come
BATCH, PAYMENT, PAYMENT_END = b"<PmtInf>", b"<CdtTrfTxInf>", b"</CdtTrfTxInf>"
A_BATCH, A_PAYMENT, BETWEEN = map(re.compile, (BATCH, PAYMENT, rb"%b\s*+%b" % (PAYMENT_END, PAYMENT)))
IN_NO_HEAD = re.compile(rb"PmtInf(?!Id[\s/>])|CdtTrfTxInf|<!|<\?(?!xml\s)")
CLOSING = b"</PmtInf></CstmrCdtTrfInitn></Document>"


class Whole(Exception):
    """The file has to be read by one process."""


class Cut(NamedTuple):
    """Places in a file: of its first batch, of the batch that is cut, of the first payment in that, and of the cut."""

    first: int
    batch: int
    payment: int
    at: int


def read(
    source: BinaryIO, said: Callable[[RawSource], Iterator[Any]], scratch: Path | None = None
) -> Iterator[PaymentFile | Batch | Looked]:
    """What is told of the file that begins where `source` stands; `said` reads a half. Raises Whole, and what `said`
    raises of the first half."""
    start, file = source.tell(), _descriptor(source)
    size = os.fstat(file).st_size - start
    if size < LEAST:
        raise Whole
    cut = cut_of(file, start, size)
    beginning, rest, seam = Beginning(source, start, cut), Rest(file, start, size, cut), Seam()
    aside = Aside(lambda: said(rest), scratch)
    try:
        for item in said(beginning):
            yield seam.pass_on(item)
        if seam.last is None or source.tell() != cut.at:
            raise Whole
        while source.read(BLOCK):  # whoever checks the bytes sees all of them
            pass
        yield from seam.go_on(aside.told(), line_at(file, cut, seam.last) - rest.lines_ahead() - 1)
    finally:
        aside.leave()


def _descriptor(source: BinaryIO) -> int:
    """Of a file that can be read in several places at once."""
    try:
        return source.fileno()
    except (AttributeError, OSError) as error:
        raise Whole from error


def cut_of(file: int, start: int, size: int) -> Cut:
    """Where the file that begins at `start` may be cut. Nobody looks at what is XML here: it is a guess."""
    middle, end = start + int(size * SHARE), start + size
    first = _found(file, A_BATCH, start, min(start + NEAR, end))
    at = _found(file, BETWEEN, middle, min(middle + NEAR, end)) + len(PAYMENT_END)
    batch = _last(file, BATCH, first, at)
    payment = _found(file, A_PAYMENT, batch, min(batch + NEAR, at))
    heads = os.pread(file, first - start, start) + os.pread(file, payment - batch, batch)[len(BATCH) :]
    if IN_NO_HEAD.search(heads):  # what would be read twice, however it is written, or swallow what follows
        raise Whole
    return Cut(first, batch, payment, at)


def _found(file: int, what: re.Pattern[bytes], start: int, end: int) -> int:
    found = what.search(os.pread(file, end - start, start))
    if not found:
        raise Whole
    return start + found.start()


def _last(file: int, what: bytes, start: int, end: int) -> int:
    """The last of them."""
    begin = end
    while begin > start:
        begin, end = max(start, begin - NEAR), min(end, begin + len(what) - 1)
        at = os.pread(file, end - begin, begin).rfind(what)
        if at >= 0:
            return begin + at
    raise Whole


class Beginning(RawSource):
    """The file up to the cut, and what closes it. `source` is read from start to end, so that whoever checks its bytes
    sees all of them."""

    def __init__(self, source: BinaryIO, start: int, cut: Cut) -> None:
        super().__init__(cut.at - start + len(CLOSING))
        self._source, self._start, self._end = source, start, cut.at - start

    def read(self, size: int = -1) -> bytes:
        if self.at >= self._end:
            block = CLOSING[self.at - self._end :][:size]
        else:
            if self._source.tell() != self._start + self.at:
                self._source.seek(self._start + self.at)
            block = self._source.read(min(size, self._end - self.at))
        self.at += len(block)
        return block


class Rest(RawSource):
    """The heads of the file and of the batch, and all behind the cut."""

    def __init__(self, file: int, start: int, size: int, cut: Cut) -> None:
        self._file = file
        self._parts = [(start, cut.first), (cut.batch, cut.payment), (cut.at, start + size)]
        super().__init__(sum(end - begin for begin, end in self._parts))

    def read(self, size: int = -1) -> bytes:
        before = 0
        for begin, end in self._parts:
            at = begin + self.at - before
            if at < end:
                block = os.pread(self._file, min(size, end - at), at)
                self.at += len(block)
                return block
            before += end - begin
        return b""

    def lines_ahead(self) -> int:
        """That end in front of what stands behind the cut."""
        heads = self._parts[:2]
        return sum(os.pread(self._file, end - begin, begin).count(b"\n") for begin, end in heads)


def line_at(file: int, cut: Cut, last: Looked) -> int:
    """The line of the cut. `last`: the payments before it."""
    begin = _last(file, PAYMENT, cut.payment, cut.at)
    text = os.pread(file, cut.at - begin, begin)
    line = last.payments().column("line")[-1]
    if text.count(PAYMENT_END) > 1 or line is None:  # the last payment begins in another way
        raise Whole
    return cast(int, line) + text.count(b"\n")


class Aside:
    """What is told of the second half, by a thread of its own, until somebody has time for it."""

    def __init__(self, said: Callable[[], Iterator[Any]], scratch: Path | None) -> None:
        self._said, self._frames = said, Frames(scratch)
        self._told: list[Any] = []
        self._fault: Exception | None = None
        self._unwanted = False
        self._thread = threading.Thread(target=self._listen, name="second-half", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        said = self._said()
        try:
            for item in said:
                if self._unwanted:
                    return
                if isinstance(item, Looked):
                    self._frames.append(item.written)
                    self._frames.append(item.references)
                    item = replace(item, written=b"", references=b"")
                self._told.append(item)
        except Exception as fault:
            self._fault = fault
        finally:
            said.close()  # type: ignore[attr-defined]  # it is a generator

    def told(self) -> Iterator[Any]:
        """All of it, once it is complete."""
        self._thread.join()
        if self._fault is not None:
            raise Whole from self._fault
        frames = map(self._frames.read, count())
        for item in self._told:
            if isinstance(item, Looked):
                item = replace(item, written=next(frames), references=next(frames))
            yield item

    def leave(self) -> None:
        self._unwanted = True
        self._thread.join()


class Seam:
    """Where both halves meet: what the first one told last, and how the second one goes on."""

    def __init__(self) -> None:
        self._head: PaymentFile | None = None
        self._batch: Batch | None = None
        self.last: Looked | None = None
        self._payments = 0

    def pass_on(self, item: Any) -> Any:
        """Of the first half."""
        match item:
            case Looked():
                self.last = item
                self._payments += item.many
            case Batch():
                self._batch, self.last = item, None
            case PaymentFile():
                self._head = item
            case _:  # something against it, or another message
                raise Whole
        return item

    def go_on(self, told: Iterator[Any], lines: int) -> Iterator[Any]:
        """The second half as it stands in the file, `lines` further down."""
        head, first = next(told, None), next(told, None)
        if head != self._head or not isinstance(first, Batch) or not self._is_cut(first):
            raise Whole
        assert self._batch is not None
        shift = Shift(self._payments, self._batch.position - first.position, lines)
        for item in told:
            match item:
                case Looked():
                    yield replace(item, batch=item.batch + shift.batch, shift=shift)
                case Batch():
                    yield shifted_batch(item, shift)
                case _:
                    raise Whole

    def _is_cut(self, first: Batch) -> bool:
        if self._batch is None or self._batch.line is None or first.line is None:
            return False
        back = Shift(0, self._batch.position - first.position, self._batch.line - first.line)
        return shifted_batch(first, back) == self._batch
