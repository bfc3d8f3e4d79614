"""The expressions of the fast road take no value that the schema does not take: every type, against libxml2.

What several versions define alike is tried in the first of them; with H2H_LONG=1 in each.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from random import Random

import pytest
from lxml import etree

from h2h.messages import Catalog, MessageType
from h2h.messages.expressions import Turn, by_pcre2, by_re
from h2h.messages.facets import XS, Types, Value, as_bytes, meant
from h2h.messages.skeleton import Token
from h2h.messages.xml import BLANKS
from tests.fuzz.mutations import DATES, NUMBERS, TEXTS

CATALOG = Catalog.load(Path(__file__).resolve().parents[2] / "schemas")
LONG = bool(os.environ.get("H2H_LONG"))
LISTED = re.compile(rb'enumeration value="([^"]+)"')
LENGTHS = (1, 2, 3, 4, 5, 8, 11, 16, 18, 34, 35, 36, 70, 105, 128, 140, 256, 350, 500, 2000, 2048, 9999, 10_000)
PLAUSIBLE = (
    "EUR", "DE", "de", "A1B2", "DE89370400440532013000", "COBADEFFXXX", "COBADEFF", "+49-30901820", "2026-11-21",
    "2026-11-21T10:00:00.123+01:00", "8a562c67-ca16-48ba-b074-65581be6f001", "529900T8BM49AURSDO55",
    "DE0007164600", "5 &lt; 6 &amp; 7",
    "Zürich 漢 𝔘", "1234.50", "0", "7", "00", "123", "99999999", "a b", "  a", "a  ", "a  b", "\ta",
    "a\N{NO-BREAK SPACE}",
)  # fmt: skip


def values() -> list[str]:
    """What may stand in an element, at and around every bound."""
    lengths = {near for length in LENGTHS for near in (length - 1, length, length + 1)}
    texts = [letter * length for length in lengths for letter in ("x", "A", "7", "𝔘", "&amp;") if length]
    numbers = [f"{'9' * whole}.{'1' * part}" for whole in (1, 5, 12, 13, 14, 17, 18) for part in (0, 1, 5, 6, 13, 17)]
    days = [f"2026-{month:02d}-{day:02d}" for month in range(14) for day in (0, 1, 28, 29, 30, 31, 32)]
    times = [f"2026-11-21T{hour}:{minute}" for hour in ("00", "23", "24") for minute in ("00:00", "59:60", "60:00")]
    zones = [f"2026-11-21T10:00:00{zone}" for zone in ("+13:59", "+14:00", "-14:01", "+15:00", "z", ".1", ".")]
    return [*PLAUSIBLE, *NUMBERS, *DATES, *TEXTS, *texts, *numbers, *days, *times, *zones]


def changed(value: str, random: Random) -> str:
    at = random.randrange(len(value) + 1)
    return (
        value[:at] + random.choice(["", *"aZ09 -+.:é\n\t\u0085", "&amp;", "x" * 30]) + value[at + random.randrange(2) :]
    )


@pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
def test_no_expression_takes_what_the_schema_does_not_take(row: MessageType) -> None:
    files, kinds = CATALOG._files, types(row)
    assert {"xs:string", "xs:date", "xs:dateTime"} < kinds.keys()
    known = set() if LONG else before(row)
    named = {name: kind[1] for name, kind in kinds.items() if (name, kind) not in known}
    if not named:
        return
    schema = with_elements(files.content(row.file.as_uri()), named)
    validator = files.compiled(schema, row.file.as_uri())
    random = Random(row.name)
    for name, value in sorted(named.items()):
        listed = [each.decode() for each in LISTED.findall(kinds[name][0])]
        taken = [each for each in (*values(), *listed) if takes(value, each)]
        assert set(listed) <= set(taken), name
        taken += [each for old in taken for each in (changed(old, random) for _ in range(3)) if takes(value, each)]
        assert taken, name
        assert [each for each in taken if each != each.strip(BLANKS)] == [], name  # readers take them off
        said = ' Ccy="EUR"' if b"Ccy" in kinds[name][0] else ""
        wrong = [each for each in taken if not validator.validate(element(row, name, each, attributes=said))]
        assert wrong == [], name
        if value.quick:
            quickly = {each: meant for each in [*values(), *taken] if (meant := taken_quickly(value, each))}
            assert {"EUR", "a b"} <= quickly.keys(), name
            wrong = [each for each in quickly if not validator.validate(element(row, name, each, attributes=said))]
            assert wrong == [], name
            others = [each for each in quickly if element(row, name, each, attributes="").text != quickly[each]]
            assert others == [], name


@cache
def types(row: MessageType) -> dict[str, tuple[bytes, Value]]:
    """Every type that has an expression: how the schema defines it, and what was made of that."""
    found = Types(CATALOG._files.documents(row.file.as_uri()))
    kinds = found._named | found._built_in
    values = {name: value for name, kind in kinds.items() if (value := found.value(kind))}
    return {name: (etree.tostring(kinds[name], method="c14n", exclusive=True), values[name]) for name in values}


def before(row: MessageType) -> set[tuple[str, tuple[bytes, Value]]]:
    """The types of the rows before this one."""
    return {kind for each in CATALOG.rows[: CATALOG.rows.index(row)] for kind in types(each).items()}


def test_of_texts_that_are_looked_at_together_none_passes_for_another() -> None:
    good = ["Muster AG", "M\u00fcller", "A &amp;lt; B", "7", "&lt;&amp;lt;&gt;&quot;&apos;"]
    assert read_together(*good[:4]) == ["Muster AG", "M\u00fcller", "A &lt; B", "7"]
    assert read_together(*good) == ["Muster AG", "M\u00fcller", "A &lt; B", "7", "<&lt;>\"'"]
    for at in range(6):
        for wrong in (b"&x;", b"&#65;", b"& ", b"&amp", b"\xff", b"\xed\xa0\x80", b"\xef\xbf\xbe"):
            assert read_together(*good[:at], wrong, *good[at:]) is None, wrong
            assert read_together(wrong) is None, wrong


def read_together(*texts: str | bytes) -> list[str] | None:
    return meant(b"".join((text.encode() if isinstance(text, str) else text) + b"<" for text in texts))


def test_a_text_with_a_least_length_is_read_to_the_letter_or_by_libxml2() -> None:
    """As a bank's own schema may ask for it; what no quick expression takes is not looked at for what it means."""
    facets = '<xs:minLength value="2"/><xs:maxLength value="5"/>'
    kind = f'<xs:simpleType name="Two"><xs:restriction base="xs:string">{facets}</xs:restriction></xs:simpleType>'
    types = Types([etree.fromstring(f'<xs:schema xmlns:xs="{XS[1:-1]}">{kind}</xs:schema>')])
    value = types.value(types._named["Two"])
    assert value
    assert not value.quick
    said = ("ab", "a b", "abcde", "M\u00fcll", "a&amp;b", "a", "abcdef", " ab", "ab ", "a\tb", "a>b")
    assert [text for text in said if takes(value, text)] == ["ab", "a b", "abcde"]


