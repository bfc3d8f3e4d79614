"""What one receiver is told next, and when again after it failed.

New events are told in the order of the journal. One that fails waits, and holds back those of its subject that come
after it, no others. After FEW failures in a row it is the receiver that fails: it is asked once in a while, by one
event. How long to wait is known here alone: whoever starts anew tries anew.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import groupby

from h2h.clock import Clock
from h2h.config import Webhook
from h2h.ledger.webhooks import MOST, PAGE, Happened, Progress, Waiting, Webhooks
from h2h.schedule import backoff
from h2h.webhooks.body import Mask, body, id_of, sort_of
from h2h.webhooks.post import Answer, Outcome, Post

log = logging.getLogger(__name__)

FIRST_WAIT, MOST_WAIT = timedelta(seconds=1), timedelta(hours=1)
FEW = 3  # failures in a row, of whatever events: from then on the receiver is left alone for a while
IDLE_SECONDS = 60.0


class Deliverer:
    """Of one receiver. One worker uses it. `fault`: why it did not take what it was told last."""

    def __init__(
        self,
        webhook: Webhook,
        ledger: Webhooks,
        clock: Clock,
        post: Post,
        *,
        environment: str,
        masker: Callable[[Sequence[str]], Mask],
    ) -> None:
        self.name = webhook.name
        self.fault: str | None = None
        self._webhook, self._ledger, self._clock, self._post = webhook, ledger, clock, post
        self._environment, self._masker = environment, masker
        self._tries: dict[int, int] = {}  # by the number of the event
        self._due: dict[int, float] = {}  # not before
        self._failures = 0  # in a row
        self._pause_ends = 0.0

    def round(self) -> float:
        """Tell what there is; seconds until there may be more. StoreError where the ledger fails,
        ChannelError where a secret cannot be had."""
        progress = self._ledger.progress(self.name, self._clock.now())
        if progress is None or progress.stopped_at is not None:
            return IDLE_SECONDS
        held = {one.subject for one in self._without_given_up(progress)}
        more = self._tell_new(progress.seq, held, MOST - len(progress.waiting))
        waiting = self._ledger.waiting(self.name) if held else ()
        waits = [self._tell_again(list(rows)) for _, rows in groupby(sorted(waiting, key=_place), key=_subject)]
        if (pause := self._pause_ends - self._clock.monotonic()) > 0:
            return min(IDLE_SECONDS, pause)
        return 0.0 if more else min(waits, default=IDLE_SECONDS)

    def _may(self) -> bool:
        return not self._post.stopping() and self._clock.monotonic() >= self._pause_ends

    def _tell_new(self, seq: int, held: set[str], room: int) -> bool:
        """The next of the journal; whether there may be more."""
        if room < PAGE or not self._may():
            return False
        page = self._ledger.after(seq)
        for happened in page:
            sort = sort_of(happened)
            if sort is None or not self._webhook.hears(sort, happened.bank):
                continue
            if happened.event.subject in held:
                self._ledger.held(self.name, happened.event)
            elif not self._tell(happened):
                held.add(happened.event.subject)
                if not self._may():
                    return False
            seq = happened.event.seq
        if page and page[-1].event.seq > seq:
            self._ledger.passed(self.name, page[-1].event.seq)
        return len(page) == PAGE

    def _tell_again(self, rows: Sequence[Waiting]) -> float:
        """What waits of one subject, in its order; seconds until the first that is left is due."""
        for row in rows:
            left = self._due.get(row.seq, 0.0) - self._clock.monotonic()
            if left > 0:
                return left
            if not self._may() or not self._tell(self._ledger.event(row.seq)):
                return max(0.0, self._due.get(row.seq, 0.0) - self._clock.monotonic())
        return IDLE_SECONDS

    def _tell(self, happened: Happened) -> bool:
        """Whether it was taken. What was not is noted; but for what was broken off, as the gateway stops."""
        content = body(happened, self._environment, self._masker)
        answer = self._post.send(content, id_of(happened))
        if answer.outcome is Outcome.TAKEN:
            self._took(happened.event.seq)
            return True
        if answer.outcome is not Outcome.BROKEN_OFF:
            self._failed(happened, answer)
        return False

    def _took(self, seq: int) -> None:
        self._ledger.taken(self.name, seq, self._clock.now())
        if self.fault:
            log.info("events are taken again", extra={"event": "webhook_good_again", "webhook": self.name})
        if self._failures >= FEW:
            self._due.clear()  # it is there again: what waits need not wait any longer
        self.fault, self._failures, self._pause_ends = None, 0, 0.0
        self._tries.pop(seq, None)
        self._due.pop(seq, None)

    def _failed(self, happened: Happened, answer: Answer) -> None:
        seq, stops = happened.event.seq, answer.outcome is Outcome.GONE
        self._ledger.failed(self.name, happened.event, answer.text, self._clock.now(), stops=stops)
        if self.fault != answer.text:
            told = {"event": "webhook_failed", "webhook": self.name, "id": id_of(happened), "text": answer.text}
            log.warning("event not taken", extra=told)
        self.fault = answer.text
        self._failures += 1
        self._tries[seq] = self._tries.get(seq, 0) + 1
        now, asked = self._clock.monotonic(), answer.wait or 0.0
        self._due[seq] = now + max(_wait(self._tries[seq]), asked)
        pause = _wait(self._failures - FEW + 1) if self._failures >= FEW else 0.0
        self._pause_ends = now + max(pause, asked, IDLE_SECONDS if stops else 0.0)

    def _without_given_up(self, progress: Progress) -> list[Waiting]:
        """An event that alone is not taken for so long, while others are, is told no more. Where nothing is taken,
        nothing is given up."""
        left = []
        for row in progress.waiting:
            old = row.since is not None and self._clock.now() - row.since > self._webhook.give_up_after
            if old and row.since and progress.taken_at is not None and progress.taken_at > row.since:
                self._ledger.give_up(self.name, row.seq, self._clock.now())
                told = {"event": "webhook_gave_up", "webhook": self.name, "seq": row.seq, "text": row.text}
                log.error("event given up", extra=told)
            else:
                left.append(row)
        return left


def _wait(failures: int) -> float:
    return backoff(failures, FIRST_WAIT, MOST_WAIT, random.random).total_seconds()


def _subject(row: Waiting) -> str:
    return row.subject


def _place(row: Waiting) -> tuple[str, int]:
    return row.subject, row.seq
