"""Records whose skeletons are known, read many at a time: one expression for all of them, and values by column."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial, reduce
from itertools import chain, count
from operator import add, iadd, itemgetter
from typing import Any, NamedTuple

from h2h.columns import Columns, Inside, inside_all
from h2h.messages.elements import Place
from h2h.messages.expressions import Piece, Refused, Told, Turn, by_pcre2, by_re
from h2h.messages.facets import meant
from h2h.messages.skeleton import PLACES, Column, Given, Maker, Once, Same, Skeleton, Token, spread
from h2h.model import Record

MAX_SKELETONS = 128
MAX_COMPILED = 300_000  # characters of expressions by `re`, which takes half a second for them


class Part(NamedTuple):
    """Records of one skeleton. `places`: which ones of all that were found; `values`: which ones stand in the first
    columns, by numbers that skeletons have in common."""

    maker: Maker
    places: Sequence[int]
    values: Sequence[int]


class Found(NamedTuple):
    """Records that stand one behind the other. `columns`: the first value of each, and so on; empty where a record has
    no more. `lines_before`: how many lines end between the beginning of each and that of the one before it; and of all
    together: their length, and how many lines end in them and before them."""

    parts: Sequence[Part] = ()
    columns: Sequence[Sequence[str]] = ()
    lines_before: Sequence[int] = ()
    length: int = 0
    lines: int = 0


class Stretch:
    """Records that were found, each of which begins on one of these lines."""

    def __init__(self, found: Found, lines: Sequence[int]) -> None:
        self._found, self._lines = found, lines

    def __len__(self) -> int:
        return len(self._lines)

    def records(self, before: Place, group: Record | None) -> Columns[Any]:
        """In their order. `before`: where the last record before them stands."""
        number, *first = before
        counted = ([*range(at + 1, at + 1 + len(self))] for at in first)
        places: Given = dict(zip(PLACES, (self._lines, *counted), strict=True))
        made, once = [], _Once(self._found.parts)
        taking = _Taking([part.places for part in self._found.parts])
        for part, taken in zip(self._found.parts, taking.taken, strict=True):
            whole: Given = {**places, **dict(enumerate(self._found.columns[: len(part.values)]))}
            own = whole if len(self._found.parts) == 1 else _Own(whole, taken)
            kind, columns = part.maker.made(own, whole, once.of(part, own, whole), number, group)
            made.append(columns)
        return Columns(kind, [*map(taking.column, zip(*made, strict=True))])


class _Once:
    """Columns that several parts make alike of what all of them have: made once, of all records in their order."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._common = set(PLACES).union(set.intersection(*(set(part.values) for part in parts)))
        self._made: dict[Hashable, Column] = {}

    def of(self, part: Part, own: Given, whole: Given) -> Once:
        def once(how: Hashable, keys: Sequence[int | str], make: Callable[[Given], Column]) -> Column:
            values = [part.values[key] if isinstance(key, int) else key for key in keys]
            if not self._common.issuperset(values):
                return make(own)
            if (how, *values) not in self._made:
                self._made[how, *values] = make(whole)
            return self._made[how, *values]

        return once


Taken = Callable[[Column], Column]  # of a column of all records that were found, those of one part


class _Own(dict[int | str, Column]):
    """What is given of those records that are of one skeleton, taken when it is asked for."""

    def __init__(self, whole: Given, taken: Taken) -> None:
        super().__init__()
        self._whole, self._taken = whole, taken

    def __missing__(self, key: int | str) -> Column:
        self[key] = self._taken(self._whole[key])
        return self[key]


class _Taking:
    """Puts in order what was made of records whose skeletons take turns; most of it is in order, or one value.

    `taken`: for each skeleton.
    """

    def __init__(self, places: Sequence[Sequence[int]]) -> None:
        self._places = places
        self._sizes = [*map(len, places)]
        self._many = sum(self._sizes)
        self.taken = [*map(_at, places)]

    @cached_property
    def _order(self) -> Taken:
        found = [*chain.from_iterable(self._places)]
        return _at(sorted(range(len(found)), key=found.__getitem__))

    def column(self, pieces: Sequence[Column | Same]) -> Column:
        """Of one field, as it was made for each skeleton: of its records, or of all."""
        first = pieces[0]
        if type(first) is Inside and (inside := inside_all(pieces, self._sizes)) is not None:
            return inside.each(self.column)
        if type(first) is Same and all(type(piece) is Same and piece.value is first.value for piece in pieces):
            return spread(first, self._many)
        if len({*map(id, pieces)}) == 1:
            return first
        columns = [*map(spread, pieces, self._sizes)]
        return self._order(reduce(iadd, map(self._of_part, columns, self.taken), []))

    def _of_part(self, column: Column, taken: Taken) -> Column:
        if type(column) is Inside:
            return column.each(lambda each: self._of_part(each, taken))
        return taken(column) if len(column) == self._many else column


