"""The fast road: records whose skeleton is known are read by a regular expression, many at a time, without libxml2.

`FastRoad` stands between a file and the parser. What it hands on is the file without the records that it read itself:
everything around them, the first record after anything else, one every 8 megabytes, and each that it does not know. So
the sure road sees all that a schema looks at, stays the authority on what is between and in records, and finds what
there is to find in those that are no match; and from each that it takes without a word a skeleton is learned. Lines
stay what they are. Bytes are taken for Latin-1, which costs next to nothing: what is handed on becomes the same bytes
again, and values are read as the UTF-8 that they are. Whatever is out of the ordinary (comments, CDATA, another
encoding, a prefix) makes the rest of the file take the sure road.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate, chain, compress, count
from operator import add, iadd, itemgetter
from typing import Any, NamedTuple

from lxml import etree

from h2h.columns import Columns
from h2h.messages.elements import Place, Shape
from h2h.messages.facets import Types, unreferenced
from h2h.messages.skeleton import Maker, Places, Skeleton, Token, Unknown, Values, learn
from h2h.messages.xml import BLANKS, GivenUp, Source
from h2h.model import Finding, Record, Severity

FIRST_BLOCK, LARGEST_BLOCK = 1 << 14, 1 << 18
MAX_WAITING = 4 << 20  # characters without the end of a record
MAX_BESIDE = 8 << 20  # characters that are left out until a record is handed on: the parser holds what stands for them
MAX_LINES = 50_000  # that are left out in one go
MARK = "<!---->"  # around the ends of lines left out: the parser tells of it, and blanks of a file do not add to them
NEWLINE = "\n"
MAX_SKELETONS = 64
MAX_TRIES = 1_000  # to learn from records
MAX_EXPRESSION = 1 << 20  # characters
ODD = ("<!", "<?", "SplmtryData")  # after which nothing is left out any more
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_DECLARATION = re.compile(r"(?:\xef\xbb\xbf)?<\?xml[^?]*\?>")


class Stretch:
    """Records that stand one behind the other: by skeleton, which of them they are, and their values."""

    def __init__(self, parts: Sequence[tuple[Maker, Sequence[int], Values]], lines: Sequence[int]) -> None:
        self._parts, self._lines = parts, lines

    def __len__(self) -> int:
        return len(self._lines)

    def records(self, before: Place, group: Record | None) -> Columns[Any]:
        """In their order. `before`: where the last record before them stands."""
        number, *first = before
        in_group, in_file = ([*range(at + 1, at + 1 + len(self))] for at in first)
        made = []
        for maker, which, values in self._parts:
            of_group, of_file, lines = (_chosen(numbers, which) for numbers in (in_group, in_file, self._lines))
            made.append(maker.made(values, lines, Places(number, of_group, of_file), group))
        return made[0] if len(made) == 1 else self._in_order(made)

    def _in_order(self, made: Sequence[Columns[Any]]) -> Columns[Any]:
        found = [*chain.from_iterable(which for _, which, _ in self._parts)]
        order = itemgetter(*sorted(range(len(found)), key=found.__getitem__))
        columns = zip(*(part.values for part in made), strict=True)
        return Columns(made[0].kind, [order(reduce(iadd, column, [])) for column in columns])


def _chosen(numbers: Sequence[int], which: Sequence[int]) -> Sequence[int]:
    return numbers if len(which) == len(numbers) else [*map(numbers.__getitem__, which)]


class FastRoad:
    """A source for a parser. `valid`: whether the schema has nothing against what was handed on until now."""

    def __init__(self, source: Source, shape: Shape, types: Types, kind: etree._Element) -> None:
        self._source, self._shape, self._types, self._kind = source, shape, types, kind
        self._open, self._close = f"<{shape.item}>", f"</{shape.item}>"
        begins = "|".join(("Document", *shape.names, shape.item))
        self._begins = re.compile(rf"<(?:[^<>\s]*:)?(?:{begins})[\s/>]", re.ASCII)
        self._patterns = _Patterns()
        self._records: deque[str | Stretch] = deque()  # in their order; the text of those that were handed on
        self._out = b""
        self._waiting = ""
        self._line = 1
        self._block = FIRST_BLOCK
        self._tries = 0
        self._beside = 0  # characters that were left out since a record was handed on
        self._begun = self._given_up = self._last = self._ended = self._misplaced = False
        self.valid: Callable[[], bool] = lambda: False

    def after(self, *, clean: bool) -> None:
        """One that was handed on has been read; `clean`: without a finding."""
        if self._records:
            text = self._records.popleft()
            assert isinstance(text, str)
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

    def _learn(self, text: str) -> None:
        if self._last or self._tries >= MAX_TRIES or self._patterns.full or self._patterns.knows(text):
            return  # to learn takes longer than to read: not for what never comes
        self._tries = self._tries + 1 if self.valid() else MAX_TRIES
        if self._tries == MAX_TRIES:
            return
        try:
            skeleton = learn(text.encode("latin-1").decode(), self._types, self._kind)
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
        block = self._source.read(self._block)
        if 0 < len(block) < self._block:
            block += (more := self._source.read(self._block))
            self._last = not more
        if not block or self._given_up:
            self._ended = not block
            return self._take_waiting() + block
        text = self._waiting + block.decode("latin-1")
        self._block = min(2 * self._block, LARGEST_BLOCK)
        end = text.rfind(self._close) + len(self._close)
        self._given_up = len(text) > MAX_WAITING
        if self._given_up or end < len(self._close):
            self._waiting = text
            return b""
        self._waiting = text[end:]
        self._patterns.compile()
        return "".join(self._without_read(text[:end])).encode("latin-1")

    def _take_waiting(self) -> bytes:
        waiting, self._waiting = self._waiting, ""
        return waiting.encode("latin-1")

    def _without_read(self, text: str) -> Iterator[str]:
        at, sure = 0, not self._begun or self._beside > MAX_BESIDE
        while (start := text.find(self._open, at)) >= 0:
            between = text[at:start]
            if between.strip(BLANKS):
                sure = True
                if self._is_odd(between):
                    break
            yield between
            self._line += between.count("\n")
            at, lines = (start, 0) if sure else self._run(text, start)  # as far as it can read
            if at > start:
                yield f"{MARK}{lines * NEWLINE}{MARK}"
                self._line += lines
                self._beside += at - start
                continue
            at = text.index(self._close, start) + len(self._close)
            if self._is_odd(text[start + 1 : at]):
                at = start
                break
            self._records.append(text[start:at])
            self._line += text.count("\n", start, at)
            yield text[start:at]
            sure, self._beside = False, 0
        self._given_up = start >= 0 or self._is_odd(text[at:])
        yield text[at:]

    def _is_odd(self, text: str) -> bool:
        """Whether what follows this may look like a record and be none, or mean something else.

        Ahead of the first record, more is usual. What was read by an expression has nothing odd in it.
        """
        if self._begun:
            return any(sign in text for sign in ("xmlns", *ODD)) or self._begins.search(text) is not None
        self._begun = True
        head = _COMMENT.sub("", _DECLARATION.sub("", text, count=1))
        return any(sign in head for sign in ODD) or len(self._begins.findall(head)) != 2  # Document, message

    def _run(self, text: str, start: int) -> tuple[int, int]:
        """Reads what it can, one behind the other. Where that ends, and how many lines were in it."""
        if self._patterns.quick is None:
            return start, 0
        found = self._patterns.found(text, start)
        if found.lines > MAX_LINES:
            found = self._patterns.found(text, start, start + MAX_LINES)
        if found.lines_before:
            starts = [*accumulate(found.lines_before, initial=self._line)]
            self._records.append(Stretch(found.parts, starts[1:]))
        return start + found.length, found.lines


@dataclass(slots=True)
class _Branch:
    """What may follow, by token; and what the records that end here are made by, and how many lines end in them."""

    below: dict[Token, _Branch] = field(default_factory=dict)
    end: tuple[Maker, int] | None = None


class _Known(NamedTuple):
    """Of a skeleton: who makes its records, which groups of a match are their values, and how many lines end in it."""

    maker: Maker
    groups: Sequence[int]
    lines: int


class _Found(NamedTuple):
    """Records that stand one behind the other. `lines_before`: how many lines end between the beginning of each and
    that of the one before it; and of all together: their length, and how many lines end in them and before them."""

    parts: Sequence[tuple[Maker, Sequence[int], Values]] = ()
    lines_before: Sequence[int] = ()
    length: int = 0
    lines: int = 0


class _Patterns:
    """One expression for all skeletons that are known: what they begin with in common is looked at once.

    Its first group is the white space before a record. `known`: by the group that matches only at the end of such a
    record. From what is no record that is known, all to the end is taken by the last group. `quick` takes texts of any
    characters: those of many records are looked at together, which takes half the time. Where that leaves a doubt, the
    sure expression is asked; it is made by need, as to make it takes as long as to read a hundred records.
    """

    def __init__(self) -> None:
        self.quick: re.Pattern[str] | None = None
        self._sure = ""
        self.known: dict[int, _Known] = {}
        self._root = _Branch()
        self._count = self._length = 0
        self._changed = False

    @property
    def full(self) -> bool:
        return self._count >= MAX_SKELETONS or self._length > MAX_EXPRESSION

    def knows(self, text: str) -> bool:
        """Whether it is a record that needs no learning."""
        return self.quick is not None and not self.quick.findall(text)[-1][-1]

    def add(self, skeleton: Skeleton, maker: Maker) -> bool:
        """Whether it is a new one."""
        branch = self._root
        for token in skeleton.tokens:
            if token not in branch.below:
                self._length += len(token.sure)
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
            tokens = [*self._tokens(self._root, (), count(1))]
            self._sure, quick = (rf"([ \t\r\n]*+){''.join(each)}|([\s\S]++)" for each in zip(*tokens, strict=True))
            self.quick = re.compile(quick)
            self._changed = False

    def _tokens(self, branch: _Branch, groups: tuple[int, ...], numbers: Iterator[int]) -> Iterator[tuple[str, str]]:
        """What both expressions are made of."""
        while branch.end is None and len(branch.below) == 1:
            [(token, branch)] = branch.below.items()
            groups = (*groups, next(numbers)) if token.is_value else groups
            yield token.sure, token.quick
        between = "(?:"
        if branch.end is not None:
            maker, lines = branch.end
            self.known[next(numbers)] = _Known(maker, groups, lines)
            yield (f"{between}(?<=(>))",) * 2
            between = "|"
        for token, below in branch.below.items():
            own = (*groups, next(numbers)) if token.is_value else groups
            yield between + token.sure, between + token.quick
            yield from self._tokens(below, own, numbers)
            between = "|"
        yield (")",) * 2

    def found(self, text: str, start: int, end: int = sys.maxsize) -> _Found:
        assert self.quick is not None
        found = self._found(self.quick, text, start, end)
        meant = [maker.meant(texts) for maker, _, texts in found.parts]
        if not meant or None in meant:
            found = self._found(re.compile(self._sure), text, start, end)
            meant = [[_meant(column) for column in texts] for _, _, texts in found.parts]
        parts = zip(found.parts, meant, strict=True)
        return found._replace(parts=[(maker, which, values or ()) for (maker, which, _), values in parts])

    def _found(self, expression: re.Pattern[str], text: str, start: int, end: int) -> _Found:
        """Values are as they stand in the text."""
        rows = expression.findall(text, start, end)
        rest = rows[-1][-1] if rows else ""
        if rest:
            rows.pop()
        if not rows:
            return _Found()
        parts: list[tuple[Maker, Sequence[int], Values]] = []
        own_lines = [0] * len(rows)
        for at, known in self.known.items():
            ends_here = [*map(itemgetter(at), rows)]
            which = [*compress(range(len(rows)), ends_here)]
            if which:
                groups = [*zip(*compress(rows, ends_here), strict=True)]
                parts.append((known.maker, which, [groups[each] for each in known.groups]))
                for each in which if known.lines else ():
                    own_lines[each] = known.lines
        before = [*map(itemgetter(0), rows)]
        in_blanks = {blanks: blanks.count("\n") for blanks in set(before)}
        blanks = [*map(in_blanks.__getitem__, before)]
        lines_before = [*map(add, blanks, [0, *own_lines])]
        length = min(len(text), end) - len(rest) - start
        return _Found(parts, lines_before, length, sum(blanks) + sum(own_lines))


def _meant(texts: Sequence[str]) -> Sequence[str]:
    """Of bytes the text, and of references the characters."""
    return [unreferenced(text.encode("latin-1").decode()) for text in texts]
