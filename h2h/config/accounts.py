"""The accounts of a bank, as far as the gateway has to know of their statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Literal

from pydantic import Field

from h2h.config.section import Contradiction, Section
from h2h.config.values import Account, ClockTime, Days


class BankAccount(Section):
    """When statements come: "daily" is missed where one does not; otherwise only numbers and balances count."""

    account: Account
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    statements: Literal["daily", "when-booked", "none"] = "none"
    days: Days = frozenset(range(7))
    due: ClockTime = time(9, 0)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.statements != "daily" and (given := sorted(self.model_fields_set & {"days", "due"})):
            text = 'days and due go with statements = "daily"; otherwise no statement is expected of a day'
            yield Contradiction(text=text, keys=((given[0],), ("statements",)))
