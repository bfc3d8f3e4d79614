"""The daemon: watches folders, sends, pulls on schedule, and stops cleanly.

Each bank has two workers: one takes files in, one holds the line (sending goes before pulling). Neither waits for
another bank. File events and the scheduler only wake them; what is to be done stands in folders and ledger. Beside
them one worker looks out for what somebody has to be told (lookout), one tells it to whoever the settings name, one
tells each webhook of events, and one purges where the settings say so (retention). No file waits for any of these.
"""

from __future__ import annotations

import gc
import itertools
import logging
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from h2h.clock import SetBack
from h2h.config import Bank, Inbound
from h2h.desk import Desk
from h2h.engine.local import LocalEngine
from h2h.errors import ChannelError, ReaderError, StoreError
from h2h.gateway import Gateway
from h2h.ledger.messages import Message
from h2h.ledger.rows import Transfer
from h2h.lookout import Lookout
from h2h.pulse import Pulse
from h2h.trouble import Troubles
from h2h.watcher import Watcher
from h2h.witness import Head

log = logging.getLogger(__name__)

RESCAN_SECONDS = 30.0  # events and glances hasten a look at a folder, or a line's work; this is when it comes anyway
GLANCE_SECONDS = 2.0  # how soon a decision made on the command line is noticed
SETTLE_GLANCE_SECONDS = 0.2
GLANCES_TO_MEND = 10
LOOKOUT_SECONDS = 20.0
LOOKOUT_REST_SECONDS = 3.0
LOOKOUT_RESTS = 25  # times as long as it looked
OVERDUE_SECONDS = 300  # between two looks for statements that are overdue
STOP_SECONDS = 15.0
ALERTS = "alerts"  # the worker that tells of alarms


