"""What a statement shows of the cash leg that somebody has to see: came back, debited twice, refused, or not by us."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select

from h2h.cash import Kind, Role, by_the_bank, reference
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.candidates import AT_THE_BANK, Place
from h2h.ledger.matching import Matching, Touched, movements
from h2h.model import Entry, EntryDetail, Finding, Severity, total
from h2h.reasons import Of, in_words
from h2h.verdicts import REFUSALS

MOST_TOLD = 50  # payments of one statement, each in a finding of its own


def cash_findings(connection: Connection, place: Place, matching: Matching, line: int | None) -> list[Finding]:
    """Of a statement, or of a notification by which one of its entries was understood afterwards."""
    found = [finding for touched in matching.final for finding in _of_payment(connection, touched)]
    shown = found[:MOST_TOLD]
    if len(found) > len(shown):
        text = f"{len(found) - len(shown)} more payments came back or were debited wrongly; `h2h closure` lists them."
        shown.append(Finding(code=found[-1].code, severity=found[-1].severity, text=text, line=line))
    return shown + (_unknown(connection, place, matching.unmatched) if place.kind is Kind.STATEMENT else [])


def _of_payment(connection: Connection, touched: Touched) -> Iterator[Finding]:
    payment = touched.payment
    if touched.role is Role.DEBIT and payment.booked_by is None and payment.status not in REFUSALS:
        return
    debits, returns = movements(connection, payment.transfer_id, payment.position)
    back = len(returns) >= len(debits)
    if touched.role is Role.RETURN and back:
        yield _find("PAYMENT_RETURNED", _came_back(touched, returns[-1]), touched, Severity.WARNING)
    elif len(debits) - len(returns) > 1:
        yield _find("DEBIT_TWICE", _twice(connection, touched, debits), touched)
    elif touched.role is Role.DEBIT and payment.status in REFUSALS and not back:
        text = f"{_payment(payment)} was refused by the bank, and debited all the same. Ask the bank."
        yield _find("DEBIT_OF_REFUSED", text, touched)


def _came_back(touched: Touched, back: Row[Any]) -> str:
    payment = touched.payment
    why = f": {words}" if (words := in_words(back.reasons, Of.RETURN)) else ""
    less = ""
    ordered, currency = _ordered(payment)
    if back.amount is not None and back.currency == currency and ordered is not None and back.amount < ordered:
        short = total((ordered, back.amount.copy_negate()))
        less = f" {back.amount} {back.currency} were credited, {short} {currency} less than was paid."
    return f"{_payment(payment)} came back{_on(touched.entry)}{why}.{less} It is not sent again by itself."


def _twice(connection: Connection, touched: Touched, debits: Sequence[Row[Any]]) -> str:
    e = t.entry.c
    ids = [row.entry_id for row in debits]
    refs = connection.execute(select(e.account_servicer_reference).where(e.id.in_(ids))).scalars()
    known = [ref for value in refs if (ref := reference(value))]
    same = " Both have one AcctSvcrRef: it may be one booking, shown twice." if len(known) > len(set(known)) else ""
    times = f"debited {len(debits)} times by now"
    return f"{_payment(touched.payment)} is {times}, the last time{_on(touched.entry)}.{same} Ask the bank."


def _payment(payment: Row[Any]) -> str:
    name = payment.end_to_end_id or payment.instruction_id or payment.uetr or f"payment {payment.position}"
    ordered, currency = _ordered(payment)
    to = f" to {payment.creditor_name}" if payment.creditor_name else ""
    return f"{name} of {payment.transfer_id} ({ordered} {currency}{to})"


def _ordered(payment: Row[Any]) -> tuple[Decimal | None, str | None]:
    """As it was ordered: a row of what was announced has the amount that was announced beside it."""
    if hasattr(payment, "ordered"):
        return payment.ordered, payment.ordered_currency
    return payment.amount, payment.currency


def _on(entry: Entry) -> str:
    return f" on {entry.booking_date[:10]}" if entry.booking_date else ""


def _find(code: str, text: str, touched: Touched, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code=code, severity=severity, text=text, line=touched.entry.line)


def _unknown(
    connection: Connection, place: Place, unmatched: Sequence[tuple[Entry, EntryDetail | None]]
) -> list[Finding]:
    """In one: an account from which others pay, too, has many."""
    ours = [(entry, detail) for entry, detail in unmatched if _why(entry, detail) is None]
    if not ours or not pays_from(connection, place):
        return []
    sums: defaultdict[str, list[Decimal | None]] = defaultdict(list)
    for entry, detail in ours:
        amount, currency = (detail.amount, detail.currency) if detail else (entry.amount, entry.currency)
        sums[currency or "?"].append(amount)
    told = ", ".join(f"{total(amounts)} {currency}" for currency, amounts in sorted(sums.items()))
    text = f"{len(ours)} booked debits, {told} in all, match no payment of ours; `h2h closure` lists them."
    return [Finding(code="DEBIT_UNKNOWN", severity=Severity.INFO, text=text, line=ours[0][0].line)]


def _why(entry: Entry, detail: EntryDetail | None) -> str | None:
    codes = (detail.transaction_code, detail.proprietary_code) if detail else (None, None)
    return by_the_bank(*codes) or by_the_bank(entry.transaction_code, entry.proprietary_code)


def pays_from(connection: Connection, place: Place) -> bool:
    """Whether files that the bank has debit this account."""
    b, f = t.batch.c, t.transfer.c
    named = {place.account, account_key(place.account or "")}
    query = (
        select(b.position)
        .join(t.transfer, f.id == b.transfer_id)
        .where(b.debtor_account.in_(named), f.bank == place.bank, f.state.in_(AT_THE_BANK))
        .limit(1)
    )
    return connection.execute(query).first() is not None
