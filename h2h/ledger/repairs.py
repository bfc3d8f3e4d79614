"""Repairs: the payments of a transfer that the bank refused by its own report, and the new file that holds them alone.

A plan says what would be in the new file and what not. It is made from what the ledger knows, and made once more in the
transaction that enters the new file: what came in between changes nothing unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, insert, or_, select

from h2h import reasons
from h2h.errors import NotAllowed, Stale
from h2h.identity import derived_id
from h2h.ledger import tables as t
from h2h.ledger.earlier import refused, repeated_since
from h2h.ledger.journal import record
from h2h.ledger.lineage import alive_elsewhere, contradicted, roots
from h2h.ledger.moves import enter, enter_judgement, get_row
from h2h.ledger.people import in_words
from h2h.ledger.rows import Judged, Received, Transfer, refuse_purged
from h2h.ledger.safety import in_safe_mode
from h2h.lifecycle import State, Trigger
from h2h.model import total
from h2h.verdicts import BLOCKED, DUPLICATE_CODES, REFUSALS, Verdict, verdict_of

MOST_REPAIRS = 999  # of one file, by their numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One payment that the bank refused, as the ledger has it."""

    position: int
    batch: int
    payment_information_id: str | None
    instruction_id: str | None
    end_to_end_id: str | None
    uetr: str | None
    amount: Decimal
    currency: str | None
    creditor_name: str | None
    creditor_account: str | None
    creditor_agent: str | None
    execution_date: str | None
    remittance: str | None
    why: str  # the bank's reasons, in its words


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch of which payments stay: its position in the old file, and its new PmtInfId."""

    position: int
    payment_information_id: str
    payments: int
    control_sum: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a repair would hold. `left_out`: how many payments it would not, by why."""

    transfer: Transfer
    message_id: str
    batches: tuple[NewBatch, ...]
    refused: tuple[Refused, ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def control_sum(self) -> Decimal:
        return total(payment.amount for payment in self.refused)


class Repairs:
    def __init__(self, unit: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`unit`: a transaction, or one that leaves nothing behind, to see what would happen."""
        self._unit = unit

    def plan(self, transfer_id: str) -> Plan:
        """NotAllowed where there is nothing that could be sent again without paying it twice."""
        with self._unit() as connection:
            return _plan(connection, transfer_id)

    def enter(
        self,
        plan: Plan,
        new: Received,
        judged: Judged,
        proof: Mapping[str, Any],
        *,
        who: str,
        reason: str,
        now: datetime,
        same_payments_within: timedelta,
    ) -> Transfer:
        """HELD for a person, with its lineage; NotAllowed where anything speaks against it, and then nothing stays.

        DUPLICATE where the radar says so: it forgets what was refused, but not what others were paid for alike.
        """
        why, old = in_words("reason", reason), plan.transfer
        with self._unit() as connection:
            if _plan(connection, old.id) != plan:
                raise Stale(f"{old.id} was changed in the meantime; look again.")
            _refuse_if_dropped_anew(connection, plan)
            enter(connection, replace(new, makers=[*dict.fromkeys([*old.makers, who])]), now)
            connection.execute(insert(t.lineage), _lineage(connection, plan, new))
            within = same_payments_within
            made = enter_judgement(connection, judged, Trigger.JUDGED_HOLD, None, now, within)
            if made.state not in (State.HELD, State.DUPLICATE):
                raise NotAllowed(f"{old.id} is not repaired, since the new file would be {made.state}: {made.reason}")
            told = {"reason": why, "payments": len(plan.refused), "of_payments": old.payments}
            record(connection, at=now, subject=new.id, kind="repair", actor=who, data={"of": old.id, **told, **proof})
            record(connection, at=now, subject=old.id, kind="repaired", actor=who, data={"in": new.id, **told})
            return made


def _refuse_if_dropped_anew(connection: Connection, plan: Plan) -> None:
    """However far back the radar looks: what somebody put into another file himself is not sent beside that."""
    positions = {payment.position for payment in plan.refused}
    if later := repeated_since(connection, plan.transfer, positions):
        text = f"payments of it stand in another file too, {later[0]}. Cancel that one, or leave it at that."
        raise NotAllowed(f"{plan.transfer.id} is not repaired: {text}")


def _lineage(connection: Connection, plan: Plan, new: Received) -> list[dict[str, Any]]:
    root, there = roots(connection, plan.transfer)
    return [
        {
            "transfer_id": new.id,
            "payment": position,
            "origin_id": plan.transfer.id,
            "origin_payment": payment.position,
            "root_id": root,
            "root_payment": there.get(payment.position, payment.position),
        }
        for position, payment in enumerate(plan.refused, start=1)
    ]


# What may be sent again.


def _plan(connection: Connection, transfer_id: str) -> Plan:
    row = get_row(connection, transfer_id)
    refuse_purged(row.id, row.purged_at)
    if why := _against(connection, row):
        raise NotAllowed(f"{row.id} is not repaired: {why}")
    left_out = _not_refused(connection, row)
    kept = list(_refused(connection, row, left_out))
    if not kept:
        said = "; ".join(f"{count} {why}" for why, count in left_out.items())
        raise NotAllowed(f"{row.id} is not repaired: none of its payments can be sent again ({said}).")
    message_id, batches = _names(connection, row, kept)
    return Plan(
        transfer=row,
        message_id=message_id,
        batches=batches,
        refused=tuple(kept),
        left_out=tuple(left_out.items()),
    )


def _against(connection: Connection, row: Transfer) -> str | None:
    if in_safe_mode(connection):
        return "the ledger is older than what happened, and may not know what was sent (`h2h status`)."
    if row.state is not State.SENT:
        return f"it is {row.state}; only what the bank has had and refused is repaired."
    if row.verdict_by is not None:
        return (
            f"that the bank refused it is {row.verdict_by}'s word, and no report says which payments. Where it refused "
            f"all of it, somebody else may send it again with `h2h resend {row.id}`."
        )
    if row.verdict not in (Verdict.PARTIAL, Verdict.REJECTED):
        return f"the bank's word on it is {row.verdict}, and not that it refused any of it."
    if contradicted(connection, row.id):
        return (
            "what came from the bank contradicts itself, or came before the file was known to be there, and it may "
            "have paid. Ask the bank."
        )
    return None


def _not_refused(connection: Connection, row: Transfer) -> Counter[str]:
    """How many payments the bank did not refuse, by what is known of them."""
    c = t.payment.c
    other = or_(c.status.is_(None), c.status.not_in(REFUSALS))
    query = select(c.status, func.count().label("n")).where(c.transfer_id == row.id, other).group_by(c.status)
    counts: Counter[str] = Counter()
    for found in connection.execute(query):
        counts[_word(found.status)] += found.n
    return counts


def _word(status: str | None) -> str:
    if status is None:
        return "not answered"
    if status == BLOCKED:
        return "blocked"
    return "accepted" if verdict_of(status) is Verdict.ACCEPTED else "not decided yet"


def _refused(connection: Connection, row: Transfer, left_out: Counter[str]) -> Iterator[Refused]:
    """Those that can be sent again; the others are counted with why not."""
    alive = alive_elsewhere(connection, row)
    p, b = t.payment.c, t.batch.c
    query = (
        select(t.payment, b.payment_information_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(p.transfer_id == row.id, p.status.in_(REFUSALS))
        .order_by(p.position)
    )
    for found in connection.execute(query):
        if found.booked_by is not None or found.advised_by is not None:
            left_out["refused and debited all the same"] += 1
        elif not refused(found):
            left_out[f"refused as a duplicate ({'/'.join(sorted(_codes(found) & DUPLICATE_CODES))})"] += 1
        elif found.position in alive:
            left_out[f"sent again in {alive[found.position]}"] += 1
        else:
            yield _refused_of(found)


def _codes(found: Row[Any]) -> set[str]:
    return {each["code"] for each in found.reasons or () if "code" in each}


def _refused_of(found: Row[Any]) -> Refused:
    return Refused(
        position=found.position,
        batch=found.batch,
        payment_information_id=found.payment_information_id,
        instruction_id=found.instruction_id,
        end_to_end_id=found.end_to_end_id,
        uetr=found.uetr,
        amount=found.amount,
        currency=found.currency,
        creditor_name=found.creditor_name,
        creditor_account=found.creditor_account,
        creditor_agent=found.creditor_agent,
        execution_date=found.execution_date,
        remittance=found.remittance,
        why=reasons.in_words(found.reasons),
    )


# Names that were never used.


def _names(connection: Connection, row: Transfer, kept: Sequence[Refused]) -> tuple[str, tuple[NewBatch, ...]]:
    """A message id and PmtInfIds that are new at the bank."""
    f, b = t.transfer.c, t.batch.c
    at_the_bank = select(f.id).where(f.bank == row.bank).limit(1)
    batches_there = at_the_bank.join(t.batch, b.transfer_id == f.id)
    taken: set[str] = set()

    def free(old: str, there: Select[Any], column: ColumnElement[Any]) -> str:
        names = (derived_id(old, number) for number in range(1, MOST_REPAIRS + 1))
        for name in names:
            if name not in taken and connection.execute(there.where(column == name)).first() is None:
                return name
        raise NotAllowed(f"There is no new name left that is derived from {old}.")

    batches: list[NewBatch] = []
    for position, payments in groupby(kept, key=lambda payment: payment.batch):
        inside = list(payments)
        name = free(inside[0].payment_information_id or "", batches_there, b.payment_information_id)
        taken.add(name)
        amount = total(payment.amount for payment in inside)
        batches.append(
            NewBatch(position=position, payment_information_id=name, payments=len(inside), control_sum=amount)
        )
    taken.clear()
    return free(row.message_id or "", at_the_bank, f.message_id), tuple(batches)
