"""A bank's own schemas: a folder whose .xsd stand in for ours, or are messages that only this bank has.

National rules of Germany, Austria or Switzerland come as schemas under the namespace of ISO, or under one of their own.
A schema counts that declares a Document; what the others are for, only those that include them know. Whatever cannot
be used, or is used by nobody, is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin

from lxml import etree

from h2h.errors import UsageError
from h2h.messages.catalog import MessageType
from h2h.messages.xml import tree

MAX_FILES = 1_000

_XS = "{http://www.w3.org/2001/XMLSchema}"
_INCLUDING = [f"{_XS}{name}" for name in ("include", "import", "redefine")]
_NAME = re.compile(r"[a-z]{4}\.\d{3}\.\d{3}\.\d{2}(?:\.[a-z]{2}\.\d{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSchemas:
    """The rows that come of a folder, and what is wrong with its files: `unused` only is left alone."""

    rows: tuple[MessageType, ...]
    faults: tuple[str, ...]
    unused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    namespace: str
    document: bool
    elements: frozenset[str]
    includes: frozenset[str]  # addresses


def own_schemas(folder: Path, known: Sequence[MessageType]) -> OwnSchemas:
    """What the .xsd in `folder` are to a catalog that has the rows `known`; nothing is compiled yet."""
    faults: list[str] = []
    files: list[_File] = []
    for path in _paths(folder, faults):
        try:
            files.append(_described(path))
        except UsageError as error:
            faults.append(str(error))
    rows: dict[str, MessageType] = {}
    included = {address for file in files for address in file.includes}
    unused: list[str] = []
    for file in files:
        row = _row(file, known) if file.document and file.namespace else None
        if file.document and not file.namespace:
            faults.append(f"{file.path} has no targetNamespace, so that no file can be told to be of it.")
        elif row is not None and row.namespace in rows:
            faults.append(f"{file.path} and {rows[row.namespace].file.name} are both for {row.namespace}; keep one.")
        elif row is not None:
            rows[row.namespace] = row
        elif file.path.resolve().as_uri() not in included:
            unused.append(
                f"{file.path} is for no message that h2h reads, and no other schema in its folder includes it"
            )
    if not files and not faults:
        faults.append(f"{folder} holds no .xsd.")
    return OwnSchemas(rows=tuple(rows.values()), faults=tuple(faults), unused=tuple(unused))


def _paths(folder: Path, faults: list[str]) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".xsd")
    except OSError as error:
        faults.append(f"{folder} cannot be read: {error.strerror}.")
        return []
    if len(paths) > MAX_FILES:
        faults.append(f"{folder} holds more than {MAX_FILES} schemas.")
    return paths[:MAX_FILES]


def _row(file: _File, known: Sequence[MessageType]) -> MessageType | None:
    """In place of the row of the same namespace; else a new one, of the structure that the schema describes."""
    same = next((row for row in known if row.namespace == file.namespace), None)
    if same is not None:
        return replace(same, file=file.path, own=True) if same.root in file.elements else None
    like = next((row for row in known if row.root in file.elements), None)
    if like is None:
        return None
    name = _name(file.namespace, {row.name for row in known})
    return replace(like, name=name, namespace=file.namespace, file=file.path, own=True)


def _name(namespace: str, taken: set[str]) -> str:
    """As banks call the message; the whole namespace where that is the name of another one already."""
    found = _NAME.search(namespace)
    return found[0] if found and found[0] not in taken else namespace


def _described(path: Path) -> _File:
    try:
        with path.open("rb") as source:
            root = tree(source).getroot()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except etree.LxmlError as error:
        raise UsageError(f"{path} is not a schema: {error}.") from error
    if root.tag != f"{_XS}schema":
        raise UsageError(f"{path} is not a schema: it begins with <{etree.QName(root).localname}>.")
    return _File(
        path=path,
        namespace=root.get("targetNamespace") or "",
        document=any(each.get("name") == "Document" for each in root.iterchildren(f"{_XS}element")),
        elements=frozenset(str(each.get("name")) for each in root.iter(f"{_XS}element")),
        includes=frozenset(_included(root, path.resolve().as_uri())),
    )


def _included(root: etree._Element, address: str) -> Iterator[str]:
    for each in root.iterchildren(*_INCLUDING):
        if place := each.get("schemaLocation"):
            yield urljoin(address, place)
