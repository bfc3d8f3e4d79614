"""Whether a transfer may go now, by its cut-offs: asked when it is sent, and once more right before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from h2h.clock import Clock
from h2h.config import Bank
from h2h.errors import Stale
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State, Trigger
from h2h.outbound.lateness import Lateness
from h2h.outbound.publisher import unless_stale

ALL_THE_SAME = "; it goes all the same, as its folder says"


class Admission:
    """To one bank."""

    def __init__(self, bank: Bank, *, ledger: Ledger, clock: Clock) -> None:
        self._bank, self._ledger, self._clock = bank, ledger, clock

    def admitted(self, transfers: Sequence[Transfer]) -> tuple[list[Transfer], list[Transfer | Stale]]:
        """READY ones that may go now, and what became of the others: held, or put off."""
        now = self._clock.now()
        found = [unless_stale(self._admit, transfer) for transfer in transfers]
        going = [then for then in found if isinstance(then, Transfer) and _is_due(then, now)]
        return going, [then for then in found if isinstance(then, Stale) or not _is_due(then, now)]

    def opening(self, transfer: Transfer, now: datetime) -> datetime | None:
        """When it may go: now, later, or (None) not before somebody has allowed it."""
        return self._lateness(transfer, now).opening()

    def stopped(self, transfer: Transfer, opening: datetime | None) -> Transfer | Stale:
        """One whose window closed while it was uploaded: held, or put off until it opens."""
        now, verbs = self._clock.now(), self._ledger.transfers
        lateness = self._lateness(transfer, now)
        if opening is None and lateness.after == "hold":
            return unless_stale(verbs.stop_staging, transfer, Trigger.LATE, lateness.held(), now)
        text = "the window closed during the upload; nothing was published"
        kept = transfer.failures
        return unless_stale(
            verbs.not_delivered, transfer, step="stage", outcome="STOPPED", text=text, failures=kept,
            due_at=opening or now, now=now,
        )  # fmt: skip

    def _admit(self, transfer: Transfer) -> Transfer:
        """As it is where the window is open; else held or put off, or allowed to go all the same."""
        now, verbs = self._clock.now(), self._ledger.transfers
        if self._bank.outbound_for(transfer.watch) is None:
            reason = f"the settings of {self._bank.name} have no outbound folder {transfer.watch} any more"
            return verbs.late(transfer, reason, now)
        lateness = self._lateness(transfer, now)
        opening = lateness.opening()
        if opening == now:
            return transfer
        if opening is not None:
            return verbs.postpone(transfer, opening, lateness.waits(opening), now)
        if lateness.missed and lateness.after == "send":
            return verbs.go_late(transfer, lateness.passed() + ALL_THE_SAME, now)
        return verbs.late(transfer, lateness.held(), now)

    def _lateness(self, transfer: Transfer, now: datetime) -> Lateness:
        folder = self._bank.outbound_for(transfer.watch)
        assert folder is not None
        return Lateness(self._bank.windows_for(folder, transfer.kinds), folder.after_cut_off, transfer, now)


def _is_due(transfer: Transfer, now: datetime) -> bool:
    return transfer.state is State.READY and (transfer.due_at is None or transfer.due_at <= now)
