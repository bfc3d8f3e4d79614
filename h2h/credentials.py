"""Secrets are references in the settings. Here they become the secret itself, whenever one is needed.

env:NAME                 a variable of the gateway's own environment
file:/path               a file, or its first line, that nobody else may read
cred:NAME                a credential that systemd hands to its unit
keyring:SERVICE/NAME     an entry of the operating system's keyring
vault:MOUNT/PATH#FIELD   a field of a secret in HashiCorp Vault (vault.py)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from h2h.config.values import WAYS
from h2h.config.vault import VaultSettings
from h2h.errors import NotDelivered, Refused
from h2h.vault import Vault, within

MAX_SECRET_BYTES = 1 << 20
KEYRING_SECONDS = 10.0  # one that is locked may ask somebody on a screen, and wait


class Credentials:
    """Where the secrets of one gateway are had from."""

    def __init__(self, environ: Mapping[str, str] = os.environ, vault: VaultSettings | None = None) -> None:
        self._environ = environ
        self._vault = Vault(vault, self.secret) if vault else None

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
            case "keyring":
                return _from_keyring(name)
            case "vault" if self._vault:
                return self._vault.secret(name)
            case "vault":
                raise Refused(f"{reference} needs the section [vault] in the main file, which says where it is.")
            case _:
                raise Refused(f"What should refer to a secret does not: write {WAYS}.")

    def absence(self, reference: str) -> str | None:
        """Why it cannot be looked at from here and now, though the gateway may have it; None where it can, or is
        wrong."""
        if reference.startswith("cred:") and "CREDENTIALS_DIRECTORY" not in self._environ:
            return f"{reference} is there for the systemd unit only"
        try:
            self.secret(reference)
        except NotDelivered as error:
            return str(error).rstrip(".")
        except Refused:
            pass
        return None


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


def _from_keyring(place: str) -> str:
    service, _, name = place.partition("/")
    try:
        found = within(KEYRING_SECONDS, lambda: _asked(service, name))
    except TimeoutError:
        text = f"The keyring gave no answer within {KEYRING_SECONDS:g} s: unlock it for the user of the gateway."
        raise NotDelivered(text) from None
    if found is None:
        raise Refused(f"The keyring has no {name} of {service}; do: keyring set {service} {name}")
    return found


def _asked(service: str, name: str) -> str | None:
    import keyring
    from keyring.errors import KeyringLocked, NoKeyringError

    try:
        return keyring.get_password(service, name)
    except KeyringLocked:
        raise NotDelivered("The keyring is locked: unlock it for the user of the gateway.") from None
    except NoKeyringError:
        raise Refused("There is no keyring here for the user of the gateway; see `keyring --list-backends`.") from None
    except Exception as error:  # each back end raises what it likes
        raise NotDelivered(f"The keyring cannot be asked ({type(error).__name__}).") from None


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
