"""The ledger: states, records and the journal, in one database. Every verb is one transaction.

transfers  outbound files: received, judged, lease, publishing, sent, …      contacts  the line to each bank
messages   inbound files: kept, applied, discarded, handed over             slots     once per schedule and slot
views      what people and programs read                                     journal   the chained events
exports    rows for other programs                                       feedback  what the ERP was told
webhooks   which events programs were told of
standings  a transfer at one moment                                         recent    a bank's files of the last days
troubles   what does not work in a bank's folder                           wakes     banks with something to do
gaps       what is missing among the statements of an account; expectations: what the calendar asks for
cut_offs   those that passed, once for ever
alarms     what somebody has to be told, until it is over                 outlook   what is open, for the lookout
gauges     what is counted for metrics
sequences  numbers in names at a bank
tellings   who heard of which alarm
people     decisions: hold, release, sent by hand, …; `rehearsal`: the same, and nothing stays
accounts   of people, where the settings want them
sealings   what goes to the bank in place of what was judged
repairs    new files of payments that the bank refused in another one; lineage
keys       host keys that servers showed; acceptance: which of them people take for the bank's
cases      what is known of one transfer, for whoever has to decide about it; sights: what its bytes say
cash       what is known of the cash leg on some days
retention  what is so old that it may go; erasing: what was marked so goes
environment  whether it is one of test or of production
restored   safe mode, after the ledger was put back from an older copy
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from h2h.ledger.accounts import AccountRows
from h2h.ledger.alarms import Alarms
from h2h.ledger.cases import Cases
from h2h.ledger.cash_views import Cash
from h2h.ledger.contacts import Contacts, Slots
from h2h.ledger.cut_offs import CutOffs
from h2h.ledger.database import Database
from h2h.ledger.environments import Environments
from h2h.ledger.erasing import Erasing
from h2h.ledger.expected import Expectations
from h2h.ledger.exports import Exports
from h2h.ledger.feedback import Feedback
from h2h.ledger.gaps import Gaps
from h2h.ledger.gauges import Gauges
from h2h.ledger.journal import Journal
from h2h.ledger.keys import Acceptance, Keys
from h2h.ledger.messages import Messages
from h2h.ledger.outlook import Outlook
from h2h.ledger.people import People
from h2h.ledger.recent import Recent
from h2h.ledger.repairs import Repairs
from h2h.ledger.restored import Restored
from h2h.ledger.retention import Retention
from h2h.ledger.sealings import Sealings
from h2h.ledger.sequences import Sequences
from h2h.ledger.sights import Sights
from h2h.ledger.standings import Standings
from h2h.ledger.tellings import Tellings
from h2h.ledger.transfers import Transfers
from h2h.ledger.troubles import Troubles
from h2h.ledger.views import Views
from h2h.ledger.wakes import Wakes
from h2h.ledger.webhooks import Webhooks
from h2h.witness import Witness


class Ledger:
    def __init__(self, url: str, base: Path, witness: Witness | None = None, *, joining: bool = False) -> None:
        """Open the database, `base` being the folder of a relative SQLite file, and bring it up to date.

        The witness notes the journal's head from now on, unless it contradicts the journal: `restored` tells.
        `joining`: the ledger is not in this folder, so that a witness who knows nothing yet is no sign.
        """
        self._database = Database(url, base)
        self.environment = Environments(self._database)
        self.transfers = Transfers(self._database)
        self.sealings = Sealings(self._database)
        self.people = People(partial(self._database.transaction, witnessed=True))
        self.rehearsal = People(self._database.rehearsal)
        self.repairs = Repairs(partial(self._database.transaction, witnessed=True))
        self.repair_rehearsal = Repairs(self._database.rehearsal)
        self.keys = Keys(self._database)
        self.acceptance = Acceptance(partial(self._database.transaction, witnessed=True))
        self.acceptance_rehearsal = Acceptance(self._database.rehearsal)
        self.cases = Cases(self._database)
        self.messages = Messages(self._database)
        self.sequences = Sequences(self._database)
        self.wakes = Wakes(self._database)
        self.contacts = Contacts(self._database)
        self.slots = Slots(self._database)
        self.troubles = Troubles(self._database)
        self.gaps = Gaps(self._database)
        self.expectations = Expectations(self._database)
        self.alarms = Alarms(self._database)
        self.cut_offs = CutOffs(self._database)
        self.outlook = Outlook(self._database)
        self.tellings = Tellings(self._database)
        self.views = Views(self._database)
        self.recent = Recent(self._database)
        self.gauges = Gauges(self._database)
        self.exports = Exports(self._database)
        self.standings = Standings(self._database)
        self.feedback = Feedback(self._database)
        self.webhooks = Webhooks(self._database)
        self.cash = Cash(self._database)
        self.sights = Sights(self._database)
        self.accounts = AccountRows(partial(self._database.transaction, witnessed=True))
        self.journal = Journal(self._database)
        self.retention = Retention(self._database)
        self.erasing = Erasing(self._database)
        self.restored = Restored(self._database, self.journal, witness, joining=joining)

    def held(self, node: str) -> AbstractContextManager[None]:
        """Be the one gateway of this node that works on the ledger; AlreadyRunning beside another."""
        return self._database.held(node)

    def close(self) -> None:
        self._database.close()
