"""SSH keys of the sandbox in OpenSSH format: the bank's own host key, and key pairs for clients. Mode 0600."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncssh

HOST = "host_"  # begins the names of the bank's own keys


def host_key(path: Path) -> asyncssh.SSHKey:
    """The Ed25519 key at `path`, made on first use, so that the fingerprint survives restarts."""
    if not path.exists():
        create_client_key(path, comment="h2h sandbox bank")
    return asyncssh.read_private_key(str(path))


def create_client_key(path: Path, *, algorithm: str = "ssh-ed25519", comment: str = "h2h sandbox client") -> str:
    """Write a new private key to `path` (it must not exist) and `path`.pub; returns the public line."""
    key = asyncssh.generate_private_key(algorithm, comment=comment)
    public = key.export_public_key("openssh").decode().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.export_private_key("openssh"))
    path.with_name(path.name + ".pub").write_text(public + "\n", encoding="ascii")
    return public


def authorized(keys: Sequence[str | Path]) -> asyncssh.SSHAuthorizedKeys | None:
    """Public keys as OpenSSH lines (str), as files of such lines, or as folders with *.pub (Path). None for none."""
    lines = [key.read_text(encoding="utf-8") if isinstance(key, Path) else key for key in _each(keys)]
    return asyncssh.import_authorized_keys("\n".join(lines) + "\n") if lines else None


def _each(keys: Sequence[str | Path]) -> Iterator[str | Path]:
    for key in keys:
        if isinstance(key, Path) and key.is_dir():
            yield from (path for path in sorted(key.glob("*.pub")) if not path.name.startswith(HOST))
        else:
            yield key
