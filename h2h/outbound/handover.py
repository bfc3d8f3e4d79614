"""Handing a transfer to its bank up to the point of no return: cut-off, lease, stage.

Until PUBLISHING is committed any failure is harmless: nothing is visible at the bank, and a new attempt uploads
under a new temporary name. What comes after is in publisher.py.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from h2h.archive import BLOCK, Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.errors import ChannelError, Damaged, NotDelivered, Refused, Stale, StoreError
from h2h.foothold import Foothold
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State, Trigger
from h2h.line import Line
from h2h.model import Presence, Staged, TransferId, Way
from h2h.outbound.names import names
from h2h.outbound.publisher import Publisher
from h2h.schedule import backoff, closing, missed, next_opening

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)


class Handover:
    """One bank's sender."""

    def __init__(self, bank: Bank, *, line: Line, ledger: Ledger, archive: Archive, clock: Clock, owner: str) -> None:
        self.bank = bank
        self._way = bank.channel.way
        self._line = line
        self._ledger = ledger
        self._archive = archive
        self._clock = clock
        self._owner = owner
        self._publisher = Publisher(bank, line=line, ledger=ledger, archive=archive, clock=clock)

    def round(self, progress: Callable[[Transfer], None] = lambda _: None, *, stop: Callable[[], bool]) -> None:
        """Look once at everything that is due; ends early where the bank cannot be reached.

        StoreError where the disk is nearly full: then only what is under way is brought to its end.
        """
        seen: set[TransferId] = set()
        short: str | None = None
        while due := [t for t in self._ledger.transfers.due(self.bank.name, self._clock.now()) if t.id not in seen]:
            for transfer in due:
                if stop() or self._line.suspended_until():
                    return
                seen.add(transfer.id)
                if transfer.state is State.READY and (short := self._archive.shortage()):
                    continue
                try:
                    progress(self._look_at(transfer))
                except Stale as error:
                    log.warning("transfer changed hands", extra={"event": "stale", "text": str(error)})
        if short:
            raise StoreError(short)

    def _look_at(self, transfer: Transfer) -> Transfer:
        folder = self.bank.outbound_for(transfer.watch)
        if transfer.state is State.STAGING:
            return self._ledger.transfers.take_back(transfer, self._clock.now())
        if transfer.state is State.PUBLISHING:
            leased = self._lease(transfer, folder)
            return self._publisher.reconcile(leased) if leased else transfer
        if folder is None:
            reason = f"the settings of {self.bank.name} have no outbound folder {transfer.watch} any more"
            return self._ledger.transfers.late(transfer, reason, self._clock.now())
        return self._admit(transfer, folder) or self._send(transfer, folder)

    # The cut-off, asked when sending and once more right before publishing.

    def _admit(self, transfer: Transfer, folder: Outbound) -> Transfer | None:
        """None where the window is open; else the transfer, held or put off."""
        now = self._clock.now()
        opening = self._opening(transfer, folder, now)
        if opening == now:
            return None
        if opening is None:
            return self._ledger.transfers.late(transfer, _late(folder, self.bank.timezone), now)
        reason = f"the window opens at {opening:%Y-%m-%d %H:%M} UTC"
        return self._ledger.transfers.postpone(transfer, opening, reason, now)

    def _opening(self, transfer: Transfer, folder: Outbound, now: datetime) -> datetime | None:
        """When the transfer may go: now, later, or (None) not without a person."""
        window = self.bank.window(folder)
        if transfer.late_allowed == "now" or closing(window, now):
            return now
        hold = folder.after_cut_off == "hold" and transfer.late_allowed is None
        return None if hold and missed(window, transfer.received_at, now) else next_opening(window, now)

    # Lease and stage.

    def _lease(self, transfer: Transfer, folder: Outbound | None) -> Transfer | None:
        now = self._clock.now()

        def plan(row: Transfer, number: int, taken: Callable[[str], bool]) -> tuple[str, str]:
            assert folder is not None
            return names(self.bank, folder, row, number, now, taken)

        return self._ledger.transfers.lease(transfer, self._owner, plan, self.bank.channel.route, now, LEASE)

    def _send(self, transfer: Transfer, folder: Outbound) -> Transfer:
        leftover = self._leftover(transfer)
        leased = self._lease(transfer, folder)
        if leased is None:
            return transfer
        step = "connect"
        try:
            with self._line.session() as session:
                step = "stage"
                if leftover:
                    with suppress(ChannelError):
                        session.discard(leftover)
                if self._way is Way.MARKER and (there := self._taken_already(session, leased)):
                    return self._clash(leased, there)
                with self._kept(leased):
                    staged = self._stage(session, leased)
                    return self._publish(session, leased, staged, folder)
        except (NotDelivered, Refused) as error:
            return self._not_delivered(leased, step, error)
        except Damaged as error:
            return self._not_delivered(leased, step, error)
        except StoreError:
            # Ledger or archive cannot do their duty: nothing more is asked of the bank; recovery takes it from here.
            self._line.close()
            raise

    def _leftover(self, transfer: Transfer) -> str | None:
        """The temporary file of an earlier attempt that made it, at the server that it went to.

        By its own way: one that was announced under its own name is the bank's now.
        """
        last = self._ledger.transfers.last_attempt(transfer)
        if last.route is None or not last.made or last.route.moved_to(self.bank.channel.route):
            return None
        theirs = last.route.way is not Way.RENAME and self._ledger.transfers.announced(transfer)
        return None if theirs else transfer.temporary

    def _stage(self, session: Channel, transfer: Transfer) -> Staged | None:
        """The whole file under its temporary name; None where it goes straight to its final one later."""
        assert transfer.temporary
        with self._archive.open(transfer.sha256, "sending") as source:
            if self._way is Way.DIRECT:  # there is no turning back from a damaged file once it is begun
                while source.read(BLOCK):
                    pass
                return None
            staged = session.stage(transfer.temporary, source, lambda: self._ledger.transfers.made(transfer))
        if staged.size != transfer.size:
            raise NotDelivered(f"{staged.size} of {transfer.size} bytes arrived at {staged.path}.")
        return staged

    @contextmanager
    def _kept(self, transfer: Transfer) -> Iterator[None]:
        """Renew the lease from a thread of its own while a long upload goes on."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(LEASE.total_seconds() / 3):
                with suppress(StoreError):  # the fence tells at the point of no return
                    self._ledger.transfers.renew(transfer, self._clock.now(), LEASE)

        thread = threading.Thread(target=renew, name=f"lease {transfer.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _not_delivered(self, transfer: Transfer, step: str, error: ChannelError | Damaged) -> Transfer:
        """Nothing is visible at the bank: try again later; after too many failed uploads give up."""
        now, retry = self._clock.now(), self.bank.retry
        counted = transfer.failures + (step == "stage")
        wait = retry.most if isinstance(error, Refused) else self._wait(transfer)
        give_up = counted >= retry.give_up_after or isinstance(error, Damaged)
        due_at = None if give_up else self._line.suspended_until() or now + wait
        outcome = "NOT_DELIVERED" if isinstance(error, NotDelivered) else "REFUSED"
        return self._ledger.transfers.not_delivered(
            transfer, step=step, outcome=outcome, text=str(error), failures=counted, due_at=due_at, now=now
        )

    def _wait(self, transfer: Transfer) -> timedelta:
        return backoff(transfer.failures + 1, self.bank.retry.first, self.bank.retry.most, random.random)

    # Publish: the one moment that counts.

    def _publish(self, session: Channel, transfer: Transfer, staged: Staged | None, folder: Outbound) -> Transfer:
        now = self._clock.now()
        opening = self._opening(transfer, folder, now)
        if opening != now:
            self._clear_away(session, staged)
            return self._too_late(transfer, folder, opening)
        assert transfer.remote
        final = session.look(transfer.remote)
        if final.presence is Presence.THERE:
            self._clear_away(session, staged)
            return self._clash(transfer, transfer.remote)
        exclusive = self._publisher.may_replace(session, transfer, final)
        publishing = self._ledger.transfers.publishing(transfer, now, exclusive=exclusive)
        self._witness(folder)
        return self._publisher.publish(session, publishing, exclusive=exclusive)

    def _witness(self, folder: Outbound) -> None:
        """How far the journal has come, noted where the files come from: the data folder may be put back as a whole."""
        try:
            Foothold(folder).witness.note(self._ledger.journal.last())
        except StoreError as error:
            log.warning("the journal's head was not noted", extra={"event": "witness_failed", "text": str(error)})

    def _taken_already(self, session: Channel, transfer: Transfer) -> str | None:
        """A name that somebody's file has: by marker they are such as others could give.

        A marker that is there already would have the file taken while it is staged.
        """
        assert transfer.temporary
        assert transfer.remote
        names = (transfer.temporary, transfer.remote)
        return next((name for name in names if session.look(name).presence is Presence.THERE), None)

    def _clash(self, transfer: Transfer, there: str) -> Transfer:
        """The transfer, held: somebody's file has one of its names."""
        reason = f"{there} is there at the bank already; it is never overwritten. Look what it is."
        return self._ledger.transfers.stop_staging(transfer, Trigger.CLASH, reason, self._clock.now())

    def _clear_away(self, session: Channel, staged: Staged | None) -> None:
        if staged is not None:
            with suppress(ChannelError):
                session.discard(staged.path)

    def _too_late(self, transfer: Transfer, folder: Outbound, opening: datetime | None) -> Transfer:
        now = self._clock.now()
        if opening is None:
            return self._ledger.transfers.stop_staging(transfer, Trigger.LATE, _late(folder, self.bank.timezone), now)
        text = "the window closed during the upload; nothing was published"
        return self._ledger.transfers.not_delivered(
            transfer, step="stage", outcome="STOPPED", text=text, failures=transfer.failures, due_at=opening, now=now
        )


def _late(folder: Outbound, zone: str) -> str:
    assert folder.cut_off
    return f"the cut-off at {folder.cut_off:%H:%M} ({zone}) has passed; release it for the next window, or with --now"
