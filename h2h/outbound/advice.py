"""What a person should know before deciding about a transfer, in sentences; and the commands that are safe then.

Nothing is decided here: the ledger refuses what could pay twice, whatever was read before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from h2h.approval import wanted
from h2h.ledger.cases import Case, Evidence, Said
from h2h.ledger.people import NOTHING, what_now
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.model import Severity
from h2h.verdicts import StatusStep, Verdict

NOTE = {
    "orphan": ", although it had not been sent",
    StatusStep.EARLY: ", before it was known to be there",
    StatusStep.CONFLICT: ", against what was known",
}
MOST = 8  # statuses of payments that are told one by one


def against(case: Case) -> list[str]:
    """What speaks against sending it (again): everything by which the bank may have it, or have refused it."""
    at_the_bank = (_found_at_the_bank(case), _booked(case), _said(case))
    return [*chain(_held(case), *at_the_bank, _findings(case), _elsewhere(case), _people(case))]


def next_steps(case: Case) -> list[str]:
    """What to do now, the safe things only."""
    row = case.transfer
    if row.verdict is Verdict.PARTIAL:
        return [f"Never send this one again. {_repair(row)}"]
    if row.state is not State.UNCERTAIN:
        now = [] if (possible := what_now(row)) == NOTHING else [possible]
        return [*now, _repair(row)] if row.verdict is Verdict.REJECTED and row.verdict_by is None else now
    if case.booked:
        return [f"The bank has paid from it: `h2h resolve {row.id} --bank-has-it` closes it."]
    what = f"{row.payments} payments, sum {row.control_sum} {'/'.join(row.currencies or ())}"
    steps = [
        f"Ask the bank whether it has message id {row.message_id}: {what}.",
        f"If it has: `h2h resolve {row.id} --bank-has-it --reason …`.",
    ]
    second = "a second person confirms with" if row.proposed_by is None else f"{row.proposed_by} said so; another runs"
    return [*steps, f"If it has nothing: `h2h resolve {row.id} --send-again --reason …`; {second} the same command."]


def _repair(row: Transfer) -> str:
    return f"`h2h repair {row.id} --reason …` puts what the bank refused into a new file, and holds it."


def evidence_line(found: Evidence) -> str:
    answer = f" The server had said: {found.answer.rstrip('.')}." if found.answer else ""
    return (
        f"At {_at(found.at)} the temporary name {found.temporary} was: {found.temporary_found}; the final name "
        f"{found.final} was: {found.final_found}.{answer} In doubt because {found.reason}."
    )


def _held(case: Case) -> Iterator[str]:
    row = case.transfer
    if row.state is State.HELD and row.reason:
        yield f"It is held: {row.reason.rstrip('.')}."
    if row.state is State.DUPLICATE:
        yield f"It repeats {row.duplicate_of}."
    if row.state is State.HELD and row.makers and row.lacking:
        yield f"{' and '.join(row.makers)} had a hand in it, and approve nothing of it."
    if row.state is State.HELD and row.approved_by:
        yield f"Approved by {' and '.join(row.approved_by)}. {wanted(row.lacking)}"


def _found_at_the_bank(case: Case) -> Iterator[str]:
    if case.evidence:
        yield evidence_line(case.evidence)
    for tried in case.tried:
        if tried.outcome == "DELIVERED":
            yield f"Attempt {tried.number} handed it to the bank as {tried.remote} at {_at(tried.at)}."
        elif case.transfer.state is not State.UNCERTAIN:
            yield f"Whether attempt {tried.number} reached the bank as {tried.remote} was never known."


def _booked(case: Case) -> Iterator[str]:
    if case.booked:
        of = f"{case.booked} of its {case.transfer.payments} payments"
        yield f"A statement shows {of} as debited: {', '.join(case.statements)}."


def _said(case: Case) -> Iterator[str]:
    single = [said for said in case.said if said.level == "payment"]
    told = [said for said in case.said if said.level != "payment"] + single[:MOST]
    yield from map(_answer, told)
    if len(single) > MOST:
        yield f"The bank answered {len(single) - MOST} more payments of it; `h2h show {case.transfer.id}` has them all."


def _answer(said: Said) -> str:
    what = "the whole file" if said.level == "file" else f"{said.level} {said.reference or 'without a name'}"
    why = f": {said.reasons.rstrip('.')}" if said.reasons else ""
    told = f"The bank said {said.status} on {what}{NOTE.get(said.effect, '')}, {said.message} at {_at(said.at)}{why}"
    return told if told.endswith('"') else f"{told}."


def _findings(case: Case) -> Iterator[str]:
    for finding in case.findings:
        if finding.severity is not Severity.INFO:
            yield f"{finding.code}: {finding.text}"


def _elsewhere(case: Case) -> Iterator[str]:
    for file in case.elsewhere[:MOST]:
        yield f"Payments of it stand in another file too: {file}."


def _people(case: Case) -> Iterator[str]:
    row = case.transfer
    if row.verdict_by is not None and row.verdict is Verdict.REJECTED:
        yield f"That the bank refused it is {row.verdict_by}'s word; no report of the bank says so."
    for decided in case.decided:
        yield f"{decided.who} at {_at(decided.at)}: {decided.kind}, {decided.reason.rstrip('.')}."


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
