"""The verbs by which people change a transfer. Each names who and why, and asks again, in its own transaction, for all
that could pay twice: what was true when somebody looked may not be true any more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from h2h.errors import NotAllowed, UsageError
from h2h.ledger import tables as t
from h2h.ledger.earlier import free_message_id, keep_message_id, repeated_since
from h2h.ledger.judged import forget_refusal
from h2h.ledger.moves import change_row, get_row, move_row
from h2h.ledger.rows import Transfer
from h2h.lifecycle import COMMANDS, Actor, State, Trigger, commands, move
from h2h.verdicts import Verdict, verdict_of, verdict_over

NOTHING = "Nothing can be done with it any more."
MOST_CHARACTERS = 500  # of a reason
AT_WORK = {
    State.RECEIVED: "It is being judged just now; look again in a moment.",
    State.STAGING: "The gateway is uploading it just now; look again in a moment.",
    State.PUBLISHING: "It is being published just now, and the bank may have it; the gateway finds out by itself.",
}


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
        """A person's decision, recorded with name and reason; NotAllowed where the state forbids it.

        `late_allowed` is what may happen after the cut-off: "next" window, "now", or the folder's rule (None).
        """
        why = in_words("reason", reason)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            to = _possible(row, trigger, actor)
            proposed_by = who if trigger is Trigger.OVERRIDE else None  # somebody else has to release it
            extra: dict[str, Any] = {"due_at": now if to is State.READY else None, "proposed_by": proposed_by}
            if to is State.READY:
                _refuse_if_booked(connection, row)
                extra |= {"failures": 0, "verdict": Verdict.NONE, "verdict_by": None, "sent_at": None}
                extra |= {"late_allowed": late_allowed}
            if to is State.SENT:
                extra |= {"sent_at": now}
            data = {"decision": trigger, "reason": why, "late_allowed": late_allowed}
            if trigger in (Trigger.RESEND_REJECTED, Trigger.RETRY):
                _refuse_if_elsewhere(connection, row)
            if trigger is Trigger.RESEND_REJECTED:
                _refuse_one_persons_word(row, actor, who)
                forget_refusal(connection, row.id, row.verdict)
            moved = move_row(connection, row, trigger, actor, now, reason=why, data=data, who=who, **extra)
            if trigger is Trigger.OVERRIDE:
                keep_message_id(connection, moved, moved.message_id)
            elif trigger is Trigger.CANCEL:
                free_message_id(connection, moved, moved.message_id)
            return moved

    def propose(self, transfer_id: str, who: str, reason: str, now: datetime) -> Transfer:
        """The first of two people says that it is to go (again); another one has to say so too."""
        why = in_words("reason", reason)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            if row.state is not State.HELD:
                _possible(row, Trigger.SEND_AGAIN, Actor.SECOND_PERSON)
            _refuse_if_booked(connection, row)
            return change_row(connection, row, now, "send again proposed", who, {"reason": why}, proposed_by=who)

    def sent_by_hand(self, transfer_id: str, *, who: str, how: str, reason: str, now: datetime) -> Transfer:
        """SENT: somebody brought it to the bank by other means. The gateway never sends it; an answer is awaited."""
        way, why = in_words("way", how), in_words("reason", reason)
        with self._unit() as connection:
            row = get_row(connection, transfer_id)
            _possible(row, Trigger.SENT_BY_HAND, Actor.OPERATOR)
            data = {"decision": Trigger.SENT_BY_HAND, "how": way, "reason": why}
            told = f"sent by hand ({way}), says {who}: {why}"
            extra: dict[str, Any] = {"sent_at": now, "due_at": None, "proposed_by": None}
            return move_row(
                connection, row, Trigger.SENT_BY_HAND, Actor.OPERATOR, now, reason=told, data=data, who=who, **extra
            )

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
    if row.state in AT_WORK:
        return AT_WORK[row.state]
    found = commands(row.state, row.verdict, by_hand=row.verdict_by is not None)
    named = ", ".join(f"`h2h {command.format(id=row.id)}`" for command in found)
    return f"Possible now: {named}." if named else NOTHING


def _possible(row: Transfer, trigger: Trigger, actor: Actor) -> State:
    try:
        return move(row.state, trigger, actor)
    except NotAllowed as error:
        said = f", and the bank's word is {row.verdict}" if row.verdict is not Verdict.NONE else ""
        command = COMMANDS[trigger].format(id=row.id)
        text = f"`h2h {command}` is not possible: {row.id} is {row.state}{said}. {what_now(row)}"
        raise NotAllowed(text) from error


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
    query = select(func.count()).where(c.transfer_id == row.id, c.booked_by.is_not(None))
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
