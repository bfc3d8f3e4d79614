"""One request to one receiver: to an address that was checked, within a time as a whole, and no further than there.

The name is looked up once; the address that was checked is the one that is connected to. Where the answer points is
never gone to, what it says is read up to a bound, and however slowly it comes, the time of the request ends. httpcore2
speaks HTTP; it knows of no redirect, proxy or cookie by itself.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum, auto
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import httpcore2 as http

from h2h.clock import Clock
from h2h.config.webhooks import Webhook
from h2h.credentials import Credentials
from h2h.errors import ChannelError, Refused
from h2h.text import one_line
from h2h.webhooks.addresses import allowed, is_loopback
from h2h.webhooks.body import signature

T = TypeVar("T")
Headers = dict[bytes | str, bytes | str]

GLANCE_SECONDS = 0.25  # how soon it is seen that the gateway stops
CONNECT_SECONDS = 5.0  # for one address
MOST_ADDRESSES = 4  # of one name that are tried
MOST_BYTES = 16_384  # of what an answer says
LONGEST = 300  # characters of a reason
LEAST_WAIT, MOST_WAIT = 1.0, 3600.0  # seconds, of those that a receiver may ask for
GONE = 410
SHORTEST_SECRET = 32  # bytes


class Outcome(StrEnum):
    TAKEN = auto()
    FAILED = auto()
    GONE = auto()  # the receiver wants no more
    BROKEN_OFF = auto()  # by us: the gateway stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`text`: what was wrong, in words that follow the receiver's name; `wait`: seconds that the receiver asks for."""

    outcome: Outcome
    text: str = ""
    wait: float | None = None


class _Stopping(Exception):
    pass


class Post:
    """`stop`: whether to break off."""

    def __init__(
        self, webhook: Webhook, clock: Clock, credentials: Credentials, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._credentials = credentials
        self.stopping = stop
        self._tls = tls(webhook)

    def send(self, content: bytes, event_id: str) -> Answer:
        """Whether the receiver took it. Raises ChannelError where the secret cannot be had."""
        headers = self._headers(content, event_id)
        deadline = _Deadline(self._clock, self._webhook.timeout.total_seconds(), self.stopping)
        try:
            return self._ask(content, headers, _Checked(self._addresses(), deadline))
        except _Stopping:
            return Answer(outcome=Outcome.BROKEN_OFF)
        except (OSError, http.NetworkError, http.ProtocolError) as error:
            return Answer(outcome=Outcome.FAILED, text=one_line(self._words(error), LONGEST))

    def _headers(self, content: bytes, event_id: str) -> Headers:
        now = int(self._clock.now().timestamp())
        secrets = [self._credentials.secret(reference) for reference in self._webhook.secret]
        return {
            "Content-Type": "application/json",
            "User-Agent": "h2h",
            "Connection": "close",
            "H2H-Event-Id": event_id,
            "H2H-Timestamp": str(now),
            "H2H-Signature": signature(content, now, secrets),
        }

    def _addresses(self) -> list[str]:
        parts = urlsplit(self._webhook.url)
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError("the name of its server is none") from error
        all_ = list(dict.fromkeys(str(address[0]) for *_, address in found))
        usable = allowed(all_, self._webhook.addresses)
        if parts.scheme == "http":
            usable = [address for address in usable if is_loopback(address)]
        if not usable:
            raise OSError(
                f"stands for {', '.join(all_[:MOST_ADDRESSES])}, which is not public; nothing was sent. If that is "
                "right, list it in addresses"
            )
        return usable[:MOST_ADDRESSES]

    def _ask(self, content: bytes, headers: Headers, network: _Checked) -> Answer:
        url = http.URL(self._webhook.url)
        with (
            http.HTTPConnection(url.origin, ssl_context=self._tls, network_backend=network) as connection,
            connection.stream("POST", url, headers=headers, content=content) as response,
        ):
            answer = self._judged(response)
            if answer.outcome is not Outcome.BROKEN_OFF:
                _read_on(response)
            return answer

    def _judged(self, response: http.Response) -> Answer:
        status, said = response.status, {name.lower(): value for name, value in response.headers}
        if 200 <= status < 300:
            return Answer(outcome=Outcome.TAKEN)
        if status == GONE:
            return Answer(outcome=Outcome.GONE, text="answered 410: it wants to be told nothing more")
        text = f"answered {status}"
        if 300 <= status < 400:
            where = _place(said.get(b"location", b"").decode("latin-1"))
            text += f", which points to {where}; redirects are not followed: url has to name the receiver itself"
        wait = wait_of(said.get(b"retry-after", b"").decode("latin-1"), self._clock.now())
        return Answer(outcome=Outcome.FAILED, text=one_line(text, LONGEST), wait=wait)

    def _words(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                return f"did not answer within {self._webhook.timeout.total_seconds():g} s"
            case ssl.SSLCertVerificationError():
                return f"shows a certificate that does not hold: {error.verify_message}"
            case ssl.SSLError():
                return f"does not come to terms over TLS: {error.reason or error}"
            case socket.gaierror():
                return f"has a name that leads nowhere: {error.strerror}"
            case http.RemoteProtocolError() if "disconnected" in str(error):
                return "closed the connection without an answer"
            case http.ProtocolError():
                return f"does not answer in HTTP: {error}"
            case ConnectionError():
                return f"cannot be reached: {(error.strerror or str(error)).lower()}"
        return str(getattr(error, "strerror", None) or error)


def secret_fault(reference: str, credentials: Credentials) -> str | None:
    """Why nothing can be signed with it; None where it can."""
    try:
        length = len(credentials.secret(reference).encode())
    except ChannelError as error:
        return str(error).rstrip(".")
    if length >= SHORTEST_SECRET:
        return None
    return (
        f"the secret in {reference} has {length} bytes and needs {SHORTEST_SECRET} or more; as `openssl rand -hex 32` "
        "makes one"
    )


def tls(webhook: Webhook) -> ssl.SSLContext:
    """Refused where the certificates that the settings name cannot be read."""
    try:
        return ssl.create_default_context(cafile=webhook.ca)
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"The certificates in {webhook.ca} cannot be read.") from error


def wait_of(said: str, now: datetime) -> float | None:
    """Seconds, from a Retry-After; None where it says nothing that can be used."""
    if re.fullmatch(r"[0-9]{1,9}", said.strip()):
        seconds = float(said)
    else:
        try:
            at = parsedate_to_datetime(said)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, LEAST_WAIT), MOST_WAIT)


