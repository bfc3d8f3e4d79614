"""Judge: everything that is wrong with a payment file, without a gateway and without a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from h2h import direct_debits, rules
from h2h.model import (
    Batch,
    DirectDebit,
    DirectDebitBatch,
    DirectDebitFile,
    DirectDebits,
    Finding,
    Judgement,
    Payment,
    PaymentFile,
    Record,
    Severity,
)
from h2h.rules import Terms

UNFINISHED = frozenset(
    {
        "XML_NOT_WELL_FORMED", "XML_LIMIT", "XML_TRUNCATED", "XML_ENCODING", "MSG_SEVERAL", "FINDINGS_CUT",
        "READER_LIMIT", "READER_DIED",
    }
)  # fmt: skip
MAX_RULE_FINDINGS = 500
ANY = Terms()


def judge(items: Iterable[Record | Finding], terms: Terms = ANY) -> Judgement:
    """What a strict reader made of the file comes first; then the business rules on what could be read."""
    records: list[Record] = []
    findings: list[Finding] = []
    for item in items:
        (findings if isinstance(item, Finding) else records).append(item)  # type: ignore[arg-type]
    judgement = _of(records, findings)
    if not any(_cut_short(f) for f in findings):
        valid = all(f.severity is not Severity.ERROR for f in findings)
        findings += _at_most(MAX_RULE_FINDINGS, _by_rules(judgement, terms, valid=valid))
    orders = judgement.header or (terms.messages is None and judgement.direct_debits)
    if not orders and judgement.good:
        text = "The file holds no payment message; only pain.001 files go out."
        findings.append(Finding(code="NO_PAYMENTS", severity=Severity.ERROR, text=text))
    return judgement


def _of(records: Sequence[Record], findings: list[Finding]) -> Judgement:
    header = next((r for r in records if isinstance(r, PaymentFile)), None)
    collecting = next((r for r in records if isinstance(r, DirectDebitFile)), None)
    return Judgement(
        header=header,
        batches=[r for r in records if isinstance(r, Batch)],
        payments=[r for r in records if isinstance(r, Payment)],
        findings=findings,
        direct_debits=_direct_debits(collecting, records) if collecting else None,
    )


def _direct_debits(header: DirectDebitFile, records: Sequence[Record]) -> DirectDebits:
    return DirectDebits(
        header=header,
        batches=[r for r in records if isinstance(r, DirectDebitBatch)],
        transactions=[r for r in records if isinstance(r, DirectDebit)],
    )


def _by_rules(of: Judgement, terms: Terms, *, valid: bool) -> Iterator[Finding]:
    if of.header is not None:
        yield from rules.payment_file_findings(of.header, of.batches, of.payments, terms)
        if valid:
            yield from rules.blank_identifications(of.header, of.batches, of.payments)
    if of.direct_debits is not None:
        yield from direct_debits.direct_debit_findings(of.direct_debits, terms)
        if valid:
            yield from direct_debits.blank_identifications(of.direct_debits)


def _at_most(count: int, found: Iterable[Finding]) -> Iterator[Finding]:
    """The first of them, and one that stands for the rest and is as bad as the worst of it."""
    rest = iter(found)
    yield from islice(rest, count)
    if left := {finding.severity for finding in rest}:
        worst = next(severity for severity in Severity if severity in left)
        text = f"The rules find more than {count} faults; what is listed is enough to begin with."
        yield Finding(code="FINDINGS_CUT", severity=worst, text=text)


def _cut_short(finding: Finding) -> bool:
    """Faults after which counts and sums of what was read mean nothing."""
    return finding.severity is Severity.ERROR and finding.code in UNFINISHED
