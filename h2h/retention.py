"""Retention: what came to its end longer ago than the policy says is purged, a little at a time.

    looked at -> marked, with an event -> records removed -> bytes removed -> noted as erased

Each step is short, and can be done again: a run that was cut off is gone on with by the next one. Transfers are marked
before messages, which wait for all that they speak of.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from h2h.archive import Archive
from h2h.clock import Clock
from h2h.config import Settings
from h2h.errors import NotAllowed, StoreError
from h2h.identity import account_key
from h2h.ledger import Ledger
from h2h.ledger.ends import Policy
from h2h.ledger.erasing import Marked
from h2h.ledger.retention import Going, Page, Pass, Way
from h2h.mailbox import unnumbered

log = logging.getLogger(__name__)

SEEN_DAYS, SEEN_WITHIN = 5, timedelta(days=31)
PUT_OFF = "something happened while it was looked at; the next run looks again"
TRIES = 3  # to mark what was looked at, while things happen


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What goes, or went, of one bank. `bytes`: of the files, as they came or went out."""

    bank: str
    files: int
    payments: int
    entries: int
    bytes: int


@dataclass(slots=True)
class Outcome:
    """What a run found so far: what goes by bank, and how many files that are old enough stay, by why."""

    by_bank: dict[str, Counter[str]] = field(default_factory=dict)
    stay: Counter[str] = field(default_factory=Counter)

    def take(self, page: Page) -> None:
        self.stay.update(page.stay)
        for one in (one for family in page.families for one in family):
            self._add(one)

    def _add(self, one: Going) -> None:
        sums = self.by_bank.setdefault(one.bank, Counter())
        sums.update(files=1, payments=one.payments, entries=one.entries, bytes=one.size)

    @property
    def sums(self) -> list[Sum]:
        return [
            Sum(bank=bank, **{name: found[name] for name in ("files", "payments", "entries", "bytes")})
            for bank, found in sorted(self.by_bank.items())
        ]


def policy_of(settings: Settings, clock: Clock) -> Policy | None:
    """What the settings say; None where nothing is ever to be removed."""
    term = settings.retention.files
    if term is None:
        return None
    return Policy(
        before=clock.now() - term,
        told=frozenset(bank.name for bank in settings.banks if any(folder.status for folder in bank.outbound)),
        expected=frozenset(
            (bank.name, account_key(account.account))
            for bank in settings.banks
            for account in bank.accounts
            if account.statements != "none"
        ),
        left_to_discard=_left_to_discard(settings),
    )


def doubt(ledger: Ledger, clock: Clock) -> str | None:
    """Why the clock may be ahead, so that what ended today would be taken for old; None where it has been seen to run.

    What a wrong clock itself brings is all of one day, or a few: files have come on others, too.
    """
    now = clock.now()
    seen = ledger.retention.days_seen(now - SEEN_WITHIN, now)
    if seen >= SEEN_DAYS:
        return None
    return (
        f"Nothing is purged: files came on {seen} of the last {SEEN_WITHIN.days} days, so that it cannot be told "
        f"whether the clock, which shows {now:%Y-%m-%d %H:%M} UTC, is right. From {SEEN_DAYS} days on it is believed; "
        "if it is right, `h2h purge --clock-is-right` purges now."
    )


def _left_to_discard(settings: Settings) -> Callable[[str, str, str], bool]:
    def asked(bank: str, folder: str, name: str) -> bool:
        found = settings.bank(bank)
        blocks = found.inbound if found else ()
        return any(i.takes(folder, unnumbered(name)) and i.after != "leave" for i in blocks)

    return asked


