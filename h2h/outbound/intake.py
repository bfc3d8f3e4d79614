"""Intake of one watched folder: claim -> keep -> judge -> file away. Every step can be done again after a crash.

What lies in the claims folder is what is under way; the ledger tells how far it came. Events of the file system only
hasten a round; the round's own look at the folder is the truth. One bad file never blocks the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import BinaryIO

from h2h.archive import Archive
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.confined import ConfinedReader
from h2h.errors import AlreadyRunning, Damaged, FolderError, H2hError, Stale, StillChanging, StoreError
from h2h.folders import Claimed, Scan, WatchedFolder, owner_of
from h2h.foothold import Filed, Foothold
from h2h.ledger import Ledger
from h2h.ledger.rows import Received, Transfer, received_of
from h2h.lifecycle import State
from h2h.model import AsSent, Finding, Judgement, Severity, TransferId
from h2h.outbound import upgrade
from h2h.outbound.judge import judge
from h2h.outbound.origin import Origin
from h2h.outbound.report import json_report, report, text_report
from h2h.rules import Terms
from h2h.text import printable

log = logging.getLogger(__name__)


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
        same_payments_within: timedelta,
        new_id: Callable[[], TransferId],
    ) -> None:
        self.bank = bank
        self.folder = folder
        self._watched = WatchedFolder(folder, lambda: ledger.transfers.taken_from(str(folder.watch)))
        self._foothold = foothold
        self._ledger = ledger
        self._archive = archive
        self._reader = reader
        self._clock = clock
        self._same_payments_within = same_payments_within
        self._new_id = new_id

    def round(self, progress: Callable[[Transfer], None] = lambda _: None) -> Scan:
        """Take in everything that is complete now; what is not yet is in the answer's `waiting`.

        What an earlier round left over comes first: its markers must not complete the next file of a name.
        """
        try:
            self._foothold.take()
            origin = Origin(self.folder)
            self._finish_started(origin, progress)
            scan = self._watched.scan(self._clock.monotonic(), self._clock.now())
        except (FolderError, AlreadyRunning) as error:
            log.error("watched folder cannot be used", extra={"event": "scan_failed", "text": str(error)})
            return Scan(error=str(error))
        short = [why for name in scan.ready if (why := self._take_new(name, origin, progress))]
        if short:
            raise StoreError(short[0])
        return scan

    def _take_new(self, name: str, origin: Origin, progress: Callable[[Transfer], None]) -> str | None:
        """Claim and take one file; why not, where there is no room for it: it stays where it is."""
        if short := self._archive.shortage(self._foothold.size(name)):
            return short
        if claimed := self._claim(name):
            self._take(claimed, origin, progress)
        return None

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
        for file in found:
            opened = self._foothold.open(file) if isinstance(file, Filed) else self._watched.open(file)
            try:
                received, _ = self._received(file, opened)
            except FolderError as error:
                if isinstance(file, Claimed) or isinstance(error, StillChanging):
                    raise  # it would be judged later as if it were new: stock is taken again at the next start
                log.error("file cannot be entered", extra={"event": "stock_failed", "text": str(error)})
                continue
            filed = isinstance(file, Filed) and file.folder == self.folder.processed
            progress(self._enter(received, processed=filed))
        for transfer in self._ledger.transfers.in_state(State.RECEIVED):
            if transfer.watch == str(self.folder.watch):
                progress(self._enter(received_of(transfer), processed=False))

    def _enter(self, file: Received, *, processed: bool) -> Transfer:
        """`processed`: it was taken over once, as whatever message: that it was dropped here says nothing any more."""
        terms = self._terms()
        judgement, sent = self._judged(file.id, file.sha256, replace(terms, messages=None) if processed else terms)
        within = self._same_payments_within
        return self._ledger.restored.found(file, judgement, self._clock.now(), within, sent)

    # What a round does.

    def _claim(self, name: str) -> Claimed | None:
        try:
            return self._watched.claim(name, self._new_id())
        except FolderError as error:
            told = {"event": "claim_failed", "file": printable(name), "text": str(error)}
            log.error("file cannot be claimed", extra=told)
            return None

    def _finish_started(self, origin: Origin, progress: Callable[[Transfer], None]) -> None:
        """What a crash, or a file that was still changing, left over."""
        claims = self._watched.claims()
        for claimed in claims:
            self._take(claimed, origin, progress)
        standing = {claimed.id for claimed in claims}
        for transfer in self._ledger.transfers.in_state(State.RECEIVED):
            if transfer.watch == str(self.folder.watch) and not (origin.asked and transfer.id in standing):
                self._judge_kept(transfer, [*origin.unknown()], progress)

    def _judge_kept(self, transfer: Transfer, doubts: Sequence[Finding], progress: Callable[[Transfer], None]) -> None:
        """One whose bytes were damaged here stays as it is, told at each round; the others go on."""
        try:
            progress(self._judge(transfer, doubts))
        except Damaged as error:
            told = {"event": "file_damaged", "transfer": transfer.id, "text": str(error)}
            log.error("file damaged", extra=told)

    def _take(self, claimed: Claimed, origin: Origin, progress: Callable[[Transfer], None]) -> None:
        try:
            transfer, doubts = self._keep(claimed, origin)
            if transfer.state is State.RECEIVED:
                transfer = self._judge(transfer, doubts)
            self._file_away(claimed, transfer)
        except StillChanging:
            return
        except (FolderError, Damaged, Stale) as error:  # Stale: written on, so not what was judged
            log.error("claimed file cannot be used", extra={"event": "claim_failed", "text": str(error)})
            return
        progress(transfer)

    def _keep(self, claimed: Claimed, origin: Origin) -> tuple[Transfer, list[Finding]]:
        """Bytes into the archive first, then the row that names them; and what speaks against the file's origin."""
        received, owner = self._received(claimed, self._watched.open(claimed))
        self._ledger.transfers.received(received, self._clock.now())
        doubts = origin.findings(owner, self._watched.manifest(claimed), received.sha256) if origin.asked else ()
        return self._ledger.transfers.get(claimed.id), [*doubts]

    def _received(self, file: Claimed | Filed, opened: AbstractContextManager[BinaryIO]) -> tuple[Received, int]:
        """The file's bytes in the archive, and who owns it."""
        with self._archive.incoming() as incoming:
            with opened as source:
                owner = owner_of(source)
                if not incoming.copy(source, self.folder.max_size):
                    raise FolderError(f"{file.name} grew beyond {self.folder.max_size} bytes after it was claimed.")
            sha256 = incoming.keep()
        received = Received(
            id=file.id,
            bank=self.bank.name,
            watch=str(self.folder.watch),
            name=file.name,
            sha256=sha256,
            size=incoming.size,
        )
        return received, owner

    def _judge(self, transfer: Transfer, doubts: Sequence[Finding]) -> Transfer:
        judgement, sent = self._judged(transfer.id, transfer.sha256, self._terms())
        judgement = replace(judgement, findings=[*doubts, *judgement.findings])
        now, within = self._clock.now(), self._same_payments_within
        return self._ledger.transfers.judged(
            transfer.id, judgement, due_at=now, now=now, same_payments_within=within, as_sent=sent
        )

    def _terms(self) -> Terms:
        return self.bank.terms(self.folder, self._clock.now())

    def _judged(self, transfer_id: TransferId, sha256: str, terms: Terms) -> tuple[Judgement, AsSent | None]:
        """A fault of our own while judging refuses the file: nothing is sent that was not judged to its end."""
        try:
            with self._archive.open(sha256, "judging") as source:
                taken = terms.supplementary_data
                items = self._reader.read(source, strict=True, expected=terms.messages, supplementary=taken)
                judgement = judge(items, terms, self._archive.scratch)
            if upgrade.applies(judgement, terms):
                return self._upgraded(transfer_id, sha256, judgement, terms)
            return judgement, None
        except H2hError:
            raise
        except Exception as error:
            log.exception("judging failed", extra={"event": "judge_failed", "transfer": transfer_id})
            text = f"The gateway itself failed on this file ({type(error).__name__}); report it, with the log."
            finding = Finding(code="INTERNAL", severity=Severity.ERROR, text=text)
            return Judgement(header=None, batches=(), payments=(), findings=[finding]), None

    def _upgraded(
        self, transfer_id: TransferId, sha256: str, judgement: Judgement, terms: Terms
    ) -> tuple[Judgement, AsSent | None]:
        """The new file into the archive first. Done again after a crash, it has the same bytes."""
        wanted = upgrade.order(terms, f"{transfer_id} {sha256}")
        with self._archive.incoming() as incoming:
            with self._archive.open(sha256, "upgrading") as source:
                found = upgrade.write(self._reader, source, wanted, incoming.write)
            if found:
                return upgrade.with_findings(judgement, found, terms), None
            new = incoming.keep()
        expected = upgrade.as_sent(judgement, wanted, terms, self._archive.scratch)
        with self._archive.open(new, "comparing") as source:
            found = upgrade.differences(self._reader, source, expected, terms)
        sent = None if found else AsSent(sha256=new, size=incoming.size, judgement=expected)
        return upgrade.with_findings(judgement, found, terms), sent

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
