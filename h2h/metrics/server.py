"""The HTTP server that Prometheus scrapes: GET /metrics, and nothing else. It runs beside the gateway and never keeps
it from its work: a scrape that fails is answered with 503 and a sentence, and is a log line once.
"""

from __future__ import annotations

import logging
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from h2h.config.values import Listen
from h2h.errors import H2hError, Problem, SettingsError
from h2h.gateway import Gateway
from h2h.metrics.families import OfGateway, Standing

log = logging.getLogger(__name__)

PATH = "/metrics"
MOST_AT_ONCE = 8  # connections; more are closed
SILENT_SECONDS = 10.0  # until a connection is closed on which nothing comes
PLAIN = "text/plain; charset=utf-8"

Answer = tuple[int, str, bytes]
"""HTTP status, content type, body."""


class MetricsServer(socketserver.ThreadingTCPServer):
    """Listens from the start, answers between `serve` and `close`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, listen: Listen, answer: Callable[[str], Answer]) -> None:
        """`answer`: is given the header Accept. Raises OSError where the address cannot be listened on."""
        self.answer = answer
        self.address_family = listen.family
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((listen.host, listen.port), _Handler)

    def serve(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.2,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """After `serve`; what is under way is cut off."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a scrape was broken off", extra={"event": "scrape_broken_off"})


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = SILENT_SECONDS

    def do_GET(self) -> None:
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        self._send(with_body=False)

    def _send(self, *, with_body: bool) -> None:
        if self.path.partition("?")[0] != PATH:
            status, kind, body = 404, PLAIN, f"There is nothing here but {PATH}.\n".encode()
        else:
            status, kind, body = self.server.answer(self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def version_string(self) -> str:
        return "h2h"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that it is called by)
        """Scrapes are no events."""


class Scrapes:
    """Answers scrapes with what is measured of a gateway, and of this process."""

    def __init__(self, gateway: Gateway, standing: Standing) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(OfGateway(gateway, standing))
        ProcessCollector(registry=self._registry)
        self._failing = ""

    def answer(self, accept: str) -> Answer:
        encode, kind = choose_encoder(accept)
        try:
            body = encode(self._registry)
        except H2hError as error:
            return self._failed(str(error))
        except Exception as error:
            if not self._failing:
                log.exception("scrape failed", extra={"event": "scrape_failed"})
            return self._failed(f"The gateway itself failed ({type(error).__name__}); its log says more.")
        self._failing = ""
        return 200, kind, body

    def _failed(self, text: str) -> Answer:
        """Once for each trouble, however often it is met again."""
        if self._failing != text:
            log.error("scrape failed", extra={"event": "scrape_failed", "text": text})
        self._failing = text
        return 503, PLAIN, f"{' '.join(text.split())}\n".encode()


def listening(gateway: Gateway, standing: Standing) -> MetricsServer:
    """The server of a gateway whose settings name an address. SettingsError where that cannot be had."""
    listen = gateway.settings.gateway.metrics
    assert listen
    try:
        return MetricsServer(listen, Scrapes(gateway, standing).answer)
    except OSError as error:
        text = f"{listen} cannot be listened on: {error.strerror}; choose another address, or end what has this one"
        problem = Problem(file=str(gateway.settings.file), line=None, key="gateway.metrics", text=text)
        raise SettingsError([problem]) from error
