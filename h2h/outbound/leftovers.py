"""What attempts left under temporary names at a bank, and may be cleared away before the next one."""

from __future__ import annotations

from h2h.config import Bank
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.line import Line
from h2h.model import Way


class Leftovers:
    """Of one bank. What was announced under its own name is the bank's, by whichever way."""

    def __init__(self, bank: Bank, *, line: Line, ledger: Ledger) -> None:
        self._bank, self._line, self._ledger = bank, line, ledger

    def own(self, transfer: Transfer) -> str | None:
        """The temporary file of its last attempt, if that made it, at the server that it went to."""
        if not transfer.attempts:
            return None
        last = self._ledger.transfers.last_attempt(transfer)
        if last.route is None or not last.made or last.route.moved_to(self._line.route()):
            return None
        theirs = last.route.way is not Way.RENAME and self._ledger.transfers.announced(transfer)
        return None if theirs else transfer.temporary

    def of_others(self, transfer: Transfer) -> str | None:
        """Where a file goes under its own name before its marker: what another one left under it, whose number and
        name it has now."""
        folder = self._bank.outbound_for(transfer.watch)
        if self._bank.channel.way is not Way.MARKER or folder is None or not folder.counters:
            return None
        if self._ledger.transfers.announced(transfer):
            return None  # its own, if it goes once more
        left = self._ledger.transfers.left_by_others(transfer, self._bank.channel.route.server)
        return transfer.temporary if left else None
