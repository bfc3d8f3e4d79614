"""The verbs by which people change a transfer. Each names who and why, and asks again, in its own transaction, for all
that could pay twice: what was true when somebody looked may not be true any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from h2h.approval import Sight
from h2h.errors import NotAllowed, UsageError
from h2h.ledger import sequences
from h2h.ledger import tables as t
from h2h.ledger.approvals import approved_again, still_lacking, told
from h2h.ledger.earlier import debited, free_message_id, keep_message_id, repeated_since
from h2h.ledger.early import apply_orphans
from h2h.ledger.judged import forget_refusal
from h2h.ledger.lineage import refuse_if_alive_elsewhere
from h2h.ledger.moves import BANK, change_row, get_row, move_row
from h2h.ledger.rows import Transfer, refuse_purged
from h2h.ledger.safety import put_back_since
from h2h.lifecycle import COMMANDS, Actor, State, Trigger, commands, move
from h2h.verdicts import DUPLICATE_CODES, REFUSALS, Verdict, verdict_of, verdict_over

NOTHING = "Nothing can be done with it any more."
MOST_CHARACTERS = 500  # of a reason
AT_WORK = {
    State.RECEIVED: "It is being judged just now; look again in a moment.",
    State.STAGING: "The gateway is uploading it just now; look again in a moment.",
    State.PUBLISHING: "It is being published just now, and the bank may have it; the gateway finds out by itself.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """`late_allowed` is what may happen after the cut-off: "next" window, "now", or the folder's rule (None). `sight`:
    what was shown of the bytes."""

    who: str
    why: str
    now: datetime
    late_allowed: str | None = None
    sight: Sight | None = None


class People:
    def __init__(self, unit: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`unit`: a transaction, or one that leaves nothing behind, to see what would happen."""
        self._unit = unit

    def decide(
        self,
        transfer_id: str,
        trigger: Trigger,
        actor: Actor,
        *,
        who: str,
        reason: str,
        now: datetime,
        late_allowed: str | None = None,
    ) -> Transfer:
        """A decision that a state alone allows or forbids, recorded with name and reason."""
        order = _Order(who=who, why=in_words("reason", reason), now=now, late_allowed=late_allowed)
        with self._unit() as connection:
            return _decide(connection, get_row(connection, transfer_id), trigger, actor, order)

    def resend(self, transfer_id: str, *, who: str, reason: str, now: datetime, sight: Sight | None = None) -> Transfer:
        """Send the same bytes again, by the same name rules; NotAllowed where the bank may have them. Where its folder
        has rules on approvals, the first call records the proposal, and approving takes a sight of the bytes. Two
        people it takes, too, after the ledger was put back."""
        order = _Order(who=who, why=in_words("reason", reason), now=now, sight=sight)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            refuse_purged(row.id, row.purged_at)
            if why := against_resending(row, _refusal_codes(connection, row.id)):
                raise NotAllowed(f"{row.id} is not sent again: {why}")
            trigger = Trigger.RETRY if row.state is State.FAILED else Trigger.RESEND_REJECTED
            if row.approvals is not None:
                return _again(connection, row, trigger, order)
            if trigger is Trigger.RETRY:
                return _decide(connection, row, trigger, Actor.OPERATOR, order)
            if put_back_since(connection, row.id, row.attempts):
                return _again_by_two(connection, row, trigger, order)
            actor = Actor.SECOND_PERSON if row.verdict_by else Actor.OPERATOR
            return _decide(connection, row, trigger, actor, order)

    def release(
        self,
        transfer_id: str,
        *,
        who: str,
        reason: str,
        now: datetime,
        at_once: bool,
        sight: Sight | None = None,
    ) -> Transfer:
        """HELD -> READY, in the next window or at once; READY that waits goes at once. What may have been paid takes
        two persons: a DUPLICATE becomes HELD by the first, and one that the bank answered is proposed by the first.
        What people have to approve stays HELD until enough have, each of whom has a sight of the bytes."""
        late_allowed = "now" if at_once else "next"
        order = _Order(who=who, why=in_words("reason", reason), now=now, late_allowed=late_allowed, sight=sight)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            if row.state is State.DUPLICATE:
                return _decide(connection, row, Trigger.OVERRIDE, Actor.OPERATOR, order)
            if row.state is State.READY and not at_once:
                raise NotAllowed(f"{row.id} is READY and goes by itself{_when(row)}. {what_now(row)}")
            if row.state is State.HELD and row.proposed_by == BANK:
                return _propose(connection, row, order)
            if row.state is State.HELD and row.proposed_by == who:
                raise NotAllowed(
                    f"{row.id} may have been paid already, and you said that it was not; somebody else has to "
                    "release it."
                )
            if row.state is State.HELD and row.lacking:
                return _approve(connection, row, Trigger.RELEASE, order)
            return _decide(connection, row, Trigger.RELEASE, Actor.OPERATOR, order)

    def send_again(
        self, transfer_id: str, *, who: str, reason: str, now: datetime, sight: Sight | None = None
    ) -> Transfer:
        """UNCERTAIN -> READY, when a second person says so too. The first call records the proposal."""
        order = _Order(who=who, why=in_words("reason", reason), now=now, sight=sight)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            _possible(row, Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
            if row.approvals is not None:
                return _again(connection, row, Trigger.SEND_AGAIN, order)
            return _again_by_two(connection, row, Trigger.SEND_AGAIN, order)

    def sent_by_hand(self, transfer_id: str, *, who: str, how: str, reason: str, now: datetime) -> Transfer:
        """SENT: somebody brought it to the bank by other means. The gateway never sends it; an answer is awaited."""
        way, why = in_words("way", how), in_words("reason", reason)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            _possible(row, Trigger.SENT_BY_HAND, Actor.OPERATOR)
            data = {"decision": Trigger.SENT_BY_HAND, "how": way, "reason": why}
            told = f"sent by hand ({way}), says {who}: {why}"
            extra: dict[str, Any] = {"sent_at": now, "due_at": None, "proposed_by": None}
            moved = move_row(
                connection, row, Trigger.SENT_BY_HAND, Actor.OPERATOR, now, reason=told, data=data, who=who, **extra
            )
            return _with_orphans(connection, moved, now)

    def confirmed(
        self, transfer_id: str, verdict: Verdict, *, who: str, how: str, reason: str, now: datetime
    ) -> Transfer:
        """The bank's word on a SENT transfer as a person heard or read it; a pain.002 that comes later counts more."""
        assert verdict in (Verdict.ACCEPTED, Verdict.REJECTED)
        way, why = in_words("way", how), in_words("reason", reason)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            _possible(row, Trigger.CONFIRM, Actor.OPERATOR)
            _refuse_if_the_bank_has_spoken(connection, row)
            if verdict is Verdict.REJECTED:
                _refuse_if_booked(connection, row, "was not refused")
            data = {"decision": Trigger.CONFIRM, "verdict": verdict, "was": row.verdict, "how": way, "reason": why}
            told = f"{verdict} noted by hand ({way}), says {who}: {why}"
            noted = {"verdict": verdict, "verdict_by": who, "answered_at": now, "reason": told}
            return change_row(connection, row, now, f"verdict {verdict} by hand", who, data, **noted)


def in_words(what: str, text: str) -> str:
    """A reason as it stands in the journal: one line that says something. UsageError where it does not."""
    line = " ".join(text.split())
    if not any(c.isalnum() for c in line):
        raise UsageError(f"The {what} is empty; say it in words. It stands in the journal.")
    if strange := next((c for c in line if not c.isprintable()), None):
        raise UsageError(f"The {what} holds a character that cannot be shown (U+{ord(strange):04X}); take it out.")
    if len(line) > MOST_CHARACTERS:
        raise UsageError(f"The {what} has {len(line)} characters; {MOST_CHARACTERS} are allowed. Shorten it.")
    return line


def what_now(row: Transfer) -> str:
    """What can be done with a transfer now, in a sentence that names the commands."""
    if row.purged_at is not None:
        return NOTHING
    if row.state in AT_WORK:
        return AT_WORK[row.state]
    found = commands(row.state, row.verdict, by_hand=row.verdict_by is not None)
    named = ", ".join(f"`h2h {command.format(id=row.id)}`" for command in found)
    return f"Possible now: {named}." if named else NOTHING


def against_resending(row: Transfer, refusal_codes: set[str]) -> str | None:
    """What speaks against sending the same bytes again; None where nothing does."""
    match row.state:
        case State.FAILED:
            return None
        case State.SENT if row.verdict is Verdict.REJECTED and refusal_codes & DUPLICATE_CODES:
            return "the bank refused it as a duplicate, so it has had these payments before. Ask the bank what it has."
        case State.SENT if row.verdict is Verdict.REJECTED:
            return None
        case State.SENT if row.verdict is Verdict.PARTIAL:
            return (
                "the bank accepted a part of it, and would pay that part twice. "
                f"`h2h repair {row.id}` puts the refused payments into a new file."
            )
        case State.SENT:
            word = {Verdict.ACCEPTED: " and accepted it", Verdict.PENDING: " and is working on it"}
            return f"the bank has it since {row.sent_at:%Y-%m-%d %H:%M} UTC{word.get(row.verdict, '')}."
        case State.UNCERTAIN:
            return f"the bank may have it ({row.reason}). Ask the bank, then use `h2h resolve {row.id}`."
        case State.READY | State.STAGING | State.RECEIVED | State.PUBLISHING:
            return AT_WORK.get(row.state, f"it has not been sent yet, and goes by itself{_when(row)}.")
        case State.HELD:
            return f"it is held ({row.reason}); use `h2h release {row.id}`."
        case State.DUPLICATE:
            return f"it repeats {row.duplicate_of}; if it does not, use `h2h release {row.id}`."
        case State.INVALID | State.CANCELLED:
            return f"it is {row.state}; drop a corrected file with a new message id."


def _refusal_codes(connection: Connection, transfer_id: str) -> set[str]:
    """The reason codes with which the bank refused the transfer or payments of it."""
    c = t.report.c
    query = select(c.reasons).where(c.transfer_id == transfer_id, c.status.in_(REFUSALS))
    return {r["code"] for reasons in connection.execute(query).scalars() for r in reasons or () if "code" in r}


def _decide(connection: Connection, row: Transfer, trigger: Trigger, actor: Actor, order: _Order) -> Transfer:
    """NotAllowed where the state forbids it, or where payments of it were made or are made by another file."""
    to = _possible(row, trigger, actor)
    proposed_by = order.who if trigger is Trigger.OVERRIDE else None  # somebody else has to release it
    extra: dict[str, Any] = {"due_at": order.now if to is State.READY else None, "proposed_by": proposed_by}
    if trigger in (Trigger.OVERRIDE, Trigger.HOLD):
        extra |= _begun_by(row, order.who)
    if to is State.READY:
        _refuse_if_booked(connection, row)
        refuse_if_alive_elsewhere(connection, row)
        extra |= {"failures": 0, "verdict": Verdict.NONE, "verdict_by": None, "sent_at": None, "answered_at": None}
        extra |= {"late_allowed": order.late_allowed, "approved": row.approved}
    if to is State.SENT:
        extra |= {"sent_at": order.now}
    if trigger in (Trigger.RESEND_REJECTED, Trigger.RETRY, Trigger.SEND_AGAIN):
        _refuse_if_elsewhere(connection, row)
    if trigger is Trigger.RESEND_REJECTED:
        _refuse_one_persons_word(row, actor, order.who)
        forget_refusal(connection, row.id, row.verdict)
    data = {
        "decision": trigger,
        "reason": order.why,
        "late_allowed": order.late_allowed,
        **_approval_of(row, to, order),
    }
    moved = move_row(
        connection, row, trigger, actor, order.now, reason=order.why, data=data, who=order.who, **extra
    )  # fmt: skip
    if trigger is Trigger.SEND_AGAIN:
        sequences.keep(connection, moved)
    if trigger is Trigger.OVERRIDE:
        keep_message_id(connection, moved, moved.message_id)
    elif trigger is Trigger.CANCEL:
        free_message_id(connection, moved, moved.message_id)
    return _with_orphans(connection, moved, order.now)


def _propose(connection: Connection, row: Transfer, order: _Order) -> Transfer:
    """The first of two people says that it is to go (again)."""
    _refuse_if_booked(connection, row)
    said, begun = {"reason": order.why}, _begun_by(row, order.who)
    return change_row(
        connection, row, order.now, "send again proposed", order.who, said, proposed_by=order.who, **begun
    )  # fmt: skip


def _begun_by(row: Transfer, who: str) -> dict[str, Any]:
    """Whoever makes others decide about it anew has a hand in it; what was approved before counts no more."""
    return {"makers": [*dict.fromkeys([*row.makers, who])], "approved": []}


def _again(connection: Connection, row: Transfer, trigger: Trigger, order: _Order) -> Transfer:
    """Once more to the bank, where the folder has rules on approvals: proposed by one, approved by others."""
    _possible(row, trigger, Actor.SECOND_PERSON)
    if row.proposed_by is None:
        return _propose(connection, row, order)
    return _approve(connection, row, trigger, order)


def _again_by_two(connection: Connection, row: Transfer, trigger: Trigger, order: _Order) -> Transfer:
    """The first one proposes it, the second one lets it go."""
    if row.proposed_by is None:
        return _propose(connection, row, order)
    if row.proposed_by == order.who:
        raise NotAllowed(
            f"{row.id}: you proposed to send it again; somebody else has to confirm it, after asking the bank "
            "whether it has the file."
        )
    return _decide(connection, row, trigger, Actor.SECOND_PERSON, order)


def _approve(connection: Connection, row: Transfer, trigger: Trigger, order: _Order) -> Transfer:
    """One more person approves the bytes as they are; the last one that is needed lets them go."""
    again = trigger is not Trigger.RELEASE
    approved = replace(row, approved=approved_again(row, order.who, order.sight, order.now, again=again))
    if not still_lacking(approved, again=again):
        return _decide(connection, approved, trigger, Actor.SECOND_PERSON, order)
    _possible(row, trigger, Actor.SECOND_PERSON)
    data = {"decision": "approve", "reason": order.why, **told(approved, order.sight)}
    return change_row(connection, row, order.now, "approved", order.who, data, approved=approved.approved)


def _approval_of(row: Transfer, to: State, order: _Order) -> Mapping[str, Any]:
    return told(row, order.sight) if to is State.READY and row.approvals is not None else {}


def _when(row: Transfer) -> str:
    return f", at {row.due_at:%Y-%m-%d %H:%M} UTC" if row.due_at else ""


def _possible(row: Transfer, trigger: Trigger, actor: Actor) -> State:
    refuse_purged(row.id, row.purged_at)
    try:
        return move(row.state, trigger, actor)
    except NotAllowed as error:
        said = f", and the bank's word is {row.verdict}" if row.verdict is not Verdict.NONE else ""
        command = COMMANDS[trigger].format(id=row.id)
        text = f"`h2h {command}` is not possible: {row.id} is {row.state}{said}. {what_now(row)}"
        raise NotAllowed(text) from error


def _with_orphans(connection: Connection, row: Transfer, now: datetime) -> Transfer:
    """A file that is at the bank by a person's word: what the bank said of it before counts from now on."""
    if row.state is not State.SENT:
        return row
    apply_orphans(connection, row.id, now)
    return get_row(connection, row.id)


def _refuse_one_persons_word(row: Transfer, actor: Actor, who: str) -> None:
    """A refusal that was only noted by hand takes somebody else to send again."""
    if row.verdict_by is None or (actor is Actor.SECOND_PERSON and who != row.verdict_by):
        return
    raise NotAllowed(
        f"{row.id} is not sent again: that the bank refused it was noted by hand, by {row.verdict_by}, and no report "
        "says so. Somebody else has to send it again, after asking the bank."
    )


def _refuse_if_booked(connection: Connection, row: Transfer, what: str = "is not sent again") -> None:
    c = t.payment.c
    query = select(func.count()).where(c.transfer_id == row.id, debited())
    if booked := connection.execute(query).scalar_one():
        raise NotAllowed(
            f"{row.id} {what}: a statement shows {booked} of its payments as debited already. The bank has had it."
        )


def _refuse_if_elsewhere(connection: Connection, row: Transfer) -> None:
    if later := repeated_since(connection, row):
        raise NotAllowed(
            f"{row.id} is not sent again: payments of it stand in another file too, {later[0]}. "
            "Cancel that one, or have what is still to be paid put into a new file with a new message id."
        )


def _refuse_if_the_bank_has_spoken(connection: Connection, row: Transfer) -> None:
    statuses = connection.execute(select(t.payment.c.status).where(t.payment.c.transfer_id == row.id).distinct())
    said = verdict_over(frozenset(verdict_of(status) for status in statuses.scalars()))
    if said not in (Verdict.NONE, Verdict.PENDING):
        raise NotAllowed(f"{row.id}: the bank's own report says {said}; a person's word does not change that.")
