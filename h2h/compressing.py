"""Compressing a file on its way to a bank: gzip, or a zip archive with one member.

The same bytes always give the same bytes: no times, no names but the one that is asked for. Memory stays flat.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, assert_never, cast

from h2h.model import Compression

BLOCK = 1 << 18
LEVEL = 6
GZIP_BITS = 31  # zlib writes the header and the end of gzip, without name or time
THEN = (1980, 1, 1, 0, 0, 0)  # the first time that a zip archive knows
OURS_ALONE = 0o600 << 16


def compressed(source: BinaryIO, how: Compression, *, member: str, size: int) -> Iterator[bytes]:
    """The source from where it stands, in blocks. `member`: its name in an archive; `size`: of the source."""
    match how:
        case "gzip":
            return _gzip(source)
        case "zip":
            return _zip(source, member, size)
        case _:
            assert_never(how)


def _gzip(source: BinaryIO) -> Iterator[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_BITS)
    while block := source.read(BLOCK):
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


def _zip(source: BinaryIO, name: str, size: int) -> Iterator[bytes]:
    """Written from start to end: what it cannot know before stands behind the member, as the format allows."""
    member = zipfile.ZipInfo(name, THEN)
    member.compress_type, member.external_attr, member.file_size = zipfile.ZIP_DEFLATED, OURS_ALONE, size
    written = _Written()
    with zipfile.ZipFile(cast(BinaryIO, written), "w", compresslevel=LEVEL) as archive:
        with archive.open(member, "w") as target:
            while block := source.read(BLOCK):
                target.write(block)
                yield written.taken()
        yield written.taken()
    yield written.taken()


class _Written(io.RawIOBase):
    """What was written since it was looked at last."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]  # the stubs want any buffer
        self._blocks.append(bytes(block))
        return len(block)

    def taken(self) -> bytes:
        taken, self._blocks = b"".join(self._blocks), []
        return taken
