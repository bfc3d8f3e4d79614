"""The journal: what happened, in order, each event carrying the hash of the one before.

An event is written in the same transaction as the change it records. `verify` walks the whole chain; the database
refuses to change or delete events, and the chain shows it where somebody did so regardless.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, String, desc, insert, select, type_coerce

from h2h.ledger.database import NEW_HEAD, Database
from h2h.ledger.prepared import Prepared
from h2h.ledger.safety import LEDGER, Safety
from h2h.ledger.tables import INSTANT_FORMAT, Instant, canonical, event
from h2h.witness import Head

GENESIS = "0" * 64
_PARTS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
PAGE = 5000
# An edited time may be no time any more: the chain is verified over the text that stands there.
_LAST = Prepared(select(event.c.seq, event.c.hash).order_by(desc(event.c.seq)).limit(1))
_APPEND = Prepared(insert(event), *(column.name for column in event.c))
_AS_STORED = [type_coerce(column, String).label("at") if column is event.c.at else column for column in event.c]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    seq: int
    at: datetime
    subject: str
    kind: str
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What `verify` found: the number of good events, the head's hash, and the first fault if there is one.

    `restored`: what a person accepted as lost when the ledger was put back from an older copy. It is never hidden.
    """

    events: int
    head: str
    fault: str | None = None
    restored: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The head of the chain as it was at some time, and the RFC 3161 answer that stamps it."""

    seq: int
    hash: str
    at: datetime
    stamp: bytes | None = None


def words_of(head: Anchor) -> bytes:
    """What a time stamp is asked on."""
    return f"{head.seq} {head.hash}\n".encode()


def record(
    connection: Connection, *, at: datetime, subject: str, kind: str, actor: str, data: Mapping[str, Any]
) -> None:
    """Append one event to the chain, inside the transaction of the change that it records."""
    last: Head = connection.info.get(NEW_HEAD) or head_of(connection)
    seq, previous = last.seq + 1, last.hash
    body = canonical(data)
    digest = _hash(seq, Instant.written(at), subject, kind, actor, body, previous)
    _APPEND.run(
        connection,
        seq=seq, at=at, subject=subject, kind=kind, actor=actor, data=body, previous=previous, hash=digest,
    )  # fmt: skip
    connection.info[NEW_HEAD] = Head(seq=seq, hash=digest)


def head_of(connection: Connection) -> Head:
    row = _LAST.first(connection)
    return Head(seq=row.seq, hash=row.hash) if row else Head(seq=0, hash=GENESIS)


def _hash(*parts: object) -> str:
    return hashlib.sha256(_PARTS.encode(parts).encode()).hexdigest()


class Journal:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, *, at: datetime, subject: str, kind: str, actor: str, data: Mapping[str, Any]) -> None:
        """Record something that changes no row: a start, a refusal, an alarm."""
        with self._database.transaction() as connection:
            record(connection, at=at, subject=subject, kind=kind, actor=actor, data=data)

    def of(self, subject: str) -> list[Event]:
        """All events of one transfer or message, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(event).where(event.c.subject == subject).order_by(event.c.seq))
            return [_event(row) for row in rows]

    def head(self, now: datetime) -> Anchor | None:
        """The last event's number and hash, to be noted elsewhere; None while nothing has happened."""
        last = self.last()
        return Anchor(seq=last.seq, hash=last.hash, at=now) if last.seq else None

    def last(self) -> Head:
        """The head as it is; number 0 while nothing has happened."""
        with self._database.reading() as connection:
            return head_of(connection)

    def contradicted_by(self, head: Head) -> str | None:
        """Why this head, noted elsewhere, cannot be of this journal's past; None where it can."""
        with self._database.reading() as connection:
            found = connection.execute(select(event.c.hash).where(event.c.seq == head.seq)).scalar()
        if head.seq == 0 or found == head.hash:
            return None
        if found is None:
            return f"the journal ends with event {self.last().seq}, and there was an event {head.seq}"
        return f"event {head.seq} of the journal is not the one that was there"

    def verify(self, anchors: Sequence[Anchor] = ()) -> Chain:
        """Walk the whole chain; with heads that were noted elsewhere, a cut or rebuilt chain is found as well."""
        noted: defaultdict[int, list[Anchor]] = defaultdict(list)
        for anchor in anchors:
            noted[anchor.seq].append(anchor)
        previous, count = GENESIS, 0
        doubts: list[_Doubt] = []
        losses = _Losses()
        for row in self._rows():
            if fault := _fault(row, count + 1, previous):
                return Chain(events=count, head=previous, fault=fault, restored=losses.accepted)
            doubts += [_Doubt(a, count, previous, _rebuilt(a)) for a in noted.pop(row.seq, ()) if a.hash != row.hash]
            losses.see(row)
            previous, count = row.hash, count + 1
        for seq in sorted(noted):
            doubts += [_Doubt(a, count, previous, _cut(a)) for a in noted[seq]]
        for doubt in doubts:
            if not losses.explain(doubt.anchor):
                return Chain(events=doubt.events, head=doubt.head, fault=doubt.fault, restored=losses.accepted)
        return Chain(events=count, head=previous, restored=losses.accepted)

    def since_first_of(self, subjects: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Every event from the first of these subjects' to the head, as stored."""
        with self._database.reading() as connection:
            query = select(event.c.seq).where(event.c.subject.in_(subjects)).order_by(event.c.seq).limit(1)
            first = connection.execute(query).scalar_one()
        return (dict(row._mapping) for row in self._rows(first - 1))

    def _rows(self, last: int = 0) -> Iterator[Row[Any]]:
        while True:
            with self._database.reading() as connection:
                query = select(*_AS_STORED).where(event.c.seq > last).order_by(event.c.seq).limit(PAGE)
                rows = connection.execute(query).all()
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1].seq


