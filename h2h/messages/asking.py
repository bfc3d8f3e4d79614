"""Asks a bank's rules (bank_rules.py) of the values of a file, in a pass of its own and in flat memory.

Records hold a part of what stands in a message, and the fast road makes no tree of most of it; so a file is gone
through once more here, and only where its profile states rules. A file whose characters are all taken is seen to be so
in its bytes, without being parsed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from lxml import etree

from h2h.bank_rules import (
    IDS,
    ITEMS,
    NUMBERED,
    OF_OWNERS,
    Asking,
    BankRule,
    Place,
    broken,
    elements,
    place_of,
    sentence,
    slashes,
    strange,
    too_many,
)
from h2h.messages.opening import Opening, open_checked
from h2h.messages.xml import BLANKS, Bounded, GivenUp, Stream, forget, line_of, local, mind_memory, text_of
from h2h.model import Finding, Severity
from h2h.text import shown

MOST = 20  # findings by one rule
BLOCK = 1 << 18
_TAKEN = {  # bytes of UTF-8 that values may be made of
    "sepa": rb"A-Za-z0-9/\-?:().,'+ \t\n\r",
    "ascii": rb"\x20-\x3b\x3d-\x7e\t\n\r",
    "latin1": rb"\x20-\x3b\x3d-\x7e\xc2\xc3\x80-\xbf\t\n\r",
}
_STOPS = {name: re.compile(rb">[" + taken + rb"]*+[^<" + taken + rb"]") for name, taken in _TAKEN.items()}
_ODD = {  # what else a glance stops at: slashes of ids; characters by number, and those of control
    "sepa": re.compile(rb">\s*+/|/\s*+<|//(?!www\.)"),
    "ascii": re.compile(rb"&#"),
    "latin1": re.compile(rb"&#|\xc2[\x80-\x9f]"),
}
_BROKEN_LINE = re.compile(rb">\s*+[^<\s][^<\r\n\t]*+[\r\n\t]\s*+[^<\s]")  # a line's end, or a tab, inside of a value


def asked(source: BinaryIO, asking: Asking) -> Iterator[Finding]:
    """What the rules have against the file that begins where `source` stands, which was read before."""
    start = source.tell()
    opening = open_checked(source, strict=True)
    if isinstance(opening, Finding):
        yield opening
        return
    body = source.tell()
    askers: list[_Characters | _Rows] = [_Rows(asking.rules)] if asking.rules else []
    if asking.characters:
        source.seek(start)
        if opening.encoding != "utf-8" or not _seen_good(source, asking.characters):
            askers.insert(0, _Characters(asking.characters))
    for asker in askers:
        source.seek(body)
        yield from _gone_through(source, opening, asker)


def _seen_good(source: BinaryIO, charset: str) -> bool:
    stops, odd = _STOPS[charset], _ODD[charset]
    tail = b""
    while block := source.read(BLOCK):
        piece = tail + block
        if stops.search(piece) or odd.search(piece) or _BROKEN_LINE.search(piece):
            return False
        cut = piece.rfind(b"<", 0, -1)
        tail = piece[max(cut, len(piece) - BLOCK) :]  # what goes on in the next block is looked at with it
    return True


def _gone_through(source: BinaryIO, opening: Opening, asker: _Characters | _Rows) -> Iterator[Finding]:
    kept = Bounded(source)
    place = _Where()
    tags = asker.names and {*asker.names, *NUMBERED, "Document"}
    try:
        for event, element in Stream(kept, opening.encoding, tags=tags):
            place.at(event, element)
            yield from asker.told(event, element, place)
            if event == "end" and local(element.tag) in NUMBERED:
                forget(element)
                kept.settle()
    except GivenUp as given_up:
        yield given_up.finding
    except etree.LxmlError as error:
        mind_memory(error)
        raise


class _Where:
    """Numbers in paths: batches count through the file, payments through their batch."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def at(self, event: str, element: etree._Element) -> None:
        name = local(element.tag)
        if event == "start" and name in NUMBERED:
            self._numbers[name] += 1
            if name == "PmtInf":
                for item in ITEMS:
                    self._numbers[item] = 0

    def path(self, element: etree._Element) -> str:
        names = [local(each.tag) for each in (element, *element.iterancestors())]
        return "".join(
            f"/{name}[{self._numbers[name]}]" if name in NUMBERED else f"/{name}" for name in reversed(names)
        )


def _holds_others(element: etree._Element) -> bool:
    return any(isinstance(child.tag, str) for child in element)


def _value(element: etree._Element) -> str:
    return text_of(element).strip(BLANKS)


class _Characters:
    """Whether every value is of one set."""

    def __init__(self, charset: str) -> None:
        self.names: set[str] = set()  # of every element
        self._charset = charset
        self._told = 0

    def told(self, event: str, element: etree._Element, where: _Where) -> Iterator[Finding]:
        if event != "end" or self._told > MOST:
            return
        value = "" if _holds_others(element) else _value(element)
        found = strange(value, self._charset)
        if found is None and self._charset == "sepa" and local(element.tag) in IDS:
            found = slashes(value)
        if found:
            self._told += 1
            cut = " There are more of these; correct the first ones." if self._told > MOST else ""
            text = f"{shown(value)} {found}. Have the program that writes it replace it.{cut}"
            yield _finding(
                code="CHARACTER_NOT_TAKEN",
                severity=Severity.ERROR,
                text=text,
                element=element,
                path=where.path(element),
            )


