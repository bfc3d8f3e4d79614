"""A program that is told of events: a real HTTP server on loopback, which behaves as a test has it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Heard:
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard = Heard(dict(self.headers), body)
        self.receiver.asked.append(self.heard)
        self.receiver.behave(self)

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, **headers: str) -> None:
        if 200 <= status < 300:
            self.receiver.taken.append(self.heard)
        self.send_response(status)
        for name, value in {"content_length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def takes(request: Request) -> None:
    request.answer(204)


def answers(status: int, **headers: str) -> Behaviour:
    return lambda request: request.answer(status, **headers)


def closes(request: Request) -> None:
    """Without a word, by reset."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    request.close_connection = True
    request.connection.close()


def is_silent(request: Request) -> None:
    """Until the other side hangs up, or the test is over."""
    request.connection.settimeout(None)
    while request.connection.recv(100):
        pass
    request.close_connection = True


def drips(first: bytes) -> Behaviour:
    """`first`, and then a header of many letters, one by one."""

    def behave(request: Request) -> None:
        request.close_connection = True
        try:
            request.wfile.write(first)
            while not request.receiver.over.wait(0.02):
                request.wfile.write(b"x")
        except OSError:
            request.receiver.hung_up.set()

    return behave


@dataclass
class Receiver:
    """`asked`: all that came in; `taken`: what was answered by 2xx."""

    port: int = 0
    scheme: str = "http"
    behave: Behaviour = takes
    asked: list[Heard] = field(default_factory=list)
    taken: list[Heard] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/h2h"

    def told(self, subject: str | None = None) -> list[str]:
        """The kinds of what was taken, in order; of one subject, or of all with theirs."""
        said = [heard.said for heard in self.taken]
        if subject is None:
            return [f"{one['subject']} {one['kind']}" for one in said]
        return [one["kind"] for one in said if one["subject"] == subject]


@contextmanager
def receiver(behave: Behaviour = takes, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    found = Receiver(behave=behave, scheme="https" if tls else "http")
    with served(type("Handler", (Request,), {"receiver": found}), found.over, tls) as port:
        found.port = port
        yield found


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], over: threading.Event, tls: ssl.SSLContext | None) -> Iterator[int]:
    """A server on loopback, by its port, that answers in threads; `over` is set when it ends."""
    server = _Server(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        pass  # a client that hangs up is what some tests are about


def settings_of(url: str, folder: Path, name: str = "erp", **more: str) -> str:
    """A block of the settings, and its secret's file."""
    file = folder / f"{name}.secret"
    file.touch(mode=0o600)
    file.write_text(SECRET)
    values = {
        "name": f'"{name}"',
        "url": f'"{url}"',
        "secret": f'"file:{file}"',
        "addresses": '["127.0.0.0/8"]',
        **more,
    }
    return "\n".join(["[[webhooks]]", *(f"{key} = {value}" for key, value in values.items()), ""])
