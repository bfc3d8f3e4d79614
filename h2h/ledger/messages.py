"""The verbs on inbound files: kept once by content, applied in one transaction, then discarded and handed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from h2h.errors import NotAllowed, UsageError
from h2h.gathered import Gathered
from h2h.ledger import tables as t
from h2h.ledger.bookings import apply_statements
from h2h.ledger.database import Database
from h2h.ledger.findings import Found, load_findings, store_findings
from h2h.ledger.journal import record
from h2h.ledger.people import in_words
from h2h.ledger.reports import apply_reports
from h2h.ledger.rows import refuse_purged
from h2h.model import Finding, InboundId, RemoteFile, Severity, Statement, StatusReport
from h2h.text import printable
from h2h.verdicts import NO_WORDS

GATEWAY = "gateway"
OPENED = "OPENED"  # an event
ALARMS = frozenset(  # not wrong in themselves, but somebody has to see them
    {
        "PAYMENT_RETURNED", "REPORT_UNKNOWN", "REPORT_STATUS_UNKNOWN", "STATEMENT_GAP", "STATEMENT_OPENING",
        "STATEMENT_PAGE", "STATEMENT_SUM",
    }
)  # fmt: skip
CHUNK = 500  # names asked for in one query


class MessageState(StrEnum):
    """KEPT: bytes are safe, not read yet. The other three are ends; discard and hand-over go on beside them."""

    KEPT = "KEPT"
    APPLIED = "APPLIED"
    REPEATED = "REPEATED"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of the message table."""

    id: InboundId
    bank: str
    folder: str
    name: str
    size: int
    modified: int | None
    sha256: str
    state: MessageState
    reason: str | None
    fetched_at: datetime
    message: str | None
    message_id: str | None
    same_as: InboundId | None
    discarded_at: datetime | None
    handed_over_at: datetime | None
    purged_at: datetime | None
    erased_at: datetime | None
    opened_sha256: str | None
    opened_size: int | None
    signed_by: str | None

    @property
    def read_sha256(self) -> str:
        """Of the bytes that are read; `sha256` is that of what came."""
        return self.opened_sha256 or self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the readers made of a kept file."""

    message: str | None
    message_id: str | None
    records: Gathered
    findings: Sequence[Finding]


class Messages:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, message_id: str) -> Message:
        with self._database.reading() as connection:
            return _get(connection, message_id)

    def seen(self, bank: str, files: Iterable[RemoteFile]) -> dict[RemoteFile, Message]:
        """Those listed files that were fetched before, unchanged: same folder, name, size and time.

        What was discarded at the bank cannot be listed again: a file of that name is a new one, to be fetched.
        """
        c = t.message.c
        by_name = {(file.folder, printable(file.name), file.size, file.modified): file for file in files}
        names = sorted({(folder, name) for folder, name, _, _ in by_name})
        found: dict[RemoteFile, Message] = {}
        with self._database.reading() as connection:
            for start in range(0, len(names), CHUNK):
                chunk = names[start : start + CHUNK]
                query = select(t.message).where(
                    c.bank == bank, c.folder.in_({folder for folder, _ in chunk}), c.name.in_([n for _, n in chunk]),
                    c.discarded_at.is_(None),
                )  # fmt: skip
                for row in connection.execute(query.order_by(c.fetched_at, c.id)):
                    if file := by_name.get((row.folder, row.name, row.size, row.modified)):
                        found[file] = message_of(row)
        return found

    def statements(self, message_id: InboundId) -> set[int]:
        """The positions of those statements of the file that are in the books by it."""
        with self._database.reading() as connection:
            return _statements(connection, message_id)

    def reread(self, message_id: InboundId, *, who: str, reason: str, now: datetime) -> Message:
        """An UNREADABLE file is KEPT again, to be read once more: a new schema, a mended fault."""
        why = in_words("reason", reason)
        with self._database.transaction() as connection:
            row = _get(connection, message_id)
            refuse_purged(row.id, row.purged_at)
            if row.state is not MessageState.UNREADABLE:
                raise NotAllowed(f"{row.id} is {row.state}; only what is UNREADABLE can be read again.")
            codes = [f.code for f in load_findings(connection, message_id)]
            connection.execute(delete(t.finding).where(t.finding.c.subject == message_id))
            values = {"state": MessageState.KEPT, "reason": None, "same_as": None, "handed_over_at": None}
            connection.execute(update(t.message).where(t.message.c.id == message_id).values(**values))
            told = {"reason": why, "findings": codes}
            record(connection, at=now, subject=message_id, kind="read again", actor=who, data=told)
            return _get(connection, message_id)

    def unread(self, bank: str) -> list[Message]:
        """Kept but not read: a crash came between."""
        return self._where(bank, t.message.c.state == MessageState.KEPT)

    def not_handed_over(self, bank: str) -> list[Message]:
        c = t.message.c
        ended = c.state.in_([MessageState.APPLIED, MessageState.UNREADABLE])
        return self._where(bank, c.handed_over_at.is_(None) & ended)

    def _where(self, bank: str, condition: Any) -> list[Message]:
        query = select(t.message).where(t.message.c.bank == bank, condition).order_by(t.message.c.fetched_at)
        with self._database.reading() as connection:
            return [message_of(row) for row in connection.execute(query)]

    def kept(self, new_id: InboundId, bank: str, file: RemoteFile, sha256: str, now: datetime) -> Message:
        """KEPT, or REPEATED where the same content came before (under whatever name): it makes no second records."""
        with self._database.transaction() as connection:
            first, state = _known(connection, bank, sha256)
            values = {
                "id": new_id, "bank": bank, "folder": file.folder, "name": printable(file.name), "size": file.size,
                "modified": file.modified, "sha256": sha256, "state": state, "fetched_at": now,
                "same_as": first.id if first else None, "handed_over_at": now if first else None,
                "reason": f"the same content as {first.id}" if first else None,
            }  # fmt: skip
            connection.execute(insert(t.message).values(**values))
            told = {key: values[key] for key in ("bank", "folder", "name", "size", "sha256", "same_as")}
            record(connection, at=now, subject=new_id, kind=state, actor=GATEWAY, data=told)
            return _get(connection, new_id)

    def opened(self, message_id: InboundId, sha256: str, size: int, signed_by: str | None, now: datetime) -> Message:
        """What it holds is kept, too, and will be read; REPEATED, or UNREADABLE, where that came before, in whatever
        encryption or none."""
        with self._database.transaction() as connection:
            row = _get(connection, message_id)
            if row.state is not MessageState.KEPT:
                return row
            first, state = _known(connection, row.bank, sha256, but=row.id)
            values: dict[str, Any] = {"opened_sha256": sha256, "opened_size": size, "signed_by": signed_by}
            told = {"sha256": row.sha256, **values, "same_as": first.id if first else None}
            if first:
                values |= {"state": state, "same_as": first.id, "handed_over_at": now}
                values["reason"] = f"the same content as {first.id}"
            connection.execute(update(t.message).where(t.message.c.id == message_id).values(**values))
            record(connection, at=now, subject=message_id, kind=OPENED, actor=GATEWAY, data=told)
            if first:
                record(connection, at=now, subject=message_id, kind=state, actor=GATEWAY, data={"same_as": first.id})
            return _get(connection, message_id)

    def applied(
        self, message_id: InboundId, reading: Reading, now: datetime, words: Mapping[str, str] = NO_WORDS
    ) -> Message:
        """Records, verdicts and findings of one file in one commit. `words`: status codes for the bank's own words."""
        with self._database.transaction() as connection:
            row = _get(connection, message_id)
            if row.state is not MessageState.KEPT:
                return row
            found = Found(reading.findings)
            found.join(_apply(connection, row, reading.records, now, words))
            sorts = found.sorts()
            state = _outcome(connection, message_id, reading.records, sorts)
            store_findings(connection, message_id, found.first)
            worst = next((f for f in sorts if f.severity is Severity.ERROR), None)
            worst = worst or next((f for f in sorts if f.code in ALARMS or state is MessageState.REPEATED), None)
            connection.execute(
                update(t.message).where(t.message.c.id == message_id).values(
                    state=state, message=reading.message, message_id=reading.message_id,
                    reason=f"{worst.code}: {worst.text}" if worst else None,
                )
            )  # fmt: skip
            told = {"message": reading.message, "message_id": reading.message_id, "findings": found.count}
            record(connection, at=now, subject=message_id, kind=state, actor=GATEWAY, data=told)
            if state is not MessageState.UNREADABLE:
                _repeat_twins(connection, row, now)
            return _get(connection, message_id)

    def cut(
        self, new_id: InboundId, bank: str, part: RemoteFile, sha256: str, finding: Finding, now: datetime
    ) -> Message:
        """What arrived of a file that the bank does not give again: kept, told, and nothing is made of it."""
        with self._database.transaction() as connection:
            values = {
                "id": new_id, "bank": bank, "folder": part.folder, "name": printable(part.name), "size": part.size,
                "modified": part.modified, "sha256": sha256, "state": MessageState.UNREADABLE, "fetched_at": now,
                "handed_over_at": now, "reason": f"{finding.code}: {finding.text}",
            }  # fmt: skip
            connection.execute(insert(t.message).values(**values))
            store_findings(connection, new_id, [finding])
            told = {key: values[key] for key in ("bank", "folder", "name", "size", "sha256", "reason")}
            record(connection, at=now, subject=new_id, kind=MessageState.UNREADABLE, actor=GATEWAY, data=told)
            return _get(connection, new_id)

    def discarded(self, message_id: InboundId, how: str, now: datetime) -> None:
        self._stamp(message_id, "discarded", {"how": how}, now, discarded_at=now)

    def handed_over(self, message_id: InboundId, files: Sequence[str], now: datetime) -> None:
        self._stamp(message_id, "handed over", {"files": list(files)}, now, handed_over_at=now)

    def _stamp(
        self, message_id: InboundId, kind: str, data: dict[str, Any], now: datetime, **columns: datetime
    ) -> None:
        with self._database.transaction() as connection:
            connection.execute(update(t.message).where(t.message.c.id == message_id).values(**columns))
            record(connection, at=now, subject=message_id, kind=kind, actor=GATEWAY, data=data)


