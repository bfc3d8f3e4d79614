"""Which files of a folder people have to approve, and who: rows under `[[bank.outbound.approvals]]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from h2h.approval import Rule
from h2h.config.section import Contradiction, Section
from h2h.config.some_payments import Currency
from h2h.config.values import Duration

CONDITIONS = ("above", "payment_above", "new_creditors", "always")
Person = Annotated[str, Field(min_length=1, max_length=64)]


def _amount(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,5})?", value):
        return Decimal(value)
    raise ValueError('write an amount in quotes, as in "50000.00"')


Amount = Annotated[Decimal, BeforeValidator(_amount), PlainSerializer(str)]


class Approval(Section):
    above: Amount | None = None
    payment_above: Amount | None = None
    currency: Currency | None = None
    new_creditors: bool = False
    known_for: Duration = timedelta(days=365)
    always: bool = False
    people: Literal[1, 2] = 1
    who: Annotated[list[Person], Field(min_length=1)] | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        stated = [name for name in CONDITIONS if getattr(self, name) not in (None, False)]
        if not stated:
            text = f"says for which files it is nowhere; state {', '.join(CONDITIONS[:-1])}, or {CONDITIONS[-1]} = true"
            yield Contradiction(text=text, keys=((),))
        if self.always and len(stated) > 1:
            text = "takes every file, whatever stands beside it; leave it out, or the other conditions"
            yield Contradiction(text=text, keys=(("always",), *((name,) for name in stated if name != "always")))
        if self.currency and self.above is None and self.payment_above is None:
            text = "goes with above or payment_above, whose amounts are of this currency"
            yield Contradiction(text=text, keys=(("currency",),))
        if "known_for" in self.model_fields_set and not self.new_creditors:
            text = "goes with new_creditors: an account is new that was not paid for so long"
            yield Contradiction(text=text, keys=(("known_for",),))
        if self.known_for < timedelta(days=1):
            yield Contradiction(text="has to be 1d or more", keys=(("known_for",),))
        if self.who is not None and len({*self.who}) < self.people:
            text = f"names {len({*self.who})}, and {self.people} different people have to approve"
            yield Contradiction(text=text, keys=(("who",), ("people",)))

    @property
    def rule(self) -> Rule:
        return Rule(
            people=self.people,
            who=tuple(dict.fromkeys(self.who)) if self.who else None,
            above=self.above,
            payment_above=self.payment_above,
            currency=self.currency,
            new_creditors=self.known_for if self.new_creditors else None,
        )
