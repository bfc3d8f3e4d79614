"""Every finding code, shown by a bad sample; and what the explanations of the schema's refusals say."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from h2h.messages import CODES, Catalog, explain, read
from h2h.model import Finding, Severity

PROJECT = Path(__file__).resolve().parents[2]
BAD = PROJECT / "samples" / "bad"
CATALOG = Catalog.load(PROJECT / "schemas")
VALID = (BAD / "MSG_UNEXPECTED.xml").read_text(encoding="utf-8")  # only not what was expected
FILE = "/Document/CstmrCdtTrfInitn"
PAYMENT = f"{FILE}/PmtInf[1]/CdtTrfTxInf[1]"

# Of each sample: the path and line of the finding that it is named for.
PLACES: dict[str, tuple[str, int | None]] = {
    "XML_EMPTY": ("", 1),
    "XML_COMPRESSED": ("", 1),
    "XML_ENCODING": ("", 1),
    "XML_DOCTYPE": ("", 3),
    "XML_NOT_WELL_FORMED": ("", 41),
    "XML_LIMIT": ("", 34),
    "XML_TRUNCATED": ("", 44),
    "XML_COMMENT_IN_VALUE": (f"{PAYMENT}/Amt/InstdAmt", 38),
    "XML_CDATA": ("", 41),
    "MSG_UNKNOWN": ("/Document", 3),
    "MSG_UNEXPECTED": ("/Document", 3),
    "MSG_ENVELOPE": ("/Envelope/Document", 4),
    "MSG_HEADER": ("/Envelope/Document", 11),
    "MSG_SEVERAL": ("/Envelope/Document", 53),
    "MSG_EMPTY": ("/Document", 3),
    "MSG_ORDER": (f"{FILE}/PmtInf[1]", 14),
    "MSG_SUPPLEMENTARY": (f"{FILE}/SplmtryData", 50),
    "XSD_MISSING": (f"{FILE}/PmtInf[1]", 16),
    "XSD_UNEXPECTED": (f"{PAYMENT}/Urgent", 34),
    "XSD_EMPTY": (f"{PAYMENT}/PmtId/EndToEndId", 35),
    "XSD_TOO_LONG": (f"{PAYMENT}/PmtId/EndToEndId", 35),
    "XSD_VALUE": (f"{FILE}/PmtInf[1]/PmtMtd", 16),
    "XSD_INVALID": (f"{FILE}/PmtInf[1]/PmtMtd", 16),
    "VALUE_NOTATION": (f"{PAYMENT}/Amt/InstdAmt", 38),
    "VALUE_UNREADABLE": (f"{PAYMENT}/Amt/InstdAmt", 38),
}
# What else these samples must have.
COMPANY = {
    "MSG_EMPTY": {"XSD_MISSING"},
    "MSG_ORDER": {"XSD_UNEXPECTED"},
    "MSG_SEVERAL": {"MSG_ENVELOPE"},
    "MSG_HEADER": {"MSG_ENVELOPE"},
}


def findings(content: bytes | str, *, strict: bool = True, expected: list[str] | None = None) -> list[Finding]:
    source = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    items = read(source, CATALOG, strict=strict, expected=expected)
    return [item for item in items if isinstance(item, Finding)]


def faults(*changes: tuple[str, str]) -> list[tuple[str, str, int | None, str]]:
    """Findings of the valid sample with these changes: code, path, line and text."""
    content = VALID
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    return [(each.code, each.path, each.line, each.text) for each in findings(content)]


def test_every_code_has_a_sample_and_every_place_a_code() -> None:
    assert set(PLACES) | {"FINDINGS_CUT"} == set(CODES)
    assert {file.stem for file in BAD.glob("*.xml")} >= set(PLACES)


@pytest.mark.parametrize("code", PLACES)
def test_a_bad_sample_gives_the_finding_it_is_named_for_and_no_other(code: str) -> None:
    expected = ["pain.001.001.03"] if code == "MSG_UNEXPECTED" else None
    found = findings((BAD / f"{code}.xml").read_bytes(), expected=expected)
    (named,) = (finding for finding in found if finding.code == code)
    assert (named.path, named.line) == PLACES[code]
    assert named.severity is Severity.ERROR
    assert named.text.endswith(".")
    assert {finding.code for finding in found} == {code} | COMPANY.get(code, set())


def test_a_missing_element_is_named_with_the_place_where_it_belongs() -> None:
    assert faults(("<PmtMtd>TRF</PmtMtd>", "")) == [
        (
            "XSD_MISSING",
            f"{FILE}/PmtInf[1]",
            17,
            "PmtMtd is missing in PmtInf; it belongs before ReqdExctnDt, which stands here. Add it.",
        )
    ]


def test_an_element_that_ends_too_early_says_what_is_missing() -> None:
    ((code, path, _, text),) = faults(("<IBAN>DE89370400440532013000</IBAN>", ""))
    assert (code, path) == ("XSD_MISSING", f"{FILE}/PmtInf[1]/DbtrAcct/Id")
    assert text == "Id is empty: one of IBAN, Othr is missing. Add it."


def test_a_value_too_long_says_how_long_it_is_and_may_be() -> None:
    ((code, path, line, text),) = faults((">LIEF-2026-47<", f">{'x' * 200}<"))
    assert (code, path, line) == ("XSD_TOO_LONG", f"{FILE}/PmtInf[1]/PmtInfId", 15)
    assert text.startswith("PmtInfId has 200 characters, 35 are allowed: ")
    assert len(text) < 150


def test_a_code_outside_its_list_says_what_is_on_it() -> None:
    ((code, _, _, text),) = faults((">TRF<", ">SEPA<"))
    assert code == "XSD_VALUE"
    assert text == "PmtMtd is 'SEPA'; write one of CHK, TRA, TRF."


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (">2026-11-18<", ">18.11.2026<", "write year, month and day, as in 2026-11-18"),
        (">2026-11-16T15:20:05+01:00<", ">2026-11-16<", "write date and time, as in 2026-11-18T09:30:00+01:00"),
        (">DE89370400440532013000<", ">DE89 3704<", "write the IBAN in capital letters without blanks"),
        (">BEISDEFFXXX<", ">beisdeffxxx<", "(mind capital letters)"),
        ('Ccy="EUR"', 'Ccy="€"', "write the three capital letters of the currency"),
        (">1</NbOfTxs>", ">one</NbOfTxs>", "write a number in digits"),
    ],
)
def test_a_value_of_the_wrong_form_says_what_form_it_must_have(old: str, new: str, words: str) -> None:
    ((code, _, _, text),) = faults((old, new))
    assert code == "XSD_VALUE"
    assert words in text
    assert re.split('[<>"]', new)[1] in text


def test_an_unknown_element_says_which_were_possible() -> None:
    ((code, path, _, text),) = faults(("<Cdtr>", "<Creditor/><Cdtr>"))
    assert (code, path) == ("XSD_UNEXPECTED", f"{PAYMENT}/Creditor")
    assert text.startswith("Creditor is not known in CdtTrfTxInf. Possible here: XchgRateInf, ChrgBr, ")


def test_an_element_twice_says_so() -> None:
    ((code, path, _, text),) = faults(("<PmtMtd>TRF</PmtMtd>", "<PmtMtd>TRF</PmtMtd><PmtMtd>TRF</PmtMtd>"))
    assert (code, path) == ("XSD_UNEXPECTED", f"{FILE}/PmtInf[1]/PmtMtd[2]")
    assert "once too often" in text


def test_an_element_out_of_order_says_so() -> None:
    swapped = "<PmtMtd>TRF</PmtMtd><PmtInfId>a</PmtInfId>"
    ((code, path, _, text),) = faults(("<PmtMtd>TRF</PmtMtd>", swapped), ("<PmtInfId>LIEF-2026-47</PmtInfId>", ""))
    assert (code, path) == ("XSD_UNEXPECTED", f"{FILE}/PmtInf[1]/PmtMtd")
    assert "the order of elements is fixed. Possible here: PmtInfId." in text


def test_an_element_of_another_namespace_says_so() -> None:
    ((code, _, _, text),) = faults(("<PmtMtd>", '<PmtMtd xmlns="">'))
    assert code == "XSD_UNEXPECTED"
    assert "is not in the namespace of PmtInf, urn:iso" in text


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        (' Ccy="EUR"', "", "XSD_MISSING", f"{PAYMENT}/Amt/InstdAmt/@Ccy"),
        (' Ccy="EUR"', ' Ccy="EUR" Cents="2"', "XSD_UNEXPECTED", f"{PAYMENT}/Amt/InstdAmt/@Cents"),
        (' Ccy="EUR"', ' Ccy="EURO"', "XSD_VALUE", f"{PAYMENT}/Amt/InstdAmt/@Ccy"),
        (' Ccy="EUR"', ' Ccy=""', "XSD_EMPTY", f"{PAYMENT}/Amt/InstdAmt/@Ccy"),
        ("<PmtId>", "<PmtId>words", "XSD_UNEXPECTED", f"{PAYMENT}/PmtId"),
        (">TRF<", "><b>TRF</b><", "XSD_UNEXPECTED", f"{FILE}/PmtInf[1]/PmtMtd"),
        (">214.50</InstdAmt>", ">214.501234</InstdAmt>", "XSD_TOO_LONG", f"{PAYMENT}/Amt/InstdAmt"),
    ],
)
def test_attributes_and_content_have_their_own_path(old: str, new: str, code: str, path: str) -> None:
    assert [(fault[0], fault[1]) for fault in faults((old, new))] == [(code, path)]


def test_all_faults_are_told_each_at_its_place() -> None:
    start, end = VALID.index("      <CdtTrfTxInf>"), VALID.index("    </PmtInf>")
    payment = VALID[start:end]
    three = payment + payment.replace("EUR", "EURO").replace("ZA-", "Z" * 40) + payment.replace("<Nm>", "<Name/><Nm>")
    found = findings(VALID[:start] + three + VALID[end:])
    assert [(each.code, each.path.removeprefix(f"{FILE}/PmtInf[1]/"), each.line) for each in found] == [
        ("XSD_TOO_LONG", "CdtTrfTxInf[2]/PmtId/EndToEndId", 51),
        ("XSD_VALUE", "CdtTrfTxInf[2]/Amt/InstdAmt/@Ccy", 54),
        ("XSD_UNEXPECTED", "CdtTrfTxInf[3]/Cdtr/Name", 73),
    ]


def test_more_than_a_hundred_faults_are_cut() -> None:
    start, end = VALID.index("      <CdtTrfTxInf>"), VALID.index("    </PmtInf>")
    found = findings(VALID[:start] + VALID[start:end].replace("EUR", "EURO") * 150 + VALID[end:])
    assert [each.code for each in found] == ["XSD_VALUE"] * explain.MAX_FAULTS + ["FINDINGS_CUT"]


def test_a_thousand_unreadable_values_are_cut_too() -> None:
    start, end = VALID.index("      <CdtTrfTxInf>"), VALID.index("    </PmtInf>")
    found = findings(VALID[:start] + VALID[start:end].replace("214.50", "214,50") * 1_100 + VALID[end:])
    assert [each.code for each in found] == ["VALUE_UNREADABLE"] * 1_000 + ["FINDINGS_CUT"]
    assert found[-1].severity is Severity.ERROR


def test_a_large_file_is_explained_in_lxmls_words_with_the_right_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    start, end = VALID.index("      <CdtTrfTxInf>"), VALID.index("    </PmtInf>")
    payment = VALID[start:end]
    long_id, unknown = payment.replace("ZA-", "Z" * 40), payment.replace("<Cdtr>", "<Creditor/><Cdtr>")
    content = VALID[:start] + payment * 5000 + long_id + unknown + payment + VALID[end:]
    monkeypatch.setattr(explain, "MAX_TREE_BYTES", 1_000)
    found = findings(content)
    first = VALID[:start].count("\n") + 5000 * payment.count("\n")
    assert [(each.code, each.line) for each in found] == [
        ("XSD_TOO_LONG", first + 3),
        ("XSD_UNEXPECTED", first + payment.count("\n") + 8),
    ]
    assert found[0].path == f"{FILE}/PmtInf/CdtTrfTxInf/PmtId/EndToEndId"
    assert "exceeds the allowed maximum length of '35'" in found[0].text
    assert "{urn" not in found[1].text


def test_what_only_lxml_refuses_stands_in_its_words() -> None:
    """By XML Schema a blank before a date is fine; libxml2 thinks otherwise, and decides."""
    ((code, path, line, text),) = faults((">2026-11-18<", "> 2026-11-18<"))
    assert (code, path, line) == ("XSD_VALUE", f"{FILE}/PmtInf[1]/ReqdExctnDt/Dt", 18)
    assert text.startswith("Dt: ' 2026-11-18' is not a valid value")


@pytest.mark.parametrize("prefix", ["p:", ""])
def test_paths_are_the_same_with_and_without_prefixes(prefix: str) -> None:
    content = VALID.replace(">TRF<", ">SEPA<").replace("xmlns=", "xmlns:p=" if prefix else "xmlns=")
    if prefix:
        content = re.sub(r"<(/?)([A-Z])", rf"<\1{prefix}\2", content)
    assert [(each.code, each.path) for each in findings(content)] == [("XSD_VALUE", f"{FILE}/PmtInf[1]/PmtMtd")]


SCHEMA_INSTANCE = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize("large", [False, True])
def test_an_element_marked_as_empty_on_purpose_is_told_in_plain_words(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(explain, "MAX_TREE_BYTES", 10)
    found = faults(("<PmtMtd>", f'<PmtMtd {SCHEMA_INSTANCE} xsi:nil="true">'))
    assert [(code, path.replace("[1]", "")) for code, path, _, _ in found] == [("XSD_INVALID", f"{FILE}/PmtInf/PmtMtd")]
    assert found[0][3].startswith("PmtMtd has the attribute xsi:nil")
    assert "nillable" not in found[0][3]


def test_a_type_that_nobody_knows_is_a_finding_and_no_failure_of_ours() -> None:
    found = faults(("<PmtMtd>", f'<PmtMtd {SCHEMA_INSTANCE} xsi:type="Foo">'))
    assert found
    assert all(code.startswith("XSD_") for code, *_ in found)
