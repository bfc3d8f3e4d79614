"""What runs in a reader process: `python -m h2h.confined.worker`, with one end of a Wire as its standard input.

It loads the schemas, confines itself, and then reads one file after the other until the wire ends.
"""

from __future__ import annotations

import gc
import gzip
import io
import mmap
import socket
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO, cast

from h2h.addresses import is_country
from h2h.confined.limits import Limits, allow_cpu, confine, used_cpu
from h2h.confined.wire import BLOCK, Batch, Done, Job, Ready, Setup, Want, Wire
from h2h.errors import UsageError
from h2h.messages.asking import asked
from h2h.messages.bounds import bounded
from h2h.messages.catalog import Catalog
from h2h.messages.identify import Manner
from h2h.messages.opening import TOLERATED_ENCODINGS
from h2h.messages.raw import RawSource
from h2h.messages.reading import explained, unexplained
from h2h.messages.rewriting import rewritten
from h2h.messages.selection import Selecting
from h2h.messages.upgrading import Upgrading
from h2h.rules import looking

MAX_FAULT = 4_000  # characters
PIECE = 1 << 16  # bytes of a block that are put aside for who reads less at a time
RESERVE = 8 << 20  # bytes to say in that there is no memory left


def main() -> None:
    wire = Wire(socket.socket(fileno=sys.stdin.fileno()))
    try:
        [setup] = wire.receive()
        try:
            catalog = _prepared(setup)
        except UsageError as error:
            wire.send(Done(fault=type(error).__name__, why=str(error)))
            return
        gc.freeze()  # what is loaded stays: nobody has to look through it for garbage
        confine(setup.limits)
        wire.send(Ready())
        while _served(wire, catalog, setup.limits):
            pass
    except (EOFError, ConnectionError):  # the gateway is gone, or has had enough
        return
    except Exception as error:
        wire.send(_fault(error))
    with suppress(OSError):
        wire.drain()


def _prepared(setup: Setup) -> Catalog:
    """Everything that is loaded when it is first needed is needed now: later no file can be opened.

    Schemas are read, and compiled when the first file comes that needs them: each takes some milliseconds. Those of a
    bank are compiled now, so that a fault in one is never told of a file.
    """
    catalog = Catalog(setup.rows, setup.headers)
    catalog.preload()
    is_country("")  # which looks into a list of all
    for row in catalog.rows:
        if row.own:
            catalog.schema(row)
    catalog.schema_within(catalog.rows[0], "{any}Envelope")
    for reader in {row.reader for row in catalog.rows}:
        import_module(f"h2h.messages.{reader}")
    for encoding in TOLERATED_ENCODINGS:
        document = f'<?xml version="1.0" encoding="{encoding}"?><Document/>'.encode(encoding)
        list(unexplained(io.BytesIO(document), Manner(catalog=catalog, strict=False)))
    for file in _packed_files():
        list(unexplained(io.BytesIO(file), Manner(catalog=catalog, strict=False)))
    if setup.explains is not None:
        import_module("h2h.messages.explain")
        explained_row = catalog.by_namespace(setup.explains)
        assert explained_row is not None
        catalog.model(explained_row)
    return catalog


