"""The only place that parses XML. What comes in is hostile until shown otherwise.

What its beginning has to be like before a parser sees a byte stands in opening.py. Every option of the parser is set
here; nothing is loaded, expanded or fetched. The limits of libxml2 on depth (256), text and entities stay on; `Bounded`
adds ours on runs of text, tags, and what is held in memory at once. The file is read in one pass and in flat memory:
`Stream` hands out elements as they end, `node_of` copies one of them into a light, immutable Node, and `forget` gives
its memory back.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

from lxml import etree

from h2h.model import Finding, Severity

MAX_RUN_BYTES = 100_000  # without a <: a text, a comment, or a tag with all its attributes
MAX_TAGS = 250_000_000  # that begin or end an element; a payment has about 50
MAX_HELD_BYTES = 100_000_000  # of one payment or entry with all its details, or of one head
MAX_ATTRIBUTES = 20
PIECE_BYTES = 32_768  # that the parser is given at a time
LOT_BYTES = 4 * PIECE_BYTES  # after which records are read together: as much as caches hold of the tree
FIRST_VAGUE_LINE = 65_535
BLANKS = " \t\r\n"
_NOISE = re.compile(r"\s*,\s*line \d+, column \d+$|, (?:use|try) XML_PARSE_HUGE(?: option)?|\n")
_HINTS = {
    "EntityRef": "An & inside a value must be written as &amp;.",
    "Entity '": "An & inside a value must be written as &amp;.",
    "invalid element name": "A < inside a value must be written as &lt;.",
    "invalid Char": "Control characters cannot stand in XML. Leave them out.",
    "Invalid char": "Control characters cannot stand in XML. Leave them out.",
    "Extra content": "Nothing may follow the message. Send each message in a file of its own.",
    "declaration allowed only": "Nothing may stand before the XML declaration, and it may stand only once.",
    "tag mismatch": "A tag is not closed, or closed under another name.",
}
_LIMITS = ("Excessive depth", "too long", "huge text", "lookup", "Resource limit")
_CDATA = b"<![CDATA["
_NO_LINE = re.compile(rb"\r[^\n]|&#(?:0|10;|x0|x[aA])")  # what becomes the end of a line, and is none in the file
_INVISIBLE = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"

EventKind = Literal["start", "end", "comment"]
Event = tuple[str, etree._Element]


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class GivenUp(Exception):
    """Reading was given up, for the reason that the finding tells. Never leaves this package."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


class TooMuch(GivenUp):
    """The file passes a limit."""

    def __init__(self, what: str, line: int | None) -> None:
        text = f"The file passes a limit: {what}. No message needs that; have the program mended that writes it."
        super().__init__(Finding(code="XML_LIMIT", severity=Severity.ERROR, text=text, line=line))


