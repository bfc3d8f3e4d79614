"""What a file from a bank may be packed in: a zip archive, gzip, or text around the XML (as of a mail or an upload).

`unpacked` gives its parts; each is read as a file of its own. One level is unpacked, no name leads anywhere, and
everything has a bound that is checked before a byte of it is read: members, sizes, and how much larger the content is
than what it is packed in. A member is checked to its end (length, CRC) before anything is made of it; a small one stays
in memory, a large one is unpacked again, piece by piece, whenever a reader goes back.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, cast

from h2h.messages.bounds import MAX_RATIO, MAX_UNPACKED, PACKED
from h2h.messages.opening import HEAD_BYTES, TOLERATED_MARKS
from h2h.messages.raw import RawSource
from h2h.model import Finding, Severity
from h2h.text import shown

MAX_MEMBERS = 1_000
MAX_BYTES = 500_000_000  # of one member
FREE_BYTES = 1_000_000  # to which no ratio applies
IN_MEMORY_BYTES = 8_000_000
TAIL_BYTES = 4_096
BLOCK = 1 << 16
UTF_8_MARK = b"\xef\xbb\xbf"
MAX_NAME = 200  # characters of it in a path
ZIP, GZIP = PACKED[:2], PACKED[2]
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

CODES: dict[str, str] = {
    "PACK_LIMIT": "a packed file passes a limit: members, size, or size against that of what it is packed in",
    "PACK_UNREADABLE": "a packed file, or a member of an archive, cannot be unpacked, and was not read",
    "PACK_NOT_XML": "a member of an archive, or all of it, is not XML, and was not read",
    "XML_TEXT_AROUND": "text stands before or after the XML, and was left out",
}

_DECLARATION = re.compile(rb"<\?xml\s")
_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*[\s>/]")

Counted = Callable[[int], None]
Open = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an archive begins: what comes now is the content of it, or why there is none."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The content of a file, or of a member."""

    source: BinaryIO
    size: int


class Damaged(Exception):
    """It cannot be unpacked, and why, as the rest of a sentence. Never leaves this module."""


def unpacked(source: BinaryIO, counted: Counted = lambda _: None) -> Iterator[Member | Part | Finding]:
    """The parts of the file that begins where `source` stands; a plain file is the only part of itself.

    A Finding after a Member is one on that member. `counted` is told how many bytes were unpacked.
    """
    start = source.tell()
    head = source.read(HEAD_BYTES)
    size = source.seek(0, io.SEEK_END) - start
    source.seek(start)
    if head.startswith(ZIP):
        yield from _archive(cast(BinaryIO, _Slice(source, start, size)), size, counted)
    elif head.startswith(GZIP):
        yield from _gzip(cast(BinaryIO, _Slice(source, start, size)), size, counted)
    else:
        yield from _without_text_around(Part(source=source, size=size), head)


def within(finding: Finding, name: str) -> Finding:
    """A finding on a member of an archive names it."""
    if not name:
        return finding
    text, path = f"In {shown(name)}: {finding.text}", f"{name[:MAX_NAME]}{finding.path}"
    return Finding(code=finding.code, severity=finding.severity, text=text, path=path, line=finding.line)


# Archives.


def _archive(source: BinaryIO, size: int, counted: Counted) -> Iterator[Member | Part | Finding]:
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        yield _unreadable(f"The zip archive cannot be read ({error}): it may be cut.")
        return
    members = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.header_offset)
    if too_much := _too_much(members, size):
        yield too_much
        return
    if not members:
        yield _not_xml("The zip archive is empty.")
    for member in members:
        yield Member(name=member.filename, size=member.file_size)
        yield from _content(archive, member, counted)


def _too_much(members: list[zipfile.ZipInfo], size: int) -> Finding | None:
    total = sum(each.file_size for each in members)
    if len(members) > MAX_MEMBERS:
        return _limit(f"the archive has {len(members)} members, and at most {MAX_MEMBERS} are read")
    if total > MAX_UNPACKED:
        return _limit(f"its members have {total:,} bytes, and at most {MAX_UNPACKED:,} are read")
    if total > max(FREE_BYTES, MAX_RATIO * size):
        return _limit(f"its members have {total:,} bytes, more than {MAX_RATIO} times those of the archive")
    return None


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, counted: Counted) -> Iterator[Part | Finding]:
    if wrong := _refused(member):
        yield wrong
        return
    try:
        yield from _inner(_checked(lambda: cast(BinaryIO, archive.open(member)), counted))
    except Damaged as damaged:
        yield _unreadable(f"It cannot be unpacked: {damaged}.")


def _refused(member: zipfile.ZipInfo) -> Finding | None:
    if member.flag_bits & ENCRYPTED:
        return _unreadable("It is encrypted, and nobody here has the key. Ask the bank to send it without.")
    if member.compress_type not in METHODS:
        return _unreadable(f"It is packed by method {member.compress_type}, and only deflate is known here.")
    if member.file_size > MAX_BYTES:
        return _limit(f"it has {member.file_size:,} bytes, and at most {MAX_BYTES:,} are read")
    if member.file_size > max(FREE_BYTES, MAX_RATIO * member.compress_size):
        return _limit(f"it has {member.file_size:,} bytes, more than {MAX_RATIO} times those in which it is packed")
    return None


