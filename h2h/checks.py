"""Checks of what stands in a payment message, whichever way the money goes: single values, counts and sums.

Pure functions from values to findings; rules.py asks them of payments, direct_debits.py of collections.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Protocol

from h2h import ibans
from h2h.addresses import is_country
from h2h.currencies import DECIMALS
from h2h.model import Finding, Severity
from h2h.text import character, shown, unseen

_BIC = re.compile("[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_DAY = re.compile(r"(-?[0-9]{4,9}-[0-9]{2}-[0-9]{2})(?:T.*|Z|[+-][0-9]{2}:[0-9]{2})?")


def breach(code: str, text: str, path: str, line: int | None) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text, path=path, line=line)


class Claims(Protocol):
    """What a file or a batch says of itself."""

    @property
    def number_of_transactions(self) -> str | None: ...
    @property
    def control_sum(self) -> Decimal | None: ...
    @property
    def line(self) -> int | None: ...


def totals(claims: Claims, count: int, reached: Decimal, path: str) -> Iterator[Finding]:
    """NbOfTxs and CtrlSum against what is there."""
    line, claimed = claims.line, claims.number_of_transactions
    if not count:
        yield breach("NO_PAYMENTS", "There is no payment in here; leave the part out, or fill it.", path, line)
    stated = claimed if claimed is not None and claimed.isascii() and claimed.isdigit() else None
    if stated is not None and (stated.lstrip("0") or "0") != str(count):  # not int(): it takes 4,300 digits
        text = f"NbOfTxs says {stated[:20]}, but {count} payments are there; the file may be cut or changed."
        yield breach("COUNT_MISMATCH", text, f"{path}/NbOfTxs", line)
    if claims.control_sum is not None and claims.control_sum != reached:
        said = f"CtrlSum says {claims.control_sum}, but the amounts add up to {reached}"
        yield breach("SUM_MISMATCH", f"{said}; the file may be cut or changed.", f"{path}/CtrlSum", line)


def unusual(stated: str | None, span: tuple[int, int], today: date | None) -> str | None:
    """The date in words, where it lies outside of the span of days around today."""
    found = _DAY.fullmatch(stated) if stated and today else None
    if found is None or today is None:  # what is no date is the schema's affair
        return None
    try:
        days = (date.fromisoformat(found[1]) - today).days
    except ValueError:  # a year before 1 or after 9999
        return f"{found[1]}, nowhere near today"
    if span[0] <= days <= span[1]:
        return None
    away = f"{-days} days ago" if days < 0 else f"in {days} days"
    return f"{found[1]}, {away}; usual here is from {span[0]:+} to {span[1]:+} days"


def blank(path: str, line: int | None) -> Finding:
    """Of an identification that a schema takes: it is content with blanks."""
    return breach("ID_BLANK", "There is nothing in it but blanks. Give it a value.", path, line)


def identification(value: str | None, path: str, line: int | None) -> Iterator[Finding]:
    """A reference by which bank and ledger tell files and payments apart: what cannot be seen makes two look alike."""
    if value is not None and (char := unseen(value) or next((c for c in value if not c.isprintable()), None)):
        text = f"{shown(value)} holds {character(char)}, which cannot be seen. Take it out."
        yield breach("ID_UNSEEN", text, path, line)


def name(value: str | None, path: str, line: int | None) -> Iterator[Finding]:
    if char := unseen(value or ""):
        text = f"{shown(value or '')} holds {character(char)}, by which a name can look like another. Look at it well."
        yield Finding(code="NAME_UNSEEN", severity=Severity.HOLD, text=text, path=path, line=line)


def positive(amount: Decimal | None, path: str, line: int | None) -> Iterator[Finding]:
    if amount is not None and amount <= 0:
        yield breach("AMOUNT_NOT_POSITIVE", f"The amount is {amount}; it has to be above zero.", path, line)


def currency(code: str | None, path: str, line: int | None) -> Iterator[Finding]:
    if code is not None and code not in DECIMALS:
        yield breach("CURRENCY_UNKNOWN", f"{shown(code)} is not an active ISO 4217 currency.", path, line)


def decimals(amount: Decimal | None, code: str | None, path: str, line: int | None) -> Iterator[Finding]:
    most = DECIMALS.get(code or "")
    if most is not None and amount is not None and _decimals(amount) > most:
        text = f"{amount} has too many decimals: {code} has {most or 'none'}."
        yield breach("AMOUNT_DECIMALS", text, path, line)


def _decimals(amount: Decimal) -> int:
    """Decimal places that carry value; trailing zeros do not."""
    return len(f"{amount:f}".partition(".")[2].rstrip("0"))


def accounts(
    iban: str | None, account: str, bic: str | None, agent: str, path: str, line: int | None
) -> Iterator[Finding]:
    """`account` and `agent` name the elements below `path`, as in CdtrAcct and CdtrAgt."""
    if iban is not None and (wrong := iban_fault(iban)):
        yield breach("IBAN_INVALID", f"{shown(iban)} is not a valid IBAN: {wrong}.", f"{path}/{account}/Id/IBAN", line)
    if bic is not None and (wrong := bic_fault(bic)):
        yield breach("BIC_INVALID", f"{shown(bic)} is not a valid BIC: {wrong}.", f"{path}/{agent}/FinInstnId", line)


def iban_fault(iban: str) -> str | None:
    """What is wrong with an IBAN in its electronic form; None where nothing is."""
    return None if ibans.is_sound(iban) else _iban_fault(iban)


@functools.lru_cache(maxsize=1_000)
def _iban_fault(iban: str) -> str | None:
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
    if _BIC.fullmatch(bic) and is_country(bic[4:6]):
        return None
    from schwifty import BIC
    from schwifty.exceptions import SchwiftyException

    if bic != bic.upper() or not (bic.isascii() and bic.isalnum()):
        return "only capital letters and digits may stand in it"
    try:
        BIC(bic)
    except SchwiftyException as error:
        return str(error).rstrip(".").lower()
    return None
