"""A gateway of its own for one case: made from the bank's profile, in a fresh folder, with a ledger of its own.

The profile's server, folders at the bank, names and rules are used as they are; the ERP's folders are fresh ones, and
its times do not count, but for the case that is about them. It does what `h2h send` and `h2h pull` do, in rounds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from h2h.certify.bench import Bench
from h2h.certify.blinkers import Blinkers
from h2h.certify.results import Evidence, Outcome, Sort
from h2h.channels import Channel
from h2h.clock import Clock
from h2h.config import Bank, Inbound, LedgerSettings, Outbound, RetentionSettings, Settings
from h2h.desk import Desk
from h2h.errors import ChannelError
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.ledger.views import FileRow
from h2h.model import RemoteFile, TransferId
from h2h.verdicts import Verdict

FIRST_SECONDS, GROWTH, MOST_SECONDS = 0.2, 1.5, 30.0  # between two looks at a bank
SOON = {"first": timedelta(milliseconds=200), "most": timedelta(seconds=2)}
TOLD = ("attempt", "temporary", "remote", "final", "how", "answer", "outcome", "text", "reason", "decision", "due_at",
        "status", "said")  # of an event, beside its kind  # fmt: skip
REPORTS = 20  # that are shown of a file
ALWAYS: dict[str, object] = {"cut_off": None, "cut_offs": [], "lead": timedelta(0), "days": frozenset(range(7))}


class Unmet(Exception):
    """What a case is about did not come true: what it comes to, and why, in a sentence."""

    def __init__(self, text: str, outcome: Outcome = Outcome.FAILED) -> None:
        super().__init__(text)
        self.outcome = outcome


class Office:
    """`gateway` holds its data folder while the office is open."""

    def __init__(self, bench: Bench, gateway: Gateway, note: Callable[[Evidence], None]) -> None:
        self.bench = bench
        self.gateway = gateway
        self._note = note

    @property
    def bank(self) -> Bank:
        return self.gateway.settings.banks[0]

    @property
    def desk(self) -> Desk:
        return self.gateway.desks[self.bank.name]

    def drop(self, data: bytes, name: str, folder: int = 0) -> None:
        """As an ERP should: written under another name, then renamed."""
        watch = self.bank.outbound[folder].watch
        part = watch / f".{name}.part"
        part.write_bytes(data)
        os.rename(part, watch / name)

    def transfers(self) -> list[Transfer]:
        """Oldest first."""
        found = [row for row in self.gateway.ledger.views.files() if row.direction == "out"]
        return [self.gateway.ledger.transfers.get(row.id) for row in reversed(found)]

    def transfer(self, name: str) -> Transfer | None:
        """The one that was dropped under this name."""
        return next((one for one in self.transfers() if one.name == name), None)

    def messages(self) -> list[FileRow]:
        """What came from the bank, oldest first."""
        return [row for row in reversed(self.gateway.ledger.views.files()) if row.direction == "in"]

    def round(self, *, pulling: bool = True) -> str | None:
        """Take in, hand over, fetch; the words of the bank's server where it refused something."""
        self.desk.take_in()
        self.desk.hand_over()
        if not pulling:
            return None
        failed: list[str] = []
        for folder in self.bank.inbound:
            try:
                self.desk.pull(folder)
            except ChannelError as error:
                failed.append(str(error))
        return failed[0] if failed else None

    def until(self, reached: Callable[[], bool], what: str, *, pulling: bool = True) -> None:
        """Rounds until it is so; Unmet where it is not within the time that a case may wait."""
        if not self.within(reached, pulling=pulling):
            raise Unmet(f"{what} did not come within {self.bench.wait_seconds:g} s{self._why()}.")

    def within(self, reached: Callable[[], bool], *, pulling: bool = True) -> bool:
        clock, gap = self.bench.clock, FIRST_SECONDS
        end = clock.monotonic() + self.bench.wait_seconds
        self._said: str | None = None
        if pulling:  # answers that come at once are there then, and need not be waited for in two looks
            clock.wait(threading.Event(), FIRST_SECONDS)
        while True:
            self._said = self.round(pulling=pulling) or self._said
            if reached():
                return True
            if clock.monotonic() >= end:
                return False
            clock.wait(threading.Event(), max(0.0, min(gap, end - clock.monotonic())))
            gap = min(gap * GROWTH, self._longest())

    def sent(self, data: bytes, name: str, folder: int = 0) -> Transfer:
        """Drops a file and waits until the bank has it. Unmet where it is refused, held or given up here."""
        self.drop(data, name, folder)
        self.until(lambda: self._over(name), f"the hand-over of {name}", pulling=False)
        found = self.transfer(name)
        assert found
        if found.state.value != "SENT":
            raise Unmet(f"{name} is {found.state}: {found.reason or self._findings(found.id)}")
        return found

    def verdict(self, transfer_id: TransferId) -> Verdict:
        return self.gateway.ledger.transfers.get(transfer_id).verdict

    def answers(self, transfer_id: str) -> list[FileRow]:
        return self.gateway.ledger.views.messages_about(transfer_id)

    def said(self, transfer_id: str) -> str:
        """The bank's words on a file, in short."""
        reports = self.gateway.ledger.views.history(transfer_id).reports
        return "; ".join(_said(report) for report in reports[:REPORTS])

    def _over(self, name: str) -> bool:
        found = self.transfer(name)
        return found is not None and found.state.value not in ("RECEIVED", "READY", "STAGING", "PUBLISHING")

    def _findings(self, file_id: str) -> str:
        findings = self.gateway.ledger.views.history(file_id).findings
        return "; ".join(f"{finding.code}: {finding.text}" for finding in findings) or "without a reason"

    def _why(self) -> str:
        """What keeps it, as far as it is known."""
        waiting = [one.reason for one in self.transfers() if one.state.value != "SENT" and one.reason]
        board = self.gateway.ledger.views.board([self.bank.name], self.gateway.clock.now())
        words = [*waiting, *([self._said] if self._said else []), *(row.error for row in board.banks if row.error)]
        return f": {words[0].rstrip('.')}" if words else ""

    def _longest(self) -> float:
        every = [folder.every.total_seconds() for folder in self.bank.inbound if folder.every]
        return max(FIRST_SECONDS, min([MOST_SECONDS, *every]))

    def go_on(self) -> None:
        """Names go on after the numbers that were used before."""
        sequences, now = self.gateway.ledger.sequences, self.gateway.clock.now()
        for counter, last in self.bench.numbers.items():
            sequences.go_beyond(
                self.bank.name, counter, last, who=self.bench.by, reason="used before this onboarding test", now=now
            )

    def note_numbers(self) -> None:
        for counted in self.gateway.ledger.sequences.counted(self.bank.name):
            self.bench.numbers[counted.counter] = counted.last

    def tell(self) -> None:
        """All that is known of its files, as evidence."""
        views = self.gateway.ledger.views
        for transfer in self.transfers():
            history = views.history(transfer.id)
            where = f"{transfer.state}" + (f" as {transfer.remote}" if transfer.remote and transfer.sent_at else "")
            text = f"{transfer.message or 'payment file'}, message id {transfer.message_id or '?'}: {where}"
            self._note(_file(Sort.SENT, text, history.file))
            if transfer.sealed_sha256:
                went = _file(Sort.SENT, f"as it went: {transfer.sealed_by}", history.file)
                self._note(replace(went, sha256=transfer.sealed_sha256, size=transfer.sealed_size))
            for finding in history.findings:
                self._note(Evidence(sort=Sort.FACT, text=f"{finding.severity} {finding.code}: {finding.text}"))
            for line in history.lines:
                self._note(Evidence(sort=Sort.EVENT, at=line.at, text=_event(line.kind, line.data)))
        for message in self.messages():
            self._note(_file(Sort.ANSWER, self._answer(message), message))

    def _answer(self, message: FileRow) -> str:
        history = self.gateway.ledger.views.history(message.id)
        said = [_said(report) for report in history.reports[:REPORTS]]
        said += [
            f"account {row.account}: {row.opening} → {row.closing} {row.currency}, {row.entries} entries, "
            f"{row.matched} of our payments" for row in history.statements
        ]  # fmt: skip
        return f"{message.message or 'file'} {message.state}: {'; '.join(said) or 'nothing on our files'}"


