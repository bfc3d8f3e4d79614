"""Which messages are known: the rows of schemas/catalog.toml, and their compiled schemas.

A new version of a known structure is a row here, not code. Compiled schemas are kept for as long as the catalog
lives; they are safe to share between threads. A schema is compiled when it is first asked for; after `preload` that
opens no file any more. lxml is imported with the first schema that is asked for.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.errors import UsageError
from h2h.text import xml_attribute

if TYPE_CHECKING:
    import xmlschema
    from lxml import etree

    from h2h.messages.facets import Types
    from h2h.messages.schema_files import SchemaFiles

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType:
    """One row: `name` as in pain.001.001.09, `root` the element below Document, `reader` a module of this package.

    `own`: the schema is not ours, but one that a bank's profile brought.
    """

    name: str
    namespace: str
    root: str
    file: Path
    generation: int
    reader: str
    own: bool = False

    @property
    def family(self) -> str:
        """The name without variant and version, as in pain.001."""
        return ".".join(self.name.split(".")[:2])


class Catalog:
    """The known messages. `load` reads a folder; `with_own` lets a bank's or user's own schemas win.

    `headers` are no messages: what may stand beside a Document in an envelope, and is looked at with it.
    """

    def __init__(self, rows: tuple[MessageType, ...], headers: tuple[MessageType, ...] = ()) -> None:
        self.rows, self.headers = rows, headers
        self._schemas: dict[Path, etree.XMLSchema] = {}
        self._models: dict[Path, xmlschema.XMLSchema | None] = {}
        self._types: dict[Path, Types] = {}
        self._lock = threading.Lock()

    @cached_property
    def _files(self) -> SchemaFiles:
        from h2h.messages.schema_files import SchemaFiles

        return SchemaFiles()

    @classmethod
    def load(cls, folder: Path) -> Catalog:
        try:
            table = tomllib.loads((folder / "catalog.toml").read_text(encoding="utf-8"))
            return cls(*(tuple(_row(folder, row) for row in table[kind]) for kind in ("message", "header")))
        except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
            raise UsageError(f"the catalog of messages in {folder} cannot be read: {error!r}") from error

    def preload(self) -> None:
        """Read the file of every schema, and what it includes, into memory."""
        for row in (*self.rows, *self.headers):
            self._files.preload(_address(row))

    def with_own(self, folder: Path) -> Catalog:
        """One in which the schemas in `folder` stand in for ours, or are new. Raises UsageError (own_schemas.py)."""
        from h2h.messages.own_schemas import own_schemas

        found = own_schemas(folder, self.rows)
        if found.faults:
            raise UsageError("\n".join(found.faults))
        return self.with_rows(found.rows)

    def with_rows(self, rows: Iterable[MessageType]) -> Catalog:
        """One in which these stand in the place of those of the same namespace."""
        by_namespace = {row.namespace: row for row in (*self.rows, *rows)}
        return Catalog(tuple(by_namespace.values()), self.headers)

    def by_namespace(self, namespace: str) -> MessageType | None:
        return next((row for row in self.rows if row.namespace == namespace), None)

    def by_name(self, name: str) -> MessageType | None:
        return next((row for row in self.rows if row.name == name), None)

    def by_root(self, root: str) -> MessageType | None:
        """The newest message whose element below Document has this local name."""
        return max((row for row in self.rows if row.root == root), key=lambda row: row.name, default=None)

    def types(self, row: MessageType) -> Types:
        """What may stand where, for the fast road."""
        from h2h.messages.facets import Types

        if row.file not in self._types:
            self._types[row.file] = Types(self._files.documents(_address(row)))
        return self._types[row.file]

    def schema(self, row: MessageType) -> etree.XMLSchema:
        """The compiled schema."""
        with self._lock:
            if row.file not in self._schemas:
                self._schemas[row.file] = self._compiled(row, self._files.content(_address(row)), _address(row))
            return self._schemas[row.file]

    def schema_within(self, row: MessageType, envelope: str) -> etree.XMLSchema | None:
        """One that looks inside an envelope (tag of the root element, as lxml writes it: from outside, so never kept).

        None where the tag is such that there can be none: its name or namespace is reserved, or no name at all.
        """
        self.schema(row)  # raises where that is at fault
        try:
            return self._compiled(row, _envelope_schema((row, *self.headers), envelope), "envelope:")
        except UsageError:
            return None

    def model(self, row: MessageType) -> xmlschema.XMLSchema | None:
        """The schema as a model that can tell what is expected where; slow to build and to ask.

        None where xmlschema makes none of a schema that is not ours, and that libxml2 takes.
        """
        with self._lock:
            if row.file not in self._models:
                self._models[row.file] = self._model(row)
            return self._models[row.file]

    def _model(self, row: MessageType) -> xmlschema.XMLSchema | None:
        try:
            return self._files.model(_address(row))
        except Exception:
            if not row.own:
                raise
            return None  # it only explains: then lxml's words stand

    def _compiled(self, row: MessageType, text: bytes, address: str) -> etree.XMLSchema:
        from lxml import etree

        try:
            return self._files.compiled(text, address)
        except etree.LxmlError as error:
            raise UsageError(f"the schema of {row.name} in {row.file} cannot be used: {error}") from error


def _address(row: MessageType) -> str:
    return row.file.resolve().as_uri()


def _envelope_schema(rows: Iterable[MessageType], envelope: str) -> bytes:
    """A schema for a root element of any content, in which every Document and AppHdr that is met is validated."""
    namespace, _, name = envelope.removeprefix("{").rpartition("}")
    target = f'targetNamespace="{xml_attribute(namespace)}"' if namespace else ""
    taken = ""
    for row in rows:
        how = "include" if row.namespace == namespace else f'import namespace="{xml_attribute(row.namespace)}"'
        taken += f'<xs:{how} schemaLocation="{xml_attribute(_address(row))}"/>'
    return (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {target}>{taken}'
        f'<xs:element name="{xml_attribute(name)}" type="xs:anyType"/></xs:schema>'
    ).encode()


def listed(rows: Iterable[MessageType]) -> str:
    """The names of messages in a few words: `pain.001.001.03 .09, camt.053.001.08`."""
    versions: dict[str, list[str]] = {}
    for row in rows:
        message, _, version = row.name.rpartition(".")
        versions.setdefault(message, []).append(f".{version}")
    return ", ".join(message + " ".join(sorted(each)) for message, each in versions.items())


def _row(folder: Path, row: dict[str, str]) -> MessageType:
    name = row["name"]
    return MessageType(
        name=name,
        namespace=row.get("namespace", f"{NAMESPACE}{name}"),
        root=row["root"],
        file=folder / row.get("file", f"{name}.xsd"),
        generation=int(row["generation"]),
        reader=row.get("reader", ""),
    )