class Daemon:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._due: dict[str, set[int]] = {b.name: set(range(len(b.inbound))) for b in gateway.settings.banks}
        workers = {f"intake {name}": self._intake_round(desk) for name, desk in gateway.desks.items()}
        workers |= {f"line {name}": self._line_round(desk) for name, desk in gateway.desks.items()}
        if gateway.settings.retention.files is not None:
            workers["retention"] = gateway.daily_purge.round
        workers["lookout"] = self._lookout_round(Lookout(gateway))
        self._webhooks = {f"webhook {one.name}": one.round for one in gateway.deliverers(self._stop.is_set)}
        workers |= self._webhooks
        self._troubles = Troubles(gateway.trouble_file, gateway.clock)
        if teller := gateway.teller(self._troubles.note, self._stop.is_set):
            workers[ALERTS] = teller.round
        self._engine = LocalEngine(workers, self._troubles.note)
        self._pulse = Pulse(gateway, self._engine.turns, every=GLANCE_SECONDS)
        self._watcher = Watcher(self._wakes())
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._set_back = SetBack(gateway.clock)
        self._head: Head | None = None  # of the journal, when it was looked at last

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or `stop`. The caller holds the data folder (`Gateway.running`)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        self._pulse.start()
        self._troubles.clear()
        self._gateway.ledger.webhooks.resume([one.name for one in self._gateway.settings.webhooks])
        self._plan()
        self._scheduler.start()
        self._engine.start()
        self._watcher.start()
        self._note_overdue()
        gc.freeze()  # what is there now stays: to look through it again and again is a tenth of the work on small files
        log.info("running", extra={"event": "started", "banks": len(self._gateway.settings.banks)})
        try:
            for glance in itertools.count(1):
                self._pulse.beat()
                if self._stop.wait(self._pulse.every):
                    break
                self._glance()
                if glance % GLANCES_TO_MEND == 0:
                    self._mend()
        finally:
            self._end()

    def stop(self) -> None:
        self._stop.set()

    def _glance(self) -> None:
        """One question for all banks: lines that have something to do are woken, and those that tell what happened."""
        ledger, desks = self._gateway.ledger, self._gateway.desks
        try:
            banks, head = ledger.wakes.banks(self._gateway.clock.now()), ledger.journal.last()
        except StoreError:
            banks, head = set(desks), None  # each worker finds out for itself, and tells
        banks -= {name for name, desk in desks.items() if desk.bank.away_until(self._gateway.clock.now())}
        if head != self._head and self._gateway.settings.alerts:
            self._engine.wake(ALERTS)
        if head != self._head:
            self._engine.wake("lookout")
            banks |= {bank.name for bank in self._gateway.settings.banks if any(o.status for o in bank.outbound)}
            for worker in self._webhooks:
                self._engine.wake(worker)
        self._head = head
        for name in banks & desks.keys():
            self._engine.wake(f"line {name}")

    def _mend(self) -> None:
        for folder in self._watcher.mend():
            log.error("a watched folder is missing", extra={"event": "folder_missing", "folder": folder})
        self._mind_the_clock()

    def _end(self) -> None:
        self._pulse.stop()
        self._scheduler.shutdown(wait=False)
        self._watcher.stop()
        if not self._engine.stop(STOP_SECONDS):
            log.warning("cut off what was under way", extra={"event": "stop_forced"})
        self._anchor()
        self._troubles.clear()
        log.info("stopped", extra={"event": "stopped"})

    def _wakes(self) -> dict[Path, Callable[[], None]]:
        return {
            folder.watch: lambda worker=f"intake {bank.name}": self._engine.wake(worker)  # type: ignore[misc]
            for bank in self._gateway.settings.banks
            for folder in bank.outbound
        }

    # What the workers do.

    def _intake_round(self, desk: Desk) -> Callable[[], float]:
        def round_() -> float:
            scans = desk.take_in(self._tell_transfer(desk.bank))
            return SETTLE_GLANCE_SECONDS if any(scan.settling for scan in scans) else RESCAN_SECONDS

        return round_

    def _tell_transfer(self, bank: Bank) -> Callable[[Transfer | Message], None]:
        def told(file: Transfer | Message) -> None:
            tell(file)
            self._engine.wake(f"line {bank.name}")

        return told

    def _line_round(self, desk: Desk) -> Callable[[], float]:
        started = False

        def round_() -> float:
            nonlocal started
            desk.hand_over(tell, stop=self._engine.stopping)
            if not started:
                desk.finish_started(tell)
                started = True
            self._pull_due(desk)
            desk.probe()
            desk.hand_back(stop=self._engine.stopping)
            return self._seconds_to_next(desk)

        return round_

    def _lookout_round(self, lookout: Lookout) -> Callable[[], float]:
        """However often something happens, it looks once in a while, and takes no more than a small part of the time
        where much is to be looked at."""
        clock, rests_until = self._gateway.clock, 0.0

        def round_() -> float:
            nonlocal rests_until
            began = clock.monotonic()
            if began < rests_until:
                return rests_until - began
            lookout.round()
            ended = clock.monotonic()
            rests_until = ended + max(LOOKOUT_REST_SECONDS, LOOKOUT_RESTS * (ended - began))
            return max(LOOKOUT_SECONDS, rests_until - ended)

        return round_

    def _pull_due(self, desk: Desk) -> None:
        """Pull every folder whose time has come; while the bank cannot be reached they stay due."""
        due = self._due[desk.bank.name]
        for index in sorted(due):
            if self._sending_goes_first(desk) or desk.suspended_until():
                return
            due.discard(index)
            try:
                desk.pull(desk.bank.inbound[index], tell, stop=lambda: self._sending_goes_first(desk))
                if self._sending_goes_first(desk):
                    due.add(index)  # perhaps broken off: look again after sending
            except ChannelError as error:
                folder = desk.bank.inbound[index].remote
                told = {"event": "pull_failed", "bank": desk.bank.name, "folder": folder, "text": str(error)}
                log.warning("pull failed", extra=told)
                if desk.suspended_until():
                    due.add(index)  # the folder's own trouble, else, is looked at again at its next time
            except (StoreError, ReaderError):
                due.add(index)  # nothing of it is the bank's fault: as soon as what failed here does its duty
                raise

    def _sending_goes_first(self, desk: Desk) -> bool:
        next_due = desk.next_due()
        waits = next_due is not None and next_due <= self._gateway.clock.now()
        return self._engine.stopping() or (waits and not desk.suspended_until())

    def _seconds_to_next(self, desk: Desk) -> float:
        """Until it is needed as far as is known now; `_glance` wakes it for what comes up meanwhile."""
        at = desk.next_look()
        if at is None:
            return RESCAN_SECONDS
        return max(0.05, min((at - self._gateway.clock.now()).total_seconds(), RESCAN_SECONDS))

    # What was noted by a clock that ran ahead.

    def _mind_the_clock(self) -> None:
        """What waits for a time that the clock had shown already would wait for it once more."""
        if back := self._set_back.by():
            told = {"event": "clock_set_back", "seconds": round(back.total_seconds())}
            log.warning("the clock was set back: nothing waits for what it showed before", extra=told)
            try:
                self._gateway.hurry()
            except StoreError as error:
                log.error("waits not ended", extra={"event": "hurry_failed", "text": str(error)})
                return  # to be tried again
            self._scheduler.remove_all_jobs()
            self._plan()
            for name in self._gateway.desks:
                self._engine.wake(f"line {name}")
        self._set_back.noted()

    def _plan(self) -> None:
        self._plan_pulls()
        self._plan_anchors()
        self._plan_overdue()

    # When to note the journal's head outside.

    def _plan_anchors(self) -> None:
        if self._gateway.proof.file is not None:
            seconds = self._gateway.settings.gateway.anchor_every.total_seconds()
            self._scheduler.add_job(self._anchor, IntervalTrigger(seconds=seconds, timezone="UTC"), coalesce=True)

    def _anchor(self) -> None:
        try:
            self._gateway.proof.note()
            self._troubles.note("anchor", None)
        except StoreError as error:
            log.error("journal not anchored", extra={"event": "anchor_failed", "text": str(error)})
            self._troubles.note("anchor", str(error))

    # Statements that did not come.

    def _plan_overdue(self) -> None:
        every = IntervalTrigger(seconds=OVERDUE_SECONDS, timezone="UTC")
        self._scheduler.add_job(self._note_overdue, every, coalesce=True)

    def _note_overdue(self) -> None:
        try:
            self._gateway.note_overdue(self._gateway.settings.banks)
        except StoreError as error:
            log.error("overdue statements not noted", extra={"event": "overdue_failed", "text": str(error)})

    # When to pull.

    def _plan_pulls(self) -> None:
        for bank in self._gateway.settings.banks:
            for index, folder in enumerate(bank.inbound):
                self._scheduler.add_job(
                    self._pull_time,
                    trigger_of(folder, bank.timezone),
                    args=[bank, index],
                    misfire_grace_time=None,
                    coalesce=True,
                )

    def _pull_time(self, bank: Bank, index: int) -> None:
        """Once for each local slot: a time that comes twice when the clocks go back is one slot."""
        if self._is_first(bank, bank.inbound[index]):
            self._due[bank.name].add(index)
            self._engine.wake(f"line {bank.name}")

    def _is_first(self, bank: Bank, folder: Inbound) -> bool:
        """A ledger that cannot note the slot is no reason to leave it out: to pull twice does no harm."""
        now = self._gateway.clock.now()
        schedule = f"pull {bank.name} {folder.remote} {folder.match}"
        try:
            return self._gateway.ledger.slots.take(schedule, _slot(folder, bank, now), now)
        except StoreError as error:
            log.error("slot not noted", extra={"event": "slot_failed", "bank": bank.name, "text": str(error)})
            return True


def trigger_of(folder: Inbound, timezone: str) -> CronTrigger | IntervalTrigger:
    if folder.cron is not None:
        return CronTrigger.from_crontab(folder.cron, timezone=timezone)
    assert folder.every is not None
    return IntervalTrigger(seconds=folder.every.total_seconds(), timezone="UTC")


def _slot(folder: Inbound, bank: Bank, now: datetime) -> str:
    if folder.cron is not None:
        return f"{now.astimezone(ZoneInfo(bank.timezone)):%Y-%m-%dT%H:%M}"
    assert folder.every is not None
    return str(int(now.timestamp() / folder.every.total_seconds()))


def tell(file: Transfer | Message) -> None:
    """One log line for what became of a file."""
    kind = "transfer" if isinstance(file, Transfer) else "message"
    told = {"event": kind, "id": file.id, "bank": file.bank, "state": file.state, "file": file.name}
    log.info("file", extra={**told, "reason": file.reason} if file.reason else told)
