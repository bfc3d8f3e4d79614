"""The ledger's verbs on several transfers, for one alone: its error is raised."""

from __future__ import annotations

from datetime import datetime, timedelta

from h2h.errors import Stale
from h2h.ledger.leases import Names
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.ledger.transfers import Transfers
from h2h.lifecycle import Route
from h2h.model import Judgement, TransferId


def received(transfers: Transfers, new: Received, now: datetime) -> Transfer:
    [row] = transfers.received_many([new], now)
    return _sure(row)


def judged(
    transfers: Transfers,
    transfer_id: TransferId,
    judgement: Judgement,
    now: datetime,
    *,
    same_payments_within: timedelta = timedelta(),
) -> Transfer:
    file = Judged(id=transfer_id, judgement=judgement)
    [row] = transfers.judged_many([file], now, same_payments_within=same_payments_within)
    return row


def lease(
    transfers: Transfers,
    transfer: Transfer,
    owner: str,
    names: Names,
    route: Route,
    now: datetime,
    lease_time: timedelta,
) -> Transfer | None:
    return next(iter(transfers.lease_many([transfer], owner, names, route, now, lease_time)), None)


def publishing(transfers: Transfers, transfer: Transfer, now: datetime) -> Transfer:
    [row] = transfers.publishing_many([transfer], now)
    return _sure(row)


def _sure(row: Transfer | Stale) -> Transfer:
    if isinstance(row, Stale):
        raise row
    return row
