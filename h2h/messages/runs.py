"""Items that ended one behind the other, on the sure road: libxml2 parsed and validated each of them, and what is left
is to make records of them.

To copy an element with all below it into a Node takes Python some microseconds for each element; libxml2 writes all of
them anew in a few. It writes everything in one form: UTF-8, no CDATA, one kind of quotes and of line ends. So a text
with a skeleton that was met often is read by expressions, as the fast road reads what stands in a file (skeleton.py,
fast.py); here they prove nothing. Any other text, and all of a file in which lines cannot be counted in what libxml2
writes, is left to the reader, Node by Node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from lxml import etree

from h2h.messages.elements import Shape
from h2h.messages.facets import Types
from h2h.messages.patterns import Patterns, Stretch
from h2h.messages.skeleton import Maker, Unknown, learn
from h2h.messages.xml import BLANKS, Bounded, line_of, local

OFTEN = 20  # times that a skeleton is met before it is learned, which takes as long as some ten records
MAX_SEEN = 1_000  # skeletons that are counted
MAX_TRIES = 100  # to learn in vain
MAX_TEXT_BYTES = 1 << 20  # of items that are looked at together
_BLANKS = BLANKS.encode()
_BEGINS = re.compile(b"<[^/]")
_VALUE = re.compile(b">[^<]+<")

Item = etree._Element


class Grammar(NamedTuple):
    """Of the items of one message: what may stand in them."""

    types: Types
    kind: etree._Element


class Runs:
    """Reads items of one message that ended in one piece of the file. `grammar` is asked once, and late."""

    def __init__(self, shape: Shape, grammar: Callable[[], Grammar | None], source: Bounded) -> None:
        self.shape, self._grammar, self._source = shape, grammar, source
        self._patterns = Patterns()
        self._known: Grammar | None = None
        self._seen: dict[int, int] = {}
        self._tries = 0
        self._alone = b""  # the text of the item that is being read as a Node

    def read(self, items: Sequence[Item]) -> Iterator[Stretch | Item]:
        """In their order: what could be read, and each item that is to be read as a Node. They have one parent."""
        if self._source.held > MAX_TEXT_BYTES or not self._source.lines_are_plain:
            yield from items
            return
        texts = [etree.tostring(item, encoding="UTF-8", xml_declaration=False) for item in items]
        canonical = _canonical(items[0], texts[0])
        at = 0
        while at < len(items):
            count, stretch = self._found(items[at:], texts[at:], canonical)
            if stretch is not None:
                yield stretch
            else:
                yield from items[at : at + count]
            at += count
            if at < len(items):
                self._alone = canonical(texts[at].rstrip(_BLANKS))
                yield items[at]
                self._alone = b""
                at += 1

    def after(self, *, clean: bool) -> None:
        """One has been read as a Node; `clean`: without a finding."""
        if self._alone and clean and self._is_often(self._alone):
            self._learn(self._alone)

    def _found(
        self, items: Sequence[Item], texts: Sequence[bytes], canonical: Callable[[bytes], bytes]
    ) -> tuple[int, Stretch | None]:
        """How many of the first items have known skeletons; no Stretch where their lines are not certain."""
        self._patterns.compile()
        if self._patterns.empty:
            return 0, None
        found = self._patterns.found(canonical(b"".join(texts)))
        count = len(found.lines_before)
        if not count:
            return 0, None
        lines = [*accumulate(found.lines_before, initial=line_of(items[0]))][1:]
        certain = _line_of_last(items[count - 1]) == lines[-1] + _lines_before_last(texts[count - 1])
        return count, Stretch(found, lines) if certain else None

    def _is_often(self, text: bytes) -> bool:
        """To learn takes longer than to read: not for what hardly comes again."""
        if self._patterns.full or self._tries >= MAX_TRIES:
            return False
        like = hash(_VALUE.sub(b"><", text))
        if like not in self._seen and len(self._seen) >= MAX_SEEN:
            return False
        self._seen[like] = self._seen.get(like, 0) + 1
        return self._seen[like] % OFTEN == 0

    def _learn(self, text: bytes) -> None:
        self._known = self._known or self._grammar()
        self._tries += 1
        if self._known is None:
            self._tries = MAX_TRIES
            return
        try:
            skeleton = learn(text.decode(), *self._known)
        except Unknown:
            return
        if self._patterns.add(skeleton, Maker(skeleton, self.shape.read_item)):
            self._tries = 0


def _canonical(item: Item, text: bytes) -> Callable[[bytes], bytes]:
    """Takes what namespaces add out of the texts of items beside this one: readers know local names alone."""
    name, prefix = local(str(item.tag)).encode(), (item.prefix or "").encode()
    begins = text[: text.index(b">") + 1]
    ours = begins.startswith(b"<") and not begins.endswith(b"/>") and not item.keys()

    def canonical(texts: bytes) -> bytes:
        texts = texts.replace(begins, b"<%b>" % name) if ours else texts
        return texts.replace(b"<%b:" % prefix, b"<").replace(b"</%b:" % prefix, b"</") if prefix else texts

    return canonical


def _line_of_last(item: Item) -> int:
    """The line of the last element that begins in it."""
    while len(item):
        item = item[-1]
    return line_of(item)


def _lines_before_last(text: bytes) -> int:
    """How many lines end before that. A tag with a line's end in it, which libxml2 writes without, makes them too few;
    nothing makes them too many."""
    *_, last = _BEGINS.finditer(text)
    return text.count(b"\n", 0, last.start())
