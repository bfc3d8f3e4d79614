"""How a bank is reached: a block for each kind of channel, and the facts that they have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from h2h.config.section import Section
from h2h.config.values import Duration, HostKey, LocalPath, Network, Reference
from h2h.lifecycle import Route
from h2h.model import Way


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


class SftpSettings(ChannelFacts):
    kind: Literal["sftp"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: str
    key_file: LocalPath
    key_passphrase: Reference | None = None
    host_keys: Annotated[list[HostKey], Field(min_length=1)]
    addresses: Annotated[list[Network], Field(min_length=1)] | None = None
    connect_timeout: Duration = timedelta(seconds=15)
    operation_timeout: Duration = timedelta(seconds=60)

    @property
    def route(self) -> Route:
        server = f"sftp://{self.user}@{self.host.lower().rstrip('.')}:{self.port}"
        return Route(way=self.way, server=server, host_keys=tuple(sorted(self.host_keys)))


class FolderSettings(ChannelFacts):
    """A bank (or a SWIFT or EBICS client beside us) that is reached through a local or mounted folder."""

    kind: Literal["folder"]
    path: LocalPath

    @property
    def route(self) -> Route:
        return Route(way=self.way, server=f"folder://{self.path}")


ChannelSettings = Annotated[SftpSettings | FolderSettings, Field(discriminator="kind")]
