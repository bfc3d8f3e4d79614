"""What a sandbox bank says and books. No files, no threads: bytes of an order in, papers for /out out.

Every file passes two steps, `receive` and `answer`, each in the order of the numbers; `close_day` ends a day.

| the bank finds | and says |
| --- | --- |
| not XML, no pain.001, no payments | RJCT, FF01 |
| an amount or a currency that is none | RJCT, AM12 or AM11 |
| a message id that came before | RJCT, DU01 |
| NbOfTxs or CtrlSum that are not those of the payments | RJCT, AM18 or AM10 |
| anything else | per payment, by the first rule of the scenario that fits; without one it is accepted |

A pending payment is accepted, booked, and answered once more at the end of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from h2h.sandbox import answers, booking, statements
from h2h.sandbox.answers import DecidedBatch, Decision
from h2h.sandbox.books import Account, State
from h2h.sandbox.orders import NOT_PROVIDED, Order, OrderBatch, OrderPayment, Refusal, check_totals, read_order
from h2h.sandbox.scenario import NEVER, Generation, Scenario, Then

_REASON = "MS03"  # not specified by the agent
_ACCEPT = Decision(then=Then.ACCEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A file for /out."""

    name: str
    data: bytes


class Bank:
    def __init__(self, scenario: Scenario, clock: Callable[[], datetime], state: State | None = None) -> None:
        self.scenario = scenario
        self.state = state or State()
        self._clock = clock

    def receive(self, number: int, data: bytes) -> list[Paper]:
        """First step: refuse the file as a whole, or say that it is there."""
        order = read_order(data)
        if order.message_id != NOT_PROVIDED and order.message_id not in self.state.first_use:
            self.state = replace(self.state, first_use={**self.state.first_use, order.message_id: number})
        self.state = replace(self.state, received=number)
        if self.scenario.received_seconds == NEVER:
            return []
        if refusal := self._refusal(number, order):
            return [self._refused(order, refusal)]
        generation, (paper_id, name, at) = (self._generation(order), self._paper("pain002"))
        return [Paper(name=name, data=answers.received(order, generation=generation, paper_id=paper_id, at=at))]

    def answer(self, number: int, data: bytes) -> list[Paper]:
        """Second step: decide, book, and say so."""
        order = read_order(data)
        self.state = replace(self.state, answered=number)
        if refusal := self._refusal(number, order):
            return [self._refused(order, refusal)] if self._refusal_is_due() else []
        batches = [self._decide(batch) for batch in order.batches]
        self._book(order, batches)
        if any(decision.then is Then.PENDING for batch in batches for decision in batch.decisions):
            self.state = replace(self.state, pending=(*self.state.pending, number))
        return self._decided(order, batches)

    def close_day(self, read: Callable[[int], bytes]) -> list[Paper]:
        """Settle what is pending, then a statement for every account that ever sent an order.

        `read` gives the bytes of a taken file by its number.
        """
        papers = [paper for number in self.state.pending for paper in self._settle(read_order(read(number)))]
        self.state = replace(self.state, pending=())
        return papers + [self._statement(account) for account in self.state.accounts.values()]

    def _refusal(self, number: int, order: Order) -> Refusal | None:
        if order.refusal is not None:
            return order.refusal
        if self.state.first_use.get(order.message_id, number) != number:
            return Refusal(code="DU01", text=f"Message id {order.message_id} was received before.")
        return check_totals(order)

    def _refusal_is_due(self) -> bool:
        return self.scenario.received_seconds == NEVER and self.scenario.answer_seconds != NEVER

    def _refused(self, order: Order, refusal: Refusal) -> Paper:
        generation, (paper_id, name, at) = (self._generation(order), self._paper("pain002"))
        data = answers.refused(order, refusal, generation=generation, paper_id=paper_id, at=at)
        return Paper(name=name, data=data)

    def _decided(self, order: Order, batches: list[DecidedBatch]) -> list[Paper]:
        if self.scenario.answer_seconds == NEVER:
            return []
        generation, (paper_id, name, at) = (self._generation(order), self._paper("pain002"))
        data = answers.decided(order, batches, generation=generation, paper_id=paper_id, at=at)
        return [Paper(name=name, data=data)]

    def _decide(self, batch: OrderBatch) -> DecidedBatch:
        return DecidedBatch(batch=batch, decisions=tuple(decide(payment, self.scenario) for payment in batch.payments))

    def _settle(self, order: Order) -> list[Paper]:
        """Accept what was pending in `order`: book that part, answer for the whole."""
        before = [self._decide(batch) for batch in order.batches]
        self._book(order, [replace(batch, decisions=_swap(batch)) for batch in before])
        after = [
            replace(batch, decisions=tuple(_ACCEPT if d.then is Then.PENDING else d for d in batch.decisions))
            for batch in before
        ]
        return self._decided(order, after)

    def _book(self, order: Order, batches: list[DecidedBatch]) -> None:
        """Entries for what is accepted. The first order that names an account opens it, whatever becomes of it."""
        for batch in batches:
            account = self._account(order, batch.batch)
            entries = booking.entries(order, batch, account.currency, self.scenario.exchange_rate)
            self.state = self.state.with_account(replace(account, entries=account.entries + entries))

    def _account(self, order: Order, batch: OrderBatch) -> Account:
        new = Account(
            number=batch.account or NOT_PROVIDED,
            currency=batch.account_currency,
            owner=batch.owner,
            generation=self._generation(order),
            balance=self.scenario.opening_balance,
        )
        known = self.state.accounts.get(new.key)
        return replace(known, generation=new.generation) if known else new

    def _statement(self, account: Account) -> Paper:
        full = replace(account, entries=account.entries + booking.of_the_day(account, self.scenario))
        paper_id, name, at = self._paper("camt053")
        self.state = self.state.with_account(full.closed())
        generation = self.scenario.generation or full.generation
        return Paper(name=name, data=statements.statement(full, generation=generation, paper_id=paper_id, at=at))

    def _generation(self, order: Order) -> Generation:
        return self.scenario.generation or order.generation

    def _paper(self, kind: str) -> tuple[str, str, datetime]:
        """Message id, file name and time of the next paper; numbers are never used twice, names sort by them."""
        at, number = self._clock(), self.state.papers + 1
        self.state = replace(self.state, papers=number)
        return (f"SBX{at:%Y%m%d}-{number:06d}", f"{at:%Y%m%d}_{number:06d}_{kind}.xml", at)


def decide(payment: OrderPayment, scenario: Scenario) -> Decision:
    for rule in scenario.rule:
        if rule.when.holds(
            amount=payment.amount,
            currency=payment.currency,
            name=payment.creditor_name,
            account=payment.creditor_account,
            end_to_end_id=payment.end_to_end_id,
        ):
            reason = _REASON if rule.then is Then.REJECT else ""
            return Decision(then=rule.then, reason=rule.reason or reason, text=rule.text or "")
    return _ACCEPT


def _swap(batch: DecidedBatch) -> tuple[Decision, ...]:
    """Only what was pending is accepted: the rest is booked already, or never."""
    left_out = Decision(then=Then.REJECT)
    return tuple(_ACCEPT if decision.then is Then.PENDING else left_out for decision in batch.decisions)
