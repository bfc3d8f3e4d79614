"""Damaged and odd files by the thousand: each ends with a known outcome, none with an exception, none out of bounds.

What goes out is judged and put into a real ledger; what comes in is read and applied there. H2H_LONG=1 tries 100,000.
A case is told by its seed: `damage("camt.053.001.08", 4711)`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from h2h import rules
from h2h.arrivals import reading_of
from h2h.checks import bic_fault, iban_fault
from h2h.inbound import records_as_lines
from h2h.ledger import Ledger
from h2h.ledger import findings as ledger_findings
from h2h.ledger.leases import Planned
from h2h.ledger.messages import MessageState
from h2h.ledger.rows import Received, Transfer
from h2h.lifecycle import Route, State
from h2h.messages import CODES as READING_CODES
from h2h.messages import Catalog, packing, read
from h2h.model import (
    Batch,
    Finding,
    InboundId,
    Judgement,
    Payment,
    PaymentFile,
    RemoteFile,
    Severity,
    TransferId,
    Way,
    total,
)
from h2h.outbound.judge import judge
from h2h.rules import Terms
from tests import alone
from tests.ruled import payment_file_findings

from .mutations import damaged, generated

PROJECT = Path(__file__).resolve().parents[2]
CATALOG = Catalog.load(PROJECT / "schemas")
OUT = ["pain.001.001.03", "pain.001.001.09"]  # of each structure the versions that differ most
IN = ["pain.002.001.03", "pain.002.001.10", "camt.053.001.02", "camt.053.001.08"]
SAMPLES = {name: (PROJECT / "samples" / "good" / f"{name}.xml").read_bytes() for name in (*OUT, *IN)}
CODES = {**READING_CODES, **packing.CODES}
LONG = bool(os.environ.get("H2H_LONG"))
CASES = int(os.environ.get("H2H_FUZZ_CASES", "0")) or (20_000 if LONG else 30)
FIRST_SEED = int(os.environ.get("H2H_FUZZ_SEED", "0"))
CASES_OF_A_LEDGER = 1_000
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LEASE = timedelta(minutes=2)
ROUTE = Route(way=Way.RENAME, server="sftp://corp@bank:22")
TERMS = Terms(
    today=date(2026, 11, 17), unusual_dates=Severity.HOLD, supplementary_data=["urn:known"],
    accounts=["DE89370400440532013000", "DE02120300000000202051", "CH9300762011623852957"],
)  # fmt: skip
ALL_CODES = {**CODES, **rules.CODES, **ledger_findings.CODES} | {"INTERNAL": ""}
MOST_FINDINGS = 1_001 + 501
JUDGED = (State.INVALID, State.DUPLICATE, State.HELD, State.READY)
PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
SCHEMAS = {row.namespace: etree.XMLSchema(file=str(row.file)) for row in CATALOG.rows}


def damage(name: str, seed: int) -> bytes:
    """The damaged file of this seed; every fifth is made of a generated one."""
    random = Random(f"{name}/{seed}")
    good = generated(random, name) if name in OUT and seed % 5 == 0 else SAMPLES[name]
    return damaged(good, random, list(SAMPLES.values()))


def seeds(name: str) -> Iterator[tuple[int, bytes]]:
    for seed in range(FIRST_SEED, FIRST_SEED + CASES):
        yield seed, damage(name, seed)


# What must hold of every file.


def in_bounds(findings: list[Finding] | tuple[Finding, ...]) -> None:
    assert len(findings) <= MOST_FINDINGS
    for finding in findings:
        assert finding.code in ALL_CODES
        assert finding.text
        assert len(finding.text) <= 1_000
        assert len(finding.path) <= 500
        assert finding.text.isprintable()
        assert finding.path.isprintable()


def judged(content: bytes, terms: Terms = TERMS) -> Judgement:
    taken = terms.supplementary_data
    items = read(io.BytesIO(content), CATALOG, strict=True, expected=terms.messages, supplementary=taken)
    judgement = judge(items, terms)
    in_bounds(tuple(judgement.findings))
    assert "INTERNAL" not in {f.code for f in judgement.findings}
    if judgement.good:
        is_what_judge_says(content, judgement)
    return judgement


def is_what_judge_says(content: bytes, judgement: Judgement) -> None:
    """A file that is judged good, looked at by other means: the whole tree, and a parser of another house."""
    assert judgement.header is not None
    document = etree.fromstring(content, PARSER)
    space = etree.QName(document).namespace or ""
    assert SCHEMAS[space].validate(document), SCHEMAS[space].error_log
    assert [e for e in document.iter(etree.Comment, etree.ProcessingInstruction) if _inside_a_value(e)] == []
    assert b"<![CDATA[" not in content
    other = ElementTree.fromstring(content)
    paid = [
        (amount.text or "", amount.get("Ccy"))
        for each in other.iter(f"{{{space}}}CdtTrfTxInf")
        for amount in each.findall(f"{{{space}}}Amt//*[@Ccy]")
    ]
    assert [(Fraction(text), ccy) for text, ccy in paid] == [
        (Fraction(p.amount or 0), p.currency) for p in judgement.payments
    ]
    assert all(text.replace(".", "", 1).isdigit() and text.isascii() for text, _ in paid)
    whole = sum((Fraction(text) for text, _ in paid), Fraction())
    header = other.find(f"{{{space}}}CstmrCdtTrfInitn/{{{space}}}GrpHdr")
    assert header is not None
    said = {child.tag.rpartition("}")[2]: child.text or "" for child in header}
    assert int(said["NbOfTxs"]) == len(paid)
    assert "CtrlSum" not in said or Fraction(said["CtrlSum"]) == whole
    assert Fraction(total(p.amount for p in judgement.payments)) == whole
    assert judgement.header.message_id == said["MsgId"].strip(" \t\r\n") != ""


def _inside_a_value(piece: etree._Element) -> bool:
    parent = piece.getparent()
    if parent is None or any(isinstance(each.tag, str) for each in parent):
        return False
    return bool("".join(parent.itertext(etree.Element)).strip() or (parent.text or piece.tail or "").strip())


class Book:
    """A ledger that has sent the good samples, which reports and statements then speak of."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger("sqlite:///h2h.db", folder)
        self.number = 0
        for name in OUT:
            transfer = self.take(SAMPLES[name], judged(SAMPLES[name], Terms()))
            assert transfer.state is State.READY
            leased = alone.lease(
                self.ledger.transfers,
                transfer,
                "n/1",
                lambda row, n, names: Planned(temporary=f"/in/.{row.id}", remote=f"/in/{row.id}"),
                ROUTE,
                NOW,
                LEASE,
            )
            assert leased
            published = alone.publishing(self.ledger.transfers, leased, NOW)
            self.ledger.transfers.sent(published, {"answer": "OK"}, NOW)

    def take(self, content: bytes, judgement: Judgement) -> Transfer:
        self.number += 1
        new = Received(
            id=TransferId(f"T{self.number}"), bank="box", watch="/out", name="run.xml",
            sha256=hashlib.sha256(content).hexdigest(), size=len(content),
        )  # fmt: skip
        alone.received(self.ledger.transfers, new, NOW)
        transfer = alone.judged(self.ledger.transfers, new.id, judgement, NOW)
        assert transfer.state in JUDGED
        assert judgement.good or transfer.state is State.INVALID
        return transfer

    def apply(self, content: bytes) -> MessageState:
        """As the receiver does it: keep, read, apply, and hand over as lines."""
        self.number += 1
        file = RemoteFile(folder="/out", name=f"{self.number}.xml", size=len(content), modified=self.number)
        sha256 = hashlib.sha256(f"{self.number}".encode() + content).hexdigest()
        message = self.ledger.messages.kept(InboundId(f"M{self.number}"), "box", file, sha256, NOW)
        reading = reading_of(read(io.BytesIO(content), CATALOG, strict=False, expected=IN))
        in_bounds(list(reading.findings))
        applied = self.ledger.messages.applied(message.id, reading, NOW)
        told = self.ledger.views.history(message.id).findings
        in_bounds(told)
        assert applied.state in (MessageState.APPLIED, MessageState.UNREADABLE)
        assert applied.state is MessageState.APPLIED or told
        assert all(json.loads(line)["record"] for line in records_as_lines(message.id, reading.records))
        return applied.state

    def close(self) -> None:
        assert self.ledger.journal.verify().fault is None
        self.ledger.close()


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", OUT)
def test_a_damaged_payment_file_is_judged_and_what_is_good_is_good(name: str, tmp_path: Path) -> None:
    outcomes: dict[State, int] = {}
    for seed, content in seeds(name):
        if seed % CASES_OF_A_LEDGER == 0 or seed == FIRST_SEED:
            book = Book(tmp_path / str(seed))
        try:
            state = book.take(content, judged(content)).state
        except Exception as error:
            raise AssertionError(f'damage("{name}", {seed}) fails: {error!r}') from error
        outcomes[state] = outcomes.get(state, 0) + 1
        if seed % CASES_OF_A_LEDGER == CASES_OF_A_LEDGER - 1:
            book.close()
    print(name, outcomes)
    assert outcomes[State.INVALID] > CASES / 3
    assert sum(outcomes.values()) - outcomes[State.INVALID] > CASES / 50


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [*IN, OUT[0]])
def test_a_damaged_file_of_the_bank_is_read_and_applied(name: str, tmp_path: Path) -> None:
    outcomes: dict[MessageState, int] = {}
    for seed, content in seeds(name):
        if seed % CASES_OF_A_LEDGER == 0 or seed == FIRST_SEED:
            book = Book(tmp_path / str(seed))
        try:
            state = book.apply(content)
        except Exception as error:
            raise AssertionError(f'damage("{name}", {seed}) fails: {error!r}') from error
        outcomes[state] = outcomes.get(state, 0) + 1
        if seed % CASES_OF_A_LEDGER == CASES_OF_A_LEDGER - 1:
            book.close()
    print(name, outcomes)
    assert outcomes[MessageState.UNREADABLE] > CASES / 20
    assert (name in OUT) is (MessageState.APPLIED not in outcomes)


