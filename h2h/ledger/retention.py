"""What came to its end so long ago that the policy lets it go: found, with why all else stays, and marked as purged.

Looking takes no writer's lock. A mark is a short transaction: it is made only where nothing happened since the look
that could speak against it, and its event is what the removal is announced by (erasing.py removes). Of transfers that
repairs bind together either all are marked or none. When in doubt a file stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, Table, and_, func, or_, select, type_coerce, update

from h2h.errors import NotAllowed
from h2h.ledger import tables as t
from h2h.ledger.bulk import in_chunks
from h2h.ledger.database import Database
from h2h.ledger.ends import OPEN, Facts, Policy, of_message, of_transfer
from h2h.ledger.journal import head_of, record
from h2h.ledger.messages import MessageState
from h2h.ledger.safety import in_safe_mode
from h2h.ledger.statements import stored_essence
from h2h.lifecycle import State

PURGED = "purged"  # the event
AT_ONCE = 50  # files looked at, and marked, together
CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A file that goes, and what it takes with it."""

    id: str
    bank: str
    sha256: str
    original_sha256: str | None
    other_sha256: str | None  # of what was sent or read in its place: sealed, or opened
    size: int
    payments: int = 0
    entries: int = 0
    statuses: int = 0
    essences: tuple[tuple[int, str], ...] = ()  # of its statements, by row


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Files that were looked at together: those that go, by family, and how many stay, by why. `seq`: the journal's
    head at that moment; `last`: where the next page begins, None after the last one."""

    families: tuple[tuple[Going, ...], ...]
    stay: Counter[str]
    seq: int
    last: tuple[datetime, str] | None


class Way(StrEnum):
    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the files of one direction stand, and which of them may have come to an end."""

    table: Table
    at: str
    ends: tuple[str, ...]


KINDS = {
    Way.OUT: _Kind(t.transfer, "received_at", (State.SENT, State.INVALID, State.CANCELLED)),
    Way.IN: _Kind(t.message, "fetched_at", (MessageState.APPLIED, MessageState.REPEATED)),
}


@dataclass(slots=True)
class Pass:
    """One pass over all that is old enough, the oldest first. `gone`: what goes, although perhaps not marked."""

    policy: Policy
    gone: set[str] = field(default_factory=set)


class Retention:
    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, way: Way, run: Pass, after: tuple[datetime, str] | None) -> Page:
        """The next files that are old enough. NotAllowed in safe mode."""
        with self._database.reading() as connection:
            if in_safe_mode(connection):
                raise NotAllowed(
                    "Nothing is purged in safe mode: the ledger may not know all that happened (`h2h status`)."
                )
            rows = connection.execute(_old(KINDS[way], run.policy, after)).all()
            facts = Facts(connection, run.policy, run.gone)
            families, stay = _judged(way, facts, rows)
            at = KINDS[way].at
            last = (getattr(rows[-1], at), rows[-1].id) if len(rows) == AT_ONCE else None
            return Page(families=tuple(families), stay=stay, seq=head_of(connection).seq, last=last)

    def days_seen(self, since: datetime, until: datetime) -> int:
        """On how many days files came or were fetched between these instants."""
        f, m = t.transfer.c, t.message.c
        days: set[str] = set()
        with self._database.reading() as connection:
            for at in (f.received_at, m.fetched_at):
                day = func.substr(type_coerce(at, String), 1, 10)
                days.update(connection.execute(select(day).where(at > since, at <= until).distinct()).scalars())
        return len(days)

    def mark(self, page: Page, way: Way, policy: Policy, *, who: str, now: datetime) -> bool:
        """All of the page, or nothing where something happened since that may concern it: False, look again."""
        going = [one for family in page.families for one in family]
        if not going:
            return True
        with self._database.transaction(witnessed=True) as connection:
            if in_safe_mode(connection) or _happened(connection, page.seq, [one.id for one in going]):
                return False
            for one in going:
                _mark(connection, KINDS[way].table, one, policy, who, now)
            return True


