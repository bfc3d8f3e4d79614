"""The promises of `h2h.channels.Channel`, on every kind and against real servers."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from h2h.channels import Channel, Renaming, Upload
from h2h.channels.kinds import connect
from h2h.channels.sftp import SftpChannel
from h2h.config import FolderSettings
from h2h.credentials import Credentials
from h2h.errors import NotDelivered, Refused, StoreError, Unknown
from h2h.model import Look, Presence, Receipt, RemoteFile, Staged
from tests import alone
from tests.suites.servers import SSHD, AsyncSshServer, OpenSshServer

SIZES = [0, 1, 32_767, 32_768, 32_769, (1 << 20) + 3]
NAMES = [
    b"plain.xml",
    b" leading and trailing ",
    b"-rf",
    b"new\nline\tand\x1b[31mred",
    "Zahlung-Übersicht-支付.xml".encode(),
    b"latin-1-\xfcbersicht.xml",
    b"\xff\xfe\xed\xa0\x80",
    "private \uf7ff use".encode(),
    b"..hidden",
    b"a" * 255,
]
GONE = Look(presence=Presence.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """An open channel and the folder behind it, as the bank sees it."""

    channel: Channel
    root: Path
    home: str

    def at(self, path: str) -> str:
        return self.home + path

    def there(self, path: str) -> bytes:
        return (self.root / path.lstrip("/")).read_bytes()

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir() if path.is_file())

    def put(self, path: str, content: bytes) -> RemoteFile:
        target = self.root / path.lstrip("/")
        target.write_bytes(content)
        return RemoteFile(folder=self.at(path.rpartition("/")[0]), name=target.name, size=len(content))


@pytest.fixture(params=["folder", "asyncssh", "openssh"])
def bank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bank]:
    with ExitStack() as stack:
        if request.param == "folder":
            root, home = tmp_path / "bank", ""
            for folder in ("in", "out"):
                (root / folder).mkdir(parents=True)
            channel = connect(FolderSettings(kind="folder", path=str(root)), Credentials())  # type: ignore[arg-type]
        else:
            if request.param == "openssh" and SSHD is None:
                pytest.skip("no sshd here: apt-get install openssh-server")
            kind = OpenSshServer if request.param == "openssh" else AsyncSshServer
            server = stack.enter_context(kind(tmp_path / "server"))
            root, home, channel = server.root, server.home, connect(server.settings(), Credentials())
        yield Bank(channel=stack.enter_context(channel), root=root, home=home)


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_the_bytes_staged_and_published_are_the_bytes_given(bank: Bank, size: int) -> None:
    staged = alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(some_bytes(size)))
    assert staged == Staged(path=bank.at("/in/.t"), size=size)
    alone.publish(bank.channel, staged, bank.at("/in/f.xml"))
    assert bank.there("/in/f.xml") == some_bytes(size)


def test_before_publish_nothing_stands_under_the_final_name_and_after_it_nothing_under_the_other(bank: Bank) -> None:
    staged = alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(b"pay"))
    assert bank.channel.look(bank.at("/in/f")) == GONE
    receipt = alone.publish(bank.channel, staged, bank.at("/in/f"))
    assert bank.channel.look(bank.at("/in/.t")) == GONE
    assert bank.channel.look(bank.at("/in/f")).size == 3
    assert receipt.path == bank.at("/in/f")
    assert receipt.answer
    assert receipt.at.utcoffset() == timedelta(0)
    assert receipt.how == ("posix-rename" if isinstance(bank.channel, SftpChannel) else "rename")


def test_an_exclusive_publish_never_replaces_a_file_that_has_the_name(bank: Bank) -> None:
    bank.put("/in/f", b"another")
    staged = alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(b"pay"))
    with pytest.raises(Unknown):
        alone.publish(bank.channel, staged, bank.at("/in/f"), exclusive=True)
    assert (bank.there("/in/f"), bank.there("/in/.t")) == (b"another", b"pay")
    alone.publish(bank.channel, staged, bank.at("/in/g"), exclusive=True)
    assert (bank.there("/in/g"), bank.channel.look(bank.at("/in/.t"))) == (b"pay", GONE)


def test_a_channel_knows_whether_its_usual_publish_replaces_a_file(bank: Bank) -> None:
    bank.put("/in/f", b"another")
    staged = alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(b"pay"))
    with suppress(Unknown):
        alone.publish(bank.channel, staged, bank.at("/in/f"))
    assert (bank.there("/in/f") == b"pay") is bank.channel.replaces


# Many at once.


def uploads(bank: Bank, contents: Mapping[str, bytes]) -> list[Upload]:
    """`contents`: by the name of the temporary file in /in."""
    return [
        Upload(path=bank.at(f"/in/{name}"), opened=partial(nullcontext, io.BytesIO(content)))
        for name, content in contents.items()
    ]


def test_many_files_are_staged_looked_for_and_published_each_by_itself(bank: Bank) -> None:
    contents = {f".t{number}": some_bytes(number * 5000) for number in range(50)}
    told: list[list[str]] = []

    def made(paths: Sequence[str]) -> Sequence[str]:
        told.append([*paths, *(str(bank.there(path.removeprefix(bank.home))) for path in paths)])
        return paths

    staged = bank.channel.stage_many(uploads(bank, contents), made)
    paths = [bank.at(f"/in/{name}") for name in contents]
    assert told == [[*paths, *["b''"] * 50]]  # once, and before anything was written
    assert staged == [Staged(path=path, size=number * 5000) for number, path in enumerate(paths)]
    looks = bank.channel.look_many([*paths, bank.at("/in/none"), bank.at("/out/none")])
    assert [(look.presence, look.size) for look in looks if isinstance(look, Look)] == [
        *((Presence.THERE, number * 5000) for number in range(50)),
        *[(Presence.GONE, None)] * 2,
    ]
    finals = [bank.at(f"/in/f{number}") for number in range(50)]
    renamings = [
        Renaming(staged=one, path=path) for one, path in zip(staged, finals, strict=True) if isinstance(one, Staged)
    ]
    receipts = bank.channel.publish_many(renamings)
    assert [receipt.path for receipt in receipts if isinstance(receipt, Receipt)] == finals
    assert [bank.there(f"/in/f{number}") for number in range(50)] == list(contents.values())
    assert bank.channel.look_many(paths) == [GONE] * 50


def test_what_happens_to_one_of_many_staged_files_happens_to_it_alone(bank: Bank) -> None:
    bank.put("/in/.taken", b"another")
    asked = [
        *uploads(bank, {".a": b"one", ".taken": b"two"}),
        Upload(path=bank.at("/nowhere/.b"), opened=partial(nullcontext, io.BytesIO(b"three"))),
        Upload(path=bank.at("/in/.c"), opened=partial(nullcontext, Failing(after=300_000))),
        *uploads(bank, {".d": some_bytes(300_000), ".unwanted": b"five", ".e": b"six"}),
    ]
    outcomes = bank.channel.stage_many(asked, lambda paths: {path for path in paths if "unwanted" not in path})
    kinds = [Staged, NotDelivered, Refused, OSError, Staged, NotDelivered, Staged]
    assert [type(outcome) for outcome in outcomes] == kinds
    assert [name for name in bank.files("in") if name != ".h2h"] == [".a", ".d", ".e", ".taken"]
    assert (bank.there("/in/.taken"), bank.there("/in/.d")) == (b"another", some_bytes(300_000))


def test_files_that_could_not_be_noted_as_ours_are_removed_and_the_session_goes_on(bank: Bank) -> None:
    def made(_: Sequence[str]) -> Sequence[str]:
        raise StoreError("the ledger's disk is full")

    with pytest.raises(StoreError):
        bank.channel.stage_many(uploads(bank, {".a": b"one", ".b": b"two"}), made)
    assert bank.files("in") == []
    assert bank.channel.look(bank.at("/in/.a")) == GONE


def test_what_happens_to_one_of_many_renames_or_looks_happens_to_it_alone(bank: Bank) -> None:
    bank.put("/in/g", b"another")
    staged = bank.channel.stage_many(uploads(bank, {".a": b"one", ".b": b"two", ".c": b"three"}))
    gone = Staged(path=bank.at("/in/.gone"), size=3)
    names = ["f", "nowhere/f", "h", "g"]
    parts = [one for one in (staged[0], staged[1], gone, staged[2]) if isinstance(one, Staged)]
    renamings = [
        Renaming(staged=part, path=bank.at(f"/in/{name}"), exclusive=name == "g")
        for part, name in zip(parts, names, strict=True)
    ]
    receipts = bank.channel.publish_many(renamings)
    assert isinstance(receipts[0], Receipt)
    assert all(isinstance(receipt, Unknown) for receipt in receipts[1:])
    assert [name for name in bank.files("in") if name != ".h2h"] == [".b", ".c", "f", "g"]
    assert bank.there("/in/g") == b"another"
    looks = bank.channel.look_many([bank.at("/in/f"), bank.at("/nowhere/f"), bank.at("/in/none")])
    assert isinstance(looks[1], Refused)
    assert [look for look in looks if isinstance(look, Look)][1] == GONE


def test_nothing_asked_is_nothing_answered(bank: Bank) -> None:
    channel = bank.channel
    assert [*channel.stage_many([]), *channel.look_many([]), *channel.publish_many([])] == []


def test_publishing_into_another_folder_is_a_rename_too(bank: Bank) -> None:
    staged = alone.stage(bank.channel, bank.at("/out/.t"), io.BytesIO(b"pay"))
    alone.publish(bank.channel, staged, bank.at("/in/f"))
    assert bank.there("/in/f") == b"pay"


def test_a_name_that_is_taken_is_never_written_to_and_never_called_ours(bank: Bank) -> None:
    told: list[bytes] = []
    bank.put("/in/.t", b"another")
    with pytest.raises(NotDelivered):
        alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(b"pay"), lambda: told.append(b""))
    assert (bank.there("/in/.t"), told) == (b"another", [])


def test_a_new_file_is_called_ours_before_anything_is_written_to_it(bank: Bank) -> None:
    told: list[bytes] = []
    alone.stage(bank.channel, bank.at("/in/.t"), io.BytesIO(b"pay"), lambda: told.append(bank.there("/in/.t")))
    assert (told, bank.there("/in/.t")) == ([b""], b"pay")


def test_staging_into_a_missing_folder_is_refused_and_the_folder_is_named(bank: Bank) -> None:
    with pytest.raises(Refused, match="/nowhere"):
        alone.stage(bank.channel, bank.at("/nowhere/.t"), io.BytesIO(b"pay"))


def test_a_source_that_fails_raises_its_own_error_and_leaves_no_part_behind(bank: Bank) -> None:
    with pytest.raises(OSError, match="our own disk"):
        alone.stage(bank.channel, bank.at("/in/.t"), Failing(after=300_000))
    assert bank.files("in") == []
    assert bank.channel.look(bank.at("/in/.t")) == GONE


def test_a_publish_without_a_clear_done_is_unknown(bank: Bank) -> None:
    with pytest.raises(Unknown, match="look"):
        alone.publish(bank.channel, Staged(path=bank.at("/in/.gone"), size=3), bank.at("/in/f"))
    with pytest.raises(Unknown):
        alone.publish(bank.channel, Staged(path=bank.at("/nowhere/.t"), size=3), bank.at("/in/f"))


@pytest.mark.parametrize("size", SIZES)
def test_the_bytes_placed_are_the_bytes_given_and_a_marker_is_made_once(bank: Bank, size: int) -> None:
    receipt = bank.channel.place(bank.at("/in/f.xml"), io.BytesIO(some_bytes(size)))
    assert (receipt.path, receipt.how) == (bank.at("/in/f.xml"), "written")
    assert bank.there("/in/f.xml") == some_bytes(size)
    with pytest.raises(Unknown, match="look"):
        bank.channel.place(bank.at("/in/f.xml"), io.BytesIO())
    assert bank.there("/in/f.xml") == some_bytes(size)


def test_what_was_begun_under_its_final_name_is_never_removed(bank: Bank) -> None:
    """The bank may be reading it already; a part is for a person to see."""
    with pytest.raises(OSError, match="our own disk"):
        bank.channel.place(bank.at("/in/f"), Failing(after=300_000))
    assert bank.files("in") == ["f"]


def test_a_file_is_not_called_gone_where_its_whole_folder_is_gone(bank: Bank) -> None:
    """Else a bank whose disk is away would look like a bank that took our file."""
    with pytest.raises(Refused, match="/nowhere"):
        bank.channel.look(bank.at("/nowhere/f"))


def test_a_listing_has_the_regular_files_in_order_of_names(bank: Bank) -> None:
    for name in ("b", "a", "c"):
        bank.put(f"/out/{name}", name.encode() * 7)
    (bank.root / "out" / "folder").mkdir()
    (bank.root / "out" / "link").symlink_to(bank.root / "out" / "a")
    os.mkfifo(bank.root / "out" / "pipe")
    os.utime(bank.root / "out" / "a", (1_700_000_000, 1_700_000_000))
    files = bank.channel.list(bank.at("/out"))
    assert [(file.folder, file.name, file.size) for file in files] == [(bank.at("/out"), name, 7) for name in "abc"]
    assert files[0].modified == 1_700_000_000


def test_an_empty_folder_has_an_empty_listing_and_an_absent_one_is_refused(bank: Bank) -> None:
    assert bank.channel.list(bank.at("/out")) == []
    with pytest.raises(Refused, match="/nowhere"):
        bank.channel.list(bank.at("/nowhere"))


def test_a_listing_of_many_files_is_whole(bank: Bank) -> None:
    for number in range(1000):
        bank.put(f"/out/{number:04}", b"")
    assert [file.name for file in bank.channel.list(bank.at("/out"))] == [f"{number:04}" for number in range(1000)]


def test_names_are_data_and_lead_back_to_their_file(bank: Bank) -> None:
    for raw in NAMES:
        Path(os.fsdecode(os.fsencode(bank.root) + b"/out/" + raw)).write_bytes(raw)
    files = bank.channel.list(bank.at("/out"))
    assert sorted(fetched(bank, file) for file in files) == sorted(NAMES)
    for file in files:
        file.name.encode()  # no surrogates: every store takes it
        bank.channel.discard(f"{file.folder}/{file.name}")
    assert list((bank.root / "out").iterdir()) == []


@pytest.mark.parametrize("size", [*SIZES, 3_000_000])
def test_the_bytes_fetched_are_the_bytes_of_the_bank(bank: Bank, size: int) -> None:
    bank.put("/out/f", some_bytes(size))
    [file] = bank.channel.list(bank.at("/out"))
    sink = io.BytesIO()
    assert bank.channel.fetch(file, sink) == size == file.size
    assert sink.getvalue() == some_bytes(size)


@pytest.mark.parametrize(("listed", "found"), [(10, 9), (10, 11), (10, 0), (0, 10), (100_000, 32_768), (10, 5_000_000)])
def test_a_file_that_is_not_as_long_as_listed_is_not_delivered(bank: Bank, listed: int, found: int) -> None:
    bank.put("/out/f", bytes(found))
    with pytest.raises(NotDelivered, match="still being written"):
        bank.channel.fetch(RemoteFile(folder=bank.at("/out"), name="f", size=listed), io.BytesIO())
    assert len(bank.there("/out/f")) == found


@pytest.mark.parametrize("start", [1, 32_640, 999_999])
def test_a_fetch_goes_on_from_where_another_one_ended(bank: Bank, start: int) -> None:
    bank.put("/out/f", some_bytes(1_000_000))
    [file] = bank.channel.list(bank.at("/out"))
    sink = io.BytesIO()
    assert bank.channel.fetch(file, sink, start) == 1_000_000
    assert sink.getvalue() == some_bytes(1_000_000)[start:]


@pytest.mark.parametrize("change", ["time", "size"])
def test_nothing_is_added_to_the_first_part_of_a_file_that_changed_since(bank: Bank, change: str) -> None:
    bank.put("/out/f", some_bytes(1000))
    [file] = bank.channel.list(bank.at("/out"))
    path = bank.root / "out" / "f"
    if change == "size":
        path.write_bytes(some_bytes(1001))
    os.utime(path, (file.modified or 0, (file.modified or 0) + (change == "time")))
    sink = io.BytesIO()
    with pytest.raises(NotDelivered, match="may have changed"):
        bank.channel.fetch(file, sink, 500)
    assert sink.getvalue() == b""


def test_a_file_that_went_after_the_listing_is_not_delivered(bank: Bank) -> None:
    with pytest.raises(NotDelivered):
        bank.channel.fetch(RemoteFile(folder=bank.at("/out"), name="went", size=3), io.BytesIO())


def test_a_sink_that_fails_raises_its_own_error_and_the_session_goes_on(bank: Bank) -> None:
    file = bank.put("/out/f", some_bytes(3_000_000))
    with pytest.raises(OSError, match="our own disk"):
        bank.channel.fetch(file, Failing(after=300_000))
    assert fetched(bank, file) == some_bytes(3_000_000)


def test_a_discarded_file_is_gone_and_discarding_it_again_is_fine(bank: Bank) -> None:
    bank.put("/out/f", b"statement")
    bank.channel.discard(bank.at("/out/f"))
    bank.channel.discard(bank.at("/out/f"))
    assert bank.channel.list(bank.at("/out")) == []


def test_a_moved_file_is_whole_at_its_target_and_moving_it_again_is_fine(bank: Bank) -> None:
    bank.put("/out/f", b"statement")
    bank.channel.move(bank.at("/out/f"), bank.at("/in/f"))
    bank.channel.move(bank.at("/out/f"), bank.at("/in/f"))
    assert bank.there("/in/f") == b"statement"
    assert bank.channel.look(bank.at("/out/f")) == GONE


def test_a_file_gone_before_its_move_is_fine(bank: Bank) -> None:
    bank.channel.move(bank.at("/out/f"), bank.at("/in/f"))
    assert bank.channel.look(bank.at("/in/f")) == GONE


def test_a_move_never_overwrites(bank: Bank) -> None:
    bank.put("/out/f", b"new")
    bank.put("/in/f", b"old")
    with pytest.raises(Refused, match="exists already"):
        bank.channel.move(bank.at("/out/f"), bank.at("/in/f"))
    assert (bank.there("/out/f"), bank.there("/in/f")) == (b"new", b"old")


def test_a_move_into_a_missing_folder_is_refused_and_the_file_stays(bank: Bank) -> None:
    bank.put("/out/f", b"statement")
    with pytest.raises(Refused, match="/nowhere"):
        bank.channel.move(bank.at("/out/f"), bank.at("/nowhere/f"))
    assert bank.there("/out/f") == b"statement"


def test_a_refusal_does_not_end_the_session(bank: Bank) -> None:
    with pytest.raises(Refused):
        bank.channel.list(bank.at("/nowhere"))
    assert bank.channel.alive()
    assert bank.channel.list(bank.at("/out")) == []


def test_a_session_lives_until_it_is_left(bank: Bank) -> None:
    with bank.channel as channel:
        assert channel.alive()
    assert not bank.channel.alive()


def fetched(bank: Bank, file: RemoteFile) -> bytes:
    sink = io.BytesIO()
    bank.channel.fetch(file, sink)
    return sink.getvalue()


class Failing(io.BytesIO):
    """A source, or a sink, that breaks after some bytes."""

    def __init__(self, *, after: int) -> None:
        super().__init__(bytes(after))
        self._after = after

    def read(self, size: int | None = -1, /) -> bytes:
        if block := super().read(size):
            return block
        raise OSError("our own disk broke")

    def write(self, data: object, /) -> int:
        self._after -= len(data)  # type: ignore[arg-type]
        if self._after < 0:
            raise OSError("our own disk broke")
        return len(data)  # type: ignore[arg-type]
