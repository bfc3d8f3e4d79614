"""A row of a bank's own rules in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import Field

from h2h.bank_rules import BankRule, When, fault
from h2h.config.section import Contradiction, Section
from h2h.model import Severity

SEVERITIES = {"refuse": Severity.ERROR, "hold": Severity.HOLD, "warn": Severity.WARNING}
Text = Annotated[str, Field(min_length=1, max_length=300)]
NEEDS = {  # what stands in value
    "required": "nothing",
    "forbidden": "nothing",
    "max_length": "a whole number",
    "max_count": "a whole number",
    "max_amount": 'an amount, as in "50000.00"',
    "pattern": "a regular expression",
    "one_of": "a list of texts",
    "charset": "the name of a character set",
}


class Condition(Section):
    at: Text
    one_of: Annotated[list[Text], Field(min_length=1)]


class BankRuleRow(Section):
    at: Text
    rule: Literal["required", "forbidden", "max_length", "pattern", "one_of", "max_count", "max_amount", "charset"]
    value: Annotated[int, Field(ge=0)] | Text | Annotated[list[Text], Field(min_length=1)] | None = None
    when: Condition | None = None
    text: Text | None = None
    severity: Literal["refuse", "hold", "warn"] = "refuse"

    def contradictions(self) -> Iterator[Contradiction]:
        if not self._fits():
            yield Contradiction(text=f"{self.rule} takes {NEEDS[self.rule]} as value", keys=(("value",), ("rule",)))
        elif wrong := fault(self.row):
            yield Contradiction(text=wrong, keys=(("value",) if self.rule in ("pattern", "charset") else ("at",),))

    def _fits(self) -> bool:
        match self.rule:
            case "required" | "forbidden":
                return self.value is None
            case "max_length" | "max_count":
                return isinstance(self.value, int)
            case "max_amount":
                return isinstance(self.value, int | str) and _is_amount(self.value)
            case "one_of":
                return isinstance(self.value, list)
        return isinstance(self.value, str)

    @property
    def row(self) -> BankRule:
        words = [self.value] if isinstance(self.value, str) else self.value if isinstance(self.value, list) else []
        return BankRule(
            at=self.at,
            rule=self.rule,
            values=tuple(words),
            most=str(self.value) if self.rule.startswith("max_") else None,
            when=When(at=self.when.at, values=tuple(self.when.one_of)) if self.when else None,
            text=self.text,
            severity=SEVERITIES[self.severity],
        )


def _is_amount(value: int | str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False
