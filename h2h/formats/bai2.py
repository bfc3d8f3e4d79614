"""BAI2, the balance report of American banks: one group for each statement, with totals that foot.

    01 file   02 group   03 account: 010 opening, 015 closing, 100 all credits, 400 all debits; 88 goes on
              16 entry: type code, amount, value date, the bank's reference, the payment's own, text; 88 goes on
    49, 98, 99   the sum of all amounts of an account, a group, the file, as they are written; and their records

Amounts are whole numbers of the currency's smallest unit. Commas and slashes stand in the text of an entry alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

from h2h.currencies import DECIMALS
from h2h.formats import characters
from h2h.formats.books import (
    Book,
    Pages,
    Refused,
    Said,
    account_fates,
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
from h2h.formats.losses import Fate, Loss, Why, lost, whole
from h2h.formats.narrative import Style, narrative
from h2h.formats.type_codes import type_code
from h2h.model import EXACT, Balance, Entry, Finding, Record, StatementFile

END = "\n"
LINE = 80  # a record that is longer goes on in the next one, at a blank
LONGEST_TEXT = 2_000
LONGEST_FIELD = 35
UNKNOWN = "UNKNOWN"
UPDATE, FINAL_PREVIOUS_DAY = "1", "2"
OPENING, CLOSING, CREDITS, DEBITS = "010", "015", "100", "400"
STATUS = {"OPAV": "040", "CLAV": "045", "ITAV": "060"}
MEANT = {OPENING: "OPBD", CLOSING: "CLBD", **{code: kind for kind, code in STATUS.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """Records, the sum of the amounts in them, and what became of the values."""

    records: Sequence[str]
    units: int
    fates: Sequence[Fate]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    records: Sequence[str]
    units: int
    told: Sequence[Loss | Finding]


def convert(items: Iterable[Record | Finding]) -> Iterator[Said]:
    """The statements of one file; the file's own records stand around them."""
    units, groups, records = 0, 0, 1
    for item in statements(items):
        match item:
            case Finding():
                yield item
            case StatementFile():
                yield from lost(item, _time(item.created_at)[1], statement=None)
            case Pages():
                for note in item.notes:
                    yield from lost(note, (), statement=note.statement)
                try:
                    of = book(item)
                    group = _group(of)
                except Refused as refused:
                    yield refused.finding
                    continue
                if not groups:
                    yield _file_header(of)
                yield from group.told
                yield "".join(group.records)
                units, groups, records = units + group.units, groups + 1, records + len(group.records)
    if groups:
        yield _record("99", units, groups, records + 1)


def _file_header(of: Book) -> str:
    day, time = _time(of.head.created_at)[0] or (f"{of.closes_on:%y%m%d}", "")
    number = of.statement.electronic_sequence_number or ""
    name = number if number.isascii() and number.isdecimal() and len(number) <= LONGEST_FIELD else "1"
    return _record("01", _servicer(of), _owner(of), day, time, name, "", "", "2")


def _time(said: str | None) -> tuple[tuple[str, str] | None, list[Fate]]:
    """Day and time of the file's making, by the bank's clock."""
    try:
        made = datetime.fromisoformat(said or "")
    except ValueError:
        return None, []
    if day_of(said) is None:
        return None, []
    written = f"{made:%y%m%d}", f"{made:%H%M}"
    exact = made.tzinfo is None and not (made.second or made.microsecond)
    return written, [Fate(field="created_at", written=f"{made:%Y-%m-%d %H:%M}", why=None if exact else Why.SHORTENED)]


def _group(of: Book) -> _Group:
    at, entries = of.statement.position, [_entry(entry, of) for entry in of.booked]
    account = _account(of, entries)
    told: list[Loss | Finding] = list(lost(of.statement, account.fates, statement=at))
    for entry, written in zip(of.booked, entries, strict=True):
        told += lost(entry, written.fates, statement=at, entry=entry.position)
    for entry in of.left_out:
        told += lost(entry, omitted(entry, Why.NOT_BOOKED), statement=at, entry=entry.position)
    if unequal := sum_finding(of):
        told.append(unequal)
    units = account.units + sum(entry.units for entry in entries)
    inner = [*account.records, *(record for entry in entries for record in entry.records)]
    header = _record(
        "02", _owner(of), _servicer(of), UPDATE, f"{of.closes_on:%y%m%d}", "", of.currency, FINAL_PREVIOUS_DAY
    )
    ends = [_record("49", units, len(inner) + 1), _record("98", units, 1, len(inner) + 3)]
    return _Group(records=[header, *inner, *ends], units=units, told=told)


# The account.


def _account(of: Book, entries: Sequence[_Written]) -> _Written:
    account = _plain(of.account)
    summaries, units, fates = _summaries(of, entries)
    records = _folded(["03", account, of.currency], summaries)
    return _Written(records=records, units=units, fates=[*account_fates(of, account), *fates, *_party_fates(of)])


def _summaries(of: Book, entries: Sequence[_Written]) -> tuple[list[list[str]], int, list[Fate]]:
    """Status and summary codes with amount, number of items and no availability."""
    places = [(OPENING, of.opening), (CLOSING, of.closing)]
    for place, balance in enumerate(of.statement.balances):
        if (code := STATUS.get(balance.type or "")) and balance.signed is not None and balance.currency == of.currency:
            places.append((code, place))
    found, units, fates = [], 0, []
    for code, place in places:
        balance = of.statement.balances[place]
        worth = _units(balance.signed, of)
        found.append([code, str(worth), "", ""])
        units += worth
        fates += _balance_fates(of, code, place, balance)
    for code, direction in ((CREDITS, "CRDT"), (DEBITS, "DBIT")):
        own = [one.units for entry, one in zip(of.booked, entries, strict=True) if entry.direction == direction]
        found.append([code, str(sum(own)), str(len(own)), ""])
        units += sum(own)
    return found, units, fates


