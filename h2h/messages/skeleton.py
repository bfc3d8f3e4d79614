"""What records have in common: all but the values in them. A record is known by its skeleton, and made of values.

A skeleton is learned from one record that the schema took: its tags, and the white space between them, to the letter.
Below the record a schema looks at nothing but names, order and values, so any other record with this skeleton, and with
values that their types take, is valid, too. How a record is made of the values is learned as well: the reader of the
message reads the skeleton with marks for values, and where the marks come out is where the values go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any, NoReturn, TypeVar

from lxml import etree
from msgspec import Struct, structs

from h2h.messages.elements import Faults, ItemReader, Place
from h2h.messages.facets import Holds, Types, Value
from h2h.messages.xml import BLANKS, Node, node_of
from h2h.model import Record

MAX_LENGTH = 100_000  # characters of a record that is learned from
MAX_VALUES = 400
MARK = "\ue000"  # of no meaning to anybody: private use
LONG = 200 * "x"  # more than any text whose length makes a difference
LINES = 10_000_000  # more than a record has
COUNTED = 9_000_000_000  # more than a file has of anything

MAY_BE_ASKED = frozenset(
    {
        "strip", "lstrip", "rstrip", "join", "__add__", "__class__", "__delattr__", "__dir__", "__doc__", "__hash__",
        "__getattribute__", "__init__", "__init_subclass__", "__len__", "__module__", "__new__", "__repr__",
        "__setattr__", "__slots__", "__str__",
    }
)  # fmt: skip

Make = Callable[[Sequence[str], int, Place, Record | None], Record]
T = TypeVar("T")

_MARKED = re.compile(f"({MARK}[^{MARK}]*{MARK})")
_PIECE = re.compile(
    r"<(?P<open>[A-Za-z][A-Za-z0-9]*)(?P<attributes>(?: [A-Za-z]+=\"[^\"<>&\n\t]*\")*)>"
    r"|<[A-Za-z][A-Za-z0-9]*/>"
    r"|</(?P<close>[A-Za-z][A-Za-z0-9]*)>"
    r"|(?P<text>[^<]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """`tokens`: one regular expression after the other, those of `values` in a group each. `lines` end in it.

    What a value was matched by is never tried another way: of many values that would take for ever.
    """

    tokens: tuple[str, ...]
    values: tuple[Value, ...]
    sample: Node  # with the values as they were; lines count from 0
    lines: int
    captured: frozenset[int]  # which of its texts, in document order, are values


class Unknown(Exception):
    """Nothing can be learned from this record."""


def learn(text: str, types: Types, kind: etree._Element) -> Skeleton:
    """The skeleton of a valid record of this type, without white space around it. Raises Unknown."""
    if len(text) > MAX_LENGTH or MARK in text:
        raise Unknown
    pieces = [*_PIECE.finditer(text)]
    if sum(len(piece[0]) for piece in pieces) != len(text):
        raise Unknown
    tokens = [*_tokens(pieces, types, kind)]
    texts = [token for at, token in enumerate(tokens) if _is_value(pieces, at)]
    values = tuple(token for token in tokens if isinstance(token, Value))
    if len(values) > MAX_VALUES:
        raise Unknown
    return Skeleton(
        tokens=tuple(f"((?>{token.pattern}))" if isinstance(token, Value) else re.escape(token) for token in tokens),
        values=values,
        sample=_shifted(node_of(etree.fromstring(text, _parser()), []), -1),
        lines=text.count("\n"),
        captured=frozenset(at for at, token in enumerate(texts) if isinstance(token, Value)),
    )


def _parser() -> etree.XMLParser:
    return etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False, remove_comments=False)


def _tokens(pieces: Sequence[re.Match[str]], types: Types, kind: etree._Element) -> Iterator[str | Value]:
    """Tags and white space as they are, and for every text of a known type what it may be: one for each piece."""
    stack: list[etree._Element | None] = []
    for at, piece in enumerate(pieces):
        if piece["open"]:
            below = stack[-1] if stack else None
            stack.append(kind if not stack else types.inside(below).get(piece["open"]) if below is not None else None)
            if stack[-1] is None:
                raise Unknown
        elif piece["close"]:
            stack.pop()
        elif _is_value(pieces, at):
            assert stack[-1] is not None
            yield types.value(stack[-1]) or piece[0]
            continue
        elif piece["text"] and piece[0].strip(BLANKS):
            raise Unknown
        yield piece[0]


def _is_value(pieces: Sequence[re.Match[str]], at: int) -> bool:
    """Whether this piece is a text that is all that stands in an element."""
    inside = pieces[at]["text"] and 0 < at < len(pieces) - 1
    return bool(inside and pieces[at - 1]["open"] and pieces[at + 1]["close"])


def _shifted(node: Node, by: int) -> Node:
    children = tuple(_shifted(child, by) for child in node.children)
    return node._replace(children=children, line=(node.line or 0) + by)


class Maker:
    """Makes records of the values of one skeleton, as the reader would. The first of them is no value of the record."""

    def __init__(self, skeleton: Skeleton, read: ItemReader) -> None:
        self._skeleton, self._read = skeleton, read
        self._learned: dict[object, Make] = {}
        self._group: Record | None = None  # for which it was asked last
        self._make: Make | None = None

    def of_group(self, group: Record | None) -> Make:
        """For the records of a group that has a value where this one has."""
        if group is not self._group or self._make is None:
            key = (type(group), *(_said(group) if group is not None else ()))
            if key not in self._learned:
                self._learned[key] = self._template(group) or self._by_reader
            self._group, self._make = group, self._learned[key]
        return self._make

    def _by_reader(self, values: Sequence[str], line: int, place: Place, group: Record | None) -> Record:
        return self._read(self._filled(values[1:], line), place=place, group=group, faults=[])

    def _filled(self, values: Sequence[str], line: int) -> Node:
        return self._with(self._skeleton.sample, iter(values), count(), line)

    def _with(self, node: Node, values: Iterator[str], numbers: Iterator[int], line: int) -> Node:
        if node.children:
            children = tuple([self._with(child, values, numbers, line) for child in node.children])
            return Node(node.name, node.value, node.attributes, children, line + (node.line or 0))
        value = node.value
        if value and next(numbers) in self._skeleton.captured:
            value = next(values)
        return Node(node.name, value, node.attributes, (), line + (node.line or 0))

    def _template(self, group: Record | None) -> Make | None:
        """None where what becomes of a value depends on what it is: where it is looked at, or its length is; or where
        the sample's own say so."""
        try:
            short, long = (self._marked(group, padding) for padding in ("", LONG))
        except Unknown:
            return None
        if short.source != long.source or short.constants != long.constants:
            return None
        make, place, own = short.compiled(), Place(1, 2, 3), ["", *self._own()]
        return make if make(own, 4, place, group) == self._by_reader(own, 4, place, group) else None

    def _marked(self, group: Record | None, padding: str) -> _Template:
        """What is made of marks that are as long as this."""
        marks = [_mark(number, value, padding) for number, value in enumerate(self._skeleton.values)]
        place = Place(COUNTED + 1, COUNTED + 2, COUNTED + 3)
        faults: Faults = []
        said = {name: _Mark(f"{MARK}{name}{padding}{MARK}") for name in _said(group)} if group is not None else {}
        around = structs.replace(group, **said) if group is not None else None
        here, below = (
            self._read(self._filled(marks, line), place=place, group=around, faults=faults) for line in (0, LINES)
        )
        if faults:
            raise Unknown
        known = {str(mark): f"v[{number}]" for number, mark in enumerate(marks, start=1)}
        return _Template(known | {str(mark): f"g.{name}" for name, mark in said.items()}, here, below)

    def _own(self) -> Iterator[str]:
        """The values of the sample."""
        return _captured(self._skeleton.sample, count(), self._skeleton.captured)