def _packed_files() -> Iterator[bytes]:
    """One of each kind; to unpack them loads codecs, and others for names that are not in ASCII."""
    for name in ("e.xml", "\u00e9.xml"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            members.writestr(zipfile.ZipInfo(name), b"<Document/>")
        yield archive.getvalue()
    yield gzip.compress(b"<Document/>")


def _served(wire: Wire, catalog: Catalog, limits: Limits) -> bool:
    """One file. False where this process must not read another one."""
    [job] = wire.receive()
    handed = _Handed(wire, job.size, limits)
    said = _Said(wire, handed, limits)
    done = Done()
    reserve = mmap.mmap(-1, RESERVE)
    try:
        source = cast(BinaryIO, io.BufferedReader(handed, PIECE))
        for item in _items(job, source, catalog, handed.unpack):
            said.add(item)
        said.flush()
        handed.settle()
    except MemoryError:
        reserve.close()
        done = Done(limit="memory")
    except _TooMuch:
        done = Done(limit="words")
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        done = _fault(error)
    wire.send(done)
    return done == Done()


def _items(job: Job, source: BinaryIO, catalog: Catalog, unpack: Callable[[int], None]) -> Iterable[object]:
    if job.selection is not None:
        return bounded(rewritten(source, Selecting(job.selection)))
    if job.upgrade is not None:
        return bounded(rewritten(source, Upgrading(job.upgrade)))
    if job.asking is not None:
        return bounded(asked(source, job.asking))
    if job.refusal is None:
        manner = Manner(
            catalog=catalog,
            strict=job.strict,
            expected=job.expected,
            supplementary=job.supplementary,
            only_valid=job.look,
        )
        said = bounded(unexplained(source, manner, unpack))
        return looking(said) if job.look else said
    return bounded(explained(job.refusal, source, catalog, unpack))


def _fault(error: Exception) -> Done:
    """A fault of our own, with the place in our code. What it says may hold words of the file, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = "; ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return Done(fault=type(error).__name__, place=place[-MAX_FAULT:])


class _Handed(RawSource):
    """The file, block by block from the gateway; each block, and what is unpacked, is good for more processor time.

    Whoever reads on and on has the next block asked for before this one is looked at: reading does not wait then until
    the gateway is done with what was said. A file of several blocks is asked for no more than half as often again.
    """

    def __init__(self, wire: Wire, size: int, limits: Limits) -> None:
        super().__init__(size)
        self._wire, self._limits = wire, limits
        self._since = used_cpu()
        self._block = memoryview(b"")  # what is left of it
        self._place = 0  # of that in the file
        self._asked: int | None = None  # from where on
        self.bytes = 0  # handed, or unpacked
        self._renew()

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stubs want any buffer
        if not self._block or self._place != self.at:
            self._fetch()
        piece = self._block[: len(buffer)]
        buffer[: len(piece)] = piece
        self._block = self._block[len(piece) :]
        self.at += len(piece)
        self._place = self.at
        return len(piece)

    def _fetch(self) -> None:
        goes_on = self.at == self._place > 0
        if self._asked != self.at:
            self.settle()
            self._ask(self.at)
        block = self._taken()
        self.unpack(len(block))
        self._block, self._place = block, self.at
        if goes_on and self._wire.holds(BLOCK) and 0 < len(block) < self.size - self.at:
            self._ask(self.at + len(block))

    def _ask(self, offset: int) -> None:
        self._wire.send(Want(offset=offset, size=BLOCK))
        self._asked = offset

    def _taken(self) -> memoryview:
        block = self._wire.receive_block()
        self._asked = None
        return block

    def settle(self) -> None:
        """Take what was asked for and is not wanted any more: nothing may be on its way when all is said."""
        if self._asked is not None:
            self._taken()

    def unpack(self, size: int) -> None:
        self.bytes += size
        self._renew()

    def _renew(self) -> None:
        allow_cpu(self._since + self._limits.cpu(self.bytes))


class _TooMuch(Exception):
    """More is to be said about a file than may be said about any of its size."""


class _Said:
    """What is said about the file, in batches of one type."""

    def __init__(self, wire: Wire, handed: _Handed, limits: Limits) -> None:
        self._wire, self._handed, self._limits = wire, handed, limits
        self._batch = Batch()
        self._bytes = 0

    def add(self, item: object) -> None:
        if not self._batch.fits(item):
            self.flush()
        self._batch.add(item)
        if self._bytes + self._batch.size > self._limits.told(self._handed.bytes):
            raise _TooMuch

    def flush(self) -> None:
        if self._batch.kind is not None:
            self._bytes += self._batch.size
            self._wire.send_batch(self._batch)
            self._batch = Batch()


if __name__ == "__main__":
    main()
