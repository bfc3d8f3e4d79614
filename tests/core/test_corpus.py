"""Real files from the field against an oracle that read them by other means: every file, every figure of it.

What the schema has against a file changes none of its figures, and no file is without an outcome: which findings it has
follows from what the oracle knows of it. The corpus lies beside the checkout and is not part of the project; without it
these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import pytest

from h2h.messages import Catalog, read
from h2h.model import (
    Balance,
    Batch,
    BatchStatus,
    Entry,
    EntryDetail,
    FileMember,
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
    total,
)
from h2h.pages import CLOSING, OPENING, balance, booked_of

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT.parent / "shared" / "corpus"
CATALOG = Catalog.load(PROJECT / "schemas")

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus does not lie beside the checkout")

Row = dict[str, Any]
T = TypeVar("T")


def _rows() -> list[Row]:
    oracle = CORPUS / "oracle.jsonl"
    return [json.loads(line) for line in oracle.read_text().splitlines()] if oracle.is_file() else []


ROWS = _rows()
WITH_FIGURES = [row for row in ROWS if row.get("message")]
NAMESPACES = {row.namespace for row in CATALOG.rows}
FAMILIES = {"pain001": "pain.001", "pain002": "pain.002", "camt052": "camt.052", "camt053": "camt.053"} | {
    "camt054": "camt.054", "other": "pain.001"
}  # fmt: skip
TOLD = {"MSG_ENVELOPE", "MSG_HEADER", "MSG_SUPPLEMENTARY"}  # what is beside the message, or in it for others
NOT_XML = {row["file"] for row in ROWS if row["wellformed"] is False}
MESSAGE = re.compile(r"[a-z]{4}\.\d{3}\.\d{3}\.\d{2}")


def _files(*kinds: str) -> pytest.MarkDecorator:
    rows = [row for row in WITH_FIGURES if row["kind"] in kinds]
    return pytest.mark.parametrize("row", rows, ids=lambda row: row["file"])


def _read(file: str) -> tuple[list[Record], list[Finding]]:
    with (CORPUS / file).open("rb") as source:
        items = list(read(source, CATALOG, strict=False))
    findings = [item for item in items if isinstance(item, Finding)]
    return [item for item in items if not isinstance(item, Finding)], findings


def _of(kind: type[T], records: Iterable[object]) -> list[T]:
    return [record for record in records if isinstance(record, kind)]


def _number(text: str | None) -> Decimal | None:
    """None also for what is no number: nothing is made of it."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _name(row: Row) -> str:
    """The message that the namespace names, else the family of the root element."""
    family, said = FAMILIES[row["kind"]], MESSAGE.search(row["namespace"] or "")
    return said[0] if said and said[0].startswith(family) else family


