"""Business rules on payment files and statements: pure functions from records to findings.

The schema has had its say before; here is what it cannot see. Each rule is one small function; every finding names
its code (table `CODES`), path and line. All findings come, not the first.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from h2h.currencies import DECIMALS
from h2h.model import Batch, Entry, Finding, Payment, PaymentFile, Severity, Statement

CODES = {
    "COUNT_MISMATCH": "NbOfTxs says another number of payments than there are",
    "SUM_MISMATCH": "CtrlSum says another total than the amounts add up to",
    "AMOUNT_NOT_POSITIVE": "an amount is zero or negative",
    "AMOUNT_DECIMALS": "an amount has more decimals than its currency",
    "CURRENCY_UNKNOWN": "a currency is not on the ISO 4217 active list",
    "IBAN_INVALID": "an IBAN has a wrong country, length, structure or check digits",
    "BIC_INVALID": "a BIC is not of the right shape",
    "END_TO_END_ID_REPEATED": "several payments of a file share an EndToEndId",
    "NO_PAYMENTS": "a file or batch holds no payment",
    "STATEMENT_SUM": "opening balance and booked entries do not come to the closing balance",
}

GROUP = "/Document/CstmrCdtTrfInitn/GrpHdr"
UNREFERENCED = frozenset({"NOTPROVIDED"})


def payment_file_findings(
    header: PaymentFile, batches: Sequence[Batch], payments: Sequence[Payment]
) -> Iterator[Finding]:
    """Everything that the business rules find in one pain.001."""
    members: defaultdict[int, list[Payment]] = defaultdict(list)
    for payment in payments:
        members[payment.batch].append(payment)
    yield from _totals(header.number_of_transactions, header.control_sum, payments, GROUP, header.line)
    for batch in batches:
        path = f"/Document/CstmrCdtTrfInitn/PmtInf[{batch.position}]"
        inside = members[batch.position]
        yield from _totals(batch.number_of_transactions, batch.control_sum, inside, path, batch.line)
        yield from _accounts(batch.debtor_iban, "DbtrAcct", batch.debtor_agent, "DbtrAgt", path, batch.line)
        for index, payment in enumerate(inside, start=1):
            yield from _payment(payment, f"{path}/CdtTrfTxInf[{index}]")
    yield from _repeated_references(payments)


def _error(code: str, text: str, path: str, line: int | None) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text, path=path, line=line)


def _totals(
    claimed: str | None, control_sum: Decimal | None, payments: Sequence[Payment], path: str, line: int | None
) -> Iterator[Finding]:
    if not payments:
        yield _error("NO_PAYMENTS", "There is no payment in here; leave the part out, or fill it.", path, line)
    if claimed is not None and claimed.isascii() and claimed.isdigit() and int(claimed) != len(payments):
        text = f"NbOfTxs says {claimed}, but {len(payments)} payments are there; the file may be cut or changed."
        yield _error("COUNT_MISMATCH", text, f"{path}/NbOfTxs", line)
    total = sum((p.amount for p in payments if p.amount is not None), Decimal())
    if control_sum is not None and control_sum != total:
        text = f"CtrlSum says {control_sum}, but the amounts add up to {total}; the file may be cut or changed."
        yield _error("SUM_MISMATCH", text, f"{path}/CtrlSum", line)


def _payment(payment: Payment, path: str) -> Iterator[Finding]:
    for rule in PAYMENT_RULES:
        yield from rule(payment, path)


def _amount_positive(payment: Payment, path: str) -> Iterator[Finding]:
    if payment.amount is not None and payment.amount <= 0:
        text = f"The amount is {payment.amount}; it has to be above zero."
        yield _error("AMOUNT_NOT_POSITIVE", text, f"{path}/Amt", payment.line)


def _currency(payment: Payment, path: str) -> Iterator[Finding]:
    if payment.currency is None:
        return
    decimals = DECIMALS.get(payment.currency)
    if decimals is None:
        text = f"{payment.currency!r} is not an active ISO 4217 currency."
        yield _error("CURRENCY_UNKNOWN", text, f"{path}/Amt", payment.line)
    elif payment.amount is not None and _decimals(payment.amount) > decimals:
        text = f"{payment.amount} has too many decimals: {payment.currency} has {decimals or 'none'}."
        yield _error("AMOUNT_DECIMALS", text, f"{path}/Amt", payment.line)


def _decimals(amount: Decimal) -> int:
    """Decimal places that carry value; trailing zeros do not."""
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _creditor(payment: Payment, path: str) -> Iterator[Finding]:
    yield from _accounts(payment.creditor_iban, "CdtrAcct", payment.creditor_agent, "CdtrAgt", path, payment.line)


def _accounts(
    iban: str | None, account: str, bic: str | None, agent: str, path: str, line: int | None
) -> Iterator[Finding]:
    if iban is not None and (wrong := iban_fault(iban)):
        yield _error("IBAN_INVALID", f"{iban} is not a valid IBAN: {wrong}.", f"{path}/{account}/Id/IBAN", line)
    if bic is not None and (wrong := bic_fault(bic)):
        yield _error("BIC_INVALID", f"{bic} is not a valid BIC: {wrong}.", f"{path}/{agent}/FinInstnId", line)


PAYMENT_RULES: tuple[Callable[[Payment, str], Iterator[Finding]], ...] = (_amount_positive, _currency, _creditor)


@functools.lru_cache(maxsize=100_000)
def iban_fault(iban: str) -> str | None:
    """What is wrong with an IBAN in its electronic form; None where nothing is."""
    from schwifty import IBAN
    from schwifty.exceptions import InvalidChecksumDigits, InvalidCountryCode, InvalidLength, SchwiftyException

    if iban != iban.upper() or not iban.isalnum():
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

    if bic != bic.upper():
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
                f"EndToEndId {reference} was used by payment {first[reference].position} of this file already; "
                "the bank's answers cannot tell the two apart by it."
            )
            path = f"/Document/CstmrCdtTrfInitn/PmtInf[{payment.batch}]/CdtTrfTxInf/PmtId/EndToEndId"
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
    total = opening + sum((amount for amount in booked if amount is not None), Decimal())
    if total == closing:
        return True, None
    text = (
        f"Statement {statement.statement_id} opens at {opening} and its booked entries come to {total - opening}, "
        f"which makes {total}, but it closes at {closing}. Entries may be missing; ask the bank."
    )
    return False, Finding(code="STATEMENT_SUM", severity=Severity.WARNING, text=text, line=statement.line)


def _balance(statement: Statement, *kinds: str) -> Decimal | None:
    """The signed balance of the first of the kinds that the statement has."""
    return next((b.signed for kind in kinds for b in statement.balances if b.type == kind), None)
