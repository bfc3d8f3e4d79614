"""From decisions to entries: one per accepted payment, one per batch with BtchBookg, and the bank's own of the day."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal

from h2h.sandbox.answers import DecidedBatch
from h2h.sandbox.books import Account, Detail, Entry
from h2h.sandbox.orders import NOT_PROVIDED, Order, OrderBatch, OrderPayment
from h2h.sandbox.scenario import Scenario, Then

_CENT = Decimal("0.01")
_OUT_SEPA = ("PMNT", "ICDT", "ESCT")
_OUT_OTHER = ("PMNT", "ICDT", "XBCT")
_IN = ("PMNT", "RCDT", "ESCT")
_CHARGE = ("ACMT", "MDOP", "CHRG")
_PAYERS = ("Nordlicht Handel GmbH", "Atelier Dubois SARL", "Officine Rossi SpA", "Van Dijk Logistiek BV")


def entries(order: Order, batch: DecidedBatch, currency: str, rate: Decimal) -> tuple[Entry, ...]:
    accepted = [payment for payment, decision in batch.pairs() if decision.then is Then.ACCEPT]
    details = [_detail(order, batch.batch, payment, currency, rate) for payment in accepted]
    code = _OUT_SEPA if currency == "EUR" and all(p.currency == "EUR" for p in accepted) else _OUT_OTHER
    if details and batch.batch.batch_booking:
        total = sum((detail.amount for detail in details), Decimal(0))
        text = f"Collective order, {len(details)} payments"
        return (Entry(amount=total, direction="DBIT", code=code, text=text, batch=True, details=tuple(details)),)
    return tuple(
        Entry(amount=detail.amount, direction="DBIT", code=code, text="Credit transfer", details=(detail,))
        for detail in details
    )


def of_the_day(account: Account, scenario: Scenario) -> tuple[Entry, ...]:
    """Incoming payments, the same for the same seed, account and day, and the charge."""
    chance = random.Random(f"{scenario.seed}/{account.key}/{account.statements}")  # noqa: S311 - sample data
    incoming = tuple(_credit(chance, account, number) for number in range(1, scenario.credits_per_day + 1))
    if not scenario.charge:
        return incoming
    return (*incoming, Entry(amount=scenario.charge, direction="DBIT", code=_CHARGE, text="Account charge"))


def _credit(chance: random.Random, account: Account, number: int) -> Entry:
    invoice = f"RE-{account.statements + 1:04d}-{number:02d}"
    detail = Detail(
        amount=Decimal(chance.randrange(1_000, 500_000)) * _CENT,
        end_to_end_id=chance.choice((invoice, NOT_PROVIDED)),
        party_name=chance.choice(_PAYERS),
        remittance=(f"Invoice {invoice}",),
    )
    return Entry(amount=detail.amount, direction="CRDT", code=_IN, text="Incoming payment", details=(detail,))


def _detail(order: Order, batch: OrderBatch, payment: OrderPayment, currency: str, rate: Decimal) -> Detail:
    foreign = payment.currency != currency
    return Detail(
        amount=(payment.amount * rate).quantize(_CENT, ROUND_HALF_UP) if foreign else payment.amount,
        end_to_end_id=payment.end_to_end_id,
        message_id=order.message_id,
        payment_information_id=batch.payment_information_id,
        instruction_id=payment.instruction_id,
        uetr=payment.uetr,
        instructed_amount=payment.amount if foreign else None,
        instructed_currency=payment.currency if foreign else "",
        party_name=payment.creditor_name,
        party_account=payment.creditor_account,
        remittance=payment.remittance,
    )
