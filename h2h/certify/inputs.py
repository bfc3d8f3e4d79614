"""What the bank told of its test side: the account that is debited, and which accounts bring which answer.

A small TOML file, `h2h certify BANK --inputs FILE`; `config/certify.toml` explains every key. Where nothing is said the
profile's own accounts are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from h2h.config import Bank
from h2h.config.section import Section
from h2h.config.toml_file import read_toml
from h2h.config.values import Account
from h2h.errors import SettingsError

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Bic = Annotated[str, Field(pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$")]
Reason = Annotated[str, Field(pattern=r"^[A-Z0-9]{4}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Text = Annotated[str, Field(min_length=1, max_length=70)]


class Party(Section):
    """An account and whose it is. `agent`: the BIC of its bank."""

    account: Account
    name: Text = "h2h certify test"
    agent: Bic | None = None
    town: Text = "Frankfurt"
    country: Country = "DE"


class Rejected(Party):
    """A payment to it is refused by the bank, for this reason."""

    reason: Reason


class Inputs(Section):
    """`bad_files`, `duplicates`: the bank wants to see one, and answers it."""

    currency: Currency | None = None
    debtor: Party | None = None
    creditor: Party | None = None
    rejects: list[Rejected] = Field(default=[])
    bad_files: bool = False
    duplicates: bool = False

    def paying(self, bank: Bank) -> Party | None:
        """Who is debited: as stated, else the first account that the profile names."""
        return self.debtor or next((Party(account=account) for account, _ in _accounts(bank)), None)

    def paid(self, bank: Bank) -> Party | None:
        """Who is paid: as stated, else the profile's second account, else the first: nothing leaves the house."""
        others = [account for account, _ in _accounts(bank)]
        return self.creditor or (Party(account=others[1]) if len(others) > 1 else self.paying(bank))

    def currency_of(self, bank: Bank) -> str:
        return self.currency or next((currency for _, currency in _accounts(bank) if currency), "EUR")


def load_inputs(file: Path | None) -> Inputs:
    """Raises SettingsError with every mistake in it."""
    if file is None:
        return Inputs()
    read = read_toml(file, Inputs, stand_ins={}, context={"base": file.parent.absolute()})
    if read.problems or read.value is None:
        raise SettingsError(list(read.problems))
    return read.value


def _accounts(bank: Bank) -> list[tuple[str, str | None]]:
    named = [(each.account, each.currency) for each in bank.accounts]
    allowed = [(account, None) for folder in bank.outbound for account in folder.accounts or ()]
    return [*named, *(pair for pair in allowed if pair[0] not in dict(named))]
