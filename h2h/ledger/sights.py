"""What a person sees of a file before letting it go: its bytes as they are read, held against every row that the ledger
has of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from heapq import nlargest
from itertools import chain, zip_longest
from typing import Any

from sqlalchemy import Connection, Table, select

from h2h.approval import Line, Sight, Sums
from h2h.columns import Columns
from h2h.errors import NotAllowed
from h2h.identity import debtors_of
from h2h.ledger import tables as t
from h2h.ledger.creditors import SHOWN, new_ones
from h2h.ledger.database import Database
from h2h.ledger.earlier import STREAMED
from h2h.ledger.judged import BATCH, PAYMENT, Tally, batch_rows, payment_rows, summarise
from h2h.ledger.rows import Transfer
from h2h.model import Judgement, Payment

MOST = 10  # of the largest payments of a currency
LATER = {"verdict", "fingerprint"}  # the bank's word, and what follows from the rest


class Sights:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, row: Transfer, judgement: Judgement, known_for: timedelta) -> Sight:
        """`judgement`: what a strict reader says of the bytes. NotAllowed where the ledger says anything else."""
        tally, largest = Tally(judgement.batches, sums := Sums()), _Largest()
        debtors = debtors_of(judgement.batches)
        passing = map(largest.look, tally.passing(judgement.payments))
        payments = chain.from_iterable(payment_rows(row.id, some, debtors) for some in passing)
        with self._database.reading() as connection:
            _compare(connection, row, t.payment, PAYMENT, payments)
            _compare(connection, row, t.batch, BATCH, batch_rows(row.id, judgement.batches, tally))
            _compare_summary(row, summarise(judgement, tally))
            new, count = _new(connection, row, known_for, {_account(payment) for payment in largest.found()})
        dates = {batch.requested_execution_date or "" for batch in judgement.batches}
        return Sight(
            sha256=row.sha256,
            size=row.size,
            payments=len(judgement.payments),
            batches=len(judgement.batches),
            totals=dict(sorted(sums.totals.items())),
            debtors=sorted({b.debtor_iban or b.debtor_account or "" for b in judgement.batches}),
            execution_dates=sorted(dates - {""}),
            largest=[_line(payment, new) for payment in largest.found()],
            new_accounts=count,
            some_new_accounts=new[:SHOWN],
        )


class _Largest:
    """Tell it payments as they pass; then it knows the largest of each currency."""

    def __init__(self) -> None:
        self._found: dict[str, list[Payment]] = {}

    def look(self, payments: Columns[Payment]) -> Columns[Payment]:
        amounts, currencies = payments.column("amount"), payments.column("currency")
        for currency in {*currencies}:
            ours = [at for at, each in enumerate(currencies) if each == currency]
            best = {*nlargest(MOST, ours, key=lambda at: amounts[at] or 0)}
            some = payments.where([at in best for at in range(len(payments))])
            known = self._found.get(currency or "", [])
            self._found[currency or ""] = nlargest(MOST, chain(known, some), key=lambda one: one.amount or 0)
        return payments

    def found(self) -> list[Payment]:
        return [payment for _, some in sorted(self._found.items()) for payment in some]


def _line(payment: Payment, new: Collection[str]) -> Line:
    account = _account(payment)
    return Line(
        position=payment.position,
        amount=payment.amount,
        currency=payment.currency,
        creditor=payment.creditor_name,
        account=account,
        reference=payment.end_to_end_id,
        new=account is None or account in new,
    )


def _account(payment: Payment) -> str | None:
    return payment.creditor_iban or payment.creditor_account


def _new(
    connection: Connection, row: Transfer, known_for: timedelta, asked: Collection[str | None]
) -> tuple[list[str], int]:
    """Accounts that were not paid for so long: the first and those that are asked about; and how many there are."""
    found: list[str] = []
    count = 0
    for account in new_ones(connection, row, row.received_at - known_for):
        count += 1
        if count <= SHOWN or account in asked:
            found.append(account)
    return found, count


def _compare(
    connection: Connection, row: Transfer, table: Table, names: Sequence[str], said: Iterable[tuple[Any, ...]]
) -> None:
    """What the file says, in the order of positions, with all rows of a table that are of it."""
    query = select(*(table.c[name] for name in names)).where(table.c.transfer_id == row.id).order_by(table.c.position)
    at = names.index("position")
    for ours, theirs in zip_longest(said, map(tuple, connection.execute(query, execution_options=STREAMED))):
        if ours is None or theirs is None:
            where = "the file" if theirs is None else "the ledger"
            raise _otherwise(row, f"{table.name} {(ours or theirs)[at]} stands in {where} alone")
        for name, one, other in _different(names, ours, theirs):
            raise _otherwise(row, f"{name} of {table.name} {ours[at]} is {one} in the file, and {other} there")


def _different(
    names: Sequence[str], ours: tuple[Any, ...], theirs: tuple[Any, ...]
) -> Iterator[tuple[str, object, object]]:
    if ours != theirs:
        values = zip(names, ours, theirs, strict=True)
        yield from (each for each in values if each[0] not in LATER and each[1] != each[2])


def _compare_summary(row: Transfer, summary: dict[str, Any]) -> None:
    for name in ("message_id", "payments", "control_sum", "currencies"):
        if summary[name] != (there := getattr(row, name)):
            raise _otherwise(row, f"{name} is {summary[name]} in the file, and {there} there")


def _otherwise(row: Transfer, how: str) -> NotAllowed:
    return NotAllowed(
        f"{row.id} is not let go: the ledger does not say of it what its bytes say ({how}). Somebody changed the "
        "ledger, or the gateway is at fault: keep the data folder as it is, and find out (`h2h journal verify`)."
    )
