"""The line to one bank: its session is opened when first needed, kept, and opened again after it broke.

What went wrong stands in the ledger; after a failure the bank is left alone for a while (back-off), and a refusal,
which somebody has to mend, waits for the longest time at once. While the bank's server is in maintenance it is left
alone as well. Flows use the line; they never retry on their own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, SftpSettings
from h2h.errors import ChannelError, HostKeyChanged, NotDelivered, Refused
from h2h.ledger import Ledger
from h2h.ledger.keys import NO_PINS, Pins
from h2h.lifecycle import Route
from h2h.schedule import backoff


def accepted(bank: Bank, ledger: Ledger) -> Pins:
    """The host keys that people accepted for the server of its channel."""
    if not isinstance(bank.channel, SftpSettings):
        return NO_PINS
    return ledger.keys.pins(bank.name, bank.channel.address)


class Line:
    def __init__(self, bank: Bank, ledger: Ledger, clock: Clock, connect: Callable[[Bank], Channel]) -> None:
        self.bank = bank
        self._ledger = ledger
        self._clock = clock
        self._connect = connect
        self._session: Channel | None = None
        self._opened_by = bank

    def suspended_until(self) -> datetime | None:
        """Until when the bank is left alone; None where it may be asked now."""
        now = self._clock.now()
        times = (self._ledger.contacts.suspended_until(self.bank.name), self.away_until())
        return max((until for until in times if until and until > now), default=None)

    def away_until(self) -> datetime | None:
        """Until when the bank's server is away by its own word: what fails then is no failure."""
        return self.bank.away_until(self._clock.now())

    def route(self) -> Route:
        """By which way files go now, and to which server."""
        pins = accepted(self.bank, self._ledger)
        route = self.bank.as_of(self._clock.now(), pins.accepted).channel.route
        return replace(route, withdrawn=tuple(pins.withdrawn - set(route.host_keys)))

    @contextmanager
    def session(self) -> Iterator[Channel]:
        """An open session. One that broke in the block is closed; a failure to open it suspends the bank.

        While the bank's server is away none is opened, nor used: NotDelivered. One that would not be opened any more,
        as its host key was withdrawn or the hour of another login key has come, is not used either.
        """
        if until := self.away_until():
            self.close()
            raise NotDelivered(f"{self.bank.name} is in maintenance until {until:%Y-%m-%d %H:%M} UTC and is not asked.")
        bank = self.bank.as_of(self._clock.now(), accepted(self.bank, self._ledger).accepted)
        session = self._session if self._session and self._session.alive() and self._may_go_on(bank) else None
        session = session or self._open(bank)
        try:
            yield session
        except ChannelError:
            if not session.alive():
                self.close()
            raise

    def _may_go_on(self, bank: Bank) -> bool:
        now, then = bank.channel, self._opened_by.channel
        return not (isinstance(now, SftpSettings) and isinstance(then, SftpSettings)) or now.lets(then)

    def _open(self, bank: Bank) -> Channel:
        self.close()
        try:
            self._session, self._opened_by = self._connect(bank), bank
        except ChannelError as error:
            if not self.away_until():
                self._suspend(error)
            raise
        self._ledger.contacts.good(self.bank.name, self._clock.now())
        return self._session

    def _suspend(self, error: ChannelError) -> None:
        now, retry = self._clock.now(), self.bank.retry
        if isinstance(error, HostKeyChanged) and isinstance(self.bank.channel, SftpSettings):
            self._ledger.keys.shown(self.bank.name, self.bank.channel.address, error.shown, now)
        failures = self._ledger.contacts.failures(self.bank.name) + 1
        wait = retry.most if isinstance(error, Refused) else backoff(failures, retry.first, retry.most, random.random)
        self._ledger.contacts.failed(self.bank.name, type(error).__name__, str(error), now + wait, now)

    def probe(self) -> None:
        """See whether a bank that failed is there again, as soon as it may be asked: perhaps nothing else asks it."""
        if self._ledger.contacts.failures(self.bank.name) and not self.suspended_until():
            with suppress(ChannelError), self.session():
                pass

    def worked(self) -> None:
        """The bank answered all that was asked."""
        self._ledger.contacts.good(self.bank.name, self._clock.now())

    def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.__exit__(None, None, None)
