"""Leasing a transfer, within somebody else's transaction: whoever holds the lease is the one who works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from h2h.ledger.attempts import begin, taken
from h2h.ledger.lineage import against_sending
from h2h.ledger.moves import BANK, GATEWAY, change_row, get_row, move_row
from h2h.ledger.rows import Transfer
from h2h.ledger.safety import in_safe_mode
from h2h.lifecycle import Actor, Route, State, Trigger

Names = Callable[[Transfer, int, Callable[[str], bool]], tuple[str, str]]
"""(transfer, attempt number, is this final path taken?) -> temporary path, final path at the bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who works on it, until when, under which names and by which way the attempt goes."""

    owner: str
    names: Names
    route: Route
    until: datetime


def take_lease(connection: Connection, transfer: Transfer, lease: Lease, now: datetime) -> Transfer | None:
    """The transfer as it is ours; None where it is not to be had."""
    row = get_row(connection, transfer.id)
    if row.version != transfer.version:
        return None
    held: dict[str, Any] = {"owner": lease.owner, "lease_until": lease.until, "fence": row.fence + 1}
    if row.state is State.PUBLISHING:
        return change_row(connection, row, now, "reconcile", GATEWAY, {"owner": lease.owner}, **held)
    if in_safe_mode(connection):
        return None
    if row.repair_of and (why := against_sending(connection, row)):
        _hold_back(connection, row, why, now)
        return None
    if row.lacking:
        _not_approved(connection, row, now)
        return None
    number = row.attempts + 1
    temporary, remote = lease.names(row, number, lambda path: taken(connection, row, path))
    begin(connection, row, number, temporary, remote, lease.route, now)
    told = {"attempt": number, "temporary": temporary, "remote": remote, "owner": lease.owner}
    return move_row(
        connection, row, Trigger.LEASE, Actor.GATEWAY, now,
        reason=None,
        data=told | {"way": lease.route.way, "server": lease.route.server},
        attempts=number, temporary=temporary, remote=remote, **held,
    )  # fmt: skip


def _not_approved(connection: Connection, row: Transfer, now: datetime) -> None:
    """Whatever made it READY: without the approvals that it needs it does not go."""
    why = f"not approved: {'; '.join(map(str, row.lacking))} have to release it"
    move_row(
        connection, row, Trigger.NOT_APPROVED, Actor.GATEWAY, now,
        reason=why, data={"reason": why}, due_at=None,
    )  # fmt: skip


def _hold_back(connection: Connection, row: Transfer, why: str, now: datetime) -> None:
    move_row(
        connection, row, Trigger.NAMED_BY_BANK, Actor.BANK, now,
        reason=why, data={"reason": why}, due_at=None, proposed_by=BANK,
    )  # fmt: skip
