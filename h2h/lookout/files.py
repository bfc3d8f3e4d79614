"""Files that wait for a person, that do not get on, or that were refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from h2h.alarms import Alarm, Urgency
from h2h.config import Settings
from h2h.ledger.messages import MessageState
from h2h.ledger.outlook import MessageRow
from h2h.ledger.people import what_now
from h2h.ledger.rows import Transfer
from h2h.ledger.troubled import OF_GAPS
from h2h.lifecycle import State
from h2h.lookout.words import call, steps, total
from h2h.verdicts import Verdict

WAITS = {
    State.HELD: ("file_held", Urgency.WARNING),
    State.DUPLICATE: ("file_duplicate", Urgency.WARNING),
    State.FAILED: ("file_failed", Urgency.URGENT),
    State.UNCERTAIN: ("file_uncertain", Urgency.URGENT),
    State.PUBLISHING: ("file_uncertain", Urgency.URGENT),  # where it is looked for again and again
}
MANY_FAILURES = 3  # uploads; what a line that is down keeps waiting is the line's alarm


def waiting(settings: Settings, files: Sequence[Transfer]) -> Iterator[Alarm]:
    for file in files:
        word, urgency = WAITS.get(file.state, ("file_stuck", Urgency.WARNING))
        under_way = file.state in (State.RECEIVED, State.READY, State.STAGING)
        if (under_way and file.failures < MANY_FAILURES) or (file.state is State.PUBLISHING and not file.reason):
            continue
        bank = settings.bank(file.bank)
        asked = call(bank) if urgency is Urgency.URGENT else ""
        yield _alarm(file, word, urgency, f"is {file.state}", step=steps(what_now(file), asked))


def refused(settings: Settings, files: Sequence[Transfer]) -> Iterator[Alarm]:
    """By us, or by the bank: news, which nobody mends in this very file."""
    for file in files:
        if file.state is State.INVALID:
            step = (
                f"`h2h show {file.id}` lists what is wrong; the same stands beside the file in {file.watch}/rejected."
            )
            yield _alarm(file, "file_refused", Urgency.WARNING, "was refused by us", step=step, passing=True)
        elif file.state is State.SENT:
            step = steps(what_now(file), call(settings.bank(file.bank)))
            said = "was refused by the bank" if file.verdict is Verdict.REJECTED else "was refused in part by the bank"
            yield _alarm(file, "bank_refused", Urgency.URGENT, said, step=step, passing=True)


def messages(rows: Sequence[MessageRow]) -> Iterator[Alarm]:
    """What came in and could not be read, or says something that somebody should know. What is missing among
    statements is told as that."""
    for row in rows:
        if row.reason.startswith(tuple(f"{code}:" for code in OF_GAPS)):
            continue
        unreadable = row.state == MessageState.UNREADABLE
        yield Alarm(
            word="message_unreadable" if unreadable else "message_remarkable",
            bank=row.bank,
            subject=row.id,
            file=row.id,
            urgency=Urgency.WARNING,
            text=_ended(f"{row.name} from {row.bank} {'cannot be read' if unreadable else 'has come'}: {row.reason}"),
            step=f"`h2h show {row.id}` shows all of it."
            + (f" Ask the bank to send it again; after an update, `h2h reread {row.id}`." if unreadable else ""),
            passing=True,
        )


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _alarm(file: Transfer, word: str, urgency: Urgency, what: str, *, step: str, passing: bool = False) -> Alarm:
    why = f": {file.reason}" if file.reason else ""
    return Alarm(
        word=word,
        bank=file.bank,
        subject=file.id,
        file=file.id,
        urgency=urgency,
        text=_ended(f"{file.name} ({total([file])}) {what}{why}"),
        step=step,
        passing=passing,
    )
