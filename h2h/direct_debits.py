"""Business rules on direct debits (pain.008): as rules.py has them for payments, with the sides changed.

A file is judged here, never sent: whether a collection came before is nobody's work yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from h2h import checks, glances
from h2h.model import DirectDebit, DirectDebitBatch, DirectDebitFile, Finding
from h2h.one_pass import Bunch, OnePass, Rule
from h2h.references import Aside
from h2h.rules import Terms, header_findings


class DirectDebitRules(OnePass[DirectDebitFile, DirectDebitBatch, DirectDebit]):
    """Everything that the business rules find in one pain.008."""

    file, name = "/Document/CstmrDrctDbtInitn", "DrctDbtTxInf"

    def __init__(self, terms: Terms, aside: Aside | None = None) -> None:
        super().__init__(aside)
        self._terms = terms

    def header_findings(self, header: DirectDebitFile, path: str) -> Iterator[Finding]:
        yield from header_findings(header, path, self._terms)

    def group_findings(self, group: DirectDebitBatch, path: str) -> Iterator[Finding]:
        yield from _batch(group, path, self._terms)

    def rules(self) -> Sequence[Rule[DirectDebit]]:
        return (Rule(_amount, _amounts_clear), Rule(_debtor, _debtors_clear), Rule(_references, _references_clear))


def _batch(batch: DirectDebitBatch, path: str, terms: Terms) -> Iterator[Finding]:
    yield from checks.accounts(batch.creditor_iban, "CdtrAcct", batch.creditor_agent, "CdtrAgt", path, batch.line)
    yield from checks.identification(batch.payment_information_id, f"{path}/PmtInfId", batch.line)
    yield from checks.identification(batch.creditor_account, f"{path}/CdtrAcct/Id/Othr/Id", batch.line)
    yield from checks.name(batch.creditor_name, f"{path}/Cdtr/Nm", batch.line)
    if found := checks.unusual(batch.requested_collection_date, terms.execution_days, terms.today):
        text = f"The money is to be collected on {found}. Make sure that the date is right and the file no old one."
        place, severity = f"{path}/ReqdColltnDt", terms.unusual_dates
        yield Finding(code="EXECUTION_DATE_UNUSUAL", severity=severity, text=text, path=place, line=batch.line)


def _amount(each: DirectDebit, path: str) -> Iterator[Finding]:
    place, line = f"{path}/InstdAmt", each.line
    yield from checks.positive(each.amount, place, line)
    yield from checks.currency(each.currency, place, line)
    yield from checks.decimals(each.amount, each.currency, place, line)


def _debtor(each: DirectDebit, path: str) -> Iterator[Finding]:
    yield from checks.accounts(each.debtor_iban, "DbtrAcct", each.debtor_agent, "DbtrAgt", path, each.line)


def _references(each: DirectDebit, path: str) -> Iterator[Finding]:
    line = each.line
    yield from checks.identification(each.end_to_end_id, f"{path}/PmtId/EndToEndId", line)
    yield from checks.identification(each.instruction_id, f"{path}/PmtId/InstrId", line)
    yield from checks.identification(each.mandate_id, f"{path}/DrctDbtTx/MndtRltdInf/MndtId", line)
    yield from checks.identification(each.debtor_account, f"{path}/DbtrAcct/Id/Othr/Id", line)
    yield from checks.name(each.debtor_name, f"{path}/Dbtr/Nm", line)


def _amounts_clear(bunch: Bunch[DirectDebit]) -> bool:
    return glances.amounts_clear(bunch.amounts, bunch.sum, set(bunch.column("currency")))


def _debtors_clear(bunch: Bunch[DirectDebit]) -> bool:
    agents = set(bunch.column("debtor_agent"))
    return glances.bics_clear(agents) and glances.ibans_clear(bunch.column("debtor_iban"))


def _references_clear(bunch: Bunch[DirectDebit]) -> bool:
    return glances.texts_clear(
        bunch.column("end_to_end_id"),
        bunch.column("instruction_id"),
        bunch.column("mandate_id"),
        bunch.column("debtor_account"),
        bunch.column("debtor_name"),
    )
