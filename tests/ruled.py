"""What the business rules find in records that are at hand."""

from __future__ import annotations

from collections.abc import Sequence

from h2h.model import Batch, Finding, Payment, PaymentFile
from h2h.rules import PaymentRules, Terms


def payment_file_findings(
    header: PaymentFile, batches: Sequence[Batch], payments: Sequence[Payment], terms: Terms, *, valid: bool = False
) -> list[Finding]:
    """`valid`: its schema takes the file."""
    rules = PaymentRules(terms)
    for batch in batches:
        rules.group(batch)
        for payment in payments:
            if payment.batch == batch.position:
                rules.order(payment)
    return [*rules.findings(header, payments, valid=valid)]
