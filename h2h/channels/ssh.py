"""An SSH session to a bank: own socket, strict algorithms, pinned host key, key login. Nothing of files.

    address -> connect -> greeting and key exchange -> host key against the pins -> login with the one key -> SFTP

The host key is compared before anything about us is sent. There is no first-use trust, no known_hosts, no agent, no
password and nothing from ~/.ssh. Foreign exceptions become NotDelivered or Refused in `connecting`.
"""

from __future__ import annotations

import errno
import io
import logging
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.ssh_exception import IncompatiblePeer

from h2h.channels.names import shown
from h2h.channels.packets import GcmPacketizer, known
from h2h.channels.sftp_wire import Wire
from h2h.channels.ssh_keys import Private, certificate, private_key
from h2h.channels.stream import stream_of
from h2h.config import SftpSettings
from h2h.errors import ChannelError, HostKeyChanged, NotDelivered, Refused, ShownKey

T = TypeVar("T", bound=paramiko.Transport)
KEEPALIVE_SECONDS = 30
CALM_SECONDS = 1.0  # between two looks of a session that has nothing to read; paramiko has 0.1
WINDOW = 8 << 20  # bytes that may come unread: more than a session ever asks for at once, so that nobody waits for it
MAX_PACKET = 128 * 1024  # bytes of data in one packet that we take
# A second try may lock the user, hides that the new key is not known there, and uses what may be given up for a reason.
NOT_THE_OLD_ONE = " It is next_key, and its hour has come: the key before it is not tried in its place."
MAX_BYTES_BEFORE_LOGIN = 256 * 1024  # greeting lines, key exchange and login banner together
ALLOWED = {
    "kex": (
        "mlkem768x25519-sha256",
        "curve25519-sha256@libssh.org",
        "curve25519-sha256",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
    ),
    "ciphers": (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
    ),
    "macs": (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    ),
    "keys": (
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    ),
}
ALLOWED["pubkeys"] = ALLOWED["keys"]


class Line(socket.socket):
    """The TCP connection under paramiko, which bounds neither what comes before the login nor a stuck send."""

    allowance: int | None = MAX_BYTES_BEFORE_LOGIN
    stall_seconds: float = 60
    _stuck_since: float | None = None

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        piece = super().recv(count, flags)
        self._allow(len(piece))
        return piece

    def recv_into(self, buffer: Any, count: int = 0, flags: int = 0, /) -> int:
        came = super().recv_into(buffer, count, flags)
        self._allow(came)
        return came

    def _allow(self, came: int) -> None:
        if self.allowance is None:
            return
        self.allowance -= came
        if self.allowance < 0:
            raise _abort(f"more than {MAX_BYTES_BEFORE_LOGIN} bytes came before the login was done")

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        try:
            count = super().send(data, flags)
        except TimeoutError:
            self._stuck_since = self._stuck_since or time.monotonic()
            if time.monotonic() - self._stuck_since < self.stall_seconds:
                raise
            raise _abort("the other side stopped reading") from None
        self._stuck_since = None
        return count

    def close(self) -> None:
        """Whoever waits for what comes is told at once."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()


def _abort(words: str) -> OSError:
    """With a number: paramiko's thread dies of an OSError without one, and wakes nobody who waits for it."""
    return ConnectionAbortedError(errno.ECONNABORTED, words)


def open_wire(settings: SftpSettings, *, passphrase: str | None) -> tuple[paramiko.Transport, Wire]:
    """A logged-in session with its SFTP subsystem. Raises NotDelivered or Refused."""
    quiet_paramiko()
    key = load_key(settings.key_file, passphrase=passphrase)
    with connecting(settings):
        transport = _trusted(settings)
        try:
            _log_in(transport, settings, key)
            return transport, _subsystem(transport, settings)
        except BaseException:
            transport.close()
            raise


