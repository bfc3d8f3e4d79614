"""Business rules on direct debits (pain.008): as rules.py has them for payments, with the sides changed.

A file is judged here, never sent: whether a collection came before is nobody's work yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from h2h import checks
from h2h.model import DirectDebit, DirectDebitBatch, DirectDebits, Finding
from h2h.rules import Terms, header_findings

FILE = "/Document/CstmrDrctDbtInitn"
GROUP = f"{FILE}/GrpHdr"


def direct_debit_findings(file: DirectDebits, terms: Terms) -> Iterator[Finding]:
    """Everything that the business rules find in one pain.008."""
    header, members = file.header, defaultdict[int, list[DirectDebit]](list)
    for each in file.transactions:
        members[each.batch].append(each)
    amounts = [each.amount for each in file.transactions]
    yield from checks.totals(header.number_of_transactions, header.control_sum, amounts, GROUP, header.line)
    yield from header_findings(header, GROUP, terms)
    for batch in file.batches:
        path = f"{FILE}/PmtInf[{batch.position}]"
        amounts = [each.amount for each in members[batch.position]]
        yield from checks.totals(batch.number_of_transactions, batch.control_sum, amounts, path, batch.line)
        yield from _batch(batch, path, terms)
        for index, each in enumerate(members[batch.position], start=1):
            yield from _transaction(each, f"{path}/DrctDbtTxInf[{index}]")
    yield from checks.repeated(
        checks.Referred(each.end_to_end_id, each.position, _end_to_end(each), each.line) for each in file.transactions
    )


def blank_identifications(file: DirectDebits) -> Iterator[Finding]:
    """Of a file that its schema takes."""
    yield from checks.blank([(file.header.message_id, f"{GROUP}/MsgId", file.header.line)])
    yield from checks.blank(
        (batch.payment_information_id, f"{FILE}/PmtInf[{batch.position}]/PmtInfId", batch.line)
        for batch in file.batches
    )
    yield from checks.blank((each.end_to_end_id, _end_to_end(each), each.line) for each in file.transactions)


def _end_to_end(each: DirectDebit) -> str:
    return f"{FILE}/PmtInf[{each.batch}]/DrctDbtTxInf/PmtId/EndToEndId"


def _batch(batch: DirectDebitBatch, path: str, terms: Terms) -> Iterator[Finding]:
    yield from checks.accounts(batch.creditor_iban, "CdtrAcct", batch.creditor_agent, "CdtrAgt", path, batch.line)
    yield from checks.identification(batch.payment_information_id, f"{path}/PmtInfId", batch.line)
    yield from checks.identification(batch.creditor_account, f"{path}/CdtrAcct/Id/Othr/Id", batch.line)
    yield from checks.name(batch.creditor_name, f"{path}/Cdtr/Nm", batch.line)
    if found := checks.unusual(batch.requested_collection_date, terms.execution_days, terms.today):
        text = f"The money is to be collected on {found}. Make sure that the date is right and the file no old one."
        place, severity = f"{path}/ReqdColltnDt", terms.unusual_dates
        yield Finding(code="EXECUTION_DATE_UNUSUAL", severity=severity, text=text, path=place, line=batch.line)


def _transaction(each: DirectDebit, path: str) -> Iterator[Finding]:
    amount, line = f"{path}/InstdAmt", each.line
    yield from checks.positive(each.amount, amount, line)
    yield from checks.currency(each.currency, amount, line)
    yield from checks.decimals(each.amount, each.currency, amount, line)
    yield from checks.accounts(each.debtor_iban, "DbtrAcct", each.debtor_agent, "DbtrAgt", path, line)
    yield from checks.identification(each.end_to_end_id, f"{path}/PmtId/EndToEndId", line)
    yield from checks.identification(each.instruction_id, f"{path}/PmtId/InstrId", line)
    yield from checks.identification(each.mandate_id, f"{path}/DrctDbtTx/MndtRltdInf/MndtId", line)
    yield from checks.identification(each.debtor_account, f"{path}/DbtrAcct/Id/Othr/Id", line)
    yield from checks.name(each.debtor_name, f"{path}/Dbtr/Nm", line)
