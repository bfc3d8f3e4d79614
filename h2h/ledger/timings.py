"""How long a bank has taken lately: from the folder to the first upload, the upload itself, and the first answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from h2h.ledger import tables as t
from h2h.lifecycle import State

LATELY = 100  # files
AT_ONCE = timedelta(minutes=10)  # what began later than that after it came had waited for a window, or for somebody


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """In seconds, of the files that were handed over last. `uploads`: with the size of the file, in bytes."""

    queues: tuple[float, ...] = ()
    uploads: tuple[tuple[int, float], ...] = ()
    answers: tuple[float, ...] = ()


def timings(connection: Connection, bank: str) -> Timings:
    c = t.transfer.c
    newest = select(c.id, c.size, c.received_at, c.sent_at).where(c.bank == bank, c.state == State.SENT)
    sent = connection.execute(newest.order_by(c.sent_at.desc()).limit(LATELY)).all()
    ids = [row.id for row in sent]
    attempts, answered = _attempts(connection, ids), _answered(connection, ids)
    queues, uploads = [], []
    for row in sent:
        first, last = attempts.get(row.id, (None, None))
        if first is not None and first.started_at - row.received_at < AT_ONCE:
            queues.append(_seconds(first.started_at - row.received_at))
        if last is not None and last.ended_at is not None:
            uploads.append((row.size, _seconds(last.ended_at - last.started_at)))
    answers = [_seconds(answered[row.id] - row.sent_at) for row in sent if row.id in answered]
    return Timings(queues=tuple(queues), uploads=tuple(uploads), answers=tuple(answers))


def _attempts(connection: Connection, ids: list[str]) -> dict[str, tuple[Any, Any]]:
    """Of each file the first attempt, and the one that delivered it, if there is one."""
    c = t.attempt.c
    query = select(c.transfer_id, c.number, c.started_at, c.ended_at, c.outcome).where(c.transfer_id.in_(ids))
    found: dict[str, tuple[Any, Any]] = {}
    for row in connection.execute(query.order_by(c.transfer_id, c.number)):
        first, _ = found.get(row.transfer_id, (row, None))
        found[row.transfer_id] = first, row if row.outcome == "DELIVERED" else None
    return found


def _answered(connection: Connection, ids: list[str]) -> dict[str, Any]:
    """When the first report on each was fetched."""
    r, m = t.report.c, t.message.c
    first = func.min(m.fetched_at, type_=t.Instant).label("at")
    query = select(r.transfer_id, first).join(t.message, m.id == r.message_id).where(r.transfer_id.in_(ids))
    return {row.transfer_id: row.at for row in connection.execute(query.group_by(r.transfer_id))}


def _seconds(span: timedelta) -> float:
    return max(0.0, span.total_seconds())