@dataclass(slots=True)
class _Owner:
    """An element that is open, and what is known of what stands in it. `whens`: the rules whose condition holds."""

    element: etree._Element
    counts: Counter[int] = field(default_factory=Counter)
    whens: set[int] = field(default_factory=set)
    waiting: list[tuple[int, Finding]] = field(default_factory=list)


class _Rows:
    def __init__(self, rules: Sequence[BankRule]) -> None:
        self._rules = [(rule, place_of(rule.at)) for rule in rules]
        self.names = elements(rules)
        self._owners: list[_Owner] = []
        self._told: Counter[int] = Counter()
        self._leaves: dict[str, list[tuple[int, Place, bool]]] = {}  # by element; whether it is a condition
        for number, (rule, place) in enumerate(self._rules):
            self._leaves.setdefault(place.element, []).append((number, place, False))
            if rule.when:
                condition = place_of(rule.when.at)
                self._leaves.setdefault(condition.element, []).append((number, condition, True))
        places = [place for leaves in self._leaves.values() for _, place, _ in leaves]
        self._owning = {place.owner or "Document" for place in places}

    def told(self, event: str, element: etree._Element, where: _Where) -> Iterator[Finding]:
        name = local(element.tag)
        if event == "start":
            if name in self._owning:
                self._owners.append(_Owner(element))
            return
        for number, place, condition in self._leaves.get(name, ()):
            owner = self._owner_of(element, place)
            if owner is not None and (value := _value_at(element, place)) is not None:
                yield from self._seen(number, owner, element, value, where, condition=condition)
        if self._owners and self._owners[-1].element is element:
            yield from self._closed(self._owners.pop(), where)

    def _owner_of(self, element: etree._Element, place: Place) -> _Owner | None:
        """The open owner to which the rest of the path leads up."""
        if place.owner is None:
            return self._owners[0] if self._owners else None
        at: etree._Element | None = element
        for name in reversed(place.below):
            if at is None or local(at.tag) != name:
                return None
            at = at.getparent()
        if at is None or local(at.tag) != place.owner:
            return None
        return next((owner for owner in reversed(self._owners) if owner.element is at), None)

    def _seen(
        self, number: int, owner: _Owner, element: etree._Element, value: str, where: _Where, *, condition: bool
    ) -> Iterator[Finding]:
        rule, _ = self._rules[number]
        if condition:
            if rule.when and value in rule.when.values:
                owner.whens.add(number)
            return
        owner.counts[number] += 1
        if rule.rule in OF_OWNERS or self._told[number] > MOST:
            return
        if what := broken(rule, value):
            said = sentence(rule, what) if rule.rule == "forbidden" else sentence(rule, what, value)
            finding = _finding(
                code="BANK_RULE",
                severity=rule.severity,
                text=said,
                element=element,
                path=_with(where.path(element), rule),
            )
            if rule.when:
                if sum(waits == number for waits, _ in owner.waiting) <= MOST:
                    owner.waiting.append((number, finding))
            else:
                yield from self._tell(number, finding)

    def _closed(self, owner: _Owner, where: _Where) -> Iterator[Finding]:
        holding = owner.whens.union(*(around.whens for around in self._owners))
        for number, finding in owner.waiting:
            if number in holding:
                yield from self._tell(number, finding)
        name, element = local(owner.element.tag), owner.element
        for number, (rule, place) in enumerate(self._rules):
            of_it = rule.rule in OF_OWNERS and (place.owner or "Document") == name
            what = too_many(rule, owner.counts[number]) if of_it else None
            if what and (rule.when is None or number in holding):
                said = sentence(rule, what)
                yield from self._tell(
                    number,
                    _finding(
                        code="BANK_RULE", severity=rule.severity, text=said, element=element, path=where.path(element)
                    ),
                )

    def _tell(self, number: int, finding: Finding) -> Iterator[Finding]:
        self._told[number] += 1
        if self._told[number] <= MOST:
            yield finding
        elif self._told[number] == MOST + 1:
            text = f"{self._rules[number][0].at} breaks this rule more than {MOST} times; correct the first ones."
            yield Finding(code="BANK_RULE", severity=finding.severity, text=text)


def _value_at(element: etree._Element, place: Place) -> str | None:
    """The value of an element, or of its attribute; "" for one that has others in it. None where nothing is there."""
    if place.attribute is not None:
        found = element.get(place.attribute)
        return str(found).strip(BLANKS) or None if found is not None else None
    if _holds_others(element):
        return ""
    return _value(element) or None


def _with(path: str, rule: BankRule) -> str:
    attribute = place_of(rule.at).attribute
    return f"{path}/@{attribute}" if attribute else path


def _finding(*, code: str, severity: Severity, text: str, element: etree._Element, path: str) -> Finding:
    return Finding(code=code, severity=severity, text=text, path=path, line=line_of(element))
