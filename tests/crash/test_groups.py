"""Files that are taken together: the plug pulled at every effect of a group, and one that spoils no other."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from h2h.archive import Archive
from h2h.clock import Clock
from h2h.drill.effects import Effects
from h2h.errors import FolderError, Stale, StoreError
from h2h.folders import WatchedFolder
from h2h.gateway import Gateway
from h2h.ledger.transfers import Transfers
from h2h.lifecycle import State
from h2h.outbound import intake
from tests.flows.world import World, payments, transfers, until

LONG = bool(os.environ.get("H2H_LONG"))
GOOD = {"a.xml": payments("MSG-A"), "c.xml": payments("MSG-C", 2)}
FILES = {**GOOD, "b.xml": payments("MSG-B").replace(b"</Document>", b"<x/></Document>"), "d.xml": GOOD["a.xml"]}
ENDS = {"a.xml": State.SENT, "b.xml": State.INVALID, "c.xml": State.SENT, "d.xml": State.DUPLICATE}


class Plug(BaseException):
    """The machine is off: nothing that comes after has an effect."""


class Group:
    """Four files are dropped at once: two that are good, one that is not, and one that is the first once more."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        self._off = False
        self._kill_at: str | None = None
        self.points: list[str] = []
        self._template = self._world("template")
        self._template.gateway().ledger.close()

    def play(self, *kills: str) -> World:
        """Starts with the plug pulled, one for each point, and one that ends well."""
        erp = self._world(str(len(list(self._folder.iterdir()))))
        shutil.copytree(self._template.folder / "data", erp.folder / "data")
        erp.write_settings()
        for name, content in FILES.items():
            erp.drop_file(content, name)
        for point in kills:
            with self._watched(point), pytest.raises(Plug):
                self.run(erp)
        with self._watched(None):
            self.run(erp)
        return erp

    @contextmanager
    def _watched(self, kill_at: str | None) -> Iterator[None]:
        self._kill_at, self._off, self.points = kill_at, False, []
        with self._patch.context() as patch:
            Effects(self._reached).install(patch.setattr)
            yield

    def _reached(self, point: str) -> None:
        if self._off:
            raise Plug
        if not point.startswith("before "):
            self.points.append(point)
        if point == self._kill_at:
            self._off = True
            raise Plug

    def run(self, erp: World) -> None:
        gateway = Gateway(erp.settings(), Clock())
        try:
            with gateway.running():
                until(lambda: self._over(gateway), "an end of every file")
        finally:
            gateway.close()

    @staticmethod
    def _over(gateway: Gateway) -> bool:
        gateway.desks["box"].take_in()
        gateway.desks["box"].hand_over()
        found = transfers(gateway)
        return len(found) == len(FILES) and all(t.state in ENDS.values() for t in found)

    def _world(self, name: str) -> World:
        folder = self._folder / name
        for part in ("in", "out", "taken"):
            (folder / "bank" / part).mkdir(parents=True)
        return World(
            folder=folder,
            port=0,
            fingerprint="",
            channel={"kind": '"folder"', "path": f'"{folder}/bank"'},
            retry={"first": '"1ms"', "most": '"2ms"'},
        )


def right(erp: World) -> bool:
    """Each good file once at the bank, whatever its neighbours are; every file filed away, with a report if refused."""
    gateway = erp.gateway()
    try:
        found = {t.name: t for t in transfers(gateway)}
        sound = gateway.ledger.journal.verify().fault is None
    finally:
        gateway.close()
    at_the_bank = sorted(p.read_bytes() for p in (erp.folder / "bank" / "in").iterdir() if p.name[0] != ".")
    states = {name: transfer.state for name, transfer in found.items()}
    twins = sorted(states.pop(name) for name in ("a.xml", "d.xml"))  # whichever came first
    filed = {p.name.partition("-")[2].partition("-")[2] for p in (erp.drop / "processed").iterdir()}
    refused = {p.name.partition("-")[2].partition("-")[2] for p in (erp.drop / "rejected").iterdir()}
    return (
        sound
        and at_the_bank == sorted(GOOD.values())
        and twins == [State.DUPLICATE, State.SENT]
        and states == {"b.xml": State.INVALID, "c.xml": State.SENT}
        and len(filed) == 2
        and len(refused) == 2 * 3
        and not any((erp.drop / ".h2h" / "claims").iterdir())
    )


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    return Group(tmp_path / "group", monkeypatch)


def test_wherever_the_plug_is_pulled_in_a_group_each_file_comes_to_its_own_end(group: Group) -> None:
    assert right(group.play())
    points = list(dict.fromkeys(group.points))
    within = [
        p
        for p in points
        if any(verb in p for verb in ("claim", "place", "secure", "received", "judged", "file_away", "let_go"))
    ]
    assert {f"in Transfers.{verb} 1, event 3" for verb in ("received", "judged")} <= set(within)
    assert "after WatchedFolder.claim 4" in within
    kills = [(point,) for point in (points if LONG else within[::2])]
    again = [(first, second) for first in within for second in within] if LONG else []
    assert [kill for kill in [*kills, *again[:: 1 if LONG else 5]] if not right(group.play(*kill))] == []


