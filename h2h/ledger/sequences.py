"""Numbers in names at a bank: each of a series is used once, by one file, and none is left out.

A number is used up by the commit of PUBLISHING alone. Until then it is planned for a file, and goes to whichever is
leased next; so of a series one file at a time is on its way. A file that was in doubt, and that is sent again, keeps
its number, since nobody else may have it. Numbers that a ledger does not know of, as after it was put back from an
older copy, are rows without a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, desc, func, insert, or_, select, update

from h2h.errors import NotAllowed
from h2h.ledger import tables as t
from h2h.ledger.attempts import Tried
from h2h.ledger.database import Database
from h2h.ledger.journal import record
from h2h.ledger.prepared import Prepared
from h2h.lifecycle import State

MOST_DAYS = 100  # before the latest ones
_C = t.sequence_number.c
_COUNTER = and_(_C.bank == bindparam("of_bank"), _C.series == bindparam("of_series"), _C.day == bindparam("of_day"))
_THIS = and_(_COUNTER, _C.number == bindparam("of_number"))
_OF_TRANSFER = _C.transfer_id == bindparam("of_transfer")
_OF_ATTEMPT = and_(_OF_TRANSFER, _C.attempt == bindparam("of_attempt"))
_KEPT = Prepared(select(_C.number).where(_COUNTER, _OF_TRANSFER, _C.kept.is_(True)))
_LAST = Prepared(select(_C.number).where(_COUNTER, _C.published.is_(True)).order_by(desc(_C.number)).limit(1))
_CLAIM = Prepared(
    update(t.sequence_number)
    .where(_THIS, or_(_C.published.is_(False), _OF_TRANSFER))
    .values(transfer_id=bindparam("of_transfer"), attempt=bindparam("of_attempt"))
)
_PLAN = Prepared(
    insert(t.sequence_number), "bank", "series", "day", "number", "transfer_id", "attempt", "published", "kept"
)
_PUBLISH = Prepared(update(t.sequence_number).where(_OF_ATTEMPT).values(published=True, kept=False))
_USE_UP = Prepared(update(t.sequence_number).where(_OF_ATTEMPT).values(published=True))
_KEEP = Prepared(update(t.sequence_number).where(_OF_ATTEMPT, _C.published.is_(True)).values(kept=True))
_LATEST = Prepared(
    select(_C.day)
    .where(_C.bank == bindparam("of_bank"), _C.series == bindparam("of_series"), _C.published.is_(True))
    .order_by(desc(_C.day))
    .limit(1)
)
_DAYS = Prepared(select(_C.day).where(_OF_ATTEMPT, _C.day != ""))
_X = t.transfer.c
_NEVER_SEEN = or_(_C.kept.is_(True), and_(_X.state.not_in([State.SENT, State.PUBLISHING]), _C.attempt == _X.attempts))
_ON_ITS_WAY = Prepared(
    select(_X.id, _X.due_at, _X.lease_until)
    .where(
        _X.bank == bindparam("of_bank"),
        _X.state.in_([State.STAGING, State.PUBLISHING]),
        _X.id != bindparam("of_transfer"),
        select(_C.number)
        .where(_C.transfer_id == _X.id, _C.attempt == _X.attempts, _C.series == bindparam("of_series"))
        .exists(),
    )
    .limit(1)
)


class Counter(NamedTuple):
    """What numbers are counted in. `day`: the bank's local day, as in 2026-11-22; empty where they run on."""

    series: str
    day: str = ""


class OnItsWay(NamedTuple):
    id: str
    due_at: datetime | None
    lease_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How far a counter came. `unsettled`: used numbers whose file was never seen at the bank, as far as is known."""

    bank: str
    counter: Counter
    last: int
    unsettled: Sequence[int]


def next_number(connection: Connection, row: Tried, counter: Counter) -> int:
    """That which the file keeps; else the first that was never used."""
    where = _named(row.bank, counter)
    kept: int | None = _KEPT.scalar(connection, **where, of_transfer=row.id)
    return kept if kept is not None else int(_LAST.scalar(connection, **where) or 0) + 1


def on_its_way(connection: Connection, row: Tried, series: Iterable[str]) -> OnItsWay | None:
    """Another file with a number of one of these series that is just being handed over."""
    for one in series:
        if found := _ON_ITS_WAY.first(connection, of_bank=row.bank, of_transfer=row.id, of_series=one):
            return OnItsWay(*found)
    return None


def plan(connection: Connection, row: Tried, attempt: int, numbers: Mapping[Counter, int]) -> None:
    """For the attempt that begins. What was planned for another file, and not used, is this one's now."""
    if not numbers:
        return
    connection.execute(delete(t.sequence_number).where(_C.transfer_id == row.id, _C.published.is_(False)))
    for counter, number in numbers.items():
        of = {"of_transfer": row.id, "of_attempt": attempt}
        if not _CLAIM.run(connection, **_named(row.bank, counter), of_number=number, **of):
            _add(connection, row.bank, counter, number, transfer_id=row.id, attempt=attempt, published=False)


def publish(connection: Connection, row: Tried) -> None:
    """The attempt's numbers are used up."""
    _PUBLISH.run(connection, of_transfer=row.id, of_attempt=row.attempts)


