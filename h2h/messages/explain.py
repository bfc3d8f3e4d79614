"""Why a file is not valid, in sentences that an ERP engineer can act on.

That it is not valid is lxml's word (reading.py). Here the file is looked at again: lxml says which elements are at
fault, xmlschema what was expected there, as it only has to look at those elements. Where xmlschema finds nothing, and
in large files, lxml's own words stand. At most MAX_FAULTS are told.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, cast

from lxml import etree
from xmlschema import XMLSchemaValidationError, XsdElement

from h2h.messages.wording import Fault, in_lxml_words, in_plain_words
from h2h.messages.xml import Bounded, Stream, forget, line_of, local, mind_memory, path_of, tree
from h2h.model import Finding, Severity

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from h2h.messages.reading import Case

MAX_FAULTS = 100
MAX_TREE_BYTES = 20_000_000
MAX_TREE_WORK = 10_000_000_000  # faults times bytes: for each fault, libxml2 counts the elements before it
MAX_EXPLAINED_ELEMENTS = 100_000  # about two seconds

_STEP = re.compile(r"/(?:(?P<prefix>[^/:\[]+):)?(?P<name>[^/:\[]+)(?:\[(?P<number>\d+)\])?")
Located = tuple[etree._Element, etree._LogEntry]


def explain(refused: str, source: BinaryIO, case: Case, *, count: int) -> Iterator[Finding]:
    """What the schema has against the well-formed file that begins where `source` stands.

    `refused`: the first fault in lxml's words; `count`: how many it found.
    """
    start = source.tell()
    size = source.seek(0, io.SEEK_END) - start
    source.seek(start)
    small = size <= MAX_TREE_BYTES and size * count <= MAX_TREE_WORK
    faults = _faults_in_tree(source, case) if small else _faults_in_stream(source, case)
    told = 0
    for told, fault in enumerate(faults, start=1):
        if told > MAX_FAULTS:
            text = f"The schema finds more than {MAX_FAULTS} faults; correct these first."
            yield Finding(code="FINDINGS_CUT", severity=case.severity, text=text)
            return
        yield Finding(code=fault.code, severity=case.severity, text=fault.text, path=fault.path, line=fault.line)
    if not told:
        text = f"The validator refuses the file and does not say where: {refused}."
        yield Finding(code="XSD_INVALID", severity=Severity.ERROR, text=text, path=case.opening.path)


def _faults_in_tree(source: BinaryIO, case: Case) -> Iterator[Fault]:
    document = tree(source, case.opening.encoding)
    schema = case.schema()
    assert schema is not None, "what cannot be validated is not refused"
    schema.validate(document)
    errors = list(islice(_at_elements(document, cast("Iterable[etree._LogEntry]", schema.error_log)), MAX_FAULTS + 1))
    budget = MAX_EXPLAINED_ELEMENTS
    for unit in _units(element for element, _ in errors):
        own = [(element, error) for element, error in errors if _within(element, unit)]
        size = sum(1 for _ in islice(unit.iter(), budget + 1))
        budget -= min(size, budget)
        explained = list(_explained(unit, own, case)) if budget else []
        told = explained or [_in_lxml_words(element, error, case) for element, error in own]
        yield from dict.fromkeys(told)


def _explained(unit: etree._Element, errors: Sequence[Located], case: Case) -> Iterator[Fault]:
    """What xmlschema has against the unit and all below it."""
    declaration = _declaration(unit, case)
    if declaration is None:
        return
    possible = {element: _possible(error.message) for element, error in errors}
    for error in islice(_errors(declaration, unit), MAX_FAULTS + 1):
        fault, element = in_plain_words(error, possible)
        path = _numbered_path(element, case.repeated) + fault.path
        yield replace(fault, path=path, line=fault.line or line_of(element))


def _errors(declaration: XsdElement, unit: etree._Element) -> Iterator[XMLSchemaValidationError]:
    """What xmlschema cannot cope with (an unknown xsi:type, a year of 20 digits) it raises, as errors of its own and of
    what it stands on. It only explains: what it said until then stands, and else what lxml says."""
    with suppress(Exception):
        yield from declaration.iter_errors(cast("Element", unit))


def _in_lxml_words(element: etree._Element, error: etree._LogEntry, case: Case) -> Fault:
    path = _numbered_path(element, case.repeated)
    return replace(in_lxml_words(error, line=line_of(element)), path=path)


def _at_elements(document: etree._ElementTree, log: Iterable[etree._LogEntry]) -> Iterator[Located]:
    for error in log:
        found: etree._Element | None = None
        for step in _STEP.finditer(error.path or ""):
            found = _child(document.getroot() if found is None else found, step, top=found is None)
            if found is None:
                break
        yield (document.getroot() if found is None else found), error


def _child(parent: etree._Element, step: re.Match[str], *, top: bool) -> etree._Element | None:
    """One step of a path as libxml2 writes it: * for any element, p:name or name, and [n] from 1."""
    prefix, name, number = step["prefix"], step["name"], int(step["number"] or 1)
    siblings = [parent] if top else [child for child in parent if isinstance(child.tag, str)]
    fitting = (each for each in siblings if name == "*" or (each.prefix == prefix and local(str(each.tag)) == name))
    return next(islice(fitting, number - 1, None), None)


def _units(elements: Iterator[etree._Element]) -> list[etree._Element]:
    """The parents of the elements at fault, in document order, none within another."""
    parents = dict.fromkeys(parent if (parent := element.getparent()) is not None else element for element in elements)
    return [each for each in parents if not any(other in parents for other in each.iterancestors())]


def _within(element: etree._Element, unit: etree._Element) -> bool:
    return element is unit or any(each is unit for each in element.iterancestors())


def _declaration(element: etree._Element, case: Case) -> XsdElement | None:
    """The schema's declaration of this element, found on the way down from its Document."""
    way = [element, *element.iterancestors()]
    tags = [str(each.tag) for each in way]
    document = f"{{{case.row.namespace}}}Document"
    if document not in tags:
        return None
    model = case.catalog.model(case.row)
    found: XsdElement | None = model.elements["Document"] if model else None
    for tag in reversed(tags[: tags.index(document)]):
        below = found.type.model_group if found is not None else None
        inner = [each for each in below.iter_elements() if isinstance(each, XsdElement)] if below else []
        found = next((each for each in inner if each.name == tag), None)
    return found


