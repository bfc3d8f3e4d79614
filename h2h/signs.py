"""Whether the ledger is what it was: signs that more happened than it knows, and safe mode where there are some."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from h2h.clock import Clock
from h2h.config import Bank
from h2h.desk import Desk
from h2h.errors import StoreError
from h2h.foothold import Foothold
from h2h.ledger import Ledger
from h2h.outbound.numbers import go_beyond
from h2h.witness import Head

if TYPE_CHECKING:
    from h2h.proof import Proof

log = logging.getLogger(__name__)

SHOWN = 5


class Signs:
    """`footholds`: in the watched folders of each bank, by its name."""

    def __init__(
        self,
        banks: Sequence[Bank],
        *,
        ledger: Ledger,
        desks: Mapping[str, Desk],
        footholds: Mapping[str, Sequence[Foothold]],
        proof: Proof,
        clock: Clock,
    ) -> None:
        self._banks, self._ledger, self._desks = banks, ledger, desks
        self._footholds, self._proof, self._clock = footholds, proof, clock

    def look(self) -> None:
        """A ledger that is older than what was done leads to safe mode; so does one that does not know our files."""
        restored = self._ledger.restored
        if signs := self._all():
            for sign in signs:
                log.error("the ledger is older than what happened", extra={"event": "safe_mode", "text": sign})
            restored.begin(signs, self._clock.now())
            for bank in self._banks:
                go_beyond(bank, self._footholds[bank.name], self._ledger, self._clock.now())
            for folder in self._folders():
                self._note_again(folder)
        mode = restored.safe_mode()
        if mode and not mode.stock_taken:
            entered: list[str] = []
            for desk in self._desks.values():
                desk.take_stock(lambda file: entered.append(file.id))
            restored.stock_taken(entered, self._clock.now())

    def _all(self) -> list[str]:
        """What shows that more happened than the ledger knows; empty where nothing does."""
        found = [self._ledger.restored.sign]
        found += [self._contradiction(folder) for folder in self._folders()]
        found += [self._anchored_otherwise()]
        strangers = [path for desk in self._desks.values() for path in desk.strangers()]
        if strangers:
            found.append(f"{len(strangers)} file(s) were filed away that the ledger does not know: {_some(strangers)}")
        return [sign for sign in found if sign]

    def _folders(self) -> list[Foothold]:
        return [folder for folders in self._footholds.values() for folder in folders]

    def _contradiction(self, folder: Foothold) -> str | None:
        try:
            head = folder.witness.read()
        except StoreError as error:
            log.warning("no head to compare with", extra={"event": "witness_failed", "text": str(error)})
            return None
        found = self._ledger.journal.contradicted_by(head) if head else None
        return f"{folder.witness.path} says otherwise: {found}" if found else None

    def _anchored_otherwise(self) -> str | None:
        """The last head noted outside; `journal verify` looks at all of them."""
        file = self._proof.file
        try:
            anchors = file.read() if file else []
        except StoreError as error:
            log.error("no anchor to compare with", extra={"event": "anchor_failed", "text": str(error)})
            return None
        if not anchors or self._ledger.restored.explains(anchors[-1]):
            return None
        found = self._ledger.journal.contradicted_by(Head(seq=anchors[-1].seq, hash=anchors[-1].hash))
        return f"{file.path} says otherwise: {found}" if found and file else None

    def _note_again(self, folder: Foothold) -> None:
        try:
            folder.witness.note(self._ledger.journal.last(), anew=True)
        except StoreError as error:
            log.warning("the journal's head was not noted", extra={"event": "witness_failed", "text": str(error)})


def _some(paths: Sequence[str]) -> str:
    """A few of them, so that a person finds the rest."""
    return ", ".join(paths[:SHOWN]) + (", …" if len(paths) > SHOWN else "")
