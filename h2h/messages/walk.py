"""Turns the parser's events of one file into records, in document order and in flat memory.

A message is a head and groups; a group is a head and items (elements.Shape). A head is read when the first element
that is not part of it begins, an item when it ends; then its memory is given back. Where a group's head is incomplete
at its first item, which no valid file does, its items are kept back until the group has ended (or are too many).
Groups and items are counted through the file, over several messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from lxml import etree

from h2h.columns import Columns
from h2h.messages.elements import Place, Shape
from h2h.messages.fast import FastRoad
from h2h.messages.growing import WHOLE, inside
from h2h.messages.levels import Counts, Document, Further, Kind, Level
from h2h.messages.nodes import Nodes
from h2h.messages.opening import named_in
from h2h.messages.patterns import Stretch
from h2h.messages.runs import Runs
from h2h.messages.xml import Event, forget, forget_all, line_of, local, namespace_of, node_of, path_of
from h2h.model import Finding, Record, Severity
from h2h.text import shown

Said = Record | Columns[Any] | Finding

MAX_KEPT_BACK = 100_000
MAX_NAMED = 3


class Walk:
    """Tell it of the elements with these `names`, and of `items`, as growing.Growing does.

    `first` is what the first message is. Others are read where `further` says what they are; `shapes` are those that
    it may say. `severity` is that of unclean, readable things; `supplementary` the namespaces of supplementary data
    that are taken; `settle` is told when the memory of what was read was given back; `fast` has items that stand
    behind those of which there are events; `runs` reads many items of the first message together.
    """

    def __init__(
        self,
        first: Kind,
        severity: Severity,
        *,
        further: Further | None = None,
        shapes: Sequence[Shape] = (),
        supplementary: Sequence[str] = (),
        settle: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
        fast: FastRoad | None = None,
        runs: Runs | None = None,
    ) -> None:
        every = (first.shape, *shapes)
        named = {name for shape in every for name in (*shape.names, shape.group, shape.item)}
        self.names = frozenset({"Document", "AppHdr", "SplmtryData", *named})
        self.items = frozenset(shape.item for shape in every)
        self._kind, self._further, self._severity = first, further, severity
        self._roots = {name for shape in every for name in shape.names}
        self._supplementary, self._settle = frozenset(supplementary), settle
        self._counts = counts or Counts()
        self._nodes, self._fast, self._runs = Nodes(severity), fast, runs
        self._ended: list[etree._Element] = []  # items of the open level that are not read yet
        self._document: Document | None = None
        self._message: Level | None = None
        self._group: Level | None = None
        self._documents = self._messages = 0
        self._announced = ""
        self._said: set[tuple[str, Severity]] = set()

    @property
    def unreadable(self) -> Collection[str]:
        """The paths of values of which it was told that they cannot be read."""
        return self._nodes.unreadable

    @property
    def _shape(self) -> Shape:
        return self._kind.shape

    @property
    def _level(self) -> Level | None:
        return self._group or self._message

    def through(self, lot: Iterable[Event]) -> Iterator[Said]:
        """What begins and ends next; of that nothing is kept for the next time."""
        for event, element in lot:
            if event == WHOLE and self._gathers(element):
                self._ended.append(element)
                continue
            yield from self._beside()
            if event != "end":
                yield from self._start(element)
            if event == WHOLE:
                yield from self._inside(inside(element, self.names))
            if event != "start":
                yield from self._end(element)
        yield from self._beside()

    def _gathers(self, item: etree._Element) -> bool:
        """Whether it is read with others: so usual that nothing else may be asked of it."""
        level = self._group or self._message
        if level is None or not level.begun or item.getparent() is not level.element:
            return False
        return local(item.tag) == self._kind.shape.item and self._together

    def _inside(self, events: Iterable[Event]) -> Iterator[Said]:
        """Of what stands in an item."""
        for event, element in events:
            yield from self._beside()
            yield from self._start(element) if event == "start" else self._end(element)

    def _start(self, element: etree._Element) -> Iterator[Said]:
        name = local(element.tag)
        if self._group and element.getparent() is self._group.element:
            if name == self._shape.item:
                yield from self._read_head(self._group, before=element)
        elif self._message and element.getparent() is self._message.element:
            yield from self._begin_group(self._message, element, name)
        elif name == "Document":
            yield from self._begin_document(element)
        elif name in self._roots and self._document:
            yield from self._begin_message(self._document, element, name)

    def _end(self, element: etree._Element) -> Iterator[Said]:
        name = local(element.tag)
        if name == "SplmtryData":
            yield from self._supplementary_data(element)
        level = self._level
        if self._fast and name == self._shape.item and not (level and self._is_item(element, name, level)):
            self._fast.skip()
        if level is None:
            yield from self._end_outside(element, name)
        elif element is level.element:
            yield from self._close(level)
        elif self._is_item(element, name, level):
            yield from self._item(level, element)
            forget(element)
            self._settle()

    def _is_item(self, element: etree._Element, name: str, level: Level) -> bool:
        return name == self._shape.item and element.getparent() is level.element

    @property
    def _together(self) -> bool:
        """Whether items are read many at a time: where nothing was left out between them."""
        return self._runs is not None and self._runs.shape is self._shape and (self._fast is None or self._fast.idle)

    def _end_outside(self, element: etree._Element, name: str) -> Iterator[Finding]:
        """The end of what is in no message: a header, or a Document."""
        if name == "AppHdr" and self._document is None:
            self._announced = named_in(element)
            forget(element)
        elif self._document and element is self._document.element:
            document, self._document, self._announced = self._document, None, ""
            if not document.messages:
                yield from self._empty(document)
            forget(element)
            self._settle()

    def _empty(self, document: Document) -> Iterator[Finding]:
        """A Document in which no message began: what else is in it is told where it is not the first, or nothing."""
        element = document.element
        message = next((str(child.tag) for child in element if isinstance(child.tag, str)), "")
        if self._further and self._documents > 1 and message:
            kind, findings = self._ask(document, element, message)
            yield from findings
            if kind is None:
                return
        text = f"The Document holds no {self._shape.message}, so there is nothing to read in it."
        yield Finding(code="MSG_EMPTY", severity=Severity.ERROR, text=text, path=document.path, line=line_of(element))

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

    def _begin_document(self, element: etree._Element) -> Iterator[Finding]:
        """One inside of another, as supplementary data may hold it, is none of ours."""
        self._documents += 1
        if self._document or (self._further is None and self._documents > 1):
            text = "A second message stands in this file; only the first was read. Send each in a file of its own."
            yield from self._once("MSG_SEVERAL", Severity.ERROR, text, element)
            return
        number = f"[{self._documents}]" if self._documents > 1 else ""
        self._document = Document(element=element, path=path_of(element) + number, announced=self._announced)

    def _begin_message(self, document: Document, element: etree._Element, name: str) -> Iterator[Finding]:
        path = f"{document.path}{path_of(element).removeprefix(path_of(document.element))}"
        if self._message or (self._messages and self._further is None):
            text = "A second message stands in this file; only the first was read. Send each in a file of its own."
            yield from self._once("MSG_SEVERAL", Severity.ERROR, text, element)
            return
        if self._messages or name not in self._shape.names:
            kind, findings = self._ask(document, element, str(element.tag))
            yield from findings
            if kind is None:
                return
            self._kind = kind
        document.messages += 1
        self._messages += 1
        if self._messages > 1:
            text = "Several messages stand in this file; each of them is read."
            yield from self._once("MSG_SEVERAL", Severity.INFO, text, element)
        read = partial(self._shape.read_head, message=self._kind.name)
        self._message = Level(element=element, path=path, read=read)

    def _ask(self, document: Document, element: etree._Element, message: str) -> tuple[Kind | None, list[Finding]]:
        assert self._further
        return self._further(
            document=str(document.element.tag),
            message=message,
            announced=document.announced,
            path=document.path,
            line=line_of(element),
        )

    def _begin_group(self, message: Level, element: etree._Element, name: str) -> Iterator[Record | Finding]:
        if name in (self._shape.group, self._shape.item):
            yield from self._read_head(message, before=element)
        if name == self._shape.group:
            message.groups += 1
            self._counts.groups += 1
            path = f"{message.path}/{name}[{message.groups}]"
            assert message.record is not None
            read = partial(self._shape.read_group, position=self._counts.groups, head=message.record)
            self._group = Level(element=element, path=path, read=read)

    def _read_head(self, level: Level, *, before: etree._Element) -> Iterator[Record | Finding]:
        if level.begun:
            return
        children = self._head_of(takewhile(lambda child: child is not before, level.element))
        record, findings = self._nodes.record(level.element, level.path, level.read, children)
        if self._shape.incomplete(record):
            level.kept_back = []
            return
        level.record, level.seen = record, len(children)
        yield from (*findings, record)

    def _item(self, level: Level, element: etree._Element, *, plain: bool = True) -> Iterator[Said]:
        """`plain`: nothing in it is told of by itself, so that others like it may be read by its skeleton."""
        place, group = self._place(level)
        read = partial(self._shape.read_item, place=place, group=group)
        record, findings = self._nodes.record(element, f"{level.path}/{self._shape.item}[{level.items}]", read)
        yield from self._told(level, (*findings, record))
        for road in (self._fast, self._runs):
            if road:
                road.after(clean=plain and not findings)

    def _read_ended(self) -> Iterator[Said]:
        """The items that ended until now."""
        items, self._ended = self._ended, []
        if not items:
            return
        assert self._runs is not None
        level = self._level
        assert level is not None
        for each in self._runs.read(items):
            if isinstance(each, Stretch):
                yield from self._read_beside(each, level)
            else:
                told = [*inside(each, self.names)]
                yield from self._inside(told)
                yield from self._item(level, each, plain=not told)
        del each
        forget_all(items)
        self._settle()

    def _beside(self) -> Iterator[Said]:
        """What ended, and what stands behind it and was read without the parser: before anything else is done, and
        before more of the file is parsed."""
        yield from self._read_ended()
        level = self._level
        for stretch in self._fast.beside() if self._fast else ():
            assert level is not None
            yield from self._read_beside(stretch, level)

    def _read_beside(self, stretch: Stretch, level: Level) -> Iterator[Said]:
        counts, group = self._counts, level.record if level is self._group else None
        number = counts.groups if level is self._group else 0
        records = stretch.records(Place(number, level.items, counts.items), group)
        counts.items += len(records)
        level.items += len(records)
        if level.kept_back is None:
            yield records
        else:
            yield from self._told(level, [*records])

    def _place(self, level: Level) -> tuple[Place, Record | None]:
        """Of the next item, and the record of its group."""
        in_group = level is self._group
        self._counts.items += 1
        level.items += 1
        place = Place(self._counts.groups if in_group else 0, level.items, self._counts.items)
        return place, level.record if in_group else None

    def _told(self, level: Level, items: Sequence[Record | Finding]) -> Iterator[Record | Finding]:
        if level.kept_back is None:
            yield from items
        else:
            level.kept_back += items
            if len(level.kept_back) > MAX_KEPT_BACK:
                yield from self._give_up_waiting(level)

    def _give_up_waiting(self, level: Level) -> Iterator[Record | Finding]:
        """For the rest of a head whose items are too many to be kept back; should it come, it is a finding."""
        kept, level.kept_back = level.kept_back or [], None
        item = next(child.tag for child in level.element.iterchildren(f"{{*}}{self._shape.item}"))
        children = self._head_of(takewhile(lambda child: child.tag != item, level.element))
        level.record, findings = self._nodes.record(level.element, level.path, level.read, children)
        level.seen = len(children)
        yield from (*findings, level.record, *kept)

    def _close(self, level: Level) -> Iterator[Record | Finding]:
        children = self._head_of(level.element)
        if level.record is None:
            record, findings = self._nodes.record(level.element, level.path, level.read, children)
            yield from (*findings, record, *(level.kept_back or ()))
        elif len(children) > level.seen:
            record, _ = self._nodes.record(level.element, level.path, level.read, children)
            if record != level.record:
                yield self._order(level)
        if level is self._group:
            yield from self._tail(level, [child for child in children if local(child.tag) == self._shape.tail])
            self._group = None
            forget(level.element)
        else:
            self._message = None

    def _tail(self, group: Level, elements: list[etree._Element]) -> Iterator[Record]:
        """What stands after the items and is a record of its own."""
        assert self._shape.read_tail or not elements
        for element in elements:
            read = self._shape.read_tail
            if read and (record := read(node_of(element, []), group=self._counts.groups)):
                yield record

    def _head_of(self, children: Iterable[etree._Element]) -> list[etree._Element]:
        others = (self._shape.group, self._shape.item)
        return [child for child in children if isinstance(child.tag, str) and local(child.tag) not in others]

    def _order(self, level: Level) -> Finding:
        name = local(level.element.tag)
        text = f"Parts of the head of {name} stand after what it heads; they were not read. Put them first."
        line = line_of(level.element)
        return Finding(code="MSG_ORDER", severity=Severity.ERROR, text=text, path=level.path, line=line)

    def _once(self, code: str, severity: Severity, text: str, element: etree._Element) -> Iterator[Finding]:
        """A finding that a file has at most once of its severity, at the first place."""
        if (code, severity) not in self._said:
            self._said.add((code, severity))
            yield Finding(code=code, severity=severity, text=text, path=path_of(element), line=line_of(element))