class Bounded:
    """A source handed on piece by piece, which raises TooMuch at a limit; and what only the bytes tell."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tags = self._run = self._held = 0
        self._line = 1
        self._tail = b""
        self.cdata_line: int | None = None  # of the first CDATA section
        self.lines_are_plain = True  # the parser finds no more ends of lines than there are

    def read(self, size: int) -> bytes:
        piece = self._source.read(min(size, MAX_RUN_BYTES))  # so that no run too long fits inside a piece
        self._tags += piece.count(b"<")
        self._held += len(piece)
        first = piece.find(b"<")
        run = self._run + (len(piece) if first < 0 else first)
        if run > MAX_RUN_BYTES:
            raise TooMuch(f"a text, comment or tag of more than {MAX_RUN_BYTES} bytes", self._line)
        if self._tags > MAX_TAGS:
            raise TooMuch(f"more than {MAX_TAGS} tags", self._line)
        if self._held > MAX_HELD_BYTES:
            raise TooMuch(f"a part of more than {MAX_HELD_BYTES} bytes", self._line)
        self._run = run if first < 0 else len(piece) - piece.rfind(b"<")
        self._look_at(self._tail + piece)
        if b"\n" in piece:
            self._line += piece.count(b"\n")
        return piece

    @property
    def held(self) -> int:
        """Bytes that were handed on since the last time that all was settled."""
        return self._held

    def settle(self) -> None:
        """What was handed on until now is not held any more."""
        self._held = 0

    def _look_at(self, seen: bytes) -> None:
        """One byte is found in a fraction of the time that several take."""
        if b"[" in seen and self.cdata_line is None and (at := seen.find(_CDATA)) >= 0:
            self.cdata_line = self._line + seen.count(b"\n", 0, at) - self._tail.count(b"\n")
        if b"\r" in seen or (b"#" in seen and b"&#" in seen):
            self.lines_are_plain = self.lines_are_plain and _NO_LINE.search(seen) is None
        self._tail = seen[1 - len(_CDATA) :]


class Node(NamedTuple):
    """An element as the readers see it, by local names. `value` is the whole text of an element without children.

    A tuple and not a dataclass because files have millions of them.
    """

    name: str
    value: str
    attributes: dict[str, str]
    children: tuple[Node, ...]
    line: int | None

    def parts(self) -> dict[str, Node]:
        """The elements in it by name; of several of one name the first."""
        return {child.name: child for child in reversed(self.children)}

    def node(self, *path: str) -> Node | None:
        """The first element at this path."""
        found = self
        for name in path:
            for child in found.children:
                if child.name == name:
                    found = child
                    break
            else:
                return None
        return found

    def nodes(self, *path: str) -> list[Node]:
        """Every element at this path, in document order."""
        found = [self]
        for name in path:
            found = [child for node in found for child in node.children if child.name == name]
        return found

    def text(self, *path: str) -> str | None:
        """The value of the first element at this path, without blanks around it; None where there is none."""
        found = self.node(*path)
        return (found.value.strip(BLANKS) or None) if found else None

    def all(self, *path: str) -> list[str]:
        """The values of every element at this path that has one."""
        return [value for node in self.nodes(*path) if (value := node.value.strip(BLANKS))]


@lru_cache(maxsize=10_000)
def local(tag: str) -> str:
    return tag.rpartition("}")[2]


def namespace_of(tag: str) -> str:
    return tag.removeprefix("{").rpartition("}")[0]


class Fed:
    """A parser that is handed a source piece by piece."""

    def __init__(self, source: Bounded, parser: etree.XMLPullParser) -> None:
        self._source, self.parser = source, parser
        self.ended = False  # the parser was given all that there is

    @property
    def error_log(self) -> etree._ListErrorLog:
        return self.parser.feed_error_log

    def parsed(self, size: int) -> bool:
        """Hands on so many bytes, or some more. Whether there is more in the source."""
        while size > 0 and (piece := self._source.read(PIECE_BYTES)):
            self.feed(piece)
            size -= len(piece)
        if size > 0:
            self.ended = True
            self.parser.close()
        return not self.ended

    def feed(self, piece: bytes) -> None:
        self.parser.feed(piece)


class Stream(Fed):
    """Start and end events of the elements with these local names (all, if none), when libxml2 tells of them,
    validating on the way.

    After a breach of the schema the events go on; XMLSyntaxError comes at the end, and the breaches stand in
    `error_log`. At an event, more of the tree may be there already than has been told of.
    """

    def __init__(
        self, source: Bounded, encoding: str, *, tags: Collection[str] = (), schema: etree.XMLSchema | None = None
    ) -> None:
        wanted = [f"{{*}}{tag}" for tag in tags] or None
        super().__init__(source, parser_of(("start", "end"), encoding, tag=wanted, schema=schema))

    def __iter__(self) -> Iterator[Event]:
        """Those of one piece of the source, however small, before the next one is read."""
        error: Exception | None = None
        more = True
        while more and error is None:
            try:
                more = self.parsed(1)
            except (etree.LxmlError, GivenUp) as raised:  # after what was seen before it
                error = raised
            yield from self.parser.read_events()  # type: ignore[misc]  # of these kinds alone
        if error is not None:
            raise error


def parser_of(
    events: Sequence[EventKind],
    encoding: str,
    *,
    tag: Sequence[str] | None = None,
    schema: etree.XMLSchema | None = None,
) -> etree.XMLPullParser:
    """(Not to resolve any entity would make a parser with a schema silent about XML that is not well-formed.)"""
    return etree.XMLPullParser(events, tag=tag, schema=schema, **_options(encoding))


def tree(source: BinaryIO, encoding: str | None = None) -> etree._ElementTree:
    """The whole file as a tree, under the same options; raises LxmlError."""
    return etree.parse(source, etree.XMLParser(**_options(encoding)))


def _options(encoding: str | None) -> dict[str, Any]:
    """Of every parser, each of them said."""
    return {
        "encoding": encoding,
        "attribute_defaults": False,
        "dtd_validation": False,
        "load_dtd": False,
        "no_network": True,
        "resolve_entities": "internal",
        "huge_tree": False,
        "recover": False,
        "ns_clean": False,
        "remove_blank_text": False,
        "remove_comments": False,
        "remove_pis": False,
        "strip_cdata": True,
        "compact": True,
    }


def node_of(element: etree._Element, cut: list[Node], children: list[etree._Element] | None = None) -> Node:
    """A copy of the element and all below it; of `children` only, where they are given.

    Values are read whole: values with a comment or processing instruction inside are added to `cut`.
    """
    below: tuple[Node, ...] = ()
    value = ""
    inner = element[:] if children is None else children  # type: ignore[index]  # a slice is a list
    if inner:
        below = tuple([node_of(child, cut) for child in inner if isinstance(child.tag, str)])
    if not below:
        value = text_of(element) if inner else element.text or ""
    attributes = attributes_of(element) if element.keys() else {}
    # Not Node(…), which takes twice as long.
    node = tuple.__new__(Node, (local(element.tag), value, attributes, below, line_of(element)))
    if inner and not below and value.strip(BLANKS):
        cut.append(node)
    return node


def attributes_of(element: etree._Element) -> dict[str, str]:
    attributes = dict(element.items())
    if len(attributes) > MAX_ATTRIBUTES:
        raise TooMuch(f"an element with more than {MAX_ATTRIBUTES} attributes", line_of(element))
    return attributes  # type: ignore[return-value]  # of text only, as read


def text_of(element: etree._Element) -> str:
    """The whole text of an element, around comments and processing instructions."""
    return (element.text or "") + "".join(piece.tail or "" for piece in element)


def line_of(element: etree._Element) -> int:
    """The line of the start tag. Above 65,534 libxml2 only knows on which line the first text inside ended, and looks
    for that no deeper than four elements."""
    line = _source_line(element)
    if line >= FIRST_VAGUE_LINE:
        while not element.text and len(element):
            element = element[0]
        line = _source_line(element) - (element.text or "").count("\n")
    return line


def _source_line(element: etree._Element) -> int:
    return element.sourceline  # type: ignore[return-value]  # None only for elements that no parser made


def path_of(element: etree._Element) -> str:
    """The local names from the root to this element."""
    return "".join(f"/{local(each.tag)}" for each in (*reversed(list(element.iterancestors())), element))


def path_within(root: Node, leaf: Node) -> str:
    """The path from `root` to `leaf`, which is found by identity; [n] where several elements have one name."""
    for child in root.children:
        named = [each for each in root.children if each.name == child.name]
        rest = "" if child is leaf else path_within(child, leaf)
        if child is leaf or rest:
            at = next(n for n, each in enumerate(named, start=1) if each is child)
            return f"/{child.name}[{at}]{rest}" if len(named) > 1 else f"/{child.name}{rest}"
    return ""


def forget(element: etree._Element) -> None:
    """Gives back the memory of an element that has ended, and of those of its kind just before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        if isinstance(before.tag, str) and before.tag != element.tag:
            return
        parent.remove(before)


