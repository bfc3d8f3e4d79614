"""What stands on one account between two balances: the part of a statement that the old forms can tell.

They cannot be written without an opening and a closing balance, an account and one currency; what is missing is never
made up. Only booked entries are told, since others do not enter the balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from h2h.formats.losses import Fate, Loss, Why, leaves, whole
from h2h.model import (
    Balance,
    Entry,
    FileMember,
    Finding,
    Record,
    Severity,
    Statement,
    StatementFile,
    StatementNote,
    total,
)
from h2h.text import shown

CODES: dict[str, str] = {
    "CONVERT_KIND": "not a camt.053, so there is no statement to convert",
    "CONVERT_ACCOUNT": "a statement that does not name its account",
    "CONVERT_BALANCE": "a statement without an opening or closing balance that can be told",
    "CONVERT_CURRENCY": "a booked entry in another currency than the account's, or none",
    "CONVERT_AMOUNT": "an amount that was not read, or that the form cannot hold",
    "CONVERT_DATE": "a day that the form needs and that was not said, or that it cannot hold",
    "CONVERT_ROOM": "a statement that is longer than the form can hold",
    "CONVERT_SUM": "opening balance and booked entries do not come to the closing balance",
}

OPENING = ("OPBD", "PRCD", "ITBD")
CLOSING = ("CLBD", "ITBD")
NOT_PROVIDED = "NOTPROVIDED"
YEARS = range(1980, 2080)  # two digits of a year mean one of these

Said = str | Loss | Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One statement as the old forms see it. `opening` and `closing` are places in its balances."""

    head: StatementFile
    statement: Statement
    account: str
    currency: str
    opening: int
    closing: int
    opens_on: date
    closes_on: date
    booked: Sequence[Entry]
    left_out: Sequence[Entry]

    @property
    def opening_balance(self) -> Balance:
        return self.statement.balances[self.opening]

    @property
    def closing_balance(self) -> Balance:
        return self.statement.balances[self.closing]

    @property
    def interim_opening(self) -> bool:
        """An earlier page holds the beginning."""
        return self.opening_balance.type == "ITBD"

    @property
    def interim_closing(self) -> bool:
        """A later page holds the end."""
        return self.closing_balance.type == "ITBD"


class Refused(Exception):
    """A statement cannot be told; never leaves this package."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def refusal(code: str, text: str, line: int | None) -> Refused:
    return Refused(Finding(code=code, severity=Severity.ERROR, text=text, line=line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """One statement with its entries, as it came, and the bank's words on it, which no form has a place for."""

    head: StatementFile
    statement: Statement
    entries: Sequence[Entry]
    notes: Sequence[StatementNote]


def statements(items: Iterable[Record | Finding]) -> Iterator[Pages | StatementFile | Finding]:
    """The head, every statement with its entries, and what the reader found; one statement at a time is held."""
    head: StatementFile | None = None
    statement: Statement | None = None
    entries: list[Entry] = []
    notes: list[StatementNote] = []
    for item in items:
        match item:
            case Entry():
                entries.append(item)
                continue
            case StatementNote():
                notes.append(item)
                continue
            case Finding():
                yield item
                continue
            case FileMember():
                continue
        if head and statement:
            yield Pages(head=head, statement=statement, entries=entries, notes=notes)
        statement, entries, notes = None, [], []
        match item:
            case StatementFile() if item.message.startswith("camt.053"):
                head = item
                yield head
            case Statement() if head:
                statement = item
            case _:
                yield _not_a_statement(item)
                return
    if head and statement:
        yield Pages(head=head, statement=statement, entries=entries, notes=notes)


def _not_a_statement(item: Record) -> Finding:
    said = getattr(item, "message", type(item).__name__)
    text = f"The file is a {said}. Only statements (camt.053) are converted."
    return Finding(code="CONVERT_KIND", severity=Severity.ERROR, text=text, line=item.line)


def book(pages: Pages) -> Book:
    """Raises Refused where the statement cannot be told whole."""
    statement, name = pages.statement, _name(pages.statement)
    account = statement.iban or statement.account
    if account is None:
        raise refusal("CONVERT_ACCOUNT", f"{name} does not say which account it is of.", statement.line)
    opening, closing = _balances(statement)
    currency = statement.balances[closing].currency
    assert currency is not None
    booked = [entry for entry in pages.entries if entry.status in (None, "BOOK")]
    _one_currency(name, booked, currency)
    return Book(
        head=pages.head,
        statement=statement,
        account=account,
        currency=currency,
        opening=opening,
        closing=closing,
        opens_on=_day_of(statement, opening),
        closes_on=_day_of(statement, closing),
        booked=booked,
        left_out=[entry for entry in pages.entries if entry.status not in (None, "BOOK")],
    )


def _name(statement: Statement) -> str:
    return f"Statement {shown(statement.statement_id or '')}"