@pytest.mark.parametrize("name", OUT)
def test_a_generated_file_is_good_and_its_sums_are_told_to_the_last_digit(name: str) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + CASES):
        content = generated(Random(f"good/{name}/{seed}"), name)
        judgement = judged(content)
        assert judgement.findings == [], (seed, judgement.findings)


@pytest.mark.parametrize("name", [*OUT, *IN])
def test_lxml_xmlschema_and_we_agree_on_damaged_files(name: str) -> None:
    """Known: libxml2 takes no blank before a date or decimal; xmlschema takes any blank of Unicode around one."""
    row = CATALOG.by_name(name)
    assert row
    model = CATALOG.model(row)
    assert model
    for seed in range(FIRST_SEED, FIRST_SEED + CASES // 4):
        content = damage(name, seed)
        found = [f for f in read(io.BytesIO(content), CATALOG, strict=True) if isinstance(f, Finding)]
        try:
            document = etree.fromstring(content, PARSER)
        except (etree.LxmlError, ValueError):
            assert found, seed
            continue
        if etree.QName(document).namespace != row.namespace:
            assert found, seed
            continue
        etree.strip_tags(document, etree.Comment, etree.ProcessingInstruction)  # to xmlschema they are children
        valid = SCHEMAS[row.namespace].validate(document)
        assert valid or found, seed
        by_model = _valid_by(model, document)
        assert by_model == valid or (by_model and _blanks_around_a_number(document)), seed


def _valid_by(model: xmlschema.XMLSchema, document: etree._Element) -> bool:
    try:
        return model.is_valid(document)
    except Exception:  # an xsi:type that nobody declared, a year of 20 digits
        return False


def _blanks_around_a_number(document: etree._Element) -> bool:
    texts = (each.text or "" for each in document.iter("{*}*") if not len(each))
    return any(text != text.strip() and text.strip().strip("+-.")[:1].isdigit() for text in texts)


# The rules alone: any text, shrunk by hypothesis.

FEW = settings(max_examples=3_000 if LONG else 100, deadline=None, derandomize=not LONG, print_blob=True)
ANY = st.one_of(
    st.none(), st.text(max_size=60), st.from_regex(r"-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}([TZ+-].*)?", fullmatch=True)
)
AMOUNTS = st.one_of(
    st.none(), st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=30)
)


