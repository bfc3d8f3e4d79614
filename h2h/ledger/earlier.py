"""Earlier files that a new one repeats: the same bytes, the same content, the same message id of a debtor, the same
payments. All of it is asked inside the transaction that judges the new file, so that of two files one is the first.

A message id is in use as a row of its own for each debtor: the primary key of that table decides, whoever asks first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import import_module
from itertools import groupby
from typing import Any, Protocol

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    or_,
    select,
)

from h2h.identity import Trace, account_key, trace
from h2h.ledger import tables as t
from h2h.ledger.bulk import in_chunks
from h2h.ledger.prepared import Prepared
from h2h.ledger.rows import Transfer
from h2h.lifecycle import FREES_MESSAGE_ID, State
from h2h.model import Finding, Judgement, Severity, TransferId
from h2h.repeats import Earlier, EarlierFile, Group, Repeats, find_repeats, same_pairs
from h2h.verdicts import DOUBTFUL, DUPLICATE_CODES, REFUSALS

_USE = ("bank", "debtor", "message_id", "transfer_id")
GROUP = "/Document/CstmrCdtTrfInitn/GrpHdr"
CHUNK = 500  # fingerprints, or files, asked for in one query
STREAMED = {"yield_per": 1_000}  # rows of a long answer that are fetched at a time


class Kept(Protocol):
    """What is asked of a transfer here."""

    @property
    def id(self) -> TransferId: ...
    @property
    def bank(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def repair_of(self) -> TransferId | None: ...


def live() -> ColumnElement[bool]:
    """Transfers whose payments were, are or may yet be at the bank.

    One that was cancelled after it had once been announced there counts: the bank may have it after all.
    """
    c, name = t.transfer.c, t.remote_name.c
    announced = select(name.path).where(name.transfer_id == c.id, name.published).exists()
    return or_(and_(*(c.state != state for state in (*FREES_MESSAGE_ID, State.RECEIVED))), announced)


def same_file(connection: Connection, row: Kept, content: str) -> Repeats | None:
    """The same bytes, or the same content written down in another way, at any bank."""
    if found := _SAME_BYTES.first(connection, key=row.id, same=row.sha256):
        return _duplicate(found, "The same bytes were", code="DUPLICATE_BYTES")
    if found := _SAME_CONTENT.first(connection, key=row.id, same=content):
        what = "The same content, only written down in another way, was"
        return _duplicate(found, what, code="DUPLICATE_CONTENT")
    return None


def _first_other(same: ColumnElement[bool]) -> Prepared:
    c = t.transfer.c
    return Prepared(select(t.transfer).where(same, c.id != bindparam("key"), live()).order_by(c.received_at).limit(1))


_SAME: BindParameter[str] = bindparam("same")
_SAME_BYTES = _first_other(or_(t.transfer.c.sha256 == _SAME, t.transfer.c.original_sha256 == _SAME))
_SAME_CONTENT = _first_other(t.transfer.c.content_sha256 == _SAME)


def _duplicate(earlier: Any, what: str, *, code: str) -> Repeats:
    text = (
        f"{what} taken before: {earlier.name} on {earlier.received_at:%Y-%m-%d %H:%M} UTC as {earlier.id} for "
        f"{earlier.bank}, now {earlier.state}. Nothing is sent. If these are new payments, give the file a new "
        "message id."
    )
    finding = Finding(code=code, severity=Severity.ERROR, text=text, path=GROUP)
    return Repeats(duplicate=True, of=TransferId(earlier.id), findings=[finding])


# Message ids.


def use_message_id(connection: Connection, row: Kept, message_id: str, debtors: Collection[str]) -> Repeats | None:
    """Take the message id for every debtor of the file, or for none: then another transfer has it for one of them."""
    c = t.used_message_id.c
    _take(connection, row, message_id, debtors)
    ours = [used.debtor for used in _OURS.all(connection, key=row.id)]
    if not (others := sorted(set(debtors).difference(ours))):
        return None
    give_up_message_id(connection, row)
    used = (c.bank == row.bank, c.debtor == others[0], c.message_id == message_id.strip())
    query = select(t.transfer).join(t.used_message_id, c.transfer_id == t.transfer.c.id).where(*used)
    what = f"The message id {message_id} of the debtor {others[0] or 'without an account'} was"
    return _duplicate(connection.execute(query).one(), what, code="DUPLICATE_MESSAGE_ID")


_OURS = Prepared(select(t.used_message_id.c.debtor).where(t.used_message_id.c.transfer_id == bindparam("key")))


def give_up_message_id(connection: Connection, row: Kept) -> None:
    connection.execute(delete(t.used_message_id).where(t.used_message_id.c.transfer_id == row.id))


def keep_message_id(connection: Connection, row: Kept, message_id: str | None) -> None:
    """Take the message id for those debtors for whom it is free: a duplicate may be sent after all."""
    if message_id is not None:
        _take(connection, row, message_id, _debtors(connection, row.id))


def free_message_id(connection: Connection, row: Kept, message_id: str | None) -> None:
    """A cancelled file no longer uses its message id, unless it was once announced at the bank.

    Another transfer that was let go with the same one, although it had been a duplicate, uses it from now on.
    """
    f = t.transfer.c
    if message_id is None or connection.execute(select(f.id).where(f.id == row.id, live())).first():
        return
    give_up_message_id(connection, row)
    others = select(t.transfer).where(f.bank == row.bank, f.message_id == message_id, live())
    for heir in connection.execute(others.order_by(f.received_at)).all():
        keep_message_id(connection, heir, heir.message_id)


def _take(connection: Connection, row: Kept, message_id: str, debtors: Collection[str]) -> None:
    rows = [
        {"bank": row.bank, "debtor": debtor, "message_id": message_id.strip(), "transfer_id": row.id}
        for debtor in sorted(debtors)
    ]
    if rows:
        _taking(connection.dialect.name).run_many(connection, rows)


@cache
def _taking(dialect: str) -> Prepared:
    """What SQLAlchemy knows of PostgreSQL is large, and loaded by who works with that alone."""
    found: Any = import_module(f"sqlalchemy.dialects.{dialect}")
    return Prepared(found.insert(t.used_message_id).on_conflict_do_nothing(), *_USE)


def _debtors(connection: Connection, transfer_id: str) -> set[str]:
    c = t.batch.c
    query = select(c.debtor_account).where(c.transfer_id == transfer_id).distinct()
    return {account_key(account or "") for account in connection.execute(query).scalars()}


# Payments.


def same_payments(connection: Connection, row: Kept, judgement: Judgement, since: datetime) -> Repeats | None:
    """What the radar finds, the file's own payments being stored already. `since`: how far back it looks."""
    return find_repeats(judgement, _groups(connection, row, since))


