"""A server on loopback that speaks as much of HashiCorp Vault as reading a secret takes, and fails as a test has it.

The program itself is not in Debian, and its own server is no Python package: what is here follows the published
interface of its KV engine (version 2) and of AppRole.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.listening import served

TOKEN = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY"
ROLE, SECRET_ID = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", "84896a0c-1347-aa90-a4f6-aca8b7558780"


@dataclass
class VaultServer:
    """`secrets`: by MOUNT/PATH. `behave`: in place of answering, as long as it is set."""

    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    namespace: str | None = None
    lease: int = 3600
    behave: Callable[[Asked], None] | None = None
    asked: list[str] = field(default_factory=list)  # method and path
    over: threading.Event = field(default_factory=threading.Event)
    address: str = ""


class Asked(BaseHTTPRequestHandler):
    vault: VaultServer

    def do_GET(self) -> None:
        self._noted()
        if self.vault.behave:
            self.vault.behave(self)
        elif self.headers["X-Vault-Token"] not in self.vault.tokens or self._elsewhere():
            self.answer(403, {"errors": ["permission denied"]})
        else:
            mount, _, path = self.path.removeprefix("/v1/").partition("/data/")
            found = self.vault.secrets.get(f"{mount}/{path}")
            data = {"data": found, "metadata": {"version": 3, "deletion_time": "", "destroyed": False}}
            self.answer(200, {"lease_id": "", "data": data}) if found else self.answer(404, {"errors": []})

    def do_POST(self) -> None:
        self._noted()
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.vault.behave:
            self.vault.behave(self)
        elif self.path == "/v1/auth/approle/login" and said == {"role_id": ROLE, "secret_id": SECRET_ID}:
            token = f"hvs.role{len(self.vault.asked)}"
            self.vault.tokens.add(token)
            self.answer(200, {"auth": {"client_token": token, "lease_duration": self.vault.lease, "renewable": True}})
        else:
            self.answer(400, {"errors": ["invalid role or secret ID"]})

    def _noted(self) -> None:
        self.vault.asked.append(f"{self.command} {self.path}")

    def _elsewhere(self) -> bool:
        return self.headers["X-Vault-Namespace"] != self.vault.namespace

    def answer(self, status: int, said: object, **headers: str) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def sealed(asked: Asked) -> None:
    asked.answer(503, {"errors": ["Vault is sealed"]})


def points_to(address: str) -> Callable[[Asked], None]:
    return lambda asked: asked.answer(307, {}, Location=f"{address}{asked.path}")


def says(body: object) -> Callable[[Asked], None]:
    return lambda asked: asked.answer(200, body)


def is_silent(asked: Asked) -> None:
    asked.vault.over.wait()


def drips(asked: Asked) -> None:
    """A good beginning, and then a header without end, letter by letter."""
    asked.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    with_out_end(asked)


def with_out_end(asked: Asked) -> None:
    try:
        while not asked.vault.over.wait(0.02):
            asked.wfile.write(b"x")
    except OSError:
        pass


def closes(asked: Asked) -> None:
    asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    asked.connection.close()


def is_cut(asked: Asked) -> None:
    """Less than it says, and an end as if that were all."""
    asked.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data"')


def breaks(asked: Asked) -> None:
    is_cut(asked)
    closes(asked)


def is_no_http(asked: Asked) -> None:
    asked.wfile.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n{"data"')


@contextmanager
def vault(tls: ssl.SSLContext | None = None, **more: Any) -> Iterator[VaultServer]:
    found = VaultServer(**more)
    with served(type("Handler", (Asked,), {"vault": found}), found.over, tls) as port:
        found.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield found
