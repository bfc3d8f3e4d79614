"""Attempts to hand a transfer over, one in flight at a time, and the final names that were ever planned at a bank.

A name that was announced once (the point of no return was passed with it) is never used again, by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select, update

from h2h.ledger import tables as t
from h2h.lifecycle import Route
from h2h.model import TransferId, Way


class Tried(Protocol):
    """What is asked of a transfer here."""

    @property
    def id(self) -> TransferId: ...
    @property
    def bank(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def remote(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`route`: None where it was not noted. `made`: the file under the temporary name is known to be ours.

    `exclusive`: it was published by a rename that replaces nothing, and may be more than one step.
    """

    route: Route | None
    made: bool
    exclusive: bool


def begin(
    connection: Connection, row: Tried, number: int, temporary: str, remote: str, route: Route, now: datetime
) -> None:
    c = t.remote_name.c
    if connection.execute(select(c.path).where(c.bank == row.bank, c.path == remote)).first() is None:
        names = {"bank": row.bank, "path": remote, "transfer_id": row.id, "published": False}
        connection.execute(insert(t.remote_name).values(**names))
    names = {"temporary": temporary, "remote": remote}
    where = {"way": route.way, "server": route.server, "host_keys": list(route.host_keys)}
    connection.execute(
        insert(t.attempt).values(transfer_id=row.id, number=number, started_at=now, step="stage", **names, **where)
    )


def last(connection: Connection, row: Tried) -> Attempt:
    """What is known of the last one."""
    c = t.attempt.c
    columns = (c.way, c.server, c.host_keys, c.made, c.exclusive)
    found = connection.execute(select(*columns).where(c.transfer_id == row.id, c.number == row.attempts)).first()
    if found is None or found.way is None:
        return Attempt(route=None, made=False, exclusive=False)
    route = Route(way=Way(found.way), server=found.server, host_keys=tuple(found.host_keys))
    return Attempt(route=route, made=bool(found.made), exclusive=bool(found.exclusive))


def complete(connection: Connection, row: Tried, **columns: Any) -> None:
    """Fill in the attempt in flight."""
    c = t.attempt.c
    connection.execute(
        update(t.attempt)
        .where(c.transfer_id == row.id, c.number == row.attempts, c.ended_at.is_(None))
        .values(**columns)
    )


def announce(connection: Connection, row: Tried) -> None:
    """The final name is used up from here on."""
    c = t.remote_name.c
    connection.execute(update(t.remote_name).where(c.bank == row.bank, c.path == row.remote).values(published=True))


def taken(connection: Connection, row: Tried, path: str) -> bool:
    c = t.remote_name.c
    found = connection.execute(select(t.remote_name).where(c.bank == row.bank, c.path == path)).first()
    return found is not None and (found.transfer_id != row.id or found.published)