@contextmanager
def connecting(settings: SftpSettings) -> Iterator[None]:
    """Translate everything that can go wrong up to the first SFTP reply."""
    where = f"{settings.host}:{settings.port}"
    try:
        yield
    except (ChannelError, AssertionError):
        raise
    except IncompatiblePeer as error:
        raise Refused(
            f"{where} and h2h have no SSH algorithm in common ({shown(str(error))}). The server offers only old ones: "
            "ask the bank to allow one of the current OpenSSH defaults."
        ) from error
    except socket.gaierror as error:
        raise NotDelivered(f"The name {settings.host} cannot be resolved: {error.strerror}.") from error
    except TimeoutError as error:
        raise NotDelivered(f"{where} did not answer in time while connecting ({error or 'no connection'}).") from error
    except Exception as error:  # whatever a packet made paramiko stumble over
        raise NotDelivered(f"The connection to {where} could not be opened: {shown(_words(error))}.") from error


def load_key(path: Path, *, passphrase: str | None) -> paramiko.PKey:
    """A private key in OpenSSH or PEM format, with the certificate beside it. Raises Refused for loose modes, a wrong
    passphrase, an unknown kind, a certificate of another key."""
    key = _as_paramiko(private_key(path, passphrase=passphrase))
    beside = certificate(path)
    if beside is None:
        return key
    if fault := beside.fault(key.fingerprint):
        raise Refused(fault)
    key.load_certificate(str(beside.file))
    return key


def quiet_paramiko() -> None:
    """paramiko logs tracebacks with a server's words in them; what matters is in our exceptions."""
    logger = logging.getLogger("paramiko")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def _trusted(settings: SftpSettings) -> paramiko.Transport:
    """A transport whose host key is pinned. A server with keys of several kinds is asked for each of them in turn,
    because the bank may have confirmed only one, and a fingerprint does not tell its kind."""
    offered: list[paramiko.PKey] = []
    while True:
        try:
            transport = handshake(settings, without=[key.get_name() for key in offered], kind=paramiko.Transport)
        except IncompatiblePeer:
            if offered:
                raise _untrusted(settings, offered) from None
            raise
        key = transport.get_remote_server_key()
        if key.fingerprint in settings.host_keys:
            return transport
        transport.close()
        if key.get_name() in (seen.get_name() for seen in offered):
            raise _untrusted(settings, [*offered, key])
        offered.append(key)


def _untrusted(settings: SftpSettings, offered: Collection[paramiko.PKey]) -> HostKeyChanged:
    keys = [ShownKey(fingerprint=key.fingerprint, algorithm=key.get_name()) for key in offered]
    shows = ", ".join(f"{key.fingerprint} ({key.algorithm})" for key in keys)
    text = (
        f"{settings.host}:{settings.port} shows a host key that is not pinned: {shows}. Pinned: "
        f"{', '.join(settings.host_keys)}. Nothing was sent. Somebody may stand between us and the bank: do not go on "
        "until the bank has confirmed the new key by another way; then let two persons accept it (`h2h keys accept`), "
        "or add its fingerprint to host_keys."
    )
    return HostKeyChanged(text, keys)


def handshake(settings: SftpSettings, *, without: Collection[str], kind: type[T]) -> T:
    """A transport after its key exchange; its host key may be anybody's. `without`: types not asked for."""
    seconds = settings.connect_timeout.total_seconds()
    transport = kind(
        _dial(settings),
        disabled_algorithms=_disabled(without),
        strict_kex=True,
        packetizer_class=GcmPacketizer if known() else None,
    )
    options = transport.get_security_options()
    options.ciphers = _in_our_order("ciphers", options.ciphers)
    options.digests = _in_our_order("macs", options.digests)
    transport.banner_timeout = transport.handshake_timeout = seconds
    transport.clear_to_send_timeout = settings.operation_timeout.total_seconds()
    try:
        transport.start_client(timeout=2 * seconds)
        if not transport.initial_kex_done:
            raise TimeoutError("the key exchange did not end")
    except BaseException:
        transport.close()
        raise
    return transport


def _dial(settings: SftpSettings) -> Line:
    seconds = settings.connect_timeout.total_seconds()
    plain = _connected(addresses_of(settings), settings.port, seconds)
    line = Line(fileno=plain.detach())
    line.stall_seconds = settings.operation_timeout.total_seconds()
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def addresses_of(settings: SftpSettings, *, any_: bool = False) -> list[str]:
    """What the name stands for; with `addresses` in the settings only those of them that are allowed, or `any_`."""
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    all_ = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if settings.addresses is None or any_:
        return all_
    networks = [ip_network(network) for network in settings.addresses]
    if allowed := [address for address in all_ if any(_plain(address) in network for network in networks)]:
        return allowed
    raise Refused(
        f"{settings.host} stands for {', '.join(all_)}, and the settings allow {', '.join(settings.addresses)} alone. "
        "Nothing was sent. Ask the bank by another way whether it moved; then mend bank.channel.addresses."
    )


