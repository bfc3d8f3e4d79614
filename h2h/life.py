"""The life of a payment: one vocabulary for all banks, from the ERP's file to the account.

A stage is what is known last of one payment. What the account shows is what happened: a booking or a return wins over
whatever the bank said before, and the bank's word over what is known of the file. A code that is not in the table
settles nothing: the payment counts as handed over, and the code itself is told beside its stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from h2h.lifecycle import State
from h2h.verdicts import Verdict


class Stage(StrEnum):
    NOT_SENT = "NOT_SENT"
    IN_DOUBT = "IN_DOUBT"
    SUBMITTED = "SUBMITTED"
    RECEIVED = "RECEIVED"
    PENDING = "PENDING"
    CHECKED = "CHECKED"
    ACCEPTED = "ACCEPTED"
    CHANGED = "CHANGED"
    IN_PROCESS = "IN_PROCESS"
    SETTLED = "SETTLED"
    CREDITED = "CREDITED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    BLOCKED = "BLOCKED"
    ADVISED = "ADVISED"
    BOOKED = "BOOKED"
    RETURNED = "RETURNED"


MEANS = {
    Stage.NOT_SENT: "not handed to the bank",
    Stage.IN_DOUBT: "it is not known whether the bank has it",
    Stage.SUBMITTED: "handed to the bank, which has said nothing that settles it",
    Stage.RECEIVED: "the bank has received it",
    Stage.PENDING: "waits at the bank",
    Stage.CHECKED: "the bank can read it",
    Stage.ACCEPTED: "the bank has accepted it",
    Stage.CHANGED: "the bank has accepted it with a change",
    Stage.IN_PROCESS: "the bank carries it out",
    Stage.SETTLED: "the bank says it is settled",
    Stage.CREDITED: "the bank says the creditor has it",
    Stage.REJECTED: "the bank has refused it",
    Stage.CANCELLED: "called back before it was carried out",
    Stage.BLOCKED: "blocked: it neither arrives nor comes back",
    Stage.ADVISED: "the bank has announced the debit; no statement shows it yet",
    Stage.BOOKED: "a statement shows the debit",
    Stage.RETURNED: "it was debited, and came back",
}


@dataclass(frozen=True, slots=True)
class Code:
    """A status code of pain.002: the stage that it stands for, and what it says in our words."""

    stage: Stage
    means: str


# The codes of the ISO external lists for group and transaction status. PART is of a file or a batch and says nothing
# of any one payment. RV.. and RCVC tell what became of comparing the creditor's name with the account.
CODES = {
    "RCVD": Code(Stage.RECEIVED, "received"),
    "PART": Code(Stage.RECEIVED, "accepted in part"),
    "PRES": Code(Stage.RECEIVED, "request to pay shown to the debtor"),
    "RCVC": Code(Stage.RECEIVED, "creditor's name compared: it fits"),
    "RVNA": Code(Stage.RECEIVED, "creditor's name could not be compared"),
    "RVMC": Code(Stage.PENDING, "creditor's name compared: it fits nearly"),
    "RVNM": Code(Stage.PENDING, "creditor's name compared: it does not fit"),
    "RVCM": Code(Stage.PENDING, "creditors' names compared: some do not fit"),
    "RVNC": Code(Stage.PENDING, "creditor's name is still being compared"),
    "PDNG": Code(Stage.PENDING, "waits for further checks"),
    "PATC": Code(Stage.PENDING, "waits for further signatures"),
    "ACFW": Code(Stage.PENDING, "covered; waits for our confirmation"),
    "ACTC": Code(Stage.CHECKED, "form and signature are right"),
    "ACCP": Code(Stage.ACCEPTED, "accepted for this customer"),
    "ACFC": Code(Stage.ACCEPTED, "accepted, and covered"),
    "ACWC": Code(Stage.CHANGED, "accepted with a change, as of the date"),
    "ACSP": Code(Stage.IN_PROCESS, "being carried out"),
    "ACIS": Code(Stage.IN_PROCESS, "the cheque is written, not cashed"),
    "ACWP": Code(Stage.IN_PROCESS, "carried out, not yet on the creditor's account"),
    "ACPD": Code(Stage.IN_PROCESS, "the clearing has taken it"),
    "ACSC": Code(Stage.SETTLED, "settled"),
    "ACCC": Code(Stage.CREDITED, "on the creditor's account"),
    "CPUC": Code(Stage.CREDITED, "cash fetched by the creditor"),
    "RJCT": Code(Stage.REJECTED, "refused"),
    "CANC": Code(Stage.CANCELLED, "cancelled as somebody asked"),
    "BLCK": Code(Stage.BLOCKED, "blocked: neither paid nor given back"),
}

NOTED = {Verdict.ACCEPTED: Stage.ACCEPTED, Verdict.REJECTED: Stage.REJECTED}  # by a person, without a report
AT_THE_BANK = {State.SENT: Stage.SUBMITTED, State.PUBLISHING: Stage.IN_DOUBT, State.UNCERTAIN: Stage.IN_DOUBT}


def stage_of(
    state: State,
    status: str | None,
    *,
    noted: Verdict = Verdict.NONE,
    advised: bool = False,
    booked: bool = False,
    returned: bool = False,
) -> Stage:
    """`state` is that of the file; `noted`, a person's note of the bank's word on the whole of it."""
    if returned:
        return Stage.RETURNED
    if booked:
        return Stage.BOOKED
    if advised:
        return Stage.ADVISED
    sent = AT_THE_BANK.get(state, Stage.NOT_SENT)
    if sent is not Stage.SUBMITTED:
        return sent
    if status is None:
        return NOTED.get(noted, sent)
    return CODES[status].stage if status in CODES else sent