@FEW
@given(st.text(max_size=40))
def test_any_text_is_an_iban_and_a_bic_or_not(text: str) -> None:
    for fault in (iban_fault(text), bic_fault(text)):
        assert fault is None or fault


@FEW
@given(
    created=ANY, value=ANY, name=ANY, amount=AMOUNTS, currency=ANY, control=AMOUNTS,
    day=st.dates(), span=st.tuples(st.integers(-100_000, 0), st.integers(0, 100_000)),
)  # fmt: skip
def test_any_record_gives_findings_in_bounds(created, value, name, amount, currency, control, day, span) -> None:
    header = PaymentFile(
        message="pain.001.001.09", message_id=value, created_at=created, number_of_transactions=value,
        control_sum=control, initiating_party=name,
    )  # fmt: skip
    batch = Batch(
        position=1, payment_information_id=value, requested_execution_date=created, debtor_name=name, debtor_iban=value,
        debtor_agent=value, number_of_transactions=created,
    )  # fmt: skip
    payment = Payment(
        position=1, batch=1, payment_information_id=value, instruction_id=name, end_to_end_id=value, uetr=name,
        amount=amount, currency=currency, creditor_name=name, creditor_iban=value, creditor_agent=name,
        creditor_account=created, transfer_currency=value,
    )  # fmt: skip
    terms = Terms(today=day, execution_days=span, creation_days=span, accounts=["4711"])
    in_bounds(payment_file_findings(header, [batch], [payment, payment], terms, valid=True))


