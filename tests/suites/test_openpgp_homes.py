"""Where GnuPG works: a private home, of which nothing is left, with secrets in no place that others see."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from h2h.errors import GpgError
from h2h.openpgp import NewPair, OurKey, Smith, TheirKey, create
from h2h.openpgp.home import base, home, sweep
from tests.flows.disks import disk
from tests.forging import NOW, Forge, forge

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct-horse-battery"
LONG = os.environ.get("H2H_LONG") == "1"
MOST_MEMORY = 200 << 10  # KiB, of all processes together
PATIENCE = 20


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for homes, with a short path, as systemd gives one."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def partner() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def pair() -> NewPair:
    return create("Corp <pay@corp.example>", passphrase=PASSPHRASE, now=NOW)


@pytest.fixture
def key(pair: NewPair) -> OurKey:
    return OurKey(data=pair.secret, passphrase=PASSPHRASE)


@pytest.fixture(scope="module")
def bank(partner: Forge) -> TheirKey:
    fingerprint = partner.key("Bank")
    return TheirKey(data=partner.public(fingerprint), fingerprint=fingerprint)


def seal(one: Smith, content: bytes = b"payments") -> bytes:
    out = bytearray()
    sign_with, encrypt_to = next(iter(one.ours)), list(one.theirs)
    one.seal(io.BytesIO(content), out.extend, sign_with=sign_with, encrypt_to=encrypt_to, armour=False)
    return bytes(out)


def working_in(folder: Path) -> list[str]:
    """The processes that name the folder in their arguments, by their numbers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and os.fsencode(folder) in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def gone(folder: Path) -> bool:
    """An agent that was told to end does so a moment later."""
    end = time.monotonic() + PATIENCE
    while working_in(folder) and time.monotonic() < end:
        time.sleep(0.02)
    return not working_in(folder) and list(folder.iterdir()) == []


def test_nothing_is_left_of_a_home(runtime: Path, key: OurKey, bank: TheirKey) -> None:
    with Smith([key], [bank], now=lambda: NOW) as one:
        seal(one)
        (home,) = runtime.iterdir()
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert working_in(runtime)
    assert gone(runtime)


def test_nothing_is_left_after_an_error(runtime: Path, key: OurKey, bank: TheirKey) -> None:
    def breaks() -> None:
        with Smith([key], [bank], now=lambda: NOW) as one:
            seal(one)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert gone(runtime)


def test_nothing_is_left_where_a_key_is_not_taken(runtime: Path, key: OurKey) -> None:
    other = TheirKey(data=b"no key", fingerprint="0" * 40)
    with pytest.raises(Exception, match="holds no OpenPGP key"), Smith([key], [other], now=lambda: NOW):
        pass
    assert gone(runtime)


HOLDING = """
import sys, io
from datetime import UTC, datetime
from pathlib import Path
from h2h.openpgp import OurKey, Smith
key = OurKey(data=Path(sys.argv[1]).read_bytes(), passphrase=sys.argv[2])
with Smith([key], [], now=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC)) as one:
    one.seal(io.BytesIO(b"x"), len, sign_with=next(iter(one.ours)), encrypt_to=[], armour=False)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(runtime: Path, key: OurKey, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a home and works in it."""
    file = tmp_path / "key.asc"
    file.write_bytes(key.data)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, file, PASSPHRASE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next(
    holder: subprocess.Popen[bytes], runtime: Path, key: OurKey, bank: TheirKey
) -> None:
    holder.kill()
    holder.wait()
    (left,) = runtime.iterdir()
    with Smith([key], [bank], now=lambda: NOW) as one:
        assert not left.exists()
        assert seal(one)
    assert gone(runtime)


def test_a_home_that_somebody_works_in_is_left_alone(holder: subprocess.Popen[bytes], runtime: Path) -> None:
    (held,) = runtime.iterdir()
    sweep(runtime, "gpg")
    assert (held / "pubring.kbx").exists()
    holder.communicate(b"")
    assert gone(runtime)


def test_where_there_is_no_room_for_a_home_nothing_is_left_and_nothing_stays_open(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(runtime / "small", megabytes=1) as small:
        small.fill()  # folders take no room on such a disk
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(small.folder))
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(GpgError, match="Free some space"), home("gpg"):
            pass
        assert sorted(os.listdir("/proc/self/fd")) == before
        assert [path.name for path in small.folder.iterdir()] == [".ballast"]


