"""Watched folders into which somebody writes who means harm, or who is careless; on a real file system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from h2h.errors import FolderError, StillChanging, StoreError
from h2h.folders import STUCK_AFTER, Claimed, WatchedFolder, atomic_writer
from h2h.foothold import Foothold
from h2h.model import TransferId
from h2h.open_folder import OpenFolder
from h2h.witness import Head
from tests.drops import ID, file_away, settings, take, watch, write

HALF = "its document does not end: half a file; refused if that stays so for 600 s"
MANIFEST = {"manifest_key": "env:KEY"}


def later(**by: float) -> datetime:
    return datetime.now(UTC) + timedelta(**by)


def claimed_at(folder: Path) -> list[str]:
    claims = folder / ".h2h" / "claims"
    return sorted(str(p.relative_to(claims)) for p in claims.rglob("*") if p.is_file())


def once_before(monkeypatch: pytest.MonkeyPatch, operation: str, act: Callable[[], object]) -> None:
    """Somebody acts in the moment before the first call of an operation on an open folder."""
    original, left = getattr(OpenFolder, operation), [act]

    def wrapped(self: OpenFolder, *arguments: Any, **named: Any) -> Any:
        if left:
            left.pop()()
        return original(self, *arguments, **named)

    monkeypatch.setattr(OpenFolder, operation, wrapped)


# Half files.


def test_half_a_file_that_stands_still_waits_and_is_told_until_patience_ends(drop: Path) -> None:
    folder = watch(drop, settle=5)
    write(drop, content=b"<Document><a>")
    folder.scan(0.0, later())
    assert folder.scan(6.0, later(minutes=9)).waiting == (("run.xml", HALF),)
    assert folder.scan(7.0, later(minutes=9)).ready == ()
    assert folder.scan(8.0, later(minutes=11)).ready == ("run.xml",)


def test_half_a_file_that_is_finished_settles_anew_and_is_taken(drop: Path) -> None:
    folder = watch(drop, settle=5)
    path = write(drop, content=b"<Document><a>")
    folder.scan(0.0)
    folder.scan(6.0)
    with path.open("ab") as file:
        file.write(b"</a></Document>")
    assert folder.scan(7.0).settling
    assert folder.scan(12.0).ready == ("run.xml",)


def test_a_file_with_its_marker_is_taken_as_told(drop: Path) -> None:
    folder = watch(drop, marker=".done")
    write(drop, content=b"<Document><a>")
    write(drop, "run.xml.done", b"")
    assert folder.scan(0.0).ready == ("run.xml",)


def test_a_glance_tells_of_half_files_without_waiting(drop: Path) -> None:
    write(drop, content=b"<Document><a>")
    write(drop, "good.xml")
    scan = watch(drop, settle=3600).glance(later())
    assert (scan.ready, scan.waiting) == (("good.xml",), (("run.xml", HALF),))


# Names.


def test_foreign_names_and_manifests_are_left_alone_and_told(drop: Path) -> None:
    for name in ("run.xml", "read me.txt", "run.xml.manifest"):
        write(drop, name)
    scan = watch(drop, settle=0, match="*.xml", **MANIFEST).scan(0.0)
    assert scan.ignored == (("read me.txt", "foreign name: not *.xml"), ("run.xml.manifest", "manifest"))


def test_a_hostile_name_is_told_in_plain_characters(drop: Path) -> None:
    write(drop, "\x1b]0;x\x07\n.tmp")
    write(drop, os.fsdecode(b"\xff\x9b.xml"), b"<half>")
    scan = watch(drop, settle=0).scan(0.0)
    assert [name for name, _ in scan.ignored + scan.waiting] == ["\\x1b]0;x\\x07\\n.tmp", "\\xff\\x9b.xml"]


# The file that was seen is the file that is taken.


def test_a_file_with_a_second_name_is_left_alone_and_one_that_got_it_later_waits(drop: Path) -> None:
    folder = watch(drop, settle=0)
    other = drop.parent / "other"
    os.link(write(drop), other)
    assert "hard link" in dict(folder.scan(0.0).ignored)["run.xml"]
    other.unlink()
    claimed = take(folder)
    assert claimed
    os.link(claimed.path, other)
    with pytest.raises(FolderError, match="second name"), folder.open(claimed):
        pytest.fail("it was opened")
    assert "second name" in folder.stuck(later())[0][1]
    other.unlink()
    with folder.open(claimed) as file:
        assert file.read() == b"<x/>"
    assert folder.stuck(later()) == ()


@pytest.mark.parametrize("change", ["replaced", "grown", "edited in place", "gone"])
def test_a_file_that_is_another_one_than_was_seen_is_not_taken(drop: Path, change: str) -> None:
    folder = watch(drop, settle=0)
    path = write(drop)
    before = path.stat()
    assert folder.scan(0.0).ready == ("run.xml",)
    if change == "replaced":
        os.rename(write(drop, "new", b"<y>"), path)
    elif change == "gone":
        path.unlink()
    else:
        write(drop, content=b"<x/>" if change == "edited in place" else b"<x></x>")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.claim("run.xml", ID) is None
    assert claimed_at(drop) == []
    assert path.exists() == (change != "gone")


def test_one_swapped_in_at_the_very_moment_is_put_back(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = watch(drop, settle=0)
    path = write(drop)
    half = write(drop, "new", b"<half>")
    folder.scan(0.0)
    once_before(monkeypatch, "move", lambda: os.rename(half, path))
    assert folder.claim("run.xml", ID) is None
    assert (path.read_bytes(), path.stat().st_nlink, claimed_at(drop)) == (b"<half>", 1, [])


def test_what_is_put_back_never_takes_the_place_of_a_third(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = watch(drop, settle=0)
    path = write(drop)
    half = write(drop, "new", b"<half>")
    folder.scan(0.0)
    once_before(monkeypatch, "move", lambda: os.rename(half, path))
    once_before(monkeypatch, "link", lambda: write(drop, content=b"<third>"))
    assert folder.claim("run.xml", ID) is None
    assert sorted(p.read_bytes() for p in drop.glob("*.xml")) == [b"<half>", b"<third>"]


def test_a_crash_while_it_is_put_back_leaves_it_in_the_folder_once(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed
    os.link(claimed.path, drop / "run.xml")
    assert folder.claims() == []
    assert (claimed_at(drop), folder.scan(0.0).ready) == ([], ("run.xml",))


def test_an_edit_in_place_while_it_is_read_is_noticed_though_size_and_time_stay(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop, content=b"<x>1</x>").name)
    assert claimed
    before = claimed.path.stat()

    def edit() -> None:
        claimed.path.write_bytes(b"<x>9</x>")
        os.utime(claimed.path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(StillChanging), folder.open(claimed):
        edit()


# Markers and manifests that belong to a claimed file.

KILLED = """
import os, signal, sys
from pathlib import Path
from h2h.open_folder import OpenFolder
from h2h.witness import Head
from tests.drops import take, watch
setattr(OpenFolder, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
take(watch(Path(sys.argv[1]), marker=".done"))
"""


def killed_while_claiming(drop: Path, before: str) -> None:
    command = [sys.executable, "-c", KILLED, str(drop), before]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_marker_left_by_a_crash_does_not_complete_the_next_file_of_that_name(drop: Path) -> None:
    write(drop)
    write(drop, "run.xml.done", b"")
    write(drop, "run.done", b"")
    killed_while_claiming(drop, "remove")
    assert (drop / "run.xml.done").exists()
    write(drop, content=b"<half>")
    folder = watch(drop, marker=".done")
    assert len(folder.claims()) == 1
    assert folder.scan(0.0).waiting == (("run.xml", "its marker is not there"),)


def test_a_marker_made_after_the_claim_is_the_next_files(drop: Path) -> None:
    write(drop)
    write(drop, "run.xml.done", b"")
    killed_while_claiming(drop, "remove")
    write(drop, content=b"<y/>")
    write(drop, "run.xml.done", b"")
    folder = watch(drop, marker=".done")
    assert len(folder.claims()) == 1
    assert folder.scan(0.0).ready == ("run.xml",)


def test_killed_before_the_rename_file_and_marker_are_taken_by_the_next_run(drop: Path) -> None:
    write(drop)
    write(drop, "run.xml.done", b"")
    killed_while_claiming(drop, "move")
    folder = watch(drop, marker=".done")
    assert folder.claims() == []
    assert take(folder)
    assert sorted(p.name for p in drop.iterdir()) == [".h2h"]


def test_a_file_waits_for_its_manifest_and_takes_it_along(drop: Path) -> None:
    folder = watch(drop, settle=0, **MANIFEST)
    write(drop)
    assert "run.xml.manifest is not there" in dict(folder.scan(0.0, later()).waiting)["run.xml"]
    write(drop, "run.xml.manifest", b"half a line")
    assert folder.scan(0.0, later()).ready == ()
    text = b"hmac-sha256 " + b"0" * 64 + b"\n"
    write(drop, "run.xml.manifest", text)
    claimed = take(folder)
    assert claimed
    assert (folder.manifest(claimed), claimed_at(drop)) == (text, [f"{ID}/run.xml", f"{ID}/run.xml.manifest"])
    assert [c.path.name for c in folder.claims()] == ["run.xml"]
    target = file_away(folder, claimed)
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, f"{target.name}.manifest"]
    assert claimed_at(drop) == []


def test_a_file_whose_manifest_never_comes_is_ready_to_be_refused_when_patience_ends(drop: Path) -> None:
    folder = watch(drop, settle=0, **MANIFEST)
    write(drop)
    assert folder.scan(0.0, later(minutes=9)).ready == ()
    assert folder.scan(0.0, later(minutes=11)).ready == ("run.xml",)
    claimed = folder.claim("run.xml", ID)
    assert claimed
    assert folder.manifest(claimed) is None


# Nothing is written elsewhere.


@pytest.fixture
def elsewhere(drop: Path) -> Path:
    folder = drop.parent / "elsewhere"
    folder.mkdir()
    return folder


def swap(path: Path, elsewhere: Path) -> None:
    """What one who may write into the watched folder can do with a folder of ours."""
    if path.exists():
        os.rename(path, path.with_name("aside"))
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("operation", ["inside", "create", "move"])
@pytest.mark.parametrize("name", ["processed", ".h2h"])
def test_a_link_swapped_in_between_check_and_act_leads_nowhere(
    drop: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, operation: str, name: str
) -> None:
    folder = watch(drop, settle=0)
    first = take(folder, write(drop).name, "T1")
    assert first
    file_away(folder, first)
    claimed = take(folder, write(drop).name, "T2")
    assert claimed
    once_before(monkeypatch, operation, lambda: swap(drop / name, elsewhere))
    with suppress(FolderError):  # or it is done where it was to be done
        file_away(folder, claimed, txt=b"secret")
    assert list(elsewhere.iterdir()) == []
    held = [p for p in drop.rglob("*run.xml") if not p.is_symlink()]
    assert len(held) == 2  # where they were, or where they were moved to; none is lost


@pytest.mark.parametrize("operation", ["made", "make", "move"])
def test_a_link_swapped_in_while_a_file_is_claimed_leads_nowhere(
    drop: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    folder = watch(drop, settle=0)
    (elsewhere / "claims").mkdir()
    write(drop)
    folder.scan(0.0)
    once_before(monkeypatch, operation, lambda: swap(drop / ".h2h", elsewhere))
    with suppress(FolderError):
        folder.claim("run.xml", ID)
    assert [p for p in elsewhere.rglob("*") if p.name != "claims"] == []
    assert len([p for p in drop.rglob("run.xml") if not p.is_symlink()]) == 1


def test_a_link_where_a_report_is_written_is_not_followed(drop: Path, elsewhere: Path) -> None:
    target = write(elsewhere, "precious", b"precious")
    (drop / ".x.tmp").symlink_to(target)
    with atomic_writer(drop / "x") as file:
        file.write(b"ours")
    assert (target.read_bytes(), (drop / "x").read_bytes()) == (b"precious", b"ours")


# The folder goes away, and comes back.


def test_in_an_empty_mount_point_nothing_is_made_and_the_missing_disk_is_told(drop: Path) -> None:
    write(drop)  # somebody drops a file into the bare mount point
    folder = WatchedFolder(settings(drop, settle=0), lambda: True)
    for act in (lambda: folder.scan(0.0), folder.claims, lambda: folder.stuck(later())):
        with pytest.raises(FolderError, match="Is its disk mounted"):
            act()
    assert os.listdir(drop) == ["run.xml"]
    (drop / ".h2h").mkdir()
    assert folder.scan(0.0).ready == ("run.xml",)


def test_a_folder_moved_away_and_back_goes_on(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed
    write(drop, "next.xml")
    folder.scan(0.0)
    os.rename(drop, drop.parent / "away")
    for act in (
        lambda: folder.scan(0.0),
        lambda: folder.claim("next.xml", TransferId("T2")),
        lambda: file_away(folder, claimed),
        folder.claims,
    ):
        with pytest.raises(FolderError, match="No such file"):
            act()
    assert not drop.exists()
    os.rename(drop.parent / "away", drop)
    assert folder.claims() == [claimed]
    assert file_away(folder, claimed).exists()
    assert take(folder, "next.xml", "T2")


# What waits for a person.


def test_claims_that_cannot_be_looked_into_are_told_and_do_not_hide_the_others(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed
    claims = drop / ".h2h" / "claims"
    (claims / "T0").write_bytes(b"no folder")
    (claims / "\x1b[31m").mkdir()
    found = folder.claims()
    assert [c for c in found if c.fault is None] == [claimed]
    for broken in (c for c in found if c.fault):
        with pytest.raises(FolderError), folder.open(broken):
            pytest.fail("it was opened")
    assert [name for name, _ in folder.stuck(later())] == ["\\x1b[31m", "T0"]


def test_a_claim_that_is_never_filed_away_is_told(drop: Path) -> None:
    folder = watch(drop, settle=0)
    assert take(folder, write(drop).name)
    assert folder.stuck(later()) == ()
    assert "not filed away" in folder.stuck(later() + STUCK_AFTER)[0][1]


def test_a_file_that_the_gateway_may_not_move_is_left_alone_and_told(
    drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(drop)
    drop.chmod(0o1777)
    monkeypatch.setattr(os, "geteuid", lambda: drop.stat().st_uid + 1)
    assert "sticky" in dict(watch(drop, settle=0).scan(0.0).ignored)["run.xml"]
    drop.chmod(0o777)
    assert watch(drop, settle=0).scan(0.0).ready == ("run.xml",)


def test_one_file_that_cannot_be_looked_at_does_not_stop_the_scan(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(drop, "bad.xml")
    write(drop)
    opened = OpenFolder.open

    def broken(self: OpenFolder, name: str) -> Any:
        if name == "bad.xml":
            raise OSError(5, "Input/output error")
        return opened(self, name)

    monkeypatch.setattr(OpenFolder, "open", broken)
    scan = watch(drop, settle=0).scan(0.0)
    assert (scan.ready, scan.ignored) == (("run.xml",), (("bad.xml", "Input/output error"),))


def test_a_claim_is_data_and_its_fault_is_told_in_words(drop: Path) -> None:
    broken = Claimed(id=TransferId("T1"), path=drop / "\n", fault="It is broken.")
    with pytest.raises(FolderError, match=r"\\n: It is broken"), watch(drop).open(broken):
        pytest.fail("it was opened")


def test_thousands_at_once_are_all_seen(drop: Path) -> None:
    for number in range(2000):
        write(drop, f"{number}.xml")
    assert len(watch(drop, settle=0).scan(0.0).ready) == 2000


def test_a_link_in_place_of_our_folder_leads_neither_lock_nor_head_elsewhere(tmp_path: Path) -> None:
    dropped, elsewhere = tmp_path / "drop", tmp_path / "elsewhere"
    for folder in (dropped, elsewhere):
        folder.mkdir()
    (dropped / ".h2h").symlink_to(elsewhere)
    foothold = Foothold(settings(dropped))
    with pytest.raises(StoreError):
        foothold.witness.note(Head(seq=1, hash="a" * 64))
    with pytest.raises(FolderError, match="link"), foothold.held("test"):
        pass
    assert list(elsewhere.iterdir()) == []
