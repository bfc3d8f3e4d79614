"""Homes for GnuPG: private, short-lived folders that hold the keys of one job and nothing else.

They lie in $RUNTIME_DIRECTORY (systemd), $XDG_RUNTIME_DIR or the folder for temporary files: the first two are in
memory. Secret keys in them stay locked by their passphrases. A home is held by a lock on its folder as long as its
process lives; one that nobody holds was left by a process that was killed, and is removed before the next is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from h2h.errors import GpgError

PREFIX = "h2h-pgp-"
LONGEST = 80  # characters of a home's path: sockets lie in it, whose paths may have 107
TRIES = 10
KILL_SECONDS = 10
AGENT = "disable-scdaemon\nno-allow-external-cache\ns2k-count 65011712\n"  # no smart cards; the slowest to guess


@contextmanager
def home(program: str) -> Iterator[Path]:
    """A new home, gone at the end together with the agent that works in it. Raises GpgError."""
    try:
        where = base()
        sweep(where, program)
        folder, lock = _make(where)
    except OSError as error:
        raise GpgError(
            f"No private folder for GnuPG can be made ({error.filename or 'temporary files'}: {error.strerror}). "
            "Free some space there, or set TMPDIR to a folder of this user."
        ) from error
    try:
        yield folder
    finally:
        _remove(folder, program)
        os.close(lock)


def base() -> Path:
    """Where homes lie."""
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        folder = Path(os.environ.get(name, "").split(":")[0])
        if folder.is_absolute() and len(str(folder)) <= LONGEST - len(PREFIX) - 9 and os.access(folder, os.W_OK):
            return folder
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= LONGEST - len(PREFIX) - 9 else Path("/tmp")  # noqa: S108 - of mode 700, locked


def sweep(where: Path, program: str) -> None:
    """Remove the homes that processes of this user left behind, and end the agents in them."""
    for entry in os.scandir(where):
        if not entry.name.startswith(PREFIX):
            continue
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                _remove_unheld(Path(entry.path), program)


def _remove_unheld(folder: Path, program: str) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder, program)
    finally:
        os.close(lock)


def _make(where: Path) -> tuple[Path, int]:
    """A folder and the lock on it. Somebody who sweeps may be quicker than we are, and take it for one left behind."""
    for _ in range(TRIES):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            _furnish(folder, lock)
            return folder, lock
        os.close(lock)
    raise GpgError(f"Another process removes the folders that GnuPG is to work in, in {where}. Set TMPDIR to another.")


def _furnish(folder: Path, lock: int) -> None:
    """All or nothing: one that there was no room for is gone again."""
    try:
        (folder / "gpg-agent.conf").write_text(AGENT)
        (folder / "common.conf").write_text("")  # 2.4 would have keys kept by a process of its own
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        raise


def _remove(folder: Path, program: str) -> None:
    """An agent ends, too, where its home is gone; it is told, so that this does not hang on the file system's word."""
    found = shutil.which(program)
    conf = Path(found).with_name("gpgconf") if found else None
    if conf and conf.exists() and (folder / "private-keys-v1.d").exists():
        for order in (["--kill", "all"], ["--remove-socketdir"]):
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(  # noqa: S603 - the program that the settings name, in a home of ours
                    [conf, "--homedir", folder, *order],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C"},
                    timeout=KILL_SECONDS,
                    check=False,
                )
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a socket that the agent made meanwhile
        shutil.rmtree(folder, ignore_errors=True)
