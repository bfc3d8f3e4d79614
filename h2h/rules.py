"""Business rules on payment files and statements: pure functions from records to findings.

The schema has had its say before; here is what it cannot see. Each rule is one small function; every finding names
its code (table `CODES`), path and line. All findings come, not the first. What depends on the folder that a file was
dropped into, and on the day, comes in as `Terms`.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from h2h import addresses
from h2h.currencies import DECIMALS
from h2h.model import Address, Batch, Entry, Finding, Payment, PaymentFile, Severity, Statement, total
from h2h.pages import as_number
from h2h.text import character, shown, unseen

CODES = {
    "COUNT_MISMATCH": "NbOfTxs says another number of payments than there are",
    "SUM_MISMATCH": "CtrlSum says another total than the amounts add up to",
    "AMOUNT_NOT_POSITIVE": "an amount is zero or negative",
    "AMOUNT_DECIMALS": "an amount has more decimals than its currency",
    "CURRENCY_UNKNOWN": "a currency is not on the ISO 4217 active list",
    "IBAN_INVALID": "an IBAN has a wrong country, length, structure or check digits",
    "BIC_INVALID": "a BIC is not of the right shape",
    "ACCOUNT_FOREIGN": "a file debits an account that is not one of its folder's",
    "EXECUTION_DATE_UNUSUAL": "an execution date is long over, or far away",
    "CREATION_DATE_UNUSUAL": "a file says that it was made long ago, or in the future",
    "ID_BLANK": "an identification is made of blanks",
    "ID_UNSEEN": "a character that nobody sees, in an identification",
    "NAME_UNSEEN": "a character that nobody sees, or that changes how others are shown, in a name",
    "END_TO_END_ID_REPEATED": "several payments of a file share an EndToEndId",
    "NO_PAYMENTS": "a file or batch holds no payment",
    "STATEMENT_SUM": "opening balance and booked entries do not come to the closing balance",
    **addresses.CODES,
}

FILE = "/Document/CstmrCdtTrfInitn"
GROUP = f"{FILE}/GrpHdr"
UNREFERENCED = frozenset({"NOTPROVIDED"})
_DAY = re.compile(r"(-?[0-9]{4,9}-[0-9]{2}-[0-9]{2})(?:T.*|Z|[+-][0-9]{2}:[0-9]{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the folder asks of a file, and the day in the bank's zone. Days are counted from it: (-10, 90).

    None: any message, any account, any address; without `today` no date is unusual.
    """

    messages: Sequence[str] | None = None
    accounts: Sequence[str] | None = None
    supplementary_data: Sequence[str] = ()
    today: date | None = None
    execution_days: tuple[int, int] = (-10, 90)
    creation_days: tuple[int, int] = (-30, 1)
    unusual_dates: Severity = Severity.WARNING
    addresses: Severity | None = Severity.WARNING


def payment_file_findings(
    header: PaymentFile, batches: Sequence[Batch], payments: Sequence[Payment], terms: Terms
) -> Iterator[Finding]:
    """Everything that the business rules find in one pain.001."""
    members: defaultdict[int, list[Payment]] = defaultdict(list)
    for payment in payments:
        members[payment.batch].append(payment)
    yield from _totals(header.number_of_transactions, header.control_sum, payments, GROUP, header.line)
    yield from _header(header, terms)
    for batch in batches:
        path = f"{FILE}/PmtInf[{batch.position}]"
        inside = members[batch.position]
        yield from _totals(batch.number_of_transactions, batch.control_sum, inside, path, batch.line)
        yield from _accounts(batch.debtor_iban, "DbtrAcct", batch.debtor_agent, "DbtrAgt", path, batch.line)
        yield from _batch(batch, path, terms)
        for index, payment in enumerate(inside, start=1):
            yield from _payment(payment, f"{path}/CdtTrfTxInf[{index}]")
    yield from _repeated_references(payments)
    if terms.addresses is not None:
        yield from addresses.address_findings(_addresses(batches, members), terms.addresses)


def _addresses(batches: Sequence[Batch], members: Mapping[int, Sequence[Payment]]) -> Iterator[tuple[str, Address]]:
    """Every address, with the path of what it stands in."""
    for batch in batches:
        path = f"{FILE}/PmtInf[{batch.position}]"
        yield from ((path, address) for address in batch.addresses)
        for index, payment in enumerate(members[batch.position], start=1):
            for address in payment.addresses:
                yield f"{path}/CdtTrfTxInf[{index}]", address


def _error(code: str, text: str, path: str, line: int | None) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text, path=path, line=line)


