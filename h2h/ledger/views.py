"""What people and programs read: files, one file's history, payments, statements, the morning board.

Views change nothing and take no writer's lock. Their cost grows with the answer, not with the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from h2h.cash import Kind
from h2h.errors import UsageError
from h2h.identity import account_key
from h2h.ledger import tables as t
from h2h.ledger.database import Database
from h2h.ledger.findings import load_findings
from h2h.ledger.lineage import SentAgain, sent_again
from h2h.ledger.messages import MessageState
from h2h.ledger.payment_views import LIMIT, PaymentRow, dicts, payments_of
from h2h.ledger.sealings import sealed_as
from h2h.ledger.search import Found, Wanted, orphans_naming, search
from h2h.ledger.troubled import troubled_messages, troubled_transfers
from h2h.ledger.troubles import TroubleRow, troubles_now
from h2h.lifecycle import State
from h2h.model import Finding
from h2h.reasons import explained
from h2h.verdicts import Verdict

SHORTEST = 4  # characters of an id's end by which a file is found
CANDIDATES = 8  # files that are named where several fit


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One line of `h2h files`, for outbound and inbound files alike."""

    id: str
    direction: str
    bank: str
    name: str
    state: str
    verdict: str | None
    message: str | None
    message_id: str | None
    sha256: str
    size: int
    payments: int | None
    control_sum: Decimal | None
    currencies: Sequence[str] | None
    reason: str | None
    duplicate_of: str | None
    attempts: int | None
    due_at: datetime | None
    at: datetime
    original_sha256: str | None = None  # of what was dropped, where another version of the message was sent
    original_message: str | None = None
    purged_at: datetime | None = None  # since when its bytes and records are gone
    sealed_sha256: str | None = None  # of what went to the bank, where it was compressed or encrypted for it
    sealed_by: str | None = None
    opened_sha256: str | None = None  # of what was read, where it came encrypted or signed
    signed_by: str | None = None

    @property
    def read_sha256(self) -> str:
        """Of the payment file or the bank's message itself, whatever it travels in."""
        return self.opened_sha256 or self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file's history: an event of the journal, or an attempt's end."""

    at: datetime
    kind: str
    actor: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    file: FileRow
    remote: str | None
    findings: list[Finding]
    lines: list[Line]
    attempts: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    statements: list[StatementRow]
    sent_again: list[SentAgain]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One statement, or a page of one. `followed`: it is held against the others of its account."""

    id: int
    message: str
    bank: str
    kind: str  # 052 report, 053 statement, 054 notification
    account: str | None
    statement_id: str | None
    sequence_number: str | None
    currency: str | None
    opening: Decimal | None
    closing: Decimal | None
    closing_date: str | None
    entries: int
    matched: int
    reconciles: bool | None
    page: str | None
    last_page: bool | None
    followed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BankRow:
    bank: str
    states: dict[str, int]
    sent_today: int
    verdicts_today: dict[str, int]
    unanswered: int
    oldest_ready: datetime | None
    last_good_at: datetime | None
    failures: int
    error_class: str | None
    error: str | None
    suspended_until: datetime | None
    last_statement: str | None
    unreadable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What somebody wants to see first in the morning."""

    banks: list[BankRow]
    troubles: list[TroubleRow]
    attention: list[FileRow]


class Views:
    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self, *, state: str | None = None, bank: str | None = None, limit: int = LIMIT) -> list[FileRow]:
        """The newest files of both directions, newest first."""
        with self._database.reading() as connection:
            out = _newest(t.transfer, t.transfer.c.received_at, state, bank, limit)
            back = _newest(t.message, t.message.c.fetched_at, state, bank, limit)
            rows = [_transfer_row(r) for r in connection.execute(out)]
            rows += [_message_row(r) for r in connection.execute(back)]
        return sorted(rows, key=lambda row: (row.at, row.id), reverse=True)[:limit]

    def find(self, name: str) -> str:
        """The whole id of a file from the id, or from its last four or more characters where they are unique."""
        with self._database.reading() as connection:
            found = {row.id: row.name for table in (t.transfer, t.message) for row in _named(connection, table, name)}
        if len(found) == 1 or name in found:
            return name if name in found else next(iter(found))
        if found:
            several = "; ".join(f"{file_id} ({file})" for file_id, file in list(found.items())[:CANDIDATES])
            more = "; …" if len(found) > CANDIDATES else ""
            raise UsageError(f"{len(found)} or more files end in {name}: {several}{more}. Give more of the id.")
        if len(name) < SHORTEST:
            raise UsageError(f"{name!r} is too short: give the whole id, or its last {SHORTEST} or more characters.")
        raise UsageError(f"There is no file {name}; `h2h files` lists them.")

    def find_transfer(self, name: str) -> str:
        """As `find`, for what can be decided about: files that go out."""
        found = self.find(name)
        with self._database.reading() as connection:
            c = t.message.c
            inbound = connection.execute(select(c.bank, c.name).where(c.id == found)).first()
        if inbound:
            raise UsageError(
                f"{found} is a file that came in from {inbound.bank} ({inbound.name}); nothing is decided about it. "
                f"Look with `h2h show {found}`; decisions are for files that go out."
            )
        return found

    def file_of(self, name: str) -> str:
        """The id of a file by its id or the end of it, or by the reference of a payment that one file alone has."""
        carriers = sorted({payment.transfer for payment in self.payments(name)})
        if len(carriers) > 1:
            text = f"{len(carriers)} files carry a payment {name}: {', '.join(carriers)}; name one of them."
            raise UsageError(text)
        return carriers[0] if carriers else self.find(name)

    def history(self, file_id: str) -> History:
        with self._database.reading() as connection:
            outbound = connection.execute(select(t.transfer).where(t.transfer.c.id == file_id)).first()
            row = outbound or connection.execute(select(t.message).where(t.message.c.id == file_id)).one()
            events = select(t.event).where(t.event.c.subject == file_id).order_by(t.event.c.seq)
            return History(
                file=_transfer_row(row) if outbound else _message_row(row),
                remote=row.remote if outbound else f"{row.folder}/{row.name}",
                findings=load_findings(connection, file_id),
                lines=[_line(r) for r in connection.execute(events)],
                attempts=dicts(connection, _of(t.attempt, file_id, t.attempt.c.number)),
                batches=dicts(connection, _of(t.batch, file_id, t.batch.c.position)),
                reports=_reports(connection, row, outbound is not None),
                statements=[_statement_row(r) for r in connection.execute(_statements_of(file_id))],
                sent_again=sent_again(connection, file_id, LIMIT),
            )

    def payments(
        self, reference: str | None = None, *, bank: str | None = None, limit: int = LIMIT
    ) -> list[PaymentRow]:
        """Payments, newest file first: those with this reference, or all."""
        return self.search(Wanted(reference=reference, bank=bank, limit=limit)).payments

    def purged(self, reference: str) -> list[FileRow]:
        """Files that were purged, by their message id or that of a batch."""
        f, b = t.transfer.c, t.batch.c
        batches = select(b.transfer_id).where(b.payment_information_id == reference)
        query = select(t.transfer).where(f.purged_at.is_not(None), or_(f.message_id == reference, f.id.in_(batches)))
        with self._database.reading() as connection:
            return [_transfer_row(row) for row in connection.execute(query.limit(CANDIDATES))]

    def search(self, wanted: Wanted) -> Found:
        with self._database.reading() as connection:
            return search(connection, wanted)

    def orphans_naming(self, reference: str) -> list[dict[str, Any]]:
        """What reports said under a reference of payments that were not at the bank, as far as was known."""
        with self._database.reading() as connection:
            return orphans_naming(connection, reference)

    def payments_of(self, transfer_id: str) -> list[PaymentRow]:
        """All payments of one transfer, in the order of its file."""
        with self._database.reading() as connection:
            return payments_of(connection, transfer_id)

    def messages_about(self, transfer_id: str) -> list[FileRow]:
        """The inbound files that answer a transfer or book payments of it, or give them back, oldest first."""
        answered = select(t.report.c.message_id).where(t.report.c.transfer_id == transfer_id)
        booked = (
            select(t.statement.c.message_id)
            .join(t.entry, t.entry.c.statement_id == t.statement.c.id)
            .join(t.booking, t.booking.c.entry_id == t.entry.c.id)
            .where(t.booking.c.transfer_id == transfer_id)
        )
        c = t.message.c
        query = select(t.message).where(or_(c.id.in_(answered), c.id.in_(booked))).order_by(c.fetched_at, c.id)
        with self._database.reading() as connection:
            return [_message_row(row) for row in connection.execute(query)]

    def sealed_as(self, transfer_id: str) -> list[str]:
        """The hashes of all that a transfer was ever sealed to for its bank, the first one first, each once."""
        with self._database.reading() as connection:
            return list(dict.fromkeys(sealed_as(connection, [transfer_id]).get(transfer_id, ())))

    def statements(
        self, *, account: str | None = None, bank: str | None = None, limit: int = LIMIT
    ) -> list[StatementRow]:
        c = t.statement.c
        query = select(t.statement).order_by(c.day.desc(), c.id.desc()).limit(limit)
        if account:
            query = query.where(or_(c.account == account, c.chain == account_key(account)))
        if bank:
            query = query.where(c.bank == bank)
        with self._database.reading() as connection:
            return [_statement_row(row) for row in connection.execute(query)]

    def entries(self, message_id: str) -> list[dict[str, Any]]:
        """All entries of a message's statements, as the records that were read, each with its details."""
        query = (
            select(t.entry, t.statement.c.position.label("statement"), t.statement.c.account)
            .join(t.statement, t.statement.c.id == t.entry.c.statement_id)
            .where(t.statement.c.message_id == message_id)
            .order_by(t.entry.c.id)
        )
        with self._database.reading() as connection:
            return [
                {**row.record, "account": row.account, "details": _details(connection, row.id)}
                for row in connection.execute(query).all()
            ]

    def board(self, banks: Sequence[str], now: datetime) -> Board:
        """`today` begins at midnight on this machine."""
        today = datetime.combine(now.astimezone().date(), time()).astimezone()
        with self._database.reading() as connection:
            found = {row.id: row for query in troubled_transfers(now) for row in connection.execute(query)}
            newest = sorted(map(_transfer_row, found.values()), key=lambda file: file.at, reverse=True)[:LIMIT]
            files = [*newest, *(_message_row(row) for row in connection.execute(troubled_messages(now)))]
            attention = sorted(files, key=lambda file: file.at, reverse=True)
            troubles = troubles_now(connection, banks, now)
            rows = [_bank_row(connection, bank, today) for bank in banks]
            return Board(banks=rows, troubles=troubles, attention=attention)


