"""Origin: is a payment file from where payments may come from? By its owner, by its manifest, or by both.

Asked of what was claimed, on the very bytes that are judged. Whatever is wrong is a finding, and the file is refused.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterator

from h2h import manifest
from h2h.config import Outbound
from h2h.credentials import Credentials
from h2h.errors import ChannelError, FolderError
from h2h.model import Finding, Severity


class Origin:
    """What one folder asks of its files. Names and keys are looked up anew for each round of an intake."""

    def __init__(self, folder: Outbound, credentials: Credentials) -> None:
        """FolderError where an owner is not known here, or the key cannot be read: then nothing can be taken in."""
        self._owners = {owner: _uid(owner) for owner in folder.owners}
        self._key = _key(folder.manifest_key, credentials) if folder.manifest_key else None

    @property
    def asked(self) -> bool:
        return bool(self._owners) or self._key is not None

    def findings(self, owner: int, text: bytes | None, sha256: str) -> Iterator[Finding]:
        """What speaks against a file of this owner, with this manifest and these bytes."""
        if self._owners and owner not in self._owners.values():
            known = ", ".join(self._owners)
            said = (
                f"The file belongs to {_name(owner)}; payments in this folder come from {known} alone. Ask who left it."
            )
            yield _error("ORIGIN_OWNER", said)
        if self._key is None:
            return
        if text is None:
            said = (
                "No manifest came with the file. Drop it again, with one made by the program that makes the payments."
            )
            yield _error("ORIGIN_NO_MANIFEST", said)
        elif len(text) > manifest.MAX_BYTES:
            yield _error("ORIGIN_MANIFEST", f"The manifest is larger than {manifest.MAX_BYTES} bytes.")
        elif wrong := manifest.fault(text, self._key, sha256):
            yield _error(
                "ORIGIN_MANIFEST", f"The manifest {wrong}. Find out who made the file before it is dropped again."
            )

    def unknown(self) -> Iterator[Finding]:
        """For a file that was kept, and was gone from its folder before its origin was asked."""
        if self.asked:
            said = "The file was removed from the claims before its origin could be checked. Drop it again."
            yield _error("ORIGIN_UNKNOWN", said)


def problem(folder: Outbound, credentials: Credentials) -> str | None:
    """Why nothing can be taken in: an owner that is not known on this machine, a key that cannot be read."""
    try:
        Origin(folder, credentials)
    except FolderError as error:
        return str(error)
    return None


def _error(code: str, text: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text)


def _uid(owner: str) -> int:
    try:
        return int(owner) if owner.isdecimal() else pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise FolderError(f"There is no user {owner!r} here, who is named as an owner of payment files.") from None


def user_name(uid: int) -> str:
    """As one who drops files, or decides about them, is named."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _name(uid: int) -> str:
    name = user_name(uid)
    return name if name == f"user {uid}" else f"{name} ({uid})"


def _key(reference: str, credentials: Credentials) -> str:
    try:
        key = credentials.secret(reference)
    except ChannelError as error:
        raise FolderError(f"The key of the manifests cannot be had: {error}") from error
    if len(key) < manifest.SHORTEST_KEY:
        raise FolderError(
            f"The key of the manifests is shorter than {manifest.SHORTEST_KEY} characters: take a longer one."
        )
    return key