def _known(connection: Connection, bank: str, sha256: str, *, but: str | None = None) -> tuple[Any, MessageState]:
    """The first file of the bank with this content, as it came or opened; and what that makes of a new one.

    `but`: which was opened. Then one that came as it is counts where it was read: it may have been refused unread, for
    want of a signature.
    """
    c = t.message.c
    same = or_(c.sha256 == sha256, c.opened_sha256 == sha256)
    if but:
        came = (c.sha256 == sha256) & (c.state == MessageState.APPLIED)
        same = (c.id != but) & or_(came, c.opened_sha256 == sha256)
    query = select(c.id, c.state).where(c.bank == bank, same, c.state != MessageState.REPEATED)
    first = connection.execute(query.order_by(c.fetched_at)).first()
    if first is None:
        return None, MessageState.KEPT
    unreadable = first.state == MessageState.UNREADABLE
    return first, MessageState.UNREADABLE if unreadable else MessageState.REPEATED


def _apply(connection: Connection, row: Message, records: Gathered, now: datetime, words: Mapping[str, str]) -> Found:
    """Reports and statements: one file may hold both."""
    found = Found()
    if records.has(StatusReport):
        found.join(apply_reports(connection, row.id, row.bank, records, now, words))
    if records.has(Statement):
        found.join(apply_statements(connection, row.id, row.bank, records, now))
    return found


