"""Finding payments: by any reference, by name, amount, date, account, stage.

By a reference the cost grows with the answer: each is looked up in an index. What has no index is looked for among
those that the rest leaves over, the newest files first, and in `SCANNED` payments at most; more are told.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select, tuple_

from h2h.cash import written
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.payment_views import LIMIT, PaymentRow, dicts, payment_rows, stage_of_row
from h2h.life import Stage
from h2h.reasons import explained

NAMED = 10_000  # payments that have one reference, of each sort
SCANNED = 200_000
AT_ONCE = 1_000
CHUNK = 200  # keys asked for in one query

Key = tuple[str, int]
Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for; None for whatever it is. Both ends of a range are in it."""

    reference: str | None = None
    name: str | None = None  # a part of the creditor's
    least: Decimal | None = None
    most: Decimal | None = None
    since: date | None = None  # of execution, or of an entry of the account
    until: date | None = None
    account: str | None = None  # of creditor or debtor
    bank: str | None = None
    stage: Stage | None = None
    limit: int = LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The payments, newest file first; `looked_at`: among so many only, since there are more."""

    payments: list[PaymentRow]
    looked_at: int | None = None


def search(connection: Connection, wanted: Wanted) -> Found:
    ways = list(_ways(connection, wanted))
    rows: dict[Key, Row[Any]] = {}
    cut = False
    for conditions, ordered in ways:
        found, whole = _looked_through(connection, wanted, conditions, ordered=ordered)
        rows |= {(row.transfer_id, row.position): row for row in found}
        cut |= not whole
    newest = heapq.nlargest(wanted.limit, rows.values(), key=_age)
    keys = [(row.transfer_id, row.position) for row in newest]
    return Found(payments=_by_key(connection, keys), looked_at=SCANNED if cut else None)


def orphans_naming(connection: Connection, reference: str) -> list[dict[str, Any]]:
    """What reports said under this reference of payments that were not at the bank, as far as was known."""
    r, m = t.report.c, t.message.c
    columns = (r.end_to_end_id, r.instruction_id, r.uetr, r.original_message_id)
    found: dict[int, dict[str, Any]] = {}
    for column in columns:
        query = (
            select(r.id, r.message_id, r.level, r.original_message_id, r.end_to_end_id, r.status, r.said, r.reasons,
                   m.bank, m.fetched_at)
            .join(t.message, m.id == r.message_id)
            .where(column == reference, r.transfer_id.is_(None))
            .order_by(r.id)
            .limit(LIMIT)
        )  # fmt: skip
        found |= {row["id"]: {**row, "reasons": explained(row["reasons"])} for row in dicts(connection, query)}
    return [found[number] for number in sorted(found)]


def _age(row: Row[Any]) -> tuple[Any, str, int]:
    return row.received_at, row.transfer_id, -row.position


def _by_key(connection: Connection, keys: list[Key]) -> list[PaymentRow]:
    p = t.payment.c
    found: dict[Key, PaymentRow] = {}
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        for row in payment_rows(connection, tuple_(p.transfer_id, p.position).in_(chunk)):
            found[row.transfer, row.position] = row
    return [found[key] for key in keys]


# The ways to the payments: each a set of conditions that an index answers, or all of them, the newest first.


def _ways(connection: Connection, wanted: Wanted) -> Iterator[tuple[Conditions, bool]]:
    p = t.payment.c
    common = _common(wanted)
    if wanted.reference is not None:
        keys = sorted(_named(connection, wanted.reference))
        for start in range(0, len(keys), CHUNK):
            within = tuple_(p.transfer_id, p.position).in_(keys[start : start + CHUNK])
            yield (*common, within, *_days_of(wanted)), False
        return
    for account, days in product(_accounts(wanted), _days(wanted)):
        sharp = wanted.least is not None and wanted.least == wanted.most
        yield (*common, *account, *days), not (account or days or sharp)


def _common(wanted: Wanted) -> Conditions:
    p = t.payment.c
    found: list[ColumnElement[bool]] = [t.transfer.c.bank == wanted.bank] if wanted.bank else []
    if wanted.least is not None and wanted.least == wanted.most:
        found.append(p.amount.in_(written(wanted.least)))
    return tuple(found)


def _accounts(wanted: Wanted) -> list[Conditions]:
    if wanted.account is None:
        return [()]
    names = sorted({wanted.account, account_key(wanted.account)})
    return [(t.payment.c.creditor_account.in_(names),), (t.batch.c.debtor_account.in_(names),)]


def _days(wanted: Wanted) -> list[Conditions]:
    """To be executed, or booked, on these days."""
    if wanted.since is None and wanted.until is None:
        return [()]
    e, b, p = t.entry.c, t.booking.c, t.payment.c
    moved = select(b.transfer_id, b.payment).join(t.entry, e.id == b.entry_id).where(*_between(wanted, e.day))
    return [_between(wanted, p.execution_date), (tuple_(p.transfer_id, p.position).in_(moved),)]


def _days_of(wanted: Wanted) -> Conditions:
    """The same of payments that are known by a reference already."""
    ways = _days(wanted)
    return () if ways == [()] else (or_(*(and_(*conditions) for conditions in ways)),)


def _between(wanted: Wanted, column: Any) -> Conditions:
    """Dates as they stand in files, some with a time or a zone."""
    found: list[ColumnElement[bool]] = [column >= wanted.since.isoformat()] if wanted.since else []
    found += [column < (wanted.until + timedelta(days=1)).isoformat()] if wanted.until else []
    return tuple(found)


def _named(connection: Connection, reference: str) -> set[Key]:
    """The payments that have the reference, in whatever place; each place has an index."""
    p, b, e, d = t.payment.c, t.booking.c, t.entry.c, t.detail.c
    of_payment = select(p.transfer_id, p.position)
    of_batch = of_payment.join(t.batch, (t.batch.c.transfer_id == p.transfer_id) & (t.batch.c.position == p.batch))
    of_file = of_payment.join(t.transfer, t.transfer.c.id == p.transfer_id)
    of_entry = select(b.transfer_id, b.payment).join(t.entry, e.id == b.entry_id)
    of_detail = select(b.transfer_id, b.payment).join(t.detail, (d.entry_id == b.entry_id) & (d.position == b.detail))
    queries: Iterable[Select[Any]] = (
        of_payment.where(p.end_to_end_id == reference),
        of_payment.where(p.instruction_id == reference),
        of_payment.where(p.uetr == reference.lower()),
        of_batch.where(t.batch.c.payment_information_id == reference),
        of_file.where(t.transfer.c.message_id == reference),
        of_entry.where(e.account_servicer_reference == reference),
        of_detail.where(d.account_servicer_reference == reference),
        of_detail.where(d.transaction_id == reference),
    )
    return {(row[0], row[1]) for query in queries for row in connection.execute(query.limit(NAMED))}


# Looking through them.


def _looked_through(
    connection: Connection, wanted: Wanted, conditions: Conditions, *, ordered: bool
) -> tuple[list[Row[Any]], bool]:
    """Those that fit, the newest; and whether all were looked at that there was a reason to look at."""
    query = _narrow().where(*conditions).limit(SCANNED).execution_options(yield_per=AT_ONCE)
    if ordered:
        query = query.order_by(t.transfer.c.received_at.desc(), t.payment.c.transfer_id, t.payment.c.position)
    seen, fitting = 0, list[Row[Any]]()
    with closing(connection.execute(query)) as rows:
        for row in rows:
            seen += 1
            if _fits(wanted, row):
                fitting.append(row)
                if ordered and len(fitting) == wanted.limit:
                    return fitting, True
                if len(fitting) == AT_ONCE + wanted.limit:
                    fitting = heapq.nlargest(wanted.limit, fitting, key=_age)
    return fitting, seen < SCANNED


def _narrow() -> Select[Any]:
    f, b, p = t.transfer.c, t.batch.c, t.payment.c
    return (
        select(p.transfer_id, p.position, p.amount, p.creditor_name, p.status, p.booked_by, p.advised_by,
               p.returned_by, f.received_at, f.state, f.verdict, f.verdict_by)
        .select_from(t.payment)
        .join(t.transfer, f.id == p.transfer_id)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(f.purged_at.is_(None))
    )  # fmt: skip


def _fits(wanted: Wanted, row: Row[Any]) -> bool:
    """What a query cannot say exactly: sums are kept as text, and names are compared whatever their case."""
    if wanted.name is not None and wanted.name.casefold() not in (row.creditor_name or "").casefold():
        return False
    if wanted.least is not None and (row.amount is None or row.amount < wanted.least):
        return False
    if wanted.most is not None and (row.amount is None or row.amount > wanted.most):
        return False
    return wanted.stage is None or stage_of_row(row) is wanted.stage
