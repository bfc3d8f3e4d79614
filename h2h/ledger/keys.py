"""Keys in the ledger: which host keys the banks' servers showed that nobody had pinned, which of them two persons
accepted, and since when our own keys are known.

A key counts for the bank, host and port that it was accepted for, and nowhere else, until it is withdrawn. Pins of the
settings are no business of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from h2h.errors import NotAllowed, ShownKey, UsageError
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.ledger.people import in_words
from h2h.ledger.prepared import Prepared

_C = t.host_key.c
_AT = and_(_C.bank == bindparam("of_bank"), _C.server == bindparam("at_server"))
_ACCEPTED = Prepared(select(_C.fingerprint, _C.withdrawn_at).where(_AT, _C.accepted_at.is_not(None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """`shown_at`: when the server showed it first, not being pinned; None where it never did."""

    bank: str
    server: str
    fingerprint: str
    algorithm: str | None
    shown_at: datetime | None
    last_shown_at: datetime | None
    proposed_by: str | None
    proposed_at: datetime | None
    accepted_by: str | None
    accepted_at: datetime | None
    withdrawn_by: str | None
    withdrawn_at: datetime | None

    @property
    def counts(self) -> bool:
        return self.accepted_at is not None and self.withdrawn_at is None

    @property
    def pending(self) -> bool:
        """Proposed, and waiting for a second person; what was withdrawn stays so up to that."""
        if self.proposed_at is None or self.counts:
            return False
        return self.withdrawn_at is None or self.proposed_at > self.withdrawn_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Fingerprints by which people know one server, beside those of the settings."""

    accepted: frozenset[str]
    withdrawn: frozenset[str]


NO_PINS = Pins(accepted=frozenset(), withdrawn=frozenset())


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def pins(self, bank: str, server: str) -> Pins:
        with self._database.reading() as connection:
            rows = _ACCEPTED.all(connection, of_bank=bank, at_server=server)
        withdrawn = frozenset(row.fingerprint for row in rows if row.withdrawn_at is not None)
        return Pins(accepted=frozenset(row.fingerprint for row in rows) - withdrawn, withdrawn=withdrawn)

    def host_keys(self) -> list[HostKey]:
        """All that were ever shown or proposed, by bank and server, in the order in which they came up."""
        with self._database.reading() as connection:
            found = [_host_key(row) for row in connection.execute(select(t.host_key))]
        return sorted(found, key=lambda one: (one.bank, one.server, one.shown_at or one.proposed_at, one.fingerprint))

    def shown(self, bank: str, server: str, keys: Sequence[ShownKey], now: datetime) -> None:
        """The server showed these, and none of them was pinned. The first time is an event."""
        with self._database.transaction() as connection:
            for key in keys:
                before = _find(connection, bank, server, key.fingerprint)
                seen = {"algorithm": key.algorithm, "last_shown_at": now}
                if before is None or before.shown_at is None:
                    seen |= {"shown_at": now}
                    _told(connection, bank, "host key shown", "gateway", now, server, key.fingerprint, None)
                _write(connection, before, bank, server, key.fingerprint, seen)

    def known_since(self) -> dict[str, datetime]:
        """When keys of ours were seen first, by their fingerprints."""
        with self._database.reading() as connection:
            return {row.fingerprint: row.at for row in connection.execute(select(t.known_key))}

    def note_known(self, fingerprints: Collection[str], now: datetime) -> None:
        """They are there; those that are known already stay as old as they are."""
        if set(fingerprints) <= self.known_since().keys():
            return
        with self._database.transaction() as connection:
            known = set(connection.execute(select(t.known_key.c.fingerprint)).scalars())
            for new in sorted(set(fingerprints) - known):
                connection.execute(insert(t.known_key).values(fingerprint=new, at=now))

    def made(self, bank: str, fingerprint: str, *, who: str, use: str, now: datetime) -> None:
        """Somebody made a pair of keys for the bank."""
        with self._database.transaction() as connection:
            connection.execute(insert(t.known_key).values(fingerprint=fingerprint, at=now))
            data = {"fingerprint": fingerprint, "use": use}
            record(connection, at=now, subject=f"bank {bank}", kind="key made", actor=who, data=data)


