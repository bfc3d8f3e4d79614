"""On which line of a TOML text a key stands, which `tomllib` does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_HEADER = re.compile(rf"^\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]\]?")
_PAIR = re.compile(rf"^\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


def lines_of(text: str) -> dict[Path, int]:
    """The line of every table header and key, by path; tables of an array carry their index."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not quote:
            if header := _HEADER.match(line):
                table = _resolve(_names(header[2]), counts, new=header[1] == "[[")
                found.setdefault(table, number)
            elif pair := _PAIR.match(line):
                found.setdefault((*table, *_names(pair[1])), number)
        quote = _open_quote(line, quote)
    return found


def nearest(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of `path` (the first, where it is an array), or of the closest table around it."""
    while path and path not in lines and (*path, 0) not in lines:
        path = path[:-1]
    return lines.get(path, lines.get((*path, 0)))


def _names(dotted: str) -> Path:
    return tuple(name.strip("\"'") for name in re.findall(_KEY, dotted))


def _resolve(names: Path, counts: dict[Path, int], *, new: bool) -> Path:
    """The header's path with the index of each array of tables that it passes through."""
    path: Path = ()
    for place, name in enumerate(names, start=1):
        path = (*path, name)
        if place == len(names) and new:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _open_quote(line: str, quote: str) -> str:
    """The multi-line string delimiter that is still open at the end of the line."""
    for mark in re.findall(r'"""|\'\'\'', line):
        quote = "" if mark == quote else (quote or mark)
    return quote
