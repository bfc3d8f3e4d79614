"""One bank's desk: its line, its intakes, its sender and its receiver, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from h2h.archive import Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Inbound
from h2h.confined import ConfinedReader
from h2h.credentials import Credentials
from h2h.envelopes import Envelopes
from h2h.errors import H2hError
from h2h.feedback import Feedback
from h2h.foothold import Foothold
from h2h.inbound import Collector
from h2h.ledger import Ledger
from h2h.ledger.messages import Message
from h2h.ledger.rows import Transfer
from h2h.line import Line
from h2h.model import InboundId, TransferId
from h2h.outbound.handover import Handover
from h2h.outbound.intake import Intake
from h2h.outbound.names import Environment
from h2h.sightings import Scan

Told = Callable[[Transfer | Message], None]


def _nobody(_: Transfer | Message) -> None:
    pass


class Desk:
    def __init__(
        self,
        bank: Bank,
        *,
        ledger: Ledger,
        archive: Archive,
        reader: ConfinedReader,
        clock: Clock,
        owner: str,
        connect: Callable[[Bank], Channel],
        credentials: Credentials,
        footholds: Sequence[Foothold],
        same_payments_within: timedelta,
        environment: Environment,
        new_id: Callable[[str], str],
    ) -> None:
        self.bank = bank
        self._ledger = ledger
        self._clock = clock
        envelopes = Envelopes(bank, credentials=credentials, clock=clock)
        self._line = Line(bank, ledger, clock, connect)
        self._intakes = [
            Intake(
                bank,
                folder,
                ledger=ledger,
                archive=archive,
                reader=reader,
                clock=clock,
                foothold=foothold,
                credentials=credentials,
                envelopes=envelopes,
                same_payments_within=same_payments_within,
                new_id=lambda: TransferId(new_id("T")),
            )
            for folder, foothold in zip(bank.outbound, footholds, strict=True)
        ]
        self._handover = Handover(
            bank,
            line=self._line,
            ledger=ledger,
            archive=archive,
            clock=clock,
            envelopes=envelopes,
            owner=owner,
            environment=environment,
        )
        self._feedback = Feedback(bank, ledger=ledger, clock=clock)
        self._collector = Collector(
            bank,
            line=self._line,
            ledger=ledger,
            archive=archive,
            reader=reader,
            clock=clock,
            envelopes=envelopes,
            new_id=lambda: InboundId(new_id("M")),
        )

    def strangers(self) -> list[str]:
        """Files in the bank's watched folders that this gateway took, and of which the ledger knows nothing."""
        return [f"{i.folder.watch}/{file.folder}/{file.entry}" for i in self._intakes for file in i.strangers()]

    def take_stock(self, told: Told = _nobody) -> None:
        """After the ledger was put back from an older copy: enter what it does not know."""
        for intake in self._intakes:
            intake.take_stock(told)

    def take_in(self, told: Told = _nobody) -> list[Scan]:
        """One look at each of the bank's watched folders; everything complete is claimed, kept and judged.

        What one folder cannot do keeps no other from its turn; it is raised at the end.
        """
        scans: list[Scan] = []
        failed: list[H2hError] = []
        for intake in self._intakes:
            try:
                scans.append(intake.round(told))
            except H2hError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return scans

    def hand_over(self, told: Told = _nobody, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Send what is due, and find out about what is in doubt."""
        self._handover.round(told, stop=stop)

    def pull(self, folder: Inbound, told: Told = _nobody, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Fetch one folder. Raises NotDelivered or Refused where the bank cannot be asked."""
        self._collector.pull(folder, told, stop=stop)

    def finish_started(self, told: Told = _nobody) -> None:
        """Read and hand over what a crash left half done."""
        self._collector.finish_started(told)

    def hand_back(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Tell the ERP what became of its files since it was told last."""
        self._feedback.round(stop=stop)

    def probe(self) -> None:
        """See whether a bank that failed is there again."""
        self._line.probe()

    def suspended_until(self) -> datetime | None:
        return self._line.suspended_until()

    def next_due(self) -> datetime | None:
        return self._ledger.transfers.next_due(self.bank.name)

    def next_look(self) -> datetime | None:
        """When the line is needed next: at the end of a suspension, and nothing before it, or when a transfer is due.
        A folder for statuses that could not be written is tried again whatever the bank does."""
        times = (self.suspended_until() or self.next_due(), self._feedback.again())
        return min((at for at in times if at), default=None)

    def close(self) -> None:
        self._collector.close()
        self._line.close()
