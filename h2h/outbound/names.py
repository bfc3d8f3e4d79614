"""Names at the bank: a temporary one, new for every attempt, and a final one that is never used twice."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

from h2h.config import Bank, Outbound
from h2h.folders import NAME_BYTES
from h2h.ledger.transfers import Transfer
from h2h.text import harmless


def names(
    bank: Bank, folder: Outbound, transfer: Transfer, number: int, now: datetime, taken: Callable[[str], bool]
) -> tuple[str, str]:
    """The temporary and the final path of the n-th attempt."""
    temporary = f"{folder.staging_folder.rstrip('/')}/.{transfer.id}-{number}.part"
    return temporary, _free(f"{folder.remote.rstrip('/')}/{final_name(bank, folder, transfer, now)}", taken)


def final_name(bank: Bank, folder: Outbound, transfer: Transfer, now: datetime) -> str:
    """The folder's template filled in; dates are the bank's, values keep only what every server takes in a name."""
    return folder.name.format(
        bank=bank.name,
        msg_id=harmless(transfer.message_id or transfer.id),
        id=transfer.id,
        name=harmless(transfer.name)[-NAME_BYTES:],
        date=now.astimezone(ZoneInfo(bank.timezone)),
    )


def _free(path: str, taken: Callable[[str], bool]) -> str:
    """The path, or with -2, -3, … before its ending where it was used before."""
    stem, ending = posixpath.splitext(path)
    candidates = (path if n == 1 else f"{stem}-{n}{ending}" for n in count(1))
    return next(candidate for candidate in candidates if not taken(candidate))