def forget_all(items: list[etree._Element]) -> None:
    """The same of some with one parent, in their order, which nobody else holds any more.

    What nobody holds is given back at once; all below anything else lxml looks at, twice, to keep it whole.
    """
    last, others, tag = items[-1], len(items) - 1, items[-1].tag
    parent, behind = last.getparent(), sum(1 for _ in last.itersiblings())
    assert parent is not None
    items.clear()
    for _ in range(others):
        if parent[-2 - behind].tag != tag:  # something else stands between them
            break
        del parent[-2 - behind]
    forget(last)


def check_well_formed(
    source: BinaryIO, encoding: str, names: Collection[str], forgettable: Collection[str]
) -> tuple[Finding | None, int]:
    """What is wrong with the XML of a file that begins where `source` stands, whatever its schema says; and how many
    elements of these names have no end."""
    start, still_open = source.tell(), 0
    try:
        bounded = Bounded(source)
        for event, element in Stream(bounded, encoding, tags=names):
            still_open += 1 if event == "start" else -1
            if event == "end" and local(element.tag) in forgettable:
                forget(element)
                bounded.settle()
    except etree.LxmlError as error:
        source.seek(start)
        return not_well_formed(error, source), still_open
    return None, 0


def mind_memory(error: etree.LxmlError) -> None:
    """Raises MemoryError where that is what libxml2 means: it calls it an unknown error in the XML."""
    if getattr(error, "code", None) == etree.ErrorTypes.ERR_NO_MEMORY:
        raise MemoryError from error


def not_well_formed(error: etree.LxmlError, source: BinaryIO) -> Finding:
    mind_memory(error)
    words = _NOISE.sub("", str(getattr(error, "msg", "") or error))
    if "Premature end" in words or ("Extra content" not in words and _ends_within_a_tag(source)):
        code, text = "XML_TRUNCATED", f"The file ends in the middle ({words}). Have it written and sent again, whole."
    elif any(sign in words for sign in _LIMITS):
        code = "XML_LIMIT"
        text = f"The file passes a limit of the parser ({words}). Have the program mended that writes it."
    elif "encoding" in words or "UTF-8" in words:
        code = "XML_ENCODING"
        text = f"The characters of this file are not what it says they are ({words}). Write the file in UTF-8."
    else:
        code = "XML_NOT_WELL_FORMED"
        hint = next((hint for sign, hint in _HINTS.items() if sign in words), "The program that writes it must change.")
        text = f"The file is not well-formed XML ({words}). {hint}"
    return Finding(code=code, severity=Severity.ERROR, text=text, line=getattr(error, "lineno", None) or None)


def _ends_within_a_tag(source: BinaryIO) -> bool:
    start = source.tell()
    head = source.read(200)
    source.seek(max(start, source.seek(0, io.SEEK_END) - 1_000))
    tail = source.read()
    return head.lstrip(_INVISIBLE).startswith(b"<") and not tail.rstrip(_INVISIBLE).endswith(b">")
