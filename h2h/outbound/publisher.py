"""Publishing, and finding out what became of it: from the commit of PUBLISHING on nothing is ever uploaded again.

We rename the temporary file (or put its marker beside it, or write the file where the bank knows neither), and on any
doubt look at both names and ask the reconcile table. At most the same temporary file is published once more, which can
succeed only once, whoever asks.
"""

from __future__ import annotations

import io
import posixpath
import random
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, assert_never

from h2h.archive import Archive
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank
from h2h.errors import ChannelError, Damaged, TemporaryGone, Unknown
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Case, Decision, not_gone, reconcile
from h2h.line import Line
from h2h.model import Look, Presence, Receipt, Staged, Way
from h2h.schedule import backoff

INTERRUPTED = "the publishing was interrupted"
TRIES = 3  # in one visit; then again later, by back-off


class _Outcome(Enum):
    DONE = "done"
    GONE = "gone"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class _Asked:
    """`how`: by which operation, where that is known to be done."""

    outcome: _Outcome
    answer: str
    how: str | None = None


class Publisher:
    def __init__(self, bank: Bank, *, line: Line, ledger: Ledger, archive: Archive, clock: Clock) -> None:
        self._bank = bank
        self._way = bank.channel.way
        self._line = line
        self._ledger = ledger
        self._archive = archive
        self._clock = clock

    def publish(self, session: Channel, transfer: Transfer, *, exclusive: bool) -> Transfer:
        """Ask for the first time, right after PUBLISHING was committed. `exclusive`: never over another file."""
        asked = self._ask(session, transfer, exclusive=exclusive)
        if asked.outcome is _Outcome.DONE:
            return self._sent(transfer, {"answer": asked.answer, "how": asked.how, "final": transfer.remote})
        if not session.alive():
            return self._later(transfer, asked.answer)
        try:
            return self._settle(session, transfer, asked)
        except ChannelError as error:
            return self._later(transfer, str(error))

    def may_replace(self, session: Channel, transfer: Transfer, final: Look) -> bool:
        """Whether renaming could put the file over another one: nobody may look, and others could give its name."""
        assert transfer.remote
        unseen = final.presence is Presence.HIDDEN and transfer.id not in posixpath.basename(transfer.remote)
        return self._way is Way.RENAME and unseen and session.replaces

    def reconcile(self, transfer: Transfer) -> Transfer:
        """A PUBLISHING transfer that was left behind by a crash or a broken line."""
        if elsewhere := self._elsewhere(transfer):
            return self._in_doubt(transfer, elsewhere, {"answer": INTERRUPTED})
        try:
            with self._line.session() as session:
                return self._settle(session, transfer, _Asked(_Outcome.UNCLEAR, INTERRUPTED))
        except ChannelError as error:
            return self._later(transfer, str(error))

    def _elsewhere(self, transfer: Transfer) -> str | None:
        """Why what stands at the bank of today's settings says nothing about this attempt."""
        went = self._ledger.transfers.last_attempt(transfer).route
        if went is None:
            return "it was begun by an earlier version, which did not note by which way and to which server it went"
        changed = went.changed_to(self._bank.channel.route)
        return (
            f"the settings changed since it was begun: {changed}. Nothing is asked or touched there"
            if changed
            else None
        )

    def _ask(self, session: Channel, transfer: Transfer, *, exclusive: bool = False) -> _Asked:
        """Publish, then see that the temporary name is gone: a server that says "done" may be wrong."""
        assert transfer.temporary
        try:
            receipt = self._published(session, transfer, transfer.temporary, exclusive=exclusive)
        except TemporaryGone as error:
            return _Asked(_Outcome.GONE, str(error))
        except (Unknown, Damaged) as error:
            return _Asked(_Outcome.UNCLEAR, str(error))
        if self._way is Way.RENAME and self._still_there(session, transfer.temporary):
            return _Asked(_Outcome.UNCLEAR, f"{receipt.answer}, but the temporary file is still there")
        return _Asked(_Outcome.DONE, receipt.answer, receipt.how)

    def _published(self, session: Channel, transfer: Transfer, temporary: str, *, exclusive: bool) -> Receipt:
        assert transfer.remote
        match self._way:
            case Way.RENAME:
                staged = Staged(path=temporary, size=transfer.size)
                return session.publish(staged, transfer.remote, exclusive=exclusive)
            case Way.MARKER:
                return session.place(transfer.remote, io.BytesIO())
            case Way.DIRECT:
                with self._archive.open(transfer.sha256, "sending") as source:
                    return session.place(transfer.remote, source)
            case _:
                assert_never(self._way)

    def _still_there(self, session: Channel, temporary: str) -> bool:
        try:
            return session.look(temporary).presence is Presence.THERE
        except ChannelError:
            return False  # the answer was clear; the line broke after it

    def _settle(self, session: Channel, transfer: Transfer, asked: _Asked) -> Transfer:
        """Look, ask the table, do what it says. `asked`: what became of the asking before."""
        assert transfer.remote
        in_steps = self._ledger.transfers.last_attempt(transfer).exclusive
        for _ in range(TRIES):
            temporary, final = self._look_at_temporary(session, transfer), session.look(transfer.remote)
            case = self._case(transfer, temporary, final, once=in_steps or self.may_replace(session, transfer, final))
            evidence = _evidence(temporary, final, asked.answer, case)
            unseen = temporary.presence is Presence.HIDDEN and final.presence is not Presence.THERE
            if unseen and asked.outcome is _Outcome.GONE:
                return self._conclude_unseen(session, transfer, temporary, final, asked, asked_before=False)
            if case.decision is not Decision.PUBLISH_AGAIN:
                return self._conclude(session, transfer, case, evidence)
            asked = self._ask(session, transfer)
            if asked.outcome is _Outcome.DONE:
                return self._sent(transfer, {**evidence, "answer": asked.answer, "how": asked.how})
            if not session.alive():
                return self._later(transfer, asked.answer)
            if unseen:
                return self._conclude_unseen(session, transfer, temporary, final, asked, asked_before=True)
        if transfer.failures >= self._bank.retry.give_up_after:
            return self._in_doubt(transfer, "the bank's server does not publish the file", evidence)
        return self._later(transfer, asked.answer)

    def _look_at_temporary(self, session: Channel, transfer: Transfer) -> Look:
        assert transfer.temporary
        if self._way is Way.DIRECT:
            return Look(presence=Presence.GONE)  # there never was one
        return session.look(transfer.temporary)

    def _case(self, transfer: Transfer, temporary: Look, final: Look, *, once: bool = False) -> Case:
        """`once`: publishing again could bring the file twice, or over another one, whatever the profile says."""
        facts = self._bank.channel
        size = 0 if self._way is Way.MARKER else transfer.size
        repeatable = facts.repeatable and not once
        return reconcile(self._way, temporary, final, size, repeatable=repeatable, ours=facts.staging_is_ours)

    def _conclude(self, session: Channel, transfer: Transfer, case: Case, evidence: dict[str, Any]) -> Transfer:
        assert transfer.temporary
        if case.decision is Decision.UNCERTAIN:
            return self._in_doubt(transfer, case.reason, evidence)
        if case.decision is Decision.SENT_REMOVE_TEMPORARY:
            with suppress(ChannelError):  # the bank has the file, whether or not it lets us clear up
                session.discard(transfer.temporary)
        return self._sent(transfer, evidence)

    def _conclude_unseen(
        self, session: Channel, transfer: Transfer, temporary: Look, final: Look, asked: _Asked, *, asked_before: bool
    ) -> Transfer:
        """The bank lets nobody look: "no such file" may mean gone, anything else but "done" means nothing."""
        doubt: str | None = "the bank lets nobody look, and its answer is not clear"
        if asked.outcome is _Outcome.GONE:
            doubt = not_gone(asked_before=asked_before, folders_there=temporary.folder_there and final.folder_there)
        if doubt:
            evidence = {"answer": asked.answer, "temporary": Presence.HIDDEN, "final": final.presence}
            return self._in_doubt(transfer, doubt, evidence)
        gone = Look(presence=Presence.GONE)
        case = self._case(transfer, gone, final)
        return self._conclude(session, transfer, case, _evidence(gone, final, asked.answer, case))

    def _sent(self, transfer: Transfer, evidence: dict[str, Any]) -> Transfer:
        return self._ledger.transfers.sent(transfer, evidence, self._clock.now())

    def _in_doubt(self, transfer: Transfer, reason: str, evidence: dict[str, Any]) -> Transfer:
        return self._ledger.transfers.in_doubt(transfer, reason, evidence, self._clock.now())

    def _later(self, transfer: Transfer, text: str) -> Transfer:
        """Cannot be known now: look again. Never send again "to make it"."""
        now, retry = self._clock.now(), self._bank.retry
        wait = backoff(transfer.failures + 1, retry.first, retry.most, random.random)
        due_at = max(now + wait, self._line.suspended_until() or now)
        return self._ledger.transfers.look_again(transfer, text, due_at, now)


def _evidence(temporary: Look, final: Look, answer: str, case: Case) -> dict[str, Any]:
    return {
        "answer": answer,
        "temporary": _seen(temporary),
        "final": _seen(final),
        "decision": case.decision,
        "reason": case.reason,
    }


def _seen(look: Look) -> str:
    return f"{look.presence} ({look.size} bytes)" if look.size is not None else str(look.presence)
