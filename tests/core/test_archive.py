"""The archive: bytes stored once under their hash, checked whenever they are read."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import stat
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from h2h.archive import BLOCK, LATELY_SECONDS, Archive
from h2h.errors import Damaged, StoreError


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "archive")
    made.prepare()
    return made


def keep(archive: Archive, content: bytes) -> str:
    with archive.incoming() as incoming:
        assert incoming.copy(io.BytesIO(content), len(content))
        return incoming.keep()


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("content", [b"", b"x", b"payments" * 1000, b"0" * (BLOCK + 1)])
def test_what_is_kept_is_read_again_byte_by_byte(archive: Archive, content: bytes) -> None:
    sha256 = keep(archive, content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    with archive.open(sha256) as file:
        assert file.read() == content


def test_the_same_bytes_are_stored_once_and_for_us_alone(archive: Archive, tmp_path: Path) -> None:
    assert keep(archive, b"same") == keep(archive, b"same")
    [blob] = files(tmp_path)
    assert stat.S_IMODE(blob.stat().st_mode) == 0o600


def test_leaving_without_keep_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    with archive.incoming() as incoming:
        incoming.write(b"half")
        assert files(tmp_path)
    assert files(tmp_path) == []


def test_half_written_rests_of_a_crash_are_dropped_and_kept_bytes_are_not(archive: Archive, tmp_path: Path) -> None:
    sha256 = keep(archive, b"whole")
    (tmp_path / "archive" / "incoming" / "123-rest").write_bytes(b"half")
    archive.prepare()
    assert [p.name for p in files(tmp_path)] == [sha256]


def test_a_copy_stops_before_it_grows_beyond_its_limit(archive: Archive, tmp_path: Path) -> None:
    with archive.incoming() as incoming:
        assert not incoming.copy(io.BytesIO(b"12345"), 4)
    assert files(tmp_path) == []


@pytest.mark.parametrize("changed", [b"payment", b"paymentsX", b"", b"Payments"])
@pytest.mark.parametrize("size", [-1, 3])
def test_changed_bytes_are_noticed_at_the_end_however_they_are_read(
    archive: Archive, tmp_path: Path, changed: bytes, size: int
) -> None:
    sha256 = keep(archive, b"payments")
    files(tmp_path)[0].write_bytes(changed)
    with archive.open(sha256) as file, pytest.raises(Damaged, match="were changed"):
        _ = [*iter(lambda: file.read(size), b"")]


def test_reading_and_checking_begin_anew_from_the_start(archive: Archive, tmp_path: Path) -> None:
    with archive.open(keep(archive, b"payments")) as file:
        assert file.read(3) == b"pay"
        assert file.seek(0) == 0
        assert file.read() == b"payments"
        assert file.seek(0, io.SEEK_END) == file.tell() == 8
        assert file.seek(3) == 3
        assert file.read() == b"ments"
        files(tmp_path)[0].write_bytes(b"PAYMENTS")
        assert file.seek(0) == 0
        with pytest.raises(Damaged):
            file.read()


def test_lost_bytes_are_told_with_their_place(archive: Archive, tmp_path: Path) -> None:
    sha256 = keep(archive, b"payments")
    files(tmp_path)[0].unlink()
    with pytest.raises(Damaged, match=f"lost {sha256}"), archive.open(sha256):
        pass


def test_damaged_bytes_are_mended_when_the_same_content_is_kept_again(archive: Archive, tmp_path: Path) -> None:
    sha256 = keep(archive, b"payments")
    files(tmp_path)[0].write_bytes(b"changed")
    keep(archive, b"payments")
    with archive.open(sha256) as file:
        assert file.read() == b"payments"


def test_a_folder_that_cannot_be_used_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be written"):
        Archive(tmp_path / "file").prepare()


def test_files_that_are_written_out_together_are_durable_before_any_has_its_name(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [b"%d" % number for number in range(20)]
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    with ExitStack() as begun:
        several = [begun.enter_context(archive.incoming()) for _ in contents]
        for incoming, content in zip(several, contents, strict=True):
            incoming.write(content)
        archive.write_out(several)
        assert sorted(synced) == sorted(map(len, contents))
        assert {path.parent.name for path in files(tmp_path)} == {"incoming"}
        shas = [incoming.place() for incoming in several]
        assert len(synced) == len(contents)
    assert sorted(path.name for path in files(tmp_path)) == sorted(shas)


def test_what_is_written_after_that_is_synced_once_more(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    with archive.incoming() as incoming:
        incoming.write(b"one")
        archive.write_out([incoming])
        incoming.write(b"more")
        incoming.place()
    assert synced == [3, 7]


def test_one_sync_that_fails_leaves_nothing_placed(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_for_seven(handle: int) -> None:
        if os.fstat(handle).st_size == 7:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails_for_seven)
    with ExitStack() as begun:
        several = [begun.enter_context(archive.incoming()) for _ in range(20)]
        for size, incoming in enumerate(several):
            incoming.write(b"x" * size)
        with pytest.raises(StoreError, match="Input/output error"):
            archive.write_out(several)
    assert files(tmp_path) == []


def test_files_that_are_placed_together_share_the_syncs_of_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    kept: list[str] = []
    monkeypatch.setattr("h2h.archive.sync_folders", synced.extend)
    folder = Archive(tmp_path / "archive")
    for content in (b"one", b"two", b"one"):
        with folder.incoming() as incoming:
            incoming.write(content)
            kept.append(incoming.place())
    assert synced == []
    folder.secure(kept)
    places = {tmp_path / "archive" / sha256[:2] / sha256[2:4] for sha256 in kept}
    assert len(synced) == 5
    assert set(map(Path, synced)) == {tmp_path / "archive", *places, *(place.parent for place in places)}


# Removing.


def old(archive: Archive, sha256: str) -> Path:
    """As if it had been written two days ago."""
    place = archive._folder / sha256[:2] / sha256[2:4] / sha256
    long_ago = place.stat().st_mtime - 2 * LATELY_SECONDS
    os.utime(place, (long_ago, long_ago))
    return place


def test_what_nobody_asks_for_is_removed_and_more_than_once_does_no_harm(archive: Archive) -> None:
    sha256 = keep(archive, b"gone")
    place = old(archive, sha256)
    assert archive.remove(sha256)
    assert not place.exists()
    assert archive.remove(sha256)


def test_what_was_written_lately_is_not_removed(archive: Archive) -> None:
    sha256 = keep(archive, b"somebody is about to name it")
    assert not archive.remove(sha256)
    old(archive, sha256)
    keep(archive, b"somebody is about to name it")  # once more
    assert not archive.remove(sha256)
    with archive.open(sha256) as file:
        assert file.read()


def test_bytes_count_as_written_when_they_are_placed(archive: Archive) -> None:
    """However long it took to write them."""
    with archive.incoming() as incoming:
        incoming.write(b"slow")
        incoming.flushed()
        [part] = (archive._folder / "incoming").iterdir()
        os.utime(part, (1, 1))
        incoming.synced = True
        sha256 = incoming.keep()
    assert not archive.remove(sha256)


@pytest.mark.parametrize("removing", [True, False], ids=["removing waits", "placing waits"])
def test_placing_and_removing_exclude_each_other(archive: Archive, removing: bool) -> None:
    sha256 = keep(archive, b"contended")
    place = old(archive, sha256)
    handle = os.open(archive.scratch, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH if removing else fcntl.LOCK_EX)
    done = threading.Event()

    def act() -> None:
        archive.remove(sha256) if removing else keep(archive, b"contended")
        done.set()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        assert not done.wait(0.3)
        assert place.exists()
    finally:
        os.close(handle)
        thread.join()
    assert place.exists() is not removing


def test_many_place_at_the_same_time(archive: Archive) -> None:
    handle = os.open(archive.scratch, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        assert keep(archive, b"beside another")
    finally:
        os.close(handle)
