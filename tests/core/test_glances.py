"""Glances: where one lets a bunch pass, the rule finds nothing in it; and what is good is let pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from h2h import one_pass
from h2h.columns import Columns
from h2h.direct_debits import DirectDebitRules
from h2h.model import Address, DirectDebit, DirectDebitBatch, DirectDebitFile, Finding, Payment
from h2h.one_pass import Bunch, OnePass, Rule
from h2h.rules import Batch, PaymentFile, PaymentRules, Terms

LONG = bool(os.environ.get("H2H_LONG"))
MANY = settings(
    max_examples=2_000 if LONG else 50,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow],
)
GOOD = {
    "amount": ["10.00", "0.01", "5", "1E+2", "99999999999999.99"],
    "currency": ["EUR", "USD"],
    "iban": ["DE02120300000000202051", "NL91ABNA0417164300", "FR1420041010050500013M02606", None],
    "bic": ["COBADEFFXXX", "PCBKXKPR", None],
    "name": ["Müller & Söhne AG", "株式会社", "plain", None],
    "reference": ["E-1", "E-2", "NOTPROVIDED", "ü"],
    "address": [("Köln", "DE", 0), ("Oslo", "NO", 2)],
}
BAD = {
    "amount": ["0", "-1", "0.001", "1.10", None, "0.00"],
    "currency": ["JPY", "XXX", "eur", "", "KWD", None],
    "iban": ["DE02120300000000202052", "DE0212030000000020205", "de02120300000000202051", "ZZ00", "", "٣٣"],
    "bic": ["COBAUKFF", "x", ""],
    "name": ["A\u200bB", "A\u00a0B", "\u3164", "A\u202eB", ""],
    "reference": [None, "A\u200b", "A\u00a0B", "A\u2800B", "E\n1", ""],
    "address": [(None, "DE", 1), ("Köln", "UK", 0), ("Köln", "DE", 3), (None, None, 2), ("", "DE", 0)],
}


def values(kind: str, *, bad: bool) -> st.SearchStrategy[Any]:
    return st.sampled_from([*GOOD[kind], *(BAD[kind] if bad else [])])  # type: ignore[misc]


@st.composite
def payments(draw: st.DrawFn, *, bad: bool) -> list[Payment]:
    """One bunch or some; a quarter of the values of bad ones is bad."""
    count = draw(st.integers(1, 7))
    return [draw(payment(position, bad=bad)) for position in range(1, count + 1)]


def payment(position: int, *, bad: bool) -> st.SearchStrategy[Payment]:
    amount = values("amount", bad=bad).map(lambda text: Decimal(text) if text is not None else None)
    places = st.lists(values("address", bad=bad), max_size=2)
    return st.builds(
        Payment, position=st.just(position), batch=st.just(1), payment_information_id=st.just("B"),
        instruction_id=values("reference", bad=bad), end_to_end_id=values("reference", bad=bad), uetr=st.none(),
        amount=amount, currency=values("currency", bad=bad), creditor_name=values("name", bad=bad),
        transfer_currency=st.sampled_from([None, "USD", "XXX"] if bad else [None]),
        creditor_iban=values("iban", bad=bad), creditor_account=values("reference", bad=bad),
        creditor_agent=values("bic", bad=bad), line=st.just(position),
        addresses=places.map(lambda found: tuple(
            Address(place="Cdtr/PstlAdr", name="N", town=town, country=country, lines=("x",) * lines)
            for town, country, lines in found
        )),
    )  # fmt: skip


def asked(rules: OnePass[Any, Any, Any], header: Any, batch: Any, orders: list[Any]) -> list[Finding]:
    rules.group(batch)
    for order in orders:
        rules.order(order)
    return [*rules.findings(header, orders, valid=True)]


class EveryRule(PaymentRules):
    """Asks every rule of every payment."""

    def rules(self) -> list[Rule[Payment]]:
        return [Rule(rule.finds, lambda _: False) for rule in super().rules()]


class EveryRuleOfDirectDebits(DirectDebitRules):
    def rules(self) -> list[Rule[DirectDebit]]:
        return [Rule(rule.finds, lambda _: False) for rule in super().rules()]


HEADER = PaymentFile(message="pain.001.001.09", message_id="M")
BATCH = Batch(position=1, payment_information_id="B")


@pytest.fixture(autouse=True, scope="module")
def _small_bunches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_pass, "TOGETHER", 3)
        yield


@MANY
@given(payments(bad=True))
def test_findings_are_those_of_asking_every_rule_of_every_payment(orders: list[Payment]) -> None:
    assert asked(PaymentRules(Terms()), HEADER, BATCH, orders) == asked(EveryRule(Terms()), HEADER, BATCH, orders)


@MANY
@given(payments(bad=True))
def test_findings_on_direct_debits_are_those_of_asking_every_rule(orders: list[Payment]) -> None:
    header = DirectDebitFile(message="pain.008.001.08", message_id="M")
    batch = DirectDebitBatch(position=1, payment_information_id="B")
    debits = [
        DirectDebit(
            position=p.position, batch=1, payment_information_id="B", instruction_id=p.instruction_id,
            end_to_end_id=p.end_to_end_id, uetr=None, amount=p.amount, currency=p.currency,
            mandate_id=p.creditor_account, debtor_name=p.creditor_name, debtor_iban=p.creditor_iban,
            debtor_account=p.creditor_account, debtor_agent=p.creditor_agent,
        )
        for p in orders
    ]  # fmt: skip
    every = EveryRuleOfDirectDebits(Terms())
    assert asked(DirectDebitRules(Terms()), header, batch, debits) == asked(every, header, batch, debits)


@MANY
@given(payments(bad=False))
def test_what_is_good_is_let_pass_at_a_glance(orders: list[Payment]) -> None:
    for rule in PaymentRules(Terms()).rules():
        assert rule.clears(Bunch(Columns.of(orders)))


@pytest.mark.parametrize(("kind", "field"), [
    ("amount", "amount"), ("currency", "currency"), ("iban", "creditor_iban"), ("bic", "creditor_agent"),
    ("name", "creditor_name"), ("reference", "end_to_end_id"), ("reference", "instruction_id"),
    ("reference", "creditor_account"), ("address", "addresses"),
])  # fmt: skip
def test_every_kind_of_fault_is_found_among_good_payments(kind: str, field: str) -> None:
    """So that the comparison above compares something; and it finds the same as asking every rule."""
    good = dict.fromkeys(("instruction_id", "uetr", "amount", "currency")) | {"end_to_end_id": "E"}
    found = set()
    for value in BAD[kind]:
        held: Any = value
        if kind == "amount" and value is not None:
            held = Decimal(str(value))
        if kind == "address":
            town, country, lines = value  # type: ignore[misc]
            held = (Address(place="Cdtr/PstlAdr", name=None, town=town, country=country, lines=("x",) * lines),)
        one = Payment(position=2, batch=1, payment_information_id="B", **good | {field: held, "currency": "EUR"}
                      | ({"currency": held} if kind == "currency" else {}))  # fmt: skip
        others = [Payment(position=n, batch=1, payment_information_id="B", **good) for n in (1, 3)]
        told = asked(PaymentRules(Terms()), HEADER, BATCH, [others[0], one, others[1]])
        assert told == asked(EveryRule(Terms()), HEADER, BATCH, [others[0], one, others[1]])
        found |= {f.code for f in told}
    assert found - {"END_TO_END_ID_REPEATED"}
