"""pain.008: what its reader makes of it, what the rules find, and that nothing takes it for payments."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from h2h.arrivals import reading_of
from h2h.messages import Catalog, read
from h2h.model import DirectDebit, DirectDebitBatch, Finding, Judgement, Record, Severity
from h2h.outbound.judge import judge
from h2h.rules import Terms

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
NAMES = ("pain.008.001.02", "pain.008.001.08")
FILE = "/Document/CstmrDrctDbtInitn"
BATCH = f"{FILE}/PmtInf[1]"
DEBIT = f"{BATCH}/DrctDbtTxInf[1]"
TERMS = Terms(today=date(2026, 11, 16), unusual_dates=Severity.HOLD)


def sample(name: str, *pairs: tuple[str, str]) -> bytes:
    text = (PROJECT / "samples" / "good" / f"{name}.xml").read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()


def reading(content: bytes, *, strict: bool = True) -> list[Record | Finding]:
    return list(read(io.BytesIO(content), CATALOG, strict=strict))


def judged(content: bytes, terms: Terms = TERMS) -> Judgement:
    return judge(read(io.BytesIO(content), CATALOG, strict=True, expected=terms.messages), terms)


@pytest.mark.parametrize("name", NAMES)
def test_a_good_one_is_read_whole_and_judged_good(name: str) -> None:
    judgement = judged(sample(name))
    orders = judgement.direct_debits
    assert orders
    assert (orders.header.message, orders.header.number_of_transactions) == (name, "3")
    assert [(b.position, b.sequence_type, b.local_instrument) for b in orders.batches] == [
        (1, "RCUR", "CORE"),
        (2, "FRST", "B2B"),
    ]
    assert [(t.batch, t.position, t.amount, t.currency) for t in orders.transactions] == [
        (1, 1, Decimal("148.20"), "EUR"),
        (1, 2, Decimal("1290.00"), "EUR"),
        (2, 3, Decimal("75.45"), "EUR"),
    ]
    assert (judgement.findings, judgement.good) == ([], True)


def test_the_sides_are_where_they_belong_and_the_batch_speaks_for_its_transactions() -> None:
    records = reading(sample("pain.008.001.08"))
    batch, debit = records[1], records[2]
    assert isinstance(batch, DirectDebitBatch)
    assert isinstance(debit, DirectDebit)
    assert (batch.creditor_name, batch.creditor_iban) == ("Papierfabrik Lindenau GmbH", "DE98860555921090004711")
    assert (batch.creditor_agent, batch.requested_collection_date) == ("SAXIDE8LXXX", "2026-11-19")
    assert (debit.debtor_name, debit.debtor_agent) == ("Ateliers Ravel SARL", "BQEXFRPPXXX")
    assert debit.debtor_iban == "FR1420041010050500013M02606"
    assert (debit.mandate_id, debit.mandate_signed) == ("M-PFL-3300", "2023-02-14")
    assert (debit.sequence_type, debit.creditor_scheme_id) == ("RCUR", "DE98ZZZ09999999999")
    assert debit.collection_date == batch.requested_collection_date


def test_what_a_transaction_says_itself_comes_before_its_batch() -> None:
    own = "<CdtrSchmeId><Id><OrgId><Othr><Id>AT99ZZZ1</Id></Othr></OrgId></Id></CdtrSchmeId></DrctDbtTx>"
    content = sample(
        "pain.008.001.08",
        ("<InstdAmt", "<PmtTpInf><SeqTp>OOFF</SeqTp></PmtTpInf><InstdAmt"),
        ("</DrctDbtTx>", own),
    )
    assert judged(content).findings == []
    debit = reading(content)[2]
    assert isinstance(debit, DirectDebit)
    assert (debit.sequence_type, debit.creditor_scheme_id) == ("OOFF", "AT99ZZZ1")


@pytest.mark.parametrize(
    ("old", "new", "code", "path", "severity"),
    [
        ("<NbOfTxs>3", "<NbOfTxs>4", "COUNT_MISMATCH", f"{FILE}/GrpHdr/NbOfTxs", Severity.ERROR),
        ("<CtrlSum>1513.65", "<CtrlSum>1513.66", "SUM_MISMATCH", f"{FILE}/GrpHdr/CtrlSum", Severity.ERROR),
        ("<NbOfTxs>2", "<NbOfTxs>1", "COUNT_MISMATCH", f"{BATCH}/NbOfTxs", Severity.ERROR),
        ("<CtrlSum>1438.20", "<CtrlSum>1438", "SUM_MISMATCH", f"{BATCH}/CtrlSum", Severity.ERROR),
        ('"EUR">148.20', '"EUX">148.20', "CURRENCY_UNKNOWN", f"{DEBIT}/InstdAmt", Severity.ERROR),
        ('"EUR">148.20', '"JPY">148.20', "AMOUNT_DECIMALS", f"{DEBIT}/InstdAmt", Severity.ERROR),
        ("FR1420041010050500013M02606", "FR1420041010050500013M02607", "IBAN_INVALID", f"{DEBIT}/DbtrAcct/Id/IBAN",
         Severity.ERROR),
        ("DE98860555921090004711", "DE98860555921090004712", "IBAN_INVALID", f"{BATCH}/CdtrAcct/Id/IBAN",
         Severity.ERROR),
        ("BQEXFRPPXXX", "BQEXQQPPXXX", "BIC_INVALID", f"{DEBIT}/DbtrAgt/FinInstnId", Severity.ERROR),
        ("SAXIDE8LXXX", "SAXIQQ8LXXX", "BIC_INVALID", f"{BATCH}/CdtrAgt/FinInstnId", Severity.ERROR),
        ("<MsgId>PFL-DD-2026", "<MsgId>\u00adPFL-DD-2026", "ID_UNSEEN", f"{FILE}/GrpHdr/MsgId", Severity.ERROR),
        ("PFL-DD-RCUR-11", " ", "ID_BLANK", f"{BATCH}/PmtInfId", Severity.ERROR),
        ("PFL-K20166", " ", "ID_BLANK", f"{BATCH}/DrctDbtTxInf/PmtId/EndToEndId", Severity.ERROR),
        ("M-PFL-3300", "M-PFL\u200b-3300", "ID_UNSEEN", f"{DEBIT}/DrctDbtTx/MndtRltdInf/MndtId", Severity.ERROR),
        ("Ateliers Ravel", "Ateliers\u202e Ravel", "NAME_UNSEEN", f"{DEBIT}/Dbtr/Nm", Severity.HOLD),
        ("<ReqdColltnDt>2026-11-19", "<ReqdColltnDt>2025-11-19", "EXECUTION_DATE_UNUSUAL", f"{BATCH}/ReqdColltnDt",
         Severity.HOLD),
        ("<CreDtTm>2026", "<CreDtTm>2025", "CREATION_DATE_UNUSUAL", f"{FILE}/GrpHdr/CreDtTm", Severity.HOLD),
        ("PFL-K20167", "PFL-K20166", "END_TO_END_ID_REPEATED", f"{BATCH}/DrctDbtTxInf/PmtId/EndToEndId",
         Severity.WARNING),
    ],
)  # fmt: skip
def test_the_rules_hold_for_direct_debits_too(old: str, new: str, code: str, path: str, severity: Severity) -> None:
    (finding,) = judged(sample("pain.008.001.08", (old, new))).findings
    assert (finding.code, finding.path, finding.severity) == (code, path, severity)
    assert finding.line


def test_a_sum_of_nothing_is_told() -> None:
    content = sample("pain.008.001.08", ('"EUR">148.20', '"EUR">0'))
    assert {f.code for f in judged(content).findings} == {"AMOUNT_NOT_POSITIVE", "SUM_MISMATCH"}


@pytest.mark.parametrize("messages", [["pain.001.001.09"], ["pain.008.001.08"], []])
def test_no_folder_takes_a_direct_debit_whatever_it_lists(messages: list[str]) -> None:
    """Without a header the ledger takes a file for invalid, so that nothing of it can be sent."""
    judgement = judged(sample("pain.008.001.08"), Terms(messages=messages))
    assert not judgement.good
    assert judgement.header is None
    assert list(judgement.payments) == []
    assert {f.code for f in judgement.findings} <= {"MSG_UNEXPECTED", "NO_PAYMENTS"}


def test_one_that_comes_in_from_a_bank_changes_nothing() -> None:
    found = reading_of(reading(sample("pain.008.001.08"), strict=False))
    assert [f.code for f in found.findings] == ["OUTBOUND_MESSAGE_CAME_IN"]
    assert (found.message, list(found.records)) == ("pain.008.001.08", [])
