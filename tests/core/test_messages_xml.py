"""Hostile and broken XML: refused as a finding, never an exception, never read as something else."""

from __future__ import annotations

import bz2
import io
import time
import tracemalloc
from pathlib import Path

import pytest
from lxml import etree

from h2h.messages import Catalog, read, xml
from h2h.messages.opening import Opening, open_checked
from h2h.messages.xml import Bounded, TooMuch, forget_all
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
        (bz2.compress(GOOD), "XML_COMPRESSED"),
        (b"PK\x03\x04" + GOOD, "PACK_UNREADABLE"),
        (b"-----BEGIN PGP MESSAGE-----", "XML_COMPRESSED"),
        (b'{"not": "xml"}', "XML_NOT_WELL_FORMED"),
        (b":20:MT101\n:28D:1/1\n", "XML_NOT_WELL_FORMED"),
        (b"<!---->" + GOOD, "XML_NOT_WELL_FORMED"),
        (GOOD + b"junk", "XML_NOT_WELL_FORMED"),
        (GOOD + GOOD, "XML_NOT_WELL_FORMED"),
        (in_value(b"a&b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a&b;c"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a\x07b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a\x00b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"a&#7;b"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<x:y/>"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<a b='1' b='2'/>"), "XML_NOT_WELL_FORMED"),
        (in_value(b"<a>" * 300 + b"</a>" * 300), "XML_LIMIT"),
        (in_value(b"a\xffb"), "XML_ENCODING"),
        (b"\xff\xfe\x00\x00" + GOOD.decode().encode("utf-32-le"), "XML_NOT_WELL_FORMED"),
        (b'<?xml version="1.0"?><html/>', "MSG_UNKNOWN"),
    ],
)
def test_what_is_no_sound_xml_is_one_error(content: bytes, code: str) -> None:
    assert errors(content) == {code}


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


def test_cdata_in_what_we_send_is_refused_and_what_a_bank_sends_is_read_whole() -> None:
    content = SMALL.replace(b"<Nm>Ateliers Ravel SARL<", b"<Nm><![CDATA[Ateliers]]> &amp; Ravel<", 1)
    (finding,) = (item for item in reading(content) if isinstance(item, Finding))
    assert (finding.code, finding.severity, finding.line) == ("XML_CDATA", Severity.ERROR, 41)
    assert codes(content, strict=False) == []
    names = [item.creditor_name for item in reading(content, strict=False) if isinstance(item, Payment)]
    assert names == ["Ateliers & Ravel"]


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 1_000])
def test_cdata_is_found_wherever_a_piece_of_the_file_ends(size: int) -> None:
    for before in range(12):
        bounded = Bounded(io.BytesIO(b"<a>\n" + b"\n" * before + b"<![CDATA[\n\n]]></a>"))
        while bounded.read(size):
            pass
        assert bounded.cdata_line == 2 + before


@pytest.mark.parametrize("amount", [b"+214.50", b" 214.50", b"214.50\n", b"214.", b".5", b"-0"])
def test_an_amount_that_the_schema_takes_but_is_not_plain_is_refused_in_what_we_send(amount: bytes) -> None:
    content = SMALL.replace(b">214.50</InstdAmt>", b">" + amount + b"</InstdAmt>", 1)
    (finding,) = (item for item in reading(content) if isinstance(item, Finding))
    assert (finding.code, finding.severity, finding.line) == ("VALUE_NOTATION", Severity.ERROR, 38)
    assert codes(content, strict=False) == []


# Limits


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (in_value(b"x" * 100_100), "more than 100000 bytes"),
        (in_value(b"x" * 10_100_000), "more than 100000 bytes"),
        (SMALL.replace(b"<PmtId>", b"<PmtId a='" + b"x" * 100_100 + b"'>", 1), "more than 100000 bytes"),
        (SMALL.replace(b"<PmtId>", b"<!--" + b"x" * 100_100 + b"--><PmtId>", 1), "more than 100000 bytes"),
        (SMALL.replace(b"<Document", b"<!--" + b"x" * 100_100 + b"--><Document", 1), "more than 100000 bytes"),
        (SMALL.replace(b"<PmtId>", b"<PmtId%s>" % b"".join(b" a%d=''" % n for n in range(21)), 1), "20 attributes"),
        (SMALL.replace(b"<GrpHdr>", b"<GrpHdr%s>" % b"".join(b" a%d=''" % n for n in range(21)), 1), "20 attributes"),
        (SMALL.replace(b"<Document ", b"<Document %s" % b"".join(b" a%d='' " % n for n in range(21)), 1), "20 attrib"),
        (in_value(b"<a>" * 300 + b"</a>" * 300), "depth"),
    ],
    ids=["text", "long text", "attribute", "comment", "comment before", "item", "head", "root", "depth"],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_passes_a_limit_is_one_error_that_says_which(content: bytes, what: str, strict: bool) -> None:
    found = [item for item in reading(content, strict=strict) if isinstance(item, Finding)]
    assert [(each.code, each.severity) for each in found] == [("XML_LIMIT", Severity.ERROR)]
    assert what in found[0].text


