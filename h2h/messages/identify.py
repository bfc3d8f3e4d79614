"""Which message a Document holds: known by its namespace, else by the name of its root; and what there is to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from h2h.messages.catalog import Catalog, MessageType, listed
from h2h.messages.elements import Shape, root_of
from h2h.messages.opening import Opening
from h2h.messages.refusal import severity_of
from h2h.messages.xml import local, namespace_of
from h2h.model import Finding, Severity

ENVELOPES = ("Envelope", "BizMsgEnvlp", "BusMsgEnvlp", "RequestPayload", "DataPDU", "Message", "message")

_NAME = re.compile(r"[a-z]{4}\.\d{3}\.\d{3}\.\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a file is read: see `reading.read`. `only_valid`: what the schema refuses is not read to its end."""

    catalog: Catalog
    strict: bool
    expected: Sequence[str] | None = None
    supplementary: Sequence[str] = ()
    only_valid: bool = False

    @property
    def severity(self) -> Severity:
        """Of what is unclean, and can be read."""
        return severity_of(self.strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a Document is: the row whose reader fits, its real name, and whether the row's schema holds for it."""

    row: MessageType
    name: str
    validated: bool

    @property
    def shape(self) -> Shape:
        return shape_of(self.row)


def shape_of(row: MessageType) -> Shape:
    return next(shape for shape in _shapes(row.reader) if shape.message == row.root)


def every_shape(catalog: Catalog) -> list[Shape]:
    """Of every message that a reader of this catalog knows."""
    readers = dict.fromkeys(row.reader for row in catalog.rows)
    return [shape for reader in readers for shape in _shapes(reader)]


def _shapes(reader: str) -> tuple[Shape, ...]:
    shapes: tuple[Shape, ...] = import_module(f"h2h.messages.{reader}").SHAPES
    return shapes


def identify(found: Opening, catalog: Catalog) -> Identity | None:
    namespace, root = namespace_of(found.document), root_of(local(found.message))
    named, like = catalog.by_namespace(namespace), catalog.by_root(root)
    if named and (like is None or named.root == root):
        return Identity(row=named, name=named.name, validated=True)
    if like is None:
        return None
    stated = _NAME.search(namespace)
    name = stated[0] if stated and stated[0].startswith(like.family) else like.family
    return Identity(row=like, name=name, validated=False)


def findings_on(found: Opening, identity: Identity | None, manner: Manner) -> Iterator[Finding]:
    """What is to be said of a Document before its content is read."""
    yield from _heading(found, identity, manner)
    if identity is None or not identity.validated:
        yield _unknown(found, identity, manner)
    if identity and manner.expected is not None and not _fits(identity, manner.expected):
        text = f"The file is a {identity.name}; expected here: {', '.join(manner.expected) or 'nothing'}."
        yield Finding(code="MSG_UNEXPECTED", severity=Severity.ERROR, text=text, path=found.path, line=found.line)


def envelope_finding(found: Opening, identity: Identity | None, manner: Manner) -> Finding:
    """Banks wrap messages in envelopes that are known, or hold a header that names the message: that is told, no more.

    Nothing but the Document counts in either case.
    """
    fits = found.announced and identity and _announces(found.announced, identity)
    usual = not manner.strict and (fits or local(found.root) in ENVELOPES)
    text = f"The Document is wrapped in <{local(found.root)}>; only the Document is read."
    text += " Send it without." if manner.strict else ""
    severity = Severity.INFO if usual else manner.severity
    return Finding(code="MSG_ENVELOPE", severity=severity, text=text, path=found.path, line=found.line)


def _heading(found: Opening, identity: Identity | None, manner: Manner) -> Iterator[Finding]:
    if identity and found.announced and not _announces(found.announced, identity):
        text = (
            f"The header in front of the Document is that of a {found.announced}, and the Document is a "
            f"{identity.name}. The Document counts; have the program mended that writes it."
        )
        yield Finding(code="MSG_HEADER", severity=manner.severity, text=text, path=found.path, line=found.line)


def _announces(announced: str, identity: Identity) -> bool:
    """The name itself, or with the mark of a national or a bank's variant behind it."""
    return announced == identity.name or announced.startswith(f"{identity.name}.")


def _unknown(found: Opening, identity: Identity | None, manner: Manner) -> Finding:
    namespace = namespace_of(found.document)
    said = f"has the namespace {namespace}" if namespace else "has no namespace"
    if manner.catalog.by_namespace(namespace):
        said += f", and holds <{local(found.message)}>, which has another one"
    else:
        said += f", which is none of the messages known here ({listed(manner.catalog.rows)})"
    outcome = "It was not read." if identity is None else f"It was read as a {identity.row.family}, not validated."
    return Finding(
        code="MSG_UNKNOWN",
        severity=Severity.ERROR if identity is None else manner.severity,
        text=f"The Document {said}. {outcome}",
        path=found.path,
        line=found.line,
    )


def _fits(identity: Identity, expected: Sequence[str]) -> bool:
    """Of an unknown version, which has a finding already, only the family must be expected."""
    if identity.validated:
        return identity.name in expected
    return any(name.startswith(identity.row.family) for name in expected)
