"""Judge: everything that is wrong with a payment file, without a gateway and without a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from h2h.model import Batch, Finding, Judgement, Payment, PaymentFile, Record, Severity
from h2h.rules import Terms, blank_identifications, payment_file_findings

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
    header: PaymentFile | None = None
    batches: list[Batch] = []
    payments: list[Payment] = []
    findings: list[Finding] = []
    for item in items:
        match item:
            case Finding():
                findings.append(item)
            case PaymentFile():
                header = item
            case Batch():
                batches.append(item)
            case Payment():
                payments.append(item)
    if header is not None and not any(_cut_short(f) for f in findings):
        valid = all(f.severity is not Severity.ERROR for f in findings)
        blank = blank_identifications(header, batches, payments) if valid else ()
        findings += _at_most(MAX_RULE_FINDINGS, chain(payment_file_findings(header, batches, payments, terms), blank))
    if header is None and not findings:
        text = "The file holds no payment message; only pain.001 files go out."
        findings.append(Finding(code="NO_PAYMENTS", severity=Severity.ERROR, text=text))
    return Judgement(header=header, batches=batches, payments=payments, findings=findings)


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
