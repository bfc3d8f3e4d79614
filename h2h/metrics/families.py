"""What is measured. Everything is asked at the moment of a scrape, of ledger, settings and clock; only what happens,
and does not stand, is counted from one scrape to the next, by what the journal tells.
"""

from __future__ import annotations

import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import h2h
from h2h.config import Bank, Outbound
from h2h.engine import Turn
from h2h.errors import StoreError
from h2h.gateway import Gateway
from h2h.health import alarms
from h2h.heartbeat import Beat
from h2h.ledger.gauges import MOST, BankGauges, Waiting
from h2h.lifecycle import State
from h2h.schedule import closing, next_opening

PAGES = 20  # of the journal's events that a scrape catches up with; what is beyond comes with the next one


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`tells`: its help. One whose name ends in _total is a counter, all others are gauges."""

    name: str
    labels: tuple[str, ...]
    tells: str


def _family(name: str, labels: str, tells: str) -> Family:
    return Family(name=name, labels=tuple(labels.split()), tells=tells)


FAMILIES = (
    _family("h2h_build_info", "version python environment", "always 1: what runs"),
    _family("h2h_files", "bank state", "files in this state; not those that are SENT, INVALID or CANCELLED"),
    _family("h2h_oldest_ready_seconds", "bank", "how long ago the oldest READY file was taken; 0 without one"),
    _family("h2h_waiting_files", "bank folder", "files RECEIVED, READY or STAGING, by watched folder"),
    _family("h2h_cut_off_seconds", "bank folder payments", "until the next cut-off, less the lead"),
    _family("h2h_waiting_cut_off_seconds", "bank folder payments", "the same, only while files wait that go by it"),
    _family("h2h_state_changes_total", "bank state", "files that came to this state since the gateway started"),
    _family("h2h_attempts_failed_total", "bank", "tries to hand a file over that failed since the gateway started"),
    _family("h2h_unanswered_files", "bank", f"SENT, and the bank said nothing on them; counted up to {MOST}"),
    _family("h2h_unreadable_files", "bank", "files from the bank that are UNREADABLE"),
    _family("h2h_gaps", "bank", "what is missing among the statements"),
    _family("h2h_folder_troubles", "bank", "what does not work in the bank's folders although the line is up"),
    _family("h2h_alarms", "alarm bank urgency taken", "open alarms, missed deadlines among them, by their word"),
    _family("h2h_bank_reachable", "bank", "1, or 0 while the line is down or refused; nothing before it was used"),
    _family("h2h_bank_last_contact_timestamp_seconds", "bank", "when the bank answered last"),
    _family("h2h_bank_failures_in_a_row", "bank", "connections that failed since the bank answered last"),
    _family("h2h_worker_alive", "worker", "1, or 0 where it hangs or has ended"),
    _family("h2h_worker_last_round_timestamp_seconds", "worker", "when its last round ended"),
    _family("h2h_worker_round_seconds", "worker", "how long the round under way has lasted; 0 at rest"),
    _family("h2h_main_loop_timestamp_seconds", "", "when the main loop turned last"),
    _family("h2h_key_days_left", "bank kind use fingerprint", "until the key ends; below 0 once it has"),
    _family("h2h_certificate_expiry_timestamp_seconds", "file", "when the first of the certificates in it ends"),
)

Standing = Callable[[], tuple[Beat, Sequence[Turn]]]
"""How the main loop and the workers stood at the last turn."""


class Families:
    """The families of one scrape."""

    def __init__(self) -> None:
        kind = {True: CounterMetricFamily, False: GaugeMetricFamily}
        self.all = {f.name: kind[f.name.endswith("_total")](f.name, f.tells, labels=f.labels) for f in FAMILIES}

    def add(self, name: str, value: float, *labels: str) -> None:
        self.all[name].add_metric(labels, value)


class OfGateway(Collector):
    """Raises StoreError while the ledger cannot be asked."""

    def __init__(self, gateway: Gateway, standing: Standing) -> None:
        self._gateway = gateway
        self._standing = standing
        self._one_at_a_time = threading.Lock()
        self._seq = gateway.ledger.journal.last().seq
        self._changes: Counter[tuple[str, State]] = Counter()
        self._failed: Counter[str] = Counter()

    def describe(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The names, so that nothing is asked before the first scrape."""
        yield from Families().all.values()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        found, gateway = Families(), self._gateway
        settings = gateway.settings
        found.add("h2h_build_info", 1, h2h.__version__, platform.python_version(), settings.gateway.environment)
        with self._one_at_a_time:
            self._catch_up()
            for gauges in gateway.ledger.gauges.of([bank.name for bank in settings.banks]):
                _bank(found, gateway, gauges)
                self._counted(found, gauges.bank)
        _alarms(found, gateway)
        _workers(found, gateway, self._standing())
        _certificates(found, gateway)
        _keys(found, gateway)
        yield from found.all.values()

    def _catch_up(self) -> None:
        for _ in range(PAGES):
            page = self._gateway.ledger.gauges.changes(self._seq)
            self._seq = page.seq
            self._changes.update((change.bank, change.state) for change in page.changes)
            self._failed.update(change.bank for change in page.changes if change.failed)
            if page.all:
                return

    def _counted(self, found: Families, bank: str) -> None:
        for state in State:
            found.add("h2h_state_changes_total", self._changes[bank, state], bank, state)
        found.add("h2h_attempts_failed_total", self._failed[bank], bank)


