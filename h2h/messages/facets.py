"""What may stand in the elements of a message, as a schema says it: regular expressions that accept no more than it.

Only what is needed for records (below group and item) is understood, and only in the forms in which ISO 20022 writes
schemas. What is in another form has no expression, and nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
MAX_LENGTH = 10_000  # of a text to which the schema sets no end
# Any character of XML but those with a meaning in it, and those that are changed when they are read. Of those that are
# not ASCII, each byte is one character here: the expressions are asked of UTF-8 taken for Latin-1.
ASCII = r"[^<>&\x00-\x1f\x80-\xff]"
_MORE = r"[\x80-\xbf]"
FURTHER = (
    rf"[\xc2-\xdf]{_MORE}|\xe0[\xa0-\xbf]{_MORE}|[\xe1-\xec\xee]{_MORE}{{2}}|\xed[\x80-\x9f]{_MORE}"
    rf"|\xef(?:[\x80-\xbe]{_MORE}|\xbf[\x80-\xbd])"
    rf"|\xf0[\x90-\xbf]{_MORE}{{2}}|[\xf1-\xf3]{_MORE}{{3}}|\xf4[\x80-\x8f]{_MORE}{{2}}"
)
MEANINGS = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}  # the last one is read last
REFERENCE = f"&(?:{'|'.join(MEANINGS)});"
_NOT_LITERAL = re.compile(r"[<>&\x00-\x1f]")  # what no text has as it is, or not always
_DAY = r"(?:19|20)[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
DATE = _DAY + r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?+"
DATE_TIME = DATE + r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?+" + _ZONE
BUILT_IN = ("xs:string", "xs:decimal", "xs:boolean", "xs:date", "xs:dateTime")
_SIMPLE_PATTERN = re.compile(r"(?:\[[A-Za-z0-9+-]+\](?:\{[0-9]+(?:,[0-9]+)?\})?|[A-Z0-9-]|\((?=\[)|\)(?:\{0,1\})?)+")


class Holds(StrEnum):
    """What the text of an element is read as."""

    TEXT = "text"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """`pattern` takes, ahead of a <, a part of what the type takes, always without blanks around it, nothing else.
    `quick` takes other texts, too, and in less time: those of which it is certain what they mean are taken by
    the type.

    Both are asked of UTF-8 that was taken for Latin-1 (`as_bytes`).
    """

    pattern: str
    quick: str = ""
    holds: Holds = Holds.TEXT


def meant(texts: bytes) -> list[str] | None:
    """What texts mean that patterns took, with a < behind each; None where that is not certain."""
    try:
        together = texts.decode()
    except UnicodeDecodeError:
        return None
    if not texts.isascii() and ("\ufffe" in together or "\uffff" in together):  # which XML does not take
        return None
    first, *others = together.split("&")
    if not others:
        return together.split("<")[:-1]
    named = [other.partition(";") for other in others]
    if not all(end and name in MEANINGS for name, end, _ in named):
        return None
    if any(name == "lt" for name, _, _ in named):
        return [*map(unreferenced, together.split("<")[:-1])]
    return "".join((first, *(MEANINGS[name] + after for name, _, after in named))).split("<")[:-1]


def unreferenced(text: str) -> str:
    """With the characters that stand for themselves only by reference."""
    for name, meaning in MEANINGS.items():
        text = text.replace(f"&{name};", meaning)
    return text


def as_bytes(text: str) -> str:
    """The text, with a character for each byte of it in UTF-8."""
    return text.encode().decode("latin-1")


class Types:
    """The types of one message: of `documents`, its schema and all that it includes, as bytes."""

    def __init__(self, documents: Iterable[etree._Element]) -> None:
        self._named: dict[str, etree._Element] = {}
        self._elements: dict[str, etree._Element] = {}
        for document in documents:
            for each in document:
                if isinstance(each.tag, str) and (name := each.get("name")):
                    (self._elements if each.tag == f"{XS}element" else self._named)[name] = each
        self._built_in = {name: _simple(name) for name in BUILT_IN}
        self._inside: dict[etree._Element, Mapping[str, etree._Element | None]] = {}
        self._values: dict[etree._Element, Value | None] = {}

    def at(self, path: Iterable[str]) -> etree._Element | None:
        """The type of the element at this path of names, from the root; None where it is not understood."""
        names = iter(path)
        root = self._elements.get(next(names))
        found = self._type_of(root) if root is not None else None
        for name in names:
            found = self.inside(found).get(name) if found is not None else None
        return found

    def inside(self, kind: etree._Element) -> Mapping[str, etree._Element | None]:
        """The elements that may stand in it by name, each with its type."""
        if kind not in self._inside:
            self._inside[kind] = {each.get("name", ""): self._type_of(each) for each in _particles(kind)}
        return self._inside[kind]

    def value(self, kind: etree._Element) -> Value | None:
        """What its text may be."""
        if kind not in self._values:
            self._values[kind] = self._value(kind)
        return self._values[kind]

    def _type_of(self, element: etree._Element) -> etree._Element | None:
        name = element.get("type")
        if name in BUILT_IN:
            return self._built_in[name]
        if name is not None:
            return self._named.get(_local(name))
        return next((each for each in element if each.tag in (f"{XS}complexType", f"{XS}simpleType")), None)

    def _value(self, kind: etree._Element) -> Value | None:
        if kind.tag == f"{XS}complexType":
            derived = kind.find(f"{XS}simpleContent/{XS}extension")
            return self._based(derived.get("base", "")) if derived is not None else None
        restriction = kind.find(f"{XS}restriction")
        if restriction is None:
            return None
        facets = [(etree.QName(each).localname, each.get("value", "")) for each in restriction]
        return self._restricted(restriction.get("base", ""), facets)

    def _based(self, base: str) -> Value | None:
        named = self._named.get(_local(base))
        return self.value(named) if named is not None else self._restricted(base, [])

    def _restricted(self, base: str, facets: list[tuple[str, str]]) -> Value | None:
        """Built-in types by their usual prefix; a type of the schema's own adds its facets to those given."""
        own = self._named.get(base)
        if own is not None:
            restriction = own.find(f"{XS}restriction")
            if restriction is None:
                return None
            below = [(etree.QName(each).localname, each.get("value", "")) for each in restriction]
            return self._restricted(restriction.get("base", ""), [*below, *facets])
        match base.rpartition(":")[2]:
            case "string":
                return _text(facets)
            case "decimal":
                return _number(facets)
            case "date" if not facets:
                return Value(pattern=DATE)
            case "dateTime" if not facets:
                return Value(pattern=DATE_TIME)
        return None


