"""Intake of one watched folder: claim -> keep -> judge -> file away. Every step can be done again after a crash.

What lies in the claims folder is what is under way; the ledger tells how far it came. Events of the file system only
hasten a round; the round's own look at the folder is the truth. One bad file never blocks the next.

Small files that are complete at the same time go each step together: they share its syncs and its transaction. The
order stays that of one file: claims are durable before bytes are kept, bytes before the rows that name them, rows
before a file is filed away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import BinaryIO

from h2h.archive import Archive, Incoming
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.confined import ConfinedReader
from h2h.credentials import Credentials
from h2h.envelopes import Envelopes
from h2h.errors import AlreadyRunning, Damaged, FolderError, H2hError, Stale, StillChanging, StoreError
from h2h.folders import Claimed, WatchedFolder, owner_of
from h2h.foothold import Filed, Foothold
from h2h.ledger import Ledger
from h2h.ledger.rows import Judged, Received, Transfer, received_of
from h2h.lifecycle import State
from h2h.model import Finding, TransferId
from h2h.outbound.judging import FileJudge
from h2h.outbound.origin import Origin, user_name
from h2h.outbound.report import json_report, report, text_report
from h2h.rules import Terms
from h2h.sightings import Scan
from h2h.text import printable

log = logging.getLogger(__name__)


TOGETHER, TOGETHER_BYTES = 32, 4 << 20  # files of a group, and what they have in all
JUDGES = 2  # files of it that are judged at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A claimed file whose bytes are kept; `doubts`: what speaks against it before it is read."""

    claimed: Claimed
    transfer: Transfer
    doubts: Sequence[Finding]
    judge: Callable[[], Judged]


Begin = Callable[[Received], Callable[[], Judged]]
"""Begins to judge a file; what it returns waits for the end."""


@contextmanager
def _alone() -> Iterator[None]:
    """What is the matter with one claimed file is told, and keeps no other from its turn. It stays claimed, and is
    looked at again in the next round."""
    try:
        yield
    except StillChanging:
        pass
    except (FolderError, Damaged, Stale) as error:  # Stale: written on, so not what was judged
        log.error("claimed file cannot be used", extra={"event": "claim_failed", "text": str(error)})


def _judged(one: _Kept) -> list[Judged]:
    found: list[Judged] = []
    with _alone():
        found.append(one.judge().after(one.doubts))
    return found


