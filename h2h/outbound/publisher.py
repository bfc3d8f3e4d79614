"""Publishing, and finding out what became of it: from the commit of PUBLISHING on nothing is ever uploaded again.

We rename the temporary file, look whether it is gone, and on any doubt look at both names and ask the reconcile
table. At most the same temporary file is renamed once more, which can succeed only once, whoever asks.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank
from h2h.errors import ChannelError, TemporaryGone, Unknown
from h2h.ledger import Ledger
from h2h.ledger.transfers import Transfer
from h2h.lifecycle import Case, Decision, reconcile
from h2h.line import Line
from h2h.model import Look, Presence, Staged
from h2h.schedule import backoff

RENAMES = 3  # in one visit; then again later, by back-off


class _Outcome(Enum):
    DONE = "done"
    GONE = "gone"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class _Renamed:
    outcome: _Outcome
    answer: str


class Publisher:
    def __init__(self, bank: Bank, *, line: Line, ledger: Ledger, clock: Clock) -> None:
        self._bank = bank
        self._line = line
        self._ledger = ledger
        self._clock = clock

    def publish(self, session: Channel, transfer: Transfer) -> Transfer:
        """Rename for the first time, right after PUBLISHING was committed."""
        renamed = self._rename(session, transfer)
        if renamed.outcome is _Outcome.DONE:
            return self._sent(transfer, {"answer": renamed.answer, "final": transfer.remote})
        if not session.alive():
            return self._later(transfer, renamed.answer)
        try:
            return self._settle(session, transfer, renamed.answer)
        except ChannelError as error:
            return self._later(transfer, str(error))

    def reconcile(self, transfer: Transfer) -> Transfer:
        """A PUBLISHING transfer that was left behind by a crash or a broken line."""
        try:
            with self._line.session() as session:
                return self._settle(session, transfer, "the publishing was interrupted")
        except ChannelError as error:
            return self._later(transfer, str(error))

    def _rename(self, session: Channel, transfer: Transfer) -> _Renamed:
        """Rename, then see that the temporary name is gone: a server that says "done" may be wrong."""
        assert transfer.temporary
        assert transfer.remote
        try:
            receipt = session.publish(Staged(path=transfer.temporary, size=transfer.size), transfer.remote)
        except TemporaryGone as error:
            return _Renamed(_Outcome.GONE, str(error))
        except Unknown as error:
            return _Renamed(_Outcome.UNCLEAR, str(error))
        try:
            left = session.look(transfer.temporary).presence
        except ChannelError:
            left = Presence.HIDDEN  # the answer was clear; the line broke after it
        if left is Presence.THERE:
            return _Renamed(_Outcome.UNCLEAR, f"{receipt.answer}, but the temporary file is still there")
        return _Renamed(_Outcome.DONE, receipt.answer)

    def _settle(self, session: Channel, transfer: Transfer, answer: str) -> Transfer:
        """Look, ask the table, do what it says."""
        assert transfer.temporary
        assert transfer.remote
        for _ in range(RENAMES):
            temporary, final = session.look(transfer.temporary), session.look(transfer.remote)
            case = self._case(transfer, temporary, final)
            evidence = _evidence(temporary, final, answer, case)
            if case.decision is not Decision.RENAME_AGAIN:
                return self._conclude(session, transfer, case, evidence)
            renamed = self._rename(session, transfer)
            answer = renamed.answer
            if renamed.outcome is _Outcome.DONE:
                return self._sent(transfer, {**evidence, "answer": answer})
            if not session.alive():
                return self._later(transfer, answer)
            if temporary.presence is Presence.HIDDEN:
                return self._conclude_unseen(session, transfer, final, renamed)
        if transfer.failures >= self._bank.retry.give_up_after:
            return self._in_doubt(transfer, "the bank's server does not rename the file", evidence)
        return self._later(transfer, answer)

    def _case(self, transfer: Transfer, temporary: Look, final: Look) -> Case:
        facts = self._bank.channel
        return reconcile(
            temporary,
            final,
            transfer.size,
            atomic_rename=facts.atomic_rename,
            staging_is_ours=facts.staging_is_ours,
        )

    def _conclude(self, session: Channel, transfer: Transfer, case: Case, evidence: dict[str, Any]) -> Transfer:
        assert transfer.temporary
        if case.decision is Decision.UNCERTAIN:
            return self._in_doubt(transfer, case.reason, evidence)
        if case.decision is Decision.SENT_REMOVE_TEMPORARY:
            with suppress(ChannelError):  # the bank has the file, whether or not it lets us clear up
                session.discard(transfer.temporary)
        return self._sent(transfer, evidence)

    def _conclude_unseen(self, session: Channel, transfer: Transfer, final: Look, renamed: _Renamed) -> Transfer:
        """The bank lets nobody look: "no such file" means gone, anything else but "done" means nothing."""
        gone = Look(presence=Presence.GONE)
        case = self._case(transfer, gone, final)
        if renamed.outcome is _Outcome.GONE:
            return self._conclude(session, transfer, case, _evidence(gone, final, renamed.answer, case))
        evidence = {"answer": renamed.answer, "temporary": Presence.HIDDEN, "final": final.presence}
        return self._in_doubt(transfer, "the bank lets nobody look, and its answer is not clear", evidence)

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
