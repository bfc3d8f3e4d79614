"""The lookout: finds all that somebody has to be told now, and has the ledger note it.

Nothing is remembered but what stands in the ledger: what is found follows from files, lines, statements and the clock
as they are at the moment of looking. So a restart, or a jump of the clock, loses nothing and doubles nothing.

    files     what waits for a person, what was refused
    cut_offs  what waits although a cut-off is near, or has passed; the cut-offs themselves, once for ever
    banks     lines that are down, answers and statements that did not come, folders in trouble
    keys      those that end, and host keys that changed
    webhooks  programs that do not take the events that they are told of
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from h2h.alarms import Alarm
from h2h.gateway import Gateway
from h2h.health import alarms as health_alarms
from h2h.ledger.gaps import GapRow
from h2h.ledger.rows import Transfer
from h2h.lookout import banks, cut_offs, files, keys, webhooks
from h2h.lookout.banks import Answers, Debits


class Lookout:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._answers, self._debits = Answers(gateway), Debits(gateway)

    def round(self) -> None:
        """One look; what it finds is noted. StoreError where the ledger cannot be asked."""
        ledger, now = self._gateway.ledger, self._gateway.clock.now()
        on_the_way = ledger.outlook.on_the_way()
        cut_offs.note_passed(self._gateway, on_the_way, now)
        keys.note_known(self._gateway, now)
        ledger.alarms.note(self._found(on_the_way, ledger.gaps.rows(), now), now)

    def look(self, now: datetime) -> list[Alarm]:
        """All that stands now, gaps that nobody has noted yet included. Changes nothing."""
        return self._found(self._gateway.ledger.outlook.on_the_way(), self._gateway.gaps(), now)

    def _found(self, on_the_way: Sequence[Transfer], gaps: Sequence[GapRow], now: datetime) -> list[Alarm]:
        gateway, outlook = self._gateway, self._gateway.ledger.outlook
        contacts = {contact.bank: contact for contact in outlook.contacts()}
        waiting = [one for one in on_the_way if gateway.settings.bank(one.bank)]
        found = [*health_alarms(gateway), *files.waiting(gateway.settings, on_the_way)]
        found += files.refused(gateway.settings, outlook.refused(now))
        found += cut_offs.alarms(gateway.settings, waiting, contacts, now)
        found += banks.lines(gateway.settings, contacts, waiting, now)
        found += keys.host_keys(gateway.settings, contacts, gateway.ledger.keys.host_keys(), waiting, now)
        found += keys.ending(gateway.settings, gateway.inventory.listed(), now)
        found += [*self._answers.missing(now), *self._debits.missing(now)]
        found += files.messages(outlook.troubled_messages(now))
        found += webhooks.alarms(gateway, now)
        return [*found, *banks.troubles(gateway, now), *banks.gaps(gateway.settings, gaps)]
