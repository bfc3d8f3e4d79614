"""MT940, the customer statement of SWIFT, as its text alone: fields 20, 25, 28C, 60, 61 with 86, 62, 64 and 65.

    61  value date, booking date, C, D, RC (a reversal that debits) or RD (one that credits), amount, kind,
        the payment's own reference, the bank's
    86  all else, each value after its word: /EREF/…/NAME/…/REMI/… (narrative.py)

A statement that is longer than a message may be goes on in further ones: the balance between them is 62M and 60M.
Amounts are told to their last digit. Lines end as SWIFT's do; none of a text begins with a colon or a hyphen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from h2h.currencies import DECIMALS
from h2h.formats import characters
from h2h.formats.books import (
    Book,
    Pages,
    Refused,
    Said,
    account_fates,
    balance_fates,
    book,
    day_fate,
    day_of,
    omitted,
    own_references,
    refusal,
    same_in_details,
    statements,
    sum_finding,
)
from h2h.formats.losses import Fate, Why, lost, whole
from h2h.formats.narrative import Style, narrative
from h2h.model import Balance, Entry, Finding, Record, Statement, StatementFile, total
from h2h.text import shown

MOST_CHARACTERS = 2_000  # of the text of one message
MOST_LINES, LINE = 6, 65  # of field 86
REFERENCE = 16
ACCOUNT = 35
AMOUNT = 15
MOST_MESSAGES = 99_999  # of one statement: five digits
END = "\r\n"
UNNUMBERED = "0"
NONE = "NONREF"
AVAILABLE = (("64", "CLAV", 1), ("65", "FWAV", 99))  # tag, kind of balance, how many
HALF_A_YEAR = 180  # days

# Kinds of entries by the bank transaction code (domain/family/sub-family); the longest that fits counts.
KINDS: tuple[tuple[str, str], ...] = (
    ("PMNT/ICDT", "NTRF"),
    ("PMNT/RCDT", "NTRF"),
    ("PMNT/IRCT", "NTRF"),
    ("PMNT/RRCT", "NTRF"),
    ("PMNT/IDDT", "NDDT"),
    ("PMNT/RDDT", "NDDT"),
    ("PMNT/ICHQ", "NCHK"),
    ("PMNT/RCHQ", "NCHK"),
    ("FORX", "NFEX"),
    ("SECU", "NSEC"),
    ("LDAS", "NLDP"),
    ("DERV", "NFEX"),
    ("TRAD/DCCT", "NCOL"),
)
PARTICULAR = {"CHRG": "NCHG", "COMM": "NCOM", "FEES": "NCHG", "INTR": "NINT", "DVCA": "NDIV", "STDO": "NSTO"}
OTHER = "NMSC"


def convert(items: Iterable[Record | Finding], most: int = MOST_CHARACTERS) -> Iterator[Said]:
    """The statements of one file, each in one message or more of at most so many characters."""
    for item in statements(items):
        match item:
            case Finding():
                yield item
            case StatementFile():
                yield from lost(item, (), statement=None)
            case Pages():
                for note in item.notes:
                    yield from lost(note, (), statement=note.statement)
                try:
                    yield from _statement(book(item), most)
                except Refused as refused:
                    yield refused.finding


def _statement(of: Book, most: int) -> Iterator[Said]:
    at, lines = of.statement.position, []
    for entry in of.booked:
        text, fates = _entry(entry, of)
        lines.append((entry, text))
        yield from lost(entry, fates, statement=at, entry=entry.position)
    for entry in of.left_out:
        yield from lost(entry, omitted(entry, Why.NOT_BOOKED), statement=at, entry=entry.position)
    head, fates = _head(of)
    end, more = _end(of)
    messages = list(_chunks(lines, most - _around(of, head, end)))
    if len(messages) > MOST_MESSAGES:
        raise refusal("CONVERT_ROOM", f"The statement would be {len(messages)} messages.", of.statement.line)
    paged = whole("page_number") if _within(of, 1, len(messages)) == of.statement.page_number else ()
    yield from lost(of.statement, [*fates, *more, *paged], statement=at)
    yield from _messages(of, head, messages, end)
    if unequal := sum_finding(of):
        yield unequal


def _messages(
    of: Book, head: Sequence[str], messages: Sequence[Sequence[tuple[Entry, str]]], end: Sequence[str]
) -> Iterator[str]:
    """Each message is one piece of text; the balance that it ends with is the one that the next begins with."""
    tag, reached, day = "60M" if of.interim_opening else "60F", of.opening_balance, of.opens_on
    for number, entries in enumerate(messages, start=1):
        opened = _field(tag, _money(of, reached, day))
        came_to = total((reached.signed, *(entry.signed for entry, _ in entries)))
        tag, reached, day = "60M", _between(of, came_to), of.closes_on
        closed = end if number == len(messages) else [_field("62M", _money(of, reached, day))]
        within = _within(of, number, len(messages))
        yield _text([*head, _numbered(of, within), opened, *(text for _, text in entries), *closed])


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}{END}" for line in [*lines, "-"])


def _chunks(lines: Sequence[tuple[Entry, str]], most: int) -> Iterator[list[tuple[Entry, str]]]:
    chunk: list[tuple[Entry, str]] = []
    size = 0
    for entry, text in lines:
        if chunk and size + len(text) + len(END) > most:
            yield chunk
            chunk, size = [], 0
        chunk.append((entry, text))
        size += len(text) + len(END)
    yield chunk


def _around(of: Book, head: Sequence[str], end: Sequence[str]) -> int:
    """Characters of a message that are not entries, at most."""
    opened = _field("60F", _money(of, of.opening_balance, of.opens_on))
    return len(_text([*head, _numbered(of, str(MOST_MESSAGES)), opened, *end])) + AMOUNT


def _between(of: Book, reached: Decimal) -> Balance:
    direction = "DBIT" if reached < 0 else "CRDT"
    return Balance(type="ITBD", amount=abs(reached), currency=of.currency, direction=direction)


# The head and the end of a message.


def _head(of: Book) -> tuple[list[str], list[Fate]]:
    """Fields 20 and 25; the number follows when it is known how many messages there are."""
    statement = of.statement
    reference, name = _reference(statement)
    account = characters.swift(of.account)
    if len(account) > ACCOUNT:
        text = f"The account {shown(account)} is longer than the {ACCOUNT} characters that an MT940 has for it."
        raise refusal("CONVERT_ACCOUNT", text, statement.line)
    fates = [*name, *_number_fates(statement), *account_fates(of, account)]
    return [_field("20", reference), _field("25", account)], fates


def _reference(statement: Statement) -> tuple[str, list[Fate]]:
    said = statement.statement_id
    if said is None:
        return NONE, [Fate(field="statement_id", written=NONE, why=Why.STAND_IN)]
    if _is_reference(said):
        return said, whole("statement_id")
    written = re.sub("/+", "-", characters.swift(said))[:REFERENCE].strip(" ") or NONE
    why = Why.CUT if len(said) > REFERENCE else Why.CHARACTERS
    return written, [Fate(field="statement_id", written=written, why=why)]


def _is_reference(value: str) -> bool:
    """Whether it can stand in a field for references as it is."""
    plain = len(value) <= REFERENCE and characters.swift(value) == value
    return plain and not value.startswith("/") and not value.endswith("/") and "//" not in value


def _numbered(of: Book, within: str) -> str:
    return _field("28C", f"{_statement_number(of.statement)[0]}/{within}")


def _within(of: Book, number: int, messages: int) -> str:
    """The second number of field 28C: the bank's page, or where one statement takes several messages, which it is."""
    page = of.statement.page_number
    return page if messages == 1 and page and _digits(page) else str(number)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _statement_number(statement: Statement) -> tuple[str, str]:
    """The number and the field that it is from."""
    names = ("electronic_sequence_number", "legal_sequence_number")
    name = next((n for n in names if (getattr(statement, n) or "").isdecimal()), names[0])
    said = getattr(statement, name) or ""
    return (said[-5:], name) if said.isascii() and said.isdecimal() else (UNNUMBERED, name)