@contextmanager
def opened(
    bench: Bench,
    folder: Path,
    note: Callable[[Evidence], None],
    *,
    clock: Clock | None = None,
    by_its_times: bool = False,
    wrap: Callable[[Channel, set[RemoteFile], set[RemoteFile]], Channel] = Blinkers,
    bank: Bank | None = None,
) -> Iterator[Office]:
    """An office in `folder`; what it did and got is told as evidence, however it ends. `bank`: another profile."""
    fetched: set[RemoteFile] = set()

    def open_channel(bank: Bank) -> Channel:
        return wrap(bench.connect(bank.channel), bench.hidden, fetched)

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    gateway = Gateway(
        _settings(bench, bank or bench.bank, folder, by_its_times=by_its_times), clock or bench.clock, open_channel
    )
    office = Office(bench, gateway, note)
    try:
        with gateway.running():
            office.go_on()
            try:
                yield office
            finally:
                office.tell()
                office.note_numbers()
    finally:
        bench.hidden |= fetched
        gateway.close()


def _settings(bench: Bench, bank: Bank, folder: Path, *, by_its_times: bool) -> Settings:
    """Those of the user, with nothing of theirs touched: other folders, another ledger, nobody told."""
    alone = {"data": folder / "data", "anchor": None, "time_stamp": None, "time_stamp_ca": None, "metrics": None}
    own = bank.model_copy(
        update={
            "outbound": [_outbound(o, folder / f"out-{n}", by_its_times) for n, o in enumerate(bank.outbound, 1)],
            "inbound": [_inbound(i, folder / f"in-{n}") for n, i in enumerate(bank.inbound, 1)],
            "retry": bank.retry.model_copy(update=SOON),
        }
    )
    return bench.settings.model_copy(
        update={
            "gateway": bench.settings.gateway.model_copy(update=alone),
            "ledger": LedgerSettings(),
            "alerts": (),
            "webhooks": (),
            "retention": RetentionSettings(),
            "banks": (own,),
        }
    )