def _bank(found: Families, gateway: Gateway, gauges: BankGauges) -> None:
    bank, now = gauges.bank, gateway.clock.now()
    for state, number in gauges.states.items():
        found.add("h2h_files", number, bank, state)
    found.add("h2h_oldest_ready_seconds", _since(gauges.oldest_ready, now), bank)
    found.add("h2h_unanswered_files", gauges.unanswered, bank)
    found.add("h2h_unreadable_files", gauges.unreadable, bank)
    found.add("h2h_gaps", gauges.gaps, bank)
    found.add("h2h_folder_troubles", gauges.troubles, bank)
    found.add("h2h_bank_failures_in_a_row", gauges.failures, bank)
    if gauges.reachable is not None:
        found.add("h2h_bank_reachable", gauges.reachable, bank)
    if gauges.last_good_at is not None:
        found.add("h2h_bank_last_contact_timestamp_seconds", gauges.last_good_at.timestamp(), bank)
    _folders(found, gateway, gauges, now)


def _since(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0


def _folders(found: Families, gateway: Gateway, gauges: BankGauges, now: datetime) -> None:
    """Those that are not in the settings any more, too, as long as files wait in them."""
    bank = gateway.bank(gauges.bank)
    numbers = Counter({str(folder.watch): 0 for folder in bank.outbound})
    for waiting in gauges.waiting:
        numbers[waiting.watch] += waiting.number
    for watch, number in numbers.items():
        found.add("h2h_waiting_files", number, bank.name, watch)
    for folder in bank.outbound:
        _cut_offs(found, bank, folder, gauges.waiting, now)


def _cut_offs(found: Families, bank: Bank, folder: Outbound, waiting: Sequence[Waiting], now: datetime) -> None:
    watch = str(folder.watch)
    gone_by = [window for w in waiting if w.watch == watch for window in bank.windows_for(folder, w.kinds)]
    for window in bank.windows_for(folder, None):
        if window.cut_off is None:
            continue
        closes = closing(window, now) or closing(window, next_opening(window, now))
        assert closes
        seconds = (closes - now).total_seconds()
        found.add("h2h_cut_off_seconds", seconds, bank.name, watch, window.payments)
        if window in gone_by:
            found.add("h2h_waiting_cut_off_seconds", seconds, bank.name, watch, window.payments)


def _alarms(found: Families, gateway: Gateway) -> None:
    """What the ledger holds, and what could not be noted there yet."""
    open_ = gateway.ledger.alarms.rows()
    noted = {(row.word, row.bank, row.subject) for row in open_}
    counted = Counter((row.word, row.bank, row.urgency, "yes" if row.taken_by else "no") for row in open_)
    live = (alarm for alarm in alarms(gateway) if alarm.key not in noted)
    counted.update((alarm.word, alarm.bank, alarm.urgency, "no") for alarm in live)
    for labels, number in counted.items():
        found.add("h2h_alarms", number, *labels)


def _workers(found: Families, gateway: Gateway, standing: tuple[Beat, Sequence[Turn]]) -> None:
    clock = gateway.clock
    now, wall = clock.monotonic(), clock.now().timestamp()
    beat, turns = standing
    found.add("h2h_main_loop_timestamp_seconds", wall - (now - beat.at))
    for worker in beat.workers:
        found.add("h2h_worker_alive", worker.fault(now) is None, worker.worker)
    for turn in turns:
        found.add("h2h_worker_round_seconds", now - turn.began if turn.began else 0.0, turn.worker)
        if turn.ended is not None:
            found.add("h2h_worker_last_round_timestamp_seconds", wall - (now - turn.ended), turn.worker)


def _keys(found: Families, gateway: Gateway) -> None:
    now = gateway.clock.now()
    for key in gateway.inventory.listed():
        if key.ends:
            left = (key.ends - now) / timedelta(days=1)
            found.add("h2h_key_days_left", left, key.bank, key.kind, key.use, key.fingerprint or "")


def _certificates(found: Families, gateway: Gateway) -> None:
    if gateway.proof.stamps is None:
        return
    try:
        ends = gateway.proof.stamps.certificates_end()
    except StoreError:
        return  # `journal anchor` tells it, and a metric that is missing does
    found.add("h2h_certificate_expiry_timestamp_seconds", ends.timestamp(), str(gateway.settings.gateway.time_stamp_ca))
