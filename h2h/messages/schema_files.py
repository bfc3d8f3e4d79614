"""The schema files of a catalog, each read once and kept: what is compiled or asked later opens no file any more.

A schema includes and imports files of this machine alone, never anything from a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree

from h2h.errors import UsageError

if TYPE_CHECKING:
    import xmlschema

MAX_SCHEMA_BYTES = 20_000_000
MAX_SCHEMA_FILES = 1_000
_INCLUDING = [f"{{http://www.w3.org/2001/XMLSchema}}{name}" for name in ("include", "import", "redefine")]


class SchemaFiles:
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._looked_through: set[str] = set()
        self._parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
        self._parser.resolvers.add(_Included(self))

    def content(self, address: str) -> bytes:
        """The bytes at a file: address."""
        if address not in self._kept:
            self._kept[address] = _read(address)
        return self._kept[address]

    def preload(self, address: str) -> None:
        """Read the file at this address, and all that it includes or imports. Raises UsageError."""
        waiting = [(address, "")]
        while waiting:
            here, wanted_by = waiting.pop()
            if here in self._looked_through:
                continue
            self._looked_through.add(here)
            if len(self._looked_through) > MAX_SCHEMA_FILES:
                raise UsageError(f"The schema {_path(address)} is one of more than {MAX_SCHEMA_FILES} files.")
            waiting += [(each, here) for each in _included(self._document(here, wanted_by), here)]

    def documents(self, address: str) -> list[etree._Element]:
        """The roots of the schema at this address, and of all that it includes or imports. Raises UsageError."""
        found: dict[str, etree._Element] = {}
        waiting = [(address, "")]
        while waiting and len(found) < MAX_SCHEMA_FILES:
            here, wanted_by = waiting.pop()
            if here not in found:
                found[here] = self._document(here, wanted_by)
                waiting += [(each, here) for each in _included(found[here], here)]
        return [*found.values()]

    def _document(self, address: str, wanted_by: str) -> etree._Element:
        try:
            return etree.fromstring(self.content(address), self._parser, base_url=address)
        except UsageError as error:
            raise UsageError(f"{error} {_path(wanted_by)} includes it." if wanted_by else str(error)) from error
        except etree.LxmlError as error:
            raise UsageError(f"The schema {_path(address)} is not XML: {error}.") from error

    def compiled(self, text: bytes, address: str) -> etree.XMLSchema:
        """The schema of this text, which stands (or would stand) at `address`. Raises LxmlError or UsageError."""
        return etree.XMLSchema(etree.fromstring(text, self._parser, base_url=address))

    def model(self, address: str) -> xmlschema.XMLSchema:
        from h2h.messages.schema_model import model  # here, as few files need one

        return model(address, self.content)


def _included(document: etree._Element, address: str) -> list[str]:
    places = (each.get("schemaLocation") for each in document.iterchildren(*_INCLUDING))
    return [urljoin(address, place) for place in places if place]


def _read(address: str) -> bytes:
    if urlsplit(address).scheme != "file":
        raise UsageError(f"A schema wants {address}; schemas may include files of this machine alone.")
    path = _path(address)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SCHEMA_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The schema {path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_SCHEMA_BYTES:
        raise UsageError(f"The schema {path} is larger than {MAX_SCHEMA_BYTES} bytes.")
    return content


def _path(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


class _Included(etree.Resolver):
    """Gives libxml2 what a schema includes."""

    def __init__(self, files: SchemaFiles) -> None:
        self._files = files

    def resolve(self, system_url: str, _public_id: str, context: Any) -> Any:  # type: ignore[override]  # so the stubs
        return self.resolve_string(self._files.content(system_url), context, base_url=system_url)
