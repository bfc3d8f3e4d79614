"""Secrets are references in the settings: env:NAME, file:/path or cred:NAME. Here they become the secret itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from h2h.config.values import WAYS
from h2h.errors import Refused

MAX_SECRET_BYTES = 1 << 20


class Credentials:
    """Where the secrets of one gateway are had from."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def secret(self, reference: str) -> str:
        """The secret behind a reference, without a final line break; no text of an error ever holds it.

        Raises Refused, and NotDelivered where it may be had later.
        """
        kind, _, name = reference.partition(":")
        match kind:
            case "env":
                return _from_environment(name, self._environ)
            case "file":
                return _text(read_private(Path(name)), name)
            case "cred":
                return _text(_credential(name, self._environ), name)
            case _:
                raise Refused(f"What should refer to a secret does not: write {WAYS}.")

    def not_here(self, reference: str) -> bool:
        """Credentials of systemd are there for its unit alone, and not for who tries the settings by hand."""
        return reference.startswith("cred:") and "CREDENTIALS_DIRECTORY" not in self._environ


def read_private(path: Path) -> bytes:
    """A file that nobody but its owner may read or write; looser modes are Refused."""
    try:
        with path.open("rb") as file:
            if (mode := stat.S_IMODE(os.fstat(file.fileno()).st_mode)) & 0o077:
                raise Refused(f"{path} has mode {mode:04o}: others could read this secret. Do: chmod 600 {path}")
            return _bounded(file.read(MAX_SECRET_BYTES + 1), str(path))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    try:
        return environ[name]
    except KeyError:
        raise Refused(f"The environment variable {name}, which the settings refer to, is not set.") from None


def _credential(name: str, environ: Mapping[str, str]) -> bytes:
    """systemd guards the folder itself, and may show a group bit for its access list: no mode check here."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise Refused(f"cred:{name} needs $CREDENTIALS_DIRECTORY: start h2h as a systemd unit with LoadCredential=.")
    if "/" in name or name in ("", ".", ".."):
        raise Refused(f"cred:{name} is not the name of a credential.")
    try:
        return _bounded((Path(folder) / name).read_bytes(), name)
    except OSError as error:
        raise Refused(f"The credential {name} cannot be read from {folder}: {error.strerror}.") from error


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_SECRET_BYTES:
        raise Refused(f"{name} is too big to be a secret.")
    return data


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused(f"The secret in {name} is not text in UTF-8.") from None
