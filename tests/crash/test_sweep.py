"""The plug pulled at every effect, once and twice, in one process, over kinds of bank that differ in habits, in how
they answer, in how they learn of a file, and in what their profile promises.

A bank that is reached by a folder makes this fast; `kill -9` and SFTP are in test_kill.py and in `h2h drill`. What is
asked of every case: never twice; SENT and once wherever the bank has the file; UNCERTAIN only where the profile
promises too little.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from h2h.channels.folder import FolderChannel
from h2h.clock import Clock
from h2h.drill.effects import Effects
from h2h.errors import Unknown
from h2h.gateway import Gateway
from h2h.ledger.rows import Transfer
from h2h.lifecycle import State
from h2h.model import Look, Presence, Receipt, Way
from h2h.verdicts import Verdict
from tests.flows.world import World, answer, only, payments, put, sample, transfers, until

LONG = bool(os.environ.get("H2H_LONG"))
FILE = payments("MSG-1")
HABITS = ("takes", "keeps")
ANSWERS = ("clear", "lost", "lost and not done", "refused although done")
FACTS = tuple(product((True, False), (True, False)))  # repeatable, ours


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of bank. `answers`: what becomes of the publishing `at`; others are clear. `sees`: we may look.

    `unique`: the names of files hold the id of their transfer.
    """

    habit: str = "takes"
    answers: str = "clear"
    way: Way = Way.RENAME
    repeatable: bool = True
    ours: bool = True
    sees: bool = True
    unique: bool = False
    at: int = 1

    @property
    def certain(self) -> bool:
        """Its profile promises enough to leave nothing for a person."""
        # "Exists" is no clear word about a marker that nobody may look at, nor about a name that others could give.
        clear = self.sees or (self.way is Way.RENAME and self.unique)
        return self.way is not Way.DIRECT and self.repeatable and self.ours and clear

    def __str__(self) -> str:
        facts = [f"not {word}" for word in ("repeatable", "ours", "sees") if not getattr(self, word)]
        return ", ".join([self.way, self.habit, self.answers, *facts, *(["unique"] if self.unique else [])])


KINDS = (  # with the plug pulled at every point; by default so for the first of each way, else near what counts
    Kind(),
    Kind(habit="keeps", answers="lost"),
    Kind(answers="lost and not done"),
    Kind(answers="refused although done"),
    Kind(sees=False),
    Kind(sees=False, unique=True),
    Kind(repeatable=False, answers="lost"),
    Kind(ours=False),
    Kind(way=Way.MARKER),
    Kind(way=Way.MARKER, habit="keeps", answers="lost"),
    Kind(way=Way.MARKER, repeatable=False, answers="lost and not done"),
    Kind(way=Way.DIRECT, habit="keeps"),
    Kind(way=Way.DIRECT, answers="lost"),
)
OTHERS = tuple(  # and near what counts in every other combination
    kind
    for way, habit, answers, (repeatable, ours), sees in product(Way, HABITS, ANSWERS, FACTS, (True, False))
    if (kind := Kind(way=way, habit=habit, answers=answers, repeatable=repeatable, ours=ours, sees=sees)) not in KINDS
)
WHOLE = tuple(next(kind for kind in KINDS if kind.way is way) for way in Way)
LEAST = 20  # points for each of them


class Plug(BaseException):
    """The machine is off: nothing that comes after has an effect."""


@dataclass
class Bank:
    """A bank behind a folder."""

    root: Path
    kind: Kind
    asked: int = 0
    taken: list[bytes] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)

    def ask(self, do: Callable[..., Receipt], channel: FolderChannel, *arguments: Any, **named: Any) -> Receipt:
        """Publish, with the fault of this kind of bank."""
        self.asked += 1
        fault = self.kind.answers if self.asked == self.kind.at else "clear"
        if fault != "lost and not done":
            receipt = do(channel, *arguments, **named)
            self._take()
        if fault == "clear":
            return receipt
        if fault != "refused although done":
            channel.__exit__()
        raise Unknown(f"the answer to the publishing was {fault}")

    def look(self, channel: FolderChannel, path: str) -> Look:
        seen = LOOK(channel, path)  # a session that is over answers nothing
        return seen if self.kind.sees or not path.startswith("/in") else Look(presence=Presence.HIDDEN)

    def _take(self) -> None:
        if self.kind.habit == "takes":
            for file, marker in self._whole():
                self.taken.append(file.read_bytes())
                for path in (file, marker):
                    path.unlink(missing_ok=True)

    def _whole(self) -> list[tuple[Path, Path]]:
        """The files that the bank may take, each with its marker where that is the way."""
        files = [path for path in (self.root / "in").iterdir() if not path.name.startswith(".")]
        pairs = [(path, path.with_name(f"{path.name}.done")) for path in files if path.suffix != ".done"]
        return [(path, marker) for path, marker in pairs if self.kind.way is not Way.MARKER or marker.exists()]

    def copies(self) -> list[bytes]:
        return [*self.taken, *(path.read_bytes() for path, _ in self._whole())]

    def answer(self) -> None:
        """Accepts what it has, each file once."""
        has = {re.search(rb"<MsgId>([^<]*)", content)[1].decode() for content in self.copies()}  # type: ignore[index]
        for message_id in sorted(has - self.answered):
            self.answered.add(message_id)
            put(self.root / "out", f"{message_id}.xml", answer(message_id, paper_id=f"STS-{message_id}"))


