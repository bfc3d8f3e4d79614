"""GnuPG as a partner has it, or somebody who means ill: keys and files of any kind, made with the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.places import quick

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FAST = "s2k-count 1024\ndisable-scdaemon\n"  # a passphrase of a test need not be slow to try


CACHED = Path(__file__).parents[1] / ".cache" / "gnupg-2.4" / "bin" / "gpg"  # .ci/gnupg-2.4 puts it there
NEWER = os.environ.get("H2H_TEST_GNUPG_2_4", str(CACHED))


def needs(program: str) -> str:
    """The program, if it is there; else the test is skipped, and says so."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here; .ci/gnupg-2.4 fetches GnuPG 2.4")
    return program


class Forge:
    """A home in which everything may be done. Times are set by `at`."""

    def __init__(self, home: Path, program: str = "gpg") -> None:
        self.home, self.program = home, program
        (home / "gpg-agent.conf").write_text(FAST)

    def run(
        self, *order: str, data: bytes = b"", at: datetime = NOW, passphrase: str = "", fails: bool = False
    ) -> bytes:
        done = subprocess.run(
            [self.program, f"--homedir={self.home}", "--no-options", "--batch", "--no-tty", "--yes",
             "--pinentry-mode=loopback", "--trust-model=always", "--passphrase", passphrase, "--disable-dirmngr",
             f"--faked-system-time={at:%Y%m%dT%H%M%S}!", *order],
            input=data, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        assert fails or done.returncode == 0, done.stderr.decode()
        return done.stdout

    def key(
        self, name: str, kind: str = "ed25519", *, days: int = 365, at: datetime = NOW - timedelta(days=30),
        passphrase: str = "", encrypts: bool = True,
    ) -> str:  # fmt: skip
        """A new pair; its fingerprint."""
        until = f"seconds={days * 86_400}"
        user_id = f"{name} <{name.lower()}@test.example>"
        self.run("--quick-generate-key", user_id, kind, "cert,sign", until, at=at, passphrase=passphrase)
        listing = self.run("--list-keys", "--with-colons", f"={user_id}").decode()
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))
        if encrypts:
            other = "cv25519" if kind == "ed25519" else kind
            # a machine that is slow makes the key a second after `at`
            late = "--ignore-time-conflict"
            self.run(late, "--quick-add-key", fingerprint, other, "encr", until, at=at, passphrase=passphrase)
        return fingerprint

    def public(self, fingerprint: str, *order: str) -> bytes:
        return self.run(*order, "--export", fingerprint)

    def secret(self, fingerprint: str, *order: str, passphrase: str = "") -> bytes:
        return self.run(*order, "--export-secret-keys", fingerprint, passphrase=passphrase)


@contextmanager
def forge(program: str = "gpg") -> Iterator[Forge]:
    """In a folder with a short path: sockets lie in it."""
    needs(program)
    home = Path(tempfile.mkdtemp(prefix="forge-", dir=quick()))
    try:
        yield Forge(home, program)
    finally:
        conf = Path(shutil.which(program) or program).with_name("gpgconf")
        subprocess.run([conf, "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
