"""How far each program that is told of events has been told of them.

The journal is the outbox: an event is committed with the change that it records. Of a program there is the number up to
which the journal was gone through for it, and a row for each event before it that is still to be told: one that failed,
or one that waits behind such a one of the same subject. So nothing grows but with what fails.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, case, delete, func, insert, literal, select, update

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import Event

PAGE = 200  # events looked at together
MOST = 1_000  # rows of one program that are read
NEWS = timedelta(days=7)  # so long somebody is told of what was given up
BANK = "bank "  # begins the subject of what happens to a bank as such


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event as it is told. `of`: transfer, message, or empty; `bank`: empty where it is of none."""

    event: Event
    hash: str
    bank: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An event that is still to be told; `since`: when it failed first, None where it only waits for another one."""

    seq: int
    subject: str
    since: datetime | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`waiting`: by number; `taken_at`: when something was taken last; `gave_up`: lately, how many."""

    seq: int
    taken_at: datetime | None
    stopped_at: datetime | None
    waiting: Sequence[Waiting]
    gave_up: int


class Webhooks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, names: Collection[str], now: datetime) -> None:
        """One that is not known yet is told of what happens from now on."""
        with self._database.reading() as connection:
            new = set(names) - set(connection.execute(select(t.webhook.c.name)).scalars())
        if new:
            with self._database.transaction() as connection:
                head = connection.execute(select(func.max(t.event.c.seq))).scalar() or 0
                rows = [{"name": name, "seq": head, "began_at": now} for name in sorted(new)]
                connection.execute(insert(t.webhook), rows)

    def progress(self, name: str, now: datetime) -> Progress | None:
        """None where it was never begun."""
        c, w = t.webhook.c, t.webhook_waiting.c
        lately = select(func.count()).where(w.webhook == name, w.given_up_at > now - NEWS)
        with self._database.reading() as connection:
            row = connection.execute(select(c.seq, c.taken_at, c.stopped_at).where(c.name == name)).first()
            if row is None:
                return None
            gave_up = connection.execute(lately).scalar_one()
            return Progress(**row._mapping, waiting=_waiting(connection, name), gave_up=gave_up)

    def waiting(self, name: str) -> Sequence[Waiting]:
        with self._database.reading() as connection:
            return _waiting(connection, name)

    def after(self, seq: int) -> list[Happened]:
        """The next events of the journal."""
        return self._asked(_events().where(t.event.c.seq > seq).order_by(t.event.c.seq).limit(PAGE))

    def event(self, seq: int) -> Happened:
        [found] = self._asked(_events().where(t.event.c.seq == seq))
        return found

    def _asked(self, query: Select[Any]) -> list[Happened]:
        with self._database.reading() as connection:
            return [_happened(row) for row in connection.execute(query)]

    def passed(self, name: str, seq: int) -> None:
        """Up to here there is nothing to tell."""
        with self._database.transaction() as connection:
            _go_to(connection, name, seq)

    def taken(self, name: str, seq: int, now: datetime) -> None:
        w = t.webhook_waiting.c
        with self._database.transaction() as connection:
            connection.execute(delete(t.webhook_waiting).where(w.webhook == name, w.seq == seq))
            connection.execute(update(t.webhook).where(t.webhook.c.name == name).values(taken_at=now))
            _go_to(connection, name, seq)

    def held(self, name: str, event: Event) -> None:
        """It waits for an earlier one of its subject."""
        with self._database.transaction() as connection:
            connection.execute(insert(t.webhook_waiting).values(webhook=name, seq=event.seq, subject=event.subject))
            _go_to(connection, name, event.seq)

    def failed(self, name: str, event: Event, text: str, now: datetime, *, stops: bool = False) -> None:
        """It was not taken; `stops`: nothing more is to be told to this one."""
        w = t.webhook_waiting.c
        this = (w.webhook == name, w.seq == event.seq)
        with self._database.transaction() as connection:
            values = {"since": func.coalesce(w.since, literal(now, t.Instant)), "text": text}
            done = connection.execute(update(t.webhook_waiting).where(*this).values(**values))
            if not done.rowcount:
                new = {"webhook": name, "seq": event.seq, "subject": event.subject, "since": now, "text": text}
                connection.execute(insert(t.webhook_waiting).values(**new))
            if stops:
                connection.execute(update(t.webhook).where(t.webhook.c.name == name).values(stopped_at=now))
            _go_to(connection, name, event.seq)

    def give_up(self, name: str, seq: int, now: datetime) -> None:
        """It is kept, and never told; what waits behind it goes on."""
        w = t.webhook_waiting.c
        with self._database.transaction() as connection:
            this = (w.webhook == name, w.seq == seq)
            connection.execute(update(t.webhook_waiting).where(*this).values(given_up_at=now))

    def resume(self, names: Collection[str]) -> None:
        """Somebody started the gateway anew, perhaps after mending what was wrong."""
        c = t.webhook.c
        stopped = c.name.in_(names) & c.stopped_at.is_not(None)
        with self._database.reading() as connection:
            if connection.execute(select(c.name).where(stopped)).first() is None:
                return
        with self._database.transaction() as connection:
            connection.execute(update(t.webhook).where(stopped).values(stopped_at=None))


def _waiting(connection: Connection, name: str) -> tuple[Waiting, ...]:
    w = t.webhook_waiting.c
    open_ = (w.webhook == name) & w.given_up_at.is_(None)
    rows = select(w.seq, w.subject, w.since, w.text).where(open_).order_by(w.seq).limit(MOST)
    return tuple(Waiting(**row._mapping) for row in connection.execute(rows))


def _go_to(connection: Connection, name: str, seq: int) -> None:
    """Never back: two who tell the same one tell twice, and leave nothing out."""
    c = t.webhook.c
    connection.execute(update(t.webhook).where(c.name == name, c.seq < seq).values(seq=seq))


def _events() -> Select[Any]:
    e, f, m = t.event.c, t.transfer.c, t.message.c
    of = case((f.id.is_not(None), "transfer"), (m.id.is_not(None), "message"), else_="")
    return (
        select(e.seq, e.at, e.subject, e.kind, e.actor, e.data, e.hash)
        .add_columns(func.coalesce(f.bank, m.bank, "").label("bank"), of.label("of"))
        .select_from(t.event)
        .outerjoin(t.transfer, f.id == e.subject)
        .outerjoin(t.message, m.id == e.subject)
    )


def _happened(row: Row[Any]) -> Happened:
    data = json.loads(row.data)
    event = Event(seq=row.seq, at=row.at, subject=row.subject, kind=row.kind, actor=row.actor, data=data)
    return Happened(event=event, hash=row.hash, bank=row.bank or _bank_of(row.subject, data), of=row.of)


def _bank_of(subject: str, data: dict[str, Any]) -> str:
    """Of an event that is about no file."""
    if subject.startswith(BANK):
        return subject.removeprefix(BANK)
    named = data.get("bank")
    return named if isinstance(named, str) else ""
