"""What all cases of one run share: the bank's profile, what the bank told of its test side, and how long to wait."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from h2h.certify.inputs import Inputs, Party
from h2h.certify.orders import Order, Pay, PaymentType, written
from h2h.channels import Channel
from h2h.channels.facts import Probe
from h2h.channels.kinds import connect
from h2h.clock import Clock
from h2h.config import Bank, ChannelSettings, Outbound, Settings
from h2h.credentials import Credentials
from h2h.ledger.sequences import Counter
from h2h.messages.catalog import Catalog
from h2h.model import RemoteFile

AMOUNTS = range(101, 200)  # cents; each payment of a run another, as far as they go


@dataclass(slots=True, kw_only=True)
class Bench:
    """`mark`: begins the ids of this run's files and payments. `hidden`: what lay at the bank before, or was fetched.
    `probed`: what the server said of itself, once it was asked. `numbers`: the last one used in names, by anybody.

    `wait_seconds`: the most that a case waits for the bank. `volume`: payments in the volume file.
    """

    settings: Settings
    bank: Bank
    catalog: Catalog
    inputs: Inputs
    folder: Path
    clock: Clock
    credentials: Credentials
    by: str
    mark: str
    wait_seconds: float
    volume: int
    numbers: dict[Counter, int] = field(default_factory=dict)
    hidden: set[RemoteFile] = field(default_factory=set)
    reached: bool = False
    probed: Probe | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def connect(self, channel: ChannelSettings | None = None) -> Channel:
        """An open session, by the profile or by other settings. Raises NotDelivered or Refused."""
        return connect(channel or self.bank.channel, self.credentials)

    def takes(self, *begins: str) -> bool:
        """Whether some inbound folder takes a message whose name begins so."""
        return any(name.startswith(begins) for folder in self.bank.inbound for name in folder.messages)

    def why_no_payments(self) -> str | None:
        """What keeps it from making a payment file; None where nothing does."""
        if not self.bank.outbound:
            return "the profile has no outbound folder"
        if self.inputs.paying(self.bank) is None:
            return "no account to debit is known: state debtor in --inputs FILE, or bank.accounts in the profile"
        return None

    def order(
        self,
        folder: Outbound,
        *,
        now: datetime,
        message: str | None = None,
        of: PaymentType | None = None,
        creditors: Sequence[Party] | None = None,
    ) -> tuple[str, bytes]:
        """The message id and the bytes of a new test file for this folder. `creditors`: a payment for each."""
        debtor, creditor = self.inputs.paying(self.bank), self.inputs.paid(self.bank)
        assert debtor
        assert creditor
        message_id = self._marked(folder, f"{self.mark}{next(self._numbers):02}")
        row = self.catalog.by_name(message or folder.messages[0])
        assert row, f"{message} is in the catalog, as the settings were read by it"
        local = now.astimezone(ZoneInfo(self.bank.timezone))
        pays = [self._pay(f"{message_id}-{n}", n, each) for n, each in enumerate(creditors or [creditor], start=1)]
        order = Order(
            message=row,
            message_id=message_id,
            created=local,
            execution=self.bank.open_days.after(local.date(), 0),
            debtor=debtor,
            kind=of or self.usual,
            payments=pays,
        )
        return message_id, written(order)

    def _marked(self, folder: Outbound, message_id: str) -> str:
        """As the folder wants ids of test files to look."""
        pattern = folder.test_files
        return pattern.replace("*", message_id, 1).replace("*", "") if pattern else message_id

    @property
    def usual(self) -> PaymentType:
        currency = self.inputs.currency_of(self.bank)
        return PaymentType(currency=currency, service_level="SEPA" if currency == "EUR" else None)

    def _pay(self, reference: str, number: int, creditor: Party) -> Pay:
        amount = Decimal(AMOUNTS[number % len(AMOUNTS)]) / 100
        return Pay(end_to_end_id=reference, amount=amount, creditor=creditor, remittance=f"h2h certify {reference}")
