"""What the ERP was told of each transfer, and what it has to be told anew.

The journal leads: whatever changes a transfer or a payment writes an event in the same transaction, so that what came
after the last event looked at is all that can have changed. A version is allotted and committed before its file is
written, and bound to its content: the same version never says two things, whatever crashes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, union, update

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.ledger.safety import LEDGER, Safety

TOLD = "status told"  # the event of an allotted version; changes nothing that is told
EVENTS = 1_000  # looked at together
WAITING = 1_000  # transfers whose newest version was not written, looked at together
ERA = 1_000  # versions after a ledger was put back begin beyond those that it forgot


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Transfers of which the events up to `seq` may have changed what is told."""

    transfers: tuple[str, ...]
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One status of a transfer, and when it was found to be so."""

    number: int
    at: datetime


class Feedback:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, banks: Collection[str]) -> None:
        """From now on; what happened before the ERP wanted to be told is not told."""
        c = t.feedback_seen.c
        with self._database.reading() as connection:
            new = set(banks) - set(connection.execute(select(c.bank)).scalars())
        if new:
            with self._database.transaction() as connection:
                head = connection.execute(select(func.max(t.event.c.seq))).scalar() or 0
                connection.execute(insert(t.feedback_seen), [{"bank": bank, "seq": head} for bank in sorted(new)])

    def changed(self, bank: str, watches: Collection[str]) -> Changed | None:
        """What the next events changed in files from these folders; None where there are no new ones."""
        e, f = t.event.c, t.transfer.c
        with self._database.reading() as connection:
            last = connection.execute(select(t.feedback_seen.c.seq).where(t.feedback_seen.c.bank == bank)).scalar() or 0
            page = select(e.seq).where(e.seq > last).order_by(e.seq).limit(EVENTS).subquery()
            up_to = connection.execute(select(func.max(page.c.seq))).scalar()
            if up_to is None:
                return None
            subjects = select(e.subject).where(e.seq > last, e.seq <= up_to, e.kind != TOLD).distinct().subquery()
            touched = _touched(subjects.c.subject)
            there = (f.bank == bank, f.watch.in_(watches), f.purged_at.is_(None))
            query = select(f.id).where(f.id.in_(touched), *there).order_by(f.id)
            return Changed(transfers=tuple(connection.execute(query).scalars()), seq=up_to)

    def seen(self, bank: str, seq: int) -> None:
        with self._database.transaction() as connection:
            done = connection.execute(update(t.feedback_seen).where(t.feedback_seen.c.bank == bank).values(seq=seq))
            if not done.rowcount:
                connection.execute(insert(t.feedback_seen).values(bank=bank, seq=seq))

    def unwritten(self, bank: str, watches: Collection[str]) -> list[str]:
        """Transfers whose newest version may not have come to the ERP."""
        c, f = t.feedback.c, t.transfer.c
        query = (
            select(c.transfer_id)
            .join(t.transfer, f.id == c.transfer_id)
            .where(c.written_at.is_(None), f.bank == bank, f.watch.in_(watches))
            .order_by(c.at, c.transfer_id)
            .limit(WAITING)
        )
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def allot(self, transfer_id: str, sha256: str, now: datetime) -> Version | None:
        """The version that says this: a new one, or the last one if it was not written yet; None where it was."""
        c = t.feedback.c
        with self._database.transaction() as connection:
            last = connection.execute(select(t.feedback).where(c.transfer_id == transfer_id)).first()
            if last is not None and last.sha256 == sha256:
                return None if last.written_at else Version(number=last.version, at=last.at)
            number = max(last.version if last else 0, ERA * _eras(connection)) + 1
            values = {"version": number, "sha256": sha256, "at": now, "written_at": None}
            if last is None:
                connection.execute(insert(t.feedback).values(transfer_id=transfer_id, **values))
            else:
                connection.execute(update(t.feedback).where(c.transfer_id == transfer_id).values(**values))
            data = {"version": number, "sha256": sha256}
            record(connection, at=now, subject=transfer_id, kind=TOLD, actor="gateway", data=data)
            return Version(number=number, at=now)

    def written(self, transfer_id: str, number: int, now: datetime) -> None:
        c = t.feedback.c
        with self._database.transaction() as connection:
            this = (c.transfer_id == transfer_id, c.version == number)
            connection.execute(update(t.feedback).where(*this).values(written_at=now))


def _touched(subject: ColumnElement[Any]) -> Select[Any]:
    """Transfers that are the subject of an event themselves, or that a message speaks of which is."""
    f, r, s, e, b = (table.c for table in (t.transfer, t.report, t.statement, t.entry, t.booking))
    of_message = select(e.id).join(t.statement, s.id == e.statement_id).where(s.message_id == subject)
    ways = union(
        select(f.id).where(f.id == subject),
        select(r.transfer_id).where(r.message_id == subject),
        select(b.transfer_id).where(b.entry_id.in_(of_message)),
    ).subquery()
    return select(ways.c[0]).where(ways.c[0].is_not(None))


def _eras(connection: Connection) -> int:
    """How often the ledger was put back from an older copy."""
    e = t.event.c
    query = select(func.count()).select_from(t.event).where(e.subject == LEDGER, e.kind == Safety.BEGAN)
    return int(connection.execute(query).scalar_one())