def _balance_fates(of: Book, code: str, place: int, balance: Balance) -> list[Fate]:
    name = f"balances[{place + 1}]"
    fates = whole(f"{name}.currency", f"{name}.direction") + _amount_fates(f"{name}.amount", balance.amount, of)
    if balance.type == MEANT[code]:
        fates += whole(f"{name}.type")
    if balance.date == f"{of.closes_on}":
        fates += whole(f"{name}.date")
    return fates


def _party_fates(of: Book) -> list[Fate]:
    statement, fates = of.statement, []
    for field, written in (("owner", _owner(of)), ("servicer", _servicer(of))):
        said = getattr(statement, field)
        if said:
            why = None if written == said else Why.CUT if len(said) > LONGEST_FIELD else Why.CHARACTERS
            fates.append(Fate(field=field, written=written, why=why))
    return fates


def _owner(of: Book) -> str:
    return _plain(of.statement.owner or "") or UNKNOWN


def _servicer(of: Book) -> str:
    return _plain(of.statement.servicer or "") or UNKNOWN


# Entries.


def _entry(entry: Entry, of: Book) -> _Written:
    value = day_of(entry.value_date)
    funds = ["V", f"{value:%y%m%d}", ""] if value else [""]
    bank, own, taken = _references(entry)
    if entry.booking_date == f"{of.closes_on}":
        taken.append("booking_date")
    text, told = narrative(entry, taken, STYLE)
    units, amounts = _units(entry.amount, of), _amount_fates("amount", entry.amount, of)
    fates = [
        *same_in_details(entry, [*amounts, *whole("currency", "direction")]),
        *whole("reversal", "status", *taken),
        *day_fate("value_date", entry.value_date),
        *told,
        *(omitted(entry, Why.SEVERAL, only="details[") if len(entry.details) > 1 else ()),
    ]
    fields = ["16", type_code(entry), str(units), *funds, bank, own]
    return _Written(records=_with_text(",".join(fields), text), units=units, fates=fates)


def _references(entry: Entry) -> tuple[str, str, list[str]]:
    """The bank's and the payment's own, where they can stand there whole."""
    bank, taken = "", []
    if entry.account_servicer_reference and _is_plain(entry.account_servicer_reference):
        bank = entry.account_servicer_reference
        taken.append("account_servicer_reference")
    field, own = next(((f, v) for f, v in own_references(entry) if _is_plain(v)), ("", ""))
    return bank, own, [*taken, *([field] if field else [])]


# Records.


def _record(*fields: object) -> str:
    return f"{','.join(map(str, fields))}/{END}"


def _folded(first: Sequence[str], groups: Sequence[Sequence[str]]) -> list[str]:
    """One record of groups of fields that belong together, in as many lines as it takes."""
    lines: list[str] = []
    line = list(first)
    for group in groups:
        if len(",".join([*line, *group])) >= LINE:
            lines.append(_record(*line))
            line = ["88"]
        line += group
    return [*lines, _record(*line)]


def _with_text(fields: str, text: str) -> list[str]:
    """A record with text at its end, cut at blanks: a line neither ends nor begins with a slash within it."""
    if not text:
        return [_record(fields, "")]
    first, *rest = _BREAKS.split(text)
    lines, line = [], f"{fields},{first}"
    for piece in rest:
        if len(line) + len(piece) < LINE:
            line += f" {piece}"
        else:
            lines.append(line + END)
            line = f"88,{piece}"
    return [*lines, line + END]


_BREAKS = re.compile(r"(?<!/) (?!/)")


def _units(amount: Decimal | None, of: Book) -> int:
    """The amount in the smallest unit of its currency, rounded half up where it says more."""
    assert amount is not None
    with localcontext(EXACT):
        return int(amount.scaleb(_decimals(of)).to_integral_value(ROUND_HALF_UP))


def _amount_fates(field: str, amount: Decimal | None, of: Book) -> list[Fate]:
    with localcontext(EXACT):
        written = Decimal(_units(amount, of)).scaleb(-_decimals(of))
    return whole(field) if written == amount else [Fate(field=field, written=f"{written:f}", why=Why.DECIMALS)]


def _decimals(of: Book) -> int:
    decimals = DECIMALS.get(of.currency)
    if decimals is None:
        text = f"How many decimals {of.currency} has is not known here, and a BAI2 does not say it."
        raise refusal("CONVERT_CURRENCY", text, of.statement.line)
    return decimals


def _plain(value: str) -> str:
    """For a field: no commas, no slashes, and not too long."""
    return characters.ascii_text(re.sub("[,/]", " ", characters.ascii_text(value)))[:LONGEST_FIELD].strip()


def _is_plain(value: str) -> bool:
    return _plain(value) == value


def _in_characters(text: str) -> str:
    """A slash at the end would end the record."""
    return re.sub("/+$", ".", characters.ascii_text(text))


STYLE = Style(
    before=" ",
    after="=",
    longest=LONGEST_TEXT,
    in_characters=_in_characters,
    fits=lambda text: not text.endswith("/"),
)
