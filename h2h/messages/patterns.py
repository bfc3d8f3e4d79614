"""Records whose skeletons are known, read many at a time: one expression for all of them, and values by column."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain, compress, count
from operator import add, iadd, itemgetter
from typing import Any, NamedTuple

from h2h.columns import Columns
from h2h.messages.elements import Place
from h2h.messages.facets import unreferenced
from h2h.messages.skeleton import Maker, Places, Skeleton, Token, Values
from h2h.model import Record

MAX_SKELETONS = 64
MAX_EXPRESSION = 1 << 20  # characters


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


class Found(NamedTuple):
    """Records that stand one behind the other. `lines_before`: how many lines end between the beginning of each and
    that of the one before it; and of all together: their length, and how many lines end in them and before them."""

    parts: Sequence[tuple[Maker, Sequence[int], Values]] = ()
    lines_before: Sequence[int] = ()
    length: int = 0
    lines: int = 0


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

    def found(self, text: str, start: int, end: int = sys.maxsize) -> Found:
        assert self.quick is not None
        found = self._found(self.quick, text, start, end)
        meant = [maker.meant(texts) for maker, _, texts in found.parts]
        if not meant or None in meant:
            found = self._found(re.compile(self._sure), text, start, end)
            meant = [[_meant(column) for column in texts] for _, _, texts in found.parts]
        parts = zip(found.parts, meant, strict=True)
        return found._replace(parts=[(maker, which, values or ()) for (maker, which, _), values in parts])

    def _found(self, expression: re.Pattern[str], text: str, start: int, end: int) -> Found:
        """Values are as they stand in the text."""
        rows = expression.findall(text, start, end)
        rest = rows[-1][-1] if rows else ""
        if rest:
            rows.pop()
        if not rows:
            return Found()
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
        return Found(parts, lines_before, length, sum(blanks) + sum(own_lines))


def _meant(texts: Sequence[str]) -> Sequence[str]:
    """Of bytes the text, and of references the characters."""
    return [unreferenced(text.encode("latin-1").decode()) for text in texts]