def _reports(connection: Connection, row: Row[Any], out: bool) -> list[dict[str, Any]]:
    """What a report says, or what reports say of a transfer: also what they said before it was at the bank."""
    r, m = t.report.c, t.message.c
    early = (r.transfer_id.is_(None)) & (r.original_message_id == row.message_id) & (m.bank == row.bank)
    of = or_(r.transfer_id == row.id, early) if out else r.message_id == row.id
    query = select(t.report).join(t.message, m.id == r.message_id).where(of).order_by(m.fetched_at, r.id)
    return [{**found, "reasons": explained(found["reasons"])} for found in dicts(connection, query.limit(LIMIT))]


def _named(connection: Connection, table: Any, name: str) -> Sequence[Row[Any]]:
    c = table.c
    ends = c.id.endswith(name.upper(), autoescape=True) if len(name) >= SHORTEST else c.id == name
    query = select(c.id, c.name).where(or_(c.id == name, ends)).order_by(c.id.desc()).limit(CANDIDATES + 1)
    return connection.execute(query).all()


def _newest(table: Any, at: Any, state: str | None, bank: str | None, limit: int) -> Select[Any]:
    query = select(table).order_by(at.desc(), table.c.id.desc()).limit(limit)
    if state:
        query = query.where(table.c.state == state)
    return query.where(table.c.bank == bank) if bank else query


