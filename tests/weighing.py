"""Seals a large file and opens it again, as a process of its own, and prints the peak memory of each process in KiB.

    python -m tests.weighing MIB

It is a program, so that what pytest has in memory does not count. The content is made and compared on its way.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

from h2h.openpgp import Form, OurKey, Smith, TheirKey
from tests.forging import NOW, forge

BLOCK = os.urandom(1 << 20)
peaks: dict[str, int] = {}


def note(step: str) -> None:
    """The peaks so far of this process and of all that work in a home."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            if int(entry.name) != os.getpid() and not any(b"--homedir" in word for word in command):
                continue
            status = (entry / "status").read_text()
        except OSError:
            continue
        if int(entry.name) != os.getpid() and b"h2h-pgp-" not in b" ".join(command):
            continue
        who = "ours" if int(entry.name) == os.getpid() else Path(os.fsdecode(command[0])).name
        peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
        peaks[f"{step} {who}"] = max(peak, peaks.get(f"{step} {who}", 0))


class Content(io.RawIOBase):
    """So many MiB of random bytes, the same in each."""

    def __init__(self, mebibytes: int) -> None:
        self.left = mebibytes
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        if self.left % 16 == 0:
            note("seal")
        if not self.left:
            return b""
        self.left -= 1
        self.digest.update(BLOCK)
        return BLOCK


def main(mebibytes: int) -> None:
    content, digest, pieces = Content(mebibytes), hashlib.sha256(), 0

    def took(piece: bytes) -> None:
        nonlocal pieces
        digest.update(piece)
        pieces += 1
        if pieces % 64 == 0:
            note("open")

    with forge() as f, tempfile.TemporaryFile(dir="/var/tmp") as file:
        us, bank = f.key("Us", "rsa3072"), f.key("Bank", "rsa3072")
        ours = [OurKey(data=f.secret(us), passphrase=None), OurKey(data=f.secret(bank), passphrase=None)]
        theirs = [TheirKey(data=f.public(us), fingerprint=us), TheirKey(data=f.public(bank), fingerprint=bank)]
        with Smith(ours[1:], theirs[:1], now=lambda: NOW) as one:
            one.seal(content, file.write, sign_with=bank, encrypt_to=[us], armour=False)  # type: ignore[arg-type]
        file.seek(0)
        with Smith(ours[:1], theirs[1:], now=lambda: NOW) as other:
            opened = other.open(file, took, wanted=Form.BOTH, at_most=mebibytes << 20)  # type: ignore[arg-type]
            note("open")
    assert digest.digest() == content.digest.digest()
    assert opened.size == mebibytes << 20
    print(json.dumps(peaks))


if __name__ == "__main__":
    main(int(sys.argv[1]))
