"""Reads one file: its records and its findings, in one pass and in flat memory.

A bad file never raises: what is wrong with it is a Finding. Records come in document order; an ERROR that comes after
them holds for the whole file, so nobody may act on a record before the end has come. What the schema has against the
file is told last, because it takes a second look at the file (explain.py); `unexplained` leaves that to `explained`,
which may be called elsewhere and later.

    strict    for what we send: anything but one valid Document of a known namespace is an ERROR
    tolerant  for what a bank sends: whatever can be read with certainty is read; breaches of the schema are WARNINGs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import BinaryIO, TypeVar

from lxml import etree

from h2h.messages.bounds import bounded, clipped
from h2h.messages.catalog import Catalog, MessageType, listed
from h2h.messages.elements import Shape, root_of
from h2h.messages.refusal import Refusal, severity_of
from h2h.messages.walk import Walk
from h2h.messages.xml import (
    Bounded,
    Opening,
    TooMuch,
    check_well_formed,
    local,
    mind_memory,
    namespace_of,
    open_checked,
    stream,
)
from h2h.model import Finding, Record, Severity

T = TypeVar("T")

_NAME = re.compile(r"[a-z]{4}\.\d{3}\.\d{3}\.\d{2}")


def read(
    source: BinaryIO,
    catalog: Catalog,
    *,
    strict: bool,
    expected: Sequence[str] | None = None,
    supplementary: Sequence[str] = (),
) -> Iterator[Record | Finding]:
    """Records and findings of the file in `source`, which must be seekable and stands where the file begins.

    `expected`: the names of the messages that may stand here, as in pain.001.001.09; None for any. `supplementary`:
    the namespaces of supplementary data that what we send may hold.
    """
    return bounded(_whole(source, catalog, strict, expected, supplementary))


def _whole(
    source: BinaryIO, catalog: Catalog, strict: bool, expected: Sequence[str] | None, supplementary: Sequence[str]
) -> Iterator[Record | Finding]:
    start = source.tell()
    for item in unexplained(source, catalog, strict=strict, expected=expected, supplementary=supplementary):
        if isinstance(item, Refusal):
            source.seek(start)
            yield from explained(item, source, catalog)
        else:
            yield item


def _within_limits(items: Iterator[T]) -> Iterator[T | Finding]:
    try:
        yield from items
    except TooMuch as passed:
        yield passed.finding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """What a file is: the row whose reader fits, its real name, and whether the row's schema holds for it."""

    row: MessageType
    name: str
    validated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of a file before its content is read.

    `severity` is that of what is unclean; `repeated` are the elements that always have their number in a path.
    """

    opening: Opening
    row: MessageType
    catalog: Catalog
    severity: Severity
    repeated: Sequence[str]

    def schema(self) -> etree.XMLSchema | None:
        """None for an envelope within which nothing can be validated."""
        if envelope := self.opening.envelope:
            return self.catalog.schema_within(self.row, envelope)
        return self.catalog.schema(self.row)


def unexplained(
    source: BinaryIO,
    catalog: Catalog,
    *,
    strict: bool,
    expected: Sequence[str] | None,
    supplementary: Sequence[str] = (),
) -> Iterator[Record | Finding | Refusal]:
    """As `read`, but for what the schema has against the file: that it has something is told last, as a Refusal."""
    return _within_limits(_read(source, catalog, strict, expected, supplementary))


def _read(
    source: BinaryIO, catalog: Catalog, strict: bool, expected: Sequence[str] | None, supplementary: Sequence[str]
) -> Iterator[Record | Finding | Refusal]:
    opening = open_checked(source, strict=strict)
    if isinstance(opening, Finding):
        yield opening
        return
    identity = _identify(opening, catalog)
    yield from _identity_findings(opening, identity, catalog, severity_of(strict), expected)
    if identity is not None:
        case = _case(opening, identity.row, catalog, strict)
        kept = Bounded(source)
        shape, severity = _named_as(opening, _shape(identity.row)), case.severity
        walk = Walk(shape, identity.name, severity, supplementary=supplementary, settle=kept.settle)
        yield from _content(source, kept, case, walk, validated=identity.validated, strict=strict)


def explained(refusal: Refusal, source: BinaryIO, catalog: Catalog) -> Iterator[Finding]:
    """Why the schema refuses the file that begins where `source` stands."""
    from h2h.messages.explain import explain  # here, as it takes a while and few files need it

    row, opening = catalog.by_namespace(refusal.namespace), open_checked(source, strict=refusal.strict)
    assert row is not None
    assert isinstance(opening, Opening)
    case = _case(opening, row, catalog, refusal.strict)
    faults = _within_limits(explain(refusal.words, source, case, count=refusal.faults))
    yield from (fault for fault in faults if isinstance(fault, Finding) and fault.path not in refusal.told)


def _case(opening: Opening, row: MessageType, catalog: Catalog, strict: bool) -> Case:
    return Case(opening=opening, row=row, catalog=catalog, severity=severity_of(strict), repeated=_shape(row).repeated)


def _shape(row: MessageType) -> Shape:
    shapes: tuple[Shape, ...] = import_module(f"h2h.messages.{row.reader}").SHAPES
    return next(shape for shape in shapes if shape.message == row.root)


def _named_as(opening: Opening, shape: Shape) -> Shape:
    """The shape, under the name that its message element has in this file."""
    found = local(opening.message)
    return replace(shape, message=found) if root_of(found) == shape.message else shape


def _content(
    source: BinaryIO, kept: Bounded, case: Case, walk: Walk, *, validated: bool, strict: bool
) -> Iterator[Record | Finding | Refusal]:
    start = source.tell()
    schema = case.schema() if validated else None
    if validated and schema is None:
        text = (
            f"The Document is wrapped in <{local(case.opening.envelope)}>, within which nothing can be validated. "
            "Send it without."
        )
        yield Finding(code="MSG_ENVELOPE", severity=Severity.ERROR, text=text, path=case.opening.path)
        return
    refused: etree.LxmlError | None = None
    events = stream(kept, case.opening.encoding, tags=walk.tags, schema=schema)
    try:
        for event, element in events:
            yield from walk.start(element) if event == "start" else walk.end(element)
    except etree.LxmlError as error:  # not well-formed or not valid: with a schema, lxml mixes the two up
        mind_memory(error)
        refused = error
        source.seek(start)
        if broken := check_well_formed(source, case.opening.encoding, case.repeated):
            yield broken
            return
    if not walk.found:
        text = f"The Document holds no {case.row.root}, so there is nothing to read in it."
        yield Finding(
            code="MSG_EMPTY", severity=Severity.ERROR, text=text, path=case.opening.path, line=case.opening.line
        )
    if kept.cdata_line and strict:
        text = "The file has a CDATA section; write & and < in a value as &amp; and &lt; instead."
        yield Finding(code="XML_CDATA", severity=case.severity, text=text, line=kept.cdata_line)
    if refused:
        yield Refusal(
            namespace=case.row.namespace,
            strict=strict,
            words=clipped(str(refused)),
            faults=len(events.error_log),
            told=tuple(walk.unreadable),
        )


def _identify(opening: Opening, catalog: Catalog) -> _Identity | None:
    namespace = namespace_of(opening.document)
    if row := catalog.by_namespace(namespace):
        return _Identity(row=row, name=row.name, validated=True)
    if row := catalog.by_root(root_of(local(opening.message))):
        stated = _NAME.search(namespace)
        return _Identity(row=row, name=stated[0] if stated else row.family, validated=False)
    return None


def _identity_findings(
    opening: Opening,
    identity: _Identity | None,
    catalog: Catalog,
    severity: Severity,
    expected: Sequence[str] | None,
) -> Iterator[Finding]:
    path, namespace = opening.path, namespace_of(opening.document)
    if not opening.document:
        text = f"The file begins with <{local(opening.root)}>; an ISO 20022 message begins with <Document>."
        yield Finding(code="MSG_UNKNOWN", severity=Severity.ERROR, text=text, path=path)
        return
    if opening.envelope:
        text = f"The Document is wrapped in <{local(opening.root)}>; only the Document is read. Send it without."
        yield Finding(code="MSG_ENVELOPE", severity=severity, text=text, path=path, line=opening.line)
    if identity is None or not identity.validated:
        known = listed(catalog.rows)
        said = f"has the namespace {namespace}" if namespace else "has no namespace"
        outcome = "It was not read." if identity is None else f"It was read as a {identity.row.family}, not validated."
        yield Finding(
            code="MSG_UNKNOWN",
            severity=Severity.ERROR if identity is None else severity,
            text=f"The Document {said}, which is none of the messages known here ({known}). {outcome}",
            path=path,
            line=opening.line,
        )
    if identity and expected is not None and not _fits(identity, expected):
        text = f"The file is a {identity.name}; expected here: {', '.join(expected) or 'nothing'}."
        yield Finding(code="MSG_UNEXPECTED", severity=Severity.ERROR, text=text, path=path, line=opening.line)


def _fits(identity: _Identity, expected: Sequence[str]) -> bool:
    """Of an unknown version, which has a finding already, only the family must be expected."""
    if identity.validated:
        return identity.name in expected
    return any(name.startswith(identity.row.family) for name in expected)
