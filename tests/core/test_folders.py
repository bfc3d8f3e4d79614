"""Watched folders: which file is complete, taking it, finding it again, filing it away; on a real file system."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from h2h import folders, sightings
from h2h.errors import FolderError, StillChanging
from h2h.folders import atomic_writer, local_name
from h2h.model import TransferId
from h2h.sightings import SETTLING
from tests.drops import ID, file_away, take, watch, write

# When is a file complete?


def test_a_file_is_complete_when_it_stood_unchanged_long_enough(drop: Path) -> None:
    folder = watch(drop, settle=5)
    write(drop)
    assert folder.scan(100.0).waiting == (("run.xml", SETTLING),)
    assert folder.scan(104.9).waiting == (("run.xml", SETTLING),)
    assert folder.scan(105.0).ready == ("run.xml",)


@pytest.mark.parametrize("change", ["grows", "touched", "replaced"])
def test_a_file_that_changes_begins_to_settle_anew(drop: Path, change: str) -> None:
    folder = watch(drop, settle=5)
    path = write(drop)
    folder.scan(100.0)
    before = path.stat()
    if change == "grows":
        write(drop, content=b"<x></x>")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "touched":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    else:
        other = write(drop, "other")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.rename(other, path)
    assert folder.scan(106.0).settling
    assert folder.scan(111.0).ready == ("run.xml",)


def test_an_empty_file_is_never_complete_and_is_told(drop: Path) -> None:
    write(drop, content=b"")
    folder = watch(drop, settle=0)
    assert [folder.scan(t).ignored for t in (0.0, 1e9)] == [(("run.xml", "empty"),)] * 2
    assert folder.scan(2e9).ready == ()


def test_a_file_that_goes_and_comes_back_settles_anew(drop: Path) -> None:
    folder = watch(drop, settle=5)
    path = write(drop)
    folder.scan(100.0)
    os.rename(path, drop.parent / "aside")
    folder.scan(101.0)
    os.rename(drop.parent / "aside", path)
    assert folder.scan(106.0).ready == ()


@pytest.mark.parametrize("marker", ["run.xml.done", "run.done"])
def test_with_a_marker_a_file_is_complete_when_the_marker_is_there(drop: Path, marker: str) -> None:
    folder = watch(drop, marker=".done")
    write(drop)
    assert folder.scan(0.0).waiting == (("run.xml", "its marker is not there"),)
    write(drop, marker, b"")
    scan = folder.scan(0.0)
    assert (scan.ready, scan.ignored) == (("run.xml",), ((marker, "marker"),))
    assert take(folder)
    assert sorted(p.name for p in drop.iterdir()) == [".h2h"]


def test_a_marker_of_another_file_says_nothing(drop: Path) -> None:
    folder = watch(drop, marker=".done")
    write(drop)
    write(drop, "other.done", b"")
    assert folder.scan(0.0).ready == ()


# What is left alone.


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".run.xml", "hidden name"),
        ("run.xml.tmp", "temporary name"),
        ("run.xml.PART", "temporary name"),
        ("run.xml.filepart", "temporary name"),
        ("run.xml~", "temporary name"),
    ],
)
def test_hidden_and_temporary_names_are_left_alone_and_told(drop: Path, name: str, why: str) -> None:
    write(drop, name)
    scan = watch(drop, settle=0).scan(0.0)
    assert (scan.ready, scan.waiting, scan.ignored) == ((), (), ((name, why),))


def test_links_folders_pipes_and_sockets_are_left_alone_and_told(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write(drop.parent, "secret")
    (drop / "link.xml").symlink_to(target)
    (drop / "dangling.xml").symlink_to("nowhere")
    (drop / "folder.xml").mkdir()
    os.mkfifo(drop / "pipe.xml")
    monkeypatch.chdir(drop)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.xml")
        scan = watch(drop, settle=0).scan(0.0)
    assert (scan.ready, scan.waiting) == ((), ())
    assert dict(scan.ignored) == {
        "link.xml": "a link",
        "dangling.xml": "a link",
        "folder.xml": "not a regular file",
        "pipe.xml": "not a regular file",
        "socket.xml": "not a regular file",
    }


def test_a_file_that_is_too_large_is_left_alone_and_told(drop: Path) -> None:
    write(drop, content=b"12345")
    assert watch(drop, settle=0, max_size=4).scan(0.0).ignored == (("run.xml", "larger than 4 bytes"),)
    assert watch(drop, settle=0, max_size=5).scan(0.0).ready == ("run.xml",)


def test_our_own_folders_are_not_told(drop: Path) -> None:
    for name in (".h2h", "processed", "rejected"):
        (drop / name).mkdir()
    scan = watch(drop, settle=0).scan(0.0)
    assert (scan.ready, scan.waiting, scan.ignored) == ((), (), ())


HOSTILE = [
    b"caf\xe9.xml", b"a\nb.xml", b"-rf", b"a;rm -rf $HOME.xml", b"\x1b[31m.xml", b"x" * 250 + b".xml",
    "\N{RIGHT-TO-LEFT OVERRIDE}lmx.fdp".encode(),
]  # fmt: skip


@pytest.mark.parametrize("raw", HOSTILE)
def test_hostile_names_are_data(drop: Path, raw: bytes) -> None:
    name = os.fsdecode(raw)
    write(drop, name)
    folder = watch(drop, settle=0)
    assert folder.scan(0.0).ready == (name,)
    claimed = folder.claim(name, ID)
    assert claimed is not None
    assert claimed.name.isprintable()
    with folder.open(claimed) as file:
        assert file.read() == b"<x/>"
    target = file_away(folder, claimed, rejected=True, txt=b"no")
    assert target.parent == drop / "rejected"
    assert target.name.startswith(f"{ID}-")
    assert target.name.isascii()
    assert len(target.name) <= len(ID) + 1 + folders.NAME_BYTES
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name, f"{target.name}.report.txt"]


def test_a_listing_is_bounded_and_in_order(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (3, 1, 2):
        write(drop, f"{n}.xml")
    folder = watch(drop, settle=0)
    assert folder.scan(0.0).ready == ("1.xml", "2.xml", "3.xml")
    monkeypatch.setattr(sightings, "LISTED", 2)
    assert len(folder.scan(0.0).ready) == 2


def test_names_that_are_left_alone_do_not_hide_the_others(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "LISTED", 20)
    for n in range(40):
        write(drop, f"{n}.tmp")
    write(drop)
    monkeypatch.setattr(os, "scandir", _files_last(os.scandir))
    assert watch(drop, settle=0).scan(0.0).ready == ("run.xml",)


def _files_last(scandir: Any) -> Any:
    """The order of a folder is the file system's; here the payment file comes last."""

    class Scan:
        def __init__(self, path: Path) -> None:
            with scandir(path) as found:
                self.entries = sorted(found, key=lambda entry: entry.name == "run.xml")

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *exc: object) -> None:
            pass

    return Scan


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="No such file"):
        watch(tmp_path / "none").scan(0.0)