def test_wherever_the_plug_is_pulled_while_one_group_is_kept_and_the_one_before_it_stored(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the four go together: the second group is claimed and kept before the first one is stored."""
    monkeypatch.setattr(intake, "TOGETHER", 2)
    assert right(group.play())
    points = list(dict.fromkeys(group.points))
    assert points.index("after Transfers.received 2") < points.index("after Transfers.judged 1")
    overlap = points[points.index("after Transfers.received 1") : points.index("after WatchedFolder.let_go 2")]
    assert [point for point in (overlap if LONG else overlap[::3]) if not right(group.play(point))] == []


def test_a_file_too_large_for_a_group_is_not_taken_before_the_smaller_ones_came_to_their_end(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To keep it may take minutes, in which the others miss their cut-off."""
    monkeypatch.setattr(intake, "TOGETHER_BYTES", len(FILES["a.xml"]) + len(FILES["b.xml"]))
    assert right(group.play())
    verbs = [point for point in group.points if point.startswith("after ") and ("place" in point or "judged" in point)]
    assert verbs[:4] == [
        f"after {verb}" for verb in ("Incoming.place 1", "Incoming.place 2", "Transfers.judged 1", "Incoming.place 3")
    ]


def test_a_group_that_cannot_be_kept_does_not_keep_the_one_before_it_from_its_end(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "TOGETHER", 2)
    stored: list[int] = []
    original = Archive.secure, Transfers.judged_many

    def failing(self: Archive, kept: Sequence[str]) -> None:
        if len(kept) == 2 and len(secured) == 1:
            secured.append("not")
            raise StoreError("the disk is full")
        secured.append("well")
        original[0](self, kept)

    def noted(self: Transfers, files: Any, *arguments: Any, **named: Any) -> Any:
        stored.append(len(secured))
        return original[1](self, files, *arguments, **named)

    secured: list[str] = []
    monkeypatch.setattr(Archive, "secure", failing)
    monkeypatch.setattr(Transfers, "judged_many", noted)
    with pytest.raises(StoreError, match="the disk is full"):
        group.play()
    assert (secured, stored) == (["well", "not"], [2])


def test_files_that_cannot_be_stored_together_are_stored_one_by_one(
    group: Group, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = Transfers.judged_many

    def failing(self: Transfers, files: Any, *arguments: Any, **named: Any) -> Any:
        if len(files) > 1:
            raise StoreError("one of them cannot be stored")
        return original(self, files, *arguments, **named)

    monkeypatch.setattr(Transfers, "judged_many", failing)
    assert right(group.play())
    assert "group_failed" in [
        getattr(record, "event", "") for record in caplog.records if record.levelno == logging.WARNING
    ]


def test_one_file_that_cannot_be_kept_keeps_no_other_from_its_end(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = WatchedFolder.open
    failed: list[str] = []

    def failing(self: WatchedFolder, claimed: Any) -> Any:
        if claimed.name == "c.xml" and not failed:
            failed.append(claimed.name)
            os.link(claimed.path, group_link := claimed.path.parents[3] / "second.name")
            try:
                with original(self, claimed) as file:
                    file.read()
            finally:
                os.unlink(group_link)
        return original(self, claimed)

    monkeypatch.setattr(WatchedFolder, "open", failing)
    assert right(group.play())
    assert failed


@pytest.mark.parametrize("verb", ["file_away", "let_go"])
def test_one_file_that_cannot_be_filed_away_or_let_go_keeps_no_other_from_its_end(
    group: Group, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    original = getattr(WatchedFolder, verb)
    failed: list[str] = []

    def failing(self: WatchedFolder, what: Any, **named: Any) -> Any:
        if not failed and (verb == "let_go" or what.name == "c.xml"):
            failed.append(verb)
            raise FolderError("the folder cannot be used")
        return original(self, what, **named)

    monkeypatch.setattr(WatchedFolder, verb, failing)
    erp = group.play()
    group.run(erp)  # what was left over has its end in the next round
    assert right(erp)
    assert failed


def test_one_file_whose_id_stands_for_another_one_keeps_none_of_its_group_from_its_end(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Transfers.received_many
    failed: list[str] = []

    def failing(self: Transfers, news: Sequence[Any], now: Any) -> list[Any]:
        rows = original(self, news, now)
        if not failed:
            failed.append(rows[1].id)
            return [rows[0], Stale("it was taken with other content before"), *rows[2:]]
        return rows

    monkeypatch.setattr(Transfers, "received_many", failing)
    assert right(group.play())
    assert failed
