"""States of a transfer, what moves it on and who may do so; the reconcile table.

The tables here are the truth: the ledger asks them, ARCHITECTURE.md draws the same rows, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from h2h.errors import NotAllowed
from h2h.model import Look, Presence, Way
from h2h.verdicts import Verdict


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
    NOT_SEALED = "not sealed"
    CLASH = "clash"
    NOT_APPROVED = "not approved"
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
    SENT_BY_HAND = "sent by hand"
    CONFIRM = "confirm"


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
    Move(State.HELD, Trigger.RELEASE, Actor.SECOND_PERSON, State.READY),
    Move(State.HELD, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.HELD, Trigger.SENT_BY_HAND, Actor.OPERATOR, State.SENT),
    Move(State.HELD, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.HELD, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.READY, Trigger.LEASE, Actor.GATEWAY, State.STAGING),
    Move(State.READY, Trigger.LATE, Actor.GATEWAY, State.HELD),
    Move(State.READY, Trigger.NOT_SEALED, Actor.GATEWAY, State.HELD),
    Move(State.READY, Trigger.NOT_APPROVED, Actor.GATEWAY, State.HELD),
    Move(State.READY, Trigger.CLASH, Actor.GATEWAY, State.HELD),
    Move(State.READY, Trigger.RELEASE, Actor.OPERATOR, State.READY),
    Move(State.READY, Trigger.HOLD, Actor.OPERATOR, State.HELD),
    Move(State.READY, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.READY, Trigger.SENT_BY_HAND, Actor.OPERATOR, State.SENT),
    Move(State.READY, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.READY, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.STAGING, Trigger.NOT_DELIVERED, Actor.GATEWAY, State.READY),
    Move(State.STAGING, Trigger.GIVEN_UP, Actor.GATEWAY, State.FAILED),
    Move(State.STAGING, Trigger.LATE, Actor.GATEWAY, State.HELD),
    Move(State.STAGING, Trigger.CLASH, Actor.GATEWAY, State.HELD),
    Move(State.STAGING, Trigger.STAGED, Actor.GATEWAY, State.PUBLISHING),
    Move(State.STAGING, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.STAGING, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.PUBLISHING, Trigger.DELIVERED, Actor.GATEWAY, State.SENT),
    Move(State.PUBLISHING, Trigger.IN_DOUBT, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.PUBLISHING, Trigger.NAMED_BY_BANK, Actor.BANK, State.SENT),
    Move(State.PUBLISHING, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.UNCERTAIN, Trigger.NAMED_BY_BANK, Actor.BANK, State.SENT),
    Move(State.UNCERTAIN, Trigger.BANK_HAS_IT, Actor.OPERATOR, State.SENT),
    Move(State.UNCERTAIN, Trigger.SEND_AGAIN, Actor.SECOND_PERSON, State.READY),
    Move(State.FAILED, Trigger.RETRY, Actor.OPERATOR, State.READY),
    Move(State.FAILED, Trigger.RETRY, Actor.SECOND_PERSON, State.READY),
    Move(State.FAILED, Trigger.CANCEL, Actor.OPERATOR, State.CANCELLED),
    Move(State.FAILED, Trigger.SENT_BY_HAND, Actor.OPERATOR, State.SENT),
    Move(State.FAILED, Trigger.NAMED_BY_BANK, Actor.BANK, State.HELD),
    Move(State.FAILED, Trigger.RESTORED, Actor.GATEWAY, State.UNCERTAIN),
    Move(State.SENT, Trigger.RESEND_REJECTED, Actor.OPERATOR, State.READY),
    Move(State.SENT, Trigger.RESEND_REJECTED, Actor.SECOND_PERSON, State.READY),
    Move(State.SENT, Trigger.CONFIRM, Actor.OPERATOR, State.SENT),
)

ENDS = frozenset({State.INVALID, State.CANCELLED})
FREES_MESSAGE_ID = frozenset({State.INVALID, State.DUPLICATE, State.CANCELLED})
_TO = {(m.state, m.trigger, m.actor): m.to for m in MOVES}


def move(state: State, trigger: Trigger, actor: Actor) -> State:
    """The state that follows; NotAllowed where there is no such move."""
    to = _TO.get((state, trigger, actor))
    if to is None:
        raise NotAllowed(f"'{trigger.value}' by the {actor.value} is not possible while the state is {state.value}.")
    return to


# The command by which a person pulls a trigger; {id} is the transfer's.
COMMANDS = {
    Trigger.OVERRIDE: "release {id}",
    Trigger.RELEASE: "release {id}",
    Trigger.HOLD: "hold {id}",
    Trigger.CANCEL: "cancel {id}",
    Trigger.RETRY: "resend {id}",
    Trigger.RESEND_REJECTED: "resend {id}",
    Trigger.BANK_HAS_IT: "resolve {id} --bank-has-it",
    Trigger.SEND_AGAIN: "resolve {id} --send-again",
    Trigger.SENT_BY_HAND: "sent-by-hand {id}",
    Trigger.CONFIRM: "confirm {id}",
}


def commands(state: State, verdict: Verdict, *, by_hand: bool) -> list[str]:
    """What a person can do now, as commands. `by_hand`: the verdict is a person's note of the bank's word."""
    found = [m.trigger for m in MOVES if m.state is state and m.actor in (Actor.OPERATOR, Actor.SECOND_PERSON)]
    closed = {Trigger.RESEND_REJECTED} if verdict is not Verdict.REJECTED else set()
    if verdict not in (Verdict.NONE, Verdict.PENDING) and not by_hand:
        closed.add(Trigger.CONFIRM)  # the bank has spoken itself
    now = "{} --now" if state is State.READY else "{}"
    return list(
        dict.fromkeys(
            now.format(COMMANDS[t]) if t is Trigger.RELEASE else COMMANDS[t] for t in found if t not in closed
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """By which way an attempt goes, and to which server. What stands at another one says nothing about it.

    `server`: as in sftp://USER@HOST:22. `host_keys`: those that it may show; a bank changes them one after the other.
    `withdrawn`: those that people had accepted, and take for the bank's no more.
    """

    way: Way
    server: str
    host_keys: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()

    def changed_to(self, now: Route) -> str | None:
        """What is not the same any more, in words; None where all of it is."""
        way = f'publish was "{self.way}" and is "{now.way}"' if now.way is not self.way else None
        return "; ".join(change for change in (way, self.moved_to(now)) if change) or None

    def moved_to(self, now: Route) -> str | None:
        """Why it may be another server, in words; None where it is the same."""
        if now.server != self.server:
            return f"the server was {self.server} and is {now.server}"
        if lost := set(self.host_keys) & set(now.withdrawn):
            return f"the host key {min(lost)}, by which {self.server} was known, was withdrawn"
        if self.host_keys and not set(self.host_keys) & set(now.host_keys):
            return f"none of the host keys by which {self.server} was known counts any more"
        return None


# After an interrupted publish: what stands at the bank decides. T is the temporary name, F the final one. Where a
# marker is the way, T is the data file and F its marker; where a file goes straight to its final name, there is no T.


class Seen(StrEnum):
    """What was found under the final name, measured against our size."""

    GONE = "not there"
    SAME = "there, our size"
    OTHER = "there, another size"
    HIDDEN = "cannot look"


class Decision(StrEnum):
    SENT = "sent"
    SENT_REMOVE_TEMPORARY = "sent; remove the temporary file"
    PUBLISH_AGAIN = "publish the same temporary file again"
    UNCERTAIN = "a person decides"


@dataclass(frozen=True, slots=True)
class Case:
    """A row of a reconcile table; None stands for any. The first row that fits decides.

    `repeatable`: publishing the same temporary file twice cannot make the bank take it twice. `ours`: only publishing
    removes our temporary files.
    """

    temporary: Presence | None
    final: Seen | None
    repeatable: bool | None
    ours: bool | None
    decision: Decision
    reason: str


BY_RENAME = (
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
    Case(None, None, True, None, Decision.PUBLISH_AGAIN,
         "the same temporary file can be renamed once only, whoever asks"),
    Case(None, None, False, None, Decision.UNCERTAIN,
         "renaming is not atomic here, so the bank may have taken the final name already"),
)  # fmt: skip

BY_MARKER = (
    Case(None, Seen.OTHER, None, None, Decision.UNCERTAIN,
         "something else stands under the marker's name; it is never touched"),
    Case(None, Seen.SAME, None, None, Decision.SENT,
         "the marker stands beside the file"),
    Case(Presence.GONE, None, None, True, Decision.SENT,
         "taken unseen: only the bank, told by the marker, takes our file away, and it is gone"),
    Case(Presence.GONE, None, None, False, Decision.UNCERTAIN,
         "file and marker are gone, and somebody else may have removed the file"),
    Case(None, None, True, None, Decision.PUBLISH_AGAIN,
         "the bank takes a file before its marker, so it has not taken this one"),
    Case(None, None, False, None, Decision.UNCERTAIN,
         "the bank may have taken the marker, and come for the file later"),
)  # fmt: skip

DIRECTLY = (
    Case(None, Seen.SAME, None, None, Decision.SENT,
         "the whole file stands under its name"),
    Case(None, Seen.OTHER, None, None, Decision.UNCERTAIN,
         "a part of it, or another file, stands under its name; have the bank remove it"),
    Case(None, None, None, None, Decision.UNCERTAIN,
         "the upload was interrupted, and the bank may have taken what was there"),
)  # fmt: skip

RECONCILE = {Way.RENAME: BY_RENAME, Way.MARKER: BY_MARKER, Way.DIRECT: DIRECTLY}


def reconcile(way: Way, temporary: Look, final: Look, size: int, *, repeatable: bool, ours: bool) -> Case:
    """What to do. `size`: of what we put under the final name; that of a marker is 0."""
    seen = _seen(final, size)
    return next(
        case
        for case in RECONCILE[way]
        if case.temporary in (None, temporary.presence)
        and case.final in (None, seen)
        and case.repeatable in (None, repeatable)
        and case.ours in (None, ours)
    )


def not_gone(*, asked_before: bool, folders_there: bool) -> str | None:
    """Where nobody may look: why the server's "no such file" does not say that T is gone; None where it does.

    `asked_before`: an earlier asking may have been done. `folders_there`: those of T and F are known to be there.
    """
    if not asked_before:
        return 'the server said "no such file" of what it had just taken in: compare the folders with the bank\'s guide'
    if not folders_there:
        return 'the server says "no such file", and does not show whether the folders of both names are there'
    return None


def _seen(final: Look, size: int) -> Seen:
    if final.presence is Presence.HIDDEN:
        return Seen.HIDDEN
    if final.presence is Presence.GONE:
        return Seen.GONE
    return Seen.SAME if final.size == size else Seen.OTHER  # a size that is not told may be any