def test_only_homes_are_removed(runtime: Path) -> None:
    """Not what only looks like one: a link to somebody else's folder, a file."""
    elsewhere = runtime / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    (runtime / "h2h-pgp-link").symlink_to(elsewhere)
    (runtime / "h2h-pgp-file").write_text("kept")
    (runtime / "h2h-pgp-home").mkdir()
    sweep(runtime, "gpg")
    assert sorted(entry.name for entry in runtime.iterdir()) == ["elsewhere", "h2h-pgp-file", "h2h-pgp-link"]
    assert (elsewhere / "file").exists()


def test_homes_lie_in_memory_where_there_is_a_place_and_under_short_paths(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base() == runtime
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert base() == runtime
    deep = runtime / ("x" * 80)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert base() == Path("/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(runtime))
    assert base() == runtime


def test_nothing_of_the_users_own_gnupg_is_read_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: OurKey, bank: TheirKey
) -> None:
    own = tmp_path / ".gnupg"
    own.mkdir(mode=0o700)
    for name in ("gpg.conf", "gpg-agent.conf", "common.conf"):
        (own / name).write_text("no-such-option\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GNUPGHOME", str(own))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with Smith([key], [bank], now=lambda: NOW) as one:
        assert seal(one)
    assert sorted(entry.name for entry in own.iterdir()) == ["common.conf", "gpg-agent.conf", "gpg.conf"]


def test_passphrases_stand_in_no_argument_environment_or_file(
    runtime: Path, key: OurKey, bank: TheirKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("H2H_SECRET_OF_ANOTHER_KIND", "hunter2-hunter2")
    seen: list[bytes] = []

    class Looking(io.BytesIO):
        """Looks at the processes while they work."""

        def read(self, size: int | None = -1, /) -> bytes:
            for number in working_in(runtime):
                seen.extend((Path("/proc") / number / name).read_bytes() for name in ("cmdline", "environ"))
            return super().read(size)

    with Smith([key], [bank], now=lambda: NOW) as one:
        out: list[bytes] = []
        sign_with, encrypt_to = next(iter(one.ours)), list(one.theirs)
        one.seal(Looking(b"payments"), out.append, sign_with=sign_with, encrypt_to=encrypt_to, armour=True)
        one.seal(Looking(b"payments"), out.append, sign_with=sign_with, encrypt_to=encrypt_to, armour=True)
        files = [path.read_bytes() for path in runtime.rglob("*") if path.is_file()]
    assert len(seen) >= 8
    for secret in (PASSPHRASE.encode(), b"hunter2-hunter2"):
        assert not any(secret in text for text in (*seen, *files))
    assert PASSPHRASE not in repr(key)


def test_secret_keys_in_a_home_stay_locked(runtime: Path, key: OurKey, bank: TheirKey) -> None:
    with Smith([key], [bank], now=lambda: NOW) as one:
        seal(one)
        kept = [path.read_bytes() for path in runtime.glob("*/private-keys-v1.d/*")]
    assert len(kept) == 2
    assert all(b"protected" in data or b"openpgp-native" in data for data in kept)


def test_several_threads_work_with_one_smith(key: OurKey, bank: TheirKey, partner: Forge) -> None:
    sealed: list[bytes] = []
    with Smith([key], [bank], now=lambda: NOW) as one:
        threads = [threading.Thread(target=lambda n=n: sealed.append(seal(one, b"file %d" % n))) for n in range(6)]  # type: ignore[misc]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(partner.run("--decrypt", data=data, fails=True) for data in sealed) == [
        b"file %d" % n for n in range(6)
    ]


@pytest.mark.long
def test_memory_does_not_grow_with_the_file() -> None:
    """1 GiB with H2H_LONG=1. All processes together: ours, GnuPG and its agent."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.weighing", "1024" if LONG else "64"], cwd=ROOT, capture_output=True, check=True
    )
    peaks = json.loads(done.stdout)
    for step in ("seal", "open"):
        assert {f"{step} ours", f"{step} gpg", f"{step} gpg-agent"} <= peaks.keys()
        assert sum(peak for name, peak in peaks.items() if name.startswith(step)) < MOST_MEMORY
