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
from functools import partial

from h2h.archive import Archive, Incoming
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.envelopes import Envelopes, Write
from h2h.errors import Damaged, H2hError, NotDelivered, Stale, Unusable
from h2h.key_rows import FAULTS
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.model import Seal, Sealed
from h2h.outbound.names import Environment, counters, final_name
from h2h.outbound.publisher import unless_stale

AT_ONCE = os.cpu_count() or 1  # files that are sealed at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    transfer: Transfer
    seal: Seal
    incoming: Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotSealed:
    transfer: Transfer
    error: H2hError


class Sealer:
    """One bank's."""

    def __init__(
        self,
        bank: Bank,
        *,
        ledger: Ledger,
        archive: Archive,
        clock: Clock,
        envelopes: Envelopes,
        environment: Environment,
    ) -> None:
        self._bank, self._ledger, self._archive, self._clock = bank, ledger, archive, clock
        self._envelopes = envelopes
        self._environment = environment

    def shortage(self, transfers: Sequence[Transfer]) -> str | None:
        """Why there is no room to send these now; None where there is."""
        folders = [(transfer, self._bank.outbound_for(transfer.watch)) for transfer in transfers]
        return self._archive.shortage(sum(each.size for each, folder in folders if folder and folder.seals))

    def sealed(self, transfers: Sequence[Transfer]) -> tuple[list[Transfer], list[Transfer | Stale]]:
        """READY ones as they may go now, and what became of the others: held where they cannot be sealed."""
        now = self._clock.now()
        wanted = [self._wanted(each, now) for each in transfers]
        failed = [one for one in wanted if isinstance(one, _NotSealed)]
        known = [one for one in wanted if not isinstance(one, _NotSealed)]
        anew = [(each, seal) for each, seal in known if _words(seal) != each.sealed_by]
        done, not_sealed = self._written([(each, seal) for each, seal in anew if seal])
        done += [(each, None) for each, seal in anew if seal is None]
        found = self._ledger.sealings.sealed_many(done, self._clock.now()) if done else []
        others: list[Transfer | Stale] = [one for one in found if isinstance(one, Stale)]
        others += [unless_stale(self._not_sealed, one) for one in (*failed, *not_sealed)]
        as_wanted = {each.id: each for each, seal in known if _words(seal) == each.sealed_by}
        going = as_wanted | {one.id: one for one in found if isinstance(one, Transfer)}
        return [going[each.id] for each in transfers if each.id in going], others

    def _wanted(self, transfer: Transfer, now: datetime) -> tuple[Transfer, Seal | None] | _NotSealed:
        folder = self._bank.outbound_for(transfer.watch)
        assert folder is not None
        try:
            seal = self._envelopes.wanted(folder, self._name(folder, transfer, now))
        except FAULTS as error:
            return _NotSealed(transfer=transfer, error=error)
        keeps = seal is not None and seal.words == transfer.sealed_by
        if keeps and (doubts := self._envelopes.doubts(folder, now)):  # it ended, or was revoked, since
            return _NotSealed(transfer=transfer, error=Unusable(doubts[0].text))
        return transfer, seal

    def _not_sealed(self, one: _NotSealed) -> Transfer:
        """Held, for a person; put off where a secret may be had later."""
        now = self._clock.now()
        if isinstance(one.error, NotDelivered):
            return self._ledger.transfers.postpone(one.transfer, now + self._bank.retry.most, str(one.error), now)
        return self._ledger.sealings.failed(one.transfer, str(one.error), now)

    def _name(self, folder: Outbound, transfer: Transfer, now: datetime) -> str:
        """As it will be at the bank: files with numbers go one at a time, so that the next one is this one's."""
        numbers = self._ledger.sequences.ahead(transfer, counters(self._bank, folder, now))
        try:
            return final_name(self._bank, folder, transfer, now, numbers, environment=self._environment)
        except ValueError:
            return transfer.id  # there is no name for it, which the lease says

    def _written(
        self, files: Sequence[tuple[Transfer, Seal]]
    ) -> tuple[list[tuple[Transfer, Sealed | None]], list[_NotSealed]]:
        """The bytes of each, durable in the archive; and why others have none."""
        if not files:
            return [], []
        with ExitStack() as opened:
            begun = [
                _Begun(transfer=each, seal=seal, incoming=opened.enter_context(self._archive.incoming()))
                for each, seal in files
            ]
            faults = self._write_all(begun)
            whole = [one for one, fault in zip(begun, faults, strict=True) if fault is None]
            self._archive.write_out([one.incoming for one in whole])
            done = [(one.transfer, _placed(one)) for one in whole]
        self._archive.secure([sealed.sha256 for _, sealed in done])
        return [*done], [fault for fault in faults if fault]

    def _write_all(self, begun: Sequence[_Begun]) -> list[_NotSealed | None]:
        try:
            with self._envelopes.sealing([one.seal for one in begun]) as write:
                if len(begun) < 2:
                    return [self._write(one, write) for one in begun]
                with ThreadPoolExecutor(min(AT_ONCE, len(begun)), "seal") as threads:
                    return [*threads.map(partial(self._write, write=write), begun)]
        except FAULTS as error:
            return [_NotSealed(transfer=one.transfer, error=error) for one in begun]

    def _write(self, one: _Begun, write: Write) -> _NotSealed | None:
        try:
            with self._archive.open(one.transfer.sha256, "sealing") as source:
                write(one.seal, source, one.transfer.size, one.incoming.write)
        except (Damaged, *FAULTS) as error:
            return _NotSealed(transfer=one.transfer, error=error)
        return None


def _words(seal: Seal | None) -> str | None:
    return seal.words if seal else None


def _placed(one: _Begun) -> Sealed:
    return Sealed(seal=one.seal, sha256=one.incoming.place(), size=one.incoming.size)
