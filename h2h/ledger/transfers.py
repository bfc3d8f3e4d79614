"""The verbs on outbound files. Each is one transaction: the row's new state and its journal event, or nothing.

Moves are asked of `lifecycle.move`; a row is changed only while its version is the one that was read. Whoever works
on a transfer holds a lease with a fencing number: a worker that was paused and wakes up late finds itself fenced off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from h2h.errors import Stale
from h2h.kinds import Kind, kinds_of
from h2h.ledger import sequences
from h2h.ledger import tables as t
from h2h.ledger.attempts import Attempt, announce, complete, last, left_by_others
from h2h.ledger.database import Database, changed_one
from h2h.ledger.leases import Lease, Names, take_lease
from h2h.ledger.moves import GATEWAY, NO_LEASE, change_row, enter, enter_judgement, get_row, move_row
from h2h.ledger.prepared import Prepared
from h2h.ledger.rows import Judged, Received, Transfer, transfer_of
from h2h.ledger.wakes import due, next_due
from h2h.lifecycle import Actor, Route, State, Trigger
from h2h.model import TransferId, Way

DUE_LIMIT = 100
AT_WORK = (State.STAGING, State.PUBLISHING)
UNDER_WAY = (State.RECEIVED, State.READY, *AT_WORK)


_IN_STATE = Prepared(
    select(t.transfer).where(t.transfer.c.state == bindparam("wanted")).order_by(t.transfer.c.received_at)
)


class Waiting(NamedTuple):
    watch: str
    state: State
    kinds: list[Kind] | None


class Transfers:
    def __init__(self, database: Database) -> None:
        self._database = database

    # What the gateway reads.

    def get(self, transfer_id: str) -> Transfer:
        with self._database.reading() as connection:
            return get_row(connection, transfer_id)

    def in_state(self, state: State) -> list[Transfer]:
        with self._database.reading() as connection:
            return [transfer_of(row) for row in _IN_STATE.all(connection, wanted=state)]

    def due(self, bank: str, now: datetime) -> list[Transfer]:
        """What wants to be looked at now: READY at its time, and before it STAGING or PUBLISHING that nobody owns.

        However many are READY, what is under way is among them. In safe mode nothing that is READY. The oldest first;
        those that were taken at one moment in the order of their names, as they were taken.
        """
        with self._database.reading() as connection:
            return [*due(connection, bank, now, DUE_LIMIT)]

    def next_due(self, bank: str) -> datetime | None:
        """When the next transfer of the bank that nobody owns wants to be looked at. What is owned and left behind is
        among the `due` when its lease runs out."""
        with self._database.reading() as connection:
            return next_due(connection, bank)

    def hurry(self, now: datetime) -> None:
        """Let what waits after a failure be looked at now; windows are asked again when it is."""
        c = t.transfer.c
        waiting = c.state.in_([State.READY, *AT_WORK])
        with self._database.transaction() as connection:
            connection.execute(update(t.transfer).where(waiting, c.due_at > now).values(due_at=now))

    def shorten_leases(self, latest: datetime) -> None:
        """No lease lasts longer than until then: after the clock was set back, some would."""
        c = t.transfer.c
        with self._database.transaction() as connection:
            connection.execute(update(t.transfer).where(c.lease_until > latest).values(lease_until=latest))

    def announced(self, transfer: Transfer) -> bool:
        """Whether the bank may have seen the transfer under the final name of its last attempt."""
        c = t.remote_name.c
        query = select(c.published).where(c.bank == transfer.bank, c.path == transfer.remote)
        with self._database.reading() as connection:
            return bool(connection.execute(query).scalar())

    def under_way(self) -> list[tuple[str, str, int]]:
        """Bank, watched folder and number of what the gateway itself has to bring to an end."""
        c = t.transfer.c
        query = select(c.bank, c.watch, func.count()).where(c.state.in_(UNDER_WAY)).group_by(c.bank, c.watch)
        with self._database.reading() as connection:
            return [(bank, watch, count) for bank, watch, count in connection.execute(query)]

    def kinds_waiting(self, bank: str) -> list[Waiting]:
        """What waits to go to the bank: which kinds of payments are in files of one state and folder, each once."""
        c = t.transfer.c
        here = (c.bank == bank) & c.state.in_([State.RECEIVED, State.READY, State.STAGING, State.HELD])
        query = select(c.watch, c.state, c.kinds).where(here).distinct()
        with self._database.reading() as connection:
            return [Waiting(watch, State(state), kinds_of(kinds)) for watch, state, kinds in connection.execute(query)]

    def last_attempt(self, transfer: Transfer) -> Attempt:
        with self._database.reading() as connection:
            return last(connection, transfer)

    def left_by_others(self, transfer: Transfer, server: str) -> bool:
        """Whether what may stand under its temporary name was left there by another transfer, and is ours."""
        assert transfer.temporary
        with self._database.reading() as connection:
            return left_by_others(connection, transfer, server, transfer.temporary)

    def made_in(self, server: str, folder: str) -> bool:
        """Whether a file was made in this folder of the server, not in one below it."""
        c = t.attempt.c
        path, length = c.temporary, len(folder) + 1
        here = and_(func.substr(path, 1, length) == f"{folder}/", ~func.substr(path, length + 1).contains("/"))
        made = or_(c.made.is_(True), and_(c.way == Way.DIRECT, c.outcome == "DELIVERED"))
        query = select(c.number).where(c.server == server, made, here).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def taken_from(self, watch: str) -> bool:
        """Whether any transfer came from this folder."""
        query = select(t.transfer.c.id).where(t.transfer.c.watch == watch).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    # Claim, keep, judge.

    def received_many(self, news: Sequence[Received], now: datetime) -> list[Transfer | Stale]:
        """Several in one transaction, each as it stands then; Stale for one whose id was taken with other content."""
        with self._database.transaction() as connection:
            return [_entered(connection, new, now) for new in news]

    def judged_many(self, files: Sequence[Judged], now: datetime, *, same_payments_within: timedelta) -> list[Transfer]:
        """Several in one transaction, in their order: what one repeats of those before it is found as ever."""
        good, within = Trigger.JUDGED_GOOD, same_payments_within
        with self._database.transaction() as connection:
            return [enter_judgement(connection, file, good, now, now, within) for file in files]

    # Lease, stage, publish, reconcile.

    def release_leases(self, node: str, owner: str, now: datetime) -> list[TransferId]:
        """Take back what earlier runs on this node held when they died: STAGING goes back to READY."""
        c = t.transfer.c
        foreign = and_(c.owner.startswith(f"{node}/", autoescape=True), c.owner != owner)
        with self._database.transaction() as connection:
            held = connection.execute(select(t.transfer).where(or_(foreign, c.lease_until < now))).all()
            for row in map(transfer_of, held):
                _take_back(connection, row, now)
            return [TransferId(row.id) for row in held]

    def take_back(self, transfer: Transfer, now: datetime) -> Transfer:
        """STAGING -> READY where the lease ran out: whoever held it stopped, or could not write down how it went."""
        with self._database.transaction() as connection:
            row = _unchanged(connection, transfer)
            if row.lease_until is None or row.lease_until >= now:
                raise Stale(f"{transfer.id} is being worked on again.")
            _take_back(connection, row, now)
            return get_row(connection, row.id)

    def lease_many(
        self,
        transfers: Sequence[Transfer],
        owner: str,
        names: Names,
        route: Route,
        now: datetime,
        lease_time: timedelta,
    ) -> list[Transfer]:
        """Own transfers for a while: READY becomes STAGING with a new attempt; PUBLISHING stays, to be reconciled.

        Those that are ours now. A READY one is not where somebody else was quicker, nor in safe mode; and a repair is
        HELD instead where a payment of it may be paid in the file that it repairs after all.
        """
        with self._database.transaction() as connection:
            lent = Lease(owner=owner, names=names, route=route, until=now + lease_time)
            found = [take_lease(connection, transfer, lent, now) for transfer in transfers]
            return [transfer for transfer in found if transfer]

    def renew(self, transfer: Transfer, now: datetime, lease_time: timedelta) -> None:
        """Keep the lease; Stale where it was lost."""
        c = t.transfer.c
        with self._database.transaction() as connection:
            done = connection.execute(
                update(t.transfer)
                .where(c.id == transfer.id, c.fence == transfer.fence, c.owner == transfer.owner)
                .values(lease_until=now + lease_time)
            )
            changed_one(done.rowcount, transfer.id)

    def made(self, transfers: Sequence[Transfer]) -> list[Transfer]:
        """What stands under their temporary names is ours, and may be removed: nothing did when we opened it.

        Those of which this worker still holds the lease.
        """
        with self._database.transaction() as connection:
            ours = [transfer for transfer in transfers if isinstance(_still_ours(connection, transfer), Transfer)]
            for transfer in ours:
                complete(connection, transfer, made=True)
            return ours

    def publishing_many(
        self, transfers: Sequence[Transfer], now: datetime, *, exclusive: Collection[TransferId] = ()
    ) -> list[Transfer | Stale]:
        """The point of no return: from here on the files are never uploaded again. Stale for a fenced-off worker."""

        def go(connection: Connection, row: Transfer) -> Transfer:
            announce(connection, row)
            sequences.publish(connection, row)
            complete(connection, row, step="publish", exclusive=row.id in exclusive)
            data = {"attempt": row.attempts, "temporary": row.temporary, "remote": row.remote}
            return move_row(connection, row, Trigger.STAGED, Actor.GATEWAY, now, reason=None, data=data, due_at=now)

        with self._database.transaction(witnessed=True) as connection:
            rows = [_still_ours(connection, transfer) for transfer in transfers]
            return [go(connection, row) if isinstance(row, Transfer) else row for row in rows]

    def sent(self, transfer: Transfer, evidence: Mapping[str, Any], now: datetime) -> Transfer:
        return _one(self.sent_many([(transfer, evidence)], now))

    def sent_many(
        self, delivered: Sequence[tuple[Transfer, Mapping[str, Any]]], now: datetime
    ) -> list[Transfer | Stale]:
        """PUBLISHING -> SENT with what shows it. Stale for a fenced-off worker."""

        def go(connection: Connection, row: Transfer, evidence: Mapping[str, Any]) -> Transfer:
            complete(connection, row, ended_at=now, outcome="DELIVERED", text=evidence.get("answer"))
            return move_row(
                connection, row, Trigger.DELIVERED, Actor.GATEWAY, now,
                reason=None, data=evidence, sent_at=now, due_at=None, failures=0, **NO_LEASE,
            )  # fmt: skip

        with self._database.transaction() as connection:
            rows = [(_still_ours(connection, transfer), evidence) for transfer, evidence in delivered]
            return [go(connection, row, why) if isinstance(row, Transfer) else row for row, why in rows]

    def in_doubt(self, transfer: Transfer, reason: str, evidence: Mapping[str, Any], now: datetime) -> Transfer:
        """PUBLISHING -> UNCERTAIN: a person decides."""
        with self._database.transaction() as connection:
            row = _fenced(connection, transfer)
            complete(connection, row, ended_at=now, outcome="UNKNOWN", text=reason)
            return move_row(
                connection, row, Trigger.IN_DOUBT, Actor.GATEWAY, now,
                reason=reason, data=evidence, due_at=None, **NO_LEASE,
            )  # fmt: skip

    def look_again(self, transfer: Transfer, text: str, due_at: datetime, now: datetime) -> Transfer:
        """Still PUBLISHING: the bank cannot be asked now; look again at `due_at`."""
        with self._database.transaction() as connection:
            row = _fenced(connection, transfer)
            complete(connection, row, text=text, next_at=due_at)
            data = {"text": text, "next": due_at}
            return change_row(
                connection, row, now, "look again", GATEWAY, data,
                due_at=due_at, failures=row.failures + 1, reason=text, **NO_LEASE,
            )  # fmt: skip

    def not_delivered(
        self,
        transfer: Transfer,
        *,
        step: str,
        outcome: str,
        text: str,
        failures: int,
        due_at: datetime | None,
        now: datetime,
    ) -> Transfer:
        """STAGING -> READY at `due_at`, or FAILED where that is None. Nothing is visible at the bank."""
        trigger = Trigger.NOT_DELIVERED if due_at else Trigger.GIVEN_UP
        told = {"step": step, "outcome": outcome, "text": text, "next": due_at, "attempt": transfer.attempts}
        with self._database.transaction() as connection:
            row = _fenced(connection, transfer)
            complete(connection, row, ended_at=now, step=step, outcome=outcome, text=text, next_at=due_at)
            return move_row(
                connection, row, trigger, Actor.GATEWAY, now,
                reason=text, data=told, due_at=due_at, failures=failures, **NO_LEASE,
            )  # fmt: skip

    def stop_staging(self, transfer: Transfer, trigger: Trigger, reason: str, now: datetime) -> Transfer:
        """STAGING -> HELD: the cut-off passed, or the final name is taken."""
        with self._database.transaction() as connection:
            row = _fenced(connection, transfer)
            complete(connection, row, ended_at=now, outcome="STOPPED", text=reason)
            if trigger is Trigger.CLASH:
                sequences.use_up(connection, row)
                announce(connection, row)  # somebody's file has the name: the next attempt takes another one
            return move_row(
                connection, row, trigger, Actor.GATEWAY, now,
                reason=reason, data={"reason": reason}, due_at=None, **NO_LEASE,
            )  # fmt: skip

    # Waiting.

    def late(self, transfer: Transfer, reason: str, now: datetime) -> Transfer:
        """READY -> HELD: the window is closed and the folder's rule is to hold."""
        with self._database.transaction() as connection:
            row = _unchanged(connection, transfer)
            data = {"reason": reason}
            return move_row(connection, row, Trigger.LATE, Actor.GATEWAY, now, reason=reason, data=data, due_at=None)

    def go_late(self, transfer: Transfer, reason: str, now: datetime) -> Transfer:
        """Still READY, and due: the window is closed and the folder's rule is to send all the same."""
        with self._database.transaction() as connection:
            row = _unchanged(connection, transfer)
            data = {"reason": reason, "late_allowed": "now"}
            return change_row(connection, row, now, "goes_late", GATEWAY, data, late_allowed="now", reason=reason)

    def postpone(self, transfer: Transfer, due_at: datetime, reason: str, now: datetime) -> Transfer:
        """Still READY, to be looked at again at `due_at`."""
        with self._database.transaction() as connection:
            row = _unchanged(connection, transfer)
            data = {"reason": reason, "next": due_at}
            return change_row(connection, row, now, "postponed", GATEWAY, data, due_at=due_at, reason=reason)


