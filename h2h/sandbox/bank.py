"""What a sandbox bank says and books. No files, no threads: bytes of an order in, papers for /out out.

Every file passes two steps, `receive` and `answer`, each in the order of the numbers; `close_day` ends a day.

| the bank finds | and says |
| --- | --- |
| not XML, no pain.001, no payments | RJCT, FF01 |
| an amount or a currency that is none | RJCT, AM12 or AM11 |
| a message id that came before | RJCT, DU01 |
| NbOfTxs or CtrlSum that are not those of the payments | RJCT, AM18 or AM10 |
| anything else | per payment, by the first rule of the scenario that fits; without one it is accepted |

A pending payment is accepted, booked, and answered once more at the end of the day. What is to be returned comes back
as an entry of a later day. Whatever comes late is written when it is due and put out at the end of a later day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from h2h.sandbox import answers, booking, statements
from h2h.sandbox.answers import DecidedBatch, Decision
from h2h.sandbox.books import Account, Entry, Later, Return, State
from h2h.sandbox.orders import NOT_PROVIDED, Order, OrderBatch, OrderPayment, Refusal, check_totals, read_order
from h2h.sandbox.scenario import NEVER, Generation, Repeat, Rule, Scenario, Then

_REASONS = {Then.REJECT: "MS03", Then.RETURN: "AC04"}  # not specified by the agent; the account is closed
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
        paper = Paper(name=name, data=answers.received(order, generation=generation, paper_id=paper_id, at=at))
        if self.scenario.received_last:
            self._keep_back([paper], self._today, number)
            return []
        return [paper]

    def answer(self, number: int, data: bytes) -> list[Paper]:
        """Second step: decide, book, and say so."""
        order = read_order(data)
        self.state = replace(self.state, answered=number)
        if refusal := self._refusal(number, order):
            return [self._refused(order, refusal)] if self._refusal_is_due() else []
        batches = [self._decide(batch) for batch in order.batches]
        before = self.state.accounts
        self._book(order, batches)
        if any(decision.then is Then.PENDING for batch in batches for decision in batch.decisions):
            self.state = replace(self.state, pending=(*self.state.pending, number))
        return [*self._decided(order, batches, number), *self._news(before)]

    def close_day(self, read: Callable[[int], bytes]) -> list[Paper]:
        """Settle what is pending, then a statement for every account that ever sent an order, then what comes late.

        `read` gives the bytes of a taken file by its number.
        """
        today, before = self._today, self.state.accounts
        papers = [paper for number in self.state.pending for paper in self._settle(read_order(read(number)))]
        self.state = replace(self.state, pending=())
        self._come_back(today)
        for account in self.state.accounts.values():
            self._enter(account, booking.of_the_day(account, self.scenario))
        if self.scenario.notifications:
            papers += self._notifications(before)
        papers += [paper for account in self.state.accounts.values() for paper in self._statement(account)]
        papers += self._handed_out(lambda later: later.day <= today and not later.number)
        self.state = replace(self.state, day=today)
        return papers

    @property
    def _today(self) -> int:
        """The number of the day that runs."""
        return self.state.day + 1

    def _keep_back(self, papers: list[Paper], day: int, number: int = 0) -> None:
        """Until the end of that day; or, with a number, until the file of that is answered."""
        kept = (Later(day=day, name=paper.name, data=paper.data.decode(), number=number) for paper in papers)
        self.state = replace(self.state, later=(*self.state.later, *kept))

    def _handed_out(self, due: Callable[[Later], bool]) -> list[Paper]:
        """What was kept back and is due."""
        found = [later for later in self.state.later if due(later)]
        self.state = replace(self.state, later=tuple(later for later in self.state.later if not due(later)))
        return [Paper(name=later.name, data=later.data.encode()) for later in found]

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

    def _decided(self, order: Order, batches: list[DecidedBatch], number: int = 0) -> list[Paper]:
        """The final word; now, or at the end of a day. What comes after it does so at the end of the next one."""
        if self.scenario.answer_seconds == NEVER:
            return []
        said, day = self._said(order, batches), self.state.day + self.scenario.answer_days
        self._keep_back(self._handed_out(lambda later: 0 < later.number == number), day + 1)
        match self.scenario.repeat_answers:
            case Repeat.FILE:
                self._keep_back([replace(said, name=self._paper("pain002")[1])], day + 1)
            case Repeat.MESSAGE:
                self._keep_back([self._said(order, batches)], day + 1)
        if self.scenario.answer_days:
            self._keep_back([said], day)
            return []
        return [said]

    def _said(self, order: Order, batches: list[DecidedBatch]) -> Paper:
        generation, (paper_id, name, at) = (self._generation(order), self._paper("pain002"))
        words = self.scenario.statuses
        data = answers.decided(order, batches, generation=generation, statuses=words, paper_id=paper_id, at=at)
        return Paper(name=name, data=data)

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
            self._enter(account, booking.entries(order, batch, account.currency, self.scenario))
            returns = (
                Return(day=self._today + days, account=account.key, detail=detail)
                for days, detail in booking.returns(order, batch, account.currency, self.scenario)
            )
            self.state = replace(self.state, returns=(*self.state.returns, *returns))

    def _come_back(self, today: int) -> None:
        for due in (each for each in self.state.returns if each.day <= today):
            self._enter(self.state.accounts[due.account], (booking.come_back(due.detail),))
        self.state = replace(self.state, returns=tuple(each for each in self.state.returns if each.day > today))

    def _enter(self, account: Account, entries: tuple[Entry, ...]) -> None:
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

    def _news(self, before: dict[str, Account]) -> list[Paper]:
        """What is told of bookings before the day ends."""
        papers = self._notifications(before) if self.scenario.notifications else []
        if self.scenario.intraday:
            for account, _ in self._changed(before):
                generation, (name, paper) = self._generation_of(account), self._sheet(statements.REPORT)
                papers.append(Paper(name=name, data=statements.report(account, generation=generation, paper=paper)))
        return papers

    def _notifications(self, before: dict[str, Account]) -> list[Paper]:
        papers = []
        for account, first in self._changed(before):
            generation, (name, paper) = self._generation_of(account), self._sheet(statements.NOTIFICATION)
            data = statements.notification(account, first, generation=generation, paper=paper)
            papers.append(Paper(name=name, data=data))
        return papers

    def _changed(self, before: dict[str, Account]) -> list[tuple[Account, int]]:
        """The accounts with new entries of this day, and the place of the first of these."""
        known = {key: len(account.entries) for key, account in before.items()}
        now = self.state.accounts.items()
        return [(account, known.get(key, 0)) for key, account in now if len(account.entries) > known.get(key, 0)]

    def _statement(self, account: Account) -> list[Paper]:
        """All pages of it; none now where the scenario holds it back."""
        generation, papers, statement_id = self._generation_of(account), [], ""
        for page in statements.pages(account, self.scenario.entries_per_page):
            name, paper = self._sheet(statements.STATEMENT, statement_id)
            statement_id = paper.body_id
            data = statements.statement(account, page, generation=generation, paper=paper)
            papers.append(Paper(name=name, data=data))
        self.state = self.state.with_account(account.closed())
        if account.statements + 1 in self.scenario.hold_statements:
            self._keep_back(papers, self._today + self.scenario.hold_days)
            return []
        return papers

    def _sheet(self, form: statements.Form, body_id: str = "") -> tuple[str, statements.Paper]:
        paper_id, name, at = self._paper(form.kind)
        return name, statements.Paper(message_id=paper_id, body_id=body_id or f"{paper_id}-1", at=at)

    def _generation_of(self, account: Account) -> Generation:
        return self.scenario.generation or account.generation

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
            return _decision(rule)
    return _ACCEPT


def _decision(rule: Rule) -> Decision:
    usual = "" if rule.proprietary else _REASONS.get(rule.then, "")
    days = rule.days or (1 if rule.then is Then.RETURN else 0)
    reason, own, text = rule.reason or usual, rule.proprietary or "", rule.text or ""
    return Decision(then=rule.then, reason=reason, proprietary=own, text=text, days=days)


def _swap(batch: DecidedBatch) -> tuple[Decision, ...]:
    """Only what was pending is accepted: the rest is booked already, or never."""
    left_out = Decision(then=Then.REJECT)
    return tuple(_ACCEPT if decision.then is Then.PENDING else left_out for decision in batch.decisions)
