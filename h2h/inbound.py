"""The way back: list -> fetch -> keep -> read -> apply -> discard -> hand over, one bank's folder at a time.

The raw bytes are kept before anything reads them; a file's identity is its content; discarding at the bank comes
only after the commit. Every step can be done again. One unreadable file never blocks the next: it is kept, shown,
left at the bank and handed over as it is.
"""

from __future__ import annotations

import fnmatch
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from h2h.archive import Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Inbound
from h2h.errors import ChannelError, Damaged, FolderError, H2hError, NotDelivered
from h2h.folders import TEMPORARY, atomic_writer, local_name
from h2h.ledger import Ledger
from h2h.ledger.messages import Message, MessageState, Reading
from h2h.line import Line
from h2h.messages import Catalog, read
from h2h.model import Finding, InboundId, PaymentFile, Record, RemoteFile, Severity, StatementFile, StatusReport
from h2h.records import plain
from h2h.text import printable

log = logging.getLogger(__name__)

CUT = frozenset({"XML_TRUNCATED", "XML_NOT_WELL_FORMED", "XML_LIMIT", "XML_ENCODING", "FINDINGS_CUT"})
ENDED_WELL = (MessageState.APPLIED, MessageState.REPEATED)


class Collector:
    """One bank's receiver."""

    def __init__(
        self,
        bank: Bank,
        *,
        line: Line,
        ledger: Ledger,
        archive: Archive,
        catalog: Catalog,
        clock: Clock,
        new_id: Callable[[], InboundId],
    ) -> None:
        self.bank = bank
        self._line = line
        self._ledger = ledger
        self._archive = archive
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id
        self._broke_the_line: set[str] = set()  # by being fetched: looked at last, the others come first

    def pull(
        self,
        folder: Inbound,
        progress: Callable[[Message], None] = lambda _: None,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> list[RemoteFile]:
        """Fetch and apply what is new in one folder; the files that are too large and stay where they are.

        Raises NotDelivered or Refused where the bank cannot be asked.
        """
        self.finish_started(progress)
        with self._line.session() as session:
            listed = [f for f in self._listed(session, folder) if _wanted(folder, f)]
            fitting = [f for f in listed if f.size <= folder.max_size]
            known = self._ledger.messages.seen(self.bank.name, fitting)
            for file in sorted(fitting, key=lambda f: f.name in self._broke_the_line):
                if stop():
                    break
                with _apart(file.name):
                    self._one(session, folder, file, known.get(file), progress)
        return [f for f in listed if f.size > folder.max_size]

    def _listed(self, session: Channel, folder: Inbound) -> list[RemoteFile]:
        """The files to look at: those in the folder, or where the bank allows it, those that we claimed from it."""
        files = session.list(folder.remote)
        if folder.claim is None:
            return files
        for file in files:
            if _wanted(folder, file):
                self._claim(session, folder, file)
        return session.list(folder.claim)

    def _claim(self, session: Channel, folder: Inbound, file: RemoteFile) -> None:
        """Move it to where nobody else writes. One that cannot be moved, as its name is taken there, waits."""
        try:
            session.move(f"{folder.remote}/{file.name}", f"{folder.claim}/{file.name}")
        except ChannelError as error:
            if not session.alive():
                raise
            self._not_fetched(file, error)

    def _not_fetched(self, file: RemoteFile, error: ChannelError) -> None:
        told = {"event": "fetch_failed", "bank": self.bank.name, "file": printable(file.name), "text": str(error)}
        log.warning("file not fetched", extra=told)

    def _one(
        self,
        session: Channel,
        folder: Inbound,
        file: RemoteFile,
        known: Message | None,
        progress: Callable[[Message], None],
    ) -> None:
        """Fetch, keep, apply, discard, hand over one file; what cannot be done now waits for the next pull."""
        try:
            message = known or self._fetch(session, file)
        except ChannelError as error:
            if not session.alive():
                self._broke_the_line.add(file.name)
                raise
            self._not_fetched(file, error)
            return
        if message.state is MessageState.KEPT:
            message = self._apply(message, folder)
        broken = self._discarded(session, folder, file, message)
        if known is None:
            self._hand_over(message, folder)
            progress(message)
        if broken is not None:
            raise broken

    def _fetch(self, session: Channel, file: RemoteFile) -> Message:
        with self._archive.incoming() as incoming:
            size = session.fetch(file, incoming.sink())
            if size != file.size or incoming.size != size:
                raise NotDelivered(f"{printable(file.name)}: {incoming.size} of {file.size} bytes arrived.")
            sha256 = incoming.keep()
        return self._ledger.messages.kept(self._new_id(), self.bank.name, file, sha256, self._clock.now())

    def finish_started(self, progress: Callable[[Message], None] = lambda _: None) -> None:
        """What a crash left kept but unread, or applied but not handed over. Needs no line to the bank."""
        for message in self._ledger.messages.unread(self.bank.name):
            with _apart(message.name):
                progress(self._apply(message, self._folder_of(message)))
        for message in self._ledger.messages.not_handed_over(self.bank.name):
            with _apart(message.name):
                self._hand_over(message, self._folder_of(message))

    def _folder_of(self, message: Message) -> Inbound | None:
        return next((i for i in self.bank.inbound if message.folder in (i.remote, i.claim)), None)

    def _apply(self, message: Message, folder: Inbound | None) -> Message:
        reading = self._read(message, folder.messages if folder else None)
        try:
            return self._ledger.messages.applied(message.id, reading, self._clock.now())
        except H2hError:
            raise
        except Exception as error:
            return self._ledger.messages.applied(message.id, _failed(message, error), self._clock.now())

    def _read(self, message: Message, expected: Sequence[str] | None) -> Reading:
        """Everything the readers make of the file; a fault of our own is a finding, and the next file goes on."""
        try:
            with self._archive.open(message.sha256) as source:
                return reading_of(read(source, self._catalog, strict=False, expected=expected))
        except H2hError:
            raise
        except Exception as error:
            return _failed(message, error)

    def _discarded(self, session: Channel, folder: Inbound, file: RemoteFile, message: Message) -> ChannelError | None:
        """Discard it; where that fails the next pull tries again. The error, if it broke the line."""
        try:
            self._discard(session, folder, file, message)
        except ChannelError as error:
            told = {"event": "discard_failed", "bank": self.bank.name, "file": printable(file.name), "text": str(error)}
            log.warning("file not removed at the bank", extra=told)
            return None if session.alive() else error
        return None

    def _discard(self, session: Channel, folder: Inbound, file: RemoteFile, message: Message) -> None:
        """After the commit, and again if that is not sure. What could not be read stays at the bank."""
        if folder.after == "leave" or message.state not in ENDED_WELL:
            return
        path = f"{file.folder.rstrip('/')}/{file.name}"
        if session.look(path).size not in (None, file.size):
            return  # another file under the same name: it is fetched first
        if folder.after == "delete":
            session.discard(path)
        else:
            session.move(path, f"{folder.move_to}/{file.name}")
        if message.discarded_at is None:
            self._ledger.messages.discarded(message.id, folder.after, self._clock.now())

    def _hand_over(self, message: Message, folder: Inbound | None) -> None:
        """The original file, and its records as JSON Lines, to the ERP's folder; each appears at once and whole."""
        if message.state is MessageState.REPEATED or message.handed_over_at is not None:
            return
        try:
            names = self._deliver(message, folder.deliver) if folder and folder.deliver else []
        except FolderError as error:
            told = {"event": "hand_over_failed", "file_id": message.id, "text": str(error)}
            log.error("file not handed over", extra=told)
            return
        self._ledger.messages.handed_over(message.id, names, self._clock.now())

    def _deliver(self, message: Message, folder: Path) -> list[str]:
        name = local_name(message.id, message.name)
        if message.state is MessageState.APPLIED:
            lines = records_as_lines(message.id, self._read(message, None).records)
            with atomic_writer(folder / f"{name}.jsonl") as file:
                file.writelines(lines)
        with self._archive.open(message.sha256) as source, atomic_writer(folder / name) as file:
            while block := source.read(1 << 20):
                file.write(block)
        return [name, f"{name}.jsonl"] if message.state is MessageState.APPLIED else [name]


@contextmanager
def _apart(name: str) -> Iterator[None]:
    """A file whose bytes were damaged here stays as it is, told at each round; the others go on."""
    try:
        yield
    except Damaged as error:
        log.error("file damaged", extra={"event": "file_damaged", "file": printable(name), "text": str(error)})


def _failed(message: Message, error: Exception) -> Reading:
    """A fault of our own: the file is kept and handed over as it is, and nothing of it is applied."""
    log.error("reading failed", extra={"event": "read_failed", "file_id": message.id}, exc_info=error)
    text = f"The gateway itself failed on this file ({type(error).__name__}); report it, with the log."
    finding = Finding(code="INTERNAL", severity=Severity.ERROR, text=text)
    return Reading(message=None, message_id=None, records=(), findings=[finding])


def _wanted(folder: Inbound, file: RemoteFile) -> bool:
    if file.name.startswith(".") or file.name.lower().endswith(TEMPORARY):
        return False
    return fnmatch.fnmatchcase(file.name, folder.match)


def reading_of(items: Iterable[Record | Finding]) -> Reading:
    """Records and findings of one file, and which message it is.

    Nothing of a payment message that comes in is applied, and nothing of a file that ends in the middle: half a
    statement would keep the whole one out, and from half a report nothing follows for what it does not list.
    """
    records: list[Record] = []
    findings: list[Finding] = []
    for item in items:
        (findings if isinstance(item, Finding) else records).append(item)  # type: ignore[arg-type]
    head = next((r for r in records if isinstance(r, StatusReport | StatementFile | PaymentFile)), None)
    if isinstance(head, PaymentFile):
        text = f"A {head.message} came in from the bank: payment orders only go out. It is kept and changes nothing."
        findings.append(Finding(code="OUTBOUND_MESSAGE_CAME_IN", severity=Severity.ERROR, text=text))
        records = []
    if any(f.code in CUT and f.severity is Severity.ERROR for f in findings):
        records = []
    return Reading(
        message=head.message if head else None,
        message_id=head.message_id if head else None,
        records=records,
        findings=findings,
    )


def records_as_lines(message_id: str, records: Iterable[Record]) -> Iterable[bytes]:
    """JSON Lines: one record a line, its kind first, amounts as text, empty fields left out."""
    for record in records:
        line: dict[str, Any] = {"record": type(record).__name__, "file": message_id, **plain(record)}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
