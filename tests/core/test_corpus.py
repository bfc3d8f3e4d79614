"""Real files from the field against an oracle that read them by other means.

The corpus lies beside the checkout and is not part of the project; without it these tests are skipped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

from h2h.messages import Catalog, read
from h2h.model import (
    Batch,
    BatchStatus,
    Entry,
    EntryDetail,
    Finding,
    Payment,
    PaymentFile,
    PaymentStatus,
    Reason,
    Record,
    Severity,
    Statement,
    StatementFile,
    StatusReport,
)

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT.parent / "shared" / "corpus"
CATALOG = Catalog.load(PROJECT / "schemas")
KNOWN = {row.namespace for row in CATALOG.rows}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus does not lie beside the checkout")

Row = dict[str, Any]
T = TypeVar("T")


def _rows() -> list[Row]:
    oracle = CORPUS / "oracle.jsonl"
    return [json.loads(line) for line in oracle.read_text().splitlines()] if oracle.is_file() else []


ROWS = _rows()
VALID = [row for row in ROWS if row.get("xsd_valid") and row.get("namespace") in KNOWN]


def _read(file: str) -> tuple[list[Record], list[Finding]]:
    with (CORPUS / file).open("rb") as source:
        items = list(read(source, CATALOG, strict=False))
    findings = [item for item in items if isinstance(item, Finding)]
    return [item for item in items if not isinstance(item, Finding)], findings


def _of(kind: type[T], records: Iterable[object]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _sums(payments: Iterable[Payment]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for payment in payments:
        assert payment.amount is not None
        sums[str(payment.currency)] = sums.get(str(payment.currency), Decimal(0)) + payment.amount
    return sums


@pytest.mark.parametrize("row", [row for row in VALID if row["kind"] == "pain001"], ids=lambda row: row["file"])
def test_a_valid_pain_001_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (head,) = _of(PaymentFile, records)
    payments = _of(Payment, records)
    assert head == PaymentFile(
        message=row["namespace"].rpartition(":")[2],
        message_id=row["msg_id"],
        created_at=row["cre_dt_tm"],
        number_of_transactions=row["nb_of_txs"],
        control_sum=_number(row["ctrl_sum"]),
        initiating_party=row["initiator"],
        line=head.line,
    )
    assert len(payments) == row["n_tx"]
    assert _sums(payments) == {currency: Decimal(total) for currency, total in row["sum_by_ccy"].items()}
    assert sum(_sums(payments).values()) == Decimal(row["sum"])
    assert [_batch_figures(batch, payments) for batch in _of(Batch, records)] == [
        _oracle_batch(batch) for batch in row["pmtinf"]
    ]
    ids = Counter(payment.end_to_end_id for payment in payments)
    assert sorted(str(name) for name, count in ids.items() if count > 1) == sorted(row["dup_end_to_end"])


def _batch_figures(batch: Batch, payments: list[Payment]) -> Row:
    own = [payment for payment in payments if payment.batch == batch.position]
    assert {payment.payment_information_id for payment in own} <= {batch.payment_information_id}
    assert {payment.execution_date for payment in own} <= {batch.requested_execution_date}
    return {
        "id": batch.payment_information_id,
        "method": batch.payment_method,
        "nb_of_txs": batch.number_of_transactions,
        "ctrl_sum": batch.control_sum,
        "reqd_exctn_dt": batch.requested_execution_date,
        "debtor": batch.debtor_name,
        "debtor_iban": batch.debtor_iban,
        "debtor_other": batch.debtor_account,
        "n_tx": len(own),
        "sum": sum(payment.amount or 0 for payment in own),
        "tx": [
            {
                "instr_id": payment.instruction_id,
                "end_to_end_id": payment.end_to_end_id,
                "uetr": payment.uetr,
                "amt": payment.amount,
                "ccy": payment.currency,
                "equivalent": payment.equivalent,
                "creditor": payment.creditor_name,
                "creditor_iban": payment.creditor_iban,
                "creditor_bic": payment.creditor_agent,
            }
            for payment in own
        ],
    }


def _oracle_batch(batch: Row) -> Row:
    payments = [{**payment, "amt": Decimal(payment["amt"])} for payment in batch["tx"]]
    return {**batch, "ctrl_sum": _number(batch["ctrl_sum"]), "sum": Decimal(batch["sum"]), "tx": payments}


@pytest.mark.parametrize("row", [row for row in VALID if row["kind"] == "pain002"], ids=lambda row: row["file"])
def test_a_valid_pain_002_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (report,) = _of(StatusReport, records)
    batches, statuses = _of(BatchStatus, records), _of(PaymentStatus, records)
    assert (report.message, report.message_id) == (row["namespace"].rpartition(":")[2], row["msg_id"])
    assert report.created_at == row["cre_dt_tm"]
    assert (report.original_message_id, report.original_message) == (row["orgnl_msg_id"], row["orgnl_msg_nm_id"])
    assert report.original_number_of_transactions == row["orgnl_nb_of_txs"]
    assert (report.original_control_sum, report.status) == (_number(row["orgnl_ctrl_sum"]), row["group_status"])
    _same_reasons(report.reasons, row["group_reasons"])
    assert len(statuses) == row["n_tx"]
    assert Counter(str(batch.status) for batch in batches) == row["pmtinf_status_counts"]
    assert Counter(str(status.status) for status in statuses) == row["tx_status_counts"]
    for batch, wanted in zip(batches, row["pmtinf"], strict=True):
        assert batch.payment_information_id == wanted["pmt_inf_id"]
        assert (batch.status, batch.number_of_transactions) == (wanted["status"], wanted["nb_of_txs"])
        assert batch.control_sum == _number(wanted["ctrl_sum"])
        _same_reasons(batch.reasons, wanted["reasons"])
        _same_statuses([each for each in statuses if each.batch == batch.position], wanted["tx"])
    _same_statuses([each for each in statuses if each.batch == 0], row["loose_tx"])


def _same_statuses(statuses: list[PaymentStatus], wanted: list[Row]) -> None:
    for status, row in zip(statuses, wanted, strict=True):
        assert (status.status_id, status.instruction_id) == (row["sts_id"], row["instr_id"])
        assert (status.end_to_end_id, status.uetr) == (row["end_to_end_id"], row["uetr"])
        assert (status.status, status.currency) == (row["status"], row["ccy"])
        assert status.amount == _number(row["amt"])
        _same_reasons(status.reasons, row["reasons"])


def _same_reasons(reasons: tuple[Reason, ...], wanted: list[Row]) -> None:
    for reason, row in zip(reasons, wanted, strict=True):
        assert (reason.code, reason.proprietary) == (row["code"], row["prtry"])
        assert _letters(reason.text or "") == _letters("".join(row["info"]))


def _letters(text: str) -> str:
    """Whatever the pieces of a text are joined with, its letters are all there, in order."""
    return "".join(text.split())


@pytest.mark.parametrize("row", [row for row in VALID if row["kind"] == "camt053"], ids=lambda row: row["file"])
def test_a_valid_camt_053_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (head,) = _of(StatementFile, records)
    statements, entries = _of(Statement, records), _of(Entry, records)
    assert (head.message_id, head.created_at) == (row["msg_id"], row["cre_dt_tm"])
    last = {"true": True, "1": True, "false": False, "0": False, None: None}[row["last_page"]]
    assert (head.page_number, head.last_page) == (row["page"], last)
    assert len(entries) == row["n_entries"]
    assert sum(len(entry.details) for entry in entries) == row["n_txdtls"]
    for statement, wanted in zip(statements, row["statements"], strict=True):
        own = [entry for entry in entries if entry.statement == statement.position]
        assert _statement_figures(statement) == {key: wanted[key] for key in _statement_figures(statement)}
        assert [_balance_figures(statement, at) for at in range(len(statement.balances))] == [
            (each["type"], Decimal(each["amt"]), each["ccy"], each["ind"], _number(each["signed"]), each["date"])
            for each in wanted["balances"]
        ]
        assert _entry_sums(own) == _oracle_sums(wanted["sums"])
        assert Counter(str(entry.status) for entry in own) == wanted["statuses"]
        for entry, figures in zip(own, wanted["entries"], strict=True):
            _same_entry(entry, figures)


def _statement_figures(statement: Statement) -> Row:
    return {
        "id": statement.statement_id,
        "seq": statement.electronic_sequence_number,
        "lgl_seq": statement.legal_sequence_number,
        "cre_dt_tm": statement.created_at,
        "frm": statement.period_from,
        "to": statement.period_to,
        "iban": statement.iban,
        "other_id": statement.account,
        "acct_ccy": statement.currency,
        "owner": statement.owner,
    }


def _balance_figures(statement: Statement, at: int) -> tuple[object, ...]:
    balance = statement.balances[at]
    return balance.type, balance.amount, balance.currency, balance.direction, balance.signed, balance.date


def _entry_sums(entries: list[Entry]) -> Row:
    sums: Row = {}
    for entry in entries:
        own = sums.setdefault(entry.currency, {"credit": Decimal(0), "debit": Decimal(0), "n_credit": 0, "n_debit": 0})
        assert entry.signed is not None
        side = "credit" if entry.direction == "CRDT" else "debit"
        own[side] += abs(entry.signed)
        own[f"n_{side}"] += 1
    return sums


def _oracle_sums(sums: Row) -> Row:
    return {
        currency: {
            "credit": Decimal(own["credit"]),
            "debit": Decimal(own["debit"]),
            "n_credit": own["n_credit"],
            "n_debit": own["n_debit"],
        }
        for currency, own in sums.items()
    }


def _same_entry(entry: Entry, row: Row) -> None:
    assert (entry.amount, entry.currency, entry.direction) == (Decimal(row["amt"]), row["ccy"], row["ind"])
    assert (bool(entry.reversal), entry.status) == (row["reversal"], row["status"])
    assert (entry.booking_date, entry.value_date) == (row["booking"], row["value"])
    assert (entry.reference, entry.account_servicer_reference) == (row["ntry_ref"], row["acct_svcr_ref"])
    assert (entry.transaction_code, entry.proprietary_code) == (row["bank_tx_code"], row["prtry_code"])
    assert entry.additional_information == row["addtl_info"]
    assert entry.batch_number_of_transactions == row["batch_nb"]
    for detail, wanted in zip(entry.details, row["tx"], strict=True):
        _same_detail(entry, detail, wanted)


def _same_detail(entry: Entry, detail: EntryDetail, row: Row) -> None:
    assert (detail.end_to_end_id, detail.instruction_id) == (row["end_to_end_id"], row["instr_id"])
    assert (detail.transaction_id, detail.uetr) == (row["tx_id"], row["uetr"])
    assert (detail.payment_information_id, detail.message_id) == (row["pmt_inf_id"], row["msg_id"])
    assert (detail.debtor_name, detail.creditor_name) == (row["debtor"], row["creditor"])
    for account, iban in ((detail.debtor_account, "debtor_iban"), (detail.creditor_account, "creditor_iban")):
        assert row[iban] is None or account == row[iban]
    assert list(detail.remittance) == row["ustrd"]
    assert list(detail.structured) == row["cdtr_ref"]
    reason = detail.return_reason
    assert ([reason.code or reason.proprietary] if reason else []) == row["return_reason"]
    # What the only transaction does not say is said by the entry, where no batch says that there are more.
    only = len(entry.details) == 1 and entry.batch_number_of_transactions in (None, "1")
    assert detail.direction == (row["ind"] or (entry.direction if only else None))
    if row["amt"] is not None:
        assert (detail.amount, detail.currency) == (Decimal(row["amt"]), row["ccy"])
    else:
        assert (detail.amount, detail.currency) == ((entry.amount, entry.currency) if only else (None, None))


@pytest.mark.parametrize("row", VALID, ids=lambda row: row["file"])
def test_a_valid_file_has_no_finding_but_its_envelope(row: Row) -> None:
    _, findings = _read(row["file"])
    assert {finding.code for finding in findings} <= {"MSG_ENVELOPE", "MSG_SUPPLEMENTARY", "MSG_HEADER"}


@pytest.mark.parametrize("row", [row for row in ROWS if row not in VALID], ids=lambda row: row["file"])
def test_every_other_file_is_read_without_an_exception_and_has_findings(row: Row) -> None:
    records, findings = _read(row["file"])
    assert findings
    if not records:
        assert Severity.ERROR in {finding.severity for finding in findings}