def _place(location: str) -> str:
    """Where a redirect points, without what may be a secret."""
    try:
        parts = urlsplit(location)
        place = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
    except ValueError:
        place = ""
    return place or "nowhere"


def _read_on(response: http.Response) -> None:
    """A little of what it says, so that it need not be broken off. What counts was said before."""
    read = 0
    try:
        for part in response.iter_stream():
            read += len(part)
            if read > MOST_BYTES:
                return
    except (OSError, _Stopping, http.NetworkError, http.ProtocolError):
        return


# The network, as far as one request may use it.


class _Deadline:
    def __init__(self, clock: Clock, seconds: float, stop: Callable[[], bool]) -> None:
        self._clock, self._stop = clock, stop
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._stop():
            raise _Stopping
        return left

    def patiently(self, plug: socket.socket, act: Callable[[], T]) -> T:
        """One call on the socket, broken off when the time is over or the gateway stops."""
        while True:
            plug.settimeout(min(self.left(), GLANCE_SECONDS))
            try:
                return act()
            except TimeoutError:
                continue


class _Checked(http.NetworkBackend):
    """Connects to these addresses, whatever name is asked for."""

    def __init__(self, addresses: Sequence[str], deadline: _Deadline) -> None:
        self._addresses, self._deadline = addresses, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> http.NetworkStream:
        *others, last = self._addresses
        for address in others:
            try:
                return self._connected(address, port)
            except OSError:
                self._deadline.left()
        return self._connected(last, port)

    def _connected(self, address: str, port: int) -> http.NetworkStream:
        plug = socket.create_connection((address, port), timeout=min(self._deadline.left(), CONNECT_SECONDS))
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(plug, self._deadline)


class _Stream(http.NetworkStream):
    def __init__(self, plug: socket.socket, deadline: _Deadline) -> None:
        self._plug, self._deadline = plug, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._deadline.patiently(self._plug, lambda: self._plug.recv(max_bytes))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        try:
            while rest:
                rest = rest[self._deadline.patiently(self._plug, partial(self._plug.send, rest)) :]
        except ConnectionError as error:
            raise http.WriteError from error  # it may have answered before it closed

    def close(self) -> None:
        self._plug.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> http.NetworkStream:
        try:
            wrapped = ssl_context.wrap_socket(
                self._plug, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._plug = wrapped
            self._deadline.patiently(wrapped, wrapped.do_handshake)
        except BaseException:
            self.close()
            raise
        return _Stream(wrapped, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return None
