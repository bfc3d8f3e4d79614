"""The cash leg: what an entry of a statement is to the payments that we sent. Pure rules over records.

    camt.053  booked        the debit, or the return: final
    camt.052, camt.054      the same, announced: the entry of the statement takes it over
    anything not booked     nothing yet (PDNG, INFO, FUTR), whatever message it stands in

An entry without a status counts as booked in a statement: that is what statements are of. The sign comes from
CdtDbtInd alone: a debit takes money from our account, a credit may bring a payment's money back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from h2h.identity import NO_REFERENCE, amount_key
from h2h.model import Entry, EntryDetail


class Kind(StrEnum):
    """Which message a statement came in, by the number of its schema."""

    REPORT = "052"
    STATEMENT = "053"
    NOTIFICATION = "054"


class Weight(StrEnum):
    FINAL = "final"
    ADVICE = "advice"  # announced
    NOTHING = "nothing"


class Role(StrEnum):
    """What an entry does to a payment."""

    DEBIT = "debit"
    RETURN = "return"


MOST_DECIMALS = 5  # of an amount in pain.001
BOOKED = "BOOK"
GIVEN_BACK = frozenset({"RRTN", "RPCR", "RRCT", "RCCS"})  # sub-families of transactions that reverse a payment
BY_THE_BANK = {  # why the bank debits by itself: sub-families, and families that are all of one sort
    "CHRG": "charges", "COMM": "charges", "COME": "charges", "COMI": "charges", "COMT": "charges", "FEES": "charges",
    "INTR": "interest", "TAXE": "taxes", "RDDT": "direct debit",
}  # fmt: skip
SWIFT_TYPES = {"CHG": "charges", "COM": "charges", "INT": "interest", "DDT": "direct debit"}
_SWIFT = re.compile(r"[NFS](CHG|COM|INT|DDT)(\W.*)?")


def kind_of(message: str) -> Kind:
    """Of a message's name, as in camt.054.001.08."""
    number = message.split(".")[1] if message.startswith("camt.") and message.count(".") > 1 else ""
    return Kind(number) if number in (Kind.REPORT, Kind.NOTIFICATION) else Kind.STATEMENT


def weight(kind: Kind, status: str | None) -> Weight:
    if kind is Kind.STATEMENT:
        return Weight.FINAL if status in (None, BOOKED) else Weight.NOTHING
    return Weight.ADVICE if status == BOOKED else Weight.NOTHING


def role(entry: Entry) -> Role | None:
    """A debit that reverses a credit executes nothing of ours; a credit may give something back."""
    if entry.direction == "DBIT":
        return None if entry.reversal else Role.DEBIT
    return Role.RETURN if entry.direction == "CRDT" else None


def gives_back(entry: Entry, detail: EntryDetail | None = None) -> bool:
    """Whether the bank says that a credit is a return or a reversal, by whatever it has for saying so."""
    told = detail is not None and (detail.return_reason is not None or detail.returned_transaction_code is not None)
    coded = is_return(entry.transaction_code) or (detail is not None and is_return(detail.transaction_code))
    return bool(entry.reversal) or told or coded


def is_return(transaction_code: str | None) -> bool:
    """Whether a code, as in PMNT/ICDT/RRTN, stands for a transaction that reverses a payment."""
    return transaction_code is not None and not GIVEN_BACK.isdisjoint(transaction_code.split("/")[1:])


def by_the_bank(transaction_code: str | None, proprietary_code: str | None) -> str | None:
    """What a debit is that the bank makes by itself, as it says by a code; None where it says nothing of that."""
    for part in reversed((transaction_code or "").split("/")[1:]):
        if part in BY_THE_BANK:
            return BY_THE_BANK[part]
    found = _SWIFT.fullmatch(proprietary_code or "")
    return SWIFT_TYPES[found[1]] if found else None


def reference(value: str | None) -> str | None:
    """A reference that names something."""
    named = (value or "").strip()
    return None if not named or named.upper() in NO_REFERENCE else named


def references(values: Iterable[str | None]) -> dict[str, str]:
    """The same of many at once: those that name something, as they are said, with what they name."""
    said = [*filter(None, {*values})]
    named = [*map(str.strip, said)]
    each = zip(said, named, map(str.upper, named), strict=True)
    return {value: name for value, name, upper in each if name and upper not in NO_REFERENCE}


def written(amount: Decimal) -> list[Decimal]:
    """An amount in all the ways in which a file may write it: 10, 10.0, 10.00, …; the ledger keeps what stood there."""
    shortest = amount_key(amount)
    whole, _, decimals = shortest.partition(".")
    ways = (f"{whole}.{decimals.ljust(n, '0')}" for n in range(max(1, len(decimals)), MOST_DECIMALS + 1))
    return [Decimal(shortest), *(Decimal(way) for way in ways if way != shortest)]
