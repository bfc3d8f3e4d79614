"""What the banks do not do: lines that are down, answers and statements that did not come, folders in trouble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from h2h.alarms import Alarm, Urgency
from h2h.closure import last_due
from h2h.config import Bank, Settings
from h2h.contract import MEANS, AnswerStage, Missing, missing, reached
from h2h.errors import HostKeyChanged, Refused
from h2h.gateway import Gateway
from h2h.ledger.gaps import GapRow
from h2h.ledger.outlook import Contact
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.lookout.words import call, steps, total, utc
from h2h.schedule import all_closing

DEBITS_EVERY, DEBITS_BACK = timedelta(hours=1), timedelta(days=14)
PROBES = 3  # failures in a row: one alone is none of anybody's business


def lines(
    settings: Settings, contacts: Mapping[str, Contact], files: Sequence[Transfer], now: datetime
) -> Iterator[Alarm]:
    """Lines that are down. What could go now makes it urgent; so does what the bank refuses, at once. A host key that
    changed is told by keys.py."""
    for bank in settings.banks:
        contact = contacts.get(bank.name)
        if contact is None or contact.error_class in (None, HostKeyChanged.__name__):
            continue
        refuses = contact.error_class == Refused.__name__
        if not refuses and contact.failures < PROBES:
            continue
        waits = [file for file in files if file.bank == bank.name and could_go(bank, file, now)]
        good = f"; last reached at {utc(contact.last_good_at)}" if contact.last_good_at else "; never reached yet"
        held_up = f" {total(waits)} wait for it." if waits else ""
        yield Alarm(
            word="bank_refuses" if refuses else "bank_unreachable",
            bank=bank.name,
            urgency=Urgency.URGENT if refuses or waits else Urgency.WARNING,
            text=f"{bank.name} {'refuses us' if refuses else 'cannot be reached'}{good}.{held_up} {contact.text}",
            step=steps(_to_do(refuses), call(bank)),
        )


def could_go(bank: Bank, file: Transfer, now: datetime) -> bool:
    """If only the line were up."""
    folder = bank.outbound_for(file.watch)
    if folder is None or bank.away_until(now):
        return False
    if file.state in (State.READY, State.STAGING):
        return file.late_allowed == "now" or all_closing(bank.windows_for(folder, file.kinds), now) is not None
    return file.state is State.PUBLISHING


def _to_do(refuses: bool) -> str:
    if refuses:
        return "Mend what it says (key, password, host key, permissions), here or with the bank; it is tried again."
    return "It is tried again by itself, one probe at a time. If files wait for it, call the bank."


class Answers:
    """What the banks owe us after files were handed over. How far they have come is looked up again only where a file
    has changed since: that looks through its payments."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._known: dict[str, tuple[tuple[int, int], frozenset[AnswerStage]]] = {}

    def missing(self, now: datetime) -> Iterator[Alarm]:
        open_: set[str] = set()
        for bank in self._gateway.settings.banks:
            for file in self._gateway.ledger.outlook.unsettled(bank.name, now) if bank.answers else ():
                open_.add(file.id)
                yield from (_unanswered(bank, file, each) for each in self._of(bank, file, now))
        self._known = {id_: known for id_, known in self._known.items() if id_ in open_}

    def _of(self, bank: Bank, file: Transfer, now: datetime) -> Iterator[Missing]:
        """A person who noted the bank's word by hand has asked already."""
        assert file.sent_at
        contract = bank.contract(file.kinds, file.sent_at)
        if not file.verdict_by and any(True for _ in missing(contract, file.sent_at, (), now)):
            yield from missing(contract, file.sent_at, self._reached(file), now)

    def _reached(self, file: Transfer) -> frozenset[AnswerStage]:
        assert file.sent_at
        outlook = self._gateway.ledger.outlook
        last = outlook.last_report(file.id, file.sent_at)
        if last is None:
            return frozenset()
        known = self._known.get(file.id)
        if known is None or known[0] != (file.version, last):
            spoken = outlook.spoken(file.id, file.sent_at)
            known = (file.version, last), reached(spoken.statuses, spoken.silent, answered=True)
            self._known[file.id] = known
        return known[1]


def _unanswered(bank: Bank, file: Transfer, owed: Missing) -> Alarm:
    assert file.sent_at
    what = f"{file.name} (message id {file.message_id}, {total([file])}), sent at {utc(file.sent_at)}"
    late = f"was due at {utc(owed.due)} and has not come" if owed.late else f"is due at {utc(owed.due)}"
    ask = f"Ask {bank.name} what became of message id {file.message_id}; never send it again before it has answered."
    return Alarm(
        word="answer_missing",
        bank=bank.name,
        subject=f"{file.id} {owed.stage}",
        file=file.id,
        urgency=Urgency.URGENT if owed.late else Urgency.WARNING,
        text=f"{bank.name} owes {MEANS[owed.stage]} on {what}: it {late}.",
        step=steps(ask if owed.late else "Nothing yet; it is told again when it is late.", call(bank)),
    )


class Debits:
    """Payments that the bank accepted and did not debit in time, on accounts whose statements come. To find them all
    payments of some days are gone through: once in a while."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._at: datetime | None = None
        self._found: list[Alarm] = []

    def missing(self, now: datetime) -> list[Alarm]:
        if self._at is None or not timedelta(0) <= now - self._at < DEBITS_EVERY:
            self._found = [alarm for bank in self._gateway.settings.banks for alarm in self._of(bank, now)]
            self._at = now
        return self._found

    def _of(self, bank: Bank, now: datetime) -> Iterator[Alarm]:
        accounts = [each.account for each in bank.accounts if each.statements != "none"]
        if not accounts:
            return
        last = last_due(bank.cash_terms, now)
        for each in self._gateway.ledger.outlook.undebited(bank.name, accounts, last - DEBITS_BACK, last):
            yield Alarm(
                word="debit_missing",
                bank=bank.name,
                subject=each.transfer,
                file=each.transfer,
                urgency=Urgency.WARNING,
                text=f"{each.payments:,} of {each.of:,} payments of {each.name} (message id {each.message_id}) are "
                f"accepted, and no statement shows their debit; the first were to be executed on {each.since}.",
                step=steps("`h2h closure` lists them; ask the bank.", call(bank)),
            )


def troubles(gateway: Gateway, now: datetime) -> Iterator[Alarm]:
    """Folders of the banks, and of the ERP's statuses, that do not work although the line is up."""
    for trouble in gateway.ledger.troubles.now([bank.name for bank in gateway.settings.banks], now):
        where = f"{trouble.place}: {trouble.name}" if trouble.name else trouble.place
        yield Alarm(
            word="folder_trouble",
            bank=trouble.bank,
            subject=f"{trouble.kind} {where}",
            urgency=Urgency.WARNING,
            text=f"{where}, since {utc(trouble.since)}: {trouble.text}",
        )


def gaps(settings: Settings, rows: Sequence[GapRow]) -> Iterator[Alarm]:
    """Statements that did not come, or do not follow the one before; of banks that the settings know."""
    for gap in rows:
        bank = settings.bank(gap.bank)
        if bank is None:
            continue
        yield Alarm(
            word="statement_missing",
            bank=gap.bank,
            subject=_gap(gap),
            urgency=Urgency.WARNING,
            text=gap.text,
            step=steps("`h2h statements --gaps` lists what is missing.", call(bank)),
        )


def _gap(gap: GapRow) -> str:
    """Which one it is, whether it is a row yet or not."""
    parts = (gap.kind, gap.account, gap.currency, gap.from_day, gap.to_day, gap.first, gap.before)
    return " ".join(str(part) for part in parts if part is not None)
