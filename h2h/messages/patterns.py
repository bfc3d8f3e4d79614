"""Records whose skeletons are known, read many at a time: one expression for all of them, and values by column."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import chain, compress, count
from operator import add, iadd, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from h2h.columns import Columns, Inside, inside_all
from h2h.messages.elements import Place
from h2h.messages.facets import plain, unreferenced
from h2h.messages.skeleton import PLACES, Given, Maker, Skeleton, Token
from h2h.model import Record

MAX_SKELETONS = 64
MAX_EXPRESSION = 1 << 20  # characters


class Part(NamedTuple):
    """Records of one skeleton. `theirs`: of all that were found, a text for each that is one of them, and an empty one
    for others; `groups`: which groups of a match are their values."""

    maker: Maker
    theirs: Sequence[str]
    groups: Sequence[int]


class Found(NamedTuple):
    """Records that stand one behind the other. `values`: by group of a match, what is in those of one part, or in all
    of them where several parts have that group. `lines_before`: how many lines end between the beginning of each and
    that of the one before it; and of all together: their length, and how many lines end in them and before them."""

    parts: Sequence[Part] = ()
    values: Mapping[int, Sequence[str]] = MappingProxyType({})
    lines_before: Sequence[int] = ()
    length: int = 0
    lines: int = 0

    def taken_by(self, *, loose: bool) -> Sequence[int]:
        """The groups of values that quick expressions took; not loose: of all values."""
        said = (zip(part.groups, part.maker.loose, strict=True) for part in self.parts)
        return sorted({group for group, is_loose in chain.from_iterable(said) if is_loose or not loose})


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
        made = []
        for maker, theirs, groups in self._found.parts:
            whole: Given = {**places, **{key: self._found.values[group] for key, group in enumerate(groups)}}
            own = whole if len(self._found.parts) == 1 else _Own(whole, theirs)
            made.append(maker.made(len(self) - theirs.count(""), own, whole, number, group))
        if len(made) == 1:
            return made[0]
        turns = _Turns([part.theirs for part in self._found.parts])
        return Columns(made[0].kind, [*map(turns.column, zip(*(each.values for each in made), strict=True))])


class _Own(dict[int | str, Sequence[Any]]):
    """What is given of those records that are of one skeleton, taken when it is asked for."""

    def __init__(self, whole: Given, theirs: Sequence[str]) -> None:
        super().__init__()
        self._whole, self._theirs = whole, theirs

    def __missing__(self, key: int | str) -> Sequence[Any]:
        self[key] = _taken(self._whole[key], self._theirs)
        return self[key]


def _taken(column: Sequence[Any], theirs: Sequence[str]) -> Sequence[Any]:
    """Of a column of all records that were found, what is theirs; others are."""
    if type(column) is Inside:
        return column.each(lambda each: _taken(each, theirs))
    return [*compress(column, theirs)] if len(column) == len(theirs) else column


class _Turns:
    """Puts in order what was made of records whose skeletons take turns; most of it is in order, or one value."""

    def __init__(self, parts: Sequence[Sequence[str]]) -> None:
        self._parts, self._many = parts, len(parts[0])
        self._sizes = [self._many - theirs.count("") for theirs in parts]

    @cached_property
    def _order(self) -> Callable[[Sequence[Any]], Sequence[Any]]:
        found = [*chain.from_iterable(compress(count(), theirs) for theirs in self._parts)]
        return itemgetter(*sorted(range(len(found)), key=found.__getitem__))

    def column(self, pieces: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Of one field."""
        first, last = pieces[0], pieces[-1]
        if type(first) is Inside and (inside := inside_all(pieces, self._sizes)) is not None:
            return inside.each(self.column)
        if first is last and all(piece is first for piece in pieces):
            return first
        if Inside in {*map(type, pieces)} or sum(map(len, pieces)) != self._many:
            pieces = [*map(_taken, pieces, self._parts)]
        elif (one := first[0]) is last[-1] and all(piece.count(one) == len(piece) for piece in pieces):
            return [one] * self._many
        return self._order(reduce(iadd, pieces, []))


