"""Writes a new pain.001 from one that was read: in one pass, in flat memory, and only ever from a file that was judged
good. Nothing here says that the new file is right: whoever ordered it has it read again, and compares.

Elements come out with the names, prefix and values that they had, each on a line of its own; comments and processing
instructions are no content and stay behind. What cannot be carried over is a finding, and then nothing counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import BinaryIO, Protocol

from lxml import etree

from h2h.messages.opening import open_checked
from h2h.messages.xml import (
    Bounded,
    Node,
    Stream,
    TooMuch,
    forget,
    local,
    mind_memory,
    namespace_of,
    node_of,
    path_of,
    path_within,
)
from h2h.model import Finding, Severity
from h2h.text import xml_attribute, xml_value

BLOCK = 1 << 16
PIECES = 2_000  # of text that are put together before they are handed on
MESSAGE, HEADER, BATCH, PAYMENT = "CstmrCdtTrfInitn", "GrpHdr", "PmtInf", "CdtTrfTxInf"
FILE = f"/Document/{MESSAGE}"
DEPTH = {"Document": 0, MESSAGE: 1, HEADER: 2, BATCH: 2, PAYMENT: 3}
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_LINES = ["\n" + "  " * depth for depth in range(300)]  # the parser goes no deeper than 256


class Impossible(Exception):
    """Something in the file cannot be carried over. `node`: where; never leaves this package."""

    def __init__(self, what: str, node: Node | None = None) -> None:
        super().__init__(what)
        self.what, self.node = what, node


class Change(Protocol):
    """What becomes of each part. A batch that is None, and a payment that is not kept, stay behind; both are counted
    from 1.

    `namespace`: the new one of every element; None where it stays. `code`: that of the finding on what is impossible.
    """

    code: str
    namespace: str | None

    def keeps(self, position: int) -> bool: ...
    def header(self, node: Node) -> Node: ...
    def batch(self, children: Sequence[Node], position: int) -> Sequence[Node] | None: ...
    def payment(self, node: Node, position: int) -> Node: ...


def rewritten(source: BinaryIO, change: Change) -> Iterator[bytes | Finding]:
    """The new file, piece by piece, from the one that begins where `source` stands."""
    opening = open_checked(source, strict=True)
    if isinstance(opening, Finding):
        yield opening
        return
    kept = Bounded(source)
    copy = _Copy(change)
    try:
        for event, element in Stream(kept, opening.encoding, tags=tuple(DEPTH)):
            if event == "start":
                yield from copy.start(element)
                continue
            whole = copy.is_part(element)
            yield from copy.end(element)
            if whole:
                forget(element)
                kept.settle()
            if len(copy.out.text) >= PIECES:
                yield from copy.out.taken()
        yield from copy.out.taken()
    except TooMuch as passed:
        yield passed.finding
    except etree.LxmlError as error:
        mind_memory(error)
        text = f"The file cannot be read to its end ({error})."
        yield Finding(code=change.code, severity=Severity.ERROR, text=text)


class _Copy:
    """Where the pass over the old file stands, and the new one so far."""

    def __init__(self, change: Change) -> None:
        self.out = _Writer()
        self._change = change
        self._place = ""  # the path of the part in hand
        self._part: Node | None = None
        self._open: list[etree._Element] = []  # Document, message and batch, as far as they are open
        self._batches = self._payments = self._in_batch = 0
        self._headed = self._written = False  # of the batch that is open
        self._spoiled = False

    def start(self, element: etree._Element) -> Iterator[Finding]:
        try:
            self._start(element, local(element.tag))
        except Impossible as found:
            yield self._finding(found)

    def end(self, element: etree._Element) -> Iterator[Finding]:
        try:
            self._end(element, local(element.tag))
        except Impossible as found:
            yield self._finding(found)

    def is_part(self, element: etree._Element) -> bool:
        """One of those that are copied as a whole, or an open batch; after its end nobody needs it any more."""
        name = local(element.tag)
        if name == BATCH:
            return bool(self._open) and element is self._open[-1]
        return name in (HEADER, PAYMENT) and self._belongs(element, name)

    def _finding(self, found: Impossible) -> Finding:
        """The others are told too; the bytes are worth nothing from here on."""
        self._spoiled = True
        within = path_within(self._part, found.node) if self._part and found.node else ""
        line = found.node.line if found.node else None
        path = self._place + within
        return Finding(code=self._change.code, severity=Severity.ERROR, text=found.what, path=path, line=line)

    def _start(self, element: etree._Element, name: str) -> None:
        if not self._belongs(element, name):
            return
        if name == PAYMENT:
            self._head_of_batch(element)
        elif name != HEADER:
            self._open.append(element)
            if name == BATCH:
                self._batches, self._in_batch = self._batches + 1, 0
                self._headed = self._written = False
            else:
                self._begin(element)

    def _end(self, element: etree._Element, name: str) -> None:
        if self._open and element is self._open[-1]:
            self._close(element, name)
        elif name in (HEADER, PAYMENT) and self._belongs(element, name):
            if name == PAYMENT:
                self._payment(element)
            else:
                self._place, self._part = f"{FILE}/{HEADER}", node_of(element, [])
                self.out.write(self._change.header(self._part))

    def _payment(self, element: etree._Element) -> None:
        self._payments, self._in_batch = self._payments + 1, self._in_batch + 1
        if not self._change.keeps(self._payments):
            return
        self._place = f"{FILE}/{BATCH}[{self._batches}]/{PAYMENT}[{self._in_batch}]"
        self._part = node_of(element, [])
        copied = self._change.payment(self._part, self._payments)
        if not self._written and not self._spoiled:
            raise Impossible("A payment that stays is in a batch that does not.")
        self.out.write(copied)

    def _belongs(self, element: etree._Element, name: str) -> bool:
        """Whether it stands where the message has such an element, and is no namesake somewhere below."""
        parent = self._open[-1] if self._open else None
        return element.getparent() is parent and len(self._open) == DEPTH[name]

    def _begin(self, element: etree._Element) -> None:
        if not self.out.named:
            self.out.name(element, self._change.namespace)
        self.out.open(local(element.tag), _attributes(element, self._change.namespace))

    def _head_of_batch(self, payment: etree._Element) -> None:
        """Once, when all of it is there: at the first payment."""
        if self._headed:
            return
        self._headed, batch = True, self._open[-1]
        self._place = f"{FILE}/{BATCH}[{self._batches}]"
        before = [child for child in takewhile(lambda c: c is not payment, batch) if _is_element(child)]
        self._part = node_of(batch, [], before)
        head = self._change.batch(self._part.children, self._batches)
        if head is None:
            return
        self._written = True
        self.out.open(BATCH, _attributes(batch, None))
        for child in head:
            self.out.write(child)

    def _close(self, element: etree._Element, name: str) -> None:
        last = {"Document": MESSAGE, MESSAGE: BATCH, BATCH: PAYMENT}[name]
        after = next((child for child in reversed(element) if _is_element(child)), None)
        if after is not None and local(after.tag) != last:
            self._place, self._part = path_of(after), None
            raise Impossible(f"{local(after.tag)} at the end of {name} cannot be carried over: nobody here knows it.")
        self._open.pop()
        if name != BATCH or self._written:
            self.out.close(name)


def _is_element(child: etree._Element) -> bool:
    return isinstance(child.tag, str)


def _attributes(element: etree._Element, namespace: str | None) -> dict[str, str]:
    """Of an element around others. A hint where the schema is follows the namespace."""
    found = {str(key): str(value) for key, value in element.items()}
    if namespace and SCHEMA_LOCATION in found:
        old, new = namespace_of(str(element.tag)), namespace
        found[SCHEMA_LOCATION] = found[SCHEMA_LOCATION].replace(_version(old), _version(new))
    return found


def _version(namespace: str) -> str:
    return namespace.rpartition(":")[2]


class _Writer:
    """Puts tags and values together. All elements are of one namespace, which the root declares under one prefix."""

    def __init__(self) -> None:
        self.text: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>']
        self.named = False
        self._prefix = ""
        self._prefixes: dict[str, str] = {}  # of attributes, by namespace
        self._declared = ""
        self._depth = 0

    def taken(self) -> Iterator[bytes]:
        text, self.text = "".join(self.text).encode(), []
        for start in range(0, len(text), BLOCK):
            yield text[start : start + BLOCK]

    def name(self, root: etree._Element, namespace: str | None) -> None:
        """The root's namespaces: the document's own, or the new one in its place, and the others as they stood."""
        self.named, old = True, namespace_of(str(root.tag))
        self._prefix = f"{root.prefix}:" if root.prefix else ""
        spaces = {prefix: namespace if namespace and uri == old else uri for prefix, uri in root.nsmap.items()}
        self._prefixes = {uri: prefix for prefix, uri in spaces.items() if prefix}
        self._declared = "".join(
            f' xmlns{f":{prefix}" if prefix else ""}="{xml_attribute(uri)}"' for prefix, uri in spaces.items()
        )

    def open(self, name: str, attributes: Mapping[str, str]) -> None:
        written = self._written(attributes) if attributes else ""
        self.text.append(f"{self._line()}<{self._prefix}{name}{self._take_declared()}{written}>")
        self._depth += 1

    def close(self, name: str) -> None:
        self._depth -= 1
        self.text.append(f"{self._line()}</{self._prefix}{name}>" + ("\n" if not self._depth else ""))

    def write(self, node: Node) -> None:
        if node.children:
            self.open(node.name, node.attributes)
            for child in node.children:
                self.write(child)
            self.close(node.name)
            return
        name, value = self._prefix + node.name, node.value
        attributes = self._written(node.attributes, node) if node.attributes else ""
        if "&" in value or "<" in value or ">" in value or "\r" in value:
            value = xml_value(value)
        self.text.append(f"{self._line()}<{name}{attributes}>{value}</{name}>")

    def _line(self) -> str:
        return _LINES[self._depth]

    def _take_declared(self) -> str:
        declared, self._declared = self._declared, ""
        return declared

    def _written(self, attributes: Mapping[str, str], node: Node | None = None) -> str:
        return "".join(f' {self._attribute(key, node)}="{xml_attribute(value)}"' for key, value in attributes.items())

    def _attribute(self, key: str, node: Node | None) -> str:
        """Below the root a qualified one (xsi:type and the like) may change what a value means."""
        namespace = namespace_of(key)
        if not namespace:
            return key
        if self._depth or namespace not in self._prefixes:
            raise Impossible(f"The attribute {key} cannot be carried over. Leave it out.", node)
        return f"{self._prefixes[namespace]}:{local(key)}"
