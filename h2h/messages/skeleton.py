"""What records have in common: all but the values in them. A record is known by its skeleton, and made of values.

A skeleton is learned from one record that the schema took: its tags, and the white space between them, to the letter.
Below the record a schema looks at nothing but names, order and values, so any other record with this skeleton, and with
values that their types take, is valid, too. How a record is made of the values is learned as well: the reader of the
message reads the skeleton with marks for values, and where the marks come out is where the values go.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple, NoReturn, TypeVar

from lxml import etree
from msgspec import Struct, structs

from h2h.columns import Columns, Inside, default_of, names_of
from h2h.messages.elements import Faults, ItemReader, Place
from h2h.messages.facets import Holds, Types, Value, as_bytes
from h2h.messages.xml import BLANKS, Node, node_of, tree
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

T = TypeVar("T")

_OF_EACH = re.compile(r"\b_(?:v[0-9]+|line|in_group|in_file)\b")  # what may differ from record to record
_OF_GROUP = re.compile(r"\b(?:number|g)\b")
_CONSTANT = re.compile(r"\bc[0-9]+\b")
_MARKED = re.compile(f"({MARK}[^{MARK}]*{MARK})")
_PIECE = re.compile(
    r"<(?P<open>[A-Za-z][A-Za-z0-9]*)(?P<attributes>(?: [A-Za-z]+=\"[^\"<>&\n\t]*\")*)>"
    r"|<[A-Za-z][A-Za-z0-9]*/>"
    r"|</(?P<close>[A-Za-z][A-Za-z0-9]*)>"
    r"|(?P<text>[^<]+)"
)


class Token(NamedTuple):
    """A regular expression for what stands next, asked of UTF-8 taken for Latin-1; of a value, in a group, and `quick`
    as in Value.

    What a value was matched by is never tried another way: of many values that would take for ever.
    """

    sure: str
    quick: str
    is_value: bool

    @classmethod
    def of(cls, said: str | Value) -> Token:
        if isinstance(said, Value):
            sure = f"((?>{said.pattern}))"
            return cls(sure, f"({said.quick})" if said.quick else sure, True)
        return cls(text := re.escape(as_bytes(said)), text, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """`lines` end in it."""

    tokens: tuple[Token, ...]
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
        tokens=tuple(map(Token.of, tokens)),
        values=values,
        sample=_shifted(node_of(tree(io.BytesIO(text.encode())).getroot(), []), -1),
        lines=text.count("\n"),
        captured=frozenset(at for at, token in enumerate(texts) if isinstance(token, Value)),
    )


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
            value = types.value(stack[-1])
            if value and "\n" in piece[0]:  # which no value has that is read by an expression: lines would be too many
                raise Unknown
            yield value or piece[0]
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


PLACES = ("line", "in_group", "in_file")  # where a record begins, and the last two of Place
Column = Sequence[Any]
Given = Mapping[int | str, Column]  # of each value, by its number, and of each of PLACES: what it is in records


class Same(NamedTuple):
    """A column in which all records have this value."""

    value: Any


def spread(column: Column | Same, size: int) -> Column:
    """With the value of each of so many records."""
    if type(column) is Same:
        return [column.value] * size
    return column.each(lambda each: spread(each, size)) if type(column) is Inside else column


# A column, of how it is made (which says all of that), of the values that it is made of, and of what makes it.
Once = Callable[[Hashable, Sequence[int | str], Callable[[Given], Column]], Column]
Made = tuple[Any, Sequence[Column | Same]]  # the kind of records, and a column for each field
Make = Callable[[Given, Given, Once, int, Record | None], Made]


class Maker:
    """Makes records of the values of one skeleton, as the reader would."""

    def __init__(self, skeleton: Skeleton, read: ItemReader) -> None:
        self._skeleton, self._read = skeleton, read
        self.lines = skeleton.lines
        self._learned: dict[object, Make] = {}

    def made(self, own: Given, whole: Given, once: Once, number: int, group: Record | None) -> Made:
        """Of at least one record of the group with this number. `whole`: the same of others, too, where skeletons take
        turns: a column that is nothing but a value is taken from there as it is. `once`, told how and of which values a
        column is made, has it made of their own or, where others make it alike, of all."""
        key = (type(group), *(_said(group) if group is not None else ()))
        if key not in self._learned:
            self._learned[key] = self._template(group) or self._by_reader
        return self._learned[key](own, whole, once, number, group)

    def _by_reader(self, own: Given, _: Given, __: Once, number: int, group: Record | None) -> Made:
        found = []
        values = (own[key] for key in range(len(self._skeleton.values)))
        for line, in_group, in_file, *said in zip(*(own[name] for name in PLACES), *values, strict=True):
            place = Place(number, in_group, in_file)
            found.append(self._read(self._filled(said, line), place=place, group=group, faults=[]))
        columns = Columns.of(found)
        return columns.kind, columns.values

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
        places: Given = {name: [at] for at, name in enumerate(PLACES, start=2)}
        own: Given = {**places, **{key: [value] for key, value in enumerate(self._own())}}
        make = short.compiled()

        def alone(_: Hashable, __: Sequence[int | str], make: Callable[[Given], Column]) -> Column:
            return make(own)

        (kind, learned), (_, read) = (each(own, own, alone, 1, group) for each in (make, self._by_reader))
        return make if [*Columns(kind, [spread(column, 1) for column in learned])] == [*Columns(kind, read)] else None

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
        known = {str(mark): f"_v{number}" for number, mark in enumerate(marks)}
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
    """Expressions that make columns of records like one that was made of marks. In them stand names of fields and
    numbers only; whatever came out of a file is a constant beside them."""

    def __init__(self, known: dict[str, str], here: Any, below: Any) -> None:
        """`below` is the same record as `here`, made of what stands LINES further below. Raises Unknown."""
        self._known, self._kind = known, type(here)
        self.constants: dict[str, Any] = {"D": Decimal, "I": Inside, "S": Same}
        columns = (self._column(getattr(here, name), getattr(below, name)) for name in here.__struct_fields__)
        self.source = "[" + ", ".join(columns) + "]"

    def compiled(self) -> Make:
        columns = eval(f"lambda v, w, once, number, g: {self.source}", dict(self.constants))  # noqa: S307
        return lambda *of: (self._kind, columns(*of))

    def _column(self, here: Any, below: Any) -> str:
        """Of one field; of a record in a tuple, of its fields."""
        if not (isinstance(here, tuple) and len(here) == 1 and isinstance(here[0], Struct) and [*_said_of(here[0])]):
            return self._values(here, below)
        names = _said_of(here[0])
        columns = (f'"{name}": {self._values(getattr(here[0], name), getattr(below[0], name))}' for name in names)
        return f"I({self._constant(type(here[0]))}, {{{', '.join(columns)}}})"

    def _values(self, here: Any, below: Any) -> str:
        """What is the same in every record is said once."""
        expression = self._expression(here, below)
        used = sorted(set(_OF_EACH.findall(expression)))
        keys = [name[2:] if name.startswith("_v") else f'"{name[1:]}"' for name in used]
        if not used:
            return self._same(expression)
        if [expression] == used:
            return f"w[{keys[0]}]"
        made = f"[{expression} for {', '.join(used)}, in zip({', '.join(f'v[{key}]' for key in keys)})]"
        constants = [*dict.fromkeys(_CONSTANT.findall(expression))]
        form = _CONSTANT.sub(lambda name: f"c{constants.index(name[0])}", expression)
        how = ", ".join((repr(form), *(f"id({name})" for name in constants)))  # some are equal and not the same: 1.0, 1
        return f"once(({how},), ({''.join(f'{key}, ' for key in keys)}), lambda v: {made})"

    def _same(self, expression: str) -> str:
        """What no value of a record has a part in; a constant, unless it is of the group."""
        if _OF_GROUP.search(expression):
            return f"S({expression})"
        name = f"s{len(self.constants)}"
        self.constants[name] = Same(eval(expression, dict(self.constants)))  # noqa: S307
        return name

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

    def _record(self, here: Struct, below: Struct) -> str:
        said = ((name, self._expression(getattr(here, name), getattr(below, name))) for name in _said_of(here))
        return f"{self._constant(type(here))}({', '.join(f'{name}={expression}' for name, expression in said)})"

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
            return f"_line + {here}" if here else "_line"
        if here != below:
            raise Unknown
        return _PLACE[here - COUNTED - 1] if here > COUNTED else self._constant(here)

    def _constant(self, value: Any) -> str:
        if value is None or value is True or value is False:
            return repr(value)
        name = f"c{len(self.constants)}"
        self.constants[name] = sys.intern(value) if type(value) is str else value  # one object for all skeletons
        return name


def _said_of(record: Struct) -> Iterator[str]:
    """What is left out when it is made is as it is where nothing is said."""
    kind = type(record)
    return (name for name in names_of(kind) if getattr(record, name) is not default_of(kind, name))


_PLACE = ("number", "_in_group", "_in_file")  # as in Place


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
