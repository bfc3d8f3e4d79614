"""A whole world for one test: a bank in a box, a gateway set up against it, and an ERP's folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from h2h.clock import Clock
from h2h.config import Settings, load
from h2h.gateway import Gateway
from h2h.resources import root
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.server import BankServer

SAMPLES = root("samples") / "good"


@dataclass
class World:
    folder: Path
    port: int
    fingerprint: str
    user: str = "corp"
    facts: dict[str, str] = field(default_factory=lambda: {"atomic_rename": "true", "staging_is_ours": "true"})
    outbound: dict[str, str] = field(default_factory=dict)
    inbound: dict[str, str] = field(default_factory=dict)
    remote: str = ""

    @property
    def drop(self) -> Path:
        return self.folder / "erp" / "out"

    @property
    def deliver(self) -> Path:
        return self.folder / "erp" / "in"

    @property
    def config(self) -> Path:
        return self.folder / "h2h.toml"

    def write_settings(self) -> None:
        for path in (self.drop, self.deliver, self.folder / "banks"):
            path.mkdir(parents=True, exist_ok=True)
        self.config.write_text('[gateway]\ndata = "data"\nenvironment = "test"\n')
        (self.folder / "banks" / "box.toml").write_text(self._bank())

    def _bank(self) -> str:
        channel = {
            "kind": '"sftp"',
            "host": '"127.0.0.1"',
            "port": str(self.port),
            "user": f'"{self.user}"',
            "key_file": '"../client_key"',
            "host_keys": f'["{self.fingerprint}"]',
            "connect_timeout": '"10s"',
            "operation_timeout": '"20s"',
            **self.facts,
        }
        outbound = {
            "watch": '"../erp/out"',
            "settle": '"0s"',
            "messages": '["pain.001.001.03", "pain.001.001.09"]',
            "remote": f'"{self.remote}/in"',
            "name": '"{msg_id}.xml"',
            **self.outbound,
        }
        inbound = {
            "remote": f'"{self.remote}/out"',
            "match": '"*.xml"',
            "messages": '["pain.002.001.03", "pain.002.001.10", "camt.053.001.02", "camt.053.001.08"]',
            "every": '"1s"',
            "after": '"delete"',
            "deliver": '"../erp/in"',
            **self.inbound,
        }
        return "\n".join(
            [
                '[bank]\nname = "box"\ntimezone = "Europe/Berlin"\n\n[bank.retry]\nfirst = "50ms"\nmost = "200ms"\n',
                _table("[bank.channel]", channel),
                _table("[[bank.outbound]]", outbound),
                _table("[[bank.inbound]]", inbound),
            ]
        )

    def settings(self) -> Settings:
        self.write_settings()
        return load(self.config)

    def gateway(self, clock: Clock | None = None) -> Gateway:
        return Gateway(self.settings(), clock or Clock())

    def drop_file(self, content: bytes, name: str = "payments.xml") -> Path:
        """As an ERP should do it: written under another name, then renamed."""
        part = self.drop / f".{name}.part"
        part.write_bytes(content)
        target = self.drop / name
        os.rename(part, target)
        return target


def _table(header: str, values: dict[str, str]) -> str:
    return "\n".join([header, *(f"{key} = {value}" for key, value in values.items()), ""])


@contextmanager
def world(folder: Path, scenario: Scenario | None = None, **options: object) -> Iterator[tuple[World, BankServer]]:
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "client_key"
    public = create_client_key(key)
    with BankServer(folder / "bank", scenario or Scenario(), authorized_keys=[public]) as bank:
        yield World(folder=folder, port=bank.port, fingerprint=bank.host_key_fingerprint, **options), bank  # type: ignore[arg-type]


def sample(name: str = "pain.001.001.09", message_id: str | None = None) -> bytes:
    """A good sample, with a message id of its own where the test wants one."""
    text = (SAMPLES / f"{name}.xml").read_text(encoding="utf-8")
    if message_id is not None:
        text = re.sub(r"<MsgId>[^<]*</MsgId>", f"<MsgId>{message_id}</MsgId>", text, count=1)
    return text.encode()