def repeated_since(
    connection: Connection, row: Transfer, positions: Collection[int] | None = None
) -> list[EarlierFile]:
    """Live files taken or sent after this one, or still to be sent, that hold a payment of it once more; one of those
    at these positions, where they are given."""
    found: dict[TransferId, EarlierFile] = {}
    for group in _groups(connection, row, row.received_at):
        ours = [seen for seen in group.new if positions is None or seen.position in positions]
        certain = (pair for pair in same_pairs(ours, group.earlier) if pair.certain)
        found |= {pair.earlier.file.id: pair.earlier.file for pair in certain}
    return sorted(found.values(), key=lambda file: (file.received_at, file.id))


def debited() -> ColumnElement[bool]:
    """Payments that the bank has paid, as a statement shows or a notification announces; given back or not."""
    c = t.payment.c
    return or_(c.booked_by.is_not(None), c.advised_by.is_not(None))


def _others() -> Select[Any]:
    """The transfers that hold a payment with a fingerprint of one of ours, by index alone.

    Not the one that it repairs: which payments of that are alive is known by their positions (lineage.py).
    """
    p, own = t.payment.c, t.payment.alias("own").c
    ours = select(own.fingerprint).where(own.transfer_id == bindparam("key"), own.fingerprint.is_not(None))
    foreign = (p.transfer_id != bindparam("key"), p.transfer_id != bindparam("repaired"))
    return select(p.transfer_id).where(p.fingerprint.in_(ours), *foreign).distinct()


_OTHERS = Prepared(_others())


def _looked_at(row: Kept, since: datetime) -> ColumnElement[bool]:
    """Live transfers taken or sent since then, and those that are still to be sent, however old."""
    c = t.transfer.c
    lately = or_(c.received_at > since, c.sent_at > since, c.state.not_in([State.SENT, State.CANCELLED]))
    return and_(c.id.not_in([row.id, row.repair_of or row.id]), lately, live())


