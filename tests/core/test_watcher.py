"""Events of a real file system: they wake, whatever became of the folder in between."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from h2h.watcher import Watcher
from tests.flows.world import until

SECONDS = 30
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.fixture
def woken(drop: Path) -> Iterator[tuple[Watcher, threading.Event]]:
    came = threading.Event()
    watcher = Watcher({drop: came.set})
    watcher.start()
    came.clear()
    yield watcher, came
    watcher.stop()


def wakes(drop: Path, came: threading.Event) -> bool:
    came.clear()
    (drop / "run.xml").write_bytes(b"<x/>")
    return came.wait(SECONDS)


def test_a_file_wakes(drop: Path, woken: tuple[Watcher, threading.Event]) -> None:
    assert wakes(drop, woken[1])


def test_a_file_renamed_in_wakes_and_one_that_leaves_does_not(drop: Path) -> None:
    woken: list[None] = []
    watcher = Watcher({drop: lambda: woken.append(None)})
    (drop.parent / "new.xml").write_bytes(b"<x/>")
    (drop / "old.xml").write_bytes(b"<x/>")
    watcher.start()
    woken.clear()
    os.rename(drop / "old.xml", drop.parent / "old.xml")
    os.rename(drop.parent / "new.xml", drop / "new.xml")
    until(lambda: bool(woken), "the one that came in")
    watcher.stop()
    assert woken == [None]


@pytest.mark.parametrize("way", ["moved away and back", "removed and made again", "another in its place"])
def test_a_folder_that_went_and_came_back_wakes_again(
    drop: Path, woken: tuple[Watcher, threading.Event], way: str
) -> None:
    watcher, came = woken
    if way == "removed and made again":
        shutil.rmtree(drop)
    else:
        os.rename(drop, drop.parent / "away")
    assert watcher.mend() == [drop]
    came.clear()
    if way == "moved away and back":
        os.rename(drop.parent / "away", drop)
    else:
        drop.mkdir()
    assert watcher.mend() == []
    assert came.is_set()  # what was dropped before it was watched again is looked for
    assert wakes(drop, came)


def test_a_folder_made_again_between_two_looks_with_the_number_of_the_old_one_is_watched_anew(
    drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("h2h.watcher._identity", lambda _: (1, 2))
    came = threading.Event()
    watcher = Watcher({drop: came.set})
    watcher.start()
    shutil.rmtree(drop)
    drop.mkdir()
    came.clear()
    until(lambda: watcher.mend() == [] and came.is_set(), "the dead emitter found")
    assert wakes(drop, came)
    watcher.stop()


@pytest.mark.skipif(not QUEUE.exists(), reason="no inotify here")
def test_after_more_events_than_the_system_keeps_the_next_one_wakes(
    drop: Path, woken: tuple[Watcher, threading.Event]
) -> None:
    names = [drop / ".a", drop / ".b"]  # alternating: the same event twice in a row is kept once
    for number in range(int(QUEUE.read_text())):
        os.close(os.open(names[number % 2], os.O_WRONLY | os.O_CREAT))
    assert wakes(drop, woken[1])


def test_a_file_that_comes_just_before_its_folder_is_watched_wakes(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looked at the folder before that has not seen it."""
    told: list[str] = []
    watcher = Watcher({drop: lambda: told.append("woken")})
    schedule = watcher._observer.schedule

    def late(*arguments: Any, **more: Any) -> Any:
        (drop / "file.xml").write_bytes(b"x")
        told.append("file")
        return schedule(*arguments, **more)

    monkeypatch.setattr(watcher._observer, "schedule", late)
    watcher.start()
    try:
        assert "woken" in told[told.index("file") :]
    finally:
        watcher.stop()
