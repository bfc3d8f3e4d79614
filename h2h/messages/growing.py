"""Tells what begins and ends in a file by looking at its tree while it grows.

That libxml2 tells of each element (xml.Stream) takes a quarter of the time of parsing, however few are asked for. So
nothing is asked for but comments, and the first of them is our own: it stands beside the root, and from there the tree
is looked at after each lot. What something follows has ended. What nothing follows may be open: it is told when more
has come, and where a file breaks off somebody has to say how many elements had no end.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lxml import etree

from h2h.messages.xml import Bounded, Event, Fed, GivenUp, local, parser_of

WHOLE = "whole"  # an item, from its start to its end: nothing was told of what is in it
_AS_LIBXML2 = {"utf-16": codecs.lookup("utf-16-le").name}  # here, as a reader process can load nothing later
_COMMENT = "<!---->"
_DECLARATION = re.compile(r"\ufeff?(?:<\?xml\s[^>]*\?>)?", re.ASCII)


@dataclass(slots=True)
class _Open:
    """An element that may be open. `told`: the last one in it of which there is nothing left to tell."""

    element: etree._Element
    told: etree._Element | None = None


class Growing(Fed):
    """Start and end events of the elements with these local names, validating on the way; items are told as WHOLE.

    They come in document order, each as soon as it is certain, and go on after a breach of the schema: XMLSyntaxError
    comes at the end, and the breaches stand in `error_log`. At an event, more of the tree may be there already than has
    been told of.
    """

    def __init__(
        self,
        source: Bounded,
        encoding: str,
        *,
        names: Collection[str],
        items: Collection[str],
        schema: etree.XMLSchema | None = None,
    ) -> None:
        super().__init__(source, parser_of(("comment",), encoding, schema=schema))
        self._encoding, self._names, self._items = encoding, frozenset(names), frozenset(items)
        self._beginning = b""
        self._beside: etree._Element | None = None  # the root: our comment
        self._path: list[_Open] = []
        self._begun = False

    def lots(self, size: int) -> Iterator[Iterator[Event]]:
        """The events of so many bytes of the source after the other, or of some more."""
        error: Exception | None = None
        more = True
        while more and error is None:
            try:
                more = self.parsed(size)
            except (etree.LxmlError, GivenUp) as raised:  # after what was seen before it
                error = raised
            deque(self.parser.read_events(), maxlen=0)
            yield iter(self._grown(closed=not more))  # nobody holds what was told, so that it can be given back
            if isinstance(error, GivenUp):
                yield iter(self.rest())
        if error is not None:
            raise error

    def rest(self, still_open: int | None = None) -> list[Event]:
        """What is left to tell when no more comes: so many elements of these names have no end. None: whatever may
        have none, has none."""
        told: list[Event] = []
        while still_open is not None and self._count() > still_open:
            self._end(told)
        if self._path:
            left = None if still_open is None else still_open - self._count()
            for child in self._untold(self._path[-1]):
                self._tell_open(child, left, told)
        self._path.clear()
        return told

    def feed(self, piece: bytes) -> None:
        if self._beside is not None:
            self.parser.feed(piece)
            return
        self._beginning += piece
        if b">" not in self._beginning:
            return
        beginning, encoding = self._beginning, self._encoding
        encoding = _AS_LIBXML2.get(encoding, encoding)
        declared = _DECLARATION.match(beginning.decode(encoding, errors="replace"))
        assert declared
        at = len(declared[0].encode(encoding))
        self.parser.feed(beginning[:at] + _COMMENT.encode(encoding))
        self._beside = next(element for _, element in self.parser.read_events() if isinstance(element, etree._Element))
        self.parser.feed(beginning[at:])

    def _grown(self, *, closed: bool) -> list[Event]:
        told: list[Event] = []
        if not self._begun and self._beside is not None:
            for root in self._beside.itersiblings("{*}*"):
                self._begun = True
                self._begin(root, told)
        open_ = 0 if closed else next((at for at, each in enumerate(self._path) if _is_followed(each.element)), None)
        while open_ is not None and len(self._path) > open_:
            self._end(told)
        while self._path and (below := self._tell_new(self._path[-1], told)) is not None:
            self._begin(below, told)
        return told

    def _begin(self, element: etree._Element, told: list[Event]) -> None:
        self._path.append(_Open(element))
        if local(element.tag) in self._names:
            told.append(("start", element))

    def _end(self, told: list[Event]) -> None:
        ended = self._path.pop()
        for child in self._untold(ended):
            self._tell(child, told)
        if local(ended.element.tag) in self._names:
            told.append(("end", ended.element))

    def _untold(self, open_: _Open) -> list[etree._Element]:
        return [*(open_.element if open_.told is None else open_.told.itersiblings())]

    def _tell_new(self, open_: _Open, told: list[Event]) -> etree._Element | None:
        """Of what ended in it; the one in it that may be open, where it is to be followed, too."""
        children = self._untold(open_)
        if not children:
            return None
        last = children[-1]
        may_be_open = isinstance(last.tag, str) and not _is_followed(last)
        if may_be_open:
            children.pop()
        for child in children:
            self._tell(child, told)
        follow = may_be_open and local(last.tag) not in self._items
        open_.told = last if follow or not may_be_open else children[-1] if children else open_.told
        return last if follow else None

    def _tell(self, element: etree._Element, told: list[Event]) -> None:
        """All of one that ended."""
        name = local(element.tag) if isinstance(element.tag, str) else ""
        if name in self._items:
            told.append((WHOLE, element))
            return
        if name in self._names:
            told.append(("start", element))
        for child in element:
            self._tell(child, told)
        if name in self._names:
            told.append(("end", element))

    def _tell_open(self, element: etree._Element, still_open: int | None, told: list[Event]) -> None:
        """Of one that may be open: so many have no end, it and the last ones in it."""
        named = isinstance(element.tag, str) and local(element.tag) in self._names
        if _is_followed(element) or (named and still_open == 0):
            self._tell(element, told)
            return
        if named:
            told.append(("start", element))
            still_open = None if still_open is None else still_open - 1
        for child in element:
            self._tell_open(child, still_open, told)

    def _count(self) -> int:
        return sum(local(each.element.tag) in self._names for each in self._path)


def inside(element: etree._Element, names: Collection[str]) -> Iterator[Event]:
    """The start and end events of the elements with these local names in it."""
    if len(element):
        for child in element:
            if isinstance(child.tag, str):
                named = local(child.tag) in names
                if named:
                    yield "start", child
                yield from inside(child, names)
                if named:
                    yield "end", child


def _is_followed(element: etree._Element) -> bool:
    return element.getnext() is not None or element.tail is not None