def _inner(part: Part) -> Iterator[Part | Finding]:
    """A member: XML, perhaps with text around it. What is packed once more stays packed."""
    head = part.source.read(HEAD_BYTES)
    part.source.seek(0)
    if head.startswith(PACKED):
        yield _unreadable("It is packed once more; only one level is unpacked.")
    elif head.strip() and not _looks_like_xml(head):
        yield _not_xml("It is not XML, and was not read.")
    else:
        yield from _without_text_around(part, head)


def _gzip(source: BinaryIO, size: int, counted: Counted) -> Iterator[Part | Finding]:
    def opened() -> BinaryIO:
        source.seek(0)
        return cast(BinaryIO, gzip.GzipFile(fileobj=source))

    try:
        yield from _inner(_checked(opened, counted, most=max(FREE_BYTES, MAX_RATIO * size)))
    except Damaged as damaged:
        yield _unreadable(f"The gzip data cannot be unpacked: {damaged}.")
    except OverflowError:
        yield _limit(f"unpacked, it has more than {MAX_BYTES:,} bytes, or than {MAX_RATIO} times those of the file")


def _checked(open_it: Open, counted: Counted, most: int = MAX_BYTES) -> Part:
    """The content, gone through once: its length is known, and its check sum holds. Raises OverflowError above `most`.

    zlib and zipfile tell of damage in several ways.
    """
    kept = io.BytesIO()
    size = 0
    try:
        with closing(open_it()) as content:
            while block := content.read(BLOCK):
                size += len(block)
                counted(len(block))
                if size > min(most, MAX_BYTES):
                    raise OverflowError
                if size <= IN_MEMORY_BYTES:
                    kept.write(block)
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise Damaged(str(error) or "it is cut") from error
    if size <= IN_MEMORY_BYTES:
        kept.seek(0)
        return Part(source=kept, size=size)
    stream = cast(io.RawIOBase, _Unpacked(open_it, size, counted))
    return Part(source=io.BufferedReader(stream, BLOCK), size=size)


class _Unpacked(RawSource):
    """A large member, which was checked: unpacked anew from its beginning where a reader goes back."""

    def __init__(self, open_it: Open, size: int, counted: Counted) -> None:
        super().__init__(size)
        self._open, self._counted = open_it, counted
        self._content, self._reached = open_it(), 0

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stubs want any buffer
        if self.at < self._reached:
            self._content.close()
            self._content, self._reached = self._open(), 0
        while self._reached < self.at and self._take(min(BLOCK, self.at - self._reached)):
            pass
        block = self._take(len(buffer))
        buffer[: len(block)] = block
        self.at = self._reached
        return len(block)

    def _take(self, size: int) -> bytes:
        block = self._content.read(size)
        self._reached += len(block)
        self._counted(len(block))
        return block


# Text around the XML.


def _without_text_around(part: Part, head: bytes) -> Iterator[Part | Finding]:
    """The XML alone: what stands before it is no blank, or a blank before the declaration, and what stands after it."""
    before = _before(head)
    if before is None:
        yield part
        return
    start = part.source.tell()
    end = _end(part.source, start, part.size)
    yield Part(source=cast(BinaryIO, _Slice(part.source, start + before, end - before)), size=end - before)
    around = head[:before].decode("latin-1").strip()
    what = f"Text stands before the XML ({shown(around)})" if around else "Blank lines stand before the XML"
    text = f"{what}; it was left out, and lines are counted from where the XML begins."
    yield Finding(code="XML_TEXT_AROUND", severity=Severity.WARNING, text=text)


def _before(head: bytes) -> int | None:
    """How many bytes stand before the XML; None where it begins at once, or where there is none."""
    text = head.removeprefix(UTF_8_MARK)
    begins = text.lstrip()
    if not begins or text.startswith(TOLERATED_MARKS):
        return None
    if begins.startswith(b"<"):
        return head.index(begins) if begins != text and begins.startswith(b"<?xml") else None
    found = _DECLARATION.search(head) or _TAG.search(head)
    return found.start() if found else None


def _looks_like_xml(head: bytes) -> bool:
    return head.startswith(TOLERATED_MARKS) or head.lstrip().startswith(b"<") or _before(head) is not None


def _end(source: BinaryIO, start: int, size: int) -> int:
    """Where the last tag ends, counted from the start; text after it belongs to that before it."""
    first = max(0, size - TAIL_BYTES)
    source.seek(start + first)
    tail = source.read(TAIL_BYTES)
    source.seek(start)
    last = tail.rfind(b">")
    return first + last + 1 if last >= 0 else size


class _Slice(RawSource):
    """A part of a source as a file of its own."""

    def __init__(self, source: BinaryIO, start: int, size: int) -> None:
        super().__init__(size)
        self._source, self._start = source, start

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stubs want any buffer
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def read(self, size: int = -1) -> bytes:
        left = max(0, self.size - self.at)
        if self._source.tell() != self._start + self.at:
            self._source.seek(self._start + self.at)
        block = self._source.read(left if size < 0 else min(size, left))
        self.at += len(block)
        return block


def _limit(what: str) -> Finding:
    text = (
        f"The packed file passes a limit: {what}. It is kept as it is. Ask the bank to send it in parts, or unpacked."
    )
    return Finding(code="PACK_LIMIT", severity=Severity.ERROR, text=text)


def _unreadable(what: str) -> Finding:
    return Finding(code="PACK_UNREADABLE", severity=Severity.ERROR, text=what)


def _not_xml(what: str) -> Finding:
    return Finding(code="PACK_NOT_XML", severity=Severity.WARNING, text=what)