def _plain(address: str) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as one of IPv6 is the one that it means."""
    read = ip_address(address)
    return getattr(read, "ipv4_mapped", None) or read


def _connected(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """The first address that takes us; the error of the last one if none does."""
    for address in addresses[:-1]:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout=seconds)
    return socket.create_connection((addresses[-1], port), timeout=seconds)


def _disabled(without: Collection[str]) -> dict[str, list[str]]:
    """Everything that paramiko knows and ALLOWED does not; and the kinds of host keys in `without`."""
    disabled = {
        group: [name for name in getattr(paramiko.Transport, f"_preferred_{group}") if name not in allowed]
        for group, allowed in ALLOWED.items()
    }
    disabled["keys"] += without
    if "ssh-rsa" in without:
        disabled["keys"] += ["rsa-sha2-256", "rsa-sha2-512"]
    return disabled


def _in_our_order(group: str, known: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in ALLOWED[group] if name in known)


def _log_in(transport: paramiko.Transport, settings: SftpSettings, key: paramiko.PKey) -> None:
    answered = threading.Event()
    transport.auth_publickey(settings.user, key, answered)
    if not answered.wait(settings.connect_timeout.total_seconds()):
        raise TimeoutError("the login was not answered")
    if not transport.is_authenticated():
        raise _login_error(transport.get_exception(), settings, key)
    transport.set_keepalive(KEEPALIVE_SECONDS)
    line = transport.sock
    assert isinstance(line, Line)
    line.allowance = None
    line.settimeout(CALM_SECONDS)


def _login_error(error: Exception | None, settings: SftpSettings, key: paramiko.PKey) -> Exception:
    """No error of the line means that the server itself said no, or good-bye."""
    if error is not None and not isinstance(error, paramiko.AuthenticationException):
        return error
    return Refused(
        f"{settings.host}:{settings.port} refused the login of user {settings.user} with the key {settings.key_file} "
        f"({key.fingerprint}{' and the certificate beside it' if key.public_blob else ''})"
        f"{f': {shown(str(error))}' if error else ''}. Ask the bank whether it has this public key for this user, and "
        f"whether the user is locked.{NOT_THE_OLD_ONE if settings.switched else ''}"
    )


def _subsystem(transport: paramiko.Transport, settings: SftpSettings) -> Wire:
    seconds = settings.operation_timeout.total_seconds()
    channel = transport.open_session(WINDOW, MAX_PACKET, timeout=seconds)
    channel.settimeout(seconds)
    with _within(transport, seconds):
        channel.invoke_subsystem("sftp")
    return Wire(stream_of(channel), timeout_seconds=seconds)


@contextmanager
def _within(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Close the transport when time is up: paramiko waits without an end for the answer to a channel request."""
    over = threading.Event()

    def end() -> None:
        over.set()
        transport.close()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (paramiko.SSHException, EOFError) as error:
        if over.is_set():
            raise TimeoutError("the request to start SFTP was not answered") from error
        raise
    finally:
        timer.cancel()


def _as_paramiko(key: Private) -> paramiko.PKey:
    """By way of the OpenSSH format, the one that each of paramiko's key classes reads."""
    form, no_secret = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    text = io.StringIO(key.private_bytes(serialization.Encoding.PEM, form, no_secret).decode())
    match key:
        case ed25519.Ed25519PrivateKey():
            return paramiko.Ed25519Key.from_private_key(text)
        case ec.EllipticCurvePrivateKey():
            return paramiko.ECDSAKey.from_private_key(text)
        case rsa.RSAPrivateKey():
            return paramiko.RSAKey.from_private_key(text)


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]  # "connection refused", without its number
    return "the server closed the connection" if isinstance(error, EOFError) else str(error) or type(error).__name__