def _sums(payments: Iterable[Payment]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for payment in payments:
        if payment.amount is not None:
            sums[str(payment.currency)] = sums.get(str(payment.currency), Decimal(0)) + payment.amount
    return sums


@_files("pain001", "other")
def test_a_pain_001_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (head,) = _of(PaymentFile, records)
    payments = _of(Payment, records)
    assert head == PaymentFile(
        message=_name(row),
        message_id=row["msg_id"],
        created_at=row["cre_dt_tm"],
        number_of_transactions=row["nb_of_txs"],
        control_sum=_number(row["ctrl_sum"]),
        initiating_party=row["initiator"],
        line=head.line,
    )
    assert (len(_of(Batch, records)), len(payments)) == (row["n_pmtinf"], row["n_tx"])
    assert sum(payment.amount is None for payment in payments) == row["n_bad_amounts"]
    assert _sums(payments) == {currency: Decimal(total) for currency, total in row["sum_by_ccy"].items()}
    assert sum(_sums(payments).values()) == Decimal(row["sum"])
    assert [_batch_figures(batch, payments) for batch in _of(Batch, records)] == [
        _oracle_batch(batch) for batch in row["pmtinf"]
    ]
    ids = Counter(payment.end_to_end_id for payment in payments)
    assert sorted(str(name) for name, count in ids.items() if count > 1) == sorted(row["dup_end_to_end"])
    assert _adds_up(records) == {key: row[key] for key in ("nb_of_txs_ok", "ctrl_sum_ok")} | {
        key: row[key] for key in ("pmtinf_nb_ok", "pmtinf_sum_ok")
    }


def _adds_up(records: list[Record]) -> Row:
    """Whether what is said of the payments fits them; None where nothing is said."""
    (head,), batches, payments = _of(PaymentFile, records), _of(Batch, records), _of(Payment, records)
    number, control_sum = head.number_of_transactions, head.control_sum
    own = {batch.position: [p for p in payments if p.batch == batch.position] for batch in batches}
    return {
        "nb_of_txs_ok": None if number is None else number.isdigit() and int(number) == len(payments),
        "ctrl_sum_ok": None if control_sum is None else control_sum == total(p.amount for p in payments),
        "pmtinf_nb_ok": all(batch.number_of_transactions in (None, str(len(own[batch.position]))) for batch in batches),
        "pmtinf_sum_ok": all(
            batch.control_sum in (None, total(p.amount for p in own[batch.position])) for batch in batches
        ),
    }


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
    payments = [{**payment, "amt": _number(payment["amt"])} for payment in batch["tx"]]
    return {**batch, "ctrl_sum": _number(batch["ctrl_sum"]), "sum": Decimal(batch["sum"]), "tx": payments}


@_files("pain002")
def test_a_pain_002_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (report,) = _of(StatusReport, records)
    batches, statuses = _of(BatchStatus, records), _of(PaymentStatus, records)
    assert (report.message, report.message_id) == (_name(row), row["msg_id"])
    assert report.created_at == row["cre_dt_tm"]
    assert (report.original_message_id, report.original_message) == (row["orgnl_msg_id"], row["orgnl_msg_nm_id"])
    assert report.original_number_of_transactions == row["orgnl_nb_of_txs"]
    assert (report.original_control_sum, report.status) == (_number(row["orgnl_ctrl_sum"]), row["group_status"])
    _same_reasons(report.reasons, row["group_reasons"])
    assert (len(batches), len(statuses)) == (row["n_pmtinf"], row["n_tx"])
    assert [[each.status, each.number, each.sum] for each in report.counts] == [
        [*each[:2], _number(each[2])] for each in row["group_per_status"]
    ]
    reasons = [reason for each in statuses for reason in each.reasons]
    reasons += [reason for each in batches for reason in each.reasons]
    assert (
        Counter(reason.code or reason.proprietary or "(none)" for reason in (*report.reasons, *reasons))
        == row["reason_codes"]
    )
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


@_files("camt052", "camt053", "camt054")
def test_a_camt_message_says_what_the_oracle_says(row: Row) -> None:
    records, _ = _read(row["file"])
    (head,) = _of(StatementFile, records)
    statements, entries = _of(Statement, records), _of(Entry, records)
    assert (head.message_id, head.created_at) == (row["msg_id"], row["cre_dt_tm"])
    last = {"true": True, "1": True, "false": False, "0": False, None: None}[row["last_page"]]
    assert (head.page_number, head.last_page) == (row["page"], last)
    assert (head.message, len(statements), len(entries)) == (_name(row), row["n_statements"], row["n_entries"])
    assert sum(len(entry.details) for entry in entries) == row["n_txdtls"]
    assert [statement.statement_id for statement in statements] == row["statement_ids"]
    assert [name for statement in statements if (name := statement.iban or statement.account)] == row["ibans"]
    for statement, wanted in zip(statements, row["statements"], strict=True):
        own = [entry for entry in entries if entry.statement == statement.position]
        assert _statement_figures(statement) == {key: wanted[key] for key in _statement_figures(statement)}
        assert [_balance_figures(each) for each in statement.balances] == [
            _oracle_balance(each) for each in wanted["balances"]
        ]
        _same_course(statement, own, wanted)
        assert _entry_sums(own) == _oracle_sums(wanted["sums"])
        assert _entry_sums([entry for entry in own if entry.status == "BOOK"]) == _oracle_sums(wanted["sums_booked"])
        assert Counter(str(entry.status) for entry in own) == wanted["statuses"]
        assert sum(entry.amount is None for entry in own) == wanted["n_bad_amounts"]
        assert sum(bool(entry.reversal) for entry in own) == wanted["n_reversals"]
        assert (statement.totals.number if statement.totals else None) == wanted["txs_summary_entries"]
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


def _balance_figures(balance: Balance | None) -> tuple[object, ...] | None:
    if balance is None:
        return None
    said = (balance.type, balance.subtype, balance.amount, balance.currency, balance.direction)
    return (*said, balance.signed, balance.date)


def _oracle_balance(balance: Row | None) -> tuple[object, ...] | None:
    if balance is None:
        return None
    said = (balance["type"], balance["subtype"], Decimal(balance["amt"]), balance["ccy"], balance["ind"])
    return (*said, _number(balance["signed"]), balance["date"])


def _same_course(statement: Statement, entries: list[Entry], wanted: Row) -> None:
    """From which balance to which, and by how much what is booked does not lead from the one to the other."""
    opening, closing = balance(statement, OPENING), balance(statement, CLOSING)
    assert _balance_figures(opening) == _oracle_balance(wanted["opening"])
    assert _balance_figures(closing) == _oracle_balance(wanted["closing"])
    if wanted["balance_check"] == "n/a":
        return
    assert opening
    assert closing
    _, _, off = wanted["balance_check"].partition("mismatch:")
    booked = booked_of(statement, entries).own
    assert total((opening.signed, booked, Decimal(off or 0))) == closing.signed


def _entry_sums(entries: list[Entry]) -> Row:
    sums: Row = {}
    for entry in entries:
        if entry.amount is None:
            continue
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
    assert (entry.amount, entry.currency, entry.direction) == (_number(row["amt"]), row["ccy"], row["ind"])
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
    elif detail.instructed_amount is not None and detail.instructed_currency == entry.currency:
        assert (detail.amount, detail.currency) == (detail.instructed_amount, entry.currency)
    else:
        assert (detail.amount, detail.currency) == ((entry.amount, entry.currency) if only else (None, None))


@pytest.mark.parametrize("row", WITH_FIGURES, ids=lambda row: row["file"])
def test_what_is_found_follows_from_the_namespace_and_the_schema(row: Row) -> None:
    """Nothing but a value that is none is an ERROR: what is read is applied, whatever the schema has against it."""
    _, findings = _read(row["file"])
    codes = {finding.code for finding in findings}
    errors = {finding.code for finding in findings if finding.severity is Severity.ERROR}
    assert errors <= ({"VALUE_UNREADABLE"} if _bad_amounts(row) else set())
    assert ("MSG_ENVELOPE" in codes) == (row["root"] != "Document")
    codes -= TOLD
    if row["namespace"] not in NAMESPACES:
        assert codes == {"MSG_UNKNOWN"}
    elif row["xsd_valid"]:
        assert codes == set()
    else:
        assert codes
        assert {code for code in codes if not code.startswith("XSD_")} <= {"VALUE_UNREADABLE"}


def _bad_amounts(row: Row) -> int:
    own: int = row.get("n_bad_amounts", 0)
    return own + sum(statement["n_bad_amounts"] for statement in row.get("statements", ()))


@_files("pain001", "other")
def test_of_what_is_sent_only_the_valid_document_of_a_known_message_is_without_fault(row: Row) -> None:
    with (CORPUS / row["file"]).open("rb") as source:
        items = list(read(source, CATALOG, strict=True))
    errors = {item.code for item in items if isinstance(item, Finding) and item.severity is Severity.ERROR}
    clean = row["xsd_valid"] and row["namespace"] in NAMESPACES and row["root"] == "Document"
    assert errors - {"MSG_SUPPLEMENTARY"} == set() if clean else errors


@pytest.mark.parametrize("file", sorted(NOT_XML))
def test_what_is_no_xml_is_one_error_with_its_place(file: str) -> None:
    records, (finding,) = _read(file)
    assert not records
    assert (finding.code, finding.severity) == ("XML_NOT_WELL_FORMED", Severity.ERROR)
    assert finding.line


@pytest.mark.parametrize("row", [row for row in ROWS if "zip_members" in row], ids=lambda row: row["file"])
def test_every_member_of_an_archive_is_read(row: Row) -> None:
    records, findings = _read(row["file"])
    assert sorted(member.name for member in _of(FileMember, records)) == sorted(row["zip_members"])
    kinds = [type(record) for record in records]
    for start in (at for at, kind in enumerate(kinds) if kind is FileMember):
        assert kinds[start + 1 : start + 4] == [StatementFile, Statement, Entry]
    assert Severity.ERROR not in {finding.severity for finding in findings}


def test_there_is_an_outcome_for_every_file() -> None:
    """Of what lies in the corpus, the oracle knows all, and each test above has its share of it."""
    files = {
        path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*") if path.parent != CORPUS and path.is_file()
    }
    packed = {row["file"] for row in ROWS if "zip_members" in row}
    assert files == {row["file"] for row in WITH_FIGURES} | NOT_XML | packed
