"""Sight: what is in a file, read once more from the very bytes that would go out, for whoever has to approve them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from h2h.approval import Sight
from h2h.archive import Archive
from h2h.config import Bank
from h2h.confined import ConfinedReader
from h2h.errors import NotAllowed
from h2h.ledger.rows import Transfer, refuse_purged
from h2h.ledger.sights import Sights
from h2h.model import Judgement, Severity
from h2h.outbound.judge import judge

KNOWN_FOR = timedelta(days=365)  # where the folder does not say for how long an account counts as known


class Looking:
    def __init__(
        self,
        bank_of: Callable[[str], Bank],
        *,
        archive: Archive,
        reader_of: Callable[[Bank], ConfinedReader],
        sights: Sights,
    ) -> None:
        self._bank_of = bank_of
        self._archive = archive
        self._reader_of = reader_of
        self._sights = sights

    def at(self, transfer: Transfer) -> Sight:
        """Damaged where the bytes are not what they were; NotAllowed where they are not what was judged."""
        refuse_purged(transfer.id, transfer.purged_at)
        bank = self._bank_of(transfer.bank)
        folder = bank.outbound_for(transfer.watch)
        rows = [row.known_for for row in folder.approvals if row.new_creditors] if folder else []
        judgement = self._read(bank, transfer, folder.supplementary_data if folder else ())
        return self._sights.of(transfer, judgement, max(rows, default=KNOWN_FOR))

    def _read(self, bank: Bank, transfer: Transfer, supplementary: list[str] | tuple[()]) -> Judgement:
        with self._archive.open(transfer.sha256, "reading") as source:
            expected = [transfer.message] if transfer.message else None
            items = self._reader_of(bank).read_in_columns(
                source, strict=True, expected=expected, supplementary=supplementary
            )
            judgement = judge(items, scratch=self._archive.scratch)
        if wrong := next((f for f in judgement.findings if f.severity is Severity.ERROR), None):
            raise NotAllowed(f"{transfer.id} cannot be looked at, so nobody can approve it: {wrong.code}: {wrong.text}")
        return judgement