# What was found so, and is mended: the file of this name with these changes.

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
REGRESSIONS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a type that nobody declared": ("pain.001.001.09", [("<GrpHdr>", f'<GrpHdr {XSI} xsi:type="2026">')]),
    "a year of 20 digits": ("pain.001.001.09", [("<Dt>2026-11-18", "<Dt>99999999999999999999-01-01")]),
    "a count of 5,000 digits": ("pain.001.001.03", [("<NbOfTxs>7", f"<NbOfTxs>{'9' * 5_000}")]),
    "an envelope with a prefix that is bound to nothing": (
        "pain.002.001.03",
        [("<Document", "<p:E><Document"), ("</Document>", "</Document></p:E>")],
    ),
    "an envelope in a namespace that is taken": (
        "camt.053.001.08",
        [("<Document", f"<xsi:E {XSI}><Document"), ("</Document>", "</Document></xsi:E>")],
    ),
}


@pytest.mark.parametrize("case", REGRESSIONS)
def test_what_once_failed_ends_with_findings(case: str, tmp_path: Path) -> None:
    name, changes = REGRESSIONS[case]
    text = SAMPLES[name].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    book = Book(tmp_path)
    judgement = judged(text.encode())
    assert not judgement.good
    book.take(text.encode(), judgement)
    book.apply(text.encode())
    book.close()


def test_nothing_of_a_file_that_passes_a_limit_is_applied(tmp_path: Path) -> None:
    """Half a statement would keep the whole one out."""
    book = Book(tmp_path)
    text = SAMPLES["camt.053.001.08"].decode()
    last = text.rindex("<AddtlNtryInf>") if "<AddtlNtryInf>" in text else text.rindex("<Ntry>")
    assert book.apply(f"{text[:last]}<!--{'x' * 100_100}-->{text[last:]}".encode()) is MessageState.UNREADABLE
    assert book.apply(text.encode()) is MessageState.APPLIED
    book.close()