# Claim.


def test_a_claimed_file_has_left_the_folder_and_is_found_again_after_a_restart(drop: Path) -> None:
    write(drop, content=b"payments")
    claimed = take(watch(drop, settle=0))
    assert claimed is not None
    later = watch(drop, settle=0)
    assert later.scan(0.0).ready == ()
    assert later.claims() == [claimed]
    with later.open(claimed) as file:
        assert file.read() == b"payments"


def test_places_that_were_prepared_are_used_and_those_that_were_not_are_removed(drop: Path) -> None:
    folder = watch(drop, settle=0)
    write(drop)
    folder.scan(0.0)
    folder.prepare([ID, TransferId("T2")])
    claimed = folder.claim("run.xml", ID)
    assert claimed
    assert folder.claim("gone.xml", TransferId("T2")) is None
    assert folder.claims() == [claimed]
    assert [p.name for p in (drop / ".h2h" / "claims").iterdir()] == [ID]


def test_a_file_that_is_gone_is_not_claimed(drop: Path) -> None:
    folder = watch(drop)
    assert folder.claim("run.xml", ID) is None
    assert folder.claims() == []
    assert not (drop / ".h2h" / "claims" / ID).exists()


def test_a_new_file_of_the_same_name_is_another_one(drop: Path) -> None:
    folder = watch(drop, settle=5)
    write(drop)
    folder.scan(0.0)
    take(folder)
    write(drop, content=b"<y/>")
    assert folder.scan(9.0).settling
    assert [c.id for c in folder.claims()] == [ID]


def test_a_crash_before_the_rename_leaves_an_empty_claim_which_is_dropped(drop: Path) -> None:
    place = drop / ".h2h" / "claims" / ID
    place.mkdir(parents=True)
    write(drop)
    folder = watch(drop, settle=0)
    assert folder.claims() == []
    assert not place.exists()
    assert folder.scan(0.0).ready == ("run.xml",)


