"""Handing transfers to their bank up to the point of no return: admit, seal, lease, stage.

Until PUBLISHING is committed any failure is harmless: nothing is visible at the bank, and a new attempt uploads
under a new temporary name. What comes after is in publisher.py.

Small files go in groups, whose requests overlap and whose commits are one; each keeps an outcome of its own. A group is
published at once only where a crash in the middle would leave nothing for a person, else one file after the other.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from h2h.archive import BLOCK, Archive
from h2h.channels import Channel, Upload
from h2h.clock import Clock
from h2h.config import Bank, Outbound
from h2h.envelopes import Envelopes
from h2h.errors import ChannelError, Damaged, NotDelivered, Refused, Stale, StoreError
from h2h.foothold import Foothold
from h2h.ledger import Ledger
from h2h.ledger.leases import Book, Nameless, Planned
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State, Trigger
from h2h.line import Line
from h2h.model import Look, Presence, Staged, TransferId, Way
from h2h.naming import SEQUENCE_DAY
from h2h.outbound import numbers
from h2h.outbound.admission import Admission
from h2h.outbound.groups import groups
from h2h.outbound.leftovers import Leftovers
from h2h.outbound.names import Environment, names
from h2h.outbound.publisher import Publisher, unless_stale
from h2h.outbound.sealing import Sealer
from h2h.schedule import backoff

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
GROUP = 32  # transfers that are handed over together


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """A transfer of which all is at the bank under its temporary name; None where it goes straight to its final one."""

    transfer: Transfer
    staged: Staged | None


class Handover:
    """One bank's sender."""

    def __init__(
        self,
        bank: Bank,
        *,
        line: Line,
        ledger: Ledger,
        archive: Archive,
        clock: Clock,
        envelopes: Envelopes,
        owner: str,
        environment: Environment,
    ) -> None:
        self.bank = bank
        self._environment = environment
        self._way = bank.channel.way
        self._line = line
        self._ledger = ledger
        self._archive = archive
        self._clock = clock
        self._owner = owner
        self._sealer = Sealer(
            bank, ledger=ledger, archive=archive, clock=clock, envelopes=envelopes, environment=environment
        )
        self._admission = Admission(bank, ledger=ledger, clock=clock)
        self._leftovers = Leftovers(bank, line=line, ledger=ledger)
        self._publisher = Publisher(bank, line=line, ledger=ledger, archive=archive, clock=clock)

    def round(self, progress: Callable[[Transfer], None] = lambda _: None, *, stop: Callable[[], bool]) -> None:
        """Look once at everything that is due; ends early where the bank cannot be reached.

        StoreError where the disk is nearly full: then only what is under way is brought to its end.
        """
        seen: set[TransferId] = set()
        numbered = {str(folder.watch) for folder in self.bank.outbound if folder.counters}
        short: str | None = None
        while due := [t for t in self._ledger.transfers.due(self.bank.name, self._clock.now()) if t.id not in seen]:
            for group in groups(due, GROUP if self._way is Way.RENAME else 1, numbered):
                if stop() or self._line.suspended_until():
                    return
                seen.update(transfer.id for transfer in group)
                if group[0].state is State.READY and (lacking := self._sealer.shortage(group)):
                    short = lacking
                    continue
                for result in self._look_at(group):
                    if isinstance(result, Stale):
                        log.warning("transfer changed hands", extra={"event": "stale", "text": str(result)})
                    else:
                        progress(result)
        if short:
            raise StoreError(short)

    def _look_at(self, group: Sequence[Transfer]) -> Sequence[Transfer | Stale]:
        first = group[0]
        match first.state:
            case State.STAGING:
                return [unless_stale(self._ledger.transfers.take_back, first, self._clock.now())]
            case State.PUBLISHING:
                leased = self._lease(group)
                self._witness_all(leased)  # a crash may have come before
                return [unless_stale(self._publisher.reconcile, one) for one in leased] if leased else group
            case _:
                ready, others = self._admission.admitted(group)
                going, not_sealed = self._sealer.sealed(ready)
                return others + not_sealed + self._send(going)

    # Lease and stage.

    def _lease(self, group: Sequence[Transfer]) -> list[Transfer]:
        now = self._clock.now()

        def plan(row: Transfer, number: int, book: Book) -> Planned | Nameless:
            return names(self.bank, self._folder(row), row, number, now, book, environment=self._environment)

        return self._ledger.transfers.lease_many(group, self._owner, plan, self._line.route(), now, LEASE)

    def _folder(self, transfer: Transfer) -> Outbound:
        folder = self.bank.outbound_for(transfer.watch)
        assert folder is not None
        return folder

    def _send(self, group: Sequence[Transfer]) -> list[Transfer | Stale]:
        left = {transfer.id: self._leftovers.own(transfer) for transfer in group}
        leased = self._lease(group) if group else []
        if not leased:
            return []
        step = "connect"
        try:
            with self._line.session() as session:
                step = "stage"
                self._tidy(session, [left[each.id] or self._leftovers.of_others(each) for each in leased])
                if self._way is Way.MARKER and (there := self._taken_already(session, leased[0])):
                    return [self._clash(leased[0], there)]
                with self._kept(leased):
                    whole, failed = self._stage(session, leased)
                    return failed + (self._publish(session, whole) if whole else [])
        except (NotDelivered, Refused) as error:  # no session, or no look before anything was staged
            return [self._not_delivered(transfer, step, error) for transfer in leased]
        except StoreError:
            # Ledger or archive cannot do their duty: nothing more is asked of the bank; recovery takes it from here.
            self._line.close()
            raise

    def _tidy(self, session: Channel, leftovers: Sequence[str | None]) -> None:
        for leftover in filter(None, leftovers):
            with suppress(ChannelError):
                session.discard(leftover)

    def _stage(self, session: Channel, transfers: Sequence[Transfer]) -> tuple[list[_Whole], list[Transfer | Stale]]:
        """Those that are whole under their temporary names, and what became of the others."""
        whole: list[_Whole] = []
        failed: list[Transfer | Stale] = []
        for transfer, staged in zip(transfers, self._staged(session, transfers), strict=True):
            match staged:
                case ChannelError() | Damaged():
                    failed.append(self._not_delivered(transfer, "stage", staged))
                case Exception():
                    raise staged
                case Staged() if staged.size != transfer.sent_size:
                    error = NotDelivered(f"{staged.size} of {transfer.sent_size} bytes arrived at {staged.path}.")
                    failed.append(self._not_delivered(transfer, "stage", error))
                case _:
                    whole.append(_Whole(transfer=transfer, staged=staged))
        return whole, failed

    def _staged(self, session: Channel, transfers: Sequence[Transfer]) -> Sequence[Staged | Exception | None]:
        """None where a file goes straight to its final name later."""
        if self._way is Way.DIRECT:
            return [self._read_through(transfer) for transfer in transfers]
        by_path = {transfer.temporary: transfer for transfer in transfers if transfer.temporary}

        def made(paths: Sequence[str]) -> Collection[str]:
            ours = self._ledger.transfers.made([by_path[path] for path in paths])
            return {transfer.temporary for transfer in ours if transfer.temporary}

        opened = {path: partial(self._archive.open, each.sent_sha256, "sending") for path, each in by_path.items()}
        return session.stage_many([Upload(path=path, opened=opened[path]) for path in by_path], made)

    def _read_through(self, transfer: Transfer) -> Damaged | None:
        """There is no turning back from a damaged file once it is begun."""
        try:
            with self._archive.open(transfer.sent_sha256, "sending") as source:
                while source.read(BLOCK):
                    pass
        except Damaged as error:
            return error
        return None

    @contextmanager
    def _kept(self, transfers: Sequence[Transfer]) -> Iterator[None]:
        """Renew the leases from a thread of its own while a long upload goes on."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(LEASE.total_seconds() / 3):
                for transfer in transfers:
                    with suppress(StoreError):  # the fence tells at the point of no return
                        self._ledger.transfers.renew(transfer, self._clock.now(), LEASE)

        thread = threading.Thread(target=renew, name=f"lease {transfers[0].id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _not_delivered(self, transfer: Transfer, step: str, error: ChannelError | Damaged) -> Transfer | Stale:
        """Nothing is visible at the bank: try again later; after too many failed uploads give up."""
        now, retry = self._clock.now(), self.bank.retry
        counted = transfer.failures + (step == "stage" and not self._line.away_until())
        wait = retry.most if isinstance(error, Refused) else self._wait(transfer)
        give_up = counted >= retry.give_up_after or isinstance(error, Damaged)
        due_at = None if give_up else self._line.suspended_until() or now + wait
        outcome = "NOT_DELIVERED" if isinstance(error, NotDelivered) else "REFUSED"
        verb, text = self._ledger.transfers.not_delivered, str(error)
        return unless_stale(
            verb, transfer, step=step, outcome=outcome, text=text, failures=counted, due_at=due_at, now=now
        )

    def _wait(self, transfer: Transfer) -> timedelta:
        return backoff(transfer.failures + 1, self.bank.retry.first, self.bank.retry.most, random.random)

    # Publish: the one moment that counts.

    def _publish(self, session: Channel, whole: Sequence[_Whole]) -> list[Transfer | Stale]:
        """All at once, where each that a crash leaves in PUBLISHING settles by itself; else one after the other."""
        if len(whole) > 1 and not self._publisher.settles_by_itself():
            return self._one_by_one(session, whole)
        now = self._clock.now()
        if self._of_another_day(whole[0].transfer, now):
            return [self._numbered_anew(session, whole[0], now)]
        openings = [self._admission.opening(one.transfer, now) for one in whole]
        in_time = [one for one, opening in zip(whole, openings, strict=True) if opening == now]
        late = [(one, opening) for one, opening in zip(whole, openings, strict=True) if opening != now]
        results = [self._too_late(session, one, opening) for one, opening in late]
        if not in_time:
            return results
        finals, shown = self._look_before(session, in_time)
        if len(in_time) > 1 and not shown:
            return results + self._one_by_one(session, in_time)
        going: list[tuple[Transfer, Look]] = []
        for one, final in zip(in_time, finals, strict=True):
            if isinstance(final, Look) and final.presence is not Presence.THERE:
                going.append((one.transfer, final))
            else:
                results.append(self._name_not_free(session, one, final))
        return results + (self._publish_now(session, going, now) if going else [])

    def _one_by_one(self, session: Channel, whole: Sequence[_Whole]) -> list[Transfer | Stale]:
        return [result for one in whole for result in self._publish(session, [one])]

    def _of_another_day(self, transfer: Transfer, now: datetime) -> bool:
        """Whether its number is one of a day that ended while it was uploaded: there, it goes alone."""
        if SEQUENCE_DAY not in self._folder(transfer).counters:
            return False
        return self._ledger.sequences.days(transfer) != {self.bank.today(now).isoformat()}

    def _numbered_anew(self, session: Channel, one: _Whole, now: datetime) -> Transfer | Stale:
        """Under the number and date of a day that is over the bank may refuse it, or have closed that day's count."""
        self._clear_away(session, one.staged)
        text = "the day ended during the upload; nothing was published, and it gets a number of the new day"
        transfer, verb = one.transfer, self._ledger.transfers.not_delivered
        return unless_stale(
            verb, transfer, step="stage", outcome="STOPPED", text=text, failures=transfer.failures, due_at=now, now=now
        )

    def _look_before(self, session: Channel, whole: Sequence[_Whole]) -> tuple[Sequence[Look | Exception], bool]:
        """What stands under the final names; and whether the bank shows them, and the first of the temporary files."""
        parts = [one.staged.path for one in whole[:1] if one.staged and len(whole) > 1]
        looks = session.look_many([*(_final(one.transfer) for one in whole), *parts])
        finals, temporary = looks[: len(whole)], looks[len(whole) :]
        shown = all(isinstance(look, Look) and look.presence is Presence.THERE for look in temporary)
        return finals, shown and not any(isinstance(x, Look) and x.presence is Presence.HIDDEN for x in finals)

    def _name_not_free(self, session: Channel, one: _Whole, final: Look | Exception) -> Transfer | Stale:
        match final:
            case ChannelError():
                return self._not_delivered(one.transfer, "stage", final)
            case Exception():
                raise final
            case _:
                self._clear_away(session, one.staged)
                return self._clash(one.transfer, _final(one.transfer))

    def _publish_now(
        self, session: Channel, going: Sequence[tuple[Transfer, Look]], now: datetime
    ) -> list[Transfer | Stale]:
        exclusive = {each.id for each, final in going if self._publisher.may_replace(session, each, final)}
        found = self._ledger.transfers.publishing_many([each for each, _ in going], now, exclusive=exclusive)
        publishing = [one for one in found if isinstance(one, Transfer)]
        self._witness_all(publishing)
        published = self._publisher.publish(session, publishing, exclusive=exclusive) if publishing else []
        return [one for one in found if isinstance(one, Stale)] + published

    def _witness_all(self, transfers: Sequence[Transfer]) -> None:
        for watch in dict.fromkeys(transfer.watch for transfer in transfers):
            if folder := self.bank.outbound_for(watch):
                self._witness(folder)

    def _witness(self, folder: Outbound) -> None:
        """How far the journal has come, noted where the files come from: the data folder may be put back as a whole."""
        try:
            Foothold(folder).witness.note(self._ledger.journal.last())
        except StoreError as error:
            log.warning("the journal's head was not noted", extra={"event": "witness_failed", "text": str(error)})
        if folder.counters:
            numbers.note(self.bank, folder, self._ledger)

    def _taken_already(self, session: Channel, transfer: Transfer) -> str | None:
        """A name that somebody's file has: by marker they are such as others could give.

        A marker that is there already would have the file taken while it is staged.
        """
        assert transfer.temporary
        names = (transfer.temporary, _final(transfer))
        return next((name for name in names if session.look(name).presence is Presence.THERE), None)

    def _clash(self, transfer: Transfer, there: str) -> Transfer | Stale:
        """The transfer, held: somebody's file has one of its names."""
        reason = f"{there} is there at the bank already; it is never overwritten. Look what it is."
        return unless_stale(self._ledger.transfers.stop_staging, transfer, Trigger.CLASH, reason, self._clock.now())

    def _clear_away(self, session: Channel, staged: Staged | None) -> None:
        if staged is not None:
            with suppress(ChannelError):
                session.discard(staged.path)

    def _too_late(self, session: Channel, one: _Whole, opening: datetime | None) -> Transfer | Stale:
        self._clear_away(session, one.staged)
        return self._admission.stopped(one.transfer, opening)


def _final(transfer: Transfer) -> str:
    assert transfer.remote
    return transfer.remote
