"""Turns the parser's events of one file into records, in document order and in flat memory.

A message is a head and groups; a group is a head and items (elements.Shape). A head is read when the first element
that is not part of it begins, an item when it ends; then its memory is given back. Where a group's head is incomplete
at its first item, which no valid file does, its items are kept back until the group has ended (or are too many).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Protocol

from lxml import etree

from h2h.messages.elements import Fault, Faults, Place, Shape
from h2h.messages.xml import Node, forget, line_of, local, namespace_of, node_of, path_of, path_within
from h2h.model import Finding, Record, Severity
from h2h.text import shown

MAX_PATHS = 1_000
MAX_KEPT_BACK = 100_000
MAX_NAMED = 3


class Reader(Protocol):
    """A reader of elements.Shape whose place in the file is settled."""

    def __call__(self, node: Node, *, faults: Faults) -> Record: ...


@dataclass(slots=True, kw_only=True)
class _Level:
    """An open element with a head: the message, or one of its groups."""

    element: etree._Element
    path: str
    read: Reader
    record: Record | None = None
    seen: int = 0  # elements of the head when it was read
    kept_back: list[Record | Finding] | None = None


class Walk:
    """Feed it every start and end event of the elements in `tags`.

    `severity` is that of unclean, readable things; `supplementary` the namespaces of supplementary data that are taken;
    `settle` is told when the memory of what was read was given back.
    """

    def __init__(
        self,
        shape: Shape,
        name: str,
        severity: Severity,
        *,
        supplementary: Sequence[str] = (),
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self.tags = ("Document", shape.message, shape.group, shape.item, "SplmtryData")
        self.found = False
        self.unreadable: set[str] = set()  # paths
        self._shape, self._name, self._severity = shape, name, severity
        self._supplementary, self._settle = frozenset(supplementary), settle
        self._message: _Level | None = None
        self._group: _Level | None = None
        self._documents = self._groups = self._in_group = self._loose = self._in_file = 0
        self._said: set[str] = set()

    def start(self, element: etree._Element) -> Iterator[Record | Finding]:
        name = local(element.tag)
        if self._group and element.getparent() is self._group.element:
            if name == self._shape.item:
                yield from self._read_head(self._group, before=element)
        elif self._message and element.getparent() is self._message.element:
            yield from self._begin_group(self._message, element, name)
        elif name in ("Document", self._shape.message):
            yield from self._begin(element, name)

    def end(self, element: etree._Element) -> Iterator[Record | Finding]:
        if local(element.tag) == "SplmtryData":
            yield from self._supplementary_data(element)
        level = self._group or self._message
        if level is None:
            return
        if element is level.element:
            yield from self._close(level)
        elif local(element.tag) == self._shape.item and element.getparent() is level.element:
            yield from self._item(level, element)

    def _supplementary_data(self, element: etree._Element) -> Iterator[Finding]:
        """Nobody here reads it; what is sent may hold it only where the profile names every namespace in it."""
        strict = self._severity is Severity.ERROR
        within = (each for envelope in element.iterchildren("{*}Envlp") for each in envelope.iterdescendants("{*}*"))
        used = {namespace_of(each.tag) for each in within}
        if not strict or not used or used - self._supplementary:
            strange = ", ".join(shown(each) for each in sorted(used - self._supplementary)[:MAX_NAMED]) or "no schema"
            text = f"Supplementary data ({strange}): no schema here describes it, and nothing in it was read."
            text += " Leave it out, or name its namespace in supplementary_data of the folder." if strict else ""
            severity = Severity.ERROR if strict else Severity.INFO
            yield from self._once("MSG_SUPPLEMENTARY", severity, text, element)

    def _begin(self, element: etree._Element, name: str) -> Iterator[Finding]:
        self._documents += name == "Document"
        if self._documents > 1 or self._message or self.found:
            text = "A second message stands in this file; only the first was read. Send each in a file of its own."
            yield from self._once("MSG_SEVERAL", Severity.ERROR, text, element)
        elif name == self._shape.message and self._documents:
            read = partial(self._shape.read_head, message=self._name)
            self._message = _Level(element=element, path=path_of(element), read=read)

    def _begin_group(self, message: _Level, element: etree._Element, name: str) -> Iterator[Record | Finding]:
        if name in (self._shape.group, self._shape.item):
            yield from self._read_head(message, before=element)
        if name == self._shape.group:
            self._groups, self._in_group = self._groups + 1, 0
            path = f"{message.path}/{name}[{self._groups}]"
            assert message.record is not None
            read = partial(self._shape.read_group, position=self._groups, head=message.record)
            self._group = _Level(element=element, path=path, read=read)

    def _read_head(self, level: _Level, *, before: etree._Element) -> Iterator[Record | Finding]:
        if level.record is not None or level.kept_back is not None:
            return
        children = self._head_of(takewhile(lambda child: child is not before, level.element))
        record, findings = self._record(level.element, level.path, level.read, children)
        if self._shape.incomplete(record):
            level.kept_back = []
            return
        level.record, level.seen = record, len(children)
        yield from (*findings, record)

    def _item(self, level: _Level, element: etree._Element) -> Iterator[Record | Finding]:
        in_group = level is self._group
        self._in_file += 1
        self._in_group += in_group
        self._loose += not in_group
        number = self._in_group if in_group else self._loose
        place = Place(self._groups if in_group else 0, number, self._in_file)
        read = partial(self._shape.read_item, place=place, group=level.record if in_group else None)
        record, findings = self._record(element, f"{level.path}/{self._shape.item}[{number}]", read)
        forget(element)
        self._settle()
        if level.kept_back is None:
            yield from (*findings, record)
        else:
            level.kept_back += (*findings, record)
            if len(level.kept_back) > MAX_KEPT_BACK:
                yield from self._give_up_waiting(level)

    def _give_up_waiting(self, level: _Level) -> Iterator[Record | Finding]:
        """For the rest of a head whose items are too many to be kept back; should it come, it is a finding."""
        kept, level.kept_back = level.kept_back or [], None
        item = next(child.tag for child in level.element.iterchildren(f"{{*}}{self._shape.item}"))
        children = self._head_of(takewhile(lambda child: child.tag != item, level.element))
        level.record, findings = self._record(level.element, level.path, level.read, children)
        level.seen = len(children)
        yield from (*findings, level.record, *kept)

    def _close(self, level: _Level) -> Iterator[Record | Finding]:
        children = self._head_of(level.element)
        if level.record is None:
            record, findings = self._record(level.element, level.path, level.read, children)
            yield from (*findings, record, *(level.kept_back or ()))
        elif len(children) > level.seen:
            record, _ = self._record(level.element, level.path, level.read, children)
            if record != level.record:
                yield self._order(level)
        self.found = True
        if level is self._group:
            yield from self._tail(level, [child for child in children if local(child.tag) == self._shape.tail])
            self._group = None
            forget(level.element)
        else:
            self._message = None

    def _tail(self, group: _Level, elements: list[etree._Element]) -> Iterator[Record]:
        """What stands after the items and is a record of its own."""
        assert self._shape.read_tail or not elements
        for element in elements:
            if self._shape.read_tail and (record := self._shape.read_tail(node_of(element, []), group=self._groups)):
                yield record

    def _head_of(self, children: Iterable[etree._Element]) -> list[etree._Element]:
        others = (self._shape.group, self._shape.item)
        return [child for child in children if isinstance(child.tag, str) and local(child.tag) not in others]

    def _record(
        self, element: etree._Element, path: str, read: Reader, children: list[etree._Element] | None = None
    ) -> tuple[Record, list[Finding]]:
        cut: list[Node] = []
        faults: Faults = []
        node = node_of(element, cut, children)
        record = read(node, faults=faults)
        if not cut and not faults:
            return record, []
        strict = self._severity is Severity.ERROR
        once = {id(fault.leaf): fault for fault in faults if strict or not fault.readable}.values()
        return record, [
            *(self._cut(path + path_within(node, leaf), leaf) for leaf in cut),
            *(self._unreadable(path + path_within(node, fault.leaf), fault) for fault in once),
        ]

    def _cut(self, path: str, leaf: Node) -> Finding:
        text = f"A comment or processing instruction stands inside the value {shown(leaf.value)}. Take it out."
        return Finding(code="XML_COMMENT_IN_VALUE", severity=self._severity, text=text, path=path, line=leaf.line)

    def _unreadable(self, path: str, fault: Fault) -> Finding:
        line, said = fault.leaf.line, f"{fault.leaf.name} holds {shown(fault.leaf.value)}"
        if fault.readable:
            text = f"{said}, which not everybody reads alike; write {fault.wanted}."
            return Finding(code="VALUE_NOTATION", severity=self._severity, text=text, path=path, line=line)
        if len(self.unreadable) < MAX_PATHS:
            self.unreadable.add(path)
        text = f"{said}, which cannot be read; write {fault.wanted}."
        return Finding(code="VALUE_UNREADABLE", severity=Severity.ERROR, text=text, path=path, line=line)

    def _order(self, level: _Level) -> Finding:
        name = local(level.element.tag)
        text = f"Parts of the head of {name} stand after what it heads; they were not read. Put them first."
        line = line_of(level.element)
        return Finding(code="MSG_ORDER", severity=Severity.ERROR, text=text, path=level.path, line=line)

    def _once(self, code: str, severity: Severity, text: str, element: etree._Element) -> Iterator[Finding]:
        """A finding that a file has at most once, at the first place."""
        if code not in self._said:
            self._said.add(code)
            yield Finding(code=code, severity=severity, text=text, path=path_of(element), line=line_of(element))
