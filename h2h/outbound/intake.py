"""Intake of one watched folder: claim -> keep -> judge -> file away. Every step can be done again after a crash.

What lies in the claims folder is what is under way; the ledger tells how far it came. Events of the file system only
hasten a round; the round's own look at the folder is the truth. One bad file never blocks the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import BinaryIO

from h2h.archive import Archive
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.errors import FolderError, H2hError, Stale, StillChanging
from h2h.folders import Claimed, Scan, WatchedFolder
from h2h.ledger import Ledger
from h2h.ledger.transfers import Received, Transfer
from h2h.lifecycle import State
from h2h.messages import Catalog
from h2h.model import Finding, Judgement, Severity, TransferId
from h2h.outbound.judge import judge
from h2h.outbound.report import json_report, report, text_report

log = logging.getLogger(__name__)


class Intake:
    def __init__(
        self,
        bank: Bank,
        folder: Outbound,
        *,
        ledger: Ledger,
        archive: Archive,
        catalog: Catalog,
        clock: Clock,
        new_id: Callable[[], TransferId],
    ) -> None:
        self.bank = bank
        self.folder = folder
        self._watched = WatchedFolder(folder)
        self._ledger = ledger
        self._archive = archive
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id

    def round(self, progress: Callable[[Transfer], None] = lambda _: None) -> Scan:
        """Take in everything that is complete now; what is not yet is in the answer's `waiting`."""
        try:
            scan = self._watched.scan(self._clock.monotonic())
        except FolderError as error:
            log.error("watched folder cannot be used", extra={"event": "scan_failed", "text": str(error)})
            return Scan(ready=(), waiting=(), ignored=())
        for name in scan.ready:
            if claimed := self._watched.claim(name, self._new_id()):
                self._take(claimed, progress)
        self._finish_started(progress)
        return scan

    def _finish_started(self, progress: Callable[[Transfer], None]) -> None:
        """What a crash, or a file that was still changing, left over."""
        for claimed in self._watched.claims():
            self._take(claimed, progress)
        for transfer in self._ledger.transfers.in_state(State.RECEIVED):
            if transfer.watch == str(self.folder.watch):
                progress(self._judge(transfer))

    def _take(self, claimed: Claimed, progress: Callable[[Transfer], None]) -> None:
        try:
            transfer = self._keep(claimed)
            if transfer.state is State.RECEIVED:
                transfer = self._judge(transfer)
            self._file_away(claimed, transfer)
        except StillChanging:
            return
        except (FolderError, Stale) as error:  # Stale: written on after it was kept, so it is not what was judged
            log.error("claimed file cannot be used", extra={"event": "claim_failed", "text": str(error)})
            return
        progress(transfer)

    def _keep(self, claimed: Claimed) -> Transfer:
        """Bytes into the archive first, then the row that names them."""
        with self._archive.incoming() as incoming:
            with self._watched.open(claimed) as source:
                if not incoming.copy(source, self.folder.max_size):
                    raise FolderError(f"{claimed.path} grew beyond {self.folder.max_size} bytes; remove it.")
            sha256 = incoming.keep()
        received = Received(
            id=claimed.id,
            bank=self.bank.name,
            watch=str(self.folder.watch),
            name=claimed.name,
            sha256=sha256,
            size=incoming.size,
        )
        self._ledger.transfers.received(received, self._clock.now())
        return self._ledger.transfers.get(claimed.id)

    def _judge(self, transfer: Transfer) -> Transfer:
        with self._archive.open(transfer.sha256) as source:
            judgement = self._judgement(transfer, source)
        now = self._clock.now()
        return self._ledger.transfers.judged(transfer.id, judgement, due_at=now, now=now)

    def _judgement(self, transfer: Transfer, source: BinaryIO) -> Judgement:
        """A fault of our own while judging refuses the file: nothing is sent that was not judged to its end."""
        try:
            return judge(source, self._catalog, self.bank.terms(self.folder, self._clock.now()))
        except H2hError:
            raise
        except Exception as error:
            log.exception("judging failed", extra={"event": "judge_failed", "transfer": transfer.id})
            text = f"The gateway itself failed on this file ({type(error).__name__}); report it, with the log."
            finding = Finding(code="INTERNAL", severity=Severity.ERROR, text=text)
            return Judgement(header=None, batches=(), payments=(), findings=[finding])

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
