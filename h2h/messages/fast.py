"""The fast road: records whose skeleton is known are read by a regular expression, many at a time, without libxml2.

`FastRoad` stands between a file and the parser. What it hands on is the file without the records that it read itself:
everything around them, the first record after anything else, one every 8 megabytes, and each that it does not know. So
the sure road sees all that a schema looks at, stays the authority on what is between and in records, and finds what
there is to find in those that are no match; and from each that it takes without a word a skeleton is learned. Lines
stay what they are. Whatever is out of the ordinary (comments, CDATA, another encoding, a prefix) makes the rest of the
file take the sure road.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Protocol

from lxml import etree

from h2h.messages.elements import Shape
from h2h.messages.facets import Types
from h2h.messages.patterns import Patterns, Stretch
from h2h.messages.skeleton import Maker, Unknown, learn
from h2h.messages.xml import BLANKS, GivenUp
from h2h.model import Finding, Severity

FIRST_BLOCK, LARGEST_BLOCK = 1 << 14, 1 << 18
MAX_WAITING = 4 << 20  # bytes without the end of a record
MAX_BESIDE = 8 << 20  # bytes that are left out until a record is handed on: the parser holds what stands for them
MAX_LINES = 50_000  # that are left out in one go
MARK = b"<!---->"  # around the ends of lines left out: with blanks of the file, they are no text that passes a limit
NEWLINE = b"\n"
MAX_TRIES = 1_000  # to learn from records
ODD = (b"<!", b"<?", b"SplmtryData")  # after which nothing is left out any more
_BLANKS = BLANKS.encode()
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml[^?]*\?>")


class Filling(Protocol):
    """A file that is read into a place that is there already: a block has few copies then."""

    def readinto(self, place: memoryview, /) -> int: ...


class FastRoad:
    """A source for a parser. `valid`: whether the schema has nothing against what was handed on until now."""

    def __init__(self, source: Filling, shape: Shape, types: Types, kind: etree._Element) -> None:
        self._source, self._shape, self._types, self._kind = source, shape, types, kind
        self._open, self._close = f"<{shape.item}>".encode(), f"</{shape.item}>".encode()
        begins = "|".join(("Document", *shape.names, shape.item))
        self._begins = re.compile(rf"<(?:[^<>\s]*:)?(?:{begins})[\s/>]".encode())
        self._patterns = Patterns()
        self._records: deque[bytes | Stretch] = deque()  # in their order; the text of those that were handed on
        self._out = b""
        self._seen = bytearray()  # what was read and not handed on is at its beginning
        self._waiting = 0  # bytes of it
        self._line = 1
        self._block = FIRST_BLOCK
        self._tries = 0
        self._beside = 0  # bytes that were left out since a record was handed on
        self._begun = self._given_up = self._last = self._ended = self._misplaced = False
        self.valid: Callable[[], bool] = lambda: False

    @property
    def idle(self) -> bool:
        """Whether nothing that was handed on, or read, is still to be told of."""
        return not self._records

    def after(self, *, clean: bool) -> None:
        """One that was handed on has been read; `clean`: without a finding."""
        if self._records:
            text = self._records.popleft()
            assert isinstance(text, bytes)
            self._misplaced = False
            if clean:
                self._learn(text)

    def skip(self) -> None:
        """One that was handed on stands where there is no place for it; so do those right behind it."""
        if self._records:
            self._records.popleft()
            self._misplaced = True

    def beside(self) -> Iterator[Stretch]:
        """The records right behind the one that was read last, until now. To be asked at whatever the parser tells."""
        while self._records and isinstance(stretch := self._records[0], Stretch):
            self._records.popleft()
            if not self._misplaced:
                yield stretch

    def finish(self) -> None:
        """At the end of a file that can be read, nothing may be left: it is lost, or not what it looks like."""
        if self._records:
            text = f"{self._shape.item} stands where there is no place for it, so what was read is not certain."
            raise GivenUp(Finding(code="MSG_ORDER", severity=Severity.ERROR, text=text))

    def _learn(self, text: bytes) -> None:
        if self._last or self._tries >= MAX_TRIES or self._patterns.full or self._patterns.knows(text):
            return  # to learn takes longer than to read: not for what never comes
        self._tries = self._tries + 1 if self.valid() else MAX_TRIES
        if self._tries == MAX_TRIES:
            return
        try:
            skeleton = learn(text.decode(), self._types, self._kind)
        except (Unknown, UnicodeDecodeError):
            return
        if self._patterns.add(skeleton, Maker(skeleton, self._shape.read_item)):
            self._tries = 0

    # What the parser gets.

    def read(self, size: int) -> bytes:
        while not self._out and not self._ended:
            self._out = self._next()
        piece, self._out = self._out[:size], self._out[size:]
        return piece

    def _next(self) -> bytes:
        filled = self._filled()
        if filled == self._waiting or self._given_up:
            self._ended = filled == self._waiting
            self._waiting = 0
            return bytes(memoryview(self._seen)[:filled])
        end = self._seen.rfind(self._close, 0, filled) + len(self._close)
        self._given_up = filled > MAX_WAITING
        if self._given_up or end < len(self._close):
            self._waiting = filled
            return b""
        text = bytes(memoryview(self._seen)[:end])
        self._waiting = filled - end
        self._seen[: self._waiting] = self._seen[end:filled]
        self._patterns.compile()
        return b"".join(self._without_read(text))

    def _filled(self) -> int:
        """Reads one block more; how many bytes there are now."""
        wanted = self._waiting + self._block
        if len(self._seen) < wanted:
            self._seen.extend(bytes(wanted - len(self._seen)))
        with memoryview(self._seen) as seen:
            filled = self._waiting + self._source.readinto(seen[self._waiting : wanted])
            if self._waiting < filled < wanted:
                filled += (more := self._source.readinto(seen[filled:wanted]))
                self._last = not more
        self._block = min(2 * self._block, LARGEST_BLOCK)
        return filled

    def _without_read(self, text: bytes) -> Iterator[bytes]:
        at, sure = 0, not self._begun or self._beside > MAX_BESIDE
        while (start := text.find(self._open, at)) >= 0:
            between = text[at:start]
            if between.strip(_BLANKS):
                sure = True
                if self._is_odd(between):
                    break
            yield between
            self._line += between.count(NEWLINE)
            at, lines = (start, 0) if sure else self._run(text, start)  # as far as it can read
            if at > start:
                yield MARK + lines * NEWLINE + MARK
                self._line += lines
                self._beside += at - start
                continue
            at = text.index(self._close, start) + len(self._close)
            if self._is_odd(text[start + 1 : at]):
                at = start
                break
            self._records.append(text[start:at])
            self._line += text.count(NEWLINE, start, at)
            yield text[start:at]
            sure, self._beside = False, 0
        self._given_up = start >= 0 or self._is_odd(text[at:])
        yield text[at:]

    def _is_odd(self, text: bytes) -> bool:
        """Whether what follows this may look like a record and be none, or mean something else.

        Ahead of the first record, more is usual. What was read by an expression has nothing odd in it.
        """
        if self._begun:
            return any(sign in text for sign in (b"xmlns", *ODD)) or self._begins.search(text) is not None
        self._begun = True
        head = _COMMENT.sub(b"", _DECLARATION.sub(b"", text, count=1))
        return any(sign in head for sign in ODD) or len(self._begins.findall(head)) != 2  # Document, message

    def _run(self, text: bytes, start: int) -> tuple[int, int]:
        """Reads what it can, one behind the other. Where that ends, and how many lines were in it."""
        if self._patterns.empty:
            return start, 0
        found = self._patterns.found(text[start:])
        if found.lines > MAX_LINES:
            found = self._patterns.found(text[start : start + MAX_LINES])
        if found.lines_before:
            starts = [*accumulate(found.lines_before, initial=self._line)]
            self._records.append(Stretch(found, starts[1:]))
        return start + found.length, found.lines