def _files(connection: Connection, row: Kept, since: datetime) -> dict[str, tuple[EarlierFile, bool]]:
    """Those of them that hold a payment like one of ours, by id; with each, whether the bank's reports on it
    contradict each other."""
    others = [one.transfer_id for one in _OTHERS.all(connection, key=row.id, repaired=row.repair_of or row.id)]
    if not others:
        return {}
    c, r = t.transfer.c, t.report.c
    contradicted = select(r.id).where(r.transfer_id == c.id, r.effect.in_(DOUBTFUL)).exists()
    query = select(c.id, c.bank, c.name, c.state, c.received_at, c.payments, contradicted.label("contradicted"))
    return {
        found.id: (
            EarlierFile(
                id=TransferId(found.id), bank=found.bank, name=found.name, state=found.state,
                received_at=found.received_at, payments=found.payments or 0,
            ),
            found.contradicted,
        )
        for chunk in in_chunks(others, CHUNK)
        for found in connection.execute(query.where(c.id.in_(chunk), _looked_at(row, since)))
    }  # fmt: skip


def _groups(connection: Connection, row: Kept, since: datetime) -> Iterator[Group]:
    """Our payments and those of other files, by fingerprint; only where both have one."""
    if not (files := _files(connection, row, since)):
        return
    for chunk in in_chunks(_sightings(connection, row, since, files), CHUNK):
        ours = _own(connection, row, [fingerprint for fingerprint, _ in chunk])
        for fingerprint, earlier in chunk:
            yield Group(new=ours[fingerprint], earlier=earlier)


def _sightings(
    connection: Connection, row: Kept, since: datetime, files: dict[str, tuple[EarlierFile, bool]]
) -> Iterator[tuple[int, list[Earlier]]]:
    """Payments of these files that may have been paid and have the fingerprint of one of ours; oldest first."""
    rows = connection.execute(_same_fingerprints(row, _theirs(row, since, files)), execution_options=STREAMED)
    for fingerprint, group in groupby(rows, key=lambda payment: payment.fingerprint):
        found: list[Earlier] = []
        for payment in group:
            file, contradicted = files[payment.transfer_id]
            seen = _trace(payment)
            if seen is not None and (contradicted or not refused(payment)):
                found.append(Earlier(file, seen))
        if found:
            yield fingerprint, sorted(found, key=lambda one: (one.file.received_at, one.file.id, one.trace.position))


def _theirs(row: Kept, since: datetime, files: Collection[str]) -> Collection[str] | Select[tuple[str]]:
    """They are named, or asked for once more where they are many."""
    return files if len(files) <= CHUNK else select(t.transfer.c.id).where(_looked_at(row, since))


def _own(connection: Connection, row: Kept, fingerprints: Sequence[int]) -> defaultdict[int, list[Trace]]:
    p, b = t.payment.c, t.batch.c
    query = (
        select(t.payment, b.debtor_account)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(p.transfer_id == row.id, p.fingerprint.in_(fingerprints))
        .order_by(p.position)
    )
    ours: defaultdict[int, list[Trace]] = defaultdict(list)
    for payment in connection.execute(query):
        if (seen := _trace(payment)) is not None:
            ours[payment.fingerprint].append(seen)
    return ours


def _same_fingerprints(row: Kept, theirs: Collection[str] | Select[tuple[str]]) -> Select[Any]:
    """One query, whatever the numbers: each of our fingerprints is looked up in the index once.

    The join of "" keeps SQLite from looking it up once more for every earlier file.
    """
    p, b = t.payment.c, t.batch.c
    own = t.payment.alias("own")
    ours = select(own.c.fingerprint).where(own.c.transfer_id == row.id, own.c.fingerprint.is_not(None))
    return (
        select(p.fingerprint, p.transfer_id, p.position, p.creditor_account, p.creditor_name, p.amount, p.currency,
               p.end_to_end_id, p.remittance, p.status, p.reasons, p.booked_by, p.advised_by, b.debtor_account)
        .join(t.batch, (b.transfer_id == p.transfer_id) & (b.position == p.batch))
        .where(p.fingerprint.in_(ours), (p.transfer_id + "").in_(theirs))
        .order_by(p.fingerprint)
    )  # fmt: skip


def refused(payment: Row[Any]) -> bool:
    """The bank will not pay it. What it refused as a duplicate it has had before, and what is booked was paid."""
    if payment.status not in REFUSALS or payment.booked_by is not None or payment.advised_by is not None:
        return False
    return DUPLICATE_CODES.isdisjoint(reason.get("code") for reason in payment.reasons or ())


def _trace(payment: Row[Any]) -> Trace | None:
    return trace(
        position=payment.position,
        debtor_account=payment.debtor_account,
        creditor_account=payment.creditor_account,
        creditor_name=payment.creditor_name,
        amount=payment.amount,
        currency=payment.currency,
        end_to_end_id=payment.end_to_end_id,
        remittance=payment.remittance,
    )
