"""The ledger was put back from an older copy: what it does not know may have been done.

Whatever had not come to an end may have been sent since the copy was made. It becomes UNCERTAIN: the bank's own
report, or persons who asked the bank, say what became of it. Files that the ledger does not know, but took, are
entered in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, desc, select

from h2h.errors import NotAllowed, StoreError
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.early import apply_orphans
from h2h.ledger.journal import Anchor, Journal, record
from h2h.ledger.moves import GATEWAY, change_row, change_state, enter, enter_judgement, get_row
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.ledger.safety import LEDGER, SafeMode, Safety, in_safe_mode
from h2h.lifecycle import MOVES, Actor, State, Trigger
from h2h.model import TransferId
from h2h.witness import Witness

CHUNK = 400  # ids asked for in one query
RESTORED = [move.state for move in MOVES if move.trigger is Trigger.RESTORED]
REASON = "the ledger was put back from an older copy, so the bank may have this file; ask the bank"


class Restored:
    def __init__(self, database: Database, journal: Journal, witness: Witness | None, *, joining: bool = False) -> None:
        self._database = database
        self._journal = journal
        self._witness = witness
        self._joining = joining
        self.sign = self._compare() if witness else None
        if witness and self.sign is None:
            database.witness = witness

    def _compare(self) -> str | None:
        """Why the witness says that there was more than this journal holds; None where it does not."""
        assert self._witness
        last = self._journal.last()
        try:
            head = self._witness.read()
        except StoreError as error:
            return str(error)
        if head is None and (last.seq == 0 or self._joining):
            self._witness.begin(last)
            return None
        if head is None:
            return f"{self._witness.path} is gone, which notes how far the journal had come"
        found = self._journal.contradicted_by(head)
        return f"{self._witness.path} says otherwise: {found}" if found else None

    def safe_mode(self) -> SafeMode | None:
        """None while the ledger is trusted."""
        c = t.event.c
        last = select(c.kind, c.at, c.data).where(c.subject == LEDGER).order_by(desc(c.seq))
        with self._database.reading() as connection:
            if not in_safe_mode(connection):
                return None
            taken = connection.execute(last.limit(1)).one().kind == Safety.STOCK_TAKEN
            began = connection.execute(last.where(c.kind == Safety.BEGAN).limit(1)).one()
        return SafeMode(since=began.at, signs=json.loads(began.data)["signs"], stock_taken=taken)

    def begin(self, signs: Sequence[str], now: datetime) -> list[TransferId]:
        """Safe mode begins; what had not come to an end is UNCERTAIN, and what somebody proposed may have been done:
        that counts no more. Those transfers, oldest first."""
        c = t.transfer.c
        open_ = select(c.id).where(c.state.in_([s for s in RESTORED if s != "RECEIVED"])).order_by(c.received_at)
        with self._database.transaction() as connection:
            record(connection, at=now, subject=LEDGER, kind=Safety.BEGAN, actor="gateway", data={"signs": list(signs)})
            found = [TransferId(transfer_id) for transfer_id in connection.execute(open_).scalars()]
            for transfer_id in found:
                change_state(
                    connection, transfer_id, Trigger.RESTORED, Actor.GATEWAY, now,
                    attempt_outcome="UNKNOWN", reason=REASON, due_at=None, proposed_by=None,
                )  # fmt: skip
            proposed = select(c.id).where(c.state.in_([State.UNCERTAIN, State.SENT]), c.proposed_by.is_not(None))
            for transfer_id in connection.execute(proposed).scalars().all():
                row = get_row(connection, transfer_id)
                data = {"reason": REASON, "by": row.proposed_by}
                change_row(connection, row, now, "proposal void", GATEWAY, data, proposed_by=None, approved=[])
        self.trust()
        return found

    def trust(self) -> None:
        """From now on the witness follows this journal, whatever it noted before."""
        if self._witness:
            self._witness.begin(self._journal.last())
            self._database.witness = self._witness
        self.sign = None

    def explains(self, anchor: Anchor) -> bool:
        """Whether the anchor is of the part that was lost when safe mode began last."""
        c = t.event.c
        query = select(c.seq, c.at).where(c.subject == LEDGER, c.kind == Safety.BEGAN).order_by(desc(c.seq)).limit(1)
        with self._database.reading() as connection:
            began = connection.execute(query).first()
        return began is not None and anchor.seq >= began.seq and anchor.at <= began.at

    def unknown(self, ids: Iterable[TransferId]) -> set[TransferId]:
        """Those that are of no transfer."""
        asked = sorted(set(ids))
        known: set[TransferId] = set()
        with self._database.reading() as connection:
            for start in range(0, len(asked), CHUNK):
                part = asked[start : start + CHUNK]
                known |= set(connection.execute(select(t.transfer.c.id).where(t.transfer.c.id.in_(part))).scalars())
        return set(asked) - known

    def found(
        self,
        file: Received,
        judged: Judged,
        now: datetime,
        same_payments_within: timedelta,
    ) -> Transfer:
        """A file that was taken and of which the ledger has no judgement: UNCERTAIN, unless it was to be refused."""
        with self._database.transaction() as connection:
            enter(connection, file, now)
            entered = enter_judgement(
                connection, judged, Trigger.RESTORED, None, now, same_payments_within, reason=REASON
            )
            if entered.state is State.UNCERTAIN:
                apply_orphans(connection, file.id, now)
            return get_row(connection, file.id)

    def stock_taken(self, files: Sequence[str], now: datetime) -> None:
        with self._database.transaction() as connection:
            data = {"files": list(files)}
            record(connection, at=now, subject=LEDGER, kind=Safety.STOCK_TAKEN, actor="gateway", data=data)

    def accept(self, *, who: str, reason: str, now: datetime) -> None:
        """Safe mode ends: somebody has compared what the ledger says with what the bank says."""
        with self._database.transaction(witnessed=True) as connection:
            _may_accept(connection)
            record(connection, at=now, subject=LEDGER, kind=Safety.ACCEPTED, actor=who, data={"reason": reason})


def _may_accept(connection: Connection) -> None:
    c = t.event.c
    last = connection.execute(select(c.kind).where(c.subject == LEDGER).order_by(desc(c.seq)).limit(1)).scalar()
    if last == Safety.BEGAN:
        raise NotAllowed("The gateway has not taken stock yet: start it (`h2h run` or `h2h send`), then compare.")
    if last != Safety.STOCK_TAKEN:
        raise NotAllowed("The gateway is not in safe mode; there is nothing to accept.")
