"""Whether the cash leg of what we sent is closed: a pure decision over what the ledger knows.

    accepted, not debited   the bank accepted it, and its debit was due before today by the bank's calendar
    debited, not ours       a booked debit on an account that we pay from, which is no payment of ours
    by the bank             the same, where the bank says by its code that it debits by itself: charges, interest, …
    debited twice           more debits than one that were not given back
    returned                debited, and given back
    refused, but debited    the bank refused it, and debited it, and did not give it back

Everything but what the bank does by itself is open: somebody has to look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from h2h.calendars import Calendar
from h2h.cash import by_the_bank
from h2h.model import total


class Case(StrEnum):
    NOT_DEBITED = "NOT_DEBITED"
    DEBIT_UNKNOWN = "DEBIT_UNKNOWN"
    DEBIT_TWICE = "DEBIT_TWICE"
    DEBIT_OF_REFUSED = "DEBIT_OF_REFUSED"
    PAYMENT_RETURNED = "PAYMENT_RETURNED"
    DEBIT_BY_THE_BANK = "DEBIT_BY_THE_BANK"


MEANS = {
    Case.NOT_DEBITED: "accepted, and not debited in time",
    Case.DEBIT_UNKNOWN: "debited, and no payment of ours",
    Case.DEBIT_TWICE: "debited more than once",
    Case.DEBIT_OF_REFUSED: "refused, and debited all the same",
    Case.PAYMENT_RETURNED: "given back after it was debited",
    Case.DEBIT_BY_THE_BANK: "debited by the bank itself",
}
OPEN = frozenset(Case) - {Case.DEBIT_BY_THE_BANK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A bank's calendar, and how many of its business days a debit may take."""

    timezone: str
    calendar: Calendar
    debit_within: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashRow:
    """A payment, an entry of an account, or both. `amount` is what it is about: of a return, what came back."""

    bank: str
    account: str | None
    amount: Decimal | None
    currency: str | None
    day: str | None = None  # of the entry
    due: date | None = None
    says: str | None = None  # what stands beside the entry, or why it came back
    less: Decimal | None = None  # of a return: what is missing
    debits: int = 0  # that were not given back
    transfer: str | None = None
    payment: int | None = None
    reference: str | None = None
    creditor_name: str | None = None
    execution_date: str | None = None
    status: str | None = None
    sent_at: datetime | None = None
    message: str | None = None
    statement_id: str | None = None
    account_servicer_reference: str | None = None
    transaction_code: str | None = None
    proprietary_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashRows:
    """What the ledger knows of some days; `cut`: there are more of something than were asked for."""

    accepted: Sequence[CashRow] = ()  # and not debited, nor announced
    unmatched: Sequence[CashRow] = ()
    repeated: Sequence[CashRow] = ()
    refused: Sequence[CashRow] = ()
    returned: Sequence[CashRow] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    currency: str
    amount: Decimal
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    case: Case
    means: str
    open: bool
    totals: tuple[Sum, ...]
    rows: tuple[CashRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    sections: tuple[Section, ...]
    cut: bool = False

    @property
    def closed(self) -> bool:
        return not any(section.open and section.rows for section in self.sections)


def closure(known: CashRows, terms_of: Callable[[str], Terms], now: datetime) -> Closure:
    by_bank = [row for row in known.unmatched if _why(row)]
    found: dict[Case, Iterable[CashRow]] = {
        Case.NOT_DEBITED: _late(known.accepted, terms_of, now),
        Case.DEBIT_UNKNOWN: [row for row in known.unmatched if not _why(row)],
        Case.DEBIT_TWICE: [replace(row, amount=_excess(row)) for row in known.repeated if row.debits > 1],
        Case.DEBIT_OF_REFUSED: known.refused,
        Case.PAYMENT_RETURNED: known.returned,
        Case.DEBIT_BY_THE_BANK: [replace(row, says=_together(_why(row), row.says)) for row in by_bank],
    }
    return Closure(sections=tuple(_section(case, tuple(found[case])) for case in Case), cut=known.cut)


def due(row: CashRow, terms: Terms) -> date | None:
    """The last day on which the debit is in time: counted from the execution date, or from the day of sending."""
    days = [day for day in (_date(row.execution_date), _local(row.sent_at, terms)) if day]
    return terms.calendar.after(max(days), terms.debit_within) if days else None


def last_due(terms: Terms, now: datetime) -> date:
    """The last execution date whose debits should be there by now."""
    day = today = now.astimezone(ZoneInfo(terms.timezone)).date()
    while terms.calendar.after(day, terms.debit_within) >= today:
        day -= timedelta(days=1)
    return day


def _late(rows: Iterable[CashRow], terms_of: Callable[[str], Terms], now: datetime) -> Iterable[CashRow]:
    for row in rows:
        terms = terms_of(row.bank)
        last = due(row, terms)
        if last is not None and now.astimezone(ZoneInfo(terms.timezone)).date() > last:
            yield replace(row, due=last)


def _section(case: Case, rows: tuple[CashRow, ...]) -> Section:
    sums: defaultdict[str, list[Decimal | None]] = defaultdict(list)
    for row in rows:
        sums[row.currency or ""].append(row.amount)
    totals = tuple(Sum(currency=ccy, amount=total(sums[ccy]), count=len(sums[ccy])) for ccy in sorted(sums))
    return Section(case=case, means=MEANS[case], open=case in OPEN, totals=totals, rows=rows)


def _excess(row: CashRow) -> Decimal:
    """What was debited more than once."""
    return total([row.amount] * (row.debits - 1))


def _why(row: CashRow) -> str | None:
    return by_the_bank(row.transaction_code, row.proprietary_code)


def _together(*words: str | None) -> str | None:
    return ": ".join(word for word in words if word) or None


def _date(said: str | None) -> date | None:
    try:
        return date.fromisoformat(said[:10]) if said else None
    except ValueError:
        return None


def _local(instant: datetime | None, terms: Terms) -> date | None:
    return instant.astimezone(ZoneInfo(terms.timezone)).date() if instant else None