def use_up(connection: Connection, row: Tried) -> None:
    """Somebody's file at the bank has the attempt's number: it is nobody's any more, but his who had it before."""
    _USE_UP.run(connection, of_transfer=row.id, of_attempt=row.attempts)


def keep(connection: Connection, row: Tried) -> None:
    """The file was in doubt, and is sent again: under the numbers of its last attempt, if that published any."""
    _KEEP.run(connection, of_transfer=row.id, of_attempt=row.attempts)


def _named(bank: str, counter: Counter) -> dict[str, Any]:
    return {"of_bank": bank, "of_series": counter.series, "of_day": counter.day}


def _add(connection: Connection, bank: str, counter: Counter, number: int, **columns: Any) -> None:
    _PLAN.run(connection, bank=bank, series=counter.series, day=counter.day, number=number, kept=False, **columns)


class Sequences:
    def __init__(self, database: Database) -> None:
        self._database = database

    def days(self, transfer: Tried) -> set[str]:
        """Of which days the numbers of the attempt under way are; empty where none begins again each day."""
        with self._database.reading() as connection:
            found = _DAYS.all(connection, of_transfer=transfer.id, of_attempt=transfer.attempts)
            return {row.day for row in found}

    def ahead(self, transfer: Tried, counters: Mapping[str, Counter]) -> dict[str, int]:
        """The numbers that the transfer would get now, by the names given."""
        if not counters:
            return {}
        with self._database.reading() as connection:
            return {name: next_number(connection, transfer, counter) for name, counter in counters.items()}

    def last(self, bank: str, series: str) -> dict[str, int]:
        """The last number that runs on, by the day "", and that of the latest day, by this."""
        with self._database.reading() as connection:
            day = _LATEST.scalar(connection, of_bank=bank, of_series=series)
            days = dict.fromkeys(("", day)) if day else {"": None}
            found = {one: _LAST.scalar(connection, **_named(bank, Counter(series, one))) for one in days}
            return {one: last for one, last in found.items() if last}

    def go_beyond(self, bank: str, counter: Counter, number: int, *, who: str, reason: str, now: datetime) -> bool:
        """Numbers up to this one are used, by files that the ledger does not know; False where it knew. NotAllowed
        while a file is on its way with one of them."""
        with self._database.transaction() as connection:
            last = int(_LAST.scalar(connection, **_named(bank, counter)) or 0)
            if number <= last:
                return False
            _refuse_while_planned(connection, bank, counter, number)
            rows = delete(t.sequence_number).where(
                _C.bank == bank, _C.series == counter.series, _C.day == counter.day, _C.published.is_(False)
            )
            connection.execute(rows)
            _add(connection, bank, counter, number, transfer_id=None, attempt=None, published=True)
            told = {"series": counter.series, "day": counter.day, "was": last, "last": number, "reason": reason}
            record(connection, at=now, subject=f"bank {bank}", kind="numbers begin beyond", actor=who, data=told)
        return True

    def counted(self, bank: str | None = None) -> list[Counted]:
        """Each counter: running ones, and of those that begin again each day the latest day, and days before with
        numbers that are not settled: the last MOST_DAYS of all."""
        latest = select(_C.bank, _C.series, func.max(_C.day).label("day")).where(_C.day != "", _C.published.is_(True))
        running = select(_C.bank, _C.series, _C.day).where(_C.day == "", _C.published.is_(True)).distinct()
        open_days = (
            select(_C.bank, _C.series, _C.day)
            .join(t.transfer, _C.transfer_id == _X.id)
            .where(_C.day != "", _C.published.is_(True), _NEVER_SEEN)
            .distinct()
        )
        with self._database.reading() as connection:
            found = [*connection.execute(running), *connection.execute(latest.group_by(_C.bank, _C.series))]
            found += connection.execute(open_days.order_by(desc(_C.day)).limit(MOST_DAYS))
            wanted = sorted({tuple(row) for row in found if bank in (None, row.bank)})
            return [_counted(connection, of, Counter(series, day)) for of, series, day in wanted]


def _refuse_while_planned(connection: Connection, bank: str, counter: Counter, number: int) -> None:
    c = t.sequence_number.c
    query = (
        select(_X.id)
        .join(t.sequence_number, c.transfer_id == _X.id)
        .where(c.bank == bank, c.series == counter.series, c.day == counter.day, c.number <= number)
        .where(c.published.is_(False), _X.state == State.STAGING, c.attempt == _X.attempts)
    )
    if planned := connection.execute(query).scalar():
        raise NotAllowed(f"{planned} is being uploaded under one of these numbers just now; try again in a moment.")


def _counted(connection: Connection, bank: str, counter: Counter) -> Counted:
    last = _LAST.scalar(connection, **_named(bank, counter))
    query = (
        select(_C.number)
        .join(t.transfer, _C.transfer_id == _X.id)
        .where(_C.bank == bank, _C.series == counter.series, _C.day == counter.day, _C.published.is_(True), _NEVER_SEEN)
        .order_by(_C.number)
    )
    return Counted(bank=bank, counter=counter, last=last, unsettled=list(connection.execute(query).scalars()))