@pytest.mark.parametrize("odd", ["", " B", "B ", "A&B", "&amp;", "a<b", "a>b", "A\nB", "A\tB"])
def test_of_values_that_a_text_cannot_have_as_they_are_nothing_is_known(odd: str) -> None:
    assert listed("A", odd) is None


def test_listed_values_are_those_of_the_file_whatever_their_characters() -> None:
    value = listed("A", "\u00e9", "B\u00fc\u20ac", "\u00c3\u00a9")
    assert value
    said = ("A", "\u00e9", "B\u00fc\u20ac", "\u00c3\u00a9", "\u00c3", "AA", "a", "B\u00fc", "\u00a9")
    assert [text for text in said if takes(value, text)] == ["A", "\u00e9", "B\u00fc\u20ac", "\u00c3\u00a9"]


def listed(*values: str) -> Value | None:
    """As a bank's own schema may list them."""
    schema = etree.Element(f"{XS}schema")
    kind = etree.SubElement(schema, f"{XS}simpleType", name="Listed")
    restriction = etree.SubElement(kind, f"{XS}restriction", base="xs:string")
    for value in values:
        etree.SubElement(restriction, f"{XS}enumeration", value=value)
    return Types([schema]).value(kind)


def takes(value: Value, text: str) -> bool:
    """As the fast road asks: ahead of the end tag, of bytes taken for Latin-1."""
    return re.match(f"(?>{value.pattern})</", as_bytes(f"{text}</")) is not None


def taken_quickly(value: Value, text: str) -> str | None:
    """As both engines take it."""
    token, end = Token.of(value), Token.of("</>")
    form = Token(token.quick, token.quick, is_value=True)
    pieces = [form, end, Turn.BEGINS, 0, Turn.ENDS]
    told = {ask(f"{text}</>".encode()) for ask in (by_pcre2(pieces, 1), by_re(pieces, 1, sure=False))}
    assert len(told) == 1, text
    [(row, _)] = told
    found = read_together(row[: -len(b",0<")]) if row.endswith(b"<,0<") else None
    return found[0] if found else None


def with_elements(schema: bytes, names: dict[str, Value]) -> bytes:
    """The schema, with an element of every type."""
    document = etree.fromstring(schema)
    for name in names:
        etree.SubElement(document, f"{XS}element", name=_tag(name), type=name)
    return etree.tostring(document)


def element(row: MessageType, name: str, text: str, *, attributes: str) -> etree._Element:
    return etree.fromstring(f'<{_tag(name)} xmlns="{row.namespace}"{attributes}>{text}</{_tag(name)}>'.encode())


def _tag(name: str) -> str:
    return f"v{name.replace(':', '')}"