class Retention:
    def __init__(self, ledger: Ledger, archive: Archive, clock: Clock, policy: Policy) -> None:
        self._ledger, self._archive, self._clock, self._policy = ledger, archive, clock, policy

    def steps(self, outcome: Outcome, *, who: str = "gateway", dry_run: bool = False) -> Iterator[None]:
        """A run, one short piece of work at a time. NotAllowed in safe mode."""
        run = Pass(self._policy)
        for way in Way:
            after = None
            while True:
                page = self._page(way, run, after, who, dry_run=dry_run)
                outcome.take(page)
                yield
                after = page.last
                if after is None:
                    break
        if not dry_run:
            for way in (Way.IN, Way.OUT):  # a payment goes after the entries that book it
                yield from self._erase_all(way)

    def _page(self, way: Way, run: Pass, after: tuple[datetime, str] | None, who: str, *, dry_run: bool) -> Page:
        """Looked at and marked. Where something happened in between, it is looked at again; else at the next run."""
        for _ in range(TRIES):
            known = set(run.gone)
            page = self._ledger.retention.look(way, run, after)
            if dry_run or self._ledger.retention.mark(page, way, self._policy, who=who, now=self._clock.now()):
                return page
            run.gone = known
        log.info("files wait for the next run", extra={"event": "purge_put_off", "direction": way})
        put_off = Counter({PUT_OFF: sum(map(len, page.families))})
        return Page(families=(), stay=page.stay + put_off, seq=page.seq, last=page.last)

    def _erase_all(self, way: Way) -> Iterator[None]:
        """All that was marked, by this run or an earlier one. One file that cannot be erased keeps no other; StoreError
        at the end."""
        after, failed = "", None
        while files := self._ledger.erasing.marked(way, after):
            for file in files:
                after = file.id
                try:
                    yield from self._erase(file)
                except StoreError as error:
                    failed = failed or error
        if failed:
            raise failed

    def _erase(self, file: Marked) -> Iterator[None]:
        while self._ledger.erasing.some_rows(file):
            yield
        if self._bytes_gone(file):
            self._ledger.erasing.erased(file, self._clock.now())
        yield

    def _bytes_gone(self, file: Marked) -> bool:
        """Where another file asks for the same bytes, that one looks after them."""
        asked_for = self._ledger.erasing.bytes_asked_for
        return all(asked_for(sha256) or self._archive.remove(sha256) for sha256 in file.hashes)


def purge(retention: Retention, *, who: str, dry_run: bool) -> Outcome:
    """A whole run at once."""
    outcome = Outcome()
    for _ in retention.steps(outcome, who=who, dry_run=dry_run):
        pass
    return outcome


DAY, HOUR = timedelta(days=1).total_seconds(), timedelta(hours=1).total_seconds()


class Daily:
    """A run each day, for a worker that does one piece of it in each of its rounds."""

    def __init__(self, settings: Settings, ledger: Ledger, archive: Archive, clock: Clock) -> None:
        self._settings, self._ledger, self._archive, self._clock = settings, ledger, archive, clock
        self._steps: Iterator[None] | None = None
        self._outcome = Outcome()
        self._next = clock.monotonic()
        self._failed: StoreError | None = None

    def round(self) -> float:
        """One piece; after how many seconds the next one is due."""
        if self._steps is None and (rest := self._next - self._clock.monotonic()) > 0:
            if self._failed:
                raise self._failed  # told until it is tried again
            return rest
        self._failed = None
        steps = self._steps or self._begun()
        self._steps = None  # if this piece fails, a new run begins
        try:
            for _ in steps:
                self._steps = steps
                return PAUSE
        except NotAllowed as error:  # in safe mode, of which somebody is told anyway, or where the clock is in doubt
            log.warning("nothing is purged", extra={"event": "purge_put_off", "text": str(error)})
        except StoreError as error:
            self._failed, self._next = error, self._clock.monotonic() + HOUR
            raise
        self._next = self._clock.monotonic() + DAY
        for sum_ in self._outcome.sums:
            told = {"bank": sum_.bank, "files": sum_.files, "payments": sum_.payments, "entries": sum_.entries}
            log.info("purged", extra={"event": "purged", **told})
        return DAY

    def _begun(self) -> Iterator[None]:
        policy = policy_of(self._settings, self._clock)
        assert policy is not None
        self._outcome = Outcome()
        if why := doubt(self._ledger, self._clock):
            raise NotAllowed(why)
        yield from Retention(self._ledger, self._archive, self._clock, policy).steps(self._outcome)


PAUSE = 0.05  # seconds between two pieces of work
