"""What is counted for metrics: of each bank what is open now, and by the journal what happened since it was asked last.

Costs grow with what is open, or new, not with what ever was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from h2h.kinds import Kind, kinds_of
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from h2h.verdicts import Verdict

ENDS = (State.INVALID, State.SENT, State.CANCELLED)  # most files come to one of them, and stay
OPEN = tuple(state for state in State if state not in ENDS)
WAITING = (State.RECEIVED, State.READY, State.STAGING)  # to be handed over, as far as it is for us
STATES = frozenset(str(state) for state in State)
MOST = 10_000  # counted of what a bank that never answers lets grow
PAGE = 5_000  # events


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """So many files from a folder, with payments of these kinds; None where these are not known."""

    watch: str
    kinds: Sequence[Kind] | None
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BankGauges:
    """`states`: of OPEN, all of them. `reachable`: None where the line was not used."""

    bank: str
    states: dict[State, int]
    waiting: Sequence[Waiting]
    oldest_ready: datetime | None
    unanswered: int
    unreadable: int
    gaps: int
    troubles: int
    reachable: bool | None
    last_good_at: datetime | None
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file came to a state. `failed`: because an attempt to hand it over did."""

    bank: str
    state: State
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Some events of the journal, the last of them `seq`; `all`: there are no more."""

    seq: int
    changes: Sequence[Change]
    all: bool


class Gauges:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, banks: Sequence[str]) -> list[BankGauges]:
        with self._database.reading() as connection:
            return [_of_bank(connection, bank) for bank in banks]

    def changes(self, since: int) -> Changes:
        """Those after the event with this number, a page at a time."""
        e, c = t.event.c, t.transfer.c
        query = select(e.seq, e.kind, e.data, c.bank).outerjoin(t.transfer, c.id == e.subject).where(e.seq > since)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(e.seq).limit(PAGE)).all()
        found = [_change(row.kind, row.data, row.bank) for row in rows if row.bank and row.kind in STATES]
        return Changes(seq=rows[-1].seq if rows else since, changes=found, all=len(rows) < PAGE)


def _change(kind: str, data: str, bank: str) -> Change:
    state = State(kind)
    tried = state in (State.READY, State.FAILED) and "attempt" in json.loads(data)
    return Change(bank=bank, state=state, failed=tried)


def _of_bank(connection: Connection, bank: str) -> BankGauges:
    c, m, g, r = t.transfer.c, t.message.c, t.gap.c, t.trouble.c

    def count(query: Select[Any]) -> int:
        return connection.execute(query).scalar_one()  # type: ignore[no-any-return]

    number = select(func.count())
    by_state = select(c.state, func.count()).where(c.bank == bank, c.state.in_(OPEN)).group_by(c.state)
    here = (c.bank == bank) & c.state.in_(WAITING)
    by_folder = select(c.watch, c.kinds, func.count()).where(here).group_by(c.watch, c.kinds)
    oldest = select(func.min(c.received_at)).where(c.bank == bank, c.state == State.READY)
    silent = select(c.id).where(c.bank == bank, c.state == State.SENT, c.verdict == Verdict.NONE).limit(MOST)
    contact = connection.execute(select(t.contact).where(t.contact.c.bank == bank)).first()
    states = {row[0]: row[1] for row in connection.execute(by_state)}
    return BankGauges(
        bank=bank,
        states={state: states.get(state, 0) for state in OPEN},
        waiting=[Waiting(watch=w, kinds=kinds_of(k), number=n) for w, k, n in connection.execute(by_folder)],
        oldest_ready=connection.execute(oldest).scalar(),
        unanswered=count(number.select_from(silent.subquery())),
        unreadable=count(number.where(m.bank == bank, m.state == MessageState.UNREADABLE)),
        gaps=count(number.where(g.bank == bank, g.healed_at.is_(None))),
        troubles=count(number.where(r.bank == bank)),
        reachable=contact.error_class is None if contact else None,
        last_good_at=contact.last_good_at if contact else None,
        failures=contact.failures if contact else 0,
    )
