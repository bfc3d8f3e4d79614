"""States of a transfer, what moves it on and who may do so; the reconcile table.

The tables here are the truth: the ledger asks them, ARCHITECTURE.md draws the same rows, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from h2h.errors import NotAllowed
from h2h.model import Look, Presence


class State(StrEnum):
    RECEIVED = "RECEIVED"
    INVALID = "INVALID"
    DUPLICATE = "DUPLICATE"
    HELD = "HELD"
    READY = "READY"
    STAGING = "STAGING"
    PUBLISHING = "PUBLISHING"
    UNCERTAIN = "UNCERTAIN"
    FAILED = "FAILED"
    SENT = "SENT"
    CANCELLED = "CANCELLED"


class Actor(StrEnum):
    GATEWAY = "gateway"
    BANK = "bank"
    OPERATOR = "operator"
    SECOND_PERSON = "second person"


class Trigger(StrEnum):
    JUDGED_INVALID = "judged invalid"
    JUDGED_DUPLICATE = "judged duplicate"
    JUDGED_HOLD = "judged hold"
    JUDGED_GOOD = "judged good"
    LEASE = "lease"
    LATE = "late"
    CLASH = "clash"
    NOT_DELIVERED = "not delivered"
    GIVEN_UP = "given up"
    STAGED = "staged"
    DELIVERED = "delivered"
    IN_DOUBT = "in doubt"
    NAMED_BY_BANK = "named by bank"
    RESTORED = "restored"
    OVERRIDE = "override"
    RELEASE = "release"
    HOLD = "hold"
    CANCEL = "cancel"
    RETRY = "retry"
    RESEND_REJECTED = "resend rejected"
    BANK_HAS_IT = "bank has it"
    SEND_AGAIN = "send again"


@dataclass(frozen=True, slots=True)
class Move:
    state: State
    trigger: Trigger
    actor: Actor
    to: State


MOVES = (
    Move(State.RECEIVED, Trigger.JUDGED_INVALID, Actor.GATEWAY, State.INVALID),
    Move(State.RECEIVED, Trigger.JUDGED_DUPLICATE, Actor.GATEWAY, State.DUPLICATE),
    Move(State.RECEIVED, Trigger.JUDGED_HOLD, Actor.GATEWAY, State.HELD),
    Move(State.RECEIVED, Trigger.JUDGED_GOOD, Actor.GATEWAY, State.READY),
    Move(State.RECEIVED, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.DUPLICATE, Trigger.OVERRIDE, Actor.OPERATOR, State.HELD),
    Move(State.DUPLICATE, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.HELD, Trigger.RELEASE, Actor.OPERATOR, State.READY),
    Move(State.HELD, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.HELD, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.READY, Trigger.LEASE, Actor.GATEWAY, State.STAGING),
    Move(State.READY, Trigger.LATE, Actor.GATEWAY, State.HELD),
    Move(State.READY, Trigger.HOLD, Actor.OPERATOR, State.HELD),
    Move(State.READY, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.READY, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.READY, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.STAGING, Trigger.NOT_DELIVERED, Actor.GATEWAY, State.READY),
    Move(State.STAGING, Trigger.GIVEN_UP, Actor.GATEWAY, State.FAILED),
    Move(State.STAGING, Trigger.LATE, Actor.GATEWAY, State.HELD),
    Move(State.STAGING, Trigger.CLASH, Actor.GATEWAY, State.HELD),
    Move(State.STAGING, Trigger.STAGED, Actor.GATEWAY, State.PUBLISHING),
    Move(State.STAGING, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.PUBLISHING, Trigger.DELIVERED, Actor.GATEWAY, State.SENT),
    Move(State.PUBLISHING, Trigger.IN_DOUBT, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.PUBLISHING, Trigger.NAMED_BY_BANK, Actor.BANK, State.SENT),
    Move(State.PUBLISHING, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.UNCERTAIN, Trigger.DELIVERED, Actor.GATEWAY, State.SENT),
    Move(State.UNCERTAIN, Trigger.NAMED_BY_BANK, Actor.BANK, State.SENT),
    Move(State.UNCERTAIN, Trigger.BANK_HAS_IT, Actor.OPERATOR, State.SENT),
    Move(State.UNCERTAIN, Trigger.SEND_AGAIN, Actor.SECOND_PERSON, State.READY),
    Move(State.FAILED, Trigger.RETRY, Actor.OPERATOR, State.READY),
    Move(State.FAILED, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.FAILED, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.FAILED, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.SENT, Trigger.RESEND_REJECTED, Actor.OPERATOR, State.READY),
)

ENDS = frozenset({State.INVALID, State.CANCELLED})
FREES_MESSAGE_ID = frozenset({State.INVALID, State.DUPLICATE, State.CANCELLED})
_TO = {(m.state, m.trigger, m.actor): m.to for m in MOVES}


def move(state: State, trigger: Trigger, actor: Actor) -> State:
    """The state that follows; NotAllowed names what is allowed instead."""
    to = _TO.get((state, trigger, actor))
    if to is None:
        allowed = [m.trigger.value for m in MOVES if m.state is state and m.actor is actor]
        raise NotAllowed(
            f"'{trigger.value}' by the {actor.value} is not possible while the state is {state.value}"
            + (f"; possible: {', '.join(allowed)}." if allowed else f"; nothing can be done by the {actor.value}.")
        )
    return to


# After an interrupted publish: what stands at the bank decides. T is the temporary name, F the final one.


class Seen(StrEnum):
    """What was found under the final name, measured against our size."""

    GONE = "not there"
    SAME = "there, our size"
    OTHER = "there, another size"
    HIDDEN = "cannot look"


class Decision(StrEnum):
    SENT = "sent"
    SENT_REMOVE_TEMPORARY = "sent; remove the temporary file"
    RENAME_AGAIN = "rename the same temporary file again"
    UNCERTAIN = "a person decides"


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the reconcile table; None stands for any. The first row that fits decides."""

    temporary: Presence | None
    final: Seen | None
    atomic_rename: bool | None
    staging_is_ours: bool | None
    decision: Decision
    reason: str


