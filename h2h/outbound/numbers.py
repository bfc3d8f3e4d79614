"""Numbers in names, as watched folders note them beside the ledger: one that was put back from an older copy would use
some a second time.

Each number is noted after the commit that uses it up, and before the bank can see it. So the note may be one behind
the ledger; where it is ahead, the ledger was put back, and goes on beyond it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from h2h.config import Bank, Outbound
from h2h.errors import StoreError
from h2h.foothold import Foothold
from h2h.ledger import Ledger
from h2h.ledger.sequences import Counter

log = logging.getLogger(__name__)

REASON = "the ledger was put back from an older copy, and {path} has noted more"


def note(bank: Bank, folder: Outbound, ledger: Ledger) -> None:
    """How far the folder's series has come. That it cannot be noted stops nothing."""
    series = folder.counted_as
    try:
        Foothold(folder).numbers.note(series, ledger.sequences.last(bank.name, series))
    except StoreError as error:
        log.warning("the last number was not noted", extra={"event": "witness_failed", "text": str(error)})


def go_beyond(bank: Bank, footholds: Sequence[Foothold], ledger: Ledger, now: datetime) -> None:
    """After a ledger was put back: numbers begin beyond all that is noted. Told where nothing is."""
    for folder, foothold in zip(bank.outbound, footholds, strict=True):
        if folder.counters:
            _beyond(bank, folder, foothold, ledger, now)


def _beyond(bank: Bank, folder: Outbound, foothold: Foothold, ledger: Ledger, now: datetime) -> None:
    series, reason = folder.counted_as, REASON.format(path=foothold.numbers.path)
    try:
        noted = foothold.numbers.read(series)
    except StoreError as error:
        noted = {}
        log.error(
            "numbers may be used again", extra={"event": "numbers_unknown", "bank": bank.name, "text": str(error)}
        )
    for day, last in noted.items():
        if ledger.sequences.go_beyond(bank.name, Counter(series, day), last, who="gateway", reason=reason, now=now):
            log.error(
                "numbers begin beyond", extra={"event": "numbers", "bank": bank.name, "text": f"{series}: {last}"}
            )
