"""What people decide about a transfer. Each decision names who and why; what could pay twice is refused."""

from __future__ import annotations

from h2h.clock import Clock
from h2h.errors import NotAllowed
from h2h.ledger import Ledger
from h2h.ledger.transfers import Transfer
from h2h.lifecycle import Actor, State, Trigger
from h2h.model import Severity
from h2h.verdicts import DUPLICATE_CODES, Verdict


class Decisions:
    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._transfers = ledger.transfers
        self._views = ledger.views
        self._clock = clock

    def resend(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """Send the same bytes again, by the same name rules; NotAllowed where the bank may have them."""
        transfer = self._transfers.get(transfer_id)
        trigger = Trigger.RETRY if transfer.state is State.FAILED else Trigger.RESEND_REJECTED
        if why := against_resending(transfer, self._transfers.refusal_codes(transfer.id)):
            raise NotAllowed(f"{transfer.id} is not sent again: {why}")
        self._refuse_if_booked(transfer)
        if later := self._transfers.repeated_since(transfer.id):
            raise NotAllowed(
                f"{transfer.id} is not sent again: payments of it stand in another file too, {later[0]}. "
                "Cancel that one, or have what is still to be paid put into a new file with a new message id."
            )
        return self._decide(transfer_id, trigger, who, reason)

    def against(self, transfer_id: str) -> list[str]:
        """Why a file waits for somebody, and everything that speaks against letting it go, in sentences."""
        transfer = self._transfers.get(transfer_id)
        if transfer.state not in (State.HELD, State.DUPLICATE):
            return []
        findings = [f for f in self._views.history(transfer_id).findings if f.severity is not Severity.INFO]
        said = [f"{f.severity} {f.code}: {f.text}" for f in findings]
        if transfer.reason and not any(f.text in transfer.reason for f in findings):
            said.insert(0, f"It is {transfer.state}: {transfer.reason}")
        later = self._transfers.repeated_since(transfer_id)
        return said + [f"Payments of it stand in another file too: {file}." for file in later]

    def release(self, transfer_id: str, *, who: str, reason: str, now: bool) -> Transfer:
        """HELD -> READY: in the next window, or at once. A DUPLICATE becomes HELD first, then takes another person."""
        transfer = self._transfers.get(transfer_id)
        if transfer.state is State.DUPLICATE:
            return self._decide(transfer_id, Trigger.OVERRIDE, who, reason)
        self._refuse_if_booked(transfer)
        if transfer.state is State.HELD and transfer.proposed_by == "bank":  # the bank answered it: two persons
            return self._transfers.propose(transfer_id, who, reason, self._clock.now())
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

    def bank_has_it(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """UNCERTAIN -> SENT: somebody asked the bank, or saw it there."""
        return self._decide(transfer_id, Trigger.BANK_HAS_IT, who, reason)

    def send_again(self, transfer_id: str, *, who: str, reason: str) -> Transfer:
        """UNCERTAIN -> READY, when a second person says so too. The first call records the proposal."""
        transfer = self._transfers.get(transfer_id)
        self._refuse_if_booked(transfer)
        if transfer.proposed_by is None:
            return self._transfers.propose(transfer_id, who, reason, self._clock.now())
        if transfer.proposed_by == who:
            raise NotAllowed(
                f"{transfer.id}: you proposed to send it again; somebody else has to confirm it, "
                "after asking the bank whether it has the file."
            )
        return self._decide(transfer_id, Trigger.SEND_AGAIN, who, reason, actor=Actor.SECOND_PERSON)

    def _refuse_if_booked(self, transfer: Transfer) -> None:
        if booked := self._transfers.booked(transfer.id):
            raise NotAllowed(
                f"{transfer.id} is not sent again: a statement shows {booked} of its payments as debited already. "
                "The bank has had it."
            )

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
        return self._transfers.decide(
            transfer_id, trigger, actor, who=who, reason=reason, now=self._clock.now(), late_allowed=late_allowed
        )


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
