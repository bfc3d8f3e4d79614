"""Publishing, and finding out what became of it: from the commit of PUBLISHING on nothing is ever uploaded again.

We rename the temporary file (or put its marker beside it, or write the file where the bank knows neither), and on any
doubt look at both names and ask the reconcile table. At most the same temporary file is published once more, which can
succeed only once, whoever asks.
"""

from __future__ import annotations

import io
import posixpath
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, ParamSpec

from h2h.archive import Archive
from h2h.channels import Channel, Renaming
from h2h.clock import Clock
from h2h.config import Bank
from h2h.errors import ChannelError, Damaged, Stale, TemporaryGone, Unknown
from h2h.ledger import Ledger
from h2h.ledger.rows import Transfer
from h2h.lifecycle import Case, Decision, not_gone, reconcile
from h2h.line import Line
from h2h.model import Look, Presence, Receipt, Staged, TransferId, Way
from h2h.schedule import backoff

P = ParamSpec("P")
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

    def publish(
        self, session: Channel, transfers: Sequence[Transfer], *, exclusive: Collection[TransferId]
    ) -> list[Transfer | Stale]:
        """Ask for the first time, right after PUBLISHING was committed. `exclusive`: those never over another file.

        What was clearly done is SENT at once; then each of the others is looked for by itself.
        """
        asked = list(zip(transfers, self._ask(session, transfers, exclusive), strict=True))
        done = [(transfer, one) for transfer, one in asked if one.outcome is _Outcome.DONE]
        shown = [(each, {"answer": one.answer, "how": one.how, "final": each.remote}) for each, one in done]
        sent = self._ledger.transfers.sent_many(shown, self._clock.now()) if shown else []
        doubtful = [(transfer, one) for transfer, one in asked if one.outcome is not _Outcome.DONE]
        return sent + [unless_stale(self._find_out, session, transfer, one) for transfer, one in doubtful]

    def _find_out(self, session: Channel, transfer: Transfer, asked: _Asked) -> Transfer:
        if not session.alive():
            return self._later(transfer, asked.answer)
        try:
            return self._settle(session, transfer, asked)
        except ChannelError as error:
            return self._later(transfer, str(error))

    def settles_by_itself(self) -> bool:
        """Whether a file that is left in PUBLISHING needs no person, as far as the profile tells.

        That is so where renaming may be repeated and what is gone was taken.
        """
        facts = self._bank.channel
        return self._way is Way.RENAME and facts.repeatable and facts.staging_is_ours

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
        changed = went.changed_to(self._line.route())
        return (
            f"the settings changed since it was begun: {changed}. Nothing is asked or touched there"
            if changed
            else None
        )

    def _ask(
        self, session: Channel, transfers: Sequence[Transfer], exclusive: Collection[TransferId] = ()
    ) -> list[_Asked]:
        """Publish, then see that the temporary names are gone: a server that says "done" may be wrong."""
        asked = [_as_asked(outcome) for outcome in self._published(session, transfers, exclusive)]
        done = [each for each, one in zip(transfers, asked, strict=True) if one.outcome is _Outcome.DONE]
        left = self._still_there(session, done) if self._way is Way.RENAME and done else ()
        return [_not_yet(one) if each.id in left else one for each, one in zip(transfers, asked, strict=True)]

    def _published(
        self, session: Channel, transfers: Sequence[Transfer], exclusive: Collection[TransferId]
    ) -> Sequence[Receipt | Exception]:
        if self._way is Way.RENAME:
            return session.publish_many([_renaming(each, exclusive=each.id in exclusive) for each in transfers])
        return [self._placed(session, transfer) for transfer in transfers]

    def _placed(self, session: Channel, transfer: Transfer) -> Receipt | Exception:
        assert transfer.remote
        try:
            if self._way is Way.MARKER:
                return session.place(transfer.remote, io.BytesIO())
            with self._archive.open(transfer.sent_sha256, "sending") as source:
                return session.place(transfer.remote, source)
        except (Unknown, Damaged) as error:
            return error

    def _still_there(self, session: Channel, transfers: Sequence[Transfer]) -> set[TransferId]:
        """Those whose temporary file is seen. One that cannot be seen is none: the answer was clear."""
        seen = session.look_many([_temporary(transfer) for transfer in transfers])
        there = [isinstance(look, Look) and look.presence is Presence.THERE for look in seen]
        return {transfer.id for transfer, still in zip(transfers, there, strict=True) if still}

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
            [asked] = self._ask(session, [transfer])
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
        size = 0 if self._way is Way.MARKER else transfer.sent_size
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


def unless_stale(act: Callable[P, Transfer], *given: P.args, **named: P.kwargs) -> Transfer | Stale:
    """What becomes of one transfer; that it changed hands is a value where others stand beside it."""
    try:
        return act(*given, **named)
    except Stale as error:
        return error


def _as_asked(outcome: Receipt | Exception) -> _Asked:
    match outcome:
        case Receipt():
            return _Asked(_Outcome.DONE, outcome.answer, outcome.how)
        case TemporaryGone():
            return _Asked(_Outcome.GONE, str(outcome))
        case Unknown() | Damaged():
            return _Asked(_Outcome.UNCLEAR, str(outcome))
        case _:
            raise outcome


def _not_yet(asked: _Asked) -> _Asked:
    return _Asked(_Outcome.UNCLEAR, f"{asked.answer}, but the temporary file is still there")


def _renaming(transfer: Transfer, *, exclusive: bool) -> Renaming:
    assert transfer.remote
    staged = Staged(path=_temporary(transfer), size=transfer.sent_size)
    return Renaming(staged=staged, path=transfer.remote, exclusive=exclusive)


def _temporary(transfer: Transfer) -> str:
    assert transfer.temporary
    return transfer.temporary


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