def _totals(
    claimed: str | None, control_sum: Decimal | None, payments: Sequence[Payment], path: str, line: int | None
) -> Iterator[Finding]:
    if not payments:
        yield _error("NO_PAYMENTS", "There is no payment in here; leave the part out, or fill it.", path, line)
    stated = claimed if claimed is not None and claimed.isascii() and claimed.isdigit() else None
    if stated is not None and (stated.lstrip("0") or "0") != str(len(payments)):  # not int(): it takes 4,300 digits
        text = f"NbOfTxs says {stated[:20]}, but {len(payments)} payments are there; the file may be cut or changed."
        yield _error("COUNT_MISMATCH", text, f"{path}/NbOfTxs", line)
    amounts = total(p.amount for p in payments)
    if control_sum is not None and control_sum != amounts:
        text = f"CtrlSum says {control_sum}, but the amounts add up to {amounts}; the file may be cut or changed."
        yield _error("SUM_MISMATCH", text, f"{path}/CtrlSum", line)


def _header(header: PaymentFile, terms: Terms) -> Iterator[Finding]:
    yield from _identification(header.message_id, f"{GROUP}/MsgId", header.line)
    yield from _name(header.initiating_party, f"{GROUP}/InitgPty/Nm", header.line)
    if found := _unusual(header.created_at, terms.creation_days, terms):
        text = f"The file says that it was made on {found}. Make sure that it is the right one and not an old one."
        path = f"{GROUP}/CreDtTm"
        severity = terms.unusual_dates
        yield Finding(code="CREATION_DATE_UNUSUAL", severity=severity, text=text, path=path, line=header.line)


def _batch(batch: Batch, path: str, terms: Terms) -> Iterator[Finding]:
    yield from _identification(batch.payment_information_id, f"{path}/PmtInfId", batch.line)
    yield from _identification(batch.debtor_account, f"{path}/DbtrAcct/Id/Othr/Id", batch.line)
    yield from _name(batch.debtor_name, f"{path}/Dbtr/Nm", batch.line)
    if found := _unusual(batch.requested_execution_date, terms.execution_days, terms):
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
        yield _error("ACCOUNT_FOREIGN", text, path, line)


def _unusual(stated: str | None, span: tuple[int, int], terms: Terms) -> str | None:
    """The date in words, where it lies outside of the span of days around today."""
    found = _DAY.fullmatch(stated) if stated and terms.today else None
    if found is None or terms.today is None:  # what is no date is the schema's affair
        return None
    try:
        days = (date.fromisoformat(found[1]) - terms.today).days
    except ValueError:  # a year before 1 or after 9999
        return f"{found[1]}, nowhere near today"
    if span[0] <= days <= span[1]:
        return None
    away = f"{-days} days ago" if days < 0 else f"in {days} days"
    return f"{found[1]}, {away}; usual here is from {span[0]:+} to {span[1]:+} days"


def blank_identifications(
    header: PaymentFile, batches: Sequence[Batch], payments: Sequence[Payment]
) -> Iterator[Finding]:
    """Of a file that its schema takes: references are there, but the schema is content with blanks."""
    text = "There is nothing in it but blanks. Give it a value."
    if header.message_id is None:
        yield _error("ID_BLANK", text, f"{GROUP}/MsgId", header.line)
    for batch in batches:
        if batch.payment_information_id is None:
            yield _error("ID_BLANK", text, f"{FILE}/PmtInf[{batch.position}]/PmtInfId", batch.line)
    for payment in payments:
        if payment.end_to_end_id is None:
            path = f"{FILE}/PmtInf[{payment.batch}]/CdtTrfTxInf/PmtId/EndToEndId"
            yield _error("ID_BLANK", text, path, payment.line)


def _identification(value: str | None, path: str, line: int | None) -> Iterator[Finding]:
    """A reference by which bank and ledger tell files and payments apart: what cannot be seen makes two look alike."""
    if value is not None and (char := unseen(value) or next((c for c in value if not c.isprintable()), None)):
        text = f"{shown(value)} holds {character(char)}, which cannot be seen. Take it out."
        yield _error("ID_UNSEEN", text, path, line)


def _name(value: str | None, path: str, line: int | None) -> Iterator[Finding]:
    if char := unseen(value or ""):
        text = f"{shown(value or '')} holds {character(char)}, by which a name can look like another. Look at it well."
        yield Finding(code="NAME_UNSEEN", severity=Severity.HOLD, text=text, path=path, line=line)


def _payment(payment: Payment, path: str) -> Iterator[Finding]:
    for rule in PAYMENT_RULES:
        yield from rule(payment, path)


def _amount_positive(payment: Payment, path: str) -> Iterator[Finding]:
    if payment.amount is not None and payment.amount <= 0:
        text = f"The amount is {payment.amount}; it has to be above zero."
        yield _error("AMOUNT_NOT_POSITIVE", text, f"{path}/Amt", payment.line)


