"""Random days: files, faults of the bank, kills, restarts, answers, people and a clock that jumps, in one process.

Each day comes from a seed, which is the test's id: the same seed is the same day. At its end the bank behaves, the
gateway runs until nothing moves any more, and the promises are counted out. A few dozen days by default, 1,000 with
H2H_LONG=1, or one alone with H2H_SEED=4711.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from h2h.channels import Made, Upload
from h2h.channels.folder import FolderChannel
from h2h.drill.effects import Effects
from h2h.errors import ChannelError, NotAllowed, NotDelivered, Unknown
from h2h.gateway import Gateway
from h2h.ledger.messages import MessageState
from h2h.ledger.rows import Transfer
from h2h.lifecycle import ENDS, State
from h2h.model import Look, Presence, Staged, Way
from tests.flows.world import MovableClock, World, answer, payments, put, transfers

DAYS = 1000 if os.environ.get("H2H_LONG") else 12
SEEDS = [int(os.environ["H2H_SEED"])] if "H2H_SEED" in os.environ else list(range(1, DAYS + 1))
START = "2026-11-20T09:00:00+01:00"
ROUNDS = 40
SETTLED = (*ENDS, State.SENT, State.HELD, State.UNCERTAIN, State.FAILED, State.DUPLICATE)
ORIGINAL = {
    name: getattr(FolderChannel, name)
    for name in ("stage_many", "publish", "place", "look", "list", "fetch", "discard", "move")
}


class Plug(BaseException):
    """The machine is off."""


@dataclass
class Bank:
    """A bank behind a folder that keeps to its facts, and to nothing else."""

    root: Path
    chance: random.Random
    way: Way
    takes: bool
    repeatable: bool
    ours: bool
    sees: bool
    faults: float = 0.0
    taken: list[bytes] = field(default_factory=list)
    names: dict[str, set[bytes]] = field(default_factory=dict)  # all that ever came under each
    papers: dict[str, bytes] = field(default_factory=dict)

    def act(self, name: str, channel: FolderChannel, *arguments: Any, **named: Any) -> Any:
        """One operation of the channel, done or not, answered or not."""
        if name == "stage_many":
            uploads, made = arguments
            return [self._stage(channel, upload, made) for upload in uploads]
        if name == "look" and not self.sees and arguments[0].startswith("/in"):
            return Look(presence=Presence.HIDDEN)
        return self._at_risk(name, channel, *arguments, **named)

    def _stage(self, channel: FolderChannel, upload: Upload, made: Made) -> Staged | Exception:
        try:
            [staged] = self._at_risk("stage_many", channel, [upload], made)
        except ChannelError as error:
            return error
        return staged

    def _at_risk(self, name: str, channel: FolderChannel, *arguments: Any, **named: Any) -> Any:
        if self.chance.random() >= self.faults:
            return self._done(name, channel, *arguments, **named)
        commits = name in ("publish", "place")
        if commits and not self.repeatable and self.way is Way.RENAME and self.chance.random() < 0.3:
            self._half_renamed(*arguments)
        elif self.chance.random() < 0.5:
            self._done(name, channel, *arguments, **named)
        if self.chance.random() < 0.7:
            channel.__exit__()
        raise Unknown("no clear answer") if commits else NotDelivered("not now")

    def _done(self, name: str, channel: FolderChannel, *arguments: Any, **named: Any) -> Any:
        result = ORIGINAL[name](channel, *arguments, **named)
        if name in ("publish", "place"):
            self.sweep()
        return result

    def _half_renamed(self, staged: Any, path: str) -> None:
        """A server that links, then unlinks, and dies between: the bank may take the new name meanwhile."""
        old, new = self.root / staged.path.lstrip("/"), self.root / path.lstrip("/")
        if old.exists() and not new.exists():
            os.link(old, new)
            self.sweep()

    def sweep(self) -> None:
        """Take what there is. A bank that does not take a file before its marker may come for the file later."""
        for file, marker in self._whole() if self.takes else ():
            self.taken.append(file.read_bytes())
            self.names.setdefault(file.name, set()).add(file.read_bytes())
            marker.unlink(missing_ok=True)
            if self.repeatable or self.way is not Way.MARKER or self.chance.random() < 0.5:
                file.unlink()

    def clear_temporary(self) -> None:
        """What a bank may do that did not promise to leave our temporary files alone."""
        if not self.ours and self.way is Way.RENAME:
            for path in (self.root / "in").glob(".*.part"):
                path.unlink()

    def _whole(self) -> list[tuple[Path, Path]]:
        files = [path for path in (self.root / "in").iterdir() if not path.name.startswith(".")]
        pairs = [(path, path.with_name(f"{path.name}.done")) for path in files if path.suffix != ".done"]
        return [(path, marker) for path, marker in pairs if self.way is not Way.MARKER or marker.exists()]

    def copies(self) -> Counter[bytes]:
        return Counter([*self.taken, *(file.read_bytes() for file, _ in self._whole())])

    def answer(self, message_id: str, status: str) -> None:
        number = len(self.papers) + 1
        content = answer(message_id, status, paper_id=f"STS-{number}")
        self.papers[sha256(content).hexdigest()] = content
        put(self.root / "out", f"{number:03}.xml", content)


class Day:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self._patch = patch
        self.clock = MovableClock(START)
        way = chance.choice(list(Way))
        self._late = chance.choice(["hold", "next-window"])
        facts = {name: chance.random() < 0.7 for name in ("takes", "repeatable", "ours", "sees")}
        self.bank = Bank(folder / "bank", chance, way, **facts)
        self.erp = self._world(folder)
        self.dropped: dict[bytes, int] = {}  # content -> how often it was dropped
        self.allowed: Counter[bytes] = Counter()  # copies that people asked for, beyond the first
        self._number = 0
        self._left: int | None = None  # effects until the plug is pulled
        self._off = False
        for name in ORIGINAL:
            patch.setattr(FolderChannel, name, self._acting(name))

    def _acting(self, name: str) -> Callable[..., Any]:
        return lambda channel, *arguments, **named: self.bank.act(name, channel, *arguments, **named)

    def _world(self, folder: Path) -> World:
        for part in ("in", "out"):
            (folder / "bank" / part).mkdir(parents=True)
        bank = self.bank
        repeatable = "takes_file_before_marker" if bank.way is Way.MARKER else "atomic_rename"
        return World(
            folder=folder,
            port=0,
            fingerprint="",
            channel={"kind": '"folder"', "path": f'"{folder}/bank"', "publish": f'"{bank.way}"'},
            facts={repeatable: str(bank.repeatable).lower(), "staging_is_ours": str(bank.ours).lower()},
            retry={"first": '"1s"', "most": '"2m"', "give_up_after": "5"},
            outbound={"cut_off": '"15:30"', "opens": '"06:00"', "after_cut_off": f'"{self._late}"'},
        )

    def play(self) -> None:
        steps = (self._drop, self._work, self._work, self._killed, self._wait, self._answers, self._people)
        for _ in range(self.chance.randint(8, 20)):
            self.bank.faults = self.chance.choice([0, 0, 0.1, 0.4])
            self.chance.choice(steps)()
            self.bank.clear_temporary()
        self.bank.faults = 0
        for _ in range(ROUNDS):
            self._work()
            if self._over():
                return
            self.clock.advance(hours=3)

    # What happens in a day.

    def _drop(self) -> None:
        self._number += 1
        kind = self.chance.choice(["new", "new", "new", "again", "same id", "bad"])
        content = payments(f"MSG-{self._number}", self.chance.randint(1, 3))
        if kind == "again" and self.dropped:
            content = self.chance.choice(list(self.dropped))
        if kind == "same id" and self.dropped:
            earlier = re.search(rb"<MsgId>([^<]*)", self.chance.choice(list(self.dropped)))
            shared = earlier[1] if earlier else f"MSG-{self._number}".encode()  # a cut file may have none
            content = re.sub(rb"<MsgId>[^<]*", b"<MsgId>" + shared, content, count=1)
        if kind == "bad":
            content = content[: self.chance.randint(1, len(content) - 1)]
        self.dropped[content] = self.dropped.get(content, 0) + 1
        self.erp.drop_file(content, f"{self._number:03}.xml")

    def _wait(self) -> None:
        self.clock.advance(minutes=self.chance.choice([1, 5, 60, 400, 1440]))

    def _answers(self) -> None:
        """Some of what the bank has, and now and then of what it never had; the first word may come again."""
        for content in self.bank.copies():
            if self.chance.random() < 0.5 and (found := re.search(rb"<MsgId>([^<]*)", content)):
                self.bank.answer(found[1].decode(), self.chance.choice(["ACCP", "ACCP", "ACTC", "RJCT"]))
        if self.chance.random() < 0.1:
            self.bank.answer("NEVER-SENT", "ACCP")

    def _people(self) -> None:
        """Whatever people try; what they are allowed to, they get. They know what the bank has, and say the truth."""
        with self._gateway() as gateway:
            for transfer in transfers(gateway):
                if self.chance.random() < 0.4:
                    self._decide(gateway, transfer)

    def _decide(self, gateway: Gateway, transfer: Transfer) -> None:
        who = {"who": self.chance.choice(["ann", "bob"]), "reason": "said so"}
        content = self._content(gateway, transfer)
        decisions = gateway.decisions
        there = self.bank.copies()[content]
        with suppress(NotAllowed):
            match self.chance.choice(["resend", "release", "hold", "cancel", "resolve"]):
                case "resend":
                    if decisions.resend(transfer.id, **who).state is State.READY and transfer.state is State.SENT:
                        self.allowed[content] += 1
                case "release":
                    now = self.chance.random() < 0.5
                    released = decisions.release(transfer.id, now=now, **who)
                    if released.state is State.READY and (transfer.duplicate_of or transfer.proposed_by):
                        self.allowed[content] += 1
                case "hold":
                    decisions.hold(transfer.id, **who)
                case "cancel":
                    decisions.cancel(transfer.id, **who)
                case "resolve" if there:
                    decisions.bank_has_it(transfer.id, **who)
                case _:
                    decisions.send_again(transfer.id, **who)

    def _content(self, gateway: Gateway, transfer: Transfer) -> bytes:
        with gateway.archive.open(transfer.sha256) as source:
            return source.read()

    def _killed(self) -> None:
        """Work, with the plug pulled after so many effects, if it comes to so many."""
        self._left, self._off = self.chance.randint(0, 60), False
        with self._patch.context() as patch, suppress(Plug):
            Effects(self._reached).install(patch.setattr)
            self._work()
        self._left, self._off = None, False

    def _reached(self, _: str) -> None:
        assert self._left is not None
        if self._off or self._left == 0:
            self._off = True
            raise Plug
        self._left -= 1

    def _work(self) -> None:
        """A start of the gateway, a few rounds, and its end."""
        with self._gateway() as gateway, gateway.running():
            desk = gateway.desks["box"]
            desk.finish_started()
            for _ in range(self.chance.randint(1, 3)):
                desk.take_in()
                desk.hand_over()
                with suppress(ChannelError):
                    desk.pull(desk.bank.inbound[0])
                self.clock.advance(seconds=self.chance.choice([0, 3, 200]))

    @contextmanager
    def _gateway(self) -> Iterator[Gateway]:
        gateway = self.erp.gateway(self.clock)
        try:
            yield gateway
        finally:
            gateway.close()

    def _over(self) -> bool:
        with self._gateway() as gateway:
            files = gateway.ledger.views.files()
            moving = [file for file in files if file.direction == "out" and file.state not in SETTLED]
            waiting = [path for path in self.erp.drop.iterdir() if path.is_file()]
            return not moving and not waiting and not list((self.bank.root / "out").iterdir())

    # The promises.

    def check(self) -> None:
        with self._gateway() as gateway:
            assert gateway.ledger.journal.verify().fault is None
            self._never_twice(gateway)
            self._never_lost(gateway)
            self._every_paper_once(gateway)

    def _never_twice(self, gateway: Gateway) -> None:
        for content, times in self.bank.copies().items():
            assert content in self.dropped, "altered on the way"
            assert times <= 1 + self.allowed[content], f"{times} copies"

    def _never_lost(self, gateway: Gateway) -> None:
        """Each dropped file is one transfer, in a state that tells the truth about the bank."""
        found: dict[bytes, list[Transfer]] = {}
        for transfer in transfers(gateway):
            found.setdefault(self._content(gateway, transfer), []).append(transfer)
        assert {content: len(those) for content, those in found.items()} == self.dropped
        copies = self.bank.copies()
        for content, those in found.items():
            sent = sum(transfer.state is State.SENT for transfer in those)
            told = sum(self._was_sent(gateway, transfer) for transfer in those)
            doubtful = any(transfer.state in (State.UNCERTAIN, State.HELD) for transfer in those)
            assert all(transfer.state in SETTLED for transfer in those), "still on its way"
            assert copies[content] >= sent, "called sent, and not there"
            assert told or doubtful or not copies[content], "there, and nobody knows"

    def _was_sent(self, gateway: Gateway, transfer: Transfer) -> bool:
        """The record says that the bank has it: one that was refused, let go again and cancelled was there, too."""
        return any(line.kind == State.SENT for line in gateway.ledger.views.history(transfer.id).lines)

    def _every_paper_once(self, gateway: Gateway) -> None:
        came = [file for file in gateway.ledger.views.files() if file.direction == "in"]
        applied = Counter(file.sha256 for file in came if file.state == MessageState.APPLIED)
        assert applied == Counter(self.bank.papers.keys())


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_day_brings_nothing_is_lost_and_nothing_is_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    day = Day(tmp_path, monkeypatch, seed)
    day.play()
    day.check()
