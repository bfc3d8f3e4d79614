"""Where HashiCorp Vault is, and how we log in there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from h2h.config.section import Contradiction, Section
from h2h.config.values import Duration, LocalPath, Reference

SHORTEST, LONGEST = timedelta(milliseconds=100), timedelta(seconds=30)  # of a request


def _address(value: str) -> str:
    """No word of the value is repeated: a token may stand in it."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not re.fullmatch("[!-~]+", value) or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ValueError("is no address of a server; write one such as https://vault.corp.internal:8200")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(parts)):
        raise ValueError("must begin with https://; http:// goes to this machine only, as in http://127.0.0.1:8200")
    return value.rstrip("/")


def _here(parts: SplitResult) -> bool:
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


class VaultSettings(Section):
    """Either `token`, or `role_id` and `secret_id` of an AppRole; `ca`: in place of the system's certificates."""

    address: Annotated[str, AfterValidator(_address)]
    token: Reference | None = None
    role_id: Reference | None = None
    secret_id: Reference | None = None
    namespace: str | None = Field(default=None, min_length=1)
    ca: LocalPath | None = None
    timeout: Duration = timedelta(seconds=5)

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def references(self) -> dict[str, str]:
        """What is needed to log in there, by its key."""
        keys = ("token", "role_id", "secret_id")
        return {key: value for key in keys if (value := getattr(self, key)) is not None}

    def contradictions(self) -> Iterator[Contradiction]:
        if {*self.references} not in ({"token"}, {"role_id", "secret_id"}):
            text = "say how to log in: token, or role_id and secret_id"
            yield Contradiction(text=text, keys=(("address",), ("token",), ("role_id",), ("secret_id",)))
        for key, reference in self.references.items():
            if reference.startswith("vault:"):
                yield Contradiction(text="is needed to ask the vault, and cannot stand there itself", keys=((key,),))
        if not SHORTEST <= self.timeout <= LONGEST:
            yield Contradiction(text="has to be between 100ms and 30s", keys=(("timeout",),))
