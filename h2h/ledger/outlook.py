"""What the lookout asks: files that are on their way or wait for somebody, what the banks owe an answer to, the lines.

Costs grow with what is open, not with what ever was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import String, exists, func, or_, select, type_coerce

from h2h.ledger import tables as t
from h2h.ledger.cash_views import ACCEPTED
from h2h.ledger.database import Database
from h2h.ledger.rows import Transfer, transfer_of
from h2h.ledger.timings import Timings, timings
from h2h.ledger.troubled import refused_lately, troubled_messages
from h2h.lifecycle import State
from h2h.verdicts import Verdict

MOST = 1_000  # files of each state, or of each bank
MOST_BY_THEMSELVES = 5_000
OWED_FOR = timedelta(days=120)  # longer than any contract; what is missing then was asked for long ago
BY_THEMSELVES = (State.RECEIVED, State.READY, State.STAGING)
FOR_SOMEBODY = (State.PUBLISHING, State.HELD, State.DUPLICATE, State.UNCERTAIN, State.FAILED)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """An inbound file that somebody should look at."""

    id: str
    bank: str
    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undebited:
    """So many payments of a file that the bank accepted and no statement shows; `since`: the first day asked for."""

    transfer: str
    name: str
    message_id: str | None
    of: int
    payments: int
    since: str


class Outlook:
    def __init__(self, database: Database) -> None:
        self._database = database

    def on_the_way(self) -> list[Transfer]:
        """Files that are not at the bank for certain, and not withdrawn or refused; the oldest first.

        However many there are in one state, those in the others are among them.
        """
        c = t.transfer.c
        oldest = type_coerce(c.received_at, String) + ""
        limits = {**dict.fromkeys(FOR_SOMEBODY, MOST), **dict.fromkeys(BY_THEMSELVES, MOST_BY_THEMSELVES)}
        queries = (
            select(t.transfer).where(c.state == state).order_by(oldest).limit(most) for state, most in limits.items()
        )
        with self._database.reading() as connection:
            found = [transfer_of(row) for query in queries for row in connection.execute(query)]
        return sorted(found, key=lambda file: (file.received_at, file.name, file.id))

    def refused(self, now: datetime) -> list[Transfer]:
        """What was refused lately, by us or by the bank; the newest first."""
        c = t.transfer.c
        newest = (type_coerce(c.received_at, String) + "").desc()
        with self._database.reading() as connection:
            ways = [select(t.transfer).where(way).order_by(newest).limit(MOST) for way in refused_lately(now)]
            found = {row.id: transfer_of(row) for way in ways for row in connection.execute(way)}
        return sorted(found.values(), key=lambda file: file.received_at, reverse=True)

    def unsettled(self, bank: str, now: datetime) -> list[Transfer]:
        """Sent lately, and not settled by the bank's word on each payment, as far as the file's verdict tells. Those of
        which nothing was said come first, and of all the newest."""
        c = t.transfer.c
        open_ = (c.bank == bank) & (c.state == State.SENT) & c.verdict.in_(UNSETTLED) & c.purged_at.is_(None)
        lately = (type_coerce(c.sent_at, String) + "") > type_coerce(now - OWED_FOR, t.Instant)
        newest = (type_coerce(c.sent_at, String) + "").desc()
        query = select(t.transfer).where(open_, lately).order_by(c.answered_at.is_not(None), newest).limit(MOST)
        with self._database.reading() as connection:
            return [transfer_of(row) for row in connection.execute(query)]

    def last_report(self, transfer_id: str, sent_at: datetime) -> int | None:
        """Names the last word of a report on the file, as it was sent last."""
        r, m = t.report.c, t.message.c
        query = select(func.max(r.id)).join(t.message, m.id == r.message_id)
        with self._database.reading() as connection:
            query = query.where(r.transfer_id == transfer_id, m.fetched_at >= sent_at)
            found: int | None = connection.execute(query).scalar()
            return found

    def spoken(self, transfer_id: str, sent_at: datetime) -> Spoken:
        """Looks through the payments of one file. What was said of an earlier copy of it does not count."""
        p, b, r, m = t.payment.c, t.batch.c, t.report.c, t.message.c
        statuses = select(p.status).where(p.transfer_id == transfer_id).distinct()
        since = (m.id == r.message_id) & (m.fetched_at >= sent_at)
        of_it = exists().where(r.transfer_id == transfer_id, r.batch == b.position, since)
        unsettled = or_(b.verdict == Verdict.NONE, b.verdict == Verdict.PENDING)
        silent = select(b.position).where(b.transfer_id == transfer_id, unsettled, ~of_it)
        with self._database.reading() as connection:
            said = frozenset(row.status for row in connection.execute(statuses))
            return Spoken(statuses=said, silent=len(connection.execute(silent).all()))

    def undebited(self, bank: str, accounts: Collection[str], since: date, until: date) -> list[Undebited]:
        """Files that debit one of these accounts, with payments of these days that are accepted and not debited, nor
        announced. Goes through the payments of these days."""
        f, p, b = t.transfer.c, t.payment.c, t.batch.c
        day = func.substr(p.execution_date, 1, 10)
        # The sums of text keep SQLite from all that an account, or a bank, ever had.
        mine = (f.bank + "" == bank) & (f.state + "" == State.SENT) & (b.debtor_account + "").in_(accounts)
        open_ = p.booked_by.is_(None) & p.advised_by.is_(None) & p.returned_by.is_(None) & p.status.in_(ACCEPTED)
        days = (p.execution_date >= since.isoformat()) & (p.execution_date < (until + timedelta(days=1)).isoformat())
        query = (
            select(
                f.id, f.name, f.message_id, f.payments, f.sent_at, func.count().label("n"), func.min(day).label("day")
            )
            .select_from(t.payment)
            .join(t.transfer, f.id == p.transfer_id)
            .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
            .where(mine, open_, days)
            .group_by(f.id, f.name, f.message_id, f.payments, f.sent_at)
            .order_by(f.id)
            .limit(MOST)
        )
        last = datetime.combine(until + timedelta(days=1), time(), UTC)
        with self._database.reading() as connection:
            return [
                Undebited(transfer=r.id, name=r.name, message_id=r.message_id, of=r.payments, payments=r.n, since=r.day)
                for r in connection.execute(query)
                if r.sent_at < last
            ]

    def troubled_messages(self, now: datetime) -> list[MessageRow]:
        """What came in lately and could not be read, or has something remarkable in it."""
        with self._database.reading() as connection:
            return [
                MessageRow(id=r.id, bank=r.bank, name=r.name, state=r.state, reason=r.reason or "")
                for r in connection.execute(troubled_messages(now))
            ]

    def timings(self, bank: str) -> Timings:
        """How long the bank has taken lately."""
        with self._database.reading() as connection:
            return timings(connection, bank)

    def contacts(self) -> Sequence[Contact]:
        c = t.contact.c
        query = select(c.bank, c.last_good_at, c.failures, c.error_class, c.text)
        with self._database.reading() as connection:
            return [Contact(**row._mapping) for row in connection.execute(query)]
