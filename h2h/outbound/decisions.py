"""What people decide about a transfer. Each decision names who and why; what could pay twice is refused."""

from __future__ import annotations

from h2h.clock import Clock
from h2h.errors import NotAllowed
from h2h.ledger.people import People, what_now
from h2h.ledger.transfers import Transfer, Transfers
from h2h.lifecycle import Actor, State, Trigger
from h2h.verdicts import DUPLICATE_CODES, Verdict


class Decisions:
    def __init__(self, transfers: Transfers, people: People, clock: Clock) -> None:
        self._transfers = transfers
        self._people = people
        self._clock = clock

    def resend(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """Send the same bytes again, by the same name rules; NotAllowed where the bank may have them.

        Where only a person noted that the bank refused it, somebody else has to send it again.
        """
        transfer = self._transfers.get(transfer_id)
        if why := against_resending(transfer, self._transfers.refusal_codes(transfer.id)):
            raise NotAllowed(f"{transfer.id} is not sent again: {why}")
        if transfer.state is State.FAILED:
            return self._decide(transfer_id, Trigger.RETRY, who, reason)
        actor = Actor.SECOND_PERSON if transfer.verdict_by else Actor.OPERATOR
        return self._decide(transfer_id, Trigger.RESEND_REJECTED, who, reason, actor=actor)

    def release(self, transfer_id: str, *, who: str, reason: str, now: bool) -> Transfer:
        """HELD -> READY: in the next window, or at once. A DUPLICATE becomes HELD first, then takes another person.

        READY, waiting for its window or after a failure, goes at once with `now`.
        """
        transfer = self._transfers.get(transfer_id)
        if transfer.state is State.DUPLICATE:
            return self._decide(transfer_id, Trigger.OVERRIDE, who, reason)
        if transfer.state is State.READY and not now:
            raise NotAllowed(f"{transfer.id} is READY and goes by itself{_when(transfer)}. {what_now(transfer)}")
        if transfer.state is State.HELD and transfer.proposed_by == "bank":  # the bank answered it: two persons
            return self._people.propose(transfer_id, who, reason, self._clock.now())
        if transfer.state is State.HELD and transfer.proposed_by == who:
            raise NotAllowed(
                f"{transfer.id} may have been paid already, and you said that it was not; "
                "somebody else has to release it."
            )
        return self._decide(transfer_id, Trigger.RELEASE, who, reason, late_allowed="now" if now else "next")

    def hold(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        return self._decide(transfer_id, Trigger.HOLD, who, reason)

    def cancel(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        return self._decide(transfer_id, Trigger.CANCEL, who, reason)

    def sent_by_hand(self, transfer_id: str, *, who: str, how: str, reason: str) -> Transfer:
        """READY, HELD or FAILED -> SENT: somebody brought it to the bank by other means; the gateway never sends it."""
        now = self._clock.now()
        return self._people.sent_by_hand(transfer_id, who=who, how=how, reason=reason, now=now)

    def confirm(self, transfer_id: str, verdict: Verdict, *, who: str, how: str, reason: str) -> Transfer:
        """The bank's word on a SENT transfer, as somebody heard it on the telephone or read it in a portal."""
        now = self._clock.now()
        return self._people.confirmed(transfer_id, verdict, who=who, how=how, reason=reason, now=now)

    def bank_has_it(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """UNCERTAIN -> SENT: somebody asked the bank, or saw it there."""
        return self._decide(transfer_id, Trigger.BANK_HAS_IT, who, reason)

    def send_again(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """UNCERTAIN -> READY, when a second person says so too. The first call records the proposal."""
        transfer = self._transfers.get(transfer_id)
        if transfer.proposed_by is None:
            return self._people.propose(transfer_id, who, reason, self._clock.now())
        if transfer.proposed_by == who:
            raise NotAllowed(
                f"{transfer.id}: you proposed to send it again; somebody else has to confirm it, "
                "after asking the bank whether it has the file."
            )
        return self._decide(transfer_id, Trigger.SEND_AGAIN, who, reason, actor=Actor.SECOND_PERSON)

    def _decide(
        self,
        transfer_id: str,
        trigger: Trigger,
        who: str,
        reason: str,
        *,
        actor: Actor = Actor.OPERATOR,
        late_allowed: str | None = None,
    ) -> Transfer:
        return self._people.decide(
            transfer_id, trigger, actor, who=who, reason=reason, now=self._clock.now(), late_allowed=late_allowed
        )


def _when(transfer: Transfer) -> str:
    return f", at {transfer.due_at:%Y-%m-%d %H:%M} UTC" if transfer.due_at else ""


def against_resending(transfer: Transfer, refusal_codes: set[str]) -> str | None:
    """What speaks against sending the same bytes again; None where nothing does."""
    match transfer.state:
        case State.FAILED:
            return None
        case State.SENT if transfer.verdict is Verdict.REJECTED and refusal_codes & DUPLICATE_CODES:
            return "the bank refused it as a duplicate, so it has had these payments before. Ask the bank what it has."
        case State.SENT if transfer.verdict is Verdict.REJECTED:
            return None
        case State.SENT if transfer.verdict is Verdict.PARTIAL:
            return (
                "the bank accepted a part of it, and would pay that part twice. Have the refused payments "
                "put into a new file with a new message id."
            )
        case State.SENT:
            word = {Verdict.ACCEPTED: "and accepted it", Verdict.PENDING: "and is working on it"}
            return (
                f"the bank has it since {transfer.sent_at:%Y-%m-%d %H:%M} UTC {word.get(transfer.verdict, '')}".rstrip()
                + "."
            )
        case State.PUBLISHING:
            return "it is being published just now, and the bank may have it; the gateway finds out by itself."
        case State.UNCERTAIN:
            return f"the bank may have it ({transfer.reason}). Ask the bank, then use `h2h resolve {transfer.id}`."
        case State.READY | State.STAGING | State.RECEIVED:
            return "it has not been sent yet, and goes by itself."
        case State.HELD:
            return f"it is held ({transfer.reason}); use `h2h release {transfer.id}`."
        case State.DUPLICATE:
            return f"it repeats {transfer.duplicate_of}; if it does not, use `h2h release {transfer.id}`."
        case State.INVALID | State.CANCELLED:
            return f"it is {transfer.state}; drop a corrected file with a new message id."
