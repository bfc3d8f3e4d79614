"""What reports said of a file before it was known to be at the bank, taken when that is known.

A person brought it there, or found that the bank has it; or it was found after the ledger had been restored. Such a
word may be of an earlier copy of the file: it counts, and nothing is sent again on the strength of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from h2h.ledger import tables as t
from h2h.ledger.findings import store_findings
from h2h.ledger.orphans import orphans
from h2h.ledger.reports import Application
from h2h.model import PaymentStatus, Reason, StatusReport
from h2h.verdicts import Answer, Said


def apply_orphans(connection: Connection, transfer_id: str, now: datetime) -> None:
    """In the order in which they came, where they can mean no other file."""
    transfer = connection.execute(select(t.transfer).where(t.transfer.c.id == transfer_id)).one()
    found = orphans(connection, transfer.bank, transfer.message_id) if transfer.message_id else []
    for message_id, rows in groupby(found, lambda row: row.message_id):
        said = list(rows)
        report = _report_of(said[0])
        application = Application(connection, message_id, transfer.bank, report, now)
        if application.known(transfer.message_id) != [transfer]:
            return
        connection.execute(delete(t.report).where(t.report.c.id.in_([row.id for row in said])))
        store_findings(connection, message_id, application.apply_early(transfer, _said(said)).first)
        transfer = connection.execute(select(t.transfer).where(t.transfer.c.id == transfer_id)).one()


def _report_of(row: Row[Any]) -> StatusReport:
    return StatusReport(
        message="", message_id=row.file_message_id, created_at=None, original_message=None,
        original_message_id=row.original_message_id,
    )  # fmt: skip


def _said(rows: Sequence[Row[Any]]) -> Said:
    answers = [_answer_of(row) for row in rows]
    return Said(
        levels=[answer for answer in answers if answer.payment is None],
        payments=[answer for answer in answers if answer.payment is not None],
    )


def _answer_of(row: Row[Any]) -> Answer:
    reasons = tuple(Reason(**reason) for reason in row.reasons or ())
    common = {"status": row.status, "said": row.said, "reasons": reasons}
    if row.level != "payment":
        return Answer(**common, batch=row.payment_information_id if row.level == "batch" else None)
    said = PaymentStatus(
        position=0, batch=0, payment_information_id=row.payment_information_id, instruction_id=row.instruction_id,
        end_to_end_id=row.end_to_end_id, uetr=row.uetr, status=row.status, amount=row.amount,
    )  # fmt: skip
    return Answer(**common, payment=said)
