"""Programs that are told of events over HTTP: their addresses, what they hear, and the secrets that sign it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from h2h.config.section import Contradiction, Section
from h2h.config.values import Duration, LocalPath, Network, reference

MOST_SECRETS = 2  # the old one and the new one, while one takes the place of the other
SHORTEST, LONGEST = timedelta(milliseconds=100), timedelta(minutes=1)  # of a request
Sort = Literal["transfer", "verdict", "message", "gap", "alarm", "cut-off", "bank", "gateway"]


def _url(value: str) -> str:
    """No word of the value is repeated: a password may stand in it."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not re.fullmatch("[!-~]+", value):
        raise ValueError("is no address of a web server; write one such as https://erp.corp.example/h2h")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("names a user, a password or a fragment; events are signed instead, with secret")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(parts)):
        raise ValueError("must begin with https://; http:// goes to this machine only, as in http://127.0.0.1:8080/h2h")
    return value


def _here(parts: SplitResult) -> bool:
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _secrets(value: object) -> object:
    references = tuple(map(reference, value if isinstance(value, list) else [value]))
    if not 1 <= len(references) <= MOST_SECRETS:
        raise ValueError("takes one secret, or two while a new one takes the place of the old one")
    return references


Url = Annotated[str, AfterValidator(_url)]
Secrets = Annotated[tuple[str, ...], BeforeValidator(_secrets), PlainSerializer(list)]


class Webhook(Section):
    """`banks` and `events`: all, where they are not stated; events of no bank then, too."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    url: Url
    secret: Secrets
    banks: Annotated[list[str], Field(min_length=1)] | None = None
    events: Annotated[list[Sort], Field(min_length=1)] | None = None
    addresses: list[Network] = Field(default=[])
    ca: LocalPath | None = None
    timeout: Duration = timedelta(seconds=10)
    give_up_after: Duration = timedelta(days=3)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def hears(self, sort: Sort, bank: str) -> bool:
        """Whether it is told of such an event of this bank (empty: of none)."""
        return (self.banks is None or bank in self.banks) and (self.events is None or sort in self.events)

    def contradictions(self) -> Iterator[Contradiction]:
        if not SHORTEST <= self.timeout <= LONGEST:
            yield Contradiction(text="has to be between 100ms and 1m", keys=(("timeout",),))


def named_twice(webhooks: Sequence[Webhook]) -> Iterator[Contradiction]:
    for (first, one), (second, other) in itertools.combinations(enumerate(webhooks), 2):
        if one.name == other.name:
            text = "is the name of another one, too; it must be unique"
            yield Contradiction(text=text, keys=(("webhooks", second, "name"), ("webhooks", first, "name")))