def _entered(connection: Connection, new: Received, now: datetime) -> Transfer | Stale:
    try:
        enter(connection, new, now)
    except Stale as error:  # it changed nothing
        return error
    return get_row(connection, new.id)


def _fenced(connection: Connection, transfer: Transfer) -> Transfer:
    row = get_row(connection, transfer.id)
    if row.fence != transfer.fence or row.owner != transfer.owner:
        raise Stale(f"{transfer.id} belongs to another worker now.")
    return row


def _still_ours(connection: Connection, transfer: Transfer) -> Transfer | Stale:
    """The row as it is now; or why it is not for this worker to change, which spoils none beside it."""
    try:
        return _fenced(connection, transfer)
    except Stale as error:
        return error


def _one(found: Sequence[Transfer | Stale]) -> Transfer:
    [transfer] = found
    if isinstance(transfer, Stale):
        raise transfer
    return transfer


def _unchanged(connection: Connection, transfer: Transfer) -> Transfer:
    row = get_row(connection, transfer.id)
    if row.version != transfer.version:
        raise Stale(f"{transfer.id} was changed by somebody else in the meantime.")
    return row


def _take_back(connection: Connection, row: Transfer, now: datetime) -> None:
    if row.state is State.STAGING:
        text = "the gateway stopped during the upload; nothing was published"
        complete(connection, row, ended_at=now, outcome="NOT_DELIVERED", text=text, next_at=now)
        data = {"reason": text, "attempt": row.attempts}
        move_row(
            connection, row, Trigger.NOT_DELIVERED, Actor.GATEWAY, now,
            reason=text, data=data, due_at=now, **NO_LEASE,
        )  # fmt: skip
    else:
        text = "the gateway stopped while it held this transfer"
        change_row(connection, row, now, "lease taken back", GATEWAY, {"reason": text}, **NO_LEASE)