def test_a_file_still_being_written_is_noticed_while_it_is_read(drop: Path) -> None:
    write(drop, content=b"<x/>")
    folder = watch(drop, settle=0)
    with (drop / "run.xml").open("ab") as writer:
        claimed = take(folder)
        assert claimed is not None
        with pytest.raises(StillChanging), folder.open(claimed):
            os.write(writer.fileno(), b"<!-- -->")
    with folder.open(claimed) as file:
        assert file.read() == b"<x/><!-- -->"


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_was_swapped_for_something_else_is_not_read(drop: Path, kind: str) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed is not None
    claimed.path.unlink()
    if kind == "link":
        claimed.path.symlink_to(write(drop.parent, "secret", b"secret"))
    elif kind == "folder":
        claimed.path.mkdir()
    else:
        os.mkfifo(claimed.path)
    with pytest.raises(FolderError), folder.open(claimed):
        pytest.fail("it was opened")


# File away.


def test_a_taken_file_is_filed_under_its_id_and_the_claim_is_gone(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop, content=b"payments").name)
    assert claimed is not None
    target = file_away(folder, claimed)
    assert target == drop / "processed" / f"{ID}-run.xml"
    assert target.read_bytes() == b"payments"
    assert folder.claims() == []
    assert list((drop / ".h2h" / "claims").iterdir()) == []


def test_reports_lie_beside_a_refused_file_before_it_does(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed is not None
    monkeypatch.setattr(folders.os, "rename", _crash)
    with pytest.raises(FolderError):
        file_away(folder, claimed, rejected=True, txt=b"why")
    monkeypatch.undo()
    assert [p.name for p in (drop / "rejected").iterdir()] == [f"{ID}-run.xml.report.txt"]
    assert folder.claims() == [claimed]
    file_away(folder, claimed, rejected=True, txt=b"why")
    assert folder.claims() == []


def _crash(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_claim_that_cannot_end_keeps_no_other_from_its_end(drop: Path) -> None:
    folder = watch(drop, settle=0)
    claims = [take(folder, write(drop, f"{n}.xml").name, f"T{n}") for n in range(3)]
    taken = [claimed for claimed in claims if claimed]
    for claimed in taken:
        folder.file_away(claimed, rejected=False, reports={})
    write(drop / ".h2h" / "claims" / "T1", "stray", b"somebody's")
    with pytest.raises(FolderError, match="not empty"):
        folder.let_go(taken)
    assert [p.name for p in (drop / ".h2h" / "claims").iterdir()] == ["T1"]


def test_several_claims_are_made_durable_before_what_belongs_to_them_is_taken(
    drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    folder = watch(drop, marker=".done")
    for name in ("a.xml", "b.xml"):
        write(drop, name)
        write(drop, f"{name}.done", b"")
    folder.scan(0.0)
    claims = [folder.claim(f"{name}.xml", TransferId(f"T-{name.upper()}")) for name in "ab"]
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.readlink(f"/proc/self/fd/{handle}").split("/")[-1]))
    monkeypatch.setattr(folders.OpenFolder, "remove", lambda _, name: done.append(name))
    assert folder.secured([claimed for claimed in claims if claimed]) == claims
    assert done == ["T-A", "T-B", "claims", drop.name, "a.xml.done", "b.xml.done"]


def test_a_filed_file_is_not_taken_again(drop: Path) -> None:
    folder = watch(drop, settle=0)
    for number, rejected in enumerate((True, False)):
        claimed = take(folder, write(drop).name, f"T{number}")
        assert claimed is not None
        file_away(folder, claimed, rejected=rejected, json=b"{}")
    assert folder.scan(0.0).ready == ()


def test_whoever_writes_the_drop_folder_cannot_lead_us_elsewhere(drop: Path) -> None:
    elsewhere = drop.parent / "elsewhere"
    elsewhere.mkdir()
    (drop / "rejected").symlink_to(elsewhere)
    folder = watch(drop, settle=0)
    claimed = take(folder, write(drop).name)
    assert claimed is not None
    with pytest.raises(FolderError):
        file_away(folder, claimed, rejected=True, txt=b"no")


# Atomic writes.


def test_nobody_sees_half_of_a_written_file(tmp_path: Path) -> None:
    target = tmp_path / "out.xml"
    target.write_bytes(b"old")
    with atomic_writer(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.xml"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def half() -> None:
        with atomic_writer(tmp_path / "out.xml") as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FolderError), atomic_writer(tmp_path / "none" / "x"):
        pytest.fail("it was opened")


def test_a_local_name_keeps_the_end_of_a_long_one() -> None:
    name = local_name("M1", "a" * 300 + ".xml")
    assert name == "M1-" + "a" * (folders.NAME_BYTES - 4) + ".xml"