def _possible(message: str) -> list[str]:
    listed = re.search(r"Expected is (?:one of )?\((.*?)\)\.", message)
    return [local(name.strip()) for name in listed[1].split(",")] if listed else []


def _numbered_path(element: etree._Element, repeated: Sequence[str]) -> str:
    path = ""
    for each in (element, *element.iterancestors()):
        before = sum(1 for _ in each.itersiblings(each.tag, preceding=True))
        several = before or local(each.tag) in repeated or next(each.itersiblings(each.tag), None) is not None
        path = f"/{local(each.tag)}[{before + 1}]{path}" if several else f"/{local(each.tag)}{path}"
    return path


class _Lines:
    """A file handed out line by line, and the number of the line handed out last."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._next = self.number = 1

    def read(self, size: int) -> bytes:
        piece = self._source.readline(size)
        self.number = self._next
        self._next += piece.endswith(b"\n")
        return piece


def _faults_in_stream(source: BinaryIO, case: Case) -> Iterator[Fault]:
    """For large files lxml's words, in flat memory; where in a stream a fault is, it tells by when it is found."""
    lines = _Lines(source)
    bounded = Bounded(lines)
    events = Stream(bounded, case.opening.encoding, schema=case.schema())
    told = 0
    pending: list[Fault] = []
    try:
        for event, element in events:
            log = events.error_log
            pending += [in_lxml_words(error, line=lines.number) for error in islice(log, told, None)]
            told = len(log)
            for fault in [fault for fault in pending if fault.subject == element.tag or fault.line != lines.number]:
                pending.remove(fault)
                yield replace(fault, path=path_of(element) if fault.subject == element.tag else "")
            if event == "end" and local(element.tag) in case.repeated:
                forget(element)
                bounded.settle()
    except etree.LxmlError as error:  # the first breach again, which lxml raises at the end
        mind_memory(error)
    yield from pending
