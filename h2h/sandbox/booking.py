"""From decisions to entries: one per accepted payment, one per batch with BtchBookg, and the bank's own of the day.

A payment that comes back is booked first like any other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from h2h.sandbox.answers import DecidedBatch
from h2h.sandbox.books import Account, Detail, Entry, Returned
from h2h.sandbox.orders import NOT_PROVIDED, Order, OrderBatch, OrderPayment
from h2h.sandbox.scenario import Booking, Scenario, Then

_CENT = Decimal("0.01")
_OUT_SEPA = ("PMNT", "ICDT", "ESCT")
_OUT_OTHER = ("PMNT", "ICDT", "XBCT")
_IN = ("PMNT", "RCDT", "ESCT")
_CHARGE = ("ACMT", "MDOP", "CHRG")
_PAYMENT_CHARGE = ("PMNT", "ICDT", "CHRG")
_RETURNED = ("PMNT", "ICDT", "RRTN")
BOOKED = (Then.ACCEPT, Then.RETURN)
_PAYERS = ("Nordlicht Handel GmbH", "Atelier Dubois SARL", "Officine Rossi SpA", "Van Dijk Logistiek BV")


def entries(order: Order, batch: DecidedBatch, currency: str, scenario: Scenario) -> tuple[Entry, ...]:
    accepted = [payment for payment, decision in batch.pairs() if decision.then in BOOKED]
    if not accepted:
        return ()
    details = tuple(_detail(order, batch.batch, payment, currency, scenario) for payment in accepted)
    code = _OUT_SEPA if currency == "EUR" and all(p.currency == "EUR" for p in accepted) else _OUT_OTHER
    if _in_one_sum(batch.batch, scenario):
        text = f"Collective order, {len(details)} payments"
        one = _debit(code, text, details)
        booked: tuple[Entry, ...] = (replace(one, batch=True, listed=scenario.batch_details),)
    else:
        booked = tuple(_debit(code, "Credit transfer", (detail,)) for detail in details)
    if not scenario.payment_charge or scenario.charge_included:
        return booked
    text, charged = f"Charges for {len(details)} payments", scenario.payment_charge * len(details)
    return (*booked, Entry(amount=charged, direction="DBIT", code=_PAYMENT_CHARGE, text=text))


def returns(order: Order, batch: DecidedBatch, currency: str, scenario: Scenario) -> Iterator[tuple[int, Detail]]:
    """What of this batch comes back, and after how many statements. The bank keeps its charge."""
    for payment, decision in batch.pairs():
        if decision.then is Then.RETURN:
            why = Returned(reason=decision.reason, proprietary=decision.proprietary, text=decision.text)
            detail = _detail(order, batch.batch, payment, currency, scenario)
            yield decision.days, replace(detail, charge=Decimal(0), returned=why)


def come_back(detail: Detail) -> Entry:
    return Entry(amount=detail.amount, direction="CRDT", code=_RETURNED, text="Returned payment", details=(detail,))


def _in_one_sum(batch: OrderBatch, scenario: Scenario) -> bool:
    match scenario.batch_booking:
        case Booking.AS_ORDERED:
            return batch.batch_booking
        case Booking.BATCH:
            return True
        case Booking.SINGLE:
            return False


def _debit(code: tuple[str, str, str], text: str, details: tuple[Detail, ...]) -> Entry:
    total = sum((detail.amount + detail.charge for detail in details), Decimal(0))
    return Entry(amount=total, direction="DBIT", code=code, text=text, details=details)


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


def _detail(order: Order, batch: OrderBatch, payment: OrderPayment, currency: str, scenario: Scenario) -> Detail:
    foreign = payment.currency != currency
    charge = scenario.payment_charge if scenario.charge_included else Decimal(0)
    told = foreign or charge
    return Detail(
        amount=(payment.amount * scenario.exchange_rate).quantize(_CENT, ROUND_HALF_UP) if foreign else payment.amount,
        end_to_end_id=payment.end_to_end_id,
        message_id=order.message_id,
        payment_information_id=batch.payment_information_id,
        instruction_id=payment.instruction_id,
        uetr=payment.uetr,
        instructed_amount=payment.amount if told else None,
        instructed_currency=payment.currency if told else "",
        party_name=payment.creditor_name,
        party_account=payment.creditor_account,
        remittance=payment.remittance,
        charge=charge,
    )