def _simple(base: str) -> etree._Element:
    kind = etree.Element(f"{XS}simpleType")
    etree.SubElement(kind, f"{XS}restriction", base=base)
    return kind


def _particles(kind: etree._Element) -> Iterator[etree._Element]:
    """The elements declared in a content model, not those in their types."""
    for each in kind:
        if each.tag == f"{XS}element":
            yield each
        elif each.tag in (f"{XS}sequence", f"{XS}choice"):
            yield from _particles(each)


def _text(facets: list[tuple[str, str]]) -> Value | None:
    named = dict(facets)
    if {*named} == {"enumeration"}:
        listed = [value for _, value in facets]
        literal = all(value.strip() == value != "" and not _NOT_LITERAL.search(value) for value in listed)
        return Value(pattern="|".join(f"{re.escape(as_bytes(value))}(?=<)" for value in listed)) if literal else None
    if not {name for name, _ in facets} <= {"minLength", "maxLength", "pattern"}:
        return None
    if "pattern" in named:
        patterns = [value for name, value in facets if name == "pattern"]
        simple = len(named) == len(patterns) == 1 and _SIMPLE_PATTERN.fullmatch(patterns[0])
        return Value(pattern=patterns[0].replace("(", "(?:")) if simple else None
    least = max((int(value) for name, value in facets if name == "minLength"), default=0)
    most = min((int(value) for name, value in facets if name == "maxLength"), default=MAX_LENGTH)
    if most < max(least, 1):
        return None
    times = f"{{{max(least, 1)},{most}}}+"
    in_ascii = rf"{ASCII}{times}(?=<)"
    if least > 1:  # nothing else, as what no quick expression takes is taken to mean what it says
        return Value(pattern=rf"(?! ){in_ascii}(?<! )")
    no_longer = rf"(?=[^<>&]{times}<)(?:{ASCII}++|{FURTHER})++(?=<)"  # bytes than there may be characters: quickly seen
    any_of_them = rf"(?:{ASCII}|{REFERENCE}|{FURTHER}){times}"
    pattern = rf"(?! )(?:{in_ascii}|{no_longer}|{any_of_them})(?<! )"
    return Value(pattern=pattern, quick=rf"(?! )[^<>\x00-\x1f]{{1,{most}}}+(?<! )")


def _number(facets: list[tuple[str, str]]) -> Value | None:
    """Digits in plain notation."""
    named = dict(facets)  # of each kind the last: a restriction only ever narrows
    if not set(named) <= {"totalDigits", "fractionDigits", "minInclusive"} or named.get("minInclusive", "0") != "0":
        return None
    most, fraction = int(named.get("totalDigits", "18")), int(named.get("fractionDigits", "0"))
    digits = rf"[0-9]{{1,{most}}}"
    if not fraction:
        return Value(pattern=f"{digits}+", holds=Holds.NUMBER)
    in_all = rf"(?={digits}<|[0-9.]{{3,{most + 1}}}<)"
    return Value(pattern=rf"{in_all}{digits}+(?:\.[0-9]{{1,{fraction}}})?+", holds=Holds.NUMBER)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
