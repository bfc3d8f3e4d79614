"""Sealing what is about to go: its bytes as the bank wants them, in the archive and in the ledger before the lease.

Here alone, and only while a transfer is READY: what was announced to a bank, or may be there, is looked for by the size
of these very bytes. A file whose seal is the one that is wanted now keeps it, so that it is the same bytes that are
tried again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from h2h.archive import Archive, Incoming
from h2h.clock import Clock
from h2h.config import Bank
from h2h.envelopes import Envelopes
from h2h.errors import Damaged, Stale
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.model import Seal, Sealed
from h2h.outbound.names import final_name
from h2h.outbound.publisher import unless_stale

AT_ONCE = os.cpu_count() or 1  # files that are sealed at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    transfer: Transfer
    seal: Seal
    incoming: Incoming


class Sealer:
    """One bank's."""

    def __init__(self, bank: Bank, *, ledger: Ledger, archive: Archive, clock: Clock) -> None:
        self._bank, self._ledger, self._archive, self._clock = bank, ledger, archive, clock
        self._envelopes = Envelopes()

    def shortage(self, transfers: Sequence[Transfer]) -> str | None:
        """Why there is no room to send these now; None where there is."""
        folders = [(transfer, self._bank.outbound_for(transfer.watch)) for transfer in transfers]
        return self._archive.shortage(sum(each.size for each, folder in folders if folder and folder.seals))

    def sealed(self, transfers: Sequence[Transfer]) -> tuple[list[Transfer], list[Transfer | Stale]]:
        """READY ones as they may go now, and what became of the others: held where they cannot be sealed."""
        now = self._clock.now()
        anew = [(each, seal) for each in transfers if _words(seal := self._wanted(each, now)) != each.sealed_by]
        if not anew:
            return [*transfers], []
        done, failed = self._written([(each, seal) for each, seal in anew if seal])
        done += [(each, None) for each, seal in anew if seal is None]
        found = self._ledger.sealings.sealed_many(done, self._clock.now()) if done else []
        others: list[Transfer | Stale] = [one for one in found if isinstance(one, Stale)]
        others += [unless_stale(self._ledger.sealings.failed, each, why, self._clock.now()) for each, why in failed]
        as_wanted = {each.id: each for each in transfers if each.id not in {one.id for one, _ in anew}}
        going = as_wanted | {one.id: one for one in found if isinstance(one, Transfer)}
        return [going[each.id] for each in transfers if each.id in going], others

    def _wanted(self, transfer: Transfer, now: datetime) -> Seal | None:
        folder = self._bank.outbound_for(transfer.watch)
        assert folder is not None
        return self._envelopes.wanted(folder, final_name(self._bank, folder, transfer, now))

    def _written(
        self, files: Sequence[tuple[Transfer, Seal]]
    ) -> tuple[list[tuple[Transfer, Sealed | None]], list[tuple[Transfer, str]]]:
        """The bytes of each, durable in the archive; and why others have none."""
        with ExitStack() as opened:
            begun = [
                _Begun(transfer=each, seal=seal, incoming=opened.enter_context(self._archive.incoming()))
                for each, seal in files
            ]
            whys = self._write_all(begun)
            whole = [one for one, why in zip(begun, whys, strict=True) if why is None]
            self._archive.write_out([one.incoming for one in whole])
            done = [(one.transfer, _placed(one)) for one in whole]
        self._archive.secure([sealed.sha256 for _, sealed in done])
        return [*done], [(one.transfer, why) for one, why in zip(begun, whys, strict=True) if why]

    def _write_all(self, begun: Sequence[_Begun]) -> list[str | None]:
        if len(begun) < 2:
            return [self._write(one) for one in begun]
        with ThreadPoolExecutor(min(AT_ONCE, len(begun)), "seal") as threads:
            return [*threads.map(self._write, begun)]

    def _write(self, one: _Begun) -> str | None:
        """Why it cannot be done, if it cannot."""
        try:
            with self._archive.open(one.transfer.sha256, "sealing") as source:
                self._envelopes.seal(one.seal, source, one.transfer.size, one.incoming.write)
        except Damaged as error:
            return str(error)
        return None


def _words(seal: Seal | None) -> str | None:
    return seal.words if seal else None


def _placed(one: _Begun) -> Sealed:
    return Sealed(seal=one.seal, sha256=one.incoming.place(), size=one.incoming.size)
