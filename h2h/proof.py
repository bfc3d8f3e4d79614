"""The journal's heads, noted outside of the ledger and stamped by somebody else, and what they prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from h2h.anchor import AnchorFile
from h2h.clock import Clock
from h2h.config import GatewaySettings
from h2h.errors import StoreError
from h2h.ledger.journal import Anchor, Chain, Journal

if TYPE_CHECKING:
    from h2h.stamp import TimeStamps


class Proof:
    """`file`: where the heads are noted; None where the settings name no place."""

    def __init__(self, settings: GatewaySettings, journal: Journal, clock: Clock) -> None:
        self._settings, self._journal, self._clock = settings, journal, clock
        self.file = AnchorFile(settings.anchor) if settings.anchor else None

    @cached_property
    def stamps(self) -> TimeStamps | None:
        """Who stamps the heads; None where the settings name no server."""
        from h2h.stamp import TimeStamps

        named = self._settings
        return TimeStamps(named.time_stamp, named.time_stamp_ca) if named.time_stamp and named.time_stamp_ca else None

    def note(self) -> bool:
        """Note the journal's head now; False where there is nothing new, or no place for it.

        StoreError where it cannot be noted, or is noted without the stamp that it should have.
        """
        head = self._journal.head(self._clock.now())
        if self.file is None or head is None or not self.file.lacks(head, stamp=self.stamps is not None):
            return False
        if self.stamps is None:
            return self.file.note(head)
        try:
            stamped = replace(head, stamp=self.stamps.stamp(head))
        except StoreError:
            self.file.note(head)
            raise
        return self.file.note(stamped)

    def verify(self) -> Chain:
        """Walk the chain, and compare it with the heads that were noted, and their stamps."""
        anchors = self.file.read() if self.file else []
        chain = self._journal.verify(anchors)
        if chain.fault or not self.file or not chain.events:
            return chain
        return replace(chain, fault=self._fault(self.file, anchors))

    def _fault(self, file: AnchorFile, anchors: Sequence[Anchor]) -> str | None:
        if not anchors:
            return f"{file.path} holds no head to compare it with; `h2h journal anchor` notes one"
        if self.stamps is None:
            return None
        stamped = [anchor for anchor in anchors if anchor.stamp is not None]
        for anchor in stamped:
            if anchor.stamp and (fault := self.stamps.fault(anchor, anchor.stamp)):
                return f"the time stamp on event {anchor.seq} in {file.path} does not hold: {fault}"
        return None if stamped else f"no head in {file.path} carries a time stamp; `h2h journal anchor` gets one"
