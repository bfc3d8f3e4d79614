"""What is known of one transfer, for a person who has to decide about it: all that speaks for the bank having it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, desc, func, or_, select

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.earlier import repeated_since
from h2h.ledger.findings import load_findings
from h2h.ledger.moves import get_row
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.model import Finding
from h2h.reasons import in_words
from h2h.repeats import EarlierFile

LIMIT = 20  # answers and attempts that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the gateway found at the bank when it could not tell any more: T is the temporary name, F the final one."""

    at: datetime
    temporary: str | None
    temporary_found: str
    final: str | None
    final_found: str
    answer: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One status that a pain.002 gave to the file, a batch or a payment. `effect`: what it did, as in `orphan`."""

    at: datetime
    message: str
    level: str
    reference: str | None
    status: str | None
    reasons: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    number: int
    at: datetime
    remote: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a person did to it, and why."""

    at: datetime
    kind: str
    who: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    transfer: Transfer
    findings: tuple[Finding, ...]
    evidence: Evidence | None
    said: tuple[Said, ...]
    tried: tuple[Tried, ...]
    booked: int
    statements: tuple[str, ...]
    decided: tuple[Decided, ...]
    elsewhere: tuple[EarlierFile, ...]


class Cases:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, transfer_id: str) -> Case:
        with self._database.reading() as connection:
            row = get_row(connection, transfer_id)
            booked, statements = _booked(connection, row)
            return Case(
                transfer=row,
                findings=tuple(load_findings(connection, row.id)),
                evidence=_evidence(connection, row),
                said=_said(connection, row),
                tried=_tried(connection, row),
                booked=booked,
                statements=statements,
                decided=_decided(connection, row),
                elsewhere=tuple(repeated_since(connection, row)),
            )


def _evidence(connection: Connection, row: Transfer) -> Evidence | None:
    e = t.event.c
    query = select(e.at, e.data).where(e.subject == row.id, e.kind == State.UNCERTAIN).order_by(desc(e.seq)).limit(1)
    found = connection.execute(query).first() if row.state is State.UNCERTAIN else None
    if found is None:
        return None
    data: Mapping[str, Any] = json.loads(found.data)
    return Evidence(
        at=found.at,
        temporary=row.temporary,
        temporary_found=data.get("temporary", "not looked at"),
        final=row.remote,
        final_found=data.get("final", "not looked at"),
        answer=data.get("answer"),
        reason=row.reason,
    )


def _said(connection: Connection, row: Transfer) -> tuple[Said, ...]:
    """Every status on this transfer; and those that name its message id while it had not been sent."""
    r, m = t.report.c, t.message.c
    unsent = (r.transfer_id.is_(None)) & (r.original_message_id == row.message_id)
    query = (
        select(
            r.level,
            r.end_to_end_id,
            r.payment_information_id,
            r.status,
            r.reasons,
            r.effect,
            m.id.label("message"),
            m.fetched_at,
        )
        .join(t.message, m.id == r.message_id)
        .where(m.bank == row.bank, or_(r.transfer_id == row.id, unsent))
        .order_by(desc(r.id))
        .limit(LIMIT)
    )  # fmt: skip
    return tuple(_said_of(found) for found in reversed(connection.execute(query).all()))


def _said_of(found: Row[Any]) -> Said:
    return Said(
        at=found.fetched_at,
        message=found.message,
        level=found.level,
        reference=found.end_to_end_id or found.payment_information_id,
        status=found.status,
        reasons=in_words(found.reasons),
        effect=found.effect,
    )


def _tried(connection: Connection, row: Transfer) -> tuple[Tried, ...]:
    """The attempts after which the bank had it, or may have had it."""
    c = t.attempt.c
    query = (
        select(c.number, c.ended_at, c.remote, c.outcome)
        .where(c.transfer_id == row.id, c.outcome.in_(["DELIVERED", "UNKNOWN"]))
        .order_by(c.number)
        .limit(LIMIT)
    )
    found = connection.execute(query)
    return tuple(Tried(number=r.number, at=r.ended_at, remote=r.remote, outcome=r.outcome) for r in found)


def _booked(connection: Connection, row: Transfer) -> tuple[int, tuple[str, ...]]:
    p, e, s = t.payment.c, t.entry.c, t.statement.c
    query = (
        select(s.message_id, func.count().label("n"))
        .select_from(t.payment)
        .join(t.entry, e.id == func.coalesce(p.booked_by, p.advised_by))
        .join(t.statement, s.id == e.statement_id)
        .where(p.transfer_id == row.id)
        .group_by(s.message_id)
        .order_by(s.message_id)
    )
    found = connection.execute(query).all()
    return sum(r.n for r in found), tuple(r.message_id for r in found)


def _decided(connection: Connection, row: Transfer) -> tuple[Decided, ...]:
    e = t.event.c
    query = (
        select(e.at, e.kind, e.actor, e.data)
        .where(e.subject == row.id, e.actor.not_in(["gateway", "bank"]))
        .order_by(desc(e.seq))
        .limit(LIMIT)
    )
    found = ((r, json.loads(r.data)) for r in reversed(connection.execute(query).all()))
    return tuple(
        Decided(at=r.at, kind=data.get("decision", r.kind), who=r.actor, reason=data.get("reason") or "")
        for r, data in found
    )
