"""The fast road: records whose skeleton is known are read by one match of a regular expression, without libxml2.

`FastRoad` stands between a file and the parser. What it hands on is the file without the records that it read itself:
everything around them, the first record of every block and after everything else, and each that it does not know. So
the sure road sees all that a schema looks at, stays the authority on what is between and in records, and finds what
there is to find in those that are no match; and from each that it takes without a word a skeleton is learned. Lines
stay what they are. Whatever is out of the ordinary (comments, CDATA, another encoding, a prefix) makes the rest of the
file take the sure road.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from lxml import etree

from h2h.messages.elements import Shape
from h2h.messages.facets import Types
from h2h.messages.skeleton import Maker, Skeleton, Unknown, learn
from h2h.messages.xml import BLANKS, GivenUp, Source
from h2h.model import Finding, Severity

FIRST_BLOCK, LARGEST_BLOCK = 1 << 14, 1 << 18
MAX_WAITING = 4 << 20  # characters without the end of a record
MAX_LINES = 50_000  # that are left out in one go
MAX_SKELETONS = 64
MAX_TRIES = 1_000  # to learn from records
MAX_EXPRESSION = 1 << 20  # characters
ODD = ("<!", "<?", "SplmtryData")  # what no block may have in which records are left out
REFERENCES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))  # this one last
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_DECLARATION = re.compile(r"\ufeff?<\?xml[^?]*\?>")


# A record that was read: what makes it of the values in it, its line, and these values.
Ready = tuple[Maker, int, Sequence[str]]


class FastRoad:
    """A source for a parser. `valid`: whether the schema has nothing against what was handed on until now."""

    def __init__(self, source: Source, shape: Shape, types: Types, kind: etree._Element) -> None:
        self._source, self._shape, self._types, self._kind = source, shape, types, kind
        self._open, self._close = f"<{shape.item}>", f"</{shape.item}>"
        begins = "|".join(("Document", *shape.names, shape.item))
        self._begins = re.compile(rf"<(?:[^<>\s]*:)?(?:{begins})[\s/>]")
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._patterns = _Patterns()
        self._records: deque[str | Ready] = deque()  # in their order; the text of those that were handed on
        self._out = b""
        self._waiting = ""
        self._line = 1
        self._block = FIRST_BLOCK
        self._tries = 0
        self._begun = self._headed = self._given_up = self._ended = False
        self.valid: Callable[[], bool] = lambda: False

    def after(self, *, clean: bool) -> Iterator[Ready]:
        """The records that stand behind the one that was just read on the sure road; `clean`: without a finding."""
        if not self._records:
            return
        text = self._records.popleft()
        assert isinstance(text, str)
        if clean:
            self._learn(text)
        records = self._records
        while records and not isinstance(records[0], str):
            yield records.popleft()  # type: ignore[misc]  # no text

    def skip(self) -> None:
        """One that was handed on stands where there is no place for it; so do those right behind it."""
        if self._records:
            self._records.popleft()
        while self._records and not isinstance(self._records[0], str):
            self._records.popleft()

    def finish(self) -> None:
        """At the end of a file that can be read, nothing may be left: it is lost, or not what it looks like."""
        if self._records:
            text = f"{self._shape.item} stands where there is no place for it, so what was read is not certain."
            raise GivenUp(Finding(code="MSG_ORDER", severity=Severity.ERROR, text=text))

    def _learn(self, text: str) -> None:
        if self._tries >= MAX_TRIES or self._patterns.full:
            return
        self._tries = self._tries + 1 if self.valid() else MAX_TRIES
        if self._tries == MAX_TRIES:
            return
        try:
            skeleton = learn(text, self._types, self._kind)
        except Unknown:
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
        block = self._source.read(self._block)
        if not block or self._given_up:
            self._ended = not block
            return self._take_waiting() + block
        try:
            text = self._waiting + self._decoder.decode(block)
        except UnicodeDecodeError:
            self._given_up = True
            return self._take_waiting() + block
        self._block = min(2 * self._block, LARGEST_BLOCK)
        end = text.rfind(self._close) + len(self._close)
        self._given_up = len(text) > MAX_WAITING or (end >= len(self._close) and self._is_odd(text[:end]))
        if self._given_up or end < len(self._close):
            self._waiting = text
            return b""
        self._waiting = text[end:]
        self._patterns.compile()
        return "".join(self._without_read(text[:end])).encode()

    def _take_waiting(self) -> bytes:
        waiting, self._waiting = self._waiting, ""
        undecoded = self._decoder.getstate()[0]
        self._decoder.reset()
        return waiting.encode() + undecoded

    def _is_odd(self, text: str) -> bool:
        """Whether what looks like a record may be none, or mean something else. Ahead of the first, more is usual."""
        if not self._begun:
            self._begun = True
            first = text.find(self._open)
            head = _COMMENT.sub("", _DECLARATION.sub("", text[:first], count=1))
            odd = (
                first < 0 or any(sign in head for sign in ODD) or len(self._begins.findall(head)) != 2
            )  # Document, message
            return odd or self._is_odd(text[first:])
        return any(sign in text for sign in ("xmlns", *ODD) if sign[-1] in text)

    def _without_read(self, text: str) -> Iterator[str]:
        at, sure, head = 0, True, not self._headed
        while (start := text.find(self._open, at)) >= 0:
            between = text[at:start]
            if between.strip(BLANKS):
                sure = True
                if not head and self._begins.search(between):
                    break
                head, self._headed = False, True
            yield between
            self._line += between.count("\n")
            at = start if sure else self._run(text, start)  # as far as it can read
            if at > start:
                yield "\n" * text.count("\n", start, at)
                continue
            at = text.index(self._close, start) + len(self._close)
            if self._begins.search(text, start + 1, at):
                at = start
                break
            self._records.append(text[start:at])
            self._line += text.count("\n", start, at)
            yield text[start:at]
            sure = False
        self._given_up |= start >= 0
        yield text[at:]

    def _run(self, text: str, start: int) -> int:
        """Reads what it can, one behind the other. The end of that."""
        if self._patterns.expression is None:
            return start
        match = self._patterns.expression.scanner(text, start).match  # type: ignore[attr-defined]  # the stubs lack it
        known = self._patterns.known
        append = self._records.append
        line, last, at, references = self._line, self._line + MAX_LINES, start, "&" in text
        while line < last and (found := match()):
            begin, at = found.span()
            maker, groups, lines = known[found.lastindex or 0]
            values = found.group(*groups)
            if references and text.find("&", begin, at) >= 0:
                values = tuple(map(_plain, values))
            line += values[0].count("\n")  # the white space before it
            append((maker, line, values))
            line += lines
        self._line = line
        return at


def _plain(value: str) -> str:
    for reference, meant in REFERENCES:
        value = value.replace(reference, meant)
    return value


@dataclass(slots=True)
class _Branch:
    """What may follow, by token; and what the records that end here are made by, and how many lines they have."""

    below: dict[str, _Branch] = field(default_factory=dict)
    end: tuple[Maker, int] | None = None


class _Patterns:
    """One expression for all skeletons that are known: what they begin with in common is looked at once.

    `known`: by the last group of a match, who makes the record, of which groups, and how many lines it has. The first
    value is always the white space before it.
    """

    def __init__(self) -> None:
        self.expression: re.Pattern[str] | None = None
        self.known: dict[int, tuple[Maker, tuple[int, ...], int]] = {}
        self._root = _Branch()
        self._count = self._length = 0
        self._changed = False

    @property
    def full(self) -> bool:
        return self._count >= MAX_SKELETONS or self._length > MAX_EXPRESSION

    def add(self, skeleton: Skeleton, maker: Maker) -> bool:
        """Whether it is a new one."""
        branch = self._root
        for token in skeleton.tokens:
            if token not in branch.below:
                self._length += len(token)
                branch.below[token] = _Branch()
            branch = branch.below[token]
        if branch.end is not None:
            return False
        branch.end = maker, skeleton.lines
        self._count += 1
        self._changed = True
        return True

    def compile(self) -> None:
        if self._changed:
            self.known = {}
            self.expression = re.compile(r"([ \t\r\n]*+)" + self._written(self._root, (1,), count(2)))
            self._changed = False

    def _written(self, branch: _Branch, groups: tuple[int, ...], numbers: Iterator[int]) -> str:
        """A record that ends is told by an empty group, the last one that matches."""
        straight = ""
        while branch.end is None and len(branch.below) == 1:
            [(token, branch)] = branch.below.items()
            straight += token
            groups = (*groups, next(numbers)) if token.startswith("(") else groups
        ways = []
        if branch.end is not None:
            end = next(numbers)
            maker, lines = branch.end
            self.known[end] = maker, (*groups, end), lines
            ways.append("()")
        for token, below in branch.below.items():
            own = (*groups, next(numbers)) if token.startswith("(") else groups
            ways.append(token + self._written(below, own, numbers))
        return straight + (ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})")
