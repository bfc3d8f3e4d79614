"""The rule on postal addresses: from mid November 2026 banks take them structured or hybrid.

Structured: every part in an element of its own, town (TwnNm) and country (Ctry) among them. Hybrid: these two, and at
most two AdrLine beside them. No address at all breaks nothing. Here are the rule, as findings on one file, and a tally
over many files of who is ready for it.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from h2h.columns import inner_column
from h2h.model import Address, Batch, Finding, Payment, Record, Severity
from h2h.text import shown

CODES = {
    "ADDRESS_UNSTRUCTURED": "an address stands in AdrLine alone, without TwnNm and Ctry",
    "ADDRESS_TOWN_OR_COUNTRY": "an address has no TwnNm, or no Ctry",
    "ADDRESS_LINES": "an address has more than two AdrLine beside its town and country",
    "ADDRESS_COUNTRY": "the Ctry of an address is not on the ISO 3166 list",
}

MOST_LINES = 2
MAX_TOLD = 100  # addresses, each with the first payment that it stands in
MAX_PARTIES = 100_000
BY_AGREEMENT = frozenset({"XK"})  # Kosovo: not on the list, and in everybody's use

# What is wrong with an address, and what to do.
_WRONG = {
    "ADDRESS_UNSTRUCTURED": (
        "stands in AdrLine alone",
        "Put the town into TwnNm and the country into Ctry; then two AdrLine may stay.",
    ),
    "ADDRESS_TOWN_OR_COUNTRY": ("has no TwnNm or no Ctry", "Put both into it."),
    "ADDRESS_LINES": (
        "has more than two AdrLine",
        "Put street, number, post code and the like into elements of their own (StrtNm, BldgNb, PstCd).",
    ),
    "ADDRESS_COUNTRY": ("has a Ctry that is no country", "Write the one of ISO 3166 that is meant, as in DE."),
}
_ROLES = {
    "Dbtr": "debtor", "UltmtDbtr": "ultimate debtor", "Cdtr": "creditor", "UltmtCdtr": "ultimate creditor",
    "DbtrAgt": "debtor's bank", "CdtrAgt": "creditor's bank",
}  # fmt: skip


def breaches(address: Address) -> tuple[str, ...]:
    """The codes of what is wrong with an address."""
    town, country = address.town, address.country
    if town and country and len(address.lines) <= MOST_LINES and is_country(country):
        return ()
    return tuple(_breaches(town, country, len(address.lines)))


def all_fit(found: Sequence[Sequence[Address]]) -> bool:
    """Whether it is certain, at a glance, that `breaches` finds nothing in any of them."""
    towns, countries, lines = (set(inner_column(found, name)) for name in ("town", "country", "lines"))
    return max(map(len, lines), default=0) <= MOST_LINES and all(towns) and countries <= _countries()


def _breaches(town: str | None, country: str | None, lines: int) -> Iterator[str]:
    alone = lines > 0 and not town and not country
    for code, broken in (
        ("ADDRESS_UNSTRUCTURED", alone),
        ("ADDRESS_TOWN_OR_COUNTRY", not alone and not (town and country)),
        ("ADDRESS_LINES", not alone and lines > MOST_LINES),
        ("ADDRESS_COUNTRY", country is not None and not is_country(country)),
    ):
        if broken:
            yield code


def is_country(code: str) -> bool:
    return code in _countries()


@functools.cache
def _countries() -> frozenset[str]:
    from pycountry import countries  # here, as few files have addresses and the list takes a while

    return BY_AGREEMENT | {country.alpha_2 for country in countries}


class Faults:
    """What is wrong with the addresses of a file: one finding for each fault.

    An address that stands in many payments is told once, where it is first, with how often. At most `MAX_TOLD` are
    kept; the others are counted.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[object, ...], tuple[str, Address, tuple[str, ...]]] = {}
        self._often: Counter[tuple[object, ...]] = Counter()
        self._more = 0

    def look(self, found: Iterable[Address], path: str) -> None:
        """`path`: of what they stand in; the place of each continues it."""
        for address in found:
            if codes := breaches(address):
                self._add(path, address, codes)

    def _add(self, path: str, address: Address, codes: tuple[str, ...]) -> None:
        key: tuple[object, ...] = (address.place, address.name, address.town, address.country, address.lines)
        if key in self._first or len(self._first) < MAX_TOLD:
            self._first.setdefault(key, (path, address, codes))
            self._often[key] += 1
        else:
            self._more += 1

    def findings(self, severity: Severity) -> Iterator[Finding]:
        for key, (path, address, codes) in self._first.items():
            for code in codes:
                place = f"{path}/{address.place}"
                text = _sentence(code, address, self._often[key])
                yield Finding(code=code, severity=severity, text=text, path=place, line=address.line)
        if self._more:
            text = f"{self._more} more addresses are not as banks ask; `h2h validate --addresses FILE` tells whose."
            yield Finding(code="FINDINGS_CUT", severity=severity, text=text)


