"""Judge: schema and rules together, on the samples; what it makes of a file's findings."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest

from h2h import rules
from h2h.messages import Catalog, read
from h2h.model import Finding, Judgement, Severity
from h2h.outbound import judge as judging
from h2h.outbound.judge import judge
from h2h.rules import Terms

PROJECT = Path(__file__).resolve().parents[2]
GOOD, BAD = PROJECT / "samples" / "good", PROJECT / "samples" / "bad"
CATALOG = Catalog.load(PROJECT / "schemas")
FILE = "/Document/CstmrCdtTrfInitn"
BATCH = f"{FILE}/PmtInf[1]"
PAYMENT = f"{BATCH}/CdtTrfTxInf[1]"
TERMS = Terms(today=date(2026, 11, 17), unusual_dates=Severity.HOLD, addresses=Severity.ERROR)
OTHER_ACCOUNT = Terms(accounts=["DE02120300000000202051"])

# Of each sample of a business rule: path, line and severity of its one finding.
PLACES: dict[str, tuple[str, int, Severity]] = {
    "COUNT_MISMATCH": (f"{FILE}/GrpHdr/NbOfTxs", 5, Severity.ERROR),
    "SUM_MISMATCH": (f"{FILE}/GrpHdr/CtrlSum", 5, Severity.ERROR),
    "AMOUNT_NOT_POSITIVE": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "AMOUNT_DECIMALS": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "CURRENCY_UNKNOWN": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "IBAN_INVALID": (f"{PAYMENT}/CdtrAcct/Id/IBAN", 31, Severity.ERROR),
    "BIC_INVALID": (f"{PAYMENT}/CdtrAgt/FinInstnId", 31, Severity.ERROR),
    "ACCOUNT_FOREIGN": (f"{BATCH}/DbtrAcct", 14, Severity.ERROR),
    "EXECUTION_DATE_UNUSUAL": (f"{BATCH}/ReqdExctnDt", 14, Severity.HOLD),
    "CREATION_DATE_UNUSUAL": (f"{FILE}/GrpHdr/CreDtTm", 5, Severity.HOLD),
    "ID_BLANK": (f"{FILE}/GrpHdr/MsgId", 5, Severity.ERROR),
    "ID_UNSEEN": (f"{PAYMENT}/PmtId/EndToEndId", 31, Severity.ERROR),
    "NAME_UNSEEN": (f"{PAYMENT}/Cdtr/Nm", 31, Severity.HOLD),
    "ADDRESS_UNSTRUCTURED": (f"{PAYMENT}/Cdtr/PstlAdr", 45, Severity.ERROR),
    "ADDRESS_TOWN_OR_COUNTRY": (f"{PAYMENT}/Cdtr/PstlAdr", 45, Severity.ERROR),
    "ADDRESS_LINES": (f"{PAYMENT}/Cdtr/PstlAdr", 45, Severity.ERROR),
    "ADDRESS_COUNTRY": (f"{PAYMENT}/Cdtr/PstlAdr", 45, Severity.ERROR),
    "END_TO_END_ID_REPEATED": (f"{BATCH}/CdtTrfTxInf/PmtId/EndToEndId", 52, Severity.WARNING),
}
NO_SAMPLE = {"NO_PAYMENTS", "STATEMENT_SUM"}  # the schema speaks first; of statements


def judged(content: bytes, terms: Terms = TERMS) -> Judgement:
    taken = terms.supplementary_data
    items = read(io.BytesIO(content), CATALOG, strict=True, expected=terms.messages, supplementary=taken)
    return judge(items, terms)


def sample(name: str, *pairs: tuple[str, str]) -> bytes:
    text = next(p for p in (GOOD / f"{name}.xml", BAD / f"{name}.xml") if p.exists()).read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


def test_every_rule_has_a_sample() -> None:
    assert set(PLACES) | NO_SAMPLE == set(rules.CODES)


@pytest.mark.parametrize("code", PLACES)
def test_a_sample_of_a_rule_has_its_finding_and_no_other(code: str) -> None:
    judgement = judged(sample(code), OTHER_ACCOUNT if code == "ACCOUNT_FOREIGN" else TERMS)
    assert [(f.code, f.path, f.line, f.severity) for f in judgement.findings] == [(code, *PLACES[code])]
    assert judgement.good is (PLACES[code][2] is not Severity.ERROR)
    assert judgement.held is (PLACES[code][2] is Severity.HOLD)


@pytest.mark.parametrize("name", ["pain.001.001.03", "pain.001.001.09"])
def test_the_good_samples_are_good_for_ever(name: str) -> None:
    for day in (date(2026, 11, 17), date(2036, 1, 1), date(1999, 1, 1)):
        judgement = judged(sample(name), Terms(today=day))
        assert (judgement.good, judgement.held) == (True, False)
    assert judged(sample(name), Terms()).findings == []


def test_a_year_old_file_is_held_where_the_folder_says_so() -> None:
    judgement = judged(sample("pain.001.001.09"), Terms(today=date(2027, 11, 17), unusual_dates=Severity.HOLD))
    assert judgement.held
    assert {f.code for f in judgement.findings} == {"CREATION_DATE_UNUSUAL", "EXECUTION_DATE_UNUSUAL"}


def test_an_error_outweighs_what_a_person_must_look_at() -> None:
    both = sample("NAME_UNSEEN", ("<NbOfTxs>1<", "<NbOfTxs>2<"))
    assert {f.severity for f in judged(both).findings} == {Severity.HOLD, Severity.ERROR}
    assert (judged(both).good, judged(both).held) == (False, False)


def test_after_a_limit_counts_and_sums_mean_nothing() -> None:
    text = sample("pain.001.001.09").decode()
    last = text.rindex("<PmtId>")
    attributes = " ".join(f'a{n}=""' for n in range(21))
    found = judged(f"{text[:last]}<PmtId {attributes}>{text[last + 7 :]}".encode()).findings
    assert [f.code for f in found] == ["XML_LIMIT"]


def test_a_missing_identification_is_the_schemas_affair_alone() -> None:
    assert [f.code for f in judged(sample("IBAN_INVALID", ("<MsgId>BAD-IBAN_INVALID</MsgId>", ""))).findings] == [
        "XSD_MISSING",
        "IBAN_INVALID",
    ]


def test_more_faults_than_anybody_reads_are_cut_and_the_worst_of_the_rest_still_counts() -> None:
    text = sample("END_TO_END_ID_REPEATED").decode()
    start, end = text.index("<CdtTrfTxInf>"), text.index("</PmtInf>")
    payment = text[start : text.index("</CdtTrfTxInf>") + len("</CdtTrfTxInf>")]
    count = judging.MAX_RULE_FINDINGS + 20
    many = text[:start] + payment * count + text[end:]
    many = many.replace("<NbOfTxs>2<", f"<NbOfTxs>{count}<").replace("<CtrlSum>500.00<", f"<CtrlSum>{count * 250}<")
    warned = judged(many.encode())
    assert [f.code for f in warned.findings] == ["END_TO_END_ID_REPEATED"] * 500 + ["FINDINGS_CUT"]
    assert warned.good
    held = judging._at_most(2, [*_as_bad_as("WARNING", "WARNING", "WARNING", "HOLD", "WARNING")])
    assert [f.severity for f in held] == [Severity.WARNING, Severity.WARNING, Severity.HOLD]
    bad = judging._at_most(1, [*_as_bad_as("WARNING", "HOLD", "ERROR")])
    assert [f.severity for f in bad] == [Severity.WARNING, Severity.ERROR]
    assert len(list(judging._at_most(2, [*_as_bad_as("WARNING", "ERROR")]))) == 2


def _as_bad_as(*severities: str) -> list[Finding]:
    return [Finding(code="SUM_MISMATCH", severity=Severity(each), text="Mend it.") for each in severities]


def test_what_a_finding_says_is_one_visible_line_however_long_and_odd_the_value() -> None:
    finding = Finding(
        code="SUM_MISMATCH", severity=Severity.ERROR, text="\x1b[31m" + "x" * 10**6, path="/\u202e\n" * 999
    )
    assert finding.text.isprintable()
    assert finding.path.isprintable()
    assert (len(finding.text), len(finding.path)) == (1_000, 500)
    assert finding.text.startswith("\\x1b[31mxxx")


@pytest.mark.parametrize("code", [code for code in PLACES if code.startswith("ADDRESS_")])
def test_addresses_are_warned_of_refused_or_let_pass_as_the_folder_says(code: str) -> None:
    warned = judged(sample(code), Terms())
    assert [(f.code, f.severity) for f in warned.findings] == [(code, Severity.WARNING)]
    assert (warned.good, warned.held) == (True, False)
    assert judged(sample(code), Terms(addresses=None)).findings == []


def test_supplementary_data_is_taken_where_the_folder_names_it() -> None:
    content = sample("MSG_SUPPLEMENTARY")
    assert not judged(content).good
    named = content[content.index(b"<Envlp>") :].split(b'xmlns="')[1].split(b'"')[0].decode()
    assert judged(content, Terms(supplementary_data=[named])).good
