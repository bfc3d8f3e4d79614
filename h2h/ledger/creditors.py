"""Creditor accounts of a file that nothing sent to its bank has paid lately.

Accounts are compared as they stand in the files: one that is written in another way counts as new. So does one whose
payments the bank refused, or that were purged.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, func, literal, select

from h2h.approval import NewAccounts
from h2h.checks import iban_fault
from h2h.ledger import tables as t
from h2h.ledger.earlier import STREAMED, Kept
from h2h.lifecycle import State
from h2h.verdicts import REFUSALS

SHOWN = 5


def new_accounts(connection: Connection, row: Kept, since: datetime) -> NewAccounts:
    """The file's own payments are stored already."""
    found = new_ones(connection, row, since)
    first = [*islice(found, SHOWN)]
    count = len(first) + sum(1 for _ in found)
    p = t.payment.c
    without = select(func.count()).where(p.transfer_id == row.id, p.creditor_account.is_(None))
    some = [account for account in first if iban_fault(account) is None]
    return NewAccounts(count=count, some=some, without=connection.execute(without).scalar_one())


def new_ones(connection: Connection, row: Kept, since: datetime) -> Iterator[str]:
    """Each account once, in the order of the file. It is looked up by the index of accounts, whatever is kept.

    The join of "" keeps SQLite from going through the payments of every file that was sent.
    """
    own, p, c = t.payment.alias("own").c, t.payment.c, t.transfer.c
    refused = p.status.in_(REFUSALS) & p.booked_by.is_(None) & p.advised_by.is_(None)
    sent = (
        (c.id == p.transfer_id + "")
        & (c.id != row.id)
        & (c.bank == row.bank)
        & (c.state == State.SENT)
        & (c.sent_at >= since)
    )
    paid = (
        select(literal(1))
        .select_from(t.payment.join(t.transfer, sent))
        .where(p.creditor_account == own.creditor_account, (p.status.is_(None)) | ~refused)
        .exists()
    )
    query = (
        select(own.creditor_account)
        .where(own.transfer_id == row.id, own.creditor_account.is_not(None), ~paid)
        .group_by(own.creditor_account)
        .order_by(func.min(own.position))
    )
    return iter(connection.execute(query, execution_options=STREAMED).scalars())