def _transfer_row(r: Row[Any]) -> FileRow:
    return FileRow(
        id=r.id, direction="out", bank=r.bank, name=r.name, state=r.state, verdict=r.verdict, message=r.message,
        message_id=r.message_id, sha256=r.sha256, size=r.size, payments=r.payments, control_sum=r.control_sum,
        currencies=r.currencies, reason=r.reason, duplicate_of=r.duplicate_of, attempts=r.attempts, due_at=r.due_at,
        at=r.received_at, original_sha256=r.original_sha256, original_message=r.original_message,
        purged_at=r.purged_at, sealed_sha256=r.sealed_sha256, sealed_by=r.sealed_by,
    )  # fmt: skip


def _message_row(r: Row[Any]) -> FileRow:
    return FileRow(
        id=r.id, direction="in", bank=r.bank, name=r.name, state=r.state, verdict=None, message=r.message,
        message_id=r.message_id, sha256=r.sha256, size=r.size, payments=None, control_sum=None, currencies=None,
        reason=r.reason, duplicate_of=r.same_as, attempts=None, due_at=None, at=r.fetched_at,
        purged_at=r.purged_at, opened_sha256=r.opened_sha256, signed_by=r.signed_by,
    )  # fmt: skip


def _line(row: Row[Any]) -> Line:
    return Line(at=row.at, kind=row.kind, actor=row.actor, data=json.loads(row.data))


