"""What people decide about a transfer. Each decision names who and why; the ledger asks, in the transaction that makes
it, for all that could pay twice."""

from __future__ import annotations

from collections.abc import Callable

from h2h.approval import Sight
from h2h.clock import Clock
from h2h.ledger.people import People
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Actor, Trigger
from h2h.verdicts import Verdict


class Decisions:
    def __init__(self, people: People, clock: Clock, decided: Callable[[Transfer], None] = lambda _: None) -> None:
        """`decided` is told of each, once it stands."""
        self._people = people
        self._clock = clock
        self._decided = decided

    def resend(self, transfer_id: str, *, who: str, reason: str, sight: Sight | None = None) -> Transfer:
        """Send the same bytes again. Where only a person noted the refusal, somebody else has to send it again."""
        now = self._clock.now()
        return self._told(self._people.resend(transfer_id, who=who, reason=reason, now=now, sight=sight))

    def release(self, transfer_id: str, *, who: str, reason: str, now: bool, sight: Sight | None = None) -> Transfer:
        """Let a held or repeated file go, in the next window or at once. `sight`: what was shown of its bytes, where
        people have to approve them."""
        moment = self._clock.now()
        return self._told(
            self._people.release(transfer_id, who=who, reason=reason, now=moment, at_once=now, sight=sight)
        )

    def hold(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        return self._decide(transfer_id, Trigger.HOLD, who, reason)

    def cancel(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        return self._decide(transfer_id, Trigger.CANCEL, who, reason)

    def sent_by_hand(self, transfer_id: str, *, who: str, how: str, reason: str) -> Transfer:
        """READY, HELD or FAILED -> SENT: somebody brought it to the bank by other means; the gateway never sends it."""
        now = self._clock.now()
        return self._told(self._people.sent_by_hand(transfer_id, who=who, how=how, reason=reason, now=now))

    def confirm(self, transfer_id: str, verdict: Verdict, *, who: str, how: str, reason: str) -> Transfer:
        """The bank's word on a SENT transfer, as somebody heard it on the telephone or read it in a portal."""
        now = self._clock.now()
        return self._told(self._people.confirmed(transfer_id, verdict, who=who, how=how, reason=reason, now=now))

    def bank_has_it(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """UNCERTAIN -> SENT: somebody asked the bank, or saw it there."""
        return self._decide(transfer_id, Trigger.BANK_HAS_IT, who, reason)

    def send_again(self, transfer_id: str, *, who: str, reason: str, sight: Sight | None = None) -> Transfer:
        """UNCERTAIN -> READY, when a second person says so too. The first call records the proposal."""
        now = self._clock.now()
        return self._told(self._people.send_again(transfer_id, who=who, reason=reason, now=now, sight=sight))

    def _decide(self, transfer_id: str, trigger: Trigger, who: str, reason: str) -> Transfer:
        now = self._clock.now()
        return self._told(
            self._people.decide(transfer_id, trigger, Actor.OPERATOR, who=who, reason=reason, now=now)
        )  # fmt: skip

    def _told(self, transfer: Transfer) -> Transfer:
        self._decided(transfer)
        return transfer