def _balances(statement: Statement) -> tuple[int, int]:
    """The places of opening and closing balance, in one currency; of two interim ones the first and the last."""
    for currency in dict.fromkeys((statement.currency, *(b.currency for b in statement.balances))):
        there = [n for n, b in enumerate(statement.balances) if b.currency == currency and b.signed is not None]
        opening = _first(statement, there, OPENING)
        interim = [n for n in reversed(there) if n != opening]
        closing = _first(statement, [n for n in there if statement.balances[n].type != "ITBD"] + interim, CLOSING)
        if currency and opening is not None and closing is not None:
            return opening, closing
    there_are = "; ".join(map(_described, statement.balances)) or "none"
    text = (
        f"{_name(statement)} has no opening balance (OPBD, PRCD) and closing balance (CLBD) in one currency, without "
        f"which it cannot be told. Its balances: {there_are}. Ask the bank for what is missing."
    )
    raise refusal("CONVERT_BALANCE", text, statement.line)


def _described(balance: Balance) -> str:
    lacks = "" if balance.signed is not None else " without amount or direction"
    return f"{balance.type or 'one of no type'} in {balance.currency or 'no currency'}{lacks}"


def _first(statement: Statement, there: Sequence[int], kinds: Sequence[str]) -> int | None:
    return next((n for kind in kinds for n in there if statement.balances[n].type == kind), None)


def _day_of(statement: Statement, place: int) -> date:
    balance = statement.balances[place]
    day = day_of(balance.date)
    if day is None:
        text = (
            f"{_name(statement)} has a balance {balance.type} of the day {shown(balance.date or '')}; none can be told."
        )
        raise refusal("CONVERT_DATE", text, statement.line)
    return day


def _one_currency(name: str, booked: Sequence[Entry], currency: str) -> None:
    for entry in booked:
        where = f"Entry {entry.position} of {name[0].lower()}{name[1:]}"
        if entry.amount is None or entry.signed is None or entry.amount < 0:
            text = f"{where} has no amount and direction that could be read, as in 12.50 and DBIT. Ask the bank."
            raise refusal("CONVERT_AMOUNT", text, entry.line)
        if entry.currency != currency:
            text = f"{where} is booked in {entry.currency or 'no currency'}, while the balances are in {currency}."
            raise refusal("CONVERT_CURRENCY", text, entry.line)


def sum_finding(of: Book) -> Finding | None:
    """A statement that does not add up is told as the bank wrote it, and this with it."""
    opening, closing = of.opening_balance.signed, of.closing_balance.signed
    booked = total(entry.signed for entry in of.booked)
    reached = total((opening, booked))
    if reached == closing:
        return None
    text = (
        f"{_name(of.statement)} opens at {opening} and its booked entries come to {booked}, which makes {reached}, but "
        f"it closes at {closing}. It was converted as it is, and will not add up there either; ask the bank."
    )
    return Finding(code="CONVERT_SUM", severity=Severity.WARNING, text=text, line=of.statement.line)


def day_of(text: str | None) -> date | None:
    """The day of a date or time of the bank; None where there is none that two digits of a year can tell."""
    try:
        day = date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
    return day if day.year in YEARS else None


def day_fate(field: str, text: str | None) -> list[Fate]:
    """What becomes of a date or time of which only the day is told."""
    day = day_of(text)
    if day is None or text is None:
        return []
    return whole(field) if len(text) == len("YYYY-MM-DD") else [Fate(field=field, written=f"{day}", why=Why.SHORTENED)]


def balance_fates(of: Book, place: int, kind: str) -> list[Fate]:
    """Of a balance that is told as one of this kind, with its day."""
    balance, name = of.statement.balances[place], f"balances[{place + 1}]"
    fates = whole(f"{name}.amount", f"{name}.currency", f"{name}.direction")
    return fates + day_fate(f"{name}.date", balance.date) + (whole(f"{name}.type") if balance.type == kind else [])


def account_fates(of: Book, written: str) -> list[Fate]:
    field = "iban" if of.statement.iban else "account"
    told = whole(field) if written == of.account else [Fate(field=field, written=written, why=Why.CHARACTERS)]
    return told + (whole("currency") if of.statement.currency == of.currency else [])


def same_in_details(entry: Entry, fates: Iterable[Fate]) -> list[Fate]:
    """The same of what the only details of an entry repeat of it."""
    fates = list(fates)
    if len(entry.details) != 1:
        return fates
    repeated = [f for f in fates if getattr(entry.details[0], f.field) == getattr(entry, f.field)]
    return fates + [replace(fate, field=f"details[1].{fate.field}") for fate in repeated]


def own_references(entry: Entry) -> Iterator[tuple[str, str]]:
    """Those that the account's owner gave, with their fields: of the payment, else of its batch."""
    if len(entry.details) == 1:
        for name in ("end_to_end_id", "instruction_id", "payment_information_id"):
            value = getattr(entry.details[0], name)
            if value and value != NOT_PROVIDED:
                yield f"details[1].{name}", value
    if entry.batch_payment_information_id:
        yield "batch_payment_information_id", entry.batch_payment_information_id


def omitted(record: Entry, why: Why, *, only: str = "") -> list[Fate]:
    """All values of an entry, or those whose names begin so, for one reason."""
    return [Fate(field=name, why=why) for name, _ in leaves(record) if name.startswith(only)]
