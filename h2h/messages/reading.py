"""Reads one file: its records and its findings, in one pass and in flat memory.

A bad file never raises: what is wrong with it is a Finding. Records come in document order; an ERROR that comes after
them holds for the whole file, so nobody may act on a record before the end has come. What the schema has against the
file is told last, because it takes a second look at the file (explain.py).

    strict    for what we send: anything but one valid Document of a known namespace is an ERROR
    tolerant  for what a bank sends: whatever can be read with certainty is read; breaches of the schema are WARNINGs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from lxml import etree

from h2h.messages.catalog import Catalog, MessageType
from h2h.messages.elements import Shape
from h2h.messages.walk import Walk
from h2h.messages.xml import (
    Bounded,
    Opening,
    TooMuch,
    check_well_formed,
    local,
    namespace_of,
    open_checked,
    stream,
)
from h2h.model import Finding, Record, Severity

MAX_FINDINGS = 1_000

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
    count = 0
    for item in _within_limits(_read(source, catalog, strict, expected, supplementary)):
        if isinstance(item, Finding):
            count += 1
            if count > MAX_FINDINGS:
                text = f"There are more than {MAX_FINDINGS} findings; what is listed is enough to begin with."
                yield Finding(code="FINDINGS_CUT", severity=Severity.ERROR, text=text)
                return
        yield item


def _within_limits(items: Iterator[Record | Finding]) -> Iterator[Record | Finding]:
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


def _read(
    source: BinaryIO, catalog: Catalog, strict: bool, expected: Sequence[str] | None, supplementary: Sequence[str]
) -> Iterator[Record | Finding]:
    opening = open_checked(source, strict=strict)
    if isinstance(opening, Finding):
        yield opening
        return
    severity = Severity.ERROR if strict else Severity.WARNING
    identity = _identify(opening, catalog)
    yield from _identity_findings(opening, identity, catalog, severity, expected)
    if identity is not None:
        shape: Shape = import_module(f"h2h.messages.{identity.row.reader}").SHAPE
        case = Case(opening=opening, row=identity.row, catalog=catalog, severity=severity, repeated=shape.repeated)
        bounded = Bounded(source)
        walk = Walk(shape, identity.name, severity, supplementary=supplementary, settle=bounded.settle)
        yield from _content(source, bounded, case, walk, validated=identity.validated)
        if bounded.cdata_line and strict:
            text = "The file has a CDATA section; write & and < in a value as &amp; and &lt; instead."
            yield Finding(code="XML_CDATA", severity=severity, text=text, line=bounded.cdata_line)


def _content(
    source: BinaryIO, bounded: Bounded, case: Case, walk: Walk, *, validated: bool
) -> Iterator[Record | Finding]:
    start, envelope = source.tell(), case.opening.envelope
    schema = _schema(case) if validated else None
    if validated and schema is None:
        text = (
            f"The Document is wrapped in <{local(envelope)}>, within which nothing can be validated. Send it without."
        )
        yield Finding(code="MSG_ENVELOPE", severity=Severity.ERROR, text=text, path=case.opening.path)
        return
    refused: etree.LxmlError | None = None
    events = stream(bounded, case.opening.encoding, tags=walk.tags, schema=schema)
    try:
        for event, element in events:
            yield from walk.start(element) if event == "start" else walk.end(element)
    except etree.LxmlError as error:  # not well-formed or not valid: with a schema, lxml mixes the two up
        refused = error
        source.seek(start)
        if broken := check_well_formed(source, case.opening.encoding, case.repeated):
            yield broken
            return
    if refused:
        from h2h.messages.explain import explain  # here, as it takes a while and few files need it

        source.seek(start)
        faults = explain(refused, source, case, count=len(events.error_log))
        yield from (fault for fault in faults if fault.path not in walk.unreadable)
    if not walk.found:
        text = f"The Document holds no {case.row.root}, so there is nothing to read in it."
        yield Finding(
            code="MSG_EMPTY", severity=Severity.ERROR, text=text, path=case.opening.path, line=case.opening.line
        )


def _schema(case: Case) -> etree.XMLSchema | None:
    envelope = case.opening.envelope
    return case.catalog.schema_within(case.row, envelope) if envelope else case.catalog.schema(case.row)


def _identify(opening: Opening, catalog: Catalog) -> _Identity | None:
    namespace = namespace_of(opening.document)
    if row := catalog.by_namespace(namespace):
        return _Identity(row=row, name=row.name, validated=True)
    if row := catalog.by_root(local(opening.message)):
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
        known = ", ".join(row.name for row in catalog.rows)
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