def _sentence(code: str, address: Address, often: int) -> str:
    role = address.place.partition("/")[0]
    whose = f"{_ROLES.get(role, 'bank')} {shown(address.name)}" if address.name else f"a {_ROLES.get(role, 'bank')}"
    again = f" ({often} times in this file)" if often > 1 else ""
    wrong, remedy = _WRONG[code]
    return f"The address of {whose}{again} {wrong}, which banks refuse from November 2026 on. {remedy}"


# Many files: who is ready.


class Form(StrEnum):
    """Of an address. UNFIT: something is missing in it, wrong or too much."""

    NONE = "none"
    STRUCTURED = "structured"
    HYBRID = "hybrid"
    UNSTRUCTURED = "unstructured"
    UNFIT = "unfit"


READY = frozenset({Form.NONE, Form.STRUCTURED, Form.HYBRID})


def form_of(address: Address | None) -> Form:
    if address is None:
        return Form.NONE
    match breaches(address):
        case ():
            return Form.HYBRID if address.lines else Form.STRUCTURED
        case ("ADDRESS_UNSTRUCTURED",):
            return Form.UNSTRUCTURED
    return Form.UNFIT


class Who(NamedTuple):
    """A creditor; or another party or agent that an address is given of. `role` is the name of its element."""

    role: str
    name: str | None
    account: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyForms:
    """One party in many files: in how many payments it has an address of which form."""

    role: str
    name: str | None
    account: str | None
    payments: int
    files: int
    ready: int
    none: int
    structured: int
    hybrid: int
    unstructured: int
    unfit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Over all files. A payment is ready if all that it names is; `left_out`: mentions of parties beyond the bound."""

    files: int
    payments: int
    ready: int
    without_address: int  # of the creditor; they are among those that are ready
    parties: int
    left_out: int


class Tally:
    """Counts the addresses of payments, file by file; at most so many parties, and says what is left out."""

    def __init__(self, most: int = MAX_PARTIES) -> None:
        self._most = most
        self._forms: dict[Who, Counter[Form]] = {}
        self._in_files: Counter[Who] = Counter()
        self._batch: list[tuple[Who, Form]] = []
        self._files = self._payments = self._ready = self._without = self._left_out = 0

    def add(self, record: Record) -> None:
        """The next record of a file."""
        match record:
            case Batch():
                self._batch = list(_others(record.addresses, debtor=record.debtor_iban or record.debtor_account))
            case Payment():
                self._payment(record)

    def _payment(self, payment: Payment) -> None:
        of_creditor = next((a for a in payment.addresses if a.place == "Cdtr/PstlAdr"), None)
        creditor = Who("Cdtr", payment.creditor_name, payment.creditor_iban or payment.creditor_account)
        mentions = [(creditor, form_of(of_creditor)), *_others(payment.addresses), *self._batch]
        for who, form in mentions:
            if who in self._forms or len(self._forms) < self._most:
                self._forms.setdefault(who, Counter())[form] += 1
            else:
                self._left_out += 1
        self._payments += 1
        self._ready += all(form in READY for _, form in mentions)
        self._without += of_creditor is None

    def merge(self, file: Tally) -> None:
        """What was counted in a file that was read to its end."""
        for who, forms in file._forms.items():
            if who in self._forms or len(self._forms) < self._most:
                self._forms.setdefault(who, Counter()).update(forms)
                self._in_files[who] += 1
            else:
                self._left_out += forms.total()
        self._files += 1
        self._payments += file._payments
        self._ready += file._ready
        self._without += file._without
        self._left_out += file._left_out

    def parties(self) -> list[PartyForms]:
        """Those that are not ready first, and among them those in most payments."""
        rows = [self._row(who, forms) for who, forms in self._forms.items()]
        return sorted(rows, key=lambda r: (r.ready == r.payments, -r.payments, r.role, r.name or "", r.account or ""))

    def _row(self, who: Who, forms: Counter[Form]) -> PartyForms:
        return PartyForms(
            role=who.role,
            name=who.name,
            account=who.account,
            payments=forms.total(),
            files=self._in_files[who],
            ready=sum(forms[form] for form in READY),
            none=forms[Form.NONE],
            structured=forms[Form.STRUCTURED],
            hybrid=forms[Form.HYBRID],
            unstructured=forms[Form.UNSTRUCTURED],
            unfit=forms[Form.UNFIT],
        )

    def totals(self) -> Totals:
        return Totals(
            files=self._files,
            payments=self._payments,
            ready=self._ready,
            without_address=self._without,
            parties=len(self._forms),
            left_out=self._left_out,
        )


def _others(addresses: Iterable[Address], debtor: str | None = None) -> Iterator[tuple[Who, Form]]:
    """All but the creditor."""
    for address in addresses:
        role = address.place.partition("/")[0]
        if role != "Cdtr":
            yield Who(role, address.name, debtor if role == "Dbtr" else None), form_of(address)
