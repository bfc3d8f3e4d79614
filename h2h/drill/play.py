"""One play: a fresh bank and gateway, its files, the gateway killed at the points asked for, restarted, and the count.

The phases are those of a round trip: "out" until the file is handed over, then the bank answers it and ends its day,
and "in" until its papers are applied.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from h2h.clock import Clock
from h2h.config import load
from h2h.drill import child
from h2h.drill.banks import Kind
from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.server import BankServer

SECONDS = 60.0  # for one run of a gateway; then it hangs
WAITS_FOR_A_PERSON = (State.UNCERTAIN, State.HELD, State.FAILED)
WRONG_PIN = "SHA256:" + "A" * 43
SETTINGS = '[gateway]\ndata = "data"\nenvironment = "test"\n\n[duplicates]\ndays = 0\n'
PROFILE = """[bank]
name = "drill"
timezone = "UTC"

[bank.retry]
first = "10ms"
most = "30ms"
give_up_after = 100

{channel}operation_timeout = "1s"
{facts}

[[bank.outbound]]
watch = "erp/out"
settle = "0s"
messages = ["pain.001.001.09"]
remote = "/in"
name = "{name}"

[[bank.inbound]]
remote = "/out"
match = "*.xml"
messages = ["pain.002.001.10", "camt.053.001.08"]
every = "1s"
settle = "0s"
names_are_unique = true
deliver = "erp/in"
{inbound}
"""


class Phase(StrEnum):
    OUT = "out"
    IN = "in"


class Result(StrEnum):
    ONCE = "once"
    HELD = "held"
    LOST = "lost"
    TWICE = "twice"


WORSE = (Result.ONCE, Result.HELD, Result.LOST, Result.TWICE)  # of several files the worst counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    phase: Phase
    point: str

    def __str__(self) -> str:
        return f"{self.phase}: {self.point}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`reached`: whether every kill came to pass. `why`: what speaks for the result, in words."""

    result: Result
    why: str
    reached: bool
    points: tuple[Kill, ...]


