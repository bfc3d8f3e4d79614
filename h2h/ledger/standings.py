"""How a transfer and its payments stand at one moment, whole, for whoever hands it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, select

from h2h.errors import UsageError
from h2h.formats.status import BatchStanding, FileStanding, PaymentStanding
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.exports import PAGE, booked_payments
from h2h.ledger.payment_views import stage_of_row
from h2h.ledger.rows import refuse_purged
from h2h.life import MEANS, Stage
from h2h.lifecycle import State
from h2h.reasons import Of, explained
from h2h.verdicts import Verdict

PASSING = (State.RECEIVED, State.READY, State.STAGING, State.PUBLISHING)


class Standing:
    """What holds as long as the block is open; payments are read page by page, as often as they are asked for."""

    def __init__(self, connection: Connection, transfer_id: str) -> None:
        self._connection = connection
        row = connection.execute(select(t.transfer).where(t.transfer.c.id == transfer_id)).first()
        if row is None:
            raise UsageError(f"There is no file {transfer_id}; `h2h files` lists them.")
        refuse_purged(row.id, row.purged_at)
        self.watch: str = row.watch
        self.file = _file(connection, row)

    def payments(self) -> Iterator[PaymentStanding]:
        """In the order of the file."""
        p, after = t.payment.c, 0
        query = booked_payments().where(p.transfer_id == self.file.transfer).order_by(p.position).limit(PAGE)
        while page := self._connection.execute(query.where(p.position > after)).all():
            yield from map(_payment, page)
            after = page[-1].position


class Standings:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def of(self, transfer_id: str) -> Iterator[Standing]:
        with self._database.reading() as connection:
            yield Standing(connection, transfer_id)


def _file(connection: Connection, row: Row[Any]) -> FileStanding:
    """Without the reason of a state that passes by itself: it changes at every try."""
    b, state = t.batch.c, State(row.state)
    batches = connection.execute(select(t.batch).where(b.transfer_id == row.id).order_by(b.position))
    return FileStanding(
        transfer=row.id, bank=row.bank, file=row.name, sha256=row.sha256, message=row.message,
        message_id=row.message_id, state=state, verdict=Verdict(row.verdict),
        reason=None if state in PASSING else row.reason,
        duplicate_of=row.duplicate_of, received_at=row.received_at, sent_at=row.sent_at, count=row.payments,
        control_sum=row.control_sum, currencies=tuple(row.currencies or ()), batches=tuple(map(_batch, batches)),
    )  # fmt: skip


def _batch(row: Row[Any]) -> BatchStanding:
    return BatchStanding(
        position=row.position,
        payment_information_id=row.payment_information_id,
        count=row.payments,
        control_sum=row.amount,
    )


def _payment(row: Row[Any]) -> PaymentStanding:
    """For one that came back the reasons are those of the return."""
    stage = stage_of_row(row)
    back = stage is Stage.RETURNED
    reasons = explained(row.return_reasons, Of.RETURN) if back else explained(row.reasons)
    return PaymentStanding(
        position=row.position, batch=row.batch, payment_information_id=row.payment_information_id,
        instruction_id=row.instruction_id, end_to_end_id=row.end_to_end_id, uetr=row.uetr, amount=row.amount,
        currency=row.currency, stage=stage, means=MEANS[stage], status=row.status,
        reasons=tuple(reasons), booking_date=row.booking_date,
        account_servicer_reference=row.account_servicer_reference, returned_on=row.returned_on,
        returned_amount=row.returned_amount, returned_currency=row.returned_currency,
    )  # fmt: skip
