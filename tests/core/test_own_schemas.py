"""A bank's own schemas: which of them count, what they are called, and what is said of those that cannot be used."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from h2h.errors import UsageError
from h2h.messages import Catalog, read
from h2h.messages.own_schemas import OwnSchemas, own_schemas
from h2h.model import Finding, Severity
from h2h.resources import root
from tests.national import STATUS, STATUS_NAMESPACE, national, national_status, schema

CATALOG = Catalog.load(root("schemas"))
XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
DOCUMENT = (
    '<xs:element name="Document"><xs:complexType><xs:sequence><xs:element name="CstmrPmtStsRpt"/>'
    "</xs:sequence></xs:complexType></xs:element>"
)


def found(folder: Path) -> OwnSchemas:
    return own_schemas(folder, CATALOG.rows)


def sample(name: str, *pairs: tuple[str, str]) -> bytes:
    text = (root("samples") / "good" / f"{name}.xml").read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def findings(catalog: Catalog, content: bytes, *, strict: bool = True) -> list[Finding]:
    return [item for item in read(io.BytesIO(content), catalog, strict=strict) if isinstance(item, Finding)]


def test_a_schema_of_a_known_namespace_stands_in_for_ours_and_what_it_includes_is_no_message(tmp_path: Path) -> None:
    own = found(national(tmp_path))
    assert [(row.name, row.file.name, row.own) for row in own.rows] == [("pain.001.001.09", "payments.xsd", True)]
    assert own.faults == own.unused == ()
    catalog = CATALOG.with_own(tmp_path)
    assert len(catalog.rows) == len(CATALOG.rows)
    assert catalog.headers == CATALOG.headers


def test_a_files_verdict_is_that_of_the_banks_schema_and_told_in_its_words(tmp_path: Path) -> None:
    own = CATALOG.with_own(national(tmp_path))
    uetr = "<UETR>a2ac77fd-36c6-4c2a-b238-f89b35daa570</UETR>"
    purpose = "<Cd>SUPP</Cd>\n        </Purp>", "<Cd>RENT</Cd>\n        </Purp>"
    content = sample("pain.001.001.09", (uetr, ""), purpose)
    assert findings(CATALOG, content) == []
    told = findings(own, content)
    assert {f.severity for f in told} == {Severity.ERROR}
    assert "write one of SALA, SUPP" in " ".join(f.text for f in told)
    assert {f.code for f in told} == {"XSD_VALUE", "XSD_MISSING"}
    assert {f.severity for f in findings(own, content, strict=False)} == {Severity.WARNING}


def test_a_namespace_of_the_banks_own_is_a_message_of_its_own(tmp_path: Path) -> None:
    own = CATALOG.with_own(national_status(tmp_path))
    row = own.by_name(STATUS)
    assert row
    assert (row.namespace, row.reader, row.family) == (STATUS_NAMESPACE, "pain002", "pain.002")
    assert own.by_name("pain.002.001.10") == CATALOG.by_name("pain.002.001.10")
    content = sample("pain.002.001.10", ("urn:iso:std:iso:20022:tech:xsd:pain.002.001.10", STATUS_NAMESPACE))
    assert [f.code for f in findings(CATALOG, content, strict=False)] == ["MSG_UNKNOWN"]
    assert findings(own, content) == []


def test_a_name_that_another_message_has_gives_way_to_the_namespace(tmp_path: Path) -> None:
    (tmp_path / "x.xsd").write_text(f'<xs:schema {XS} targetNamespace="urn:x:pain.002.001.10">{DOCUMENT}</xs:schema>')
    assert [row.name for row in found(tmp_path).rows] == ["urn:x:pain.002.001.10"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "own.xsd is not a schema: Start tag expected"),
        ("<html/>", "own.xsd is not a schema: it begins with <html>"),
        (f"<xs:schema {XS}>{DOCUMENT}</xs:schema>", "own.xsd has no targetNamespace"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_reason(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "own.xsd").write_text(text)
    national(tmp_path)
    own = found(tmp_path)
    assert len(own.faults) == 1
    assert words in own.faults[0]
    assert [row.name for row in own.rows] == ["pain.001.001.09"]
    with pytest.raises(UsageError, match=r"own\.xsd"):
        CATALOG.with_own(tmp_path)


def test_two_schemas_for_one_namespace_are_a_fault(tmp_path: Path) -> None:
    national(tmp_path)
    (tmp_path / "second.xsd").write_text(schema("pain.001.001.09"))
    (fault,) = found(tmp_path).faults
    assert "second.xsd and payments.xsd are both for urn:iso:std:iso:20022:tech:xsd:pain.001.001.09" in fault


def test_a_schema_that_is_for_nothing_is_told_and_left_alone(tmp_path: Path) -> None:
    national(tmp_path)
    (tmp_path / "pacs.xsd").write_text(schema("pain.001.001.09").replace("CstmrCdtTrfInitn", "FIToFICstmrCdtTrf"))
    (tmp_path / "lists.xsd").write_text(f'<xs:schema {XS}><xs:simpleType name="A"/></xs:schema>')
    own = found(tmp_path)
    assert [text.partition(" is for")[0].rpartition("/")[2] for text in own.unused] == ["lists.xsd", "pacs.xsd"]
    assert (own.faults, len(own.rows)) == ((), 1)


@pytest.mark.parametrize(("made", "words"), [(True, "holds no .xsd"), (False, "No such file or directory")])
def test_a_folder_without_schemas_is_a_fault(tmp_path: Path, made: bool, words: str) -> None:
    folder = tmp_path / "national"
    if made:
        folder.mkdir()
    (fault,) = found(folder).faults
    assert words in fault


def test_what_only_libxml2_takes_is_explained_in_its_words(tmp_path: Path) -> None:
    text = schema("pain.001.001.09", ('elementFormDefault="qualified"', 'elementFormDefault="qualified" house="rule"'))
    (tmp_path / "own.xsd").write_text(text)
    own = CATALOG.with_own(tmp_path)
    row = own.by_name("pain.001.001.09")
    assert row
    assert own.model(row) is None
    (finding,) = findings(own, sample("pain.001.001.09", ("<MsgId>", f"<MsgId>{'x' * 36}")))
    assert (finding.code, finding.severity) == ("XSD_TOO_LONG", Severity.ERROR)