def _outcome(connection: Connection, message_id: str, records: Gathered, findings: Iterable[Finding]) -> MessageState:
    """Of a file whose statements are all known nothing is made; one that contradicts what is known waits."""
    if not records:
        return MessageState.UNREADABLE
    only_statements = records.has(Statement) and not records.has(StatusReport)
    if not only_statements or _statements(connection, message_id):
        return MessageState.APPLIED
    conflict = any(f.code == "STATEMENT_CONFLICT" for f in findings)
    return MessageState.UNREADABLE if conflict else MessageState.REPEATED


def _repeat_twins(connection: Connection, row: Message, now: datetime) -> None:
    """Other files of the same content, which could not be read until now, make no second records."""
    c = t.message.c
    waiting = c.state.in_([MessageState.UNREADABLE, MessageState.KEPT]) & (c.id != row.id)
    same = or_(c.sha256.in_([row.sha256, row.read_sha256]), c.opened_sha256 == row.read_sha256)
    twins = select(c.id).where(c.bank == row.bank, same, waiting)
    for twin in connection.execute(twins).scalars().all():
        values = {"state": MessageState.REPEATED, "same_as": row.id, "reason": f"the same content as {row.id}"}
        connection.execute(update(t.message).where(c.id == twin).values(**values))
        record(connection, at=now, subject=twin, kind=MessageState.REPEATED, actor=GATEWAY, data={"same_as": row.id})


def _statements(connection: Connection, message_id: str) -> set[int]:
    query = select(t.statement.c.position).where(t.statement.c.message_id == message_id)
    return set(connection.execute(query).scalars())


def _get(connection: Connection, message_id: str) -> Message:
    row = connection.execute(select(t.message).where(t.message.c.id == message_id)).first()
    if row is None:
        raise UsageError(f"There is no file {message_id}; `h2h files` lists them.")
    return message_of(row)


def message_of(row: Row[Any]) -> Message:
    values = dict(row._mapping)
    values["state"] = MessageState(row.state)
    return Message(**values)
