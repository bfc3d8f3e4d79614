"""Hostile and broken XML: refused as a finding, never an exception, never read as something else."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from pathlib import Path

import pytest

from h2h.messages import Catalog, read
from h2h.messages.xml import Opening, open_checked
from h2h.model import Finding, Payment, Record, Severity

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
GOOD = (PROJECT / "samples" / "good" / "pain.001.001.09.xml").read_bytes()
SMALL = (PROJECT / "samples" / "bad" / "MSG_UNEXPECTED.xml").read_bytes()  # valid, and short
UNKNOWN = SMALL.replace(b"pain.001.001.09", b"pain.001.001.08")  # read without a schema


def reading(content: bytes, *, strict: bool = True) -> list[Record | Finding]:
    return list(read(io.BytesIO(content), CATALOG, strict=strict))


def codes(content: bytes, *, strict: bool = True) -> list[str]:
    return [item.code for item in reading(content, strict=strict) if isinstance(item, Finding)]


def errors(content: bytes) -> set[str]:
    items = reading(content, strict=False)
    return {item.code for item in items if isinstance(item, Finding) and item.severity is Severity.ERROR}


def in_value(value: bytes) -> bytes:
    return SMALL.replace(b"BAD-20261116-0001", value, 1)


@pytest.mark.parametrize("content", [SMALL, UNKNOWN], ids=["validated", "not validated"])
def test_a_file_cut_at_any_byte_is_an_error(content: bytes) -> None:
    """lxml's iterparse with a schema says nothing of this if told resolve_entities=False."""
    whole = len(content.rstrip())
    unnoticed = [length for length in range(0, whole, 7) if not errors(content[:length])]
    assert unnoticed == []
    assert not errors(content[: whole - 1]) <= {"MSG_EMPTY"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "XML_EMPTY"),
        (b" \r\n\t ", "XML_EMPTY"),
        (gzip.compress(GOOD), "XML_COMPRESSED"),
        (b"PK\x03\x04" + GOOD, "XML_COMPRESSED"),
        (b"-----BEGIN PGP MESSAGE-----", "XML_COMPRESSED"),
        (b'{"not": "xml"}', "XML_NOT_WELL_FORMED"),
        (b":20:MT101\n:28D:1/1\n", "XML_NOT_WELL_FORMED"),
        (b"\n" + GOOD, "XML_NOT_WELL_FORMED"),
        (GOOD + b"junk", "XML_NOT_WELL_FORMED"),
        (GOOD + GOOD, "XML_NOT_WELL_FORMED"),
        (in_value(b"a&b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a&b;c"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a\x07b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a\x00b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a&#7;b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<x:y/>"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<a b='1' b='2'/>"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<a>" * 300 + b"</a>" * 300), "XML_NOT_WELL_FORMED"),
        (in_value(b"a\xffb"), "XML_ENCODING"),
        (b"\xff\xfe\x00\x00" + GOOD.decode().encode("utf-32-le"), "XML_NOT_WELL_FORMED"),
        (b'<?xml version="1.0"?><html/>', "MSG_UNKNOWN"),
    ],
)
def test_what_is_no_sound_xml_is_one_error(content: bytes, code: str) -> None:
    assert errors(content) == {code}


def test_a_text_beyond_the_limit_of_the_parser_is_refused() -> None:
    assert errors(in_value(b"x" * 10_100_000)) == {"XML_NOT_WELL_FORMED"}


def test_the_line_of_a_fault_in_the_xml_is_told() -> None:
    (fault,) = (item for item in reading(in_value(b"a&b")) if isinstance(item, Finding))
    assert fault.line == 6
    assert "&amp;" in fault.text


# Entities

LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n + 1, b"&l%d;" % n * 10) for n in range(1, 9))


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE Document>",
        b'<!DOCTYPE Document [<!ENTITY x "1">]>',
        b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
        b'<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE Document [<!ENTITY l1 "ha">' + LAUGHS + b'<!ENTITY x "&l9;">]>',
        b"<!-- <not yet> --><?pi ?>\n<!DOCTYPE Document>",
        b"<!--" + b" " * 70_000 + b"-->" + b'<!DOCTYPE Document [<!ENTITY x "1">]>',
        b"<!--" + b" " * 70_000 + b"-->" + b'<!DOCTYPE Document [<!ENTITY l1 "ha">' + LAUGHS + b'<!ENTITY x "&l9;">]>',
    ],
    ids=["bare", "internal", "external", "file", "laughs", "after a comment", "far down", "laughs far down"],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_doctype_is_refused_before_anything_is_read(doctype: bytes, strict: bool) -> None:
    content = in_value(b"&x;").replace(b"<Document", doctype + b"<Document", 1)
    items = reading(content, strict=strict)
    assert [item.code for item in items if isinstance(item, Finding)] == ["XML_DOCTYPE"]
    assert len(items) == 1


def test_the_word_doctype_in_a_comment_or_value_is_harmless() -> None:
    content = in_value(b"&lt;!DOCTYPE a&gt;").replace(b"<Document", b"<!-- <!DOCTYPE x> --><Document", 1)
    assert codes(content) == []


def test_looking_for_a_doctype_takes_no_time_in_a_file_of_many_comments() -> None:
    started = time.process_time()
    assert codes(SMALL.replace(b"<Document", b"<!-- a --> <?b c?>\n" * 3_000 + b"<Document", 1)) == []
    assert time.process_time() - started < 5  # with a pattern that goes back: years


