"""What the lookout asks: files that are on their way or wait for somebody, what the banks owe an answer to, the lines.

Costs grow with what is open, not with what ever was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, exists, or_, select, type_coerce

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.rows import Transfer, transfer_of
from h2h.ledger.timings import Timings, timings
from h2h.ledger.views import refused_lately
from h2h.lifecycle import State
from h2h.verdicts import Verdict

MOST = 1_000  # files of each kind; the oldest of them
OWED_FOR = timedelta(days=30)  # an answer that is still missing after so long is nobody's business at this desk
ON_THE_WAY = (
    State.READY,
    State.STAGING,
    State.PUBLISHING,
    State.HELD,
    State.DUPLICATE,
    State.UNCERTAIN,
    State.FAILED,
)
UNSETTLED = (Verdict.NONE, Verdict.PENDING, Verdict.PARTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What is known of the line to a bank."""

    bank: str
    last_good_at: datetime | None
    failures: int
    error_class: str | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the bank has said of a file so far. `statuses`: of its payments, None for those of which nothing was said;
    `silent`: batches of which no report spoke by itself, as far as they are not settled."""

    statuses: frozenset[str | None]
    silent: int


class Outlook:
    def __init__(self, database: Database) -> None:
        self._database = database

    def on_the_way(self) -> list[Transfer]:
        """Files that are not at the bank for certain, and not withdrawn or refused; the oldest first."""
        c = t.transfer.c
        oldest = type_coerce(c.received_at, String) + ""
        query = select(t.transfer).where(c.state.in_(ON_THE_WAY)).order_by(oldest).limit(MOST)
        with self._database.reading() as connection:
            return [transfer_of(row) for row in connection.execute(query)]

    def refused(self, now: datetime) -> list[Transfer]:
        """What was refused lately, by us or by the bank; the newest first."""
        c = t.transfer.c
        newest = (type_coerce(c.received_at, String) + "").desc()
        query = select(t.transfer).where(refused_lately(now)).order_by(newest).limit(MOST)
        with self._database.reading() as connection:
            return [transfer_of(row) for row in connection.execute(query)]

    def unsettled(self, bank: str, now: datetime) -> list[Transfer]:
        """Sent lately, and not settled by the bank's word on each payment, as far as the file's verdict tells."""
        c = t.transfer.c
        open_ = (c.bank == bank) & (c.state == State.SENT) & c.verdict.in_(UNSETTLED)
        lately = (type_coerce(c.sent_at, String) + "") > type_coerce(now - OWED_FOR, t.Instant)
        query = select(t.transfer).where(open_, lately).order_by(type_coerce(c.sent_at, String) + "").limit(MOST)
        with self._database.reading() as connection:
            return [transfer_of(row) for row in connection.execute(query)]

    def spoken(self, transfer_id: str) -> Spoken:
        """Looks through the payments of one file."""
        p, b, r = t.payment.c, t.batch.c, t.report.c
        statuses = select(p.status).where(p.transfer_id == transfer_id).distinct()
        of_it = exists().where(r.transfer_id == transfer_id, r.batch == b.position)
        unsettled = or_(b.verdict == Verdict.NONE, b.verdict == Verdict.PENDING)
        silent = select(b.position).where(b.transfer_id == transfer_id, unsettled, ~of_it)
        with self._database.reading() as connection:
            said = frozenset(row.status for row in connection.execute(statuses))
            return Spoken(statuses=said, silent=len(connection.execute(silent).all()))

    def timings(self, bank: str) -> Timings:
        """How long the bank has taken lately."""
        with self._database.reading() as connection:
            return timings(connection, bank)

    def contacts(self) -> Sequence[Contact]:
        c = t.contact.c
        query = select(c.bank, c.last_good_at, c.failures, c.error_class, c.text)
        with self._database.reading() as connection:
            return [Contact(**row._mapping) for row in connection.execute(query)]
