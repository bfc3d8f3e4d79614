"""Tells recipients of alarms, round by round: reads what is due, writes, hands over, and notes who took it."""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from h2h.alerting.letters import Due, Failing, Kind, Parcel, due, letter, trial
from h2h.alerting.post import Post
from h2h.clock import Clock
from h2h.config import Settings
from h2h.config.alerts import GATHER
from h2h.ledger import Ledger
from h2h.masking import masker
from h2h.schedule import backoff

log = logging.getLogger(__name__)

FIRST_WAIT, MOST_WAIT = timedelta(seconds=30), timedelta(minutes=15)  # after a recipient failed
IDLE_SECONDS = 60.0  # between two looks where nothing is due
LEAST_SECONDS = 0.1


def _nobody(_where: str, _text: str | None) -> None:
    pass


class Teller:
    """`told`: hears, by place, who cannot be told by any way, or None. A failure is remembered here alone: whoever
    starts anew tries anew."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        clock: Clock,
        post: Post,
        *,
        told: Callable[[str, str | None], None] = _nobody,
        gather: timedelta = GATHER,
    ) -> None:
        self._recipients = settings.alerts
        self._gateway = f"h2h {settings.gateway.environment}"
        self._mask = masker(settings.accounts())
        self._ledger, self._clock, self._post = ledger, clock, post
        self._told = told
        self._gather = gather
        self._failing: dict[str, Failing] = {}
        self._tries: dict[str, int] = {}
        self._lost: dict[str, str] = {}
        self._unnoted: list[tuple[Parcel, datetime]] = []  # taken, and the ledger does not know it yet

    def round(self) -> float:
        """Tell all that is due; seconds until there may be more. StoreError where the ledger fails: what was taken and
        not noted is noted first the next time, so that nobody gets the same letter with each round."""
        self._note_taken()
        for _ in range(len(self._recipients) + 1):  # each time somebody fails who did not before, or all is told
            found = self._due()
            if not found.parcels or self._post.stopping():
                break
            self._tell(found.parcels)
        self._say_who_is_lost()
        next_at = self._due().next_at
        seconds = (next_at - self._clock.now()).total_seconds() if next_at else IDLE_SECONDS
        return min(max(seconds, LEAST_SECONDS), IDLE_SECONDS)

    def try_out(self, names: Sequence[str]) -> dict[str, str | None]:
        """Send each a letter that says that nothing has happened; why it was not taken, or None."""
        now, host = self._clock.now(), socket.gethostname()
        letters = {
            recipient.name: (recipient.to, trial(recipient.name, gateway=self._gateway, host=host, now=now))
            for recipient in self._recipients
            if recipient.name in names
        }
        return self._post.deliver(letters)

    def _due(self) -> Due:
        now = self._clock.now()
        known = self._ledger.tellings.known([recipient.name for recipient in self._recipients], now)
        return due(known.alarms, known.told, self._recipients, self._failing, now, self._gather)

    def _tell(self, parcels: Sequence[Parcel]) -> None:
        now, host = self._clock.now(), socket.gethostname()
        letters = {
            parcel.recipient.name: (
                parcel.recipient.to,
                letter(parcel, gateway=self._gateway, host=host, now=now, mask=self._mask),
            )
            for parcel in parcels
        }
        faults = self._post.deliver(letters)
        for parcel in parcels:
            name = parcel.recipient.name
            fault = faults[name]
            if fault is None:
                self._unnoted.append((parcel, now))
                self._took(name, letters[name][1].subject)
            elif not self._post.stopping():
                self._failed(name, self._mask(fault), self._clock.now())
        self._note_taken()

    def _note_taken(self) -> None:
        while self._unnoted:
            parcel, at = self._unnoted[0]
            heard = {one.number: one.alarm.urgency for one in parcel.news if one.kind is not Kind.OVER}
            over = [one.number for one in parcel.news if one.kind is Kind.OVER]
            self._ledger.tellings.note(parcel.recipient.name, heard, over, at)
            self._unnoted.pop(0)

    def _took(self, name: str, subject: str) -> None:
        log.info("told", extra={"event": "alert_sent", "recipient": name, "subject": subject})
        self._failing.pop(name, None)
        self._tries.pop(name, None)

    def _failed(self, name: str, text: str, now: datetime) -> None:
        known = self._failing.get(name)
        if known is None or known.text != text:
            log.warning(
                f"{name} was not told of alarms: {text}",
                extra={"event": "alert_failed", "recipient": name, "text": text},
            )
        self._tries[name] = self._tries.get(name, 0) + 1
        wait = backoff(self._tries[name], FIRST_WAIT, MOST_WAIT, random.random)
        self._failing[name] = Failing(since=now, until=now + wait, text=text)

    def _reached(self, name: str, away: Mapping[str, Failing]) -> bool:
        instead = [recipient.name for recipient in self._recipients if recipient.instead_of == name]
        return name not in away or any(self._reached(other, away) for other in instead)

    def _now_lost(self) -> dict[str, str]:
        """Who cannot be told, nor anybody instead, and why."""
        now = self._clock.now()
        away = {name: one for name, one in self._failing.items() if one.at(now)}
        return {
            recipient.name: away[recipient.name].text
            for recipient in self._recipients
            if recipient.instead_of is None and not self._reached(recipient.name, away)
        }

    def _say_who_is_lost(self) -> None:
        before, self._lost = self._lost, self._now_lost()
        for recipient in self._recipients:
            name, fault = recipient.name, self._lost.get(recipient.name)
            text = f"{name} cannot be told of alarms, nor anybody instead: {fault}" if fault else None
            if text and name not in before:
                log.error(text, extra={"event": "nobody_told", "recipient": name, "text": fault})
            self._told(f"alerts {name}", text)
