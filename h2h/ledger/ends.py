"""Whether a file came to its end, and long enough ago: each rule finds why it stays, or nothing.

The rules stand in one list for each direction, the cheap ones first. They only look; whoever acts on them makes sure
that nothing happened since. What cannot be said for certain speaks for staying.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, or_, select, union

from h2h.cash import Role
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.lineage import contradicted
from h2h.ledger.messages import MessageState
from h2h.lifecycle import State
from h2h.verdicts import REFUSALS, Verdict, verdict_of

LAST_WORDS = (Verdict.ACCEPTED, Verdict.REJECTED)
OPEN = tuple(state for state in State if state not in (State.SENT, State.INVALID, State.CANCELLED))

YOUNG = "something of it happened since"
UNANSWERED = "the bank has not said its last word on all of it"
DOUBTFUL = "what the bank said of it contradicts itself"
ANNOUNCED = "it was withdrawn, but the bank may have it"
NOT_BOOKED = "a payment was accepted, and no statement of the account debits it"
BOOKED_WRONG = "a payment was debited although it was refused, or more than once"
ALARM = "an alarm is open on it"
NOT_TOLD = "the ERP was not told of it yet"
NAMED = "an open file is said to repeat it"
REPEATED = "another file holds a payment of it, and may be asked about"
NOT_READ = "it, or a file that repairs it, is under way"
GAP = "a gap among the statements is open on it"
AT_WORK = "it was not handed over, or not removed at the bank"
NEEDED = "a payment or an answer that stays needs it"

Members = Sequence[str]
"""The ids of a file and of all that repairs bind to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What happened before `before` may go. `told`: banks whose ERP is told what became of its files. `expected`: bank
    and account (in its normal form) whose statements are. `left_to_discard`: whether a message that stands at its bank
    is still to be removed there, by bank, folder and name.
    """

    before: datetime
    told: Collection[str] = ()
    expected: Collection[tuple[str, str]] = ()
    left_to_discard: Callable[[str, str, str], bool] = lambda _bank, _folder, _name: False


class Facts:
    """What several files are asked against, at one moment. `gone`: files that go, perhaps not marked yet."""

    def __init__(self, connection: Connection, policy: Policy, gone: set[str]) -> None:
        self.connection, self.policy, self.gone = connection, policy, gone
        self._statements_from: dict[tuple[str, str], str | None] = {}
        self._told: dict[str, bool] = {}

    def first(self, query: Select[Any]) -> Any:
        """The first value of the first row."""
        return self.connection.execute(query.limit(1)).scalar()

    def young(self, *instants: datetime | None) -> bool:
        return any(at is not None and at >= self.policy.before for at in instants)

    def young_day(self, *days: str | None) -> bool:
        """Dates as they stand in files; what is no date sorts as it may."""
        return any(day is not None and day[:10] >= self.policy.before.date().isoformat() for day in days)

    def family(self, row: Row[Any]) -> list[Row[Any]]:
        """The transfer and all others that repairs bind to it, in whatever state."""
        c, f = t.lineage.c, t.transfer.c
        roots = select(c.root_id).where(c.transfer_id == row.id)
        root = self.first(roots) or row.repair_of or row.id
        members = union(select(c.transfer_id).where(c.root_id == root), select(c.origin_id).where(c.root_id == root))
        query = select(t.transfer).where(or_(f.id.in_(members), f.id.in_([root, row.id])))
        return list(self.connection.execute(query.order_by(f.received_at, f.id)))

    @cached_property
    def repeated_by_open(self) -> frozenset[str]:
        """Files that open ones are said to repeat."""
        c = t.transfer.c
        query = select(c.duplicate_of).where(c.state.in_(OPEN), c.duplicate_of.is_not(None))
        return frozenset(self.connection.execute(query).scalars())

    def behind(self, bank: str) -> bool:
        """Events of before stand there of which the bank's ERP may have to be told."""
        if bank not in self._told:
            e, seen = t.event.c, t.feedback_seen.c
            last = self.first(select(seen.seq).where(seen.bank == bank)) if bank in self.policy.told else None
            at = None if last is None else self.first(select(e.at).where(e.seq > last).order_by(e.seq))
            self._told[bank] = at is not None and at < self.policy.before
        return self._told[bank]

    def statements_tell(self, bank: str, account: str, since: datetime) -> bool:
        """Whether statements show what is debited there, by the settings or as they came already then."""
        key = bank, account_key(account)
        if key in self.policy.expected:
            return True
        if key not in self._statements_from:
            s = t.statement.c
            self._statements_from[key] = self.first(select(func.min(s.day)).where(s.bank == bank, s.chain == key[1]))
        first = self._statements_from[key]
        return first is not None and first <= since.date().isoformat()