def test_schema_hints_and_includes_in_the_file_are_not_followed() -> None:
    hint = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x file:///nowhere.xsd" '
    assert codes(SMALL.replace(b"<Document ", b"<Document " + hint, 1)) == []
    include = b'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/hostname" parse="text"/>'
    assert codes(in_value(include)) == ["XSD_UNEXPECTED"]


# Encodings


@pytest.mark.parametrize(
    ("declared", "written", "strict", "tolerant"),
    [
        ("UTF-8", "utf-8", True, True),
        ("utf-8", "utf-8-sig", True, True),
        ("UTF-16", "utf-16", False, True),
        ("ISO-8859-1", "iso-8859-1", False, True),
        ("ISO-8859-15", "iso-8859-15", False, True),
        ("US-ASCII", "ascii", False, True),
        ("UTF-7", "ascii", False, False),
        ("windows-1252", "cp1252", False, False),
        ("UTF-8", "utf-16", False, False),
        ("UTF-32", "utf-32", False, False),
        ("EBCDIC-CP-US", "cp037", False, False),
    ],
)
def test_which_encodings_are_read(declared: str, written: str, strict: bool, tolerant: bool) -> None:
    content = SMALL.decode().replace("UTF-8", declared).encode(written)
    assert (codes(content) == []) is strict
    assert (codes(content, strict=False) == []) is tolerant
    refused = {"XML_ENCODING", "XML_NOT_WELL_FORMED"}
    assert strict or set(codes(content)) <= refused


def test_letters_of_another_encoding_arrive_as_they_are() -> None:
    text = SMALL.decode().replace("Ateliers Ravel", "Ätelier Ravél").replace("UTF-8", "ISO-8859-1")
    payment = next(i for i in reading(text.encode("iso-8859-1"), strict=False) if isinstance(i, Payment))
    assert payment.creditor_name == "Ätelier Ravél SARL"


@pytest.mark.parametrize("declaration", [b"encoding = 'utf-7'", b'\nencoding\n=\n"utf-7"', b"encoding='utf-7\" '"])
def test_an_encoding_cannot_be_hidden_by_its_spelling(declaration: bytes) -> None:
    content = SMALL.replace(b'encoding="UTF-8"', declaration, 1)
    assert set(codes(content, strict=False)) <= {"XML_ENCODING", "XML_NOT_WELL_FORMED"}
    assert codes(content, strict=False)


def test_what_is_checked_is_forced_on_the_parser() -> None:
    opening = open_checked(io.BytesIO(b"\xef\xbb\xbf" + SMALL), strict=True)
    assert isinstance(opening, Opening)
    assert opening.encoding == "utf-8"


# Comments and processing instructions


@pytest.mark.parametrize("odd", [b"<!-- x -->", b"<?x y?>", b"<!--a--><?b c?><!--d-->"])
@pytest.mark.parametrize(("strict", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)])
def test_a_value_is_read_whole_around_what_is_put_inside(odd: bytes, strict: bool, severity: Severity) -> None:
    content = SMALL.replace(b">214.50</InstdAmt>", b">2" + odd + b"14.50</InstdAmt>", 1)
    items = reading(content, strict=strict)
    payment = next(item for item in items if isinstance(item, Payment))
    assert str(payment.amount) == "214.50"
    (finding,) = (item for item in items if isinstance(item, Finding))
    assert (finding.code, finding.severity, finding.line) == ("XML_COMMENT_IN_VALUE", severity, 38)
    assert finding.path == "/Document/CstmrCdtTrfInitn/PmtInf[1]/CdtTrfTxInf[1]/Amt/InstdAmt"


def test_comments_between_elements_are_harmless() -> None:
    content = SMALL.replace(b"<Amt>", b"<!-- a --><Amt><!-- b -->").replace(b"</PmtInf>", b"<!-- c --></PmtInf>")
    assert codes(content) == []
    assert len(reading(content)) == len(reading(SMALL))


# Size


def many(count: int, *, blank_lines: int = 0) -> bytes:
    start, end = SMALL.index(b"<CdtTrfTxInf>"), SMALL.index(b"</CdtTrfTxInf>") + len(b"</CdtTrfTxInf>")
    return SMALL[:start] + b"\n" * blank_lines + (SMALL[start:end] + b"\n") * count + SMALL[end:]


def test_lines_beyond_65535_are_told() -> None:
    content = many(3, blank_lines=70_000).replace(b">214.50</InstdAmt>", b">214,50</InstdAmt>", 2)
    before = content[: content.index(b"<CdtTrfTxInf>")].count(b"\n") + 1
    items = reading(content)
    payments = [item for item in items if isinstance(item, Payment)]
    assert [payment.line for payment in payments] == [before, before + 16, before + 32]
    faults = [item for item in items if isinstance(item, Finding)]
    assert [fault.line for fault in faults] == [before + 5, before + 21]


def test_memory_stays_flat_however_many_payments_a_file_has() -> None:
    def peak(count: int) -> int:
        source = io.BytesIO(many(count))
        tracemalloc.start()
        assert sum(1 for _ in read(source, CATALOG, strict=True)) == count + 2
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(2_000) < 1.5 * peak(200) + 200_000
