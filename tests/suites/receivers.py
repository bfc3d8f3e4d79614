"""Real receivers of alerts: a mail server and a web server, each of which can be told to misbehave.

Each is used in a `with` and then has a `port`; what came stands in `letters`, in its order.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

from aiosmtpd.smtp import SMTP, Envelope

HOST = "127.0.0.1"
PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Came:
    """A letter as it came. `kind` is how urgent the library says it is; a mail does not say."""

    subject: str
    body: str
    to: str = ""
    kind: str = ""


class WebServer:
    """Takes what apprise sends to json://. `answers`: how to the next ones, the last for ever after: a status, or

    "slow"   no answer until the server ends
    "close"  the connection is closed without one
    "away"   a redirect to `elsewhere`
    """

    def __init__(self, *answers: int | str, elsewhere: str = "") -> None:
        self.answers: list[int | str] = [*(answers or (200,))]
        self.elsewhere = elsewhere
        self.letters: list[Came] = []
        self.asked: list[str] = []  # method and path of each request
        self.ending = threading.Event()

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"web": self})
        self._server = ThreadingHTTPServer((HOST, 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join(PATIENCE_SECONDS)
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"json://{HOST}:{self.port}/hook/secret-token"

    def next_answer(self) -> int | str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    web: ClassVar[WebServer]

    def do_GET(self) -> None:
        self.web.asked.append(f"GET {self.path}")
        self._say(200)

    def do_POST(self) -> None:
        self.web.asked.append(f"POST {self.path}")
        content = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.web.next_answer()
        if answer == "slow":
            self.web.ending.wait()
            self.close_connection = True
        elif answer == "close":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif answer == "away":
            self.send_response(307)
            self.send_header("Location", self.web.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            assert isinstance(answer, int)
            if answer < 300:
                said: dict[str, Any] = json.loads(content)
                self.web.letters.append(Came(subject=said["title"], body=said["message"], kind=said["type"]))
            self._say(answer)

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class MailServer:
    """Takes mail. `manner`: "takes", "refuses" every recipient, or "hangs" as soon as somebody connects."""

    def __init__(self, manner: str = "takes") -> None:
        self.manner = manner
        self.letters: list[Came] = []
        self.connected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE_SECONDS)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"mailto://{HOST}:{self.port}/?from=h2h@corp.example&to=treasury@corp.example&mode=insecure"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        if self.manner == "refuses":
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_content().replace("\r\n", "\n")
        self.letters.append(Came(subject=mail["Subject"], body=body, to=envelope.rcpt_tos[0]))
        return "250 OK"

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, HOST, 0)

    def _protocol(self) -> asyncio.BaseProtocol:
        self.connected.set()
        if self.manner == "hangs":
            return asyncio.Protocol()
        return SMTP(self, loop=self._loop, hostname="mail.corp.example")

    async def _end(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
