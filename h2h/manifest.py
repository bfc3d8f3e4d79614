"""Manifests: a small file beside a payment file that shows who made it, as it can be made by two common commands.

<SHA-256>  payments.xml       as `sha256sum` writes it; one line or many
hmac-sha256 <HMAC-SHA256>     the last line: over all that stands before it, with a key that both sides know
"""

from __future__ import annotations

import hashlib
import hmac
import re

SUFFIX = ".manifest"
MAX_BYTES = 1 << 20
SHORTEST_KEY = 16  # characters

_LAST = re.compile(rb"(?:\A|(?<=\n))hmac-sha256 ([0-9a-fA-F]{64})\r?\n?\Z")
_LINE = re.compile(rb"^\\?([0-9a-fA-F]{64})[ \t]", re.MULTILINE)


def ends(text: bytes) -> bool:
    """Whether the last line is there: without it the manifest is still being written."""
    return _LAST.search(text) is not None


def fault(text: bytes, key: str, sha256: str) -> str | None:
    """Why the manifest does not vouch for a file with this SHA-256; None where it does."""
    last = _LAST.search(text)
    if last is None:
        return "does not end in a line hmac-sha256 and 64 hexadecimal digits"
    listed = text[: last.start()]
    made = hmac.new(key.encode(), listed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, last[1].decode().lower()):
        return "was not made with the key of this folder, or was changed"
    if sha256 not in {found.decode().lower() for found in _LINE.findall(listed)}:
        return f"does not list this file's SHA-256, {sha256}; the file is not the one that it was made for"
    return None
