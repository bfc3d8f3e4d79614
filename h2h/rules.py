"""Business rules on payment files and statements: pure functions from records to findings.

The schema has had its say before; here is what it cannot see. Each rule is one small function; every finding names
its code (table `CODES`), path and line. All findings come, not the first. What depends on the folder that a file was
dropped into, and on the day, comes in as `Terms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from h2h import addresses, bank_rules, checks, glances
from h2h.approval import Rule as ApprovalRule
from h2h.bank_rules import Asking
from h2h.columns import TOGETHER, Columns, code_of
from h2h.looked import Looked
from h2h.model import (
    Batch,
    DirectDebitFile,
    Finding,
    Payment,
    PaymentFile,
    Severity,
    Statement,
    total,
)
from h2h.one_pass import Bunch, OnePass, Rule, none_is_blank
from h2h.pages import as_number
from h2h.references import Aside, hashed
from h2h.text import shown

CODES = {
    "TEST_FILE": "a file marked as one for test, in production",
    "NOT_A_TEST_FILE": "a file that is not marked as one for test, in a folder for test files",
    "COUNT_MISMATCH": "NbOfTxs says another number of payments than there are",
    "SUM_MISMATCH": "CtrlSum says another total than the amounts add up to",
    "AMOUNT_NOT_POSITIVE": "an amount is zero or negative",
    "AMOUNT_DECIMALS": "an amount has more decimals than its currency",
    "CURRENCY_UNKNOWN": "a currency is not on the ISO 4217 active list",
    "IBAN_INVALID": "an IBAN has a wrong country, length, structure or check digits",
    "BIC_INVALID": "a BIC is not of the right shape",
    "ACCOUNT_FOREIGN": "a file debits an account that is not one of its folder's",
    "EXECUTION_DATE_UNUSUAL": "an execution or collection date is long over, or far away",
    "CREATION_DATE_UNUSUAL": "a file says that it was made long ago, or in the future",
    "ID_BLANK": "an identification is made of blanks",
    "ID_UNSEEN": "a character that nobody sees, in an identification",
    "NAME_UNSEEN": "a character that nobody sees, or that changes how others are shown, in a name",
    "END_TO_END_ID_REPEATED": "several payments of a file share an EndToEndId",
    "NO_PAYMENTS": "a file or batch holds no payment",
    "STATEMENT_SUM": "opening balance and booked entries do not come to the closing balance",
    **addresses.CODES,
    **bank_rules.CODES,
}

FILE = "/Document/CstmrCdtTrfInitn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the folder asks of a file, and the day in the bank's zone. Days are counted from it: (-10, 90).

    None: any message, any account, any address; without `today` no date is unusual. `upgrade`: as which message a
    pain.001.001.03 goes to the bank. `test_files`: how the name or message id of a test file
    looks; `called`: the name of this one.
    """

    messages: Sequence[str] | None = None
    accounts: Sequence[str] | None = None
    supplementary_data: Sequence[str] = ()
    today: date | None = None
    execution_days: tuple[int, int] = (-10, 90)
    creation_days: tuple[int, int] = (-30, 1)
    unusual_dates: Severity = Severity.WARNING
    addresses: Severity | None = Severity.WARNING
    upgrade: str | None = None
    upgrade_uetr: bool = False
    approvals: Sequence[ApprovalRule] = ()
    test_files: str | None = None
    production: bool = False
    called: str = ""
    asking: Asking = bank_rules.NOTHING
    max_payments: int | None = None
    max_batches: int | None = None
    profile: str | None = None

    @property
    def taken_once(self) -> Terms:
        """Of a file that was taken over by the terms of its day: whatever it would meet now says nothing any more."""
        said = {name: getattr(self, name) for name in ("supplementary_data", "upgrade", "upgrade_uetr", "profile")}
        return Terms(**said, addresses=None, approvals=self.approvals)


def limit_findings(payments: int, batches: int, terms: Terms) -> Iterator[Finding]:
    """What the bank has against the size of a file that holds so many."""
    most, name = terms.max_payments, f"{FILE}/GrpHdr/NbOfTxs"
    if most is not None and payments > most:
        text = f"The file holds {payments} payments, and the bank takes {most} in one. Split it."
        yield checks.breach("TOO_MANY_PAYMENTS", text, name, None)
    if terms.max_batches is not None and batches > terms.max_batches:
        text = f"The file holds {batches} batches, and the bank takes {terms.max_batches} in one. Split it."
        yield checks.breach("TOO_MANY_BATCHES", text, f"{FILE}/PmtInf[{terms.max_batches + 1}]", None)


