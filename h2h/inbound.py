"""The way back: list -> fetch -> keep -> read -> apply -> discard -> hand over, one bank's folder at a time.

The raw bytes are kept before anything reads them; a file's identity is its content; discarding at the bank comes
only after the commit. Every step can be done again. One unreadable file never blocks the next: it is kept, shown,
left at the bank, and handed over as it is where the profile says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from h2h.archive import Archive, Incoming
from h2h.arrivals import reading_of
from h2h.clock import Clock
from h2h.config import Bank, Inbound
from h2h.confined import ConfinedReader
from h2h.envelopes import ENDINGS, Envelopes, finding_of, without_ending
from h2h.errors import ChannelError, Damaged, FolderError, H2hError, NotDelivered, ReaderError, Unstorable
from h2h.folders import atomic_writer, local_name
from h2h.gathered import Gathered
from h2h.key_rows import FAULTS
from h2h.ledger import Ledger
from h2h.ledger.messages import Message, MessageState, Reading
from h2h.ledger.troubles import Kind, Trouble
from h2h.line import Line
from h2h.mailbox import Mailbox, unnumbered
from h2h.model import (
    Entry,
    Finding,
    InboundId,
    Record,
    RemoteFile,
    Severity,
    Statement,
    StatementNote,
)
from h2h.records import plain
from h2h.text import printable

log = logging.getLogger(__name__)

ENDED_WELL = (MessageState.APPLIED, MessageState.REPEATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """The first bytes of a file; `held` lets go of them."""

    file: RemoteFile
    incoming: Incoming
    held: ExitStack


class Collector:
    """One bank's receiver."""

    def __init__(
        self,
        bank: Bank,
        *,
        line: Line,
        ledger: Ledger,
        archive: Archive,
        reader: ConfinedReader,
        clock: Clock,
        envelopes: Envelopes,
        new_id: Callable[[], InboundId],
    ) -> None:
        self.bank = bank
        self._line = line
        self._ledger = ledger
        self._archive = archive
        self._reader = reader
        self._clock = clock
        self._envelopes = envelopes
        self._new_id = new_id
        self._part: _Begun | None = None
        self._broke_the_line: set[str] = set()  # by being fetched: looked at last, the others come first
        self._locked: dict[InboundId, tuple[str, Trouble]] = {}  # by its folder's place: files whose key is to come

    def pull(
        self,
        folder: Inbound,
        progress: Callable[[Message], None] = lambda _: None,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Fetch and apply what is new in one folder; what is wrong in it stands in the ledger afterwards.

        Raises NotDelivered or Refused where the bank cannot be asked.
        """
        self.finish_started(progress)
        box: Mailbox | None = None
        try:
            with self._line.session() as session:
                box = Mailbox(session, folder, clock=self._clock, known=self._seen, stop=stop)
                whole = self._empty(box, progress, stop)
        except ChannelError as error:
            if self._line.suspended_until() is None:
                self._told(folder, [Trouble(kind=Kind.FOLDER, text=str(error)), *(box.troubles if box else ())])
            raise
        self._told(folder, box.troubles, whole=whole)
        self._line.worked()

    def _empty(self, box: Mailbox, progress: Callable[[Message], None], stop: Callable[[], bool]) -> bool:
        """Take every file out of the mailbox; whether all had their turn."""
        files = box.files()
        begun = self._part.file if self._part else None
        if begun and begun.folder in (box.folder.remote, box.folder.claim) and begun not in files:
            self._drop_part()
        known = self._seen(files)
        for file in sorted(files, key=lambda f: f.name in self._broke_the_line):
            if stop():
                break
            with _apart(file.name):
                self._one(box, file, known.get(file), progress)
        return not stop()

    def _seen(self, files: Sequence[RemoteFile]) -> Mapping[RemoteFile, Message]:
        return self._ledger.messages.seen(self.bank.name, files)

    def _told(self, folder: Inbound, troubles: Sequence[Trouble], *, whole: bool = False) -> None:
        for trouble in troubles:
            told = {"event": "trouble", "bank": self.bank.name, "folder": folder.remote, "file": trouble.name}
            log.warning(trouble.kind, extra={**told, "text": trouble.text})
        found = [*troubles, *(locked for place, locked in self._locked.values() if place == folder.place)]
        self._ledger.troubles.found(self.bank.name, folder.place, found, self._clock.now(), all_=whole)

    def _one(self, box: Mailbox, file: RemoteFile, known: Message | None, progress: Callable[[Message], None]) -> None:
        """Fetch, keep, apply, discard, hand over one file; what cannot be done now waits for the next pull."""
        try:
            message = known or self._fetch(box, file)
        except ChannelError as error:
            if not box.session.alive():
                self._broke_the_line.add(file.name)
                raise
            box.not_fetched(file, error)
            return
        if message.state is MessageState.KEPT and message.id not in self._locked:
            message = self._apply(message, box.folder)
        broken = self._discarded(box, file, message)
        if known is None:
            self._hand_over(message, box.folder)
            progress(message)
        if broken is not None:
            raise broken

    def _fetch(self, box: Mailbox, file: RemoteFile) -> Message:
        """The bytes, then the row. A file that the bank gives once is announced before it is opened."""
        messages, troubles, bank, place = self._ledger.messages, self._ledger.troubles, self.bank.name, box.folder.place
        if box.folder.one_shot:
            troubles.opening(bank, place, printable(file.name), self._clock.now())
        self._archive.require_room(file.size)
        with self._incoming(box, file) as incoming:
            try:
                size = box.session.fetch(file, incoming.sink(), incoming.size)
                if size != file.size or incoming.size != size:
                    raise NotDelivered(f"{printable(file.name)}: {incoming.size} of {file.size} bytes arrived.")
            except ChannelError as error:
                if box.folder.one_shot and incoming.size:
                    self._keep_part(incoming, file, error)
                raise
            message = messages.kept(self._new_id(), bank, file, incoming.keep(), self._clock.now())
        if box.folder.one_shot:
            troubles.arrived(bank, place, printable(file.name), self._clock.now())
        return message

    @contextmanager
    def _incoming(self, box: Mailbox, file: RemoteFile) -> Iterator[Incoming]:
        """Where its bytes go. If the line breaks, what came stays, so that the next visit goes on from there.

        Only for the very same file by name, size and time, at a bank that gives it again; at most one for each bank,
        and never beyond the life of this process. It is hashed from its first byte all the same.
        """
        with ExitStack() as held:
            if self._part is not None and self._part.file == file:
                part, self._part = self._part, None
                held.push(part.held)
                incoming = part.incoming
            else:
                incoming = held.enter_context(self._archive.incoming())
            try:
                yield incoming
            except ChannelError:
                again = not box.folder.one_shot and file.modified is not None
                if again and 0 < incoming.size < file.size and not box.session.alive():
                    self._drop_part()
                    self._part = _Begun(file=file, incoming=incoming, held=held.pop_all())
                raise

    def _drop_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.held.close()

    def close(self) -> None:
        self._drop_part()

    def _keep_part(self, incoming: Incoming, file: RemoteFile, error: ChannelError) -> None:
        """All that is left of a file that the bank does not give again."""
        text = (
            f"Only {incoming.size} of {file.size} bytes arrived ({error}), and the bank gives this file once. "
            "Ask the bank to send it again; this part is kept and nothing of it is applied."
        )
        finding = Finding(code="FETCH_CUT", severity=Severity.ERROR, text=text)
        part = replace(file, size=incoming.size, modified=None)
        self._ledger.messages.cut(self._new_id(), self.bank.name, part, incoming.keep(), finding, self._clock.now())

    def finish_started(self, progress: Callable[[Message], None] = lambda _: None) -> None:
        """What a crash left kept but unread, or applied but not handed over, and what could not be opened before. Needs
        no line to the bank."""
        self._locked.clear()
        self._ledger.troubles.keep(self.bank.name, self.bank.places, self._clock.now())
        for message in self._ledger.messages.unread(self.bank.name):
            with _apart(message.name):
                progress(self._apply(message, self._folder_of(message)))
        for message in self._ledger.messages.not_handed_over(self.bank.name):
            with _apart(message.name):
                self._hand_over(message, self._folder_of(message))

    def _folder_of(self, message: Message) -> Inbound | None:
        """The block that it came by; where names overlap, the first that takes it."""
        taking = (i for i in self.bank.inbound if i.takes(message.folder, unnumbered(message.name)))
        return next(taking, None) or next((i for i in self.bank.inbound if message.folder in (i.remote, i.claim)), None)

    def _apply(self, message: Message, folder: Inbound | None) -> Message:
        if folder is None and message.opened_sha256 is None and any(each.pgp for each in self.bank.inbound):
            return self._ledger.messages.applied(message.id, _of_no_folder(message), self._clock.now())
        if folder and folder.pgp and message.opened_sha256 is None:
            message = self._opened(message, folder)
            if message.state is not MessageState.KEPT or message.opened_sha256 is None:
                return message
        reading = self._read(message, folder.messages if folder else None)
        try:
            return self._ledger.messages.applied(message.id, reading, self._clock.now(), self.bank.statuses)
        except Unstorable as error:
            return self._ledger.messages.applied(message.id, _not_stored(error), self._clock.now())
        except H2hError:
            raise
        except Exception as error:
            return self._ledger.messages.applied(message.id, _failed(message, error), self._clock.now())

    def _opened(self, message: Message, folder: Inbound) -> Message:
        """What it holds into the archive, then into its row; or nothing of it is applied, and why."""
        try:
            with self._archive.incoming() as incoming:
                with self._archive.open(message.sha256, "opening") as source:
                    found = self._envelopes.open(folder, source, incoming.write)
                sha256, size = incoming.keep(), incoming.size
        except NotDelivered as error:
            return self._put_off(message, folder, error)
        except FAULTS as error:
            reading = _refused(finding_of(error))
            return self._ledger.messages.applied(message.id, reading, self._clock.now())
        return self._ledger.messages.opened(message.id, sha256, size, found.signer, self._clock.now())

    def _put_off(self, message: Message, folder: Inbound, error: NotDelivered) -> Message:
        """A secret that it takes cannot be had now: it stays as it is up to the next pull."""
        text = f"{error} The file is kept, and tried again at each pull."
        trouble = Trouble(kind=Kind.NOT_OPENED, text=text, name=printable(message.name))
        self._told(folder, [trouble])
        self._locked[message.id] = (folder.place, trouble)
        return message

    def _read(self, message: Message, expected: Sequence[str] | None) -> Reading:
        """Everything the readers make of the file; a fault of our own is a finding, and the next file goes on."""
        try:
            with self._archive.open(message.read_sha256) as source:
                items = self._reader.read_in_columns(source, strict=False, expected=expected)
                return reading_of(items, scratch=self._archive.scratch)
        except H2hError:
            raise
        except Exception as error:
            return _failed(message, error)

    def _discarded(self, box: Mailbox, file: RemoteFile, message: Message) -> ChannelError | None:
        """Discard it after the commit, and again if that is not sure; the error, if it broke the line.

        What could not be read stays at the bank.
        """
        if box.folder.after == "leave" or message.state not in ENDED_WELL:
            return None
        try:
            if box.discard(file) and message.discarded_at is None:
                self._ledger.messages.discarded(message.id, box.folder.after, self._clock.now())
        except ChannelError as error:
            box.tell(Kind.NOT_REMOVED, file, str(error))
            return None if box.session.alive() else error
        return None

    def _hand_over(self, message: Message, folder: Inbound | None) -> None:
        """The original file, and its records as JSON Lines, to the ERP's folder; each appears at once and whole."""
        if message.state in (MessageState.REPEATED, MessageState.KEPT) or message.handed_over_at is not None:
            return
        try:
            where = folder.handed_to(read=message.state is MessageState.APPLIED) if folder else None
            names = self._deliver(message, where) if where else []
        except (FolderError, ReaderError) as error:
            told = {"event": "hand_over_failed", "file_id": message.id, "text": str(error)}
            log.error("file not handed over", extra=told)
            return
        self._ledger.messages.handed_over(message.id, names, self._clock.now())

    def _deliver(self, message: Message, folder: Path) -> list[str]:
        name = local_name(message.id, without_ending(message.name, *ENDINGS) if message.opened_sha256 else message.name)
        if message.state is MessageState.APPLIED:
            records = self._read(message, None).records
            if not records:
                raise ReaderError(f"{message.id} was read once, and could not be read again to hand its records over.")
            booked = self._ledger.messages.statements(message.id)
            lines = records_as_lines(message.id, _booked(records, booked))
            with atomic_writer(folder / f"{name}.jsonl") as file:
                file.writelines(lines)
        with self._archive.open(message.read_sha256) as source, atomic_writer(folder / name) as file:
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
    """A fault of our own: the file is kept, and nothing of it is applied."""
    log.error("reading failed", extra={"event": "read_failed", "file_id": message.id}, exc_info=error)
    text = f"The gateway itself failed on this file ({type(error).__name__}); report it, with the log."
    return _refused(Finding(code="INTERNAL", severity=Severity.ERROR, text=text))


def _not_stored(error: Unstorable) -> Reading:
    """It will not be otherwise at the next try, and the files behind it wait."""
    text = (
        f"{error} A value in the file is longer or larger than that allows; the file is kept, and nothing of it is "
        "applied. Ask the bank to send it without that value, or keep the ledger in SQLite, which has no such limit."
    )
    return _refused(Finding(code="NOT_STORABLE", severity=Severity.ERROR, text=text))


def _of_no_folder(message: Message) -> Reading:
    """Its folder may have asked for a signature."""
    text = (
        f"It came from {message.folder}, which is no folder of the settings any more, so that nothing says whether it "
        "has to be signed or encrypted. Put the folder back, and have it read again with `h2h reread`."
    )
    return _refused(Finding(code="FOLDER_UNKNOWN", severity=Severity.ERROR, text=text))


def _refused(finding: Finding) -> Reading:
    """Nothing of the file is applied."""
    return Reading(message=None, message_id=None, records=Gathered(), findings=[finding])


def _booked(records: Iterable[Record], statements: Collection[int]) -> Iterator[Record]:
    """Without the statements that were known already: the ERP gets each once, too."""
    for record in records:
        position = {Statement: "position", Entry: "statement", StatementNote: "statement"}.get(type(record))
        if position is None or getattr(record, position) in statements:
            yield record


def records_as_lines(message_id: str, records: Iterable[Record]) -> Iterable[bytes]:
    """JSON Lines: one record a line, its kind first, amounts as text, empty fields left out."""
    for record in records:
        line: dict[str, Any] = {"record": type(record).__name__, "file": message_id, **plain(record)}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