PUBLISH, PLACE, LOOK = FolderChannel.publish, FolderChannel.place, FolderChannel.look


class Sweep:
    """One kind of bank, and a plug that can be pulled at any point."""

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        kind: Kind,
        *contents: bytes,
        outbound: dict[str, str] | None = None,
        bank_class: Callable[[Path, Kind], Bank] = Bank,
        **options: Any,
    ) -> None:
        """`contents` are dropped; `outbound`: more settings of their folder; `bank_class`: a bank that reads them
        otherwise; `options`: of its world."""
        self._folder = folder
        self._kind = kind
        self._contents = contents or (FILE,)
        self._outbound = outbound or {}
        self._patch = patch
        self._of, self._options = bank_class, options
        self._bank: Bank | None = None
        self._kill_at: str | None = None
        self._off = False
        self.points: list[str] = []
        patch.setattr(FolderChannel, "publish", lambda *asked, **how: self.bank.ask(PUBLISH, *asked, **how))
        patch.setattr(FolderChannel, "place", lambda *arguments: self.bank.ask(PLACE, *arguments))
        patch.setattr(FolderChannel, "look", lambda *arguments: self.bank.look(*arguments))
        self._template = self._world("template")
        self._template.gateway().ledger.close()

    @property
    def bank(self) -> Bank:
        assert self._bank
        return self._bank

    def play(self, *kills: str) -> tuple[Transfer, list[bytes]]:
        """As `plays`, of one file: the transfer, and its copies."""
        found, copies = self.plays(*kills)
        return only(found), copies

    def plays(self, *kills: str) -> tuple[list[Transfer], list[bytes]]:
        """Starts with the plug pulled, one for each point, and one that ends well: the transfers, all copies there."""
        erp = self._world(str(len(list(self._folder.iterdir()))))
        shutil.copytree(self._template.folder / "data", erp.folder / "data")
        erp.write_settings()
        for number, content in enumerate(self._contents, start=1):
            erp.drop_file(content, f"{number}.xml")
        self._bank = self._of(erp.folder / "bank", self._kind)
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

    def _run(self, erp: World) -> list[Transfer]:
        gateway = Gateway(erp.settings(), Clock())
        desk = gateway.desks["box"]
        try:
            with gateway.running():
                desk.finish_started()
                until(lambda: self._round(gateway) <= {State.SENT, State.UNCERTAIN}, "an end of the transport")
                self.bank.answer()
                desk.pull(desk.bank.inbound[0])
                return transfers(gateway)
        finally:
            gateway.close()

    def _round(self, gateway: Gateway) -> set[State]:
        gateway.desks["box"].take_in()
        gateway.desks["box"].hand_over()
        found = transfers(gateway)
        assert len(found) == len(self._contents)
        return {transfer.state for transfer in found}

    def _world(self, name: str) -> World:
        folder = self._folder / name
        for part in ("in", "out", "taken"):
            (folder / "bank" / part).mkdir(parents=True)
        repeatable = "takes_file_before_marker" if self._kind.way is Way.MARKER else "atomic_rename"
        return World(
            folder=folder,
            port=0,
            fingerprint="",
            channel={"kind": '"folder"', "path": f'"{folder}/bank"', "publish": f'"{self._kind.way}"'},
            facts={repeatable: _toml(self._kind.repeatable), "staging_is_ours": _toml(self._kind.ours)},
            retry={"first": '"1ms"', "most": '"2ms"'},
            outbound=self._outbound | ({"name": '"{id}.xml"'} if self._kind.unique else {}),
            **self._options,
        )