class Intake:
    def __init__(
        self,
        bank: Bank,
        folder: Outbound,
        *,
        ledger: Ledger,
        archive: Archive,
        reader: ConfinedReader,
        clock: Clock,
        foothold: Foothold,
        credentials: Credentials,
        envelopes: Envelopes,
        same_payments_within: timedelta,
        new_id: Callable[[], TransferId],
    ) -> None:
        self.bank = bank
        self.folder = folder
        self._watched = WatchedFolder(folder, lambda: ledger.transfers.taken_from(str(folder.watch)))
        self._foothold = foothold
        self._credentials = credentials
        self._envelopes = envelopes
        self._ledger = ledger
        self._archive = archive
        self._judge = FileJudge(archive, reader)
        self._clock = clock
        self._same_payments_within = same_payments_within
        self._new_id = new_id

    def round(self, progress: Callable[[Transfer], None] = lambda _: None) -> Scan:
        """Take in everything that is complete now; what is not yet is in the answer's `waiting`.

        What an earlier round left over comes first: its markers must not complete the next file of a name.
        """
        try:
            self._foothold.take()
            origin = Origin(self.folder, self._credentials)
            self._finish_started(origin, progress)
            scan = self._watched.scan(self._clock.monotonic(), self._clock.now())
        except (FolderError, AlreadyRunning) as error:
            log.error("watched folder cannot be used", extra={"event": "scan_failed", "text": str(error)})
            return Scan(error=str(error))
        short: list[str] = []
        self._take_all(self._together(scan.ready), origin, short, progress)
        if short:
            raise StoreError(short[0])
        return scan

    def _together(self, names: Sequence[str]) -> Iterator[list[str]]:
        """So many small files at a time; a large one by itself."""
        group: list[str] = []
        room = TOGETHER_BYTES
        for name in names:
            size = self._foothold.size(name)
            if group and (len(group) == TOGETHER or size > room):
                yield group
                group, room = [], TOGETHER_BYTES
            group.append(name)
            room -= size
        if group:
            yield group

    # After the ledger was put back from an older copy.

    def strangers(self) -> list[Filed]:
        """Files that were filed away under an id of ours which the ledger does not know."""
        filed = self._foothold.filed()
        unknown = self._ledger.restored.unknown(file.id for file in filed)
        return [file for file in filed if file.id in unknown]

    def take_stock(self, progress: Callable[[Transfer], None] = lambda _: None) -> None:
        """Enter every file that was taken, and of which the ledger has no judgement: the bank may have it."""
        claims = self._watched.claims()
        unknown = self._ledger.restored.unknown(claim.id for claim in claims)
        found: list[Filed | Claimed] = [*self.strangers(), *(claim for claim in claims if claim.id in unknown)]
        taken = {file.id for file in self._foothold.filed() if file.folder == self.folder.processed}
        for file in found:
            opened = self._foothold.open(file) if isinstance(file, Filed) else self._watched.open(file)
            try:
                with self._archive.incoming() as incoming:
                    owner = self._copied(file, opened, incoming)
                    received = self._placed(file, incoming, owner)
            except FolderError as error:
                if isinstance(file, Claimed) or isinstance(error, StillChanging):
                    raise  # it would be judged later as if it were new: stock is taken again at the next start
                log.error("file cannot be entered", extra={"event": "stock_failed", "text": str(error)})
                continue
            self._archive.secure([received.sha256])
            progress(self._enter(received, processed=file.id in taken))
        for transfer in self._ledger.transfers.in_state(State.RECEIVED):
            if transfer.watch == str(self.folder.watch):
                progress(self._enter(received_of(transfer), processed=transfer.id in taken))

    def _enter(self, file: Received, *, processed: bool) -> Transfer:
        """`processed`: it was taken over once, by the settings of that day."""
        terms = self._terms()
        judged = self._judge.judged(file, terms.taken_once if processed else terms)
        within = self._same_payments_within
        return self._ledger.restored.found(file, judged, self._clock.now(), within)

    # What a round does.

    def _take_all(
        self, groups: Iterable[Sequence[str]], origin: Origin, short: list[str], progress: Callable[[Transfer], None]
    ) -> None:
        """Each group is judged while the next one is claimed and kept, and while the rows of the one before it are
        written."""
        before: list[_Kept] = []
        with ThreadPoolExecutor(JUDGES, "judge") as threads:
            for names in groups:
                if len(names) == 1:  # a large one, perhaps: to keep it may take minutes
                    self._settle(before, progress)
                    before = []
                try:
                    kept = self._kept(self._claimed(names, short), origin, threads)
                except H2hError:  # what is the matter with these is not the matter of the ones before
                    self._settle(before, progress)
                    raise
                self._settle(before, progress)
                before = kept
            self._settle(before, progress)

    def _claimed(self, names: Sequence[str], short: list[str]) -> list[Claimed]:
        """Those that could be claimed; one for which there is no room stays where it is, and `short` says why."""
        lacking = {name: why for name in names if (why := self._archive.shortage(self._foothold.size(name)))}
        short += lacking.values()
        ids = {name: self._new_id() for name in names if name not in lacking}
        if ids:
            self._watched.prepare(list(ids.values()))
        found = [claimed for name, new_id in ids.items() if (claimed := self._claim(name, new_id))]
        return self._watched.secured(found) if found else []

    def _claim(self, name: str, new_id: TransferId) -> Claimed | None:
        try:
            return self._watched.claim(name, new_id)
        except FolderError as error:
            told = {"event": "claim_failed", "file": printable(name), "text": str(error)}
            log.error("file cannot be claimed", extra=told)
            return None

    def _finish_started(self, origin: Origin, progress: Callable[[Transfer], None]) -> None:
        """What a crash, or a file that was still changing, left over."""
        claims = self._watched.claims()
        for claimed in claims:
            self._settle(self._kept([claimed], origin), progress)
        standing = {claimed.id for claimed in claims}
        for transfer in self._ledger.transfers.in_state(State.RECEIVED):
            if transfer.watch == str(self.folder.watch) and not (origin.asked and transfer.id in standing):
                self._judge_kept(transfer, [*origin.unknown(), *self._unsealable()], progress)

    def _unsealable(self) -> list[Finding]:
        """Why a file that came now could not be signed or encrypted when it goes."""
        return self._envelopes.doubts(self.folder, self.bank.goes_until(self.folder, self._clock.now()))

    def _judge_kept(self, transfer: Transfer, doubts: Sequence[Finding], progress: Callable[[Transfer], None]) -> None:
        """One whose bytes were damaged here stays as it is, told at each round; the others go on."""
        try:
            judged = self._judge.judged(transfer, self._terms())
        except Damaged as error:
            told = {"event": "file_damaged", "transfer": transfer.id, "text": str(error)}
            log.error("file damaged", extra=told)
        else:
            progress(self._stored([judged.after(doubts)])[transfer.id])

    def _settle(self, kept: Sequence[_Kept], progress: Callable[[Transfer], None]) -> None:
        """When they are judged: the rows that say so, then their places in the folder."""
        if not kept:
            return
        judged = [found for one in kept if one.transfer.state is State.RECEIVED for found in _judged(one)]
        rows: dict[TransferId, Transfer] = {}
        with _alone():
            rows = self._stored(judged)
        filed: list[tuple[Claimed, Transfer]] = []
        for one in kept:
            transfer = rows.get(one.transfer.id, one.transfer)
            if transfer.state is not State.RECEIVED:
                with _alone():
                    self._file_away(one.claimed, transfer)
                    filed.append((one.claimed, transfer))
        with _alone():
            self._watched.let_go([claimed for claimed, _ in filed])
        for _, transfer in filed:
            progress(transfer)

    def _begin(self, threads: Executor | None) -> Begin:
        """Several files are judged by threads while more is done; one alone when it is asked for."""
        terms = self._terms()
        if threads is None:
            return lambda file: partial(self._judge.judged, file, terms)
        return lambda file: threads.submit(self._judge.judged, file, terms).result

    def _kept(self, claims: Sequence[Claimed], origin: Origin, threads: Executor | None = None) -> list[_Kept]:
        """Bytes into the archive first, then the rows that name them; and what speaks against each unread."""
        begin = self._begin(threads if len(claims) > 1 else None)
        placed = self._placed_together(claims)
        if not placed:
            return []
        judges = [begin(received) for _, received, _ in placed]
        self._archive.secure([received.sha256 for _, received, _ in placed])
        unsealable = self._unsealable()
        rows = self._ledger.transfers.received_many([received for _, received, _ in placed], self._clock.now())
        kept: list[_Kept] = []
        for (claimed, received, owner), judge, row in zip(placed, judges, rows, strict=True):
            with _alone():
                if isinstance(row, Stale):
                    raise row
                manifest = self._watched.manifest(claimed) if origin.asked else None
                doubts = [*origin.findings(owner, manifest, received.sha256), *unsealable]
                kept.append(_Kept(claimed=claimed, transfer=row, doubts=doubts, judge=judge))
        return kept

    def _placed_together(self, claims: Sequence[Claimed]) -> list[tuple[Claimed, Received, int]]:
        """Those whose bytes are in the archive, not secured yet; and who owns each."""
        copied: list[tuple[Claimed, Incoming, int]] = []
        with ExitStack() as begun:
            for claimed in claims:
                with _alone():
                    incoming = begun.enter_context(self._archive.incoming())
                    copied.append((claimed, incoming, self._copied(claimed, self._watched.open(claimed), incoming)))
            self._archive.write_out([incoming for _, incoming, _ in copied])
            return [(claimed, self._placed(claimed, incoming, owner), owner) for claimed, incoming, owner in copied]

    def _copied(self, file: Claimed | Filed, opened: AbstractContextManager[BinaryIO], incoming: Incoming) -> int:
        """Who owns the file."""
        with opened as source:
            if not incoming.copy(source, self.folder.max_size):
                raise FolderError(f"{file.name} grew beyond {self.folder.max_size} bytes after it was claimed.")
            return owner_of(source)

    def _placed(self, file: Claimed | Filed, incoming: Incoming, owner: int) -> Received:
        return Received(
            id=file.id,
            bank=self.bank.name,
            watch=str(self.folder.watch),
            name=file.name,
            sha256=incoming.place(),
            size=incoming.size,
            makers=[user_name(owner)],
        )

    def _terms(self) -> Terms:
        return self.bank.terms(self.folder, self._clock.now())

    def _stored(self, judged: Sequence[Judged]) -> dict[TransferId, Transfer]:
        """The rows as they stand then, by id. Where several cannot be stored together, each is by itself."""
        if not judged:
            return {}
        now, within = self._clock.now(), self._same_payments_within
        try:
            return {row.id: row for row in self._ledger.transfers.judged_many(judged, now, same_payments_within=within)}
        except Exception as error:
            if len(judged) < 2:
                raise
            log.warning("files are stored one by one", extra={"event": "group_failed", "text": str(error)})
        rows: dict[TransferId, Transfer] = {}
        for one in judged:
            with _alone():
                rows |= self._stored([one])
        return rows

    def _file_away(self, claimed: Claimed, transfer: Transfer) -> None:
        rejected = transfer.state in (State.INVALID, State.DUPLICATE)
        self._watched.file_away(claimed, rejected=rejected, reports=self._reports(transfer) if rejected else {})

    def _reports(self, transfer: Transfer) -> dict[str, bytes]:
        history = self._ledger.views.history(transfer.id)
        found = report(
            file=transfer.name,
            verdict=transfer.state,
            message=transfer.message,
            message_id=transfer.message_id,
            payments=transfer.payments,
            control_sum=transfer.control_sum,
            findings=history.findings,
        )
        at = f"{history.lines[-1].at:%Y-%m-%d %H:%M:%S} UTC"
        text = text_report(found, transfer_id=transfer.id, at=at)
        return {".report.json": json_report({"id": transfer.id, **found}), ".report.txt": text}