class PaymentRules(OnePass[PaymentFile, Batch, Payment]):
    """Everything that the business rules find in one pain.001."""

    file, name = FILE, "CdtTrfTxInf"

    def __init__(self, terms: Terms, aside: Aside | None = None) -> None:
        super().__init__(aside)
        self._terms = terms
        self._addresses = addresses.Faults()

    def header_findings(self, header: PaymentFile, path: str) -> Iterator[Finding]:
        yield from header_findings(header, path, self._terms)

    def group_findings(self, group: Batch, path: str) -> Iterator[Finding]:
        yield from _batch(group, path, self._terms)

    def group(self, group: Batch) -> None:
        super().group(group)
        self._addresses.look(group.addresses, f"{FILE}/PmtInf[{group.position}]")

    def rules(self) -> Sequence[Rule[Payment]]:
        return (
            Rule(_amount, _amounts_clear),
            Rule(_creditor, _creditors_clear),
            Rule(_references, _references_clear),
            Rule(self._look_at, _addresses_clear),
        )

    def _look_at(self, payment: Payment, path: str) -> Iterator[Finding]:
        """Addresses are told of at the end, each of them once."""
        self._addresses.look(payment.addresses, path)
        return iter(())

    def further_findings(self) -> Iterator[Finding]:
        if self._terms.addresses is not None:
            yield from self._addresses.findings(self._terms.addresses)


def header_findings(header: PaymentFile | DirectDebitFile, path: str, terms: Terms) -> Iterator[Finding]:
    """What a GrpHdr at this path says, but for its totals."""
    yield from checks.identification(header.message_id, f"{path}/MsgId", header.line)
    yield from _marked(header, path, terms)
    yield from checks.name(header.initiating_party, f"{path}/InitgPty/Nm", header.line)
    if found := checks.unusual(header.created_at, terms.creation_days, terms.today):
        text = f"The file says that it was made on {found}. Make sure that it is the right one and not an old one."
        code, severity = "CREATION_DATE_UNUSUAL", terms.unusual_dates
        yield Finding(code=code, severity=severity, text=text, path=f"{path}/CreDtTm", line=header.line)


def _marked(header: PaymentFile | DirectDebitFile, path: str, terms: Terms) -> Iterator[Finding]:
    """Refused, not held: no word of a person makes it right, but the other environment's folder does."""
    if terms.test_files is None:
        return
    marked = any(fnmatchcase(name, terms.test_files) for name in (terms.called, header.message_id or ""))
    if marked == terms.production:
        code, what, there = (
            ("TEST_FILE", "is marked as one for test", "test")
            if marked
            else ("NOT_A_TEST_FILE", "is not marked as one for test", "production")
        )
        text = f"The file {what} ({terms.test_files}). If it is right, drop it into the folder of {there}."
        yield Finding(code=code, severity=Severity.ERROR, text=text, path=f"{path}/MsgId", line=header.line)


def _batch(batch: Batch, path: str, terms: Terms) -> Iterator[Finding]:
    yield from checks.accounts(batch.debtor_iban, "DbtrAcct", batch.debtor_agent, "DbtrAgt", path, batch.line)
    yield from checks.identification(batch.payment_information_id, f"{path}/PmtInfId", batch.line)
    yield from checks.identification(batch.debtor_account, f"{path}/DbtrAcct/Id/Othr/Id", batch.line)
    yield from checks.name(batch.debtor_name, f"{path}/Dbtr/Nm", batch.line)
    if found := checks.unusual(batch.requested_execution_date, terms.execution_days, terms.today):
        text = f"The payments are to be executed on {found}. Make sure that the date is right and the file no old one."
        place, severity = f"{path}/ReqdExctnDt", terms.unusual_dates
        yield Finding(code="EXECUTION_DATE_UNUSUAL", severity=severity, text=text, path=place, line=batch.line)
    if terms.accounts is not None:
        yield from _own_account(batch.debtor_iban or batch.debtor_account, f"{path}/DbtrAcct", batch.line, terms)
        if batch.charges_account is not None:
            yield from _own_account(batch.charges_account, f"{path}/ChrgsAcct", batch.line, terms)


def _own_account(account: str | None, path: str, line: int | None, terms: Terms) -> Iterator[Finding]:
    if account not in (terms.accounts or ()):
        said = f"The account {shown(account)}" if account else "An account without a number"
        text = f"{said} is debited, which is not among the accounts of this folder. Drop the file where it belongs."
        yield checks.breach("ACCOUNT_FOREIGN", text, path, line)


