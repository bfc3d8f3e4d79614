"""Expressions for records that stand in a text one right behind the other, and what is told of them.

PCRE2 makes machine code of an expression, which takes a fifth of the time that `re` takes; and it writes down what was
captured as one text, which one call takes apart. What it refuses (its own code has 64 KB at most, and some systems let
no process make any) can be asked of `re`, which takes anything, and far longer to compile it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import cache

import pcre2

from h2h.messages.skeleton import Token


class Turn(Enum):
    """Around and between what may stand next by turns."""

    BEGINS = auto()
    NEXT = auto()
    ENDS = auto()


Piece = Token | Turn | int  # a number: that of a record, which ends here

# What is told of a text, and of how many records. Of two, of which the first has one value, in a line of its own, where
# others have two, and of what follows and is none: b"value<<\n,0<" b"value<value<,1<" b"<<,<" b"what follows".
Told = Callable[[bytes], tuple[bytes, int]]


class Refused(Exception):
    """PCRE2 does not take an expression of so many characters."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def by_pcre2(pieces: Sequence[Piece], width: int) -> Told:
    """Asks for what is quick. `width`: the most values that a record has. Raises Refused."""
    expression = _text(pieces, _quick, begins="(?|", ends="(*:{})")
    try:
        compiled = pcre2.compile(expression, jit=True)
    except pcre2.LibraryError as error:
        raise Refused(len(expression)) from error
    values = "".join(f"${2 + at}<" for at in range(width))
    template = f"{values}$1,$*MARK<${2 + width}".encode()
    otherwise = cache(lambda: by_re(pieces, width, sure=False))

    def told(text: bytes) -> tuple[bytes, int]:
        try:
            rows, many = compiled.subn(template, text)
        except pcre2.LibraryError:  # it has a stack of its own, of no great size
            return otherwise()(text)
        return rows, many

    return told


def by_re(pieces: Sequence[Piece], width: int, *, sure: bool) -> Told:
    """Asks for what is sure, or for what is quick."""
    found_at = re.compile(_text(pieces, _sure if sure else _quick, begins="(?:", ends="(?<=(>))")).finditer
    records = _by_last_group(pieces)

    def row(found: re.Match[bytes]) -> bytes:
        last = found.lastindex or 0
        if last not in records:
            return b"<" * width + b",<" + found[0]
        number, groups = records[last]
        values = b"".join([found[group] + b"<" for group in groups])
        return values + b"<" * (width - len(groups)) + found[1] + b",%d<" % number

    def told(text: bytes) -> tuple[bytes, int]:
        rows = [*map(row, found_at(text))]
        return b"".join(rows), len(rows)

    return told


def _quick(token: Token) -> str:
    return token.quick


def _sure(token: Token) -> str:
    return token.sure


def _text(pieces: Sequence[Piece], form: Callable[[Token], str], *, begins: str, ends: str) -> bytes:
    """`begins`: where there are turns; of PCRE2, that in each of them groups are counted from the same number on."""
    turns = {Turn.BEGINS: begins, Turn.NEXT: "|", Turn.ENDS: ")"}

    def text(piece: Piece) -> str:
        if isinstance(piece, Turn):
            return turns[piece]
        return ends.format(piece) if isinstance(piece, int) else form(piece)

    return rf"([ \t\r\n]*+){''.join(map(text, pieces))}|([\s\S]++)".encode("latin-1")


def _by_last_group(pieces: Sequence[Piece]) -> Mapping[int, tuple[int, Sequence[int]]]:
    """By the group that matches last in it, at its end: the number of a record, and the groups that are its values."""
    found: dict[int, tuple[int, Sequence[int]]] = {}
    last = 1  # the white space
    path: tuple[int, ...] = ()
    before: list[tuple[int, ...]] = []
    for piece in pieces:
        match piece:
            case Turn.BEGINS:
                before.append(path)
            case Turn.NEXT:
                path = before[-1]
            case Turn.ENDS:
                before.pop()
            case int():
                found[last := last + 1] = piece, path
            case Token(is_value=True):
                path = (*path, last := last + 1)
    return found