def _old(kind: _Kind, policy: Policy, after: tuple[datetime, str] | None) -> Any:
    c = kind.table.c
    at = c[kind.at]
    query = select(kind.table).where(c.purged_at.is_(None), c.state.in_(kind.ends), at < policy.before)
    if after is not None:
        query = query.where(or_(at > after[0], and_(at == after[0], c.id > after[1])))
    return query.order_by(at, c.id).limit(AT_ONCE)


def _judged(way: Way, facts: Facts, rows: Sequence[Row[Any]]) -> tuple[list[tuple[Going, ...]], Counter[str]]:
    families: list[tuple[Going, ...]] = []
    stay: Counter[str] = Counter()
    for row in rows:
        if row.id in facts.gone:
            continue  # with its family
        members = facts.family(row) if way is Way.OUT else [row]
        of = of_transfer if way is Way.OUT else of_message
        why = next((why for member in members if (why := of(facts, member, [m.id for m in members]))), None)
        if why is not None:
            stay[why] += 1
            continue
        facts.gone.update(member.id for member in members)
        families.append(tuple(_going(facts.connection, way, member) for member in members))
    return families, stay


def _going(connection: Connection, way: Way, row: Row[Any]) -> Going:
    common = {"id": row.id, "bank": row.bank, "sha256": row.sha256, "size": row.size}
    if way is Way.OUT:
        other = {"original_sha256": row.original_sha256, "other_sha256": row.sealed_sha256}
        return Going(**common, **other, payments=row.payments or 0)
    s, r = t.statement.c, t.report.c
    statements = connection.execute(select(s.id, s.entries).where(s.message_id == row.id).order_by(s.id)).all()
    statuses = len(connection.execute(select(r.id).where(r.message_id == row.id)).all())
    return Going(
        **common,
        original_sha256=None,
        other_sha256=row.opened_sha256,
        entries=sum(one.entries for one in statements),
        statuses=statuses,
        essences=tuple((one.id, stored_essence(connection, one.id)) for one in statements),
    )


def _happened(connection: Connection, seq: int, files: Sequence[str]) -> bool:
    """Whether an event came since that is of one of these files, or of any message: it may speak of them. Or an open
    file is said to repeat one of them."""
    e, m, f = t.event.c, t.message.c, t.transfer.c
    named = select(f.duplicate_of).where(f.state.in_(OPEN), f.duplicate_of.is_not(None))
    if not set(files).isdisjoint(connection.execute(named).scalars()):
        return True
    of_a_message = select(m.id).where(m.id == e.subject).exists()
    if connection.execute(select(e.seq).where(e.seq > seq, e.kind != PURGED, of_a_message).limit(1)).first():
        return True
    return any(
        connection.execute(select(e.seq).where(e.seq > seq, e.subject.in_(chunk)).limit(1)).first()
        for chunk in in_chunks(files, CHUNK)
    )


def _mark(connection: Connection, table: Table, one: Going, policy: Policy, who: str, now: datetime) -> None:
    this: ColumnElement[bool] = and_(table.c.id == one.id, table.c.purged_at.is_(None))
    if not connection.execute(update(table).where(this).values(purged_at=now)).rowcount:
        return  # somebody else was quicker
    for number, essence in one.essences:
        connection.execute(update(t.statement).where(t.statement.c.id == number).values(essence=essence))
    counts = {name: getattr(one, name) for name in ("payments", "entries", "statuses") if getattr(one, name)}
    hashes: dict[str, Any] = {"sha256": one.sha256, "original_sha256": one.original_sha256, "size": one.size}
    if one.other_sha256:
        hashes["sealed_sha256" if table is t.transfer else "opened_sha256"] = one.other_sha256
    data = {**hashes, **counts, "ended_before": policy.before.isoformat()}
    record(connection, at=now, subject=one.id, kind=PURGED, actor=who, data=data)