@dataclass(slots=True)
class _Branch:
    """What may follow, by token; and what the records that end here are made by."""

    below: dict[Token, _Branch] = field(default_factory=dict)
    end: Maker | None = None


class _Known(NamedTuple):
    """Of a skeleton: who makes its records, and which groups of a match are their values."""

    maker: Maker
    groups: Sequence[int]


class Patterns:
    """One expression for all skeletons that are known: what they begin with in common is looked at once.

    Its first group is the white space before a record. `known`: by the group that matches only at the end of such a
    record. From what is no record that is known, all to the end is taken by the last group. `quick` takes texts of any
    characters: those of many records are looked at together, which takes half the time. Where that leaves a doubt, the
    sure expression is asked; it is made by need, as to make it takes as long as to read a hundred records.
    """

    def __init__(self) -> None:
        self.quick: re.Pattern[str] | None = None
        self._sure = ""
        self._known: dict[int, _Known] = {}
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
        branch.end = maker
        self._count += 1
        self._changed = True
        return True

    def compile(self) -> None:
        if self._changed:
            self._known = {}
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
            self._known[next(numbers)] = _Known(branch.end, groups)
            yield (f"{between}(?<=(>))",) * 2
            between = "|"
        for token, below in branch.below.items():
            own = (*groups, next(numbers)) if token.is_value else groups
            yield between + token.sure, between + token.quick
            yield from self._tokens(below, own, numbers)
            between = "|"
        yield (")",) * 2

    def found(self, text: str, start: int, end: int = sys.maxsize) -> Found:
        assert self.quick is not None
        found = self._found(self.quick, text, start, end)
        groups = found.taken_by(loose=True)
        meant = plain([found.values[group] for group in groups]) if groups else ()
        if meant is None:
            found = self._found(re.compile(self._sure), text, start, end)
            groups = found.taken_by(loose=False)
            meant = [_meant(found.values[group]) for group in groups]
        return found._replace(values={**found.values, **dict(zip(groups, meant, strict=True))})

    def _found(self, expression: re.Pattern[str], text: str, start: int, end: int) -> Found:
        """Values are as they stand in the text."""
        rows = expression.findall(text, start, end)
        rest = rows[-1][-1] if rows else ""
        if rest:
            rows.pop()
        if not rows:
            return Found()
        parts = [
            Part(known.maker, theirs, known.groups)
            for at, known in self._known.items()
            if any(theirs := [*map(itemgetter(at), rows)])
        ]
        own_lines = [0] * len(rows)
        for part in parts:
            for each in compress(count(), part.theirs) if part.maker.lines else ():
                own_lines[each] = part.maker.lines
        before = [*map(itemgetter(0), rows)]
        in_blanks = {blanks: blanks.count("\n") for blanks in set(before)}
        blanks = [*map(in_blanks.__getitem__, before)]
        lines_before = [*map(add, blanks, [0, *own_lines])]
        length = min(len(text), end) - len(rest) - start
        return Found(parts, dict(_values(rows, parts)), lines_before, length, sum(blanks) + sum(own_lines))


def _values(rows: Sequence[Sequence[str]], parts: Sequence[Part]) -> Iterator[tuple[int, Sequence[str]]]:
    """By group, of all rows where several parts have that group, else of those of its part."""
    times = Counter(chain.from_iterable(part.groups for part in parts))
    shared = [group for group, number in times.items() if number > 1]
    if shared:
        first, end = min(shared), max(shared) + 1
        columns = [*zip(*map(itemgetter(slice(first, end)), rows), strict=True)]
        yield from ((group, columns[group - first]) for group in shared)
    for part in parts:
        if own := [group for group in part.groups if times[group] == 1]:
            columns = [*zip(*compress(rows, part.theirs), strict=True)]
            yield from ((group, columns[group]) for group in own)


def _meant(texts: Sequence[str]) -> Sequence[str]:
    """Of bytes the text, and of references the characters."""
    return [unreferenced(text.encode("latin-1").decode()) for text in texts]