Rule = Callable[[Facts, Row[Any], Members], str | None]


def of_transfer(facts: Facts, row: Row[Any], members: Members) -> str | None:
    """Why a transfer stays; None where it may go."""
    return next((why for rule in OF_TRANSFER if (why := rule(facts, row, members))), None)


def of_message(facts: Facts, row: Row[Any], members: Members) -> str | None:
    return next((why for rule in OF_MESSAGE if (why := rule(facts, row, members))), None)


# Of both.


def _events(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    """The latest by its time: a clock may have been set back."""
    e = t.event.c
    last = facts.first(select(func.max(e.at)).where(e.subject == row.id))
    return YOUNG if last is None or facts.young(last) else None


def _alarm(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    c = t.alarm.c
    return ALARM if facts.first(select(c.id).where(c.file == row.id, c.ended_at.is_(None))) else None


def _told(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    c = t.feedback.c
    waits = select(c.transfer_id).where(c.transfer_id == row.id, c.written_at.is_(None))
    return NOT_TOLD if facts.behind(row.bank) or (row.bank in facts.policy.told and facts.first(waits)) else None


# Of transfers.


def _state(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    match row.state:
        case State.SENT:
            return UNANSWERED if row.verdict not in (*LAST_WORDS, Verdict.PARTIAL) else None
        case State.INVALID | State.CANCELLED:
            return ANNOUNCED if _at_the_bank(facts, row.id) else None
    return NOT_READ


def _at_the_bank(facts: Facts, transfer_id: str) -> bool:
    """A file that never went was announced there all the same, or the bank spoke of it, or booked it."""
    n, r, b = t.remote_name.c, t.report.c, t.booking.c
    ways = (
        select(n.path).where(n.transfer_id == transfer_id, n.published),
        select(r.id).where(r.transfer_id == transfer_id),
        select(b.id).where(b.transfer_id == transfer_id),
    )
    return any(facts.first(way) is not None for way in ways)


def _dates(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    instants = (row.received_at, row.sent_at, row.answered_at, row.due_at, row.lease_until)
    sent = row.state == State.SENT
    return YOUNG if facts.young(*instants) or (sent and facts.young_day(row.execution_date)) else None


def _repeated(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    return NAMED if row.id in facts.repeated_by_open else None


def _contradicted(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    return DOUBTFUL if contradicted(facts.connection, row.id) else None


def _messages(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    """Answers and bookings came with messages, and entries have days."""
    r, m, b, e, s = t.report.c, t.message.c, t.booking.c, t.entry.c, t.statement.c
    answers = select(func.max(m.fetched_at)).join(t.report, r.message_id == m.id).where(r.transfer_id == row.id)
    entries = (
        select(func.max(m.fetched_at).label("at"), func.max(e.day).label("day"))
        .select_from(t.booking)
        .join(t.entry, e.id == b.entry_id)
        .join(t.statement, s.id == e.statement_id)
        .join(t.message, m.id == s.message_id)
        .where(b.transfer_id == row.id)
    )
    booked = facts.connection.execute(entries).one()
    return YOUNG if facts.young(facts.first(answers), booked.at) or facts.young_day(booked.day) else None


def _payments(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    """Each has a last word, and what was accepted was debited where statements tell."""
    if row.state != State.SENT:
        return None
    count = 0
    for some in facts.connection.execute(_alike(row.id)):
        count += some.n
        if why := _of_payments(facts, row, some):
            return why
    return None if count and count == row.payments else UNANSWERED


def _alike(transfer_id: str) -> Select[Any]:
    """Payments of one file that stand alike, each sort once, with their number and latest dates."""
    p, b = t.payment.c, t.batch.c
    booked, back = p.booked_by.is_not(None).label("booked"), p.returned_by.is_not(None).label("back")
    return (
        select(p.status, booked, back, b.debtor_account, func.count().label("n"), func.max(p.status_at).label("at"),
               func.max(func.coalesce(p.execution_date, b.execution_date)).label("day"))
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(p.transfer_id == transfer_id)
        .group_by(p.status, p.booked_by.is_not(None), p.returned_by.is_not(None), b.debtor_account)
    )  # fmt: skip


def _of_payments(facts: Facts, row: Row[Any], some: Row[Any]) -> str | None:
    noted = Verdict(row.verdict) if row.verdict_by and some.status is None else None
    said = noted or verdict_of(some.status)
    refused = some.status in REFUSALS or noted is Verdict.REJECTED
    if facts.young(some.at) or facts.young_day(some.day):
        return YOUNG
    if said not in LAST_WORDS:
        return UNANSWERED
    if refused and some.booked and not some.back:
        return BOOKED_WRONG
    tells = facts.statements_tell(row.bank, some.debtor_account or "", row.sent_at or row.received_at)
    return NOT_BOOKED if tells and not (refused or some.booked) else None


def _debited_twice(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    b = t.booking.c
    debits = func.sum(case((b.role == Role.DEBIT, 1), else_=-1))
    often = select(b.payment).where(b.transfer_id == row.id, b.final).group_by(b.payment).having(debits > 1)
    return BOOKED_WRONG if facts.first(often) is not None else None


def _asked_about(facts: Facts, row: Row[Any], members: Members) -> str | None:
    """An older file that stays may be sent again, or repaired; the radar then asks whether a later one, as this may be
    to it, holds the same payments."""
    if row.state != State.SENT:
        return None
    p, f, own = t.payment.c, t.transfer.c, t.payment.alias("own").c
    ours = select(own.fingerprint).where(own.transfer_id == row.id, own.fingerprint.is_not(None))
    until = max(at for at in (row.received_at, row.sent_at) if at)
    others = (
        select(p.transfer_id)
        .join(t.transfer, f.id == p.transfer_id)
        .where(p.fingerprint.in_(ours), f.id.not_in(members), f.purged_at.is_(None), f.received_at <= until,
               f.state.not_in([State.INVALID, State.CANCELLED]))
        .distinct()
    )  # fmt: skip
    return REPEATED if any(other not in facts.gone for other in facts.connection.execute(others).scalars()) else None


OF_TRANSFER: tuple[Rule, ...] = (
    _state, _dates, _events, _alarm, _told, _repeated, _contradicted, _messages, _payments, _debited_twice,
    _asked_about,
)  # fmt: skip


# Of messages.


def _handed_over(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    if row.state == MessageState.APPLIED and row.handed_over_at is None:
        return AT_WORK
    waits = row.discarded_at is None and facts.policy.left_to_discard(row.bank, row.folder, row.name)
    return AT_WORK if waits else None


def _message_dates(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    s = t.statement.c
    day = facts.first(select(func.max(s.day)).where(s.message_id == row.id))
    young = facts.young(row.fetched_at, row.handed_over_at, row.discarded_at)
    return YOUNG if young or facts.young_day(day) else None


def _gaps(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    g, s = t.gap.c, t.statement.c
    here = select(s.id).where(s.message_id == row.id)
    about = or_(g.shown_by == row.id, g.before.in_(here), g.after.in_(here))
    return GAP if facts.first(select(g.id).where(about, g.healed_at.is_(None))) is not None else None


def _needed(facts: Facts, row: Row[Any], _members: Members) -> str | None:
    """It speaks of a transfer that stays, or of none that is known: that is asked again when more is known."""
    r, b, d, e, s, f = (table.c for table in (t.report, t.booking, t.detail, t.entry, t.statement, t.transfer))
    if facts.first(select(r.id).where(r.message_id == row.id, r.transfer_id.is_(None))) is not None:
        return NEEDED
    entries = select(e.id).join(t.statement, s.id == e.statement_id).where(s.message_id == row.id)
    ways = union(
        select(r.transfer_id).where(r.message_id == row.id),
        select(b.transfer_id).where(b.entry_id.in_(entries)),
        select(d.transfer_id).where(d.entry_id.in_(entries), d.transfer_id.is_not(None)),
    ).subquery()
    stays = select(f.id).where(f.id.in_(select(ways.c[0])), f.purged_at.is_(None))
    needing = (other for other in facts.connection.execute(stays).scalars() if other not in facts.gone)
    return NEEDED if next(needing, None) else None


OF_MESSAGE: tuple[Rule, ...] = (_message_dates, _events, _handed_over, _alarm, _told, _gaps, _needed)
