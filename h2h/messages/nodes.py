"""Reads an element as a Node, with all below it: every record can be read so, and what is wrong in it is told."""

from __future__ import annotations

from typing import Protocol

from lxml import etree

from h2h.messages.elements import Fault, Faults
from h2h.messages.xml import Node, node_of, path_within
from h2h.model import Finding, Record, Severity
from h2h.text import shown

MAX_PATHS = 1_000


class Reader(Protocol):
    """A reader of elements.Shape whose place in the file is settled."""

    def __call__(self, node: Node, *, faults: Faults) -> Record: ...


class Nodes:
    """`severity` is that of unclean, readable values. `unreadable`: paths of values that are told as such."""

    def __init__(self, severity: Severity) -> None:
        self._severity = severity
        self.unreadable: set[str] = set()

    def record(
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
