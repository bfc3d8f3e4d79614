"""How a bank is reached: a block for each kind of channel, and the facts that they have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from h2h.config.section import Contradiction, Section
from h2h.config.values import Duration, HostKey, LocalPath, LocalTime, Network, Reference
from h2h.lifecycle import Route
from h2h.model import Way
from h2h.schedule import instant


class ChannelFacts(Section):
    """Facts about a bank's server are false unless stated: the careless default asks a person."""

    publish: Literal["rename", "marker", "direct"] = "rename"
    publish_marker: str = Field(default=".done", pattern=r"^\.[A-Za-z0-9._-]+$")
    atomic_rename: bool = False
    staging_is_ours: bool = False
    takes_file_before_marker: bool = False

    @property
    def way(self) -> Way:
        return Way(self.publish)

    @property
    def repeatable(self) -> bool:
        """Whether asking twice to publish the same temporary file cannot make the bank take it twice."""
        return self.takes_file_before_marker if self.way is Way.MARKER else self.atomic_rename


class NextKey(Section):
    """What we log in with from an hour of the bank's zone on, in place of the key before it."""

    file: LocalPath
    passphrase: Reference | None = None
    from_: LocalTime = Field(alias="from")

    def begins(self, timezone: str) -> datetime:
        return instant(self.from_.date(), self.from_.time(), timezone)


class SftpSettings(ChannelFacts):
    kind: Literal["sftp"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str
    key_file: LocalPath
    key_passphrase: Reference | None = None
    next_key: NextKey | None = None
    host_keys: Annotated[list[HostKey], Field(min_length=1)]
    addresses: Annotated[list[Network], Field(min_length=1)] | None = None
    connect_timeout: Duration = timedelta(seconds=15)
    operation_timeout: Duration = timedelta(seconds=60)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.next_key and self.next_key.file == self.key_file:
            yield Contradiction(text="is key_file: name the new key", keys=(("next_key", "file"), ("key_file",)))

    def as_of(self, now: datetime, timezone: str, accepted: Collection[str] = ()) -> SftpSettings:
        """With the key of this hour, and the host keys that people `accepted` beside those that are pinned."""
        pins: dict[str, Any] = {"host_keys": list(dict.fromkeys([*self.host_keys, *sorted(accepted)]))}
        here = self.model_copy(update=pins)
        then = self.next_key
        if then is None or now < then.begins(timezone):
            return here
        return here.model_copy(update={"key_file": then.file, "key_passphrase": then.passphrase})

    def by_next_key(self) -> SftpSettings | None:
        """To try the next key before its hour; None where there is none."""
        then = self.next_key
        if then is None:
            return None
        return self.model_copy(update={"key_file": then.file, "key_passphrase": then.passphrase, "next_key": None})

    @property
    def switched(self) -> bool:
        """Whether these are the settings from the hour of the next key on."""
        return self.next_key is not None and self.next_key.file == self.key_file

    def lets(self, earlier: SftpSettings) -> bool:
        """Whether a session that was opened by the earlier settings may go on: same key, no pin lost."""
        return self.key_file == earlier.key_file and set(earlier.host_keys) <= set(self.host_keys)

    @property
    def address(self) -> str:
        return f"{self.host.lower().rstrip('.')}:{self.port}"

    @property
    def route(self) -> Route:
        server = f"sftp://{self.user}@{self.address}"
        return Route(way=self.way, server=server, host_keys=tuple(sorted(self.host_keys)))


class FolderSettings(ChannelFacts):
    """A bank (or a SWIFT or EBICS client beside us) that is reached through a local or mounted folder."""

    kind: Literal["folder"]
    path: LocalPath

    @property
    def route(self) -> Route:
        return Route(way=self.way, server=f"folder://{self.path}")


ChannelSettings = Annotated[SftpSettings | FolderSettings, Field(discriminator="kind")]
