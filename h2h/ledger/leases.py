"""Leasing a transfer, within somebody else's transaction: whoever holds the lease is the one who works on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from h2h.ledger.attempts import begin, taken, taken_for_good
from h2h.ledger.lineage import against_sending
from h2h.ledger.moves import BANK, GATEWAY, change_row, get_row, move_row
from h2h.ledger.rows import Transfer
from h2h.ledger.safety import in_safe_mode
from h2h.ledger.sequences import Counter, OnItsWay, next_number, on_its_way, plan
from h2h.lifecycle import Actor, Route, State, Trigger

PATIENCE = timedelta(seconds=5)  # with a file that another one waits for


class Book:
    """What the ledger knows of names and numbers at the bank of a transfer that is being leased."""

    def __init__(self, connection: Connection, row: Transfer) -> None:
        self._connection = connection
        self._row = row

    def taken(self, path: str) -> bool:
        return taken(self._connection, self._row, path)

    def taken_for_good(self, path: str) -> bool:
        """As `taken`, of a name with a number: what another file did not use, and is not about to, is free."""
        return taken_for_good(self._connection, self._row, path)

    def number(self, counter: Counter) -> int:
        """The next one, or that which the transfer keeps."""
        return next_number(self._connection, self._row, counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Under which paths an attempt goes, with which numbers in its name, and by which version of the settings."""

    temporary: str
    remote: str
    numbers: Mapping[Counter, int] = field(default_factory=dict)
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameless:
    """Why no name can be given."""

    reason: str


Names = Callable[[Transfer, int, Book], Planned | Nameless]
"""(transfer, attempt number, what is known of names) -> its names."""


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
    planned = lease.names(row, row.attempts + 1, Book(connection, row))
    if isinstance(planned, Nameless):
        why, nothing = planned.reason, {"reason": planned.reason}
        move_row(connection, row, Trigger.CLASH, Actor.GATEWAY, now, reason=why, data=nothing, due_at=None)
        return None
    if other := on_its_way(connection, row, {counter.series for counter in planned.numbers}):
        _let_wait(connection, row, other, now)
        return None
    return _begun(connection, row, planned, lease, now, held)


def _begun(
    connection: Connection, row: Transfer, planned: Planned, lease: Lease, now: datetime, held: dict[str, Any]
) -> Transfer:
    number, temporary, remote = row.attempts + 1, planned.temporary, planned.remote
    plan(connection, row, number, planned.numbers)
    begin(connection, row, number, temporary, remote, lease.route, now)
    told = {"attempt": number, "temporary": temporary, "remote": remote, "owner": lease.owner}
    told |= {"profile": planned.profile} if planned.profile else {}
    told |= {"numbers": [[*counter, one] for counter, one in planned.numbers.items()]} if planned.numbers else {}
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


def _let_wait(connection: Connection, row: Transfer, other: OnItsWay, now: datetime) -> None:
    """In their order: the next one goes when the one before is at the bank, or is for a person to decide."""
    until = max(now + PATIENCE, other.due_at or now, other.lease_until or now)
    why = f"{other.id} is on its way, and files with numbers of one series go one after the other"
    change_row(connection, row, now, "postponed", GATEWAY, {"reason": why, "next": until}, due_at=until, reason=why)


def _hold_back(connection: Connection, row: Transfer, why: str, now: datetime) -> None:
    move_row(
        connection, row, Trigger.NAMED_BY_BANK, Actor.BANK, now,
        reason=why, data={"reason": why}, due_at=None, proposed_by=BANK,
    )  # fmt: skip