@pytest.mark.parametrize(("limit", "value"), [("MAX_TAGS", 60), ("MAX_HELD_BYTES", 1_000)])
def test_more_tags_or_more_in_memory_at_once_than_allowed_is_an_error(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(xml, limit, value)
    assert errors(SMALL) == {"XML_LIMIT"}


def test_what_was_given_back_is_not_counted_as_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_HELD_BYTES", 100_000)
    content = many(1_000)
    assert len(content) > 300_000
    assert codes(content) == []


def test_a_run_is_measured_across_the_pieces_in_which_a_file_is_read() -> None:
    def longest(run: int, size: int) -> bool:
        bounded = Bounded(io.BytesIO(b"<a>" + b"x" * run + b"<b>"))
        try:
            while bounded.read(size):
                pass
        except TooMuch:
            return False
        return True

    for size in (7, 32_768, 10_000_000):
        assert longest(99_000, size)
        assert not longest(100_001, size)


def test_entries_are_not_kept_back_without_end_for_balances_that_may_never_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("h2h.messages.walk.MAX_KEPT_BACK", 10)
    good = (PROJECT / "samples" / "good" / "camt.053.001.08.xml").read_text()
    entry = good[good.index("<Ntry>") : good.index("</Ntry>") + 7]
    start = good[: good.index("<Bal>")]
    balance = good[good.index("<Bal>") : good.index("</Bal>") + 6]
    content = start + "<!-- none -->" + entry * 40 + balance + "</Stmt></BkToCstmrStmt></Document>"
    items = reading(content.encode(), strict=False)
    names = [type(item).__name__ for item in items if not isinstance(item, Finding)]
    assert names == ["StatementFile", "Statement", *["Entry"] * 40]
    assert "MSG_ORDER" in errors(content.encode())


# Supplementary data


def supplied(data: bytes) -> bytes:
    inside = b"<SplmtryData><Envlp>" + data + b"</Envlp></SplmtryData>"
    return SMALL.replace(b"</CdtTrfTxInf>", inside + b"</CdtTrfTxInf>", 1)


@pytest.mark.parametrize(
    ("data", "named", "good"),
    [
        (b"<x xmlns='urn:a'/>", [], False),
        (b"<x xmlns='urn:a'/>", ["urn:b"], False),
        (b"<x xmlns='urn:a'/>", ["urn:a"], True),
        (b"<x xmlns='urn:a'><y xmlns='urn:b'/></x>", ["urn:a"], False),
        (b"<x xmlns='urn:a'><y xmlns='urn:b'/></x>", ["urn:a", "urn:b"], True),
        (b"<x xmlns='urn:a'/><y xmlns='urn:b'/>", ["urn:a"], False),
        (b"<x xmlns=''/>", ["urn:a"], False),
        (b"", ["urn:a"], False),
        (b"<Document/>", ["urn:a"], False),
        (b"<x xmlns='urn:a'><CdtTrfTxInf/></x>", ["urn:a"], True),
    ],
)
def test_supplementary_data_goes_out_only_where_each_of_its_namespaces_is_named(
    data: bytes, named: list[str], good: bool
) -> None:
    items = list(read(io.BytesIO(supplied(data)), CATALOG, strict=True, supplementary=named))
    found = [item for item in items if isinstance(item, Finding)]
    assert ([f for f in found if f.severity is Severity.ERROR] == []) is good
    assert good or "MSG_SUPPLEMENTARY" in {f.code for f in found}
    assert len([item for item in items if isinstance(item, Payment)]) == 1


def test_supplementary_data_from_a_bank_is_told_and_not_refused() -> None:
    found = [i for i in reading(supplied(b"<x xmlns='urn:a'/>"), strict=False) if isinstance(i, Finding)]
    assert [(f.code, f.severity) for f in found] == [("MSG_SUPPLEMENTARY", Severity.INFO)]


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

    peak(1)  # compiles the schema
    assert peak(8_000) < 1.5 * peak(2_000) + 200_000  # more than a block each


@pytest.mark.parametrize(
    ("inside", "left"),
    [
        ("<h/>t<i/>1<!--c--><i/>2<i><k/></i><?p?>3<i/>4<j/>5<!--c-->", "<h/>t<i/><j/>5<!--c-->"),
        ("<i/><h/>1<i/><!--c--><i/><i/>2", "<i/><h/>1<i/>"),
        ("<i/><h/>1<i/>", "<i/><h/>1<i/>"),
        ("<i/>1", "<i/>"),
    ],
)
def test_what_is_given_back_together_is_gone_and_nothing_else(inside: str, left: str) -> None:
    root = etree.fromstring(f"<a>{inside}</a>")
    forget_all(root.findall("i"))
    assert etree.tostring(root).decode() == f"<a>{left}</a>"