def _number_fates(statement: Statement) -> list[Fate]:
    number, name = _statement_number(statement)
    said = getattr(statement, name)
    if said == number:
        return whole(name)
    return [Fate(field=name, written=number, why=Why.CUT if said else Why.STAND_IN)]


def _end(of: Book) -> tuple[list[str], list[Fate]]:
    """Field 62, and 64 and 65 for what is available now and later."""
    lines = [_field("62M" if of.interim_closing else "62F", _money(of, of.closing_balance, of.closes_on))]
    fates = balance_fates(of, of.opening, "ITBD" if of.interim_opening else "OPBD")
    fates += balance_fates(of, of.closing, "ITBD" if of.interim_closing else "CLBD")
    for tag, kind, most in AVAILABLE:
        for place, day in list(_told_balances(of, kind))[:most]:
            lines.append(_field(tag, _money(of, of.statement.balances[place], day)))
            fates += balance_fates(of, place, kind)
    return lines, fates


def _told_balances(of: Book, kind: str) -> Iterator[tuple[int, date]]:
    for place, balance in enumerate(of.statement.balances):
        day = day_of(balance.date)
        if balance.type == kind and balance.currency == of.currency and balance.signed is not None and day:
            yield place, day


# Entries.


def _entry(entry: Entry, of: Book) -> tuple[str, list[Fate]]:
    """Fields 61 and 86."""
    field, reference = next(((f, v) for f, v in own_references(entry) if _is_reference(v)), ("", NONE))
    bank = entry.account_servicer_reference
    if bank is not None and not _is_reference(bank):
        bank = None
    days, dated = _days(entry, of)
    taken = [field, *(["account_servicer_reference"] if bank else []), *(f.field for f in dated if f.why is None)]
    text, told = narrative(entry, taken, STYLE)
    line = f"{days}{_mark(entry)}{_amount(entry, of)}{_kind(entry)}{reference}{f'//{bank}' if bank else ''}"
    fates = [
        *same_in_details(entry, whole("amount", "currency", "direction")),
        *whole("reversal", "status", *taken),
        *dated,
        *told,
        *(omitted(entry, Why.SEVERAL, only="details[") if len(entry.details) > 1 else ()),
    ]
    return END.join([_field("61", line), *([_field("86", END.join(wrapped(text)))] if text else [])]), fates