def _amount(payment: Payment, path: str) -> Iterator[Finding]:
    place, line = f"{path}/Amt", payment.line
    yield from checks.positive(payment.amount, place, line)
    yield from checks.currency(payment.currency, place, line)
    yield from checks.currency(payment.transfer_currency, place, line)
    yield from checks.decimals(payment.amount, payment.currency, place, line)


def _creditor(payment: Payment, path: str) -> Iterator[Finding]:
    yield from checks.accounts(payment.creditor_iban, "CdtrAcct", payment.creditor_agent, "CdtrAgt", path, payment.line)


def _references(payment: Payment, path: str) -> Iterator[Finding]:
    yield from checks.identification(payment.end_to_end_id, f"{path}/PmtId/EndToEndId", payment.line)
    yield from checks.identification(payment.instruction_id, f"{path}/PmtId/InstrId", payment.line)
    yield from checks.identification(payment.creditor_account, f"{path}/CdtrAcct/Id/Othr/Id", payment.line)
    yield from checks.name(payment.creditor_name, f"{path}/Cdtr/Nm", payment.line)


# At a glance: whether these rules find nothing in a bunch of payments.


def _amounts_clear(bunch: Bunch[Payment]) -> bool:
    currencies = set(bunch.column("currency"))
    converted = set(bunch.column("transfer_currency")) != {None}
    return not converted and glances.amounts_clear(bunch.amounts, bunch.sum, currencies)


def _creditors_clear(bunch: Bunch[Payment]) -> bool:
    agents = set(bunch.column("creditor_agent"))
    return glances.bics_clear(agents) and glances.ibans_clear(bunch.column("creditor_iban"))


def _references_clear(bunch: Bunch[Payment]) -> bool:
    return glances.texts_clear(
        bunch.column("end_to_end_id"),
        bunch.column("instruction_id"),
        bunch.column("creditor_account"),
        bunch.column("creditor_name"),
    )


def _addresses_clear(bunch: Bunch[Payment]) -> bool:
    return addresses.all_fit(bunch.column("addresses"))


CLEAR = (none_is_blank, _amounts_clear, _creditors_clear, _references_clear, _addresses_clear)


# The same where payments are read by another process.


def looking(items: Iterable[Any]) -> Iterator[Any]:
    """What a reader tells, with payments as Looked."""
    waiting: list[Payment] = []
    for item in items:
        if type(item) is Payment and (not waiting or waiting[0].batch == item.batch) and len(waiting) < TOGETHER:
            waiting.append(item)
            continue
        if waiting:
            yield looked(Columns.of(waiting))
            waiting = []
        if type(item) is Payment:
            waiting.append(item)
        elif isinstance(item, Columns) and item.kind is Payment:
            yield from [looked(item)] if len({*item.column("batch")}) == 1 else looking(item)
        else:
            yield item
    if waiting:
        yield looked(Columns.of(waiting))


def looked(payments: Columns[Payment]) -> Looked:
    """Of one batch."""
    bunch = Bunch(payments)
    [batch] = {*payments.column("batch")}
    return Looked(
        written=code_of(Payment).encode(payments),
        many=len(payments),
        batch=batch,
        amount=bunch.sum,
        references=hashed(payments.column("end_to_end_id")),
        clear=all(clears(bunch) for clears in CLEAR),
    )


# Statements.


def balances_add_up(statement: Statement, came_to: Decimal | None) -> tuple[bool | None, Finding | None]:
    """Whether opening balance and booked entries come to the closing one; None where that cannot be said.

    `came_to`: the entries' sum, None where one of them has no amount or direction.
    """
    opening = _balance(statement, "OPBD", "PRCD")
    closing = _balance(statement, "CLBD")
    if opening is None or closing is None or came_to is None or statement.last_page is False:
        return None, None
    reached = total((opening, came_to))
    if reached == closing:
        return True, None
    if as_number(statement.page_number) not in (None, 1):  # of all pages together, perhaps
        return None, None
    text = (
        f"Statement {shown(statement.statement_id or '')} opens at {opening} and its booked entries come to {came_to}, "
        f"which makes {reached}, but it closes at {closing}. Entries may be missing; ask the bank."
    )
    return False, Finding(code="STATEMENT_SUM", severity=Severity.WARNING, text=text, line=statement.line)


def _balance(statement: Statement, *kinds: str) -> Decimal | None:
    """The signed balance of the first of the kinds that the statement has."""
    return next((b.signed for kind in kinds for b in statement.balances if b.type == kind), None)
