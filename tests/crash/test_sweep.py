"""The plug pulled at every effect, in one process, over banks that differ in habits, in facts and in how they answer.

A bank that is reached by a folder makes this fast; `kill -9` and SFTP are in test_kill.py. What is asked of every case:
never twice; SENT and once wherever the bank has the file; and UNCERTAIN only where the profile promises too little.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from h2h.channels.folder import FolderChannel
from h2h.clock import Clock
from h2h.confined import ConfinedReader
from h2h.errors import Unknown
from h2h.gateway import Gateway
from h2h.ledger.transfers import Transfer
from h2h.lifecycle import State
from h2h.messages import Catalog
from h2h.model import Receipt, Staged
from h2h.resources import root
from h2h.verdicts import Verdict
from tests.flows.world import World, answer, only, payments, put, transfers, until

from .effects import Effects

LONG = bool(os.environ.get("H2H_LONG"))
READER = ConfinedReader(Catalog.load(root("schemas")))  # one for all the gateways of the sweep
FILE = payments("MSG-1")
HABITS = ("takes", "keeps")
ANSWERS = ("clear", "lost", "lost and not done", "refused although done")
FACTS = tuple(product((True, False), (True, False)))  # atomic_rename, staging_is_ours


class Plug(BaseException):
    """The machine is off: nothing that comes after has an effect."""


@dataclass
class Bank:
    """A bank behind a folder. `answers`: what becomes of the first rename; later ones are clear."""

    root: Path
    habit: str
    answers: str
    renames: int = 0
    answered: list[str] = field(default_factory=list)

    def publish(self, channel: FolderChannel, staged: Staged, path: str) -> Receipt:
        self.renames += 1
        fault = self.answers if self.renames == 1 else "clear"
        if fault != "lost and not done":
            receipt = ORIGINAL_PUBLISH(channel, staged, path)
            self._take()
        if fault == "clear":
            return receipt
        if fault != "refused although done":
            channel.__exit__()
        raise Unknown(f"the answer to the rename was {fault}")

    def _take(self) -> None:
        for arrived in self._arrived() if self.habit == "takes" else ():
            os.rename(arrived, self.root / "taken" / f"{len(self.copies())}-{arrived.name}")

    def _arrived(self) -> list[Path]:
        return [path for path in (self.root / "in").iterdir() if not path.name.startswith(".")]

    def copies(self) -> list[bytes]:
        return [path.read_bytes() for path in (*self._arrived(), *(self.root / "taken").iterdir())]

    def answer(self) -> None:
        """Accepts what it has, once."""
        if self.copies() and not self.answered:
            self.answered.append("MSG-1")
            put(self.root / "out", "answer.xml", answer("MSG-1"))


ORIGINAL_PUBLISH = FolderChannel.publish


class Sweep:
    """One kind of bank, and a plug that can be pulled at any point."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, habit: str, answers: str, facts: tuple[bool, bool]
    ) -> None:
        self._folder = folder
        self._habit, self._answers, self._facts = habit, answers, facts
        self._patch = patch
        self._bank: Bank | None = None
        self._kill_at: str | None = None
        self._off = False
        self.points: list[str] = []
        patch.setattr(Gateway, "reader", READER)
        patch.setattr(FolderChannel, "publish", lambda *arguments: self.bank.publish(*arguments))
        self._template = self._world("template")
        self._template.gateway().ledger.close()

    @property
    def bank(self) -> Bank:
        assert self._bank
        return self._bank

    def play(self, *kills: str) -> tuple[Transfer, list[bytes]]:
        """Starts with the plug pulled, one for each point, and one that ends well: the transfer, its copies there."""
        erp = self._world(str(len(list(self._folder.iterdir()))))
        shutil.copytree(self._template.folder / "data", erp.folder / "data")
        erp.write_settings()
        erp.drop_file(FILE)
        self._bank = Bank(erp.folder / "bank", self._habit, self._answers)
        for point in kills:
            self._kill_at, self._off = point, False
            with self._watched(), pytest.raises(Plug):
                self._run(erp)
        self._kill_at, self._off = None, False
        with self._watched():
            return self._run(erp), self.bank.copies()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self.points = []
        with self._patch.context() as patch:
            Effects(self._reached).install(patch.setattr)
            yield

    def _reached(self, point: str) -> None:
        if self._off:
            raise Plug
        if not point.startswith("before "):  # the same as after what came before it: here is one thread only
            self.points.append(point)
        if point == self._kill_at:
            self._off = True
            raise Plug

    def _run(self, erp: World) -> Transfer:
        gateway = Gateway(erp.settings(), Clock())
        desk = gateway.desks["box"]
        try:
            with gateway.running():
                desk.finish_started()
                until(lambda: self._round(gateway) in (State.SENT, State.UNCERTAIN), "an end of the transport")
                self.bank.answer()
                desk.pull(desk.bank.inbound[0])
                return only(transfers(gateway))
        finally:
            gateway.close()

    def _round(self, gateway: Gateway) -> State:
        gateway.desks["box"].take_in()
        gateway.desks["box"].hand_over()
        return only(transfers(gateway)).state

    def _world(self, name: str) -> World:
        folder = self._folder / name
        for part in ("in", "out", "taken"):
            (folder / "bank" / part).mkdir(parents=True)
        atomic, ours = (str(fact).lower() for fact in self._facts)
        return World(
            folder=folder,
            port=0,
            fingerprint="",
            channel={"kind": '"folder"', "path": f'"{folder}/bank"'},
            facts={"atomic_rename": atomic, "staging_is_ours": ours},
            retry={"first": '"1ms"', "most": '"2ms"'},
        )


def near_the_rename(points: list[str]) -> list[str]:
    names = ("Transfers.publishing", "Channel.publish", "Transfers.look_again", "Transfers.sent", "Transfers.in_doubt")
    return [point for point in points if any(name in point for name in names)]


def right(facts: tuple[bool, bool], transfer: Transfer, copies: list[bytes]) -> bool:
    """Once at the bank and known to be so; or not there, and a person is asked because too little is promised."""
    if copies:
        return copies == [FILE] and transfer.state is State.SENT and transfer.verdict is Verdict.ACCEPTED
    return transfer.state is State.UNCERTAIN and facts != (True, True)


@pytest.mark.parametrize("facts", FACTS, ids=lambda f: f"atomic={f[0]},ours={f[1]}")
@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("habit", HABITS)
def test_wherever_the_plug_is_pulled_the_bank_gets_the_file_once_or_a_person_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habit: str, answers: str, facts: tuple[bool, bool]
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, habit, answers, facts)
    assert right(facts, *sweep.play())
    everything = LONG or (habit, answers, facts) == ("takes", "clear", (True, True))
    points = sweep.points if everything else near_the_rename(sweep.points)
    assert [p for p in dict.fromkeys(points) if not right(facts, *sweep.play(p))] == []


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("first", ["after Transfers.publishing 1", "after Channel.publish 1"])
def test_the_plug_may_be_pulled_once_more_while_it_is_found_out_what_became_of_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habit: str, first: str
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, habit, "clear", (True, True))
    sweep.play(first)
    again = sweep.points if LONG else [p for p in sweep.points if "Transfers" in p or "publish" in p]
    assert [p for p in dict.fromkeys(again) if not right((True, True), *sweep.play(first, p))] == []
