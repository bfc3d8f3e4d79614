"""What a sandbox bank remembers: accounts with the entries of the running day, message ids, counters. Frozen records.

`dump_state` and `load_state` turn all of it into JSON and back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from pydantic import TypeAdapter

from h2h.sandbox.scenario import Generation

Direction = Literal["CRDT", "DBIT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Why money came back: an ISO return reason, or the bank's own."""

    reason: str = ""
    proprietary: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One payment in an entry. `amount` is in the account's currency; the instructed amount is set where it differs.

    `charge` is what the bank took with it: the entry has it in its amount, `amount` has not.
    """

    amount: Decimal
    end_to_end_id: str
    message_id: str = ""
    payment_information_id: str = ""
    instruction_id: str = ""
    uetr: str = ""
    instructed_amount: Decimal | None = None
    instructed_currency: str = ""
    party_name: str = ""  # creditor of a debit, debtor of a credit
    party_account: str = ""
    remittance: tuple[str, ...] = ()
    charge: Decimal = Decimal(0)
    returned: Returned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    amount: Decimal
    direction: Direction
    code: tuple[str, str, str]  # domain, family, sub-family
    text: str
    batch: bool = False  # booked in one sum: `details` share message id and payment information id
    listed: bool = True  # the details stand in the statement; else only how many they are
    details: tuple[Detail, ...] = ()

    @property
    def signed(self) -> Decimal:
        return self.amount if self.direction == "CRDT" else -self.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    number: str  # IBAN, else the bank's own
    currency: str
    owner: str
    generation: Generation
    balance: Decimal  # at the last closing
    statements: int = 0  # ElctrncSeqNb of the last one
    entries: tuple[Entry, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.number}/{self.currency}"

    @property
    def closing(self) -> Decimal:
        return self.balance + sum((entry.signed for entry in self.entries), Decimal(0))

    def closed(self) -> Account:
        return replace(self, balance=self.closing, statements=self.statements + 1, entries=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A file that is put out at the end of a day; with a `number`, as soon as the taken file of that is answered."""

    day: int
    name: str
    data: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A payment that was booked and comes back on a day."""

    day: int
    account: str  # key
    detail: Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`received`, `answered`: the number of the last taken file that got so far. `day`: how many days have ended."""

    received: int = 0
    answered: int = 0
    papers: int = 0  # files ever put out
    first_use: dict[str, int] = field(default_factory=dict)  # message id -> number of the file that brought it
    pending: tuple[int, ...] = ()  # files with payments that wait for the end of the day
    accounts: dict[str, Account] = field(default_factory=dict)
    day: int = 0
    later: tuple[Later, ...] = ()
    returns: tuple[Return, ...] = ()

    def with_account(self, account: Account) -> State:
        return replace(self, accounts={**self.accounts, account.key: account})


_STATE = TypeAdapter(State)


def dump_state(state: State) -> bytes:
    return _STATE.dump_json(state, indent=1)


def load_state(data: bytes) -> State:
    return _STATE.validate_json(data)
