"""The gateway as a whole: composition of settings, doors and flows, and the operations that every shell shares."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.anchor import AnchorFile
from h2h.archive import Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Settings
from h2h.errors import AlreadyRunning, StoreError, UsageError
from h2h.ledger import Ledger
from h2h.ledger.journal import Chain
from h2h.messages.catalog import Catalog
from h2h.outbound.decisions import Decisions
from h2h.resources import root

if TYPE_CHECKING:
    from h2h.confined import ConfinedReader
    from h2h.desk import Desk

ID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud and typed without mistakes


def new_id(letter: str, now: datetime) -> str:
    """An id that sorts by day and can be read over the telephone: T261121-4F7K9QXM."""
    return f"{letter}{now:%y%m%d}-{''.join(secrets.choice(ID_LETTERS) for _ in range(8))}"


class Gateway:
    """Everything of one data folder. Reading needs no lock; `running` takes it for whoever moves files."""

    def __init__(self, settings: Settings, clock: Clock, connect: Callable[[Bank], Channel] | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.data = settings.gateway.data
        self._connect = connect or self._open_channel
        one_process = settings.ledger.url.startswith("sqlite")  # it alone has the data folder, whatever its host's name
        self.node = "local" if one_process else socket.gethostname()
        self.owner = f"{self.node}/{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"The data folder {self.data} cannot be used: {error.strerror}.") from error
        self.archive = Archive(self.data / "archive")

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger.url, self.data)

    def bank(self, name: str) -> Bank:
        if found := self.settings.bank(name):
            return found
        known = ", ".join(b.name for b in self.settings.banks) or "none"
        raise UsageError(f"There is no bank {name!r} in the settings; there is {known}.")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the data folder alone, take over what an earlier run left behind, and let go at the end.

        Whoever starts it wants it to try now: waits after earlier failures end.
        """
        lock = self.data / "h2h.pid"
        with lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AlreadyRunning(self._who_runs(lock)) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            self.archive.prepare()
            now = self.clock.now()
            self.ledger.transfers.release_leases(self.node, self.owner, now)
            self.ledger.transfers.hurry(now)
            self.ledger.contacts.hurry()
            try:
                yield
            finally:
                file.truncate(0)

    def _who_runs(self, lock: Path) -> str:
        pid = lock.read_text().strip() or "unknown"
        return f"A gateway is running on {self.data} already (process {pid}); it sends and pulls by itself."

    def runs(self) -> int | None:
        """The process that holds the data folder; None where nobody does."""
        try:
            pid = int((self.data / "h2h.pid").read_text())
            os.kill(pid, 0)
        except PermissionError:
            return pid
        except (OSError, ValueError):
            return None
        return pid

    @cached_property
    def desks(self) -> dict[str, Desk]:
        """What does the work, for each bank."""
        from h2h.desk import Desk

        return {
            bank.name: Desk(
                bank,
                ledger=self.ledger,
                archive=self.archive,
                reader=self.reader,
                clock=self.clock,
                owner=self.owner,
                connect=self._connect,
                same_payments_within=timedelta(days=self.settings.duplicates.days),
                new_id=lambda letter: new_id(letter, self.clock.now()),
            )
            for bank in self.settings.banks
        }

    @cached_property
    def anchors(self) -> AnchorFile | None:
        """Where the journal's head is noted outside; None where the settings name no place."""
        return AnchorFile(self.settings.gateway.anchor) if self.settings.gateway.anchor else None

    def anchor(self) -> bool:
        """Note the journal's head outside now; False where there is nothing new, or no place for it."""
        head = self.ledger.journal.head(self.clock.now())
        return self.anchors is not None and head is not None and self.anchors.note(head)

    def verify_journal(self) -> Chain:
        """Walk the chain, and compare it with the heads that were noted outside."""
        anchors = self.anchors.read() if self.anchors else []
        chain = self.ledger.journal.verify(anchors)
        if self.anchors and not anchors and chain.events and not chain.fault:
            fault = f"{self.anchors.path} holds no head to compare it with; `h2h journal anchor` notes one"
            return replace(chain, fault=fault)
        return chain

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog.load(root("schemas"))

    @cached_property
    def reader(self) -> ConfinedReader:
        """Reads what comes from outside, in processes of its own."""
        from h2h.confined import ConfinedReader

        return ConfinedReader(self.catalog)

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.ledger.transfers, self.ledger.people, self.clock)

    @cached_property
    def rehearsal(self) -> Decisions:
        """Decisions that leave nothing behind: to see what they would do."""
        return Decisions(self.ledger.transfers, self.ledger.rehearsal, self.clock)

    def _open_channel(self, bank: Bank) -> Channel:
        from h2h.channels.kinds import connect

        return connect(bank.channel, now=self.clock.now)

    def close(self) -> None:
        if "desks" in self.__dict__:
            for desk in self.desks.values():
                desk.close()
        if "reader" in self.__dict__:
            self.reader.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
