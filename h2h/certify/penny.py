"""The penny test in production: its steps, and the record of its result in the journal."""

from __future__ import annotations

from typing import Literal

from h2h.errors import UsageError
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State

KIND = "penny test"
Result = Literal["passed", "failed"]
STEPS = """
Set the production profile up with a folder, a ledger and keys of its own (`environment = "production"`), and look:
`h2h check --online`.

Agree with the bank on day and hour, and on whom to call on both sides.

Make one payment in the ERP: one cent, or the smallest amount that the bank takes, from an own account to an own
account. Let a second person compare both account numbers with the bank's letter.

Drop the file. Whoever made it does not release it: a second person looks at accounts and sum (`h2h show ID`), then lets
it go (`h2h release ID --reason …`, where it is held).

See it handed over: state SENT in `h2h show ID`. Note its id and the time.

See the bank's answer: verdict ACCEPTED, or the bank's word on the telephone (`h2h confirm`).

See the debit and the credit on the statements: `h2h payments REFERENCE` says BOOKED, and `h2h closure` has nothing
open. Compare amount, date and charges with the bank's portal.

Record it: `h2h certify BANK --penny-result passed --transfer ID --reason …`. It stands in the journal with your name.
"""
FIELDS = (
    "Transfer id, and message id",
    "Amount, currency, debited and credited account",
    "Made by, released by",
    "Handed over at",
    "Accepted by the bank at",
    "Debit seen on statement, date",
    "Credit seen on statement, date",
    "Charges, and anything that was not as expected",
    "Outcome, recorded by, at",
)


def record(gateway: Gateway, bank: str, name: str, result: Result, *, who: str, reason: str) -> Transfer:
    """Notes the result in the journal, on the file that was sent. Raises UsageError for a file that cannot be it."""
    transfer = gateway.ledger.transfers.get(gateway.ledger.views.find_transfer(name))
    if transfer.bank != gateway.bank(bank).name:
        raise UsageError(f"{transfer.id} went to {transfer.bank}, not to {bank}.")
    if result == "passed" and transfer.state is not State.SENT:
        raise UsageError(f"{transfer.id} is {transfer.state}; a penny test passes with a file that the bank has.")
    data = {
        "bank": bank,
        "result": result,
        "reason": reason,
        "environment": gateway.settings.gateway.environment,
        "state": transfer.state,
        "verdict": transfer.verdict,
        "sha256": transfer.sha256,
        "message_id": transfer.message_id,
    }
    gateway.ledger.journal.note(at=gateway.clock.now(), subject=transfer.id, kind=KIND, actor=who, data=data)
    return transfer
