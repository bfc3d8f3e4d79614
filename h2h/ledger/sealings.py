"""What files are sealed in before they go: the bytes that the bank gets in place of those that were judged.

Only of a file that waits: from its lease on nothing here changes it, so that every attempt, and every look at the bank
after it, is of the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from h2h.errors import Stale
from h2h.ledger import tables as t
from h2h.ledger.bulk import in_chunks
from h2h.ledger.database import Database
from h2h.ledger.moves import GATEWAY, change_row, get_row, move_row
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Actor, State, Trigger
from h2h.model import Seal, Sealed

SEALED, UNSEALED = "SEALED", "UNSEALED"  # events
CHUNK = 400  # ids asked for in one query


class Sealings:
    def __init__(self, database: Database) -> None:
        self._database = database

    def sealed_many(self, found: Sequence[tuple[Transfer, Sealed | None]], now: datetime) -> list[Transfer | Stale]:
        """Several in one transaction: what goes to the bank is this; None: what was judged, as it is."""
        with self._database.transaction() as connection:
            rows = [(_waiting(connection, transfer), sealed) for transfer, sealed in found]
            return [_seal(connection, row, sealed, now) if isinstance(row, Transfer) else row for row, sealed in rows]

    def failed(self, transfer: Transfer, reason: str, now: datetime) -> Transfer:
        """READY -> HELD: it cannot be sealed as its folder asks for."""
        with self._database.transaction() as connection:
            row = _waiting(connection, transfer)
            if isinstance(row, Stale):
                raise row
            trigger, data = Trigger.NOT_SEALED, {"reason": reason}
            return move_row(connection, row, trigger, Actor.GATEWAY, now, reason=reason, data=data, due_at=None)


def sealed_as(connection: Connection, transfer_ids: Sequence[str]) -> dict[str, list[str]]:
    """The hashes of all that each was ever sealed to, by its id: before a file is sent again, keys may change."""
    c = t.event.c
    found: dict[str, list[str]] = {}
    for chunk in in_chunks(transfer_ids, CHUNK):
        query = select(c.subject, c.data).where(c.subject.in_(chunk), c.kind == SEALED).order_by(c.seq)
        for row in connection.execute(query):
            found.setdefault(row.subject, []).append(json.loads(row.data)["sealed_sha256"])
    return found


def _seal(connection: Connection, row: Transfer, sealed: Sealed | None, now: datetime) -> Transfer:
    if sealed is None:
        nothing = dict.fromkeys(("sealed_sha256", "sealed_size", "sealed_by"))
        data = {"sha256": row.sha256, "was": row.sealed_sha256}
        return change_row(connection, row, now, UNSEALED, GATEWAY, data, **nothing)
    now_sent = {"sealed_sha256": sealed.sha256, "sealed_size": sealed.size}
    told = {"sha256": row.sha256, **now_sent, **_told(sealed.seal)}
    return change_row(connection, row, now, SEALED, GATEWAY, told, **now_sent, sealed_by=sealed.seal.words)


def _told(seal: Seal) -> dict[str, Any]:
    said = {name: getattr(seal, name) for name in ("compress", "member", "pgp", "armour", "signed_by")}
    return {name: value for name, value in said.items() if value} | (
        {"encrypted_to": [*seal.encrypted_to], "subkeys": [*seal.subkeys]} if seal.encrypted_to else {}
    )


def _waiting(connection: Connection, transfer: Transfer) -> Transfer | Stale:
    """The row as it was seen; or why nothing is done with it."""
    row = get_row(connection, transfer.id)
    if row.version == transfer.version and row.state is State.READY:
        return row
    return Stale(f"{transfer.id} was changed by somebody else in the meantime.")
