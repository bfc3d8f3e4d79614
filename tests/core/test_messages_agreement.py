"""Random damage to good files: nothing raises, and our verdict is that of two independent validators.

H2H_LONG=1 tries many more.
"""

from __future__ import annotations

import copy
import io
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from h2h.messages import CODES, Catalog, MessageType, read
from h2h.model import Entry, Finding, Payment, PaymentStatus, Severity

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
READERS = [[row for row in CATALOG.rows if row.reader == name] for name in {row.reader: None for row in CATALOG.rows}]
ROWS = list(CATALOG.rows) if os.environ.get("H2H_LONG") else [row for rows in READERS for row in (rows[0], rows[-1])]
EXAMPLES = 2_000 if os.environ.get("H2H_LONG") else 15
FEW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    derandomize=not os.environ.get("H2H_LONG"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ODD = (
    "",
    " ",
    "EUR",
    "12..34",
    "1,5",
    "+5",
    "5.",
    ".5",
    "-1",
    "1e3",
    "0",
    "1" * 19,
    "0." + "1" * 6,
    "٣",
    "true",
    "TRUE",
)
DATES = ("2026-11-18", "2026-02-30", "12026-01-01", "24:00:00", "2026-11-18T24:00:00", "2026-11-18+02:00")
WORDS = ("TRF", "BOOK", "RJCT", "x" * 141, "DE89370400440532013000", "BEISDEFFXXX", "a\nb", "\u00e9\U0001f600")
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
VALUES = st.one_of(st.sampled_from((*ODD, *DATES, *WORDS)), st.text(LETTERS, max_size=40))
# libxml2 takes no blank before a date, XML Schema does; here nothing begins with one.
STRICTER = {"VALUE_NOTATION"}  # of what the schema takes, too
PLAIN_VALUES = VALUES.filter(lambda text: text == text.strip() or not text.strip())


def sample(row: MessageType) -> bytes:
    return (PROJECT / "samples" / "good" / f"{row.name}.xml").read_bytes()


def verdict(content: bytes, *, strict: bool = True) -> list[Finding]:
    return [item for item in read(io.BytesIO(content), CATALOG, strict=strict) if isinstance(item, Finding)]


@st.composite
def damaged(draw: st.DrawFn, row: MessageType) -> bytes:
    """A good sample with one to three elements changed, removed, doubled, moved, renamed, or given an attribute."""
    document = etree.fromstring(sample(row), etree.XMLParser(remove_comments=True))
    for _ in range(draw(st.integers(1, 3))):
        elements = list(document.iter())[1:]
        if not elements:
            break
        element = elements[draw(st.integers(0, len(elements) - 1))]
        parent = element.getparent()
        assert parent is not None
        match draw(
            st.sampled_from(["value", "value", "value", "remove", "double", "swap", "rename", "attribute", "text"])
        ):
            case "value":
                leaves = [each for each in elements if not len(each)]
                leaves[draw(st.integers(0, len(leaves) - 1))].text = draw(PLAIN_VALUES)
            case "remove":
                parent.remove(element)
            case "double":
                parent.insert(parent.index(element), copy.deepcopy(element))
            case "swap":
                parent.append(element)
            case "rename":
                element.tag = draw(st.sampled_from([str(elements[0].tag), "{urn:x}Foo", "Id", str(elements[-1].tag)]))
            case "attribute":
                element.set(draw(st.sampled_from(["Ccy", "a", "{urn:x}b"])), draw(PLAIN_VALUES))
            case "text":
                parent.text = draw(PLAIN_VALUES)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_lxml_xmlschema_and_our_verdict_agree_on_damaged_files(row: MessageType) -> None:
    by_lxml, by_xmlschema = etree.XMLSchema(file=str(row.file)), CATALOG.model(row)
    assert by_xmlschema

    @FEW
    @given(damaged(row))
    def agree(content: bytes) -> None:
        document = etree.fromstring(content)
        valid = by_lxml.validate(document)
        assert by_xmlschema.is_valid(document) == valid
        said = verdict(content)
        found = [finding for finding in said if finding.code not in STRICTER]
        assert (found == []) == valid, found
        assert {finding.code for finding in found} <= set(CODES)
        assert all(finding.line for finding in found if finding.code.startswith(("XSD_", "VALUE_"))), found
        tolerant = verdict(content, strict=False)
        assert {finding.code for finding in tolerant} == {finding.code for finding in found}
        assert {f.code for f in tolerant if f.severity is Severity.ERROR} <= {
            "VALUE_UNREADABLE",
            "MSG_ORDER",
            "MSG_EMPTY",
            "MSG_UNKNOWN",
            "MSG_SEVERAL",
        }

    agree()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bytes_changed_at_random_never_raise_and_are_clean_only_if_valid(row: MessageType) -> None:
    good, schema = sample(row), etree.XMLSchema(file=str(row.file))

    @FEW
    @given(
        st.lists(st.tuples(st.integers(0, len(good)), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4)
    )
    def clean_only_if_valid(edits: list[tuple[int, int, bytes]]) -> None:
        content = good
        for start, removed, inserted in edits:
            content = content[:start] + inserted + content[start + removed :]
        found = verdict(content)
        for item in read(io.BytesIO(content), CATALOG, strict=False):
            amount = item.amount if isinstance(item, Payment | Entry | PaymentStatus) else None
            assert amount is None or (isinstance(amount, Decimal) and amount.is_finite())
        if not found:
            assert schema.validate(etree.fromstring(content))

    clean_only_if_valid()


@FEW
@given(st.binary(max_size=300))
def test_any_bytes_give_findings_and_nothing_else(content: bytes) -> None:
    for strict in (True, False):
        items = list(read(io.BytesIO(content), CATALOG, strict=strict))
        assert [item for item in items if isinstance(item, Finding)]