def _fault(row: Row[Any], expected: int, previous: str) -> str | None:
    if row.seq != expected:
        return f"event {expected} is missing; the next one there is {row.seq}"
    if row.previous != previous:
        return f"event {row.seq} does not follow the one before it"
    digest = _hash(row.seq, row.at, row.subject, row.kind, row.actor, row.data, row.previous)
    return None if digest == row.hash else f"event {row.seq} was edited"


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A head that was noted and does not stand in the chain: after how many good events, and what it looks like."""

    anchor: Anchor
    events: int
    head: str
    fault: str


class _Losses:
    """What was lost when the ledger was put back from an older copy, as far as a person accepted it."""

    def __init__(self) -> None:
        self.accepted: tuple[str, ...] = ()
        self._open: list[tuple[int, datetime]] = []
        self._spans: list[tuple[int, datetime]] = []

    def see(self, row: Row[Any]) -> None:
        if row.subject != LEDGER:
            return
        if row.kind == Safety.BEGAN:
            self._open.append((row.seq, _instant(row.at)))
        if row.kind == Safety.ACCEPTED and self._open:
            self._spans += self._open
            text = f"put back from a copy that ended with event {self._open[0][0] - 1}; accepted by {row.actor}"
            self.accepted += (f"{text} on {_instant(row.at):%Y-%m-%d %H:%M} UTC",)
            self._open = []

    def explain(self, anchor: Anchor) -> bool:
        return any(anchor.seq >= seq and anchor.at <= at for seq, at in self._spans)


def _instant(text: str) -> datetime:
    return datetime.strptime(text, INSTANT_FORMAT).replace(tzinfo=UTC)


def _rebuilt(noted: Anchor) -> str:
    return f"event {noted.seq} is not the one that was there on {noted.at:%Y-%m-%d %H:%M} UTC: the chain was rebuilt"


def _cut(noted: Anchor) -> str:
    return f"its end was cut off: event {noted.seq} was there on {noted.at:%Y-%m-%d %H:%M} UTC"


def _event(row: Row[Any]) -> Event:
    return Event(seq=row.seq, at=row.at, subject=row.subject, kind=row.kind, actor=row.actor, data=json.loads(row.data))
