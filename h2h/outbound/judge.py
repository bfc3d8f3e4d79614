"""Judge: everything that is wrong with a payment file, without a gateway and without a trace."""

from __future__ import annotations

from collections.abc import Iterable

from h2h.model import Batch, Finding, Judgement, Payment, PaymentFile, Record, Severity
from h2h.rules import payment_file_findings

UNFINISHED = frozenset(
    {
        "XML_NOT_WELL_FORMED", "XML_TRUNCATED", "XML_ENCODING", "MSG_SEVERAL", "FINDINGS_CUT",
        "READER_LIMIT", "READER_DIED",
    }
)  # fmt: skip


def judge(items: Iterable[Record | Finding]) -> Judgement:
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
        findings += payment_file_findings(header, batches, payments)
    if header is None and not findings:
        text = "The file holds no payment message; only pain.001 files go out."
        findings.append(Finding(code="NO_PAYMENTS", severity=Severity.ERROR, text=text))
    return Judgement(header=header, batches=batches, payments=payments, findings=findings)


def _cut_short(finding: Finding) -> bool:
    """Faults after which counts and sums of what was read mean nothing."""
    return finding.severity is Severity.ERROR and finding.code in UNFINISHED