def _captured(node: Node, numbers: Iterator[int], captured: Collection[int]) -> Iterator[str]:
    """The values of a sample, as text."""
    for child in node.children:
        yield from _captured(child, numbers, captured)
    if not node.children and node.value and next(numbers) in captured:
        yield node.value


class _Template:
    """An expression that makes a record like one that was made of marks. In it stand names of fields and numbers only;
    whatever came out of a file is a constant beside it."""

    def __init__(self, known: dict[str, str], here: Record, below: Record) -> None:
        """`below` is the same record as `here`, made of what stands LINES further below. Raises Unknown."""
        self._known = known
        self.constants: dict[str, Any] = {"D": Decimal}
        self.source = self._expression(here, below)

    def compiled(self) -> Make:
        make: Make = eval(f"lambda v, line, place, g: {self.source}", dict(self.constants))  # noqa: S307
        return make

    def _expression(self, here: Any, below: Any) -> str:
        if isinstance(here, str) and (MARK in str(here) or str(here) in self._known):
            return self._text(str(here))
        if isinstance(here, Struct):
            return self._record(here, below)
        if isinstance(here, tuple):
            return "(" + "".join(f"{self._expression(*each)}, " for each in zip(here, below, strict=True)) + ")"
        if isinstance(here, Decimal) and (known := self._known.get(str(here))):
            return f"D({known})"
        if isinstance(here, int) and not isinstance(here, bool):
            return self._number(here, below)
        if here != below:
            raise Unknown
        return self._constant(here)

    def _record(self, here: Any, below: Any) -> str:
        """What is left out when it is made is as it is where nothing is said."""
        inner = [(each, getattr(here, each.name), getattr(below, each.name)) for each in structs.fields(here)]
        said = [(each.name, one, other) for each, one, other in inner if one is not each.default]
        made = ", ".join(f"{name}={self._expression(one, other)}" for name, one, other in said)
        return f"{self._constant(type(here))}({made})"

    def _text(self, here: str) -> str:
        """Of one value, or of several and what is between them."""
        if here in self._known:
            return self._known[here]
        pieces = [piece for piece in _MARKED.split(here) if piece]
        if any(MARK in piece and piece not in self._known for piece in pieces):
            raise Unknown
        return "(" + " + ".join(self._known.get(piece) or self._constant(piece) for piece in pieces) + ")"

    def _number(self, here: int, below: int) -> str:
        if below - here == LINES:
            return f"line + {here}"
        if here != below:
            raise Unknown
        return f"place[{here - COUNTED - 1}]" if here > COUNTED else self._constant(here)

    def _constant(self, value: Any) -> str:
        if value is None or value is True or value is False:
            return repr(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name


def _looked_at(*_: object) -> NoReturn:
    raise Unknown


def _unseen(kind: type[T]) -> type[T]:
    for name in set(dir(kind)) - MAY_BE_ASKED:
        setattr(kind, name, _looked_at)
    return kind


@_unseen
class _Mark(str):
    """Stands for a value. A reader may hand it on and join it to others; whoever looks at what it says raises Unknown:
    of another value, something else might become."""

    __slots__ = ()

    def strip(self, characters: str | None = None, /) -> str:
        if characters != BLANKS:
            raise Unknown
        return self  # values have no blanks around them

    lstrip = rstrip = strip


def _mark(number: int, value: Value, padding: str) -> str:
    return f"{COUNTED + number}.5" if value.holds is Holds.NUMBER else _Mark(f"{MARK}{number}{padding}{MARK}")


def _said(group: Record) -> Iterator[str]:
    """The texts of a record: a reader takes nothing else of its group."""
    return (name for name in group.__struct_fields__ if isinstance(getattr(group, name), str))
