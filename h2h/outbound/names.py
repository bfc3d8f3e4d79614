"""Names at the bank: a temporary one, new for every attempt, and a final one that is never used twice."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import assert_never
from zoneinfo import ZoneInfo

from h2h.config import Bank, Outbound
from h2h.folders import NAME_BYTES
from h2h.ledger.rows import Transfer
from h2h.model import Way
from h2h.text import harmless


def names(
    bank: Bank, folder: Outbound, transfer: Transfer, number: int, now: datetime, taken: Callable[[str], bool]
) -> tuple[str, str]:
    """The temporary and the final path of the n-th attempt.

    Where a marker is the way, they are those of the file, new for every attempt, and of its marker; where the file goes
    straight to its final name, both are that.
    """
    path = f"{folder.remote.rstrip('/')}/{final_name(bank, folder, transfer, now)}"
    match bank.channel.way:
        case Way.RENAME:
            return f"{folder.staging_folder.rstrip('/')}/.{transfer.id}-{number}.part", _free(path, taken)
        case Way.MARKER:
            marker = bank.channel.publish_marker
            data = _free(path, lambda candidate: taken(candidate + marker), start=number)
            return data, data + marker
        case Way.DIRECT:
            return (free := _free(path, taken)), free
        case _:
            assert_never(bank.channel.way)


def final_name(bank: Bank, folder: Outbound, transfer: Transfer, now: datetime) -> str:
    """The folder's template filled in; dates are the bank's, values keep only what every server takes in a name."""
    return folder.name.format(
        bank=bank.name,
        msg_id=harmless(transfer.message_id or transfer.id),
        id=transfer.id,
        name=harmless(transfer.name)[-NAME_BYTES:],
        date=now.astimezone(ZoneInfo(bank.timezone)),
    )


def _free(path: str, taken: Callable[[str], bool], *, start: int = 1) -> str:
    """The path, or with -2, -3, … before its ending where it was used before."""
    stem, ending = posixpath.splitext(path)
    candidates = (path if n == 1 else f"{stem}-{n}{ending}" for n in count(start))
    return next(candidate for candidate in candidates if not taken(candidate))
