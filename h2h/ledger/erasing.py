"""Removing what was marked as purged: records in short transactions, and the bytes that no other row asks for.

Every step asks anew what is there, so that it does not matter where the one before ended, or was cut off. What a file
that stays needs is not touched, whatever was marked: a payment goes after the entries that book it, and an entry after
nothing of ours hangs on it any more. Rows of transfers, messages, batches, attempts, statements and the journal stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, or_, select, tuple_, update

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.retention import KINDS, Way
from h2h.ledger.sealings import sealed_as

ROWS = 500  # removed in one transaction
LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A file that was marked as purged, and of which something may be left."""

    id: str
    way: Way
    hashes: tuple[str, ...]


class Erasing:
    def __init__(self, database: Database) -> None:
        self._database = database

    def marked(self, way: Way, after: str = "") -> list[Marked]:
        """The next ones, by id."""
        c = KINDS[way].table.c
        query = select(KINDS[way].table).where(c.purged_at.is_not(None), c.erased_at.is_(None), c.id > after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(c.id).limit(LISTED)).all()
            sealed = sealed_as(connection, [row.id for row in rows])
        return [Marked(id=row.id, way=way, hashes=_hashes(row, sealed.get(row.id, ()))) for row in rows]

    def some_rows(self, file: Marked) -> bool:
        """Remove a few of its records; False where none was left that could go."""
        steps = _OF_MESSAGE if file.way is Way.IN else _OF_TRANSFER
        return any(self._step(step, file.id) for step in steps)

    def _step(self, step: _Step, file_id: str) -> bool:
        with self._database.reading() as connection:  # most steps find nothing: no writer waits for that
            if not step.found(connection, file_id):
                return False
        with self._database.transaction() as connection:
            return step.run(connection, file_id)

    def bytes_asked_for(self, sha256: str) -> bool:
        """Whether a file that was not purged has these bytes."""
        f, m = t.transfer.c, t.message.c
        sent = or_(f.sha256 == sha256, f.original_sha256 == sha256, f.sealed_sha256 == sha256)
        came = or_(m.sha256 == sha256, m.opened_sha256 == sha256)
        out = select(f.id).where(sent, f.purged_at.is_(None))
        back = select(m.id).where(came, m.purged_at.is_(None))
        with self._database.reading() as connection:
            return any(connection.execute(query.limit(1)).first() for query in (out, back))

    def erased(self, file: Marked, now: datetime) -> bool:
        """Note that nothing of it is left; False where records are, which something that stays needs."""
        table = KINDS[file.way].table
        p, e, s = t.payment.c, t.entry.c, t.statement.c
        payments = select(p.position).where(p.transfer_id == file.id)
        entries = select(e.id).join(t.statement, s.id == e.statement_id).where(s.message_id == file.id)
        with self._database.transaction() as connection:
            if connection.execute((payments if file.way is Way.OUT else entries).limit(1)).first():
                return False
            connection.execute(update(table).where(table.c.id == file.id).values(erased_at=now))
            return True


def _hashes(row: Row[Any], sealed: Sequence[str]) -> tuple[str, ...]:
    """Of all that was kept of it, the bytes of each time that it was sealed included."""
    names = ("sha256", "original_sha256", "sealed_sha256", "opened_sha256")
    found = [getattr(row, name, None) for name in names]
    return tuple(dict.fromkeys(sha256 for sha256 in (*found, *sealed) if sha256))


# Steps: which rows, a few of them, and what is done with those.

Few = Callable[[str], Select[Any]]
Act = Callable[[Connection, Sequence[Row[Any]]], None]


@dataclass(frozen=True, slots=True)
class _Step:
    few: Few
    act: Act

    def found(self, connection: Connection, file_id: str) -> bool:
        return connection.execute(self.few(file_id).limit(1)).first() is not None

    def run(self, connection: Connection, file_id: str) -> bool:
        rows = connection.execute(self.few(file_id).limit(ROWS)).all()
        if rows:
            self.act(connection, rows)
        return bool(rows)


def _purged(transfer_id: Any) -> Any:
    f = t.transfer.c
    return select(f.id).where(f.id == transfer_id, f.purged_at.is_not(None)).exists()


def _entries(message_id: str) -> Select[Any]:
    e, s, m = t.entry.c, t.statement.c, t.message.c
    of = select(e.id).join(t.statement, s.id == e.statement_id).join(t.message, m.id == s.message_id)
    return of.where(m.id == message_id, m.purged_at.is_not(None))


def _findings(file_id: str) -> Select[Any]:
    return select(t.finding.c.id).where(t.finding.c.subject == file_id)


def _payments(transfer_id: str) -> Select[Any]:
    """Which no entry books any more."""
    p, b = t.payment.c, t.booking.c
    booked = select(b.id).where(b.transfer_id == p.transfer_id, b.payment == p.position).exists()
    mine = (p.transfer_id == transfer_id, _purged(p.transfer_id))
    return select(p.transfer_id, p.position).where(*mine, ~booked).order_by(p.position)


def _pointing(message_id: str) -> Select[Any]:
    """Payments that an entry debits; they are of files that were purged, and nobody looks at them any more."""
    p = t.payment.c
    return select(p.transfer_id, p.position).where(p.booked_by.in_(_entries(message_id)), _purged(p.transfer_id))


def _bookings(message_id: str) -> Select[Any]:
    b = t.booking.c
    return select(b.id).where(b.entry_id.in_(_entries(message_id)), _purged(b.transfer_id))


def _details(message_id: str) -> Select[Any]:
    """Those of entries that go."""
    d = t.detail.c
    return select(d.entry_id, d.position).where(d.entry_id.in_(_bare(message_id)))


def _bare(message_id: str) -> Select[Any]:
    """Entries that do nothing to any payment any more."""
    e, b, p = t.entry.c, t.booking.c, t.payment.c
    bookings = select(b.id).where(b.entry_id == e.id).exists()
    pointed_at = select(p.position).where(p.booked_by == e.id).exists()
    return _entries(message_id).where(~bookings, ~pointed_at)


def _bare_entries(message_id: str) -> Select[Any]:
    d, e = t.detail.c, t.entry.c
    return _bare(message_id).where(~select(d.position).where(d.entry_id == e.id).exists())


def _reports(message_id: str) -> Select[Any]:
    r = t.report.c
    return select(r.id).where(r.message_id == message_id, _purged(r.transfer_id))


def _by(*names: str, table: Any) -> Act:
    """Delete the rows with these keys."""
    columns = [table.c[name] for name in names]

    def act(connection: Connection, rows: Sequence[Row[Any]]) -> None:
        keys = [tuple(row) for row in rows]
        these = tuple_(*columns).in_(keys) if len(columns) > 1 else columns[0].in_([key[0] for key in keys])
        connection.execute(delete(table).where(these))

    return act


def _let_go(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    p = t.payment.c
    these = tuple_(p.transfer_id, p.position).in_([tuple(row) for row in rows])
    connection.execute(update(t.payment).where(these).values(booked_by=None))


_OF_TRANSFER = (
    _Step(_findings, _by("id", table=t.finding)),
    _Step(_payments, _by("transfer_id", "position", table=t.payment)),
)
_OF_MESSAGE = (
    _Step(_findings, _by("id", table=t.finding)),
    _Step(_pointing, _let_go),
    _Step(_bookings, _by("id", table=t.booking)),
    _Step(_details, _by("entry_id", "position", table=t.detail)),
    _Step(_bare_entries, _by("id", table=t.entry)),
    _Step(_reports, _by("id", table=t.report)),
)
