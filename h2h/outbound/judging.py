"""Judging a file that is kept: its bytes are read from the archive by a reader process, and the rules asked here.

Where the folder brings files to a newer version of their message, the new bytes are written, and judged, as well.
"""

from __future__ import annotations

import ctypes
import logging
from dataclasses import replace
from functools import partial

from h2h.archive import Archive
from h2h.confined import ConfinedReader
from h2h.errors import H2hError
from h2h.ledger.rows import Judged, Received, Transfer
from h2h.model import AsSent, Finding, Judgement, Severity
from h2h.outbound import upgrade
from h2h.outbound.judge import asked_too, judge_bytes
from h2h.rules import Terms

LARGE = 100_000  # payments

log = logging.getLogger(__name__)


class FileJudge:
    """May be asked of several files at a time, by several threads."""

    def __init__(self, archive: Archive, reader: ConfinedReader) -> None:
        self._archive = archive
        self._reader = reader

    def judged(self, file: Received | Transfer, terms: Terms) -> Judged:
        """All that is wrong with it. Raises Damaged where its bytes changed."""
        terms = replace(terms, called=file.name)
        judgement, sent = self._judged(file, terms)
        if len(judgement.payments) > LARGE:
            _give_back_memory()
        return Judged(id=file.id, judgement=judgement, as_sent=sent, approvals=terms.approvals, profile=terms.profile)

    def _judged(self, file: Received | Transfer, terms: Terms) -> tuple[Judgement, AsSent | None]:
        """A fault of our own while judging refuses the file: nothing is sent that was not judged to its end."""
        try:
            with self._archive.open(file.sha256, "judging") as source:
                judgement = judge_bytes(self._reader, source, terms, self._archive.scratch)
            sent: AsSent | None = None
            if upgrade.applies(judgement, terms):
                judgement, sent = self._upgraded(file, judgement, terms)
            opened = partial(self._archive.open, sent.sha256 if sent else file.sha256, "judging")
            return asked_too(judgement, opened, self._reader.asked, terms), sent
        except H2hError:
            raise
        except Exception as error:
            log.exception("judging failed", extra={"event": "judge_failed", "transfer": file.id})
            text = f"The gateway itself failed on this file ({type(error).__name__}); report it, with the log."
            finding = Finding(code="INTERNAL", severity=Severity.ERROR, text=text)
            return Judgement(header=None, batches=(), payments=(), findings=[finding]), None

    def _upgraded(
        self, file: Received | Transfer, judgement: Judgement, terms: Terms
    ) -> tuple[Judgement, AsSent | None]:
        """The new file into the archive first. Done again after a crash, it has the same bytes."""
        wanted = upgrade.order(terms, f"{file.id} {file.sha256}")
        with self._archive.incoming() as incoming:
            with self._archive.open(file.sha256, "upgrading") as source:
                found = upgrade.write(self._reader, source, wanted, incoming.write)
            if found:
                return upgrade.with_findings(judgement, found, terms), None
            new = incoming.keep()
        expected = upgrade.as_sent(judgement, wanted, terms, self._archive.scratch)
        with self._archive.open(new, "comparing") as source:
            found = upgrade.differences(self._reader, source, expected, terms)
        sent = None if found else AsSent(sha256=new, size=incoming.size, judgement=expected)
        return upgrade.with_findings(judgement, found, terms), sent


def _give_back_memory() -> None:
    """What the rules took is free, and would stay with this process while it takes more to store the payments."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc alone
        trim(0)
