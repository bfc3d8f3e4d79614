"""Verbs of ledger and channel on several files, for one alone: its error is raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import BinaryIO

from h2h.channels import Channel, Renaming, Upload, only
from h2h.errors import Stale
from h2h.ledger.leases import Names
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.ledger.transfers import Transfers
from h2h.lifecycle import Route
from h2h.model import Judgement, Receipt, Staged, TransferId


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


def stage(channel: Channel, path: str, source: BinaryIO, made: Callable[[], object] = str) -> Staged:
    """`made`: called when the file is there, and before anything is written to it."""

    def told(paths: Sequence[str]) -> Sequence[str]:
        made()
        return paths

    return only(channel.stage_many([Upload(path=path, opened=lambda: nullcontext(source))], told))


def publish(channel: Channel, staged: Staged, path: str, *, exclusive: bool = False) -> Receipt:
    return only(channel.publish_many([Renaming(staged=staged, path=path, exclusive=exclusive)]))


def _sure(row: Transfer | Stale) -> Transfer:
    if isinstance(row, Stale):
        raise row
    return row
