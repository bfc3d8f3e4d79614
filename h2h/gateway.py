"""The gateway as a whole: composition of settings, doors and flows, and the operations that every shell shares."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from h2h import data_folder
from h2h.archive import Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Outbound, Settings
from h2h.config.alerts import GATHER
from h2h.credentials import Credentials
from h2h.errors import UsageError
from h2h.foothold import Foothold
from h2h.identity import account_key
from h2h.ledger import Ledger
from h2h.ledger.expected import Expected
from h2h.ledger.gaps import GapRow
from h2h.messages.catalog import Catalog
from h2h.model import TransferId
from h2h.outbound.decisions import Decisions
from h2h.resources import root
from h2h.witness import Witness

if TYPE_CHECKING:
    from h2h.alerting.teller import Teller
    from h2h.confined import ConfinedReader
    from h2h.desk import Desk
    from h2h.inventory import Inventory
    from h2h.ledger.rows import Transfer
    from h2h.outbound.repair import Repair
    from h2h.outbound.sight import Looking
    from h2h.proof import Proof
    from h2h.retention import Daily
    from h2h.webhooks.deliverer import Deliverer

log = logging.getLogger(__name__)

ID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud and typed without mistakes


def new_id(letter: str, now: datetime) -> str:
    """An id that sorts by day and can be read over the telephone: T261121-4F7K9QXM."""
    return f"{letter}{now:%y%m%d}-{''.join(secrets.choice(ID_LETTERS) for _ in range(8))}"


def _expected(bank: Bank) -> list[Expected]:
    return [
        Expected(account=account_key(account.account), currency=account.currency, due=due)
        for account in bank.accounts
        if (due := bank.due(account))
    ]


class Gateway:
    """Everything of one data folder. Reading needs no lock; `running` takes it for whoever moves files."""

    def __init__(self, settings: Settings, clock: Clock, connect: Callable[[Bank], Channel] | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.credentials = Credentials(os.environ, settings.vault)
        self.data = data_folder.made(settings.gateway.data)
        self._connect = connect or self._open_channel
        # It alone has the data folder, whatever its host's name.
        self._one_process = settings.ledger.url.startswith("sqlite")
        self.node = "local" if self._one_process else socket.gethostname()
        self.owner = f"{self.node}/{os.getpid()}-{secrets.token_hex(4)}"
        self.trouble_file = self.data / "h2h.trouble"
        self.heartbeat_file = self.data / "h2h.beat"
        self.archive = Archive(self.data / "archive", settings.gateway.min_free)

    @cached_property
    def ledger(self) -> Ledger:
        witness = Witness(self.data / "h2h.head")
        found = Ledger(self._database, self.data, witness, joining=not self._one_process)
        ours, noted = self.settings.gateway.environment, found.environment.noted()
        if noted not in (None, ours):
            found.close()
            raise UsageError(
                f"The ledger in {self.data} is one of {noted}, and the settings say {ours}. Neither ever becomes the "
                "other: name a data folder, and a ledger, of its own."
            )
        return found

    @property
    def _database(self) -> str:
        """Its address, with the password that the settings refer to."""
        ledger = self.settings.ledger
        if ledger.password is None:
            return ledger.url
        from sqlalchemy import make_url

        address = make_url(ledger.url).set(password=self.credentials.secret(ledger.password))
        return address.render_as_string(hide_password=False)

    def bank(self, name: str) -> Bank:
        if found := self.settings.bank(name):
            return found
        known = ", ".join(b.name for b in self.settings.banks) or "none"
        raise UsageError(f"There is no bank {name!r} in the settings; there is {known}.")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold data folder and watched folders alone, take over what an earlier run left, and let go at the end.

        Whoever starts it wants it to try now: waits after earlier failures end.
        """
        with ExitStack() as held:
            held.enter_context(data_folder.held(self.data))
            for folder in self._all_footholds():
                held.enter_context(folder.held(f"process {os.getpid()} on {socket.gethostname()}, data in {self.data}"))
            held.enter_context(self.ledger.held(self.node))
            self.archive.prepare()
            self.ledger.environment.note(self.settings.gateway.environment, self.clock.now())
            self.ledger.feedback.begin([b.name for b in self.settings.banks if any(o.status for o in b.outbound)])
            self.ledger.webhooks.begin([one.name for one in self.settings.webhooks], self.clock.now())
            self._look_for_signs()
            self.ledger.transfers.release_leases(self.node, self.owner, self.clock.now())
            self.hurry()
            yield

    def hurry(self) -> None:
        """Nothing waits for a time that was noted before: whatever can be tried is tried now."""
        from h2h.outbound.handover import LEASE

        now = self.clock.now()
        self.ledger.transfers.hurry(now)
        self.ledger.transfers.shorten_leases(now + LEASE)
        self.ledger.contacts.hurry()
        self.ledger.slots.forget_after(now)

    @cached_property
    def _footholds(self) -> dict[str, list[Foothold]]:
        """In every watched folder, by bank."""
        return {bank.name: [self._foothold(folder) for folder in bank.outbound] for bank in self.settings.banks}

    def _foothold(self, folder: Outbound) -> Foothold:
        return Foothold(folder, lambda: self.ledger.transfers.taken_from(str(folder.watch)))

    def _all_footholds(self) -> list[Foothold]:
        return [foothold for footholds in self._footholds.values() for foothold in footholds]

    # Whether the ledger is what it was.

    def _look_for_signs(self) -> None:
        """Of a ledger that was put back from an older copy."""
        from h2h.signs import Signs

        Signs(
            self.settings.banks,
            ledger=self.ledger,
            desks=self.desks,
            footholds=self._footholds,
            proof=self.proof,
            clock=self.clock,
        ).look()

    def accept_restored(self, *, who: str, reason: str) -> None:
        """End safe mode: somebody compared the ledger with what the banks have."""
        self.ledger.restored.accept(who=who, reason=reason, now=self.clock.now())

    def runs(self) -> int | None:
        """The process that holds the data folder; None where nobody does."""
        return data_folder.holder(self.data)

    @cached_property
    def desks(self) -> dict[str, Desk]:
        """What does the work, for each bank."""
        from h2h.desk import Desk

        return {
            bank.name: Desk(
                bank,
                ledger=self.ledger,
                archive=self.archive,
                reader=self.reader_of(bank),
                clock=self.clock,
                owner=self.owner,
                connect=self._connect,
                credentials=self.credentials,
                footholds=self._footholds[bank.name],
                same_payments_within=timedelta(days=self.settings.duplicates.days),
                environment=self.settings.gateway.environment,
                new_id=lambda letter: new_id(letter, self.clock.now()),
            )
            for bank in self.settings.banks
        }

    @property
    def has_ledger(self) -> bool:
        """Whether there is one to be asked: whoever only looks makes none."""
        return not self._one_process or any(self.data.iterdir())

    def as_reached(self, bank: Bank) -> Bank:
        """As its server is reached now, with the host keys that people accepted."""
        from h2h.line import accepted

        known = accepted(bank, self.ledger).accepted if self.has_ledger else ()
        return bank.as_of(self.clock.now(), known)

    @cached_property
    def proof(self) -> Proof:
        """The journal's heads that are noted outside, and what they prove."""
        from h2h.proof import Proof

        return Proof(self.settings.gateway, self.ledger.journal, self.clock)

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog.load(root("schemas"))

    @cached_property
    def reader(self) -> ConfinedReader:
        """Reads what comes from outside, in processes of its own."""
        from h2h.confined import ConfinedReader

        return ConfinedReader(self.catalog)

    def reader_of(self, bank: Bank) -> ConfinedReader:
        """The same, but for a bank whose profile names schemas of its own. Raises UsageError."""
        if bank.schemas is None:
            return self.reader
        if bank.name not in self._own_readers:
            from h2h.confined import ConfinedReader

            self._own_readers[bank.name] = ConfinedReader(self.catalog.with_own(bank.schemas))
        return self._own_readers[bank.name]

    @cached_property
    def _own_readers(self) -> dict[str, ConfinedReader]:
        """By the name of the bank."""
        return {}

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.ledger.people, self.clock, self._note_decision)

    @cached_property
    def rehearsal(self) -> Decisions:
        """Decisions that leave nothing behind: to see what they would do."""
        return Decisions(self.ledger.rehearsal, self.clock)

    def _note_decision(self, transfer: Transfer) -> None:
        """Where the file came from: a copy of the data folder put back must not forget what somebody decided."""
        for foothold in self._all_footholds():
            if str(foothold.path) == transfer.watch:
                foothold.note(self.ledger.journal.last())

    @cached_property
    def looking(self) -> Looking:
        """Shows what is in a file, by its bytes."""
        from h2h.outbound.sight import Looking

        return Looking(self.bank, archive=self.archive, reader_of=self.reader_of, sights=self.ledger.sights)

    @cached_property
    def repair(self) -> Repair:
        """Makes new files of what the banks refused."""
        from h2h.outbound.repair import Repair

        return Repair(
            self.bank,
            archive=self.archive,
            reader_of=self.reader_of,
            clock=self.clock,
            same_payments_within=timedelta(days=self.settings.duplicates.days),
            spool=self.data,
            new_id=lambda: TransferId(new_id("T", self.clock.now())),
            entered=self._note_decision,
        )

    @cached_property
    def daily_purge(self) -> Daily:
        """Removes each day what the policy of retention lets go."""
        from h2h.retention import Daily

        return Daily(self.settings, self.ledger, self.archive, self.clock)

    # What is missing among the statements.

    def note_overdue(self, banks: Sequence[Bank]) -> None:
        """Keep the days whose statements are overdue, and those of which all have come."""
        for bank in banks:
            self.ledger.expectations.note(bank.name, _expected(bank), self.clock.now())
            self.ledger.expectations.note_complete(bank.name, _expected(bank), self.clock.now())

    def gaps(self, *, bank: str | None = None, account: str | None = None) -> list[GapRow]:
        """All that is missing now, the oldest first; days that are overdue, whether anybody noted them or not."""
        ledger, now = self.ledger, self.clock.now()
        banks = [b for b in self.settings.banks if bank in (None, b.name)]
        new = [gap for b in banks for gap in ledger.expectations.missing(b.name, _expected(b), now)]
        wanted = account_key(account) if account else None
        new = [gap for gap in new if wanted in (None, gap.account)]
        return sorted([*ledger.gaps.rows(bank=bank, account=account), *new], key=lambda gap: gap.since)

    # Who is told of alarms.

    def teller(
        self,
        told: Callable[[str, str | None], None] = lambda _where, _text: None,
        stopping: Callable[[], bool] = lambda: False,
        gather: timedelta = GATHER,
    ) -> Teller | None:
        """Who tells of alarms; None where the settings name nobody. `told` hears who cannot be told."""
        if not self.settings.alerts:
            return None
        from h2h.alerting.post import Post
        from h2h.alerting.teller import Teller

        post = Post(credentials=self.credentials, stopping=stopping)
        return Teller(self.settings, self.ledger, self.clock, post, told=told, gather=gather)

    @cached_property
    def inventory(self) -> Inventory:
        """Every key that the settings name."""
        from h2h.inventory import Inventory

        return Inventory(self.settings, self.ledger.keys, self.credentials, self.clock)

    # Programs that are told of events.

    def deliverers(self, stop: Callable[[], bool]) -> list[Deliverer]:
        """What tells each of them; Refused where the certificates for one cannot be read."""
        if not self.settings.webhooks:
            return []
        from h2h.webhooks.composing import deliverers

        return deliverers(self.settings, self.ledger.webhooks, self.clock, self.credentials, stop)

    def _open_channel(self, bank: Bank) -> Channel:
        from h2h.channels.kinds import connect

        used = partial(self.ledger.transfers.made_in, bank.channel.route.server)
        return connect(bank.channel, self.credentials, now=self.clock.now, used=used)

    def close(self) -> None:
        if "desks" in self.__dict__:
            for desk in self.desks.values():
                desk.close()
        if "reader" in self.__dict__:
            self.reader.close()
        for reader in self._own_readers.values():
            reader.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