class Play:
    def __init__(self, kind: Kind, folder: Path) -> None:
        self._kind = kind
        self._folder = folder
        self._config = folder / "h2h.toml"
        self._points: list[Kill] = []
        sample = (root("samples") / "good" / "pain.001.001.09.xml").read_bytes()
        self._files = [sample.replace(b"</MsgId>", b"-%d</MsgId>" % number, 1) for number in range(1, kind.files + 1)]

    def run(self, kills: Sequence[Kill] = ()) -> Outcome:
        """In a folder that must not exist yet; it is removed where all went well."""
        kind, folder = self._kind, self._folder
        for place in ("erp/out", "erp/in"):
            (folder / place).mkdir(parents=True)
        public = create_client_key(folder / "client_key")
        server = kind.fault()
        with BankServer(folder / "bank", kind.scenario, authorized_keys=[public], server_class=server) as bank:
            reached = self._round_trip(bank, kills)
            outcome = self._count(bank, reached)
        if outcome.result in (Result.ONCE, Result.HELD):
            shutil.rmtree(folder)
        return outcome

    def _round_trip(self, bank: BankServer, kills: Sequence[Kill]) -> bool:
        self._drop()
        out = [kill for kill in kills if kill.phase is Phase.OUT]
        self._papers: dict[str, bytes] = {}
        if self._kind.new_host_key:
            self._set_up(bank, pin=WRONG_PIN)
            self._start(bank, Phase.OUT, None, record=False)
        self._set_up(bank, pin=bank.host_key_fingerprint)
        reached = self._phase(bank, Phase.OUT, out)
        bank.settle()
        bank.close_day()
        self._papers = {path.name: path.read_bytes() for path in bank.folders.outbox.iterdir()}
        return self._phase(bank, Phase.IN, [kill for kill in kills if kill.phase is Phase.IN]) and reached

    def _set_up(self, bank: BankServer, *, pin: str) -> None:
        channel = bank.channel_block(self._folder / "client_key").replace(bank.host_key_fingerprint, pin)
        channel = "".join(line + "\n" for line in channel.splitlines() if not line.endswith(" = true"))
        facts, inbound = "\n".join(self._kind.facts), "\n".join(self._kind.inbound)
        (self._folder / "banks").mkdir(exist_ok=True)
        profile = PROFILE.format(channel=channel, facts=facts, inbound=inbound, name=self._kind.file_name)
        (self._folder / "banks" / "drill.toml").write_text(
            profile.replace('"erp/', f'"{self._folder}/erp/'), encoding="utf-8"
        )
        self._config.write_text(SETTINGS, encoding="utf-8")

    def _drop(self) -> None:
        """As an ERP should do it: under another name first."""
        part = self._folder / "erp" / "out" / ".payments.xml.part"
        for number, content in enumerate(self._files, start=1):
            part.write_bytes(content)
            part.rename(part.with_name(f"payments-{number}.xml"))

    def _phase(self, bank: BankServer, phase: Phase, kills: Sequence[Kill]) -> bool:
        """Every kill, one restart after the other, then a run to the end. False where a point was not reached."""
        killed = [self._start(bank, phase, kill.point) for kill in kills]
        if all(killed):
            self._start(bank, phase, None)
        return all(killed)

    def _start(self, bank: BankServer, phase: Phase, kill_at: str | None, *, record: bool = True) -> bool:
        """One run of a gateway; whether it was killed at its point."""
        points = self._folder / "points"
        arguments = (self._config, phase.value, kill_at, points, bank.folders.outbox)
        process = child.context().Process(target=child.run, args=arguments, daemon=True)
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        reached = points.read_text(encoding="ascii").splitlines()
        if kill_at is None and record:
            self._points += [Kill(phase=phase, point=point) for point in reached]
        return kill_at is not None and reached[-1:] == [kill_at]

    def _count(self, bank: BankServer, reached: bool) -> Outcome:
        gateway = Gateway(load(self._config), Clock())
        try:
            result, why = self._judge(bank, gateway)
        finally:
            gateway.close()
        return Outcome(result=result, why=why, reached=reached, points=tuple(dict.fromkeys(self._points)))

    def _judge(self, bank: BankServer, gateway: Gateway) -> tuple[Result, str]:
        copies = Counter(taken.data for taken in bank.taken)
        files = gateway.ledger.views.files()
        transfers = [gateway.ledger.transfers.get(file.id) for file in files if file.direction == "out"]
        if twice := [count for count in copies.values() if count > 1]:
            return Result.TWICE, f"the bank has {max(twice)} copies"
        if len(transfers) != len(self._files):
            return Result.LOST, f"the ledger knows {len(transfers)} transfers"
        if fault := gateway.ledger.journal.verify().fault:
            return Result.LOST, f"the journal: {fault}"
        there = {sha256(content).hexdigest(): count for content, count in copies.items()}
        told = [_handed_over(transfer, there.get(transfer.sent_sha256, 0)) for transfer in transfers]
        return self._papers_came(gateway) or max(told, key=lambda one: WORSE.index(one[0]))

    def _papers_came(self, gateway: Gateway) -> tuple[Result, str] | None:
        """Whether each of the bank's papers was applied once; None where all is well."""
        applied = [file.sha256 for file in gateway.ledger.views.files() if file.state == MessageState.APPLIED]
        for name, data in self._papers.items():
            times = applied.count(sha256(data).hexdigest())
            if times != 1:
                return (Result.TWICE if times else Result.LOST), f"{name} of the bank was applied {times} times"
        return None


def _handed_over(transfer: Transfer, copies: int) -> tuple[Result, str]:
    told = f"{transfer.state}, {copies} at the bank"
    if transfer.state is State.SENT:
        return (Result.ONCE if copies else Result.LOST), told
    if transfer.state in WAITS_FOR_A_PERSON:
        return Result.HELD, f"{told}: {transfer.reason}"
    return (Result.TWICE if copies else Result.LOST), f"{told}, and would go on: {transfer.reason}"