def _at(places: Sequence[int]) -> Taken:
    """What stands at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda column: [column[place] for place in places]


@dataclass(slots=True)
class _Branch:
    """What may follow, by token; and what the records that end here are made by."""

    below: dict[Token, _Branch] = field(default_factory=dict)
    end: Maker | None = None


def _tree(makers: Mapping[Sequence[Token], Maker]) -> _Branch:
    root = _Branch()
    for tokens, maker in makers.items():
        branch = root
        for token in tokens:
            branch = branch.below.setdefault(token, _Branch())
        branch.end = maker
    return root


class _Known(NamedTuple):
    """Of a skeleton: who makes its records, and which values they have."""

    maker: Maker
    values: Sequence[int]


class _End(NamedTuple):
    """What is told behind the values of a record: which skeleton it has, and how many lines end before it and in it."""

    skeleton: int
    lines_before: int
    lines: int


class Patterns:
    """One expression for all skeletons that are known: what they begin with in common is looked at once.

    The quick one takes texts of any characters: what many of them mean is looked at together. Where that leaves a
    doubt, the sure expression is asked; it is made by need, as to make it takes as long as to read a hundred records.
    """

    def __init__(self) -> None:
        self._quick: Told | None = None
        self._sure: Callable[[], Told]
        self._known: list[_Known] = []
        self._width = 0  # the most values that one has
        self._makers: dict[Sequence[Token], Maker] = {}
        self._room = MAX_COMPILED
        self._ended = False

    @property
    def full(self) -> bool:
        return self._ended or len(self._makers) >= MAX_SKELETONS

    @property
    def empty(self) -> bool:
        """Whether none was compiled."""
        return self._quick is None

    def knows(self, text: bytes) -> bool:
        """Whether it is a record that needs no learning."""
        return self._quick is not None and not self._rows(self._quick, text)[1]

    def add(self, skeleton: Skeleton, maker: Maker) -> bool:
        """Whether it is a new one."""
        if skeleton.tokens in self._makers:
            return False
        self._makers[skeleton.tokens] = maker
        return True

    def compile(self) -> None:
        """What was added counts from here on; unless to compile that would take too long."""
        if len(self._makers) == len(self._known) or self._ended:
            return
        known: list[_Known] = []
        pieces = [*_pieces(_tree(self._makers), (), count(), known)]
        width = max(len(each.values) for each in known)
        try:
            quick = by_pcre2(pieces, width)
        except Refused as refused:
            self._room -= refused.size
            self._ended = self._room < 0
            if self._ended:
                return
            quick = by_re(pieces, width, sure=False)
        self._quick, self._sure = quick, cache(partial(by_re, pieces, width, sure=True))
        self._known, self._width = known, width

    def found(self, text: bytes) -> Found:
        """The records that stand at its beginning."""
        assert self._quick is not None
        return self._found(self._quick, text) or self._found(self._sure(), text) or Found()

    def _found(self, expression: Told, text: bytes) -> Found | None:
        """None where it is not certain that all of them are valid, or what they say."""
        rows, rest = self._rows(expression, text)
        cells = meant(rows)
        if cells is None:
            return None
        ends = cells[self._width :: self._width + 1]
        kinds = {end: self._end(end) for end in set(ends)}
        before = [*map({end: kind.lines_before for end, kind in kinds.items()}.__getitem__, ends)]
        lines = [*map({end: kind.lines for end, kind in kinds.items()}.__getitem__, ends)]
        return Found(
            parts=[*self._parts(ends, kinds)],
            columns=[cells[at :: self._width + 1] for at in range(self._width)],
            lines_before=[*map(add, before, [0, *lines])],
            length=len(text) - rest,
            lines=sum(before) + sum(lines),
        )

    def _parts(self, ends: Sequence[str], kinds: Mapping[str, _End]) -> Iterator[Part]:
        places: dict[int, list[int]] = {kind.skeleton: [] for kind in kinds.values()}
        stands = {end: places[kind.skeleton].append for end, kind in kinds.items()}
        for place, end in enumerate(ends):
            stands[end](place)
        for skeleton, of_it in places.items():
            yield Part(self._known[skeleton].maker, of_it, self._known[skeleton].values)

    def _rows(self, expression: Told, text: bytes) -> tuple[bytes, int]:
        """What is told of records, and the length of what is none."""
        told, many = expression(text)
        if told.endswith(b"<") and not text.endswith(b"<"):
            return told, 0
        rest = len(told.split(b"<", (self._width + 1) * many)[-1])
        return told[: len(told) - rest - self._width - len(b",<")], rest

    def _end(self, said: str) -> _End:
        blanks, _, skeleton = said.partition(",")
        return _End(int(skeleton), blanks.count("\n"), self._known[int(skeleton)].maker.lines)


def _pieces(branch: _Branch, values: tuple[int, ...], numbers: Iterator[int], known: list[_Known]) -> Iterator[Piece]:
    """Of all that may follow. `values`: of what stands before; `known` gets what is known of each record."""
    while branch.end is None and len(branch.below) == 1:
        [(token, branch)] = branch.below.items()
        values = (*values, next(numbers)) if token.is_value else values
        yield token
    yield Turn.BEGINS
    if branch.end is not None:
        yield len(known)
        known.append(_Known(branch.end, values))
    for at, (token, below) in enumerate(branch.below.items()):
        if at or branch.end is not None:
            yield Turn.NEXT
        yield token
        yield from _pieces(below, (*values, next(numbers)) if token.is_value else values, numbers, known)
    yield Turn.ENDS
