"""Hostile files, each read in a process with 256 MiB, 2 s of processor time and 1 s for every 2 MB: what is said of it,
and that a reader is there for the next file."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from h2h.confined import CODES, ConfinedReader, Limits
from h2h.messages import Catalog
from h2h.model import Finding, Severity
from h2h.resources import root

SMALL = (root("samples") / "bad" / "MSG_UNEXPECTED.xml").read_bytes()  # valid, and short
PAYMENT = SMALL[SMALL.index(b"<CdtTrfTxInf>") : SMALL.index(b"</CdtTrfTxInf>") + len(b"</CdtTrfTxInf>")]
LONG = bool(os.environ.get("H2H_LONG"))
LIMITS = Limits(memory=256 << 20, cpu_seconds=2, bytes_per_cpu_second=2_000_000)


@pytest.fixture(scope="module")
def reader() -> Iterator[ConfinedReader]:
    made = ConfinedReader(Catalog.load(root("schemas")), LIMITS)
    yield made
    made.close()


def value(content: bytes) -> bytes:
    """In place of a value."""
    return SMALL.replace(b"BAD-20261116-0001", content, 1)


def doctype(content: bytes) -> bytes:
    return value(b"&x;").replace(b"<Document", b"<!DOCTYPE Document [" + content + b"]><Document", 1)


def root_with(attributes: bytes) -> bytes:
    return SMALL.replace(b"<Document ", b"<Document " + attributes + b" ", 1)


def payments(count: int, payment: bytes = PAYMENT) -> bytes:
    return SMALL.replace(PAYMENT, payment * count)


def declared(encoding: str, written: str) -> bytes:
    return SMALL.decode().replace("UTF-8", encoding).encode(written)


LAUGHS = b'<!ENTITY l0 "ha">' + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12))
QUADRATIC = b'<!ENTITY x "' + b"x" * 100_000 + b'">'
FAR = b"<!--" + b" " * 100_000 + b"-->"

FILES: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "billion laughs": (lambda: doctype(LAUGHS + b'<!ENTITY x "&l11;">'), {"XML_DOCTYPE"}),
    "billion laughs far down": (
        lambda: doctype(LAUGHS + b'<!ENTITY x "&l11;">').replace(b"<!DOCTYPE", FAR + b"<!DOCTYPE", 1),
        {"XML_LIMIT"},
    ),
    "one entity many times": (lambda: doctype(QUADRATIC).replace(b"&x;", b"&x;" * 50_000), {"XML_DOCTYPE"}),
    "parameter entities": (lambda: doctype(b'<!ENTITY % a "b"> %a;'), {"XML_DOCTYPE"}),
    "a file as an entity": (lambda: doctype(b'<!ENTITY x SYSTEM "file:///etc/passwd">'), {"XML_DOCTYPE"}),
    "an unknown entity": (lambda: value(b"&x;"), {"XML_NOT_WELL_FORMED"}),
    "an include": (
        lambda: value(b'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
        {"XSD_UNEXPECTED"},
    ),
    "nested 100,000 deep": (lambda: value(b"<a>" * 100_000 + b"</a>" * 100_000), {"XML_LIMIT"}),
    "nested 250 deep": (lambda: value(b"<a>" * 240 + b"</a>" * 240), {"XSD_UNEXPECTED"}),
    "1,000,000 elements in one": (lambda: value(b"<a/>" * 1_000_000), {"READER_LIMIT"}),
    "100 MB of elements in one": (lambda: value(b"<a/>" * 25_000_000), {"READER_LIMIT"}),
    "an attribute of 9 MB": (lambda: root_with(b'a="' + b"x" * 9_000_000 + b'"'), {"XML_LIMIT"}),
    "an attribute of 40 MB": (lambda: root_with(b'a="' + b"x" * 40_000_000 + b'"'), {"XML_LIMIT"}),
    "200,000 attributes": (
        lambda: root_with(b" ".join(b'a%d=""' % n for n in range(200_000))),
        {"XML_LIMIT"},
    ),
    "the same attribute 100,000 times": (lambda: root_with(b'a="" ' * 100_000), {"XML_LIMIT"}),
    "100,000 namespaces": (
        lambda: root_with(b" ".join(b'xmlns:n%d="u:%d"' % (n, n) for n in range(100_000))),
        {"XML_LIMIT"},
    ),
    "a namespace of 2 MB": (
        lambda: SMALL.replace(b"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09", b"u" * 2_000_000),
        {"XML_LIMIT"},
    ),
    "a name of 40,000 letters": (lambda: value(b"<%s/>" % (b"n" * 40_000)), {"XSD_UNEXPECTED"}),
    "a name of 10 MB": (lambda: value(b"<%s/>" % (b"n" * 10_000_000)), {"XML_LIMIT"}),
    "a value of 9 MB": (lambda: value(b"x" * 9_000_000), {"XML_LIMIT"}),
    "a value of 100 MB on one line": (lambda: value(b"x" * 100_000_000), {"XML_LIMIT"}),
    "100 MB of blanks": (lambda: SMALL + b" " * 100_000_000, {"XML_LIMIT"}),
    "100 MB of comments": (
        lambda: SMALL.replace(b"<Document", b"<!--x-->" * 12_500_000 + b"<Document"),
        {"READER_LIMIT"},
    ),
    "a payment file of 17 MB on one line": (
        lambda: payments(45_000, PAYMENT.replace(b"\n", b" ")).replace(b"\n", b" "),
        set(),
    ),
    "1,000,000 empty payments": (lambda: payments(1_000_000, b"<CdtTrfTxInf/>"), {"READER_LIMIT"}),
    "a batch id of 9 MB, repeated by 10,000 payments": (
        lambda: payments(10_000).replace(b"<PmtInfId>", b"<PmtInfId>" + b"x" * 9_000_000, 1),
        {"XML_LIMIT"},
    ),
    "100,000 faults": (lambda: payments(100_000, PAYMENT.replace(b"214.50", b"214,50")), {"FINDINGS_CUT"}),
    "30,000 faults of the schema": (
        lambda: payments(30_000, PAYMENT.replace(b"TxInf>", b"TxInf><X/>", 1)),
        {"XSD_UNEXPECTED", "FINDINGS_CUT"},
    ),
    "an amount of 9,000,000 digits": (lambda: SMALL.replace(b"214.50", b"9" * 9_000_000), {"XML_LIMIT"}),
    "an IBAN of 9,000,000 letters": (
        lambda: SMALL.replace(b"<IBAN>", b"<IBAN>DE" + b"A1" * 4_500_000, 1),
        {"XML_LIMIT"},
    ),
    "a date that its pattern hates": (
        lambda: SMALL.replace(b"<CreDtTm>", b"<CreDtTm>" + b"2026-" * 500_000, 1),
        {"XML_LIMIT"},
    ),
    "comments in a value": (lambda: value(b"a<!-- -->" * 300_000), {"XML_COMMENT_IN_VALUE"}),
    "NUL bytes": (lambda: SMALL.replace(b"BAD", b"\0\0\0"), {"XML_NOT_WELL_FORMED"}),
    "nothing but NUL bytes": (lambda: b"\0" * 5_000_000, {"XML_NOT_WELL_FORMED"}),
    "UTF-7": (lambda: declared("UTF-7", "utf-7"), {"XML_ENCODING"}),
    "UTF-16": (lambda: declared("UTF-16", "utf-16"), {"XML_ENCODING"}),
    "UTF-16 that says UTF-8": (lambda: declared("UTF-8", "utf-16"), {"XML_ENCODING"}),
    "UTF-32": (lambda: declared("UTF-32", "utf-32"), {"XML_ENCODING"}),
    "an encoding that does not exist": (lambda: declared("X" * 30, "ascii"), {"XML_ENCODING"}),
    "letters that are not UTF-8": (lambda: value(b"\xc0\x80\xed\xa0\x80"), {"XML_ENCODING"}),
    "gzip": (lambda: gzip.compress(SMALL), {"XML_COMPRESSED"}),
    "a gzip bomb": (lambda: gzip.compress(b" " * 50_000_000), {"XML_COMPRESSED"}),
    "cut": (lambda: SMALL[:-300], {"XML_TRUNCATED"}),
    "cut in a tag": (lambda: SMALL[: SMALL.index(b"<PmtInfId") + 4], {"XML_TRUNCATED"}),
    "noise": (lambda: bytes(range(256)) * 10_000, {"XML_NOT_WELL_FORMED"}),
    "processing instructions": (lambda: SMALL.replace(b"<Document", b"<?a b?>" * 100_000 + b"<Document", 1), set()),
    "CDATA": (lambda: value(b"<![CDATA[x]]>" * 100_000), {"XSD_TOO_LONG"}),
    "1,000 documents in one": (lambda: b"<E>" + SMALL[SMALL.index(b"<Document") :] * 1_000 + b"</E>", {"MSG_SEVERAL"}),
}

WORN_OUT = {"1,000,000 empty payments"}  # the kernel ends the process: no time left to say so


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in FILES if LONG or name not in WORN_OUT])
def test_a_hostile_file_gets_its_verdict_within_the_limits_and_the_next_is_read(
    reader: ConfinedReader, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, wanted = FILES[name]
    found = [item for item in reader.read(io.BytesIO(make()), strict=True) if isinstance(item, Finding)]
    assert wanted <= {finding.code for finding in found}
    assert bool(found) is bool(wanted)
    assert all(finding.severity is Severity.ERROR for finding in found)
    assert max((len(finding.text) + len(finding.path) for finding in found), default=0) <= 4_000
    died = [record.what for record in caplog.records if "limit" in record.__dict__ and record.limit == ""]
    assert died == []
    assert not [
        r for r in caplog.records if str(r.__dict__.get("what")).startswith("said more")
    ]  # than it should itself
    assert name in WORN_OUT or not [r for r in caplog.records if r.__dict__.get("limit") == "cpu"]
    again = list(reader.read(io.BytesIO(SMALL), strict=True))
    assert [type(item).__name__ for item in again] == ["PaymentFile", "Batch", "Payment"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["1,000,000 empty payments", *(["1,000,000 elements in one"] if LONG else [])])
def test_in_what_a_bank_sends_a_limit_is_an_error_too(name: str) -> None:
    limits = Limits(cpu_seconds=1, bytes_per_cpu_second=20_000_000)
    with closing(ConfinedReader(Catalog.load(root("schemas")), limits)) as reader:
        found = [item for item in reader.read(io.BytesIO(FILES[name][0]()), strict=False) if isinstance(item, Finding)]
    assert {(f.code, f.severity) for f in found if f.code in CODES} == {("READER_LIMIT", Severity.ERROR)}