def _days(entry: Entry, of: Book) -> tuple[str, list[Fate]]:
    """The value date, and the booking date without its year where that is understood."""
    booked, said = day_of(entry.booking_date), day_of(entry.value_date)
    value = said or booked or of.closes_on
    fates = day_fate("value_date", entry.value_date)
    if said is None:
        fates.append(Fate(field="value_date", written=f"{value}", why=Why.STAND_IN))
    if booked is None or abs((value - booked).days) >= HALF_A_YEAR:
        return f"{value:%y%m%d}", fates
    return f"{value:%y%m%d}{booked:%m%d}", fates + day_fate("booking_date", entry.booking_date)


def _mark(entry: Entry) -> str:
    """C or D by the direction alone; a reversal that debits takes back a credit, one that credits a debit."""
    if entry.direction == "CRDT":
        return "RD" if entry.reversal else "C"
    return "RC" if entry.reversal else "D"


def _amount(entry: Entry, of: Book) -> str:
    assert entry.amount is not None
    return _decimal(entry.amount, of.currency, entry.line)


def _kind(entry: Entry) -> str:
    code = entry.transaction_code or ""
    if particular := PARTICULAR.get(code.rpartition("/")[2]):
        return particular
    return next((kind for start, kind in KINDS if code.startswith(start)), OTHER)


# Fields.


def _field(tag: str, content: str) -> str:
    return f":{tag}:{content}"


def _money(of: Book, balance: Balance, day: date) -> str:
    assert balance.amount is not None
    mark = "D" if balance.direction == "DBIT" else "C"
    return f"{mark}{day:%y%m%d}{of.currency}{_decimal(balance.amount, of.currency, of.statement.line)}"


def _decimal(amount: Decimal, currency: str, line: int | None) -> str:
    """With a comma, and the decimals that its currency has or more where it says more."""
    units, _, decimals = format(amount, "f").partition(".")
    usual = DECIMALS.get(currency, len(decimals))
    kept = decimals[:usual].ljust(usual, "0") + decimals[usual:].rstrip("0")
    text = f"{units},{kept}"
    if len(text) > AMOUNT or amount < 0:
        raise refusal("CONVERT_AMOUNT", f"The amount {amount:f} does not fit into an MT940: {AMOUNT} digits.", line)
    return text


def wrapped(text: str) -> list[str]:
    """Lines of a text that read the same when they are put together again."""
    lines = []
    while len(text) > LINE:
        at = next(n for n in range(LINE, 0, -1) if text[n - 1] != " " and text[n] not in " :-")
        lines.append(text[:at])
        text = text[at:]
    return [*lines, text]


_RUN = re.compile(r"[-: ]{9,}")


def _in_characters(text: str) -> str:
    """Without the long rules of hyphens that lines could not be cut in."""
    return _RUN.sub("-", characters.swift(text))


STYLE = Style(
    before="/",
    after="/",
    longest=MOST_LINES * LINE,
    in_characters=_in_characters,
    fits=lambda text: len(wrapped(text)) <= MOST_LINES,
)
