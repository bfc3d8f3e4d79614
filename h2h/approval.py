"""Four eyes: which payment files people have to approve before they are sent, who may, and when enough have.

    a row of the folder    all conditions that it states have to be met; then it asks for so many people
    several rows           each asks for its own; a file waits until all are content

Whoever had a hand in a file (dropped, repaired, held or proposed it) approves nothing of it. What somebody approved are
bytes of one SHA-256, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import compress
from typing import Any, NamedTuple

from h2h.columns import Columns
from h2h.model import EXACT, Finding, Payment, Severity, total

IN_WORDS = {1: "One person", 2: "Two people"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Above so much in all, or by one payment, of this currency or of any; with creditor accounts that were not paid
    for so long. One that states nothing takes every file. `who`: who may approve; None for all."""

    people: int = 1
    who: tuple[str, ...] | None = None
    above: Decimal | None = None
    payment_above: Decimal | None = None
    currency: str | None = None
    new_creditors: timedelta | None = None


class Need(NamedTuple):
    """What one row asks of a file. `rule`: why, in a sentence."""

    rule: str
    people: int
    who: Sequence[str] | None

    def __str__(self) -> str:
        of = f" ({', '.join(self.who)})" if self.who else ""
        return f"{IN_WORDS[self.people]}{of} who did not make it"


class Approved(NamedTuple):
    """Somebody approved the bytes with this SHA-256. `at`: in UTC, as ISO 8601 writes it."""

    by: str
    sha256: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One of the largest payments. `new`: nothing sent lately paid its account, or it has none."""

    position: int
    amount: Decimal | None
    currency: str | None
    creditor: str | None
    account: str | None
    reference: str | None
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What somebody saw of a file before letting it go, as its bytes say it. `totals`: by currency."""

    sha256: str
    size: int
    payments: int
    batches: int
    totals: Mapping[str, Decimal]
    debtors: Sequence[str]
    execution_dates: Sequence[str]
    largest: Sequence[Line]
    new_accounts: int
    some_new_accounts: Sequence[str]


SOMEBODY_ELSE = (Need("it may have been at the bank, and its folder asks for two people", 1, None),)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccounts:
    """Creditor accounts that were not paid before: how many, and some of them. Those are IBANs, which are known for
    accounts, and masked, wherever they are told outside. `without`: payments that name none."""

    count: int
    some: Sequence[str]
    without: int


class Largest(NamedTuple):
    amount: Decimal
    position: int


class Sums:
    """Tell it the payments of a file as they pass; then it knows what they come to, and the largest, by currency."""

    def __init__(self) -> None:
        self.totals: dict[str, Decimal] = {}
        self.largest: dict[str, Largest] = {}

    def look(self, payments: Columns[Payment]) -> None:
        amounts, currencies = payments.column("amount"), payments.column("currency")
        positions = payments.column("position")
        for currency in {*currencies}:
            ours = [each == currency for each in currencies]
            known = [amount or Decimal() for amount in compress(amounts, ours)]
            self._add(currency or "", known, [*compress(positions, ours)])

    def _add(self, currency: str, amounts: Sequence[Decimal], positions: Sequence[int]) -> None:
        self.totals[currency] = EXACT.add(self.totals.get(currency, Decimal()), total(amounts))
        most = max(amounts)
        if currency not in self.largest or most > self.largest[currency].amount:
            self.largest[currency] = Largest(most, positions[amounts.index(most)])


def needs(rules: Sequence[Rule], sums: Sums, new: Callable[[timedelta], NewAccounts]) -> list[Need]:
    """What the rows ask that the file meets. `new`: its creditor accounts that were not paid for so long."""
    met = ((rule, _met(rule, sums, new)) for rule in rules)
    return [Need(_sentence("; ".join(said)), rule.people, rule.who) for rule, said in met if said]


def finding(need: Need) -> Finding:
    """A need, as what keeps a file from going by itself."""
    text = f"{need.rule}. {need} have to release it." if need.people > 1 else f"{need.rule}. {need} has to release it."
    return Finding(code="APPROVAL_NEEDED", severity=Severity.HOLD, text=text)


def counting(approved: Sequence[Approved], sha256: str, makers: Collection[str]) -> list[str]:
    """Who approved these bytes, and had no hand in them; each once."""
    return list(dict.fromkeys(one.by for one in approved if one.sha256 == sha256 and one.by not in makers))


def lacking(needed: Sequence[Need], people: Collection[str]) -> list[Need]:
    """What is still asked for when these people approved it, with how many more."""
    left = [need._replace(people=need.people - len(_of(need, people))) for need in needed]
    return [need for need in left if need.people > 0]


def wanted(left: Sequence[Need]) -> str:
    """Who still has to approve it, in a sentence."""
    if not left:
        return "Nobody else has to."
    return "Wanted: " + "; ".join(f"{str(need)[0].lower()}{str(need)[1:]}" for need in left) + "."


def may(needed: Sequence[Need], who: str) -> bool:
    """Whether this person's word is asked for."""
    return any(need.who is None or who in need.who for need in needed)


def needs_of(said: Sequence[Sequence[Any]] | None) -> list[Need] | None:
    """As they were stored."""
    return None if said is None else [Need(*each) for each in said]


def approved_of(said: Sequence[Sequence[Any]] | None) -> list[Approved]:
    return [Approved(*each) for each in said or ()]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _of(need: Need, people: Collection[str]) -> set[str]:
    return {*people} if need.who is None else {*people} & {*need.who}


def _met(rule: Rule, sums: Sums, new: Callable[[timedelta], NewAccounts]) -> list[str] | None:
    """Why the file meets it: a part of a sentence for each condition; None where it does not."""
    said: list[str] = []
    for condition in (_above(rule, sums), _payment_above(rule, sums), _new_creditors(rule, new)):
        if condition is not None:
            said += (found := [*condition])
            if not found:
                return None
    return said or ["every file of this folder has to be approved"]


def _above(rule: Rule, sums: Sums) -> Iterator[str] | None:
    return None if rule.above is None else _over(rule.above, rule.currency, sums)


def _over(limit: Decimal, wanted: str | None, sums: Sums) -> Iterator[str]:
    for currency, amount in sorted(sums.totals.items()):
        if wanted in (None, currency) and amount > limit:
            yield f"its payments come to {amount:f} {currency}, above {limit:f}"


def _payment_above(rule: Rule, sums: Sums) -> Iterator[str] | None:
    return None if rule.payment_above is None else _one_over(rule.payment_above, rule.currency, sums)


def _one_over(limit: Decimal, wanted: str | None, sums: Sums) -> Iterator[str]:
    for currency, most in sorted(sums.largest.items()):
        if wanted in (None, currency) and most.amount > limit:
            yield f"payment {most.position} is of {most.amount:f} {currency}, above {limit:f}"


def _new_creditors(rule: Rule, new: Callable[[timedelta], NewAccounts]) -> Iterator[str] | None:
    return None if rule.new_creditors is None else _unknown(new(rule.new_creditors), rule.new_creditors)


def _unknown(found: NewAccounts, since: timedelta) -> Iterator[str]:
    if found.count:
        more = ", …" if found.some and found.count > len(found.some) else ""
        named = f": {', '.join(found.some)}{more}" if found.some else ""
        accounts = f"{found.count} account" + "s" * (found.count > 1)
        unpaid = f"that nothing sent to this bank in {since.days} days has paid"
        yield f"it pays {accounts} {unpaid}{named}"
    if found.without:
        payments = f"{found.without} of its payments name" if found.without > 1 else "one of its payments names"
        yield f"{payments} no account of the creditor"
