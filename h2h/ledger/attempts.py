"""Attempts to hand a transfer over, one in flight at a time, and the final names that were ever planned at a bank.

A name that was announced once (the point of no return was passed with it) is never used again, by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from h2h.ledger import tables as t
from h2h.ledger.prepared import Prepared
from h2h.lifecycle import Route, State
from h2h.model import TransferId, Way

_THIS = and_(t.attempt.c.transfer_id == bindparam("of_transfer"), t.attempt.c.number == bindparam("of_number"))
_LAST = Prepared(
    select(*(t.attempt.c[name] for name in ("way", "server", "host_keys", "made", "exclusive"))).where(_THIS)
)
_NAMED = and_(t.remote_name.c.bank == bindparam("of_bank"), t.remote_name.c.path == bindparam("at_path"))
_NAME = Prepared(select(t.remote_name).where(_NAMED))
_ANNOUNCE = Prepared(update(t.remote_name).where(_NAMED).values(published=True))
_HAND_ON = Prepared(
    update(t.remote_name)
    .where(_NAMED, t.remote_name.c.published.is_(False))
    .values(transfer_id=bindparam("to_transfer"))
)
_STATE = Prepared(select(t.transfer.c.state).where(t.transfer.c.id == bindparam("of_transfer")))
_USE_NAME = Prepared(insert(t.remote_name), "bank", "path", "transfer_id", "published")
_BEGIN = Prepared(
    insert(t.attempt),
    "transfer_id", "number", "started_at", "step", "way", "server", "host_keys", "temporary", "remote",
)  # fmt: skip


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
    known = _NAME.first(connection, of_bank=row.bank, at_path=remote)
    if known is None:
        _USE_NAME.run(connection, bank=row.bank, path=remote, transfer_id=row.id, published=False)
    elif known.transfer_id != row.id:
        _HAND_ON.run(connection, of_bank=row.bank, at_path=remote, to_transfer=row.id)
    begun = {"transfer_id": row.id, "number": number, "started_at": now, "step": "stage"}
    where = {"way": route.way, "server": route.server, "host_keys": list(route.host_keys)}
    _BEGIN.run(connection, **begun, **where, temporary=temporary, remote=remote)


def last(connection: Connection, row: Tried) -> Attempt:
    """What is known of the last one."""
    found = _LAST.first(connection, of_transfer=row.id, of_number=row.attempts)
    if found is None or found.way is None:
        return Attempt(route=None, made=False, exclusive=False)
    route = Route(way=Way(found.way), server=found.server, host_keys=tuple(found.host_keys))
    return Attempt(route=route, made=bool(found.made), exclusive=bool(found.exclusive))


def complete(connection: Connection, row: Tried, **columns: Any) -> None:
    """Fill in the attempt in flight."""
    values = {f"new_{name}": value for name, value in columns.items()}
    _complete(frozenset(columns)).run(connection, of_transfer=row.id, of_number=row.attempts, **values)


@lru_cache(maxsize=100)
def _complete(names: frozenset[str]) -> Prepared:
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return Prepared(update(t.attempt).where(_THIS, t.attempt.c.ended_at.is_(None)).values(values))


def announce(connection: Connection, row: Tried) -> None:
    """The final name is used up from here on."""
    _ANNOUNCE.run(connection, of_bank=row.bank, at_path=row.remote)


def taken(connection: Connection, row: Tried, path: str) -> bool:
    found = _NAME.first(connection, of_bank=row.bank, at_path=path)
    return found is not None and (found.transfer_id != row.id or found.published)


def taken_for_good(connection: Connection, row: Tried, path: str) -> bool:
    """As `taken`, of a name with a number in it: one that was planned for another file, and not used, is free, and so
    is that of a file which keeps its number."""
    found = _NAME.first(connection, of_bank=row.bank, at_path=path)
    if found is None or found.transfer_id == row.id:
        return False
    return bool(found.published) or _STATE.scalar(connection, of_transfer=found.transfer_id) == State.STAGING


def left_by_others(connection: Connection, row: Tried, server: str, path: str) -> bool:
    """Whether a file that never went further stands there as another transfer's attempt left it, which made it."""
    c = t.attempt.c
    query = select(c.number).where(c.temporary == path, c.server == server, c.made.is_(True), c.transfer_id != row.id)
    return connection.execute(query.limit(1)).first() is not None
