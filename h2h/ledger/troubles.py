"""What does not work in a bank's folder although the line is up: kept until that folder works again.

A pull says everything that is wrong in its folder at once (`found`); what it does not say any more is over. One kind
is written before the act that it warns of (`opening`), and stays until the file has come.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.journal import record

PATIENCE = timedelta(minutes=10)  # with a file that the bank is still writing
NEWS = timedelta(days=3)  # how long a file that was opened and did not come is told
MOST = 100  # kept of one folder; more are told by their number
MOST_CHARACTERS = 1000  # of a name from outside


class Kind(StrEnum):
    FOLDER = "folder"  # it cannot be listed, or the line broke in it
    NOT_A_NAME = "not a name"
    TOO_LARGE = "too large"
    CHANGING = "changing"  # still being written
    NOT_CLAIMED = "not claimed"
    NOT_FETCHED = "not fetched"
    NOT_OPENED = "not opened"  # what it takes to open it may be had later
    NOT_REMOVED = "not removed"
    NOT_WRITTEN = "not written"  # the ERP's folder for statuses
    MORE = "more"
    OPENED = "opened"  # a file that the bank gives once; it has not come


SILENT = (Kind.CHANGING,)  # nothing for the journal: most are over at the next look


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing wrong in a folder; `name` is the file's, or empty for the folder itself."""

    kind: Kind
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleRow:
    """What does not work in a bank's folder; `name` is a file's, or empty for the folder itself."""

    bank: str
    place: str
    name: str
    kind: str
    text: str
    since: datetime


class Troubles:
    def __init__(self, database: Database) -> None:
        self._database = database

    def found(self, bank: str, place: str, troubles: Sequence[Trouble], now: datetime, *, all_: bool = True) -> None:
        """What is wrong in a folder now; unless this is not all of it, everything else there is over."""
        told = {(x.kind, x.name): x for x in _bounded(troubles)}
        with self._database.reading() as connection:
            if not _changes(_rows(connection, bank, place), told, all_):
                return
        with self._database.transaction() as connection:
            known = {(Kind(row.kind), row.name): row for row in _rows(connection, bank, place)}
            for key, trouble in told.items():
                if key not in known:
                    _insert(connection, bank, place, trouble, now)
                elif known[key].text != trouble.text:
                    connection.execute(
                        update(t.trouble).where(t.trouble.c.id == known[key].id).values(text=trouble.text)
                    )
            for key, row in known.items():
                if all_ and key not in told and row.kind != Kind.OPENED:
                    _delete(connection, row, now)

    def opening(self, bank: str, place: str, name: str, now: datetime) -> None:
        """A file that the bank gives only once is about to be opened: told until it has come, whatever crashes."""
        text = "The bank gives this file once. It was opened and has not come whole: ask the bank to send it again."
        with self._database.transaction() as connection:
            if not any(row.name == name and row.kind == Kind.OPENED for row in _rows(connection, bank, place)):
                _insert(connection, bank, place, Trouble(kind=Kind.OPENED, text=text, name=name), now)

    def arrived(self, bank: str, place: str, name: str, now: datetime) -> None:
        with self._database.transaction() as connection:
            for row in _rows(connection, bank, place):
                if row.name == name and row.kind == Kind.OPENED:
                    _delete(connection, row, now)

    def now(self, banks: Sequence[str], now: datetime) -> list[TroubleRow]:
        with self._database.reading() as connection:
            return troubles_now(connection, banks, now)

    def keep(self, bank: str, places: Collection[str], now: datetime) -> None:
        """Forget folders that are not in the settings any more."""
        with self._database.reading() as connection:
            if all(row.place in places for row in _rows(connection, bank)):
                return
        with self._database.transaction() as connection:
            for row in _rows(connection, bank):
                if row.place not in places:
                    _delete(connection, row, now)


def _bounded(troubles: Sequence[Trouble]) -> list[Trouble]:
    if len(troubles) <= MOST:
        return list(troubles)
    return [*troubles[:MOST], Trouble(kind=Kind.MORE, text=f"and {len(troubles) - MOST} more")]


def _changes(rows: Sequence[Row[Any]], told: dict[tuple[Kind, str], Trouble], all_: bool) -> bool:
    known = {(Kind(row.kind), row.name): row.text for row in rows if row.kind != Kind.OPENED}
    same = all(known.get(key) == trouble.text for key, trouble in told.items())
    return not same or (all_ and len(known) != len(told))


def _rows(connection: Connection, bank: str, place: str | None = None) -> Sequence[Row[Any]]:
    query = select(t.trouble).where(t.trouble.c.bank == bank).order_by(t.trouble.c.id)
    return connection.execute(query.where(t.trouble.c.place == place) if place is not None else query).all()


def _insert(connection: Connection, bank: str, place: str, trouble: Trouble, now: datetime) -> None:
    values = {"place": place, "name": trouble.name[:MOST_CHARACTERS], "kind": trouble.kind, "text": trouble.text}
    connection.execute(insert(t.trouble).values(bank=bank, since=now, **values))
    if trouble.kind not in SILENT:
        record(connection, at=now, subject=f"bank {bank}", kind="trouble", actor="gateway", data=values)


def _delete(connection: Connection, row: Row[Any], now: datetime) -> None:
    connection.execute(delete(t.trouble).where(t.trouble.c.id == row.id))
    if row.kind not in SILENT:
        data = {"place": row.place, "name": row.name, "kind": row.kind}
        record(connection, at=now, subject=f"bank {row.bank}", kind="trouble over", actor="gateway", data=data)


# The board.


def troubles_now(connection: Connection, banks: Sequence[str], now: datetime) -> list[TroubleRow]:
    """All but what is news no more, and files that may just be on their way."""
    c = t.trouble.c
    fresh = (c.kind == Kind.CHANGING) & (c.since > now - PATIENCE)
    old = (c.kind == Kind.OPENED) & (c.since < now - NEWS)
    query = select(c.bank, c.place, c.name, c.kind, c.text, c.since).where(c.bank.in_(banks), ~fresh, ~old)
    rows = connection.execute(query.order_by(c.since, c.id).limit(MOST))
    return [TroubleRow(**row._mapping) for row in rows]