def _of(table: Any, transfer_id: str, order: Any) -> Select[Any]:
    return select(table).where(table.c.transfer_id == transfer_id).order_by(order).limit(LIMIT)


def _statement_row(r: Row[Any]) -> StatementRow:
    return StatementRow(
        id=r.id, message=r.message_id, bank=r.bank, kind=r.kind, account=r.account, statement_id=r.statement_id,
        sequence_number=r.electronic_sequence_number or r.legal_sequence_number, currency=r.currency,
        opening=r.opening, closing=r.closing, closing_date=r.closing_date, entries=r.entries, matched=r.matched,
        reconciles=r.reconciles, page=r.page_number, last_page=r.last_page, followed=r.chain is not None,
    )  # fmt: skip


def _statements_of(message_id: str) -> Select[Any]:
    c = t.statement.c
    return select(t.statement).where(c.message_id == message_id).order_by(c.position).limit(LIMIT)


def _details(connection: Connection, entry: int) -> list[dict[str, Any]]:
    query = select(t.detail).where(t.detail.c.entry_id == entry).order_by(t.detail.c.position)
    return [
        {"batch": 0, **row.record, **({"transfer": row.transfer_id, "payment": row.payment} if row.transfer_id else {})}
        for row in connection.execute(query)
    ]


def _bank_row(connection: Connection, bank: str, today: datetime) -> BankRow:
    c, m, s = t.transfer.c, t.message.c, t.statement.c
    by_state = select(c.state, func.count()).where(c.bank == bank).group_by(c.state)
    sent = (c.bank == bank) & (c.state == State.SENT)
    by_verdict = select(c.verdict, func.count()).where(sent, c.sent_at >= today).group_by(c.verdict)
    verdicts = {row[0]: row[1] for row in connection.execute(by_verdict)}
    unanswered = select(func.count()).where(sent, c.verdict == Verdict.NONE)
    oldest = select(func.min(c.received_at)).where(c.bank == bank, c.state == State.READY)
    unreadable = select(func.count()).where(m.bank == bank, m.state == MessageState.UNREADABLE)
    closed = (s.bank == bank) & (s.kind == Kind.STATEMENT) & s.closing_date.is_not(None)
    last = select(s.closing_date).where(closed).order_by(s.day.desc(), s.id.desc()).limit(1)
    contact = connection.execute(select(t.contact).where(t.contact.c.bank == bank)).first()
    return BankRow(
        bank=bank,
        states={row[0]: row[1] for row in connection.execute(by_state)},
        sent_today=sum(verdicts.values()),
        verdicts_today={verdict: n for verdict, n in verdicts.items() if verdict != Verdict.NONE},
        unanswered=connection.execute(unanswered).scalar_one(),
        oldest_ready=connection.execute(oldest).scalar(),
        last_good_at=contact.last_good_at if contact else None,
        failures=contact.failures if contact else 0,
        error_class=contact.error_class if contact else None,
        error=contact.text if contact else None,
        suspended_until=contact.suspended_until if contact else None,
        last_statement=connection.execute(last).scalar(),
        unreadable=connection.execute(unreadable).scalar() or 0,
    )
