"""What a statement shows of the cash leg that somebody has to see: came back, debited twice, refused, or not by us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from h2h.cash import Kind, Role, reference
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.bulk import in_chunks
from h2h.ledger.candidates import AT_THE_BANK, Place
from h2h.ledger.matching import Matching
from h2h.ledger.touched import Touched, Unmatched
from h2h.ledger.window import movements
from h2h.model import Finding, Severity, total
from h2h.reasons import Of, in_words
from h2h.verdicts import REFUSALS

CHUNK = 400  # payments whose movements are asked for in one query
MOST_TOLD = 50  # payments of one statement, each in a finding of its own


def cash_findings(connection: Connection, place: Place, matching: Matching, line: int | None) -> list[Finding]:
    """Of a statement, or of a notification by which one of its entries was understood afterwards."""
    shown: list[Finding] = []
    more, code = 0, ""
    for chunk in in_chunks(matching.touched, CHUNK):
        known = movements(connection, {touched.key for touched in chunk})
        for touched in chunk:
            moves = _Moves(known.get(touched.key, ()))
            if (found := _code(touched, moves)) is None:
                continue
            code = found
            if len(shown) < MOST_TOLD:
                shown.append(_told(connection, found, touched, moves))
            else:
                more += 1
    if more:
        text = f"{more} more payments came back or were debited wrongly; `h2h closure` lists them."
        shown.append(Finding(code=code, severity=_severity(code), text=text, line=line))
    return shown + (_unknown(connection, place, matching.unmatched) if place.kind is Kind.STATEMENT else [])


class _Moves:
    """The final debits and returns of a payment."""

    def __init__(self, rows: Iterable[Row[Any]]) -> None:
        found = list(rows)
        self.debits = [row for row in found if row.role == Role.DEBIT]
        self.returns = [row for row in found if row.role == Role.RETURN]
        self.back = len(self.returns) >= len(self.debits)


def _code(touched: Touched, moves: _Moves) -> str | None:
    code = None
    if touched.role is Role.RETURN and moves.back:
        code = "PAYMENT_RETURNED"
    elif len(moves.debits) - len(moves.returns) > 1:
        code = "DEBIT_TWICE"
    elif touched.role is Role.DEBIT and touched.status in REFUSALS and not moves.back:
        code = "DEBIT_OF_REFUSED"
    return code


def _told(connection: Connection, code: str, touched: Touched, moves: _Moves) -> Finding:
    if code == "PAYMENT_RETURNED":
        text = _came_back(touched, moves.returns[-1])
    elif code == "DEBIT_TWICE":
        text = _twice(connection, touched, moves.debits)
    else:
        text = f"{_payment(touched)} was refused by the bank, and debited all the same. Ask the bank."
    return Finding(code=code, severity=_severity(code), text=text, line=touched.line)


def _severity(code: str) -> Severity:
    return Severity.WARNING if code == "PAYMENT_RETURNED" else Severity.ERROR


def _came_back(touched: Touched, back: Row[Any]) -> str:
    why = f": {words}" if (words := in_words(back.reasons, Of.RETURN)) else ""
    less = ""
    ordered, currency = touched.amount, touched.currency
    if back.amount is not None and back.currency == currency and ordered is not None and back.amount < ordered:
        short = total((ordered, back.amount.copy_negate()))
        less = f" {back.amount} {back.currency} were credited, {short} {currency} less than was paid."
    return f"{_payment(touched)} came back{_on(touched)}{why}.{less} It is not sent again by itself."


def _twice(connection: Connection, touched: Touched, debits: Sequence[Row[Any]]) -> str:
    e = t.entry.c
    ids = [row.entry_id for row in debits]
    refs = connection.execute(select(e.account_servicer_reference).where(e.id.in_(ids))).scalars()
    known = [ref for value in refs if (ref := reference(value))]
    same = " Both have one AcctSvcrRef: it may be one booking, shown twice." if len(known) > len(set(known)) else ""
    times = f"debited {len(debits)} times by now"
    return f"{_payment(touched)} is {times}, the last time{_on(touched)}.{same} Ask the bank."


def _payment(of: Touched) -> str:
    name = of.end_to_end_id or of.instruction_id or of.uetr or f"payment {of.position}"
    to = f" to {of.creditor_name}" if of.creditor_name else ""
    return f"{name} of {of.transfer_id} ({of.amount} {of.currency}{to})"


def _on(touched: Touched) -> str:
    return f" on {touched.booking_date[:10]}" if touched.booking_date else ""


def _unknown(connection: Connection, place: Place, unmatched: Unmatched) -> list[Finding]:
    """In one: an account from which others pay, too, has many."""
    if not unmatched.count or not pays_from(connection, place):
        return []
    told = ", ".join(f"{amount} {currency}" for currency, amount in sorted(unmatched.sums.items()))
    text = f"{unmatched.count} booked debits, {told} in all, match no payment of ours; `h2h closure` lists them."
    return [Finding(code="DEBIT_UNKNOWN", severity=Severity.INFO, text=text, line=unmatched.line)]


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