def _currency(payment: Payment, path: str) -> Iterator[Finding]:
    for code in (payment.currency, payment.transfer_currency):
        if code is not None and code not in DECIMALS:
            text = f"{shown(code)} is not an active ISO 4217 currency."
            yield _error("CURRENCY_UNKNOWN", text, f"{path}/Amt", payment.line)
    decimals = DECIMALS.get(payment.currency or "")
    if decimals is None:
        return
    if payment.amount is not None and _decimals(payment.amount) > decimals:
        text = f"{payment.amount} has too many decimals: {payment.currency} has {decimals or 'none'}."
        yield _error("AMOUNT_DECIMALS", text, f"{path}/Amt", payment.line)


def _decimals(amount: Decimal) -> int:
    """Decimal places that carry value; trailing zeros do not."""
    return len(f"{amount:f}".partition(".")[2].rstrip("0"))


def _creditor(payment: Payment, path: str) -> Iterator[Finding]:
    yield from _accounts(payment.creditor_iban, "CdtrAcct", payment.creditor_agent, "CdtrAgt", path, payment.line)


def _references(payment: Payment, path: str) -> Iterator[Finding]:
    yield from _identification(payment.end_to_end_id, f"{path}/PmtId/EndToEndId", payment.line)
    yield from _identification(payment.instruction_id, f"{path}/PmtId/InstrId", payment.line)
    account = f"{path}/CdtrAcct/Id/Othr/Id"
    yield from _identification(payment.creditor_account, account, payment.line)
    yield from _name(payment.creditor_name, f"{path}/Cdtr/Nm", payment.line)


def _accounts(
    iban: str | None, account: str, bic: str | None, agent: str, path: str, line: int | None
) -> Iterator[Finding]:
    if iban is not None and (wrong := iban_fault(iban)):
        yield _error("IBAN_INVALID", f"{shown(iban)} is not a valid IBAN: {wrong}.", f"{path}/{account}/Id/IBAN", line)
    if bic is not None and (wrong := bic_fault(bic)):
        yield _error("BIC_INVALID", f"{shown(bic)} is not a valid BIC: {wrong}.", f"{path}/{agent}/FinInstnId", line)


PAYMENT_RULES: tuple[Callable[[Payment, str], Iterator[Finding]], ...] = (
    _amount_positive,
    _currency,
    _creditor,
    _references,
)


@functools.lru_cache(maxsize=100_000)
def iban_fault(iban: str) -> str | None:
    """What is wrong with an IBAN in its electronic form; None where nothing is."""
    from schwifty import IBAN
    from schwifty.exceptions import InvalidChecksumDigits, InvalidCountryCode, InvalidLength, SchwiftyException

    if iban != iban.upper() or not (iban.isascii() and iban.isalnum()):
        return "only capital letters and digits may stand in it"
    try:
        IBAN(iban)
    except InvalidCountryCode:
        return f"{iban[:2]} is not a country with IBANs"
    except InvalidLength:
        return f"an IBAN of {iban[:2]} has another length than {len(iban)}"
    except InvalidChecksumDigits:
        return "the check digits do not fit; a digit is wrong or two were swapped"
    except SchwiftyException as error:
        return str(error).rstrip(".").lower()
    return None


@functools.lru_cache(maxsize=10_000)
def bic_fault(bic: str) -> str | None:
    """What is wrong with the shape of a BIC; None where nothing is. Whether it is in use is not looked at."""
    from schwifty import BIC
    from schwifty.exceptions import SchwiftyException

    if bic != bic.upper() or not (bic.isascii() and bic.isalnum()):
        return "only capital letters and digits may stand in it"
    try:
        BIC(bic)
    except SchwiftyException as error:
        return str(error).rstrip(".").lower()
    return None


def _repeated_references(payments: Sequence[Payment]) -> Iterator[Finding]:
    first: dict[str, Payment] = {}
    for payment in payments:
        reference = payment.end_to_end_id
        if reference is None or reference in UNREFERENCED:
            continue
        if reference in first:
            text = (
                f"EndToEndId {shown(reference)} was used by payment {first[reference].position} of this file already; "
                "the bank's answers cannot tell the two apart by it."
            )
            path = f"{FILE}/PmtInf[{payment.batch}]/CdtTrfTxInf/PmtId/EndToEndId"
            yield Finding(
                code="END_TO_END_ID_REPEATED", severity=Severity.WARNING, text=text, path=path, line=payment.line
            )
        first.setdefault(reference, payment)


# Statements.


def balances_add_up(statement: Statement, entries: Sequence[Entry]) -> tuple[bool | None, Finding | None]:
    """Whether opening balance and booked entries come to the closing one; None where that cannot be said."""
    opening = _balance(statement, "OPBD", "PRCD")
    closing = _balance(statement, "CLBD")
    booked = [e.signed for e in entries if e.status in (None, "BOOK")]
    if opening is None or closing is None or None in booked or statement.last_page is False:
        return None, None
    came_to = total(booked)
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
