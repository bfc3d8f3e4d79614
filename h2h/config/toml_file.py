"""A TOML file read into a typed section, with every mistake in it by file and line.

What cannot be used is told, then left out (a stand-in takes its place where something has to stand), so that the rest
can still be looked at as a whole. What is found later about a place that is known to be broken is not told: it would
be said of the stand-in.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from h2h.errors import Problem
from h2h.toml_lines import lines_of, nearest

T = TypeVar("T", bound=BaseModel)
KeyPath = tuple[str | int, ...]
StandIns = Mapping[tuple[str, str], object]  # by the name of the table and the key
UNION_TAGS = ("sftp", "folder")  # stand in pydantic's paths, and not in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: on which line each key stands, and which places hold nothing that can be used."""

    file: Path
    lines: Mapping[KeyPath, int]
    broken: frozenset[KeyPath] = frozenset()
    sha256: str = ""  # of its bytes, as they were read

    def at(self, *path: str | int) -> Place:
        return Place(source=self, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One key of one file, or without a path the file; as text `FILE:LINE`."""

    source: Source
    path: KeyPath

    @property
    def line(self) -> int:
        return nearest(self.source.lines, self.path) or 1

    @property
    def key(self) -> str:
        return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    @property
    def broken(self) -> bool:
        """Whether the value here, one around it or one inside of it could not be used; never of the file as such."""
        return bool(self.path) and any(
            self.path[: len(b)] == b or b[: len(self.path)] == self.path for b in self.source.broken
        )

    def __str__(self) -> str:
        return f"{self.source.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[T]):
    """What a file says; `value` is None where too little of it can be used."""

    source: Source
    value: T | None
    problems: tuple[Problem, ...]


def about(text: str, place: Place, *others: Place) -> Iterator[Problem]:
    """The problem, told at the first place; nothing where one of the places is known to be broken."""
    if not any(p.broken for p in (place, *others)):
        yield Problem(file=str(place.source.file), line=place.line, key=place.key, text=text)


def in_order(problems: list[Problem], main: Path) -> list[Problem]:
    """By file, the main one first, then by line."""
    return sorted(problems, key=lambda p: (p.file != str(main), p.file, p.line or 0))


def read_toml(file: Path, kind: type[T], *, stand_ins: StandIns, context: Mapping[str, Any]) -> Read[T]:
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(file, None, f"cannot be read: {_words(error)}")
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        said = re.sub(r"\s*\(at .*\)$", "", str(error))
        return _unreadable(file, int(at[1]) if at else text.count("\n") + 1, f"is not TOML: {said}")
    source = Source(file=file, lines=lines_of(text), sha256=sha256(raw).hexdigest())
    try:
        return Read(source=source, value=kind.model_validate(data, context=context), problems=())
    except ValidationError as error:
        return _as_far_as_possible(source, kind, data, error, stand_ins, context)


def _unreadable(file: Path, line: int | None, text: str) -> Read[T]:
    problem = Problem(file=str(file), line=line, key="", text=text)
    return Read(source=Source(file=file, lines={}), value=None, problems=(problem,))


def _words(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8"


def _as_far_as_possible(
    source: Source,
    kind: type[T],
    data: dict[str, Any],
    error: ValidationError,
    stand_ins: StandIns,
    context: Mapping[str, Any],
) -> Read[T]:
    """The value without what is wrong in it, and the problems; those of a second look are the ones the first hid."""
    problems = list(_problems(source, error))
    mended = copy.deepcopy(data)
    broken = frozenset(_mend(mended, _path(fault), stand_ins) for fault in error.errors(include_url=False))
    source = replace(source, broken=broken)
    value = None
    try:
        value = kind.model_validate(mended, context=context)
    except ValidationError as hidden:
        problems += _problems(source, hidden)
    return Read(source=source, value=value, problems=tuple(problems))


def _problems(source: Source, error: ValidationError) -> Iterator[Problem]:
    for fault in error.errors(include_url=False):
        path = _path(fault) + (("kind",) if fault["type"] == "union_tag_invalid" else ())
        yield from about(sentence(fault), source.at(*path))


def _path(fault: Mapping[str, Any]) -> KeyPath:
    where: KeyPath = fault["loc"]
    return tuple(part for part in where if not (part in UNION_TAGS and "channel" in where))


def _mend(data: dict[str, Any], path: KeyPath, stand_ins: StandIns) -> KeyPath:
    """Take out the key that the path leads to or into, or put a stand-in there; the path of that key."""
    table, depth, found = data, 0, _step(data, path[0])
    for place, part in enumerate(path[1:], start=1):
        if isinstance(found, dict):
            table, depth = found, place
        found = _step(found, part)
    if isinstance(found, dict) and isinstance(path[-1], int):
        return path  # a contradiction inside of a table of a list: there is no one key to take out
    block = next((str(part) for part in reversed(path[:depth]) if isinstance(part, str)), "")
    key = str(path[depth])
    table.pop(key, None)
    if (block, key) in stand_ins:
        table[key] = copy.deepcopy(stand_ins[block, key])
    return path[: depth + 1]


def _step(found: Any, part: str | int) -> Any:
    try:
        return found[part]
    except (KeyError, IndexError, TypeError):
        return None


def sentence(fault: Mapping[str, Any]) -> str:
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a known setting; look for a typing error"
        case "value_error":
            return str(fault["ctx"]["error"])
        case "literal_error":
            return f"must be {fault['ctx']['expected']}, not {fault['input']!r}"
        case "union_tag_invalid":
            return f"must be one of {fault['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return 'needs a kind, as in kind = "sftp"'
        case "string_pattern_mismatch":
            return f"{fault['input']!r} is not of the right form ({fault['ctx']['pattern']})"
        case "list_type" if isinstance(fault["input"], dict):
            name = ".".join(part for part in fault["loc"] if isinstance(part, str))
            return f"may stand several times: write its header with two brackets, [[{name}]]"
        case "model_type" | "model_attributes_type":
            return "must be a table, with a header in brackets and its keys below"
        case _:
            return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
