"""What the verbs on outbound files are made of: a row's change and its event, guarded by the row's version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from h2h.approval import Sums
from h2h.errors import Stale, UsageError
from h2h.identity import content_hash
from h2h.ledger import tables as t
from h2h.ledger.approvals import asked_of, held_for_approval
from h2h.ledger.attempts import complete
from h2h.ledger.database import changed_one
from h2h.ledger.findings import store_findings
from h2h.ledger.journal import record
from h2h.ledger.judged import Outcome, Tally, held_if_answered, outcome, store_payments, summarise, tallied
from h2h.ledger.prepared import Prepared
from h2h.ledger.rows import Judged, Received, Transfer, as_read, transfer_of
from h2h.lifecycle import Actor, State, Trigger, move
from h2h.model import AsSent, Judgement
from h2h.verdicts import Verdict

GATEWAY = "gateway"
BANK = "bank"  # in proposed_by: the bank answered what had not been sent
NO_LEASE = {"owner": None, "lease_until": None}
_KEY = t.transfer.c.id == bindparam("key")
_ROW = Prepared(select(t.transfer).where(_KEY))
_DROPPED = Prepared(
    select(func.coalesce(t.transfer.c.original_sha256, t.transfer.c.sha256).label("sha256")).where(_KEY)
)
_ENTER = Prepared(
    insert(t.transfer),
    "id", "bank", "watch", "name", "sha256", "size", "makers", "repair_of", "state", "verdict", "received_at",
    "attempts", "failures", "fence", "version",
)  # fmt: skip


def enter(connection: Connection, new: Received, now: datetime) -> bool:
    known = _DROPPED.scalar(connection, key=new.id)
    if known is not None:
        if known != new.sha256:
            raise Stale(f"{new.id} was taken with other content before.")
        return False
    values = {key: getattr(new, key) for key in ("id", "bank", "watch", "name", "sha256", "size")}
    values |= {"makers": [*new.makers]} if new.makers else {}
    values |= {"repair_of": new.repair_of} if new.repair_of else {}
    fresh: dict[str, Any] = {"state": State.RECEIVED, "verdict": Verdict.NONE, "received_at": now}
    zeros: dict[str, Any] = {"attempts": 0, "failures": 0, "fence": 0, "version": 1}
    _ENTER.run(connection, **{"repair_of": None, "makers": None, **values}, **fresh, **zeros)
    record(connection, at=now, subject=new.id, kind=State.RECEIVED, actor=GATEWAY, data=values)
    return True


def enter_judgement(
    connection: Connection,
    judged: Judged,
    good: Trigger,
    due_at: datetime | None,
    now: datetime,
    same_payments_within: timedelta,
    *,
    reason: str | None = None,
) -> Transfer:
    """`good`: what moves a file on in which nothing is wrong, and that repeats no other; `reason`: why it does so.

    Where other bytes go to the bank than were dropped: what came before is asked of the file that was dropped, and what
    people have to approve is asked of those that go.
    """
    row, judgement, as_sent = get_row(connection, judged.id), judged.judgement, judged.as_sent
    sound = judgement.good and judgement.header is not None
    tally = Tally(judgement.batches, Sums() if judged.approvals else None)
    payments = tally.passing(judgement.payments)
    content = content_hash(judgement, payments) if sound else None
    instead = _instead(row, judgement, as_sent) if sound and as_sent else {}
    stored = as_sent.judgement if instead and as_sent else judgement
    tally = tally if sound and stored is judgement else tallied(stored, tally.sums and Sums())
    summary = summarise(stored, tally)
    if sound:
        store_payments(connection, row.id, stored, tally)
    since = now - same_payments_within if same_payments_within else None
    found = outcome(connection, row, judgement, content, since)
    if good is Trigger.JUDGED_GOOD:
        found = held_if_answered(connection, row, summary["message_id"], found)
    needed = asked_of(connection, row, judged.approvals, tally.sums, now) if sound and tally.sums else None
    found = _once_let_go(found) if good is Trigger.RESTORED else held_for_approval(found, needed or ())
    store_findings(connection, row.id, found.findings)
    trigger = good if found.trigger is Trigger.JUDGED_GOOD else found.trigger
    why = found.reason or reason
    told: dict[str, Any] = {"findings": len(found.findings), "duplicate_of": found.of, "reason": why}
    told |= {"profile": judged.profile} if judged.profile else {}
    told |= {"approvals": [need._asdict() for need in needed]} if needed else {}
    return move_row(
        connection, row, trigger, Actor.GATEWAY, now,
        reason=why,
        data=told | {k: summary[k] for k in ("message", "message_id", "payments")} | instead,
        due_at=due_at if trigger is good else None,
        duplicate_of=found.of,
        proposed_by=BANK if found.answered else None,
        content_sha256=content,
        approvals=needed,
        **summary,
        **instead,
    )  # fmt: skip


def _once_let_go(found: Outcome) -> Outcome:
    """Of a file that may have been sent: whatever it was held for, somebody may have released it."""
    return replace(found, trigger=Trigger.JUDGED_GOOD, reason=None) if found.trigger is Trigger.JUDGED_HOLD else found


def _instead(row: Transfer, judgement: Judgement, as_sent: AsSent) -> dict[str, Any]:
    """The columns by which other bytes are sent than were dropped."""
    message = judgement.header.message if judgement.header else None
    original = {"original_sha256": row.sha256, "original_message": message}
    return {"sha256": as_sent.sha256, "size": as_sent.size, **original}


def change_state(
    connection: Connection,
    transfer_id: str,
    trigger: Trigger,
    actor: Actor,
    now: datetime,
    *,
    attempt_outcome: str = "DELIVERED",
    **columns: Any,
) -> None:
    """Move a transfer within somebody else's transaction, as when a pain.002 names it."""
    row = get_row(connection, transfer_id)
    complete(connection, row, ended_at=now, outcome=attempt_outcome, text=columns.get("reason"))
    reason = columns.pop("reason", None)
    move_row(connection, row, trigger, actor, now, reason=reason, data={"reason": reason}, **columns, **NO_LEASE)


