"""Judge: schema and rules together, on the samples; what it makes of a file's findings."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from h2h import bank_rules, references, rules
from h2h.errors import StoreError
from h2h.messages import Catalog, read
from h2h.model import Batch, Finding, Judgement, Payment, PaymentFile, Record, Severity
from h2h.one_pass import MAX_RULE_FINDINGS, Told
from h2h.outbound.judge import judge
from h2h.rules import PaymentRules, Terms
from h2h.spool import IN_MEMORY, ColumnSpool, Frames
from tests.changing import replace

PROJECT = Path(__file__).resolve().parents[2]
GOOD, BAD = PROJECT / "samples" / "good", PROJECT / "samples" / "bad"
CATALOG = Catalog.load(PROJECT / "schemas")
FILE = "/Document/CstmrCdtTrfInitn"
BATCH = f"{FILE}/PmtInf[1]"
PAYMENT = f"{BATCH}/CdtTrfTxInf[1]"
TERMS = Terms(today=date(2026, 11, 17), unusual_dates=Severity.HOLD, addresses=Severity.ERROR)
OTHER_TERMS = {
    "ACCOUNT_FOREIGN": Terms(accounts=["DE02120300000000202051"]),
    "TEST_FILE": Terms(test_files="TEST-*", production=True),
    "NOT_A_TEST_FILE": Terms(test_files="TEST-*"),
}

# Of each sample of a business rule: path, line and severity of its one finding.
PLACES: dict[str, tuple[str, int, Severity]] = {
    "COUNT_MISMATCH": (f"{FILE}/GrpHdr/NbOfTxs", 5, Severity.ERROR),
    "SUM_MISMATCH": (f"{FILE}/GrpHdr/CtrlSum", 5, Severity.ERROR),
    "AMOUNT_NOT_POSITIVE": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "AMOUNT_DECIMALS": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "CURRENCY_UNKNOWN": (f"{PAYMENT}/Amt", 31, Severity.ERROR),
    "IBAN_INVALID": (f"{PAYMENT}/CdtrAcct/Id/IBAN", 31, Severity.ERROR),
    "BIC_INVALID": (f"{PAYMENT}/CdtrAgt/FinInstnId", 31, Severity.ERROR),
    "TEST_FILE": (f"{FILE}/GrpHdr/MsgId", 5, Severity.ERROR),
    "NOT_A_TEST_FILE": (f"{FILE}/GrpHdr/MsgId", 5, Severity.ERROR),
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
NO_SAMPLE = {
    "NO_PAYMENTS", "STATEMENT_SUM",  # the schema speaks first; of statements
    *bank_rules.CODES,  # of a profile: tests/core/test_bank_rules.py
}  # fmt: skip


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
    judgement = judged(sample(code), OTHER_TERMS.get(code, TERMS))
    assert [(f.code, f.path, f.line, f.severity) for f in judgement.findings] == [(code, *PLACES[code])]
    assert judgement.good is (PLACES[code][2] is not Severity.ERROR)
    assert judgement.held is (PLACES[code][2] is Severity.HOLD)


@pytest.mark.parametrize(
    ("pattern", "called", "production", "code"),
    [
        ("TEST*", "payments.xml", True, "TEST_FILE"),
        ("test_*", "test_7.xml", True, "TEST_FILE"),
        ("test_*", "7.xml", True, None),
        ("TEST*", "7.xml", False, None),
        ("test_*", "test_7.xml", False, None),
        ("test_*", "Test_7.xml", False, "NOT_A_TEST_FILE"),
        (None, "TEST.xml", True, None),
    ],
)
def test_a_file_for_test_is_one_by_its_name_or_by_its_message_id(
    pattern: str | None, called: str, production: bool, code: str | None
) -> None:
    judgement = judged(sample("TEST_FILE"), Terms(test_files=pattern, called=called, production=production))
    assert [f.code for f in judgement.findings] == ([code] if code else [])


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
    count = MAX_RULE_FINDINGS + 20
    many = text[:start] + payment * count + text[end:]
    many = many.replace("<NbOfTxs>2<", f"<NbOfTxs>{count}<").replace("<CtrlSum>500.00<", f"<CtrlSum>{count * 250}<")
    warned = judged(many.encode())
    assert [f.code for f in warned.findings] == ["END_TO_END_ID_REPEATED"] * 500 + ["FINDINGS_CUT"]
    assert warned.good
    held = told(2, "WARNING", "WARNING", "WARNING", "HOLD", "WARNING")
    assert [f.severity for f in held] == [Severity.WARNING, Severity.WARNING, Severity.HOLD]
    bad = told(1, "WARNING", "HOLD", "ERROR")
    assert [f.severity for f in bad] == [Severity.WARNING, Severity.ERROR]
    assert len(told(2, "WARNING", "ERROR")) == 2


def told(most: int, *severities: str) -> list[Finding]:
    """What is told of findings that are as bad as that, and no more than so many of them."""
    kept = Told(most)
    kept.extend(Finding(code="SUM_MISMATCH", severity=Severity(each), text="Mend it.") for each in severities)
    return list(kept)


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


# Large files.


def as_records(count: int, batches: int = 1, **changes: object) -> Iterator[Record]:
    yield PaymentFile(message="pain.001.001.09", message_id="M", number_of_transactions=str(count))
    each = count // batches
    for batch in range(1, batches + 1):
        yield Batch(position=batch, payment_information_id=f"B{batch}", number_of_transactions=str(each))
        for position in range((batch - 1) * each + 1, batch * each + 1):
            yield Payment(
                position=position, batch=batch, payment_information_id=f"B{batch}", instruction_id=None,
                end_to_end_id=f"E{position}", uetr=None, amount=Decimal("1.01"), currency="EUR", line=position,
                **changes,  # type: ignore[arg-type]
            )  # fmt: skip


def test_payments_beyond_what_memory_holds_are_put_aside_in_the_folder_that_is_given(tmp_path: Path) -> None:
    count = IN_MEMORY + 2_000
    judgement = judge(as_records(count, 2), Terms(), tmp_path)
    assert judgement.findings == []
    assert isinstance(judgement.payments, ColumnSpool)
    assert (
        [payment.position for payment in judgement.payments]
        == [*range(1, count + 1)]
        == [payment.position for payment in judgement.payments]
    )
    assert [*tmp_path.iterdir()] == []
    assert isinstance(judge(as_records(10), Terms()).payments, list)


def test_a_folder_for_payments_that_is_gone_is_a_fault_of_the_world(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        judge(as_records(IN_MEMORY + 1), Terms(), tmp_path / "gone")


def test_findings_stand_in_the_order_of_the_file_what_is_against_a_batch_before_what_is_against_its_payments() -> None:
    records = [*as_records(4, 2, creditor_iban="DE00")]
    records[0] = replace(records[0], control_sum=Decimal(1))  # type: ignore[type-var]
    records[4] = replace(records[4], number_of_transactions="9")  # type: ignore[type-var]
    found = [(f.code, f.path.removeprefix(FILE)) for f in judge(records, Terms()).findings]
    assert found == [
        ("SUM_MISMATCH", "/GrpHdr/CtrlSum"),
        ("IBAN_INVALID", "/PmtInf[1]/CdtTrfTxInf[1]/CdtrAcct/Id/IBAN"),
        ("IBAN_INVALID", "/PmtInf[1]/CdtTrfTxInf[2]/CdtrAcct/Id/IBAN"),
        ("COUNT_MISMATCH", "/PmtInf[2]/NbOfTxs"),
        ("IBAN_INVALID", "/PmtInf[2]/CdtTrfTxInf[1]/CdtrAcct/Id/IBAN"),
        ("IBAN_INVALID", "/PmtInf[2]/CdtTrfTxInf[2]/CdtrAcct/Id/IBAN"),
    ]


def test_orders_that_stand_in_no_batch_or_not_in_theirs_are_judged_and_counted() -> None:
    header, _, *payments = as_records(3, creditor_iban="DE00")
    found = judge([header, *(replace(p, batch=0) for p in payments)], Terms()).findings  # type: ignore[type-var]
    assert [(f.code, f.path.removeprefix(FILE)) for f in found] == [
        ("IBAN_INVALID", f"/CdtTrfTxInf[{n}]/CdtrAcct/Id/IBAN") for n in (1, 2, 3)
    ]
    header, batch, *payments = as_records(3)
    moved = [payments[0], replace(payments[1], batch=7), payments[2]]  # type: ignore[type-var]
    assert "COUNT_MISMATCH" in {f.code for f in judge([header, batch, *moved], Terms()).findings}
    found = judge([*payments, batch, header], Terms()).findings
    assert [f.code for f in found] == ["NO_PAYMENTS", "COUNT_MISMATCH"]  # the batch is empty


def test_the_place_of_a_fault_counts_from_the_beginning_of_its_batch_however_many_payments_stand_before_it() -> None:
    records = [*as_records(4_000, 2)]
    at = next(n for n, record in enumerate(records) if isinstance(record, Payment) and record.position == 3_203)
    records[at] = replace(records[at], creditor_iban="DE00")  # type: ignore[type-var]
    [found] = judge(records, Terms()).findings
    assert (found.path, found.line) == (f"{FILE}/PmtInf[2]/CdtTrfTxInf[1203]/CdtrAcct/Id/IBAN", 3_203)


def test_of_references_nothing_stays_in_memory_that_can_be_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FEW", 20), ("PARTS", 4), ("FRAME", 5)):
        monkeypatch.setattr(references, name, value)
    written: list[bytes] = []

    class Seen(Frames):
        def append(self, frame: bytes) -> None:
            written.append(frame)
            super().append(frame)

    monkeypatch.setattr("h2h.outbound.judge.Frames", Seen)
    found = judge(several(1_000, repeated=7), scratch=tmp_path)
    assert sum(map(len, written)) > 8 * 950
    told = [each.path for each in found.findings if each.code == "END_TO_END_ID_REPEATED"]
    assert told == [f"{BATCH}/CdtTrfTxInf/PmtId/EndToEndId"]


def test_what_the_rules_took_is_given_back_with_the_last_of_them() -> None:
    """Not when garbage is looked for, which may be after a million payments are stored."""
    given = weakref.WeakSet[PaymentRules]()

    class Seen(PaymentRules):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            given.add(self)

    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("h2h.outbound.judge.PaymentRules", Seen)
            found = judge(several(1_000, repeated=7))
        assert len(found.payments) == 1_000
        assert len(given) == 0
    finally:
        gc.enable()


def several(count: int, *, repeated: int) -> Iterator[Record]:
    """Payments, the last of which has the reference of this one."""
    yield PaymentFile(message="pain.001.001.09", message_id="M", number_of_transactions=str(count))
    yield Batch(position=1, payment_information_id="B")
    for n in range(1, count + 1):
        name = f"E{repeated if n == count else n}"
        yield Payment(
            position=n, batch=1, payment_information_id="B", instruction_id=None, end_to_end_id=name, uetr=None,
            amount=Decimal(1), currency="EUR", creditor_name="C", creditor_iban=None,
        )  # fmt: skip
