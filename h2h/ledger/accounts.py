"""People with accounts of their own, where the settings say so: what is kept of them, and who may change it.

The first one is added by whoever may write the ledger, the second one by the first. From then on it takes two: one of
them proposes a new person, a new password for another one, or to unlock one, and another one confirms it.

A try is counted before the password is looked at, in a transaction of its own: tries at the same time, and processes
that are ended, count like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from h2h.errors import NotAllowed, UsageError
from h2h.ledger import tables as t
from h2h.ledger.journal import record

FREE_TRIES = 4  # before anybody has to wait
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
PASSWORD, UNLOCK = "password", "unlock"  # what may be proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    name: str
    hash: str | None
    created_at: datetime
    created_by: str
    locked_at: datetime | None
    locked_by: str | None
    failures: int
    blocked_until: datetime | None
    proposal: str | None
    proposed_by: str | None
    proposed_hash: str | None
    proposed_at: datetime | None

    @property
    def proposed(self) -> tuple[str | None, str | None, str | None, datetime | None]:
        """What is proposed, and by whom; another proposal is another one."""
        return self.proposal, self.proposed_hash, self.proposed_by, self.proposed_at

    @property
    def usable(self) -> bool:
        """May decide. That too many tries make it wait is for the moment."""
        return self.hash is not None and self.locked_at is None


class AccountRows:
    def __init__(self, unit: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`unit`: a transaction."""
        self._unit = unit

    def all(self) -> list[Account]:
        with self._unit() as connection:
            return _all(connection)

    def add(self, name: str, hashed: str, *, who: str, now: datetime) -> Account:
        """A new person, or a new password for one: counts at once as long as there is one person at most, else when a
        second one confirms it."""
        with self._unit() as connection:
            known, row = _all(connection), _find(connection, name)
            if row is None:
                fresh = {"name": name, "created_at": now, "created_by": who, "failures": 0}
                connection.execute(insert(t.person), fresh)
            ever = [one for one in known if one.hash is not None]
            if not ever or (len(ever) == 1 and row is None):
                if ever:
                    _one_of_them(connection, who)
                return _change(connection, name, "person added", who, now, hash=hashed, **NOTHING_PROPOSED)
            _one_of_them(connection, who, but=name)
            _refuse_second(_known(connection, name))
            proposed = {"proposal": PASSWORD, "proposed_by": who, "proposed_hash": hashed, "proposed_at": now}
            return _change(connection, name, "password proposed", who, now, **proposed)

    def unlock(self, name: str, *, who: str, now: datetime) -> Account:
        with self._unit() as connection:
            _one_of_them(connection, who, but=name)
            row = _known(connection, name)
            if row.locked_at is None:
                raise NotAllowed(f"{name} is not locked.")
            _refuse_second(row)
            proposed = {"proposal": UNLOCK, "proposed_by": who, "proposed_hash": None, "proposed_at": now}
            return _change(connection, name, "unlocking proposed", who, now, **proposed)

    def confirm(self, seen: Account, *, who: str, now: datetime) -> Account:
        """What somebody else proposed of a person, as it was seen."""
        name = seen.name
        with self._unit() as connection:
            _one_of_them(connection, who, but=name)
            row = _open(connection, name)
            if row.proposed != seen.proposed:
                raise NotAllowed(f"Something else is proposed of {name} since you looked; see `h2h people`.")
            if row.proposed_by == who:
                raise NotAllowed(f"You proposed it; somebody else has to confirm it, after asking {name}.")
            new: dict[str, Any] = {"hash": row.proposed_hash} if row.proposal == PASSWORD else {}
            kind = "person added" if row.hash is None else f"{row.proposal} confirmed"
            usable = {"locked_at": None, "locked_by": None, "failures": 0, "blocked_until": None}
            return _change(connection, name, kind, who, now, **new, **usable, **NOTHING_PROPOSED)

    def withdraw(self, name: str, *, who: str, now: datetime) -> Account:
        """What is proposed of a person is proposed no more. Any of the people may, as it lets nobody in."""
        with self._unit() as connection:
            _one_of_them(connection, who)
            kind = f"{_open(connection, name).proposal} withdrawn"
            return _change(connection, name, kind, who, now, **NOTHING_PROPOSED)

    def lock(self, name: str, *, who: str, now: datetime) -> Account:
        """One person does, since it may be urgent; what is proposed of it is forgotten."""
        with self._unit() as connection:
            _one_of_them(connection, who)
            _known(connection, name)
            if not any(one.usable and one.name != name for one in _all(connection)):
                raise NotAllowed(f"Without {name} nobody could decide anything: add somebody before.")
            locked = {"locked_at": now, "locked_by": who, **NOTHING_PROPOSED}
            return _change(connection, name, "person locked", who, now, **locked)

    def change_password(self, name: str, old: str, new: str, *, now: datetime) -> Account:
        """Their own; `old` and `new` are hashes."""
        with self._unit() as connection:
            _one_of_them(connection, name)
            if _known(connection, name).hash != old:
                raise NotAllowed(f"The password of {name} was changed in the meantime.")
            return _change(connection, name, "password changed", name, now, hash=new)

    def begin_try(self, name: str, *, now: datetime) -> Account | None:
        """The account as it is asked for its password, the try being counted; None where there is none that could
        decide. NotAllowed where it has to wait."""
        with self._unit() as connection:
            row = _find(connection, name)
            if row is None or not row.usable:
                return None
            if row.blocked_until is not None and row.blocked_until > now:
                until = f"{row.blocked_until:%Y-%m-%d %H:%M:%S} UTC"
                raise NotAllowed(f"Too many passwords for {name} were wrong; no other one is looked at before {until}.")
            failures = row.failures + 1
            tried = {"failures": failures, "blocked_until": _wait(failures, now)}
            connection.execute(update(t.person).where(t.person.c.name == name).values(**tried))
            return row

    def refused(self, name: str, *, now: datetime) -> None:
        """The try was for nothing. It stands in the journal for a name of ours alone: others may be passwords."""
        with self._unit() as connection:
            row = _known(connection, name)
            data = {"failures": row.failures, "blocked_until": row.blocked_until}
            record(connection, at=now, subject=_subject(name), kind="password refused", actor="gateway", data=data)

    def accepted(self, account: Account, rehashed: str | None) -> bool:
        """The try was right, and the account can still decide by this password; earlier tries are forgotten."""
        c = t.person.c
        values: dict[str, Any] = {"failures": 0, "blocked_until": None} | ({"hash": rehashed} if rehashed else {})
        still = (c.name == account.name) & (c.hash == account.hash) & c.locked_at.is_(None)
        with self._unit() as connection:
            return connection.execute(update(t.person).where(still).values(**values)).rowcount == 1