def move_row(
    connection: Connection,
    row: Transfer,
    trigger: Trigger,
    actor: Actor,
    now: datetime,
    *,
    reason: str | None,
    data: Mapping[str, Any],
    who: str | None = None,
    **columns: Any,
) -> Transfer:
    to = move(row.state, trigger, actor)
    told = {"from": row.state, **data}
    return change_row(connection, row, now, to, who or actor.value, told, state=to, reason=reason, **columns)


def change_row(
    connection: Connection,
    row: Transfer,
    now: datetime,
    kind: str,
    who: str,
    data: Mapping[str, Any],
    **columns: Any,
) -> Transfer:
    """The one place where a transfer's row changes: guarded by its version, together with its event."""
    columns["version"] = row.version + 1
    values = {_new(name): value for name, value in columns.items()}
    done = _change(frozenset(columns)).run(connection, key=row.id, known=row.version, **values)
    changed_one(done, row.id)
    record(connection, at=now, subject=row.id, kind=str(kind), actor=who, data=data)
    return replace(row, **{name: as_read(value) for name, value in columns.items()})


@lru_cache(maxsize=100)
def _change(names: frozenset[str]) -> Prepared:
    c = t.transfer.c
    values: dict[str, Any] = {name: bindparam(_new(name)) for name in names}
    return Prepared(update(t.transfer).where(c.id == bindparam("key"), c.version == bindparam("known")).values(values))


def _new(name: str) -> str:
    return f"new_{name}"


def get_row(connection: Connection, transfer_id: str) -> Transfer:
    row = _ROW.first(connection, key=transfer_id)
    if row is None:
        raise UsageError(f"There is no transfer {transfer_id}; `h2h files` lists them.")
    return transfer_of(row)


def touch_verdict(
    connection: Connection,
    transfer_id: str,
    verdict: Verdict,
    *,
    reason: str | None,
    by: str,
    now: datetime,
    noted_by: str | None = None,
) -> None:
    """The bank's word on the whole file, as a pain.002 has just changed it. `noted_by`: who stands for it instead."""
    row = get_row(connection, transfer_id)
    data = {"verdict": verdict, "was": row.verdict, "by": by, "reason": reason}
    words = {"verdict": verdict, "verdict_by": noted_by, "answered_at": now, "reason": reason}
    change_row(connection, row, now, f"verdict {verdict}", "bank", data, **words)