def _outbound(folder: Outbound, fresh: Path, by_its_times: bool) -> Outbound:
    fresh.mkdir(mode=0o700, exist_ok=True)
    ours = {"watch": fresh, "settle": timedelta(0), "marker": None, "match": "*", "owners": [], "manifest_key": None}
    ours["approvals"] = []  # a case is its own person
    return folder.model_copy(update={**ours, "status": None, **({} if by_its_times else ALWAYS)})


def _inbound(folder: Inbound, fresh: Path) -> Inbound:
    if folder.deliver is None:
        return folder
    fresh.mkdir(mode=0o700, exist_ok=True)
    return folder.model_copy(update={"deliver": fresh})


def _file(sort: Sort, text: str, row: FileRow) -> Evidence:
    return Evidence(sort=sort, text=text, at=row.at, name=row.name, sha256=row.sha256, size=row.size)


def _said(report: dict[str, object]) -> str:
    reasons = report["reasons"]
    assert isinstance(reasons, Sequence)
    why = ", ".join(" ".join(filter(None, (r.get("code"), r.get("proprietary"), r.get("text")))) for r in reasons)
    on = report.get("end_to_end_id") or report.get("payment_information_id") or report.get("original_message_id")
    return f"{report['status']} on {report['level']} {on or ''}".rstrip() + (f" ({why})" if why else "")


def _event(kind: str, data: dict[str, object]) -> str:
    told = (f"{name} {value}" for name, value in data.items() if name in TOLD and value is not None)
    return ", ".join([kind, *told])