def _toml(fact: bool) -> str:
    return str(fact).lower()


def near_what_counts(points: list[str]) -> list[str]:
    names = ("Transfers.publishing", "Channel.publish", "Channel.place", "Transfers.sent", "Transfers.in_doubt")
    return list(dict.fromkeys(point for point in points if any(name in point for name in names)))


def right(kind: Kind, transfer: Transfer, copies: list[bytes]) -> bool:
    """Once at the bank and known to be so; or not there, and a person is asked because too little is promised."""
    if copies:
        return copies == [FILE] and transfer.state is State.SENT and transfer.verdict is Verdict.ACCEPTED
    return transfer.state is State.UNCERTAIN and not kind.certain


def swept(sweep: Sweep, kind: Kind) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Points of an undisturbed way, then pairs, of one near what counts and one of the way back: is it right then?"""
    assert right(kind, *sweep.play())
    singles = list(dict.fromkeys(sweep.points))
    assert len(singles) >= LEAST
    near = near_what_counts(singles)
    pairs: list[tuple[str, ...]] = []
    for first in singles if LONG or kind in WHOLE else near:
        yield (first,), right(kind, *sweep.play(first))
        back = sweep.points if LONG else near_what_counts(sweep.points)
        pairs += [(first, second) for second in dict.fromkeys(back) if first in near]
    for kill in pairs if LONG else each_once(pairs):
        yield kill, right(kind, *sweep.play(*kill))


def each_once(pairs: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """So many of them that each point is the first, and each the second, of one at least."""
    firsts, seconds = (set(points) for points in zip(*pairs, strict=True))
    taken = []
    for first, second in reversed(pairs):
        if first in firsts or second in seconds:
            taken.append((first, second))
            firsts.discard(first)
            seconds.discard(second)
    return taken


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_wherever_the_plug_is_pulled_once_or_twice_the_bank_gets_the_file_once_or_a_person_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind)
    assert [kill for kill, good in swept(sweep, kind) if not good] == []


@pytest.mark.parametrize("kind", OTHERS if LONG else OTHERS[::25], ids=str)
def test_near_what_counts_every_combination_of_habit_answer_and_fact_keeps_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind)
    assert right(kind, *sweep.play())
    points = near_what_counts(sweep.points)
    assert [point for point in points if not right(kind, *sweep.play(point))] == []


def right_as_upgraded(kind: Kind, transfer: Transfer, copies: list[bytes]) -> bool:
    """As `right`, of a file that goes to the bank in another version; UETRs in it hang on the transfer's id."""
    if not copies:
        return transfer.state is State.UNCERTAIN and not kind.certain
    dropped, [sent] = (transfer.original_sha256, transfer.original_message), copies
    return (
        dropped == (hashlib.sha256(OLDER).hexdigest(), "pain.001.001.03")
        and hashlib.sha256(sent).hexdigest() == transfer.sha256
        and b"xsd:pain.001.001.09" in sent
        and sent.count(b"<UETR>") == transfer.payments == 7
        and (transfer.state, transfer.verdict) == (State.SENT, Verdict.ACCEPTED)
    )


OLDER = sample("pain.001.001.03", message_id="MSG-1")
UPGRADE = {"upgrade": '"pain.001.001.09"', "upgrade_uetr": "true"}


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[5]], ids=str)
def test_a_file_that_is_sent_in_another_version_comes_once_wherever_the_plug_is_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    sweep = Sweep(tmp_path, monkeypatch, kind, OLDER, outbound=UPGRADE)
    assert right_as_upgraded(kind, *sweep.play())
    singles = list(dict.fromkeys(sweep.points))
    assert (
        sum("Incoming.place" in point or "Incoming.keep" in point for point in singles) >= 2
    )  # what was dropped, and what is sent
    pairs = [(first, second) for first in singles if "Incoming." in first for second in singles]
    two = [point for point in singles if "Incoming." in point or ".judged" in point]  # files in place of one
    singles = singles if LONG else [*near_what_counts(singles), *([] if kind.unique else two)]
    kills = [*((point,) for point in singles), *(pairs if LONG else pairs[::25])]
    wrong = []
    for kill in kills:
        try:
            good = right_as_upgraded(kind, *sweep.play(*kill))
        except pytest.fail.Exception:  # the second point does not come any more after the first
            continue
        wrong += [] if good else [kill]
    assert wrong == []
