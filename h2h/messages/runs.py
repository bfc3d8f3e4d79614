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
from h2h.messages.facets import Types, as_bytes
from h2h.messages.patterns import Patterns, Stretch
from h2h.messages.skeleton import Maker, Unknown, learn
from h2h.messages.xml import BLANKS, Bounded, line_of, local

OFTEN = 20  # times that a skeleton is met before it is learned, which takes as long as some ten records
MAX_SEEN = 1_000  # skeletons that are counted
MAX_TRIES = 100  # to learn in vain
MAX_TEXT_BYTES = 1 << 20  # of items that are looked at together
_BEGINS = re.compile("<[^/]")
_VALUE = re.compile(">[^<]+<")

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
        self._alone = ""  # the text of the item that is being read as a Node

    def read(self, items: Sequence[Item]) -> Iterator[Stretch | Item]:
        """In their order: what could be read, and each item that is to be read as a Node. They have one parent."""
        if self._source.held > MAX_TEXT_BYTES or not self._source.lines_are_plain:
            yield from items
            return
        texts = [as_bytes(etree.tostring(item, encoding="unicode")) for item in items]
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
                self._alone = canonical(texts[at].rstrip(BLANKS))
                yield items[at]
                self._alone = ""
                at += 1

    def after(self, *, clean: bool) -> None:
        """One has been read as a Node; `clean`: without a finding."""
        if self._alone and clean and self._is_often(self._alone):
            self._learn(self._alone)

    def _found(
        self, items: Sequence[Item], texts: Sequence[str], canonical: Callable[[str], str]
    ) -> tuple[int, Stretch | None]:
        """How many of the first items have known skeletons; no Stretch where their lines are not certain."""
        self._patterns.compile()
        if self._patterns.quick is None:
            return 0, None
        found = self._patterns.found(canonical("".join(texts)), 0)
        count = len(found.lines_before)
        if not count:
            return 0, None
        lines = [*accumulate(found.lines_before, initial=line_of(items[0]))][1:]
        certain = _line_of_last(items[count - 1]) == lines[-1] + _lines_before_last(texts[count - 1])
        return count, Stretch(found, lines) if certain else None

    def _is_often(self, text: str) -> bool:
        """To learn takes longer than to read: not for what hardly comes again."""
        if self._patterns.full or self._tries >= MAX_TRIES:
            return False
        like = hash(_VALUE.sub("><", text))
        if like not in self._seen and len(self._seen) >= MAX_SEEN:
            return False
        self._seen[like] = self._seen.get(like, 0) + 1
        return self._seen[like] % OFTEN == 0

    def _learn(self, text: str) -> None:
        self._known = self._known or self._grammar()
        self._tries += 1
        if self._known is None:
            self._tries = MAX_TRIES
            return
        try:
            skeleton = learn(text.encode("latin-1").decode(), *self._known)
        except Unknown:
            return
        if self._patterns.add(skeleton, Maker(skeleton, self.shape.read_item)):
            self._tries = 0


def _canonical(item: Item, text: str) -> Callable[[str], str]:
    """Takes what namespaces add out of the texts of items beside this one: readers know local names alone.

    All of them as bytes: one of many texts with a character beyond Latin-1 would double the memory that all take.
    """
    name, prefix = as_bytes(local(str(item.tag))), as_bytes(item.prefix or "")
    begins = text[: text.index(">") + 1]
    ours = begins.startswith("<") and not begins.endswith("/>") and not item.keys()

    def canonical(texts: str) -> str:
        texts = texts.replace(begins, f"<{name}>") if ours else texts
        return texts.replace(f"<{prefix}:", "<").replace(f"</{prefix}:", "</") if prefix else texts

    return canonical


def _line_of_last(item: Item) -> int:
    """The line of the last element that begins in it."""
    while len(item):
        item = item[-1]
    return line_of(item)


def _lines_before_last(text: str) -> int:
    """How many lines end before that. A tag with a line's end in it, which libxml2 writes without, makes them too few;
    nothing makes them too many."""
    *_, last = _BEGINS.finditer(text)
    return text.count("\n", 0, last.start())
