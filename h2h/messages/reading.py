"""Reads one file: its records and its findings, in one pass and in flat memory.

A bad file never raises: what is wrong with it is a Finding. Records come in document order; an ERROR that comes after
them holds for the whole file, so nobody may act on a record before the end has come. What the schema has against the
file is told last, because it takes a second look at the file (explain.py); `unexplained` leaves that to `explained`,
which may be called elsewhere and later.

    strict    for what we send: anything but one valid Document of a known namespace is an ERROR
    tolerant  for what a bank sends: whatever can be read with certainty is read; breaches of the schema are WARNINGs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import BinaryIO, TypeVar, cast

from lxml import etree

from h2h.columns import one_by_one
from h2h.messages.bounds import bounded, clipped
from h2h.messages.catalog import Catalog, MessageType
from h2h.messages.fast import FastRoad, Filling
from h2h.messages.growing import Growing
from h2h.messages.identify import Identity, Manner, envelope_finding, every_shape, findings_on, identify, shape_of
from h2h.messages.levels import Counts, Kind
from h2h.messages.opening import Opening, open_checked
from h2h.messages.packing import Member, Part, unpacked, within
from h2h.messages.refusal import Refusal, severity_of
from h2h.messages.runs import Grammar, Runs
from h2h.messages.walk import Said, Walk
from h2h.messages.xml import LOT_BYTES, Bounded, GivenUp, check_well_formed, local, mind_memory
from h2h.model import FileMember, Finding, Record, Severity

T = TypeVar("T")


def read(
    source: BinaryIO,
    catalog: Catalog,
    *,
    strict: bool,
    expected: Sequence[str] | None = None,
    supplementary: Sequence[str] = (),
) -> Iterator[Record | Finding]:
    """Records and findings of the file in `source`, in their order, one by one.

    It must be seekable and stands where the file begins.

    `expected`: the names of the messages that may stand here, as in pain.001.001.09; None for any. `supplementary`:
    the namespaces of supplementary data that what we send may hold.
    """
    manner = Manner(catalog=catalog, strict=strict, expected=expected, supplementary=supplementary)
    return one_by_one(bounded(_whole(source, manner)))


def read_in_columns(
    source: BinaryIO,
    catalog: Catalog,
    *,
    strict: bool,
    expected: Sequence[str] | None = None,
    supplementary: Sequence[str] = (),
) -> Iterator[Said]:
    """As `read`; records that stand one behind the other may come together."""
    manner = Manner(catalog=catalog, strict=strict, expected=expected, supplementary=supplementary)
    return bounded(_whole(source, manner))


def _whole(source: BinaryIO, manner: Manner) -> Iterator[Said]:
    start = source.tell()
    refusals: list[Refusal] = []
    for item in unexplained(source, manner):
        if isinstance(item, Refusal):
            refusals.append(item)
        else:
            yield item
    for refusal in refusals:
        source.seek(start)
        yield from explained(refusal, source, manner.catalog)


def _within_limits(items: Iterator[T]) -> Iterator[T | Finding]:
    try:
        yield from items
    except GivenUp as given_up:
        yield given_up.finding


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
    source: BinaryIO, manner: Manner, unpacked_bytes: Callable[[int], None] = lambda _: None
) -> Iterator[Said | Refusal]:
    """As `read_in_columns`, but for what the schema has against the file: that it has something is told as a Refusal.

    What banks pack is unpacked, and every part read as a file of its own; `unpacked_bytes` is told how much that is.
    """
    if manner.strict:
        return _within_limits(_read(source, manner, Counts()))
    return _within_limits(_parts(source, manner, unpacked_bytes))


def _parts(source: BinaryIO, manner: Manner, unpacked_bytes: Callable[[int], None]) -> Iterator[Said | Refusal]:
    counts, members, parts, name = Counts(), 0, 0, ""
    for item in unpacked(source, unpacked_bytes):
        if isinstance(item, Member):
            members, name = members + 1, item.name
            yield FileMember(position=members, name=name, size=item.size)
        elif isinstance(item, Finding):
            yield within(item, name)
        else:
            parts += 1
            for said in _within_limits(_read(item.source, manner, counts)):
                yield _of_part(said, parts, name)


def _of_part(item: Said | Refusal, number: int, name: str) -> Said | Refusal:
    if isinstance(item, Finding):
        return within(item, name)
    return replace(item, part=number, name=name) if isinstance(item, Refusal) else item


def _read(source: BinaryIO, manner: Manner, counts: Counts) -> Iterator[Said | Refusal]:
    opening = open_checked(source, strict=manner.strict)
    if isinstance(opening, Finding):
        yield opening
        return
    if not opening.document:
        text = f"The file begins with <{local(opening.root)}>; an ISO 20022 message begins with <Document>."
        yield Finding(code="MSG_UNKNOWN", severity=Severity.ERROR, text=text, path=opening.path)
        return
    identity = identify(opening, manner.catalog)
    if opening.envelope:
        yield envelope_finding(opening, identity, manner)
    yield from findings_on(opening, identity, manner)
    if identity is not None:
        fast = fast_road(source, opening, identity, manner.catalog)
        kept = Bounded(fast or source)
        runs = together(kept, opening, identity, manner.catalog)
        walk = _walk(opening, identity, manner, kept, counts, fast, runs)
        case = _case(opening, identity.row, manner.catalog, manner.strict)
        yield from _content(source, kept, case, walk, fast, manner, validated=identity.validated)


def fast_road(source: BinaryIO, opening: Opening, identity: Identity, catalog: Catalog) -> FastRoad | None:
    """Only where there is a schema that every record can be held against."""
    if not identity.validated or opening.encoding != "utf-8":
        return None
    grammar = _grammar(identity, catalog)
    return FastRoad(cast(Filling, source), identity.shape, *grammar) if grammar else None


def together(source: Bounded, opening: Opening, identity: Identity, catalog: Catalog) -> Runs | None:
    """Where ends of lines can be seen in the bytes."""
    if opening.encoding == "utf-16":
        return None
    return Runs(identity.shape, partial(_grammar, identity, catalog), source)


def _grammar(identity: Identity, catalog: Catalog) -> Grammar | None:
    shape, types = identity.shape, catalog.types(identity.row)
    kind = types.at(("Document", identity.row.root, shape.group, shape.item))
    return None if kind is None else Grammar(types, kind)


def _walk(
    opening: Opening,
    identity: Identity,
    manner: Manner,
    kept: Bounded,
    counts: Counts,
    fast: FastRoad | None,
    runs: Runs | None,
) -> Walk:
    """From a bank, every message of a file is read; of what is sent, a file holds one."""
    first = Kind(shape=identity.shape, name=identity.name)
    if manner.strict:
        return Walk(
            first, manner.severity, supplementary=manner.supplementary, settle=kept.settle, fast=fast, runs=runs
        )
    return Walk(
        first,
        manner.severity,
        further=partial(_further, opening, identity, manner),
        shapes=every_shape(manner.catalog),
        settle=kept.settle,
        counts=counts,
        fast=fast,
        runs=runs,
    )


def _further(
    opening: Opening,
    first: Identity,
    manner: Manner,
    *,
    document: str,
    message: str,
    announced: str,
    path: str,
    line: int,
) -> tuple[Kind | None, list[Finding]]:
    """What a further message of the file is. The schema of the first one holds for those of its kind alone."""
    found = replace(opening, document=document, message=message, announced=announced, path=path, line=line)
    identity = identify(found, manner.catalog)
    findings = list(findings_on(found, identity, manner))
    if identity is None:
        return None, findings
    if identity.validated and identity.row is not first.row:
        text = f"A {identity.name} stands in the same file as a {first.name}. It was read, and not validated."
        findings.append(Finding(code="MSG_SEVERAL", severity=Severity.WARNING, text=text, path=path, line=line))
    return Kind(shape=identity.shape, name=identity.name), findings


def explained(
    refusal: Refusal, source: BinaryIO, catalog: Catalog, unpacked_bytes: Callable[[int], None] = lambda _: None
) -> Iterator[Finding]:
    """Why the schema refuses the file that begins where `source` stands, or the part of it that is meant."""
    if refusal.strict:
        return _explained(refusal, source, catalog)
    parts = (part for part in unpacked(source, unpacked_bytes) if isinstance(part, Part))
    part = next(islice(parts, refusal.part - 1, None))
    return (within(finding, refusal.name) for finding in _explained(refusal, part.source, catalog))


def _explained(refusal: Refusal, source: BinaryIO, catalog: Catalog) -> Iterator[Finding]:
    from h2h.messages.explain import explain  # here, as it takes a while and few files need it

    row, opening = catalog.by_namespace(refusal.namespace), open_checked(source, strict=refusal.strict)
    assert row is not None
    assert isinstance(opening, Opening)
    case = _case(opening, row, catalog, refusal.strict)
    faults = _within_limits(explain(refusal.words, source, case, count=refusal.faults))
    yield from (fault for fault in faults if isinstance(fault, Finding) and fault.path not in refusal.told)


def _case(opening: Opening, row: MessageType, catalog: Catalog, strict: bool) -> Case:
    severity, repeated = severity_of(strict), shape_of(row).repeated
    return Case(opening=opening, row=row, catalog=catalog, severity=severity, repeated=repeated)


def _content(
    source: BinaryIO,
    kept: Bounded,
    case: Case,
    walk: Walk,
    fast: FastRoad | None,
    manner: Manner,
    *,
    validated: bool,
) -> Iterator[Said | Refusal]:
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
    encoding = case.opening.encoding
    growing = Growing(kept, encoding, names=walk.names, items=walk.items, schema=schema)
    if fast:
        fast.valid = lambda: not growing.error_log
    broken: Finding | None = None
    try:
        for lot in growing.lots(1 if fast else LOT_BYTES):  # what was read beside the parser is told at once
            yield from walk.through(lot)
            if manner.only_valid and growing.error_log:
                text = "The schema refuses the file, which was not read to its end."
                raise GivenUp(Finding(code="XSD_INVALID", severity=Severity.ERROR, text=text))
    except GivenUp:
        yield from walk.through(())
        raise
    except etree.LxmlError as error:  # not well-formed or not valid: with a schema, lxml mixes the two up
        mind_memory(error)
        refused = error
        source.seek(start)
        broken, still_open = check_well_formed(source, encoding, walk.names, case.repeated)
        yield from walk.through(growing.rest(still_open if broken or growing.ended else None))
    if broken:
        yield broken
        return
    if fast and not (refused and manner.strict):
        fast.finish()
    if kept.cdata_line and manner.strict:
        text = "The file has a CDATA section; write & and < in a value as &amp; and &lt; instead."
        yield Finding(code="XML_CDATA", severity=case.severity, text=text, line=kept.cdata_line)
    if refused:
        yield Refusal(
            namespace=case.row.namespace,
            strict=manner.strict,
            words=clipped(str(refused)),
            faults=len(growing.error_log),
            told=tuple(walk.unreadable),
        )
