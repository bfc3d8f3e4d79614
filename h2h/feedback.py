"""The status of every payment file, handed back to the ERP: one file for each version, in the ERP's own folder.

    committed version -> written under a name of its own, at once and whole -> noted as written

A crash between leads to the same name with the same bytes, or to a newer version. An ERP takes the files of a transfer
in the order of their names and removes them; each says everything, so that only the last one counts. A folder that
cannot be written is told in `status`, holds nothing else up, and is tried again.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.errors import FolderError
from h2h.folders import atomic_writer
from h2h.formats.status import headed, parts, write_json
from h2h.ledger import Ledger
from h2h.ledger.feedback import Version
from h2h.ledger.standings import Standing
from h2h.ledger.troubles import Kind, Trouble

log = logging.getLogger(__name__)

IN_MEMORY = 8_000_000  # bytes of one status
BLOCK = 1 << 20
AGAIN = timedelta(seconds=30)  # after a folder could not be written
JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is told of a transfer, but for the version; and the hash by which two of them are the same."""

    body: IO[bytes]
    sha256: str


class Feedback:
    """Of one bank's watched folders. One worker uses it."""

    def __init__(self, bank: Bank, *, ledger: Ledger, clock: Clock) -> None:
        self._bank = bank.name
        self._folders = {str(folder.watch): folder for folder in bank.outbound if folder.status}
        self._ledger = ledger
        self._clock = clock
        self._not_before: dict[str, datetime] = {}  # by place, after it could not be written

    def round(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Hand back what changed since the last round, and what could not be written then."""
        if not self._folders:
            return
        usable = [watch for watch, folder in self._folders.items() if self._usable(folder)]
        for transfer_id in self._ledger.feedback.unwritten(self._bank, usable):
            if stop():
                return
            self._tell(transfer_id)
        while not stop() and (changed := self._ledger.feedback.changed(self._bank, list(self._folders))):
            for transfer_id in changed.transfers:
                self._tell(transfer_id)
            self._ledger.feedback.seen(self._bank, changed.seq)

    def _tell(self, transfer_id: str) -> None:
        """The next version of one transfer; none where nothing that is told has changed."""
        with self._ledger.standings.of(transfer_id) as standing, content(standing) as said:
            folder = self._folders[standing.watch]
            version = self._ledger.feedback.allot(transfer_id, said.sha256, self._clock.now())
            if version is None or not self._usable(folder):
                return
            try:
                name = write_version(folder, standing, said.body, version)
            except FolderError as error:
                self._failed(folder, str(error))
                return
        now = self._clock.now()
        self._ledger.feedback.written(transfer_id, version.number, now)
        self._not_before.pop(folder.status_place, None)
        self._ledger.troubles.found(self._bank, folder.status_place, [], now)
        log.info("status handed back", extra={"event": "status_told", "file_id": transfer_id, "name_there": name})

    def _usable(self, folder: Outbound) -> bool:
        waits_until = self._not_before.get(folder.status_place)
        return waits_until is None or waits_until <= self._clock.now()

    def again(self) -> datetime | None:
        """When a folder is tried again that could not be written."""
        now = self._clock.now()
        return min((at for at in self._not_before.values() if at > now), default=None)

    def _failed(self, folder: Outbound, text: str) -> None:
        now = self._clock.now()
        self._not_before[folder.status_place] = now + AGAIN
        log.error("status not handed back", extra={"event": "status_failed", "bank": self._bank, "text": text})
        trouble = Trouble(kind=Kind.NOT_WRITTEN, text=f"{text} The ERP is told nothing until it can be written.")
        self._ledger.troubles.found(self._bank, folder.status_place, [trouble], now)


@contextmanager
def content(standing: Standing) -> Iterator[Content]:
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
        write_json(standing.file, parts(standing.payments()), standing.payments(), body)
        body.seek(0)
        sha256 = hashlib.sha256()
        while block := body.read(BLOCK):
            sha256.update(block)
        yield Content(body=body, sha256=sha256.hexdigest())


def write_version(folder: Outbound, standing: Standing, body: IO[bytes], version: Version) -> str:
    """Into the ERP's folder, in its format; the name. FolderError where it cannot be written."""
    assert folder.status is not None
    name = f"{standing.file.transfer}.{version.number:06}"
    if folder.status_format == JSON:
        name += ".status.json"
        with atomic_writer(folder.status / name) as file:
            file.write(headed(version.number, version.at))
            body.seek(0)
            shutil.copyfileobj(body, file)
        return name
    from h2h.formats.pain002 import write_pain_002  # here, as it takes a while and few folders ask for it

    name += ".pain.002.xml"
    message_id = f"{standing.file.transfer}-{version.number}"
    with atomic_writer(folder.status / name) as file:
        write_pain_002(
            standing.file, standing.payments, file, message=folder.status_format, message_id=message_id, at=version.at
        )
    return name