class Acceptance:
    """What people decide about host keys."""

    def __init__(self, unit: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`unit`: a transaction, or one that leaves nothing behind, to see what would happen."""
        self._unit = unit

    def accept(
        self, bank: str, server: str, fingerprint: str, *, who: str, reason: str, now: datetime, in_advance: bool
    ) -> HostKey:
        """Proposed by the first person, in force by the second. `in_advance`: the server has not shown it yet."""
        why = in_words("reason", reason)
        with self._unit() as connection:
            before = _find(connection, bank, server, fingerprint)
            _refuse_unseen(connection, bank, server, fingerprint, seen=bool(before), in_advance=in_advance)
            if before and before.counts:
                raise NotAllowed(
                    f"{fingerprint} is accepted already, by {before.proposed_by} and {before.accepted_by}."
                )
            if before is None or not before.pending:
                said: dict[str, Any] = {"proposed_by": who, "proposed_at": now}
                kind = "host key proposed"
            elif before.proposed_by == who:
                raise NotAllowed(
                    f"You proposed {fingerprint}; somebody else has to accept it, after asking the bank by another way."
                )
            else:
                said = {"accepted_by": who, "accepted_at": now, "withdrawn_by": None, "withdrawn_at": None}
                kind = "host key accepted"
                connection.execute(update(t.contact).where(t.contact.c.bank == bank).values(suspended_until=None))
            _told(connection, bank, kind, who, now, server, fingerprint, why)
            return _write(connection, before, bank, server, fingerprint, said)

    def withdraw(self, bank: str, server: str, fingerprint: str, *, who: str, reason: str, now: datetime) -> HostKey:
        """It counts no more, or is proposed no more."""
        why = in_words("reason", reason)
        with self._unit() as connection:
            before = _find(connection, bank, server, fingerprint)
            if before is None or not (before.counts or before.pending):
                raise NotAllowed(f"Nobody accepted or proposed {fingerprint} for {bank} at {server}: see `h2h keys`.")
            _told(connection, bank, "host key withdrawn", who, now, server, fingerprint, why)
            said = {"withdrawn_by": who, "withdrawn_at": now}
            return _write(connection, before, bank, server, fingerprint, said)


def _refuse_unseen(
    connection: Connection, bank: str, server: str, fingerprint: str, *, seen: bool, in_advance: bool
) -> None:
    """A key comes from the server itself or, before it is used there, from the bank; never from a slip of the hand."""
    if seen or in_advance:
        return
    query = select(_C.fingerprint).where(_C.bank == bank, _C.server == server, _C.shown_at.is_not(None))
    shows = ", ".join(connection.execute(query.order_by(_C.last_shown_at.desc())).scalars()) or "none but pinned ones"
    raise UsageError(
        f"{server} has never shown {fingerprint}; it showed {shows}. Where the bank told you a key that it will use "
        "later, say --in-advance."
    )


def _find(connection: Connection, bank: str, server: str, fingerprint: str) -> HostKey | None:
    query = select(t.host_key).where(_C.bank == bank, _C.server == server, _C.fingerprint == fingerprint)
    row = connection.execute(query).first()
    return _host_key(row) if row else None


def _write(
    connection: Connection, before: HostKey | None, bank: str, server: str, fingerprint: str, values: dict[str, Any]
) -> HostKey:
    which = {"bank": bank, "server": server, "fingerprint": fingerprint}
    if before is None:
        connection.execute(insert(t.host_key).values(**which, **values))
    else:
        here = and_(*(_C[name] == value for name, value in which.items()))
        connection.execute(update(t.host_key).where(here).values(**values))
    after = _find(connection, bank, server, fingerprint)
    assert after
    return after


def _told(
    connection: Connection,
    bank: str,
    kind: str,
    actor: str,
    now: datetime,
    server: str,
    fingerprint: str,
    reason: str | None,
) -> None:
    data = {"server": server, "fingerprint": fingerprint} | ({"reason": reason} if reason else {})
    record(connection, at=now, subject=f"bank {bank}", kind=kind, actor=actor, data=data)


def _host_key(row: Row[Any]) -> HostKey:
    return HostKey(**{field.name: getattr(row, field.name) for field in fields(HostKey)})