RECONCILE = (
    Case(None, Seen.OTHER, None, None, Decision.UNCERTAIN,
         "another file stands under the final name; it is never touched"),
    Case(Presence.GONE, Seen.SAME, None, None, Decision.SENT,
         "the file stands under its final name"),
    Case(Presence.THERE, Seen.SAME, None, None, Decision.SENT_REMOVE_TEMPORARY,
         "both names are there: the server links and unlinks, and was interrupted between"),
    Case(Presence.HIDDEN, Seen.SAME, None, None, Decision.SENT,
         "the file stands under its final name"),
    Case(Presence.GONE, None, None, True, Decision.SENT,
         "taken unseen: only the rename removes our temporary file, and it is gone"),
    Case(Presence.GONE, None, None, False, Decision.UNCERTAIN,
         "both names are gone, and the bank may remove temporary files by itself"),
    Case(None, None, True, None, Decision.RENAME_AGAIN,
         "the same temporary file can be renamed once only, whoever asks"),
    Case(None, None, False, None, Decision.UNCERTAIN,
         "renaming is not atomic here, so the bank may have taken the final name already"),
)  # fmt: skip


def reconcile(temporary: Look, final: Look, size: int, *, atomic_rename: bool, staging_is_ours: bool) -> Case:
    seen = _seen(final, size)
    return next(
        case
        for case in RECONCILE
        if case.temporary in (None, temporary.presence)
        and case.final in (None, seen)
        and case.atomic_rename in (None, atomic_rename)
        and case.staging_is_ours in (None, staging_is_ours)
    )


def _seen(final: Look, size: int) -> Seen:
    if final.presence is Presence.HIDDEN:
        return Seen.HIDDEN
    if final.presence is Presence.GONE:
        return Seen.GONE
    return Seen.SAME if final.size == size else Seen.OTHER  # a size that is not told may be any
