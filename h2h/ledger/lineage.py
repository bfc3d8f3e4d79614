"""Payments that were sent again: which payment of which file was which of an earlier one, and who of them is alive.

A payment that the bank refused, and every payment that a repair made of it, are one family. It is alive in a file that
the bank has, or may get, until the bank refuses it there. Of one family at most one may ever be alive: whatever lets a
file go to the bank asks here first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from h2h.errors import NotAllowed
from h2h.ledger import tables as t
from h2h.ledger.earlier import live, refused
from h2h.ledger.rows import Transfer
from h2h.verdicts import DOUBTFUL


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAgain:
    """One payment of a repair, and the payment that it was in the file repaired."""

    transfer: str
    payment: int
    state: str
    origin: str
    origin_payment: int


def sent_again(connection: Connection, transfer_id: str, limit: int, payment: int | None = None) -> list[SentAgain]:
    """The steps by which payments of this file, or one of them, came here and went on; oldest first."""
    c, f = t.lineage.c, t.transfer.c
    here = (c.transfer_id == transfer_id) & (True if payment is None else c.payment == payment)
    there = (c.origin_id == transfer_id) & (True if payment is None else c.origin_payment == payment)
    query = (
        select(t.lineage, f.state)
        .join(t.transfer, f.id == c.transfer_id)
        .where(or_(here, there))
        .order_by(f.received_at, c.transfer_id, c.payment)
        .limit(limit)
    )
    return [
        SentAgain(
            transfer=row.transfer_id,
            payment=row.payment,
            state=row.state,
            origin=row.origin_id,
            origin_payment=row.origin_payment,
        )
        for row in connection.execute(query)
    ]


def roots(connection: Connection, row: Transfer) -> tuple[str, dict[int, int]]:
    """The first file of all, and the position there of each payment that is not the same one here."""
    c = t.lineage.c
    query = select(c.payment, c.root_id, c.root_payment).where(c.transfer_id == row.id)
    found = connection.execute(query).all() if row.repair_of else []
    return (found[0].root_id if found else row.id), {each.payment: each.root_payment for each in found}


def alive_elsewhere(connection: Connection, row: Transfer) -> dict[int, str]:
    """By position, the other file in which that payment may be paid, or was."""
    root, positions = roots(connection, row)
    of_root = {there: here for here, there in positions.items()} if positions else None
    found: dict[int, str] = {}
    doubtful: dict[str, bool] = {}  # whether what the bank said of that file contradicts itself
    for member in _members(connection, row, root):
        if member.transfer_id not in doubtful:
            doubtful[member.transfer_id] = contradicted(connection, member.transfer_id)
        here = member.root_payment if of_root is None else of_root.get(member.root_payment)
        if here is not None and member.alive and (doubtful[member.transfer_id] or not refused(member)):
            found[here] = member.transfer_id
    return found


def _members(connection: Connection, row: Transfer, root: str) -> Iterator[Row[Any]]:
    """The payments of the families of `root` in other files than this one."""
    yield from connection.execute(_derived().where(t.lineage.c.root_id == root, t.lineage.c.transfer_id != row.id))
    if root != row.id:
        p = t.payment.c
        first = (
            select(p.transfer_id, p.position.label("root_payment"), p.status, p.reasons, p.booked_by, p.advised_by,
                   live().label("alive"))
            .join(t.transfer, t.transfer.c.id == p.transfer_id)
            .where(p.transfer_id == root)
        )  # fmt: skip
        yield from connection.execute(first)


def _derived() -> Select[Any]:
    c, p = t.lineage.c, t.payment.c
    return (
        select(c.transfer_id, c.root_payment, p.status, p.reasons, p.booked_by, p.advised_by, live().label("alive"))
        .join(t.payment, (p.transfer_id == c.transfer_id) & (p.position == c.payment))
        .join(t.transfer, t.transfer.c.id == c.transfer_id)
    )


def contradicted(connection: Connection, transfer_id: str) -> bool:
    c = t.report.c
    query = select(c.id).where(c.transfer_id == transfer_id, c.effect.in_(DOUBTFUL)).limit(1)
    return connection.execute(query).first() is not None


def against_sending(connection: Connection, row: Transfer) -> str | None:
    """Why this file may not go (again): a payment of it is alive in another file. None where none is."""
    alive = alive_elsewhere(connection, row)
    if not alive:
        return None
    position, other = min(alive.items())
    more = f" (and {len(alive) - 1} more of its payments)" if len(alive) > 1 else ""
    return (
        f"Payment {position}{more} may be paid, or was, in {other}, of which it is a repeat. Look at that one "
        f"(`h2h show {other}`), and cancel this one, or that one while it waits."
    )


def refuse_if_alive_elsewhere(connection: Connection, row: Transfer) -> None:
    if why := against_sending(connection, row):
        raise NotAllowed(f"{row.id} is not sent: {why}")
