"""What files of a sandbox bank travel in: it takes what is packed as it is, and with [pgp] signed and encrypted files.

GnuPG is called here in a few lines of the bank's own. What it cannot open, or is not signed as agreed, the bank takes
for an empty file, and refuses it as one that is no order. Its key is made on first use and kept in keys/.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from h2h.errors import UsageError
from h2h.sandbox.scenario import Pgp

LONGEST_SECONDS = 60
NAME = "h2h sandbox bank <bank@sandbox.example>"


class Wrapping:
    """Files go as they are; what comes may be packed."""

    ending = ""

    def came(self, data: bytes) -> bytes:
        return unpacked(data)

    def goes(self, data: bytes) -> bytes:
        return data

    def close(self) -> None:
        pass


class PgpWrapping(Wrapping):
    """Raises UsageError where GnuPG, or a key of the client, cannot be used."""

    def __init__(self, pgp: Pgp, keys: Path, clock: Callable[[], datetime]) -> None:
        self._pgp, self._clock = pgp, clock
        self.ending = ".asc" if pgp.armour else ".pgp"
        self.public_file = keys / "pgp.asc"
        self._home = Path(tempfile.mkdtemp(prefix="h2h-sandbox-"))  # a short path: sockets lie in it
        self._gone = weakref.finalize(self, _remove, self._home)
        try:
            self.fingerprint = self._own(keys / "pgp_secret.asc")
            self._clients = [self._imported(Path(file)) for file in pgp.client_keys]
        except BaseException:
            self.close()
            raise

    def came(self, data: bytes) -> bytes:
        status = self._home / "status"
        opened = self._gpg("--yes", f"--status-file={status}", "--decrypt", data=data)
        said = status.read_text(encoding="utf-8", errors="replace").splitlines() if status.exists() else []
        words = [line.split()[1:] for line in said if line.startswith("[GNUPG:] ")]
        signers = {word[-1] for word in words if word[0] == "VALIDSIG"}
        signed = len(signers) == 1 and signers <= set(self._clients)
        encrypted = any(word[0] == "DECRYPTION_OKAY" for word in words)
        good = (signed or "sign" not in self._pgp.form) and (encrypted or "encrypt" not in self._pgp.form)
        return unpacked(opened) if opened is not None and good else b""

    def goes(self, data: bytes) -> bytes:
        order = ["--armor"] if self._pgp.armour else []
        order += ["--sign", f"--local-user={self.fingerprint}"] if "sign" in self._pgp.form else []
        order += ["--encrypt", f"--recipient={self._clients[-1]}"] if "encrypt" in self._pgp.form else []
        sealed = self._gpg(*order, data=data)
        if sealed is None:
            raise UsageError("The sandbox bank could not seal a file: is the client's key one that can still be used?")
        return sealed

    def close(self) -> None:
        self._gone()

    def _own(self, secret: Path) -> str:
        if secret.exists():
            return self._imported(secret)
        self._gpg("--passphrase=", "--quick-generate-key", NAME, "ed25519", "cert,sign", "2y")
        fingerprint = self._listed(self._gpg("--list-keys", "--with-colons"), "GnuPG")
        self._gpg("--passphrase=", "--quick-add-key", fingerprint, "cv25519", "encr", "2y")
        secret.parent.mkdir(parents=True, exist_ok=True)
        self.public_file.write_bytes(self._gpg("--armor", "--export", fingerprint) or b"")
        exported = self._gpg("--armor", "--passphrase=", "--export-secret-keys", fingerprint) or b""
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(exported)
        return fingerprint

    def _imported(self, file: Path) -> str:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UsageError(f"The key {file} cannot be read: {error.strerror}.") from error
        fingerprint = self._listed(
            self._gpg("--trust-model=direct", "--with-colons", "--show-keys", data=data), str(file)
        )
        self._gpg("--import", data=data)
        return fingerprint

    def _listed(self, listing: bytes | None, what: str) -> str:
        lines = (listing or b"").decode("utf-8", "replace").splitlines()
        found = [line.split(":")[9] for line in lines if line.startswith("fpr:")]
        if not found:
            raise UsageError(f"{what} gives no OpenPGP key.")
        return found[0]

    def _gpg(self, *order: str, data: bytes = b"") -> bytes | None:
        """What it writes; None where it fails."""
        now = f"--faked-system-time={self._clock():%Y%m%dT%H%M%S}"
        usual = ["--batch", "--no-options", "--no-tty", "--quiet", "--pinentry-mode=loopback", "--trust-model=always"]
        home = {"PATH": os.environ.get("PATH", os.defpath), "GNUPGHOME": str(self._home)}
        try:
            done = subprocess.run(  # noqa: S603 - arguments of our own
                ["gpg", *usual, now, *order],  # noqa: S607 - as the system has it
                input=data, capture_output=True, check=False, env=home, timeout=LONGEST_SECONDS,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"The sandbox bank needs GnuPG, and it cannot be run: {error}.") from error
        return done.stdout if done.returncode == 0 else None


def _remove(home: Path) -> None:
    with suppress(OSError, subprocess.SubprocessError):
        order = ["gpgconf", "--homedir", str(home), "--kill", "all"]
        subprocess.run(order, capture_output=True, check=False, timeout=LONGEST_SECONDS)  # noqa: S603 - our own words
    shutil.rmtree(home, ignore_errors=True)


def unpacked(data: bytes) -> bytes:
    """What is in a gzip, or the one member of a zip; anything else as it is. What is damaged is nothing."""
    try:
        if data.startswith(b"\x1f\x8b"):
            return gzip.decompress(data)
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                [member] = archive.namelist()
                return archive.read(member)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile):
        return b""
    return data
