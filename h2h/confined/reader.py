"""ConfinedReader: `h2h.messages.read` in a process that can do nothing else."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from h2h.bank_rules import Asking
from h2h.columns import Columns, one_by_one
from h2h.confined import halves
from h2h.confined.deaths import Death, Untouched, cause_of, finding_of
from h2h.confined.halves import Whole
from h2h.confined.limits import Limits
from h2h.confined.pool import Pool
from h2h.confined.process import ReaderProcess
from h2h.confined.wire import Job, Setup
from h2h.errors import ReaderError
from h2h.looked import Looked
from h2h.messages.bounds import bounded
from h2h.messages.catalog import Catalog
from h2h.messages.orders import Selection, Upgrade
from h2h.messages.refusal import Refusal
from h2h.model import Finding, Record
from h2h.text import shown

log = logging.getLogger(__name__)

LEAST_PROCESSES = 2
STARTS = 3


class ConfinedReader:
    """Reads the messages of one catalog. Any number of threads may use it; `close` ends its processes."""

    def __init__(self, catalog: Catalog, limits: Limits | None = None) -> None:
        self._catalog = catalog
        self._limits = limits or Limits()
        size = max(LEAST_PROCESSES, os.cpu_count() or 1)
        self._pool = Pool(self._started, size=size, idle_seconds=self._limits.idle_seconds)

    @property
    def pids(self) -> tuple[int, ...]:
        """The reader processes that are there now."""
        return self._pool.pids

    def read(
        self,
        source: BinaryIO,
        *,
        strict: bool,
        expected: Sequence[str] | None = None,
        supplementary: Sequence[str] = (),
    ) -> Iterator[Record | Finding]:
        """Records and findings of the file in `source`, as `h2h.messages.read` gives them.

        A file whose reading does not come to its end has an ERROR at the end that says so. Raises ReaderError where
        no process can be started, and what the source raises.
        """
        said = self.read_in_columns(source, strict=strict, expected=expected, supplementary=supplementary)
        return one_by_one(said)

    def read_in_columns(
        self,
        source: BinaryIO,
        *,
        strict: bool,
        expected: Sequence[str] | None = None,
        supplementary: Sequence[str] = (),
    ) -> Iterator[Record | Columns[Any] | Finding]:
        """The same; records that stand one behind the other may come together."""
        wanted = tuple(expected) if expected is not None else None
        return bounded(self._whole(source, strict, wanted, tuple(supplementary)))

    def read_in_halves(
        self,
        source: BinaryIO,
        *,
        expected: Sequence[str] | None = None,
        supplementary: Sequence[str] = (),
        scratch: Path | None = None,
    ) -> Iterator[Record | Looked]:
        """A large pain.001, read strictly by two processes at once, with nothing against it; raises as `read` does.

        Raises Whole, at its end at the latest, where it has to be read as a whole: what was told before is worth
        nothing then. `scratch`: a folder for what is told too early.
        """
        if not self._pool.has_room(2):
            raise Whole
        wanted = tuple(expected) if expected is not None else None
        job = partial(Job, strict=True, expected=wanted, supplementary=tuple(supplementary), look=True)
        try:
            yield from halves.read(
                source, lambda half: self._said(job(size=half.size), cast(BinaryIO, half), 0), scratch
            )
        except Death as death:  # the whole file is told of it
            raise Whole from death

    def selected(self, source: BinaryIO, order: Selection) -> Iterator[bytes | Finding]:
        """The bytes of a new file with some payments of the one in `source`; raises as `read` does.

        Any finding is an ERROR: then the bytes are worth nothing.
        """
        return bounded(self._rewritten(source, partial(Job, selection=order)))

    def upgraded(self, source: BinaryIO, order: Upgrade) -> Iterator[bytes | Finding]:
        """The bytes of the pain.001.001.03 in `source` as pain.001.001.09, in the same way."""
        return bounded(self._rewritten(source, partial(Job, upgrade=order)))

    def asked(self, source: BinaryIO, asking: Asking) -> Iterator[Finding]:
        """What a bank's rules have against the file in `source`, which was read before; raises as `read` does."""
        return (item for item in self._rewritten(source, partial(Job, asking=asking)) if isinstance(item, Finding))

    def close(self) -> None:
        self._pool.close()

    def _started(self, explains: str | None) -> ReaderProcess:
        return ReaderProcess(
            Setup(rows=self._catalog.rows, headers=self._catalog.headers, limits=self._limits, explains=explains)
        )

    def _whole(
        self, source: BinaryIO, strict: bool, expected: tuple[str, ...] | None, supplementary: tuple[str, ...]
    ) -> Iterator[Record | Columns[Any] | Finding]:
        start = source.tell()
        size = source.seek(0, io.SEEK_END) - start
        source.seek(start)
        refusals: list[Refusal] = []
        job = Job(size=size, strict=strict, expected=expected, supplementary=supplementary)
        try:
            for item in self._said(job, source, start):
                if isinstance(item, Refusal):
                    refusals.append(item)
                else:
                    yield item
        except Death as death:
            self._log(death)
            yield finding_of(death, self._limits)
            return
        for refusal in refusals:
            yield from self._why(refusal, source, start, size)

    def _rewritten(self, source: BinaryIO, job: Callable[..., Job]) -> Iterator[bytes | Finding]:
        start = source.tell()
        size = source.seek(0, io.SEEK_END) - start
        source.seek(start)
        try:
            yield from self._said(job(size=size, strict=True, expected=None), source, start)
        except Death as death:
            self._log(death)
            yield finding_of(death, self._limits)

    def _why(self, refusal: Refusal, source: BinaryIO, start: int, size: int) -> Iterator[Record | Finding]:
        """The explanation; that the schema refuses the file is certain, whatever becomes of it."""
        source.seek(start)
        job = Job(size=size, strict=refusal.strict, expected=None, refusal=refusal)
        told = False
        try:
            for item in self._said(job, source, start):
                if isinstance(item, Finding):
                    told = True
                    yield item
        except Death as death:
            self._log(death)
            cut = "what is told of it is not all" if told else "it could not be told where and why"
            what = f"The schema refuses {shown(refusal.name) if refusal.name else 'the file'}"
            text = f"{what} ({refusal.words}), and {cut}: {cause_of(death, self._limits)}."
            yield Finding(code="XSD_INVALID", severity=refusal.severity, text=text)

    def _said(self, job: Job, source: BinaryIO, start: int) -> Iterator[Any]:
        """What a process says of the file. One that was gone before it saw a byte says nothing against the file."""
        explains = job.refusal.namespace if job.refusal else None
        for _ in range(STARTS):
            with self._pool.taken(explains) as process:
                try:
                    yield from process.read(job, source, start)
                except Untouched:
                    continue
                return
        raise ReaderError("The processes that read files end before they are handed one; look what ends them.")

    @staticmethod
    def _log(death: Death) -> None:
        told = {"event": "reader_ended", "what": death.what, "limit": death.limit, "place": death.place}
        log.error("a reader process ended", extra=told)