NOTHING_PROPOSED: dict[str, Any] = {"proposal": None, "proposed_by": None, "proposed_hash": None, "proposed_at": None}


def _all(connection: Connection) -> list[Account]:
    rows = connection.execute(select(t.person).order_by(t.person.c.name))
    return [Account(**row._mapping) for row in rows]


def _find(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(t.person).where(t.person.c.name == name)).first()
    return Account(**row._mapping) if row else None


def _known(connection: Connection, name: str) -> Account:
    if row := _find(connection, name):
        return row
    raise UsageError(f"There is no {name} among the people; `h2h people` lists them.")


def _open(connection: Connection, name: str) -> Account:
    """With what is proposed of it."""
    row = _known(connection, name)
    if row.proposal is None:
        raise NotAllowed(f"Nothing is proposed of {name}.")
    return row


def _refuse_second(row: Account) -> None:
    """Who was asked about a proposal would confirm another one."""
    if row.proposal is not None:
        raise NotAllowed(
            f"{row.proposed_by} proposed something of {row.name} already ({row.proposal}): confirm that first, or take "
            f"it back with `h2h people withdraw {row.name}`."
        )


def _one_of_them(connection: Connection, who: str, *, but: str | None = None) -> None:
    row = _find(connection, who)
    if row is None or not row.usable:
        raise NotAllowed(f"{who} is none of the people who may decide about others; `h2h people` lists them.")
    if who == but:
        raise NotAllowed("Others have to do that for you.")


def _wait(failures: int, now: datetime) -> datetime | None:
    if failures <= FREE_TRIES:
        return None
    longer: timedelta = FIRST_WAIT * 2 ** min(failures - FREE_TRIES - 1, 10)
    return now + min(longer, LONGEST_WAIT)


def _change(connection: Connection, name: str, kind: str, who: str, now: datetime, **values: Any) -> Account:
    """With its event, in which no hash stands."""
    connection.execute(update(t.person).where(t.person.c.name == name).values(**values))
    data = {"name": name}
    record(connection, at=now, subject=_subject(name), kind=kind, actor=who, data=data)
    return _known(connection, name)


def _subject(name: str) -> str:
    return f"person {name}"
