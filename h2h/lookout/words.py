"""How alarms say things: sums, files, whom to call. Accounts are masked where they leave the house (`masking.py`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from h2h.config import Bank
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State

NAMED = 5  # files that are named one by one


def utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def total(files: Sequence[Transfer]) -> str:
    """How many files, payments, and how much: 2 files, 14 payments, 1,250.00 EUR."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for file in files:
        if file.control_sum is not None:
            sums["/".join(file.currencies or ()) or "?"] += file.control_sum
    parts = [_number(len(files), "file")]
    payments = sum(file.payments or 0 for file in files)
    parts += [_number(payments, "payment")] if payments else []
    return ", ".join([*parts, *(f"{amount:,f} {currency}" for currency, amount in sorted(sums.items()))])


def named(files: Sequence[Transfer]) -> str:
    """The first of them, by id, name and state."""
    told = [f"{file.id} ({file.name}, {_stands(file)})" for file in files[:NAMED]]
    return ", ".join([*told, "…"] if len(files) > NAMED else told)


def _stands(file: Transfer) -> str:
    """Whether it is being tried at this moment makes no other sentence."""
    return "waits to go" if file.state in (State.READY, State.STAGING) else file.state


def call(bank: Bank | None) -> str:
    """Whom to call, where the profile says it."""
    return f"Contact of {bank.name}: {bank.contact}." if bank and bank.contact else ""


def steps(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
