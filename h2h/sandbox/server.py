"""The SFTP side of a sandbox bank: key login only, one folder tree that no client can leave, on 127.0.0.1.

`BankServer` runs in two threads of its own, an asyncssh event loop and a desk (see desk.py):

    with BankServer(root, scenario, authorized_keys=[line]) as bank:
        … connect to bank.port, pinning bank.host_key_fingerprint …
        bank.settle()

Faults are subclasses of BankSftp, one per session of a client, given as `server_class`: override `rename`, `write`,
`scandir` …, raise asyncssh.SFTPError, or call `self.connection.abort()` before or after `super()`; `self.desk` is the
bank behind it, and asks for the file when `arrived` is called.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import asyncssh

from h2h.errors import UsageError
from h2h.sandbox import keys
from h2h.sandbox.bank import Bank
from h2h.sandbox.desk import STOP_SECONDS, Desk
from h2h.sandbox.folders import Folders, Taken
from h2h.sandbox.scenario import Scenario
from h2h.sandbox.wrapping import PgpWrapping, Wrapping

log = logging.getLogger("h2h.sandbox")

HOST = "127.0.0.1"
START_SECONDS = 20.0
SETTLE_SECONDS = 30.0


def _now() -> datetime:
    return datetime.now(UTC)


class BankSftp(asyncssh.SFTPServer):
    """One client's session. Paths in arguments are the client's; `map_path` gives the real one."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], desk: Desk) -> None:
        super().__init__(channel, chroot=os.fsencode(desk.folders.client))
        self.desk = desk

    def map_path(self, path: bytes) -> bytes:
        """Refuses what leads out of the root by a link, which asyncssh would follow."""
        local = super().map_path(path)
        root, real = os.fsencode(self.desk.folders.client), os.path.realpath(local)
        if real != root and not real.startswith(root + b"/"):
            raise asyncssh.SFTPPermissionDenied("Outside of your folders")
        return local

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        self._shown(path, itself=True)
        return super().scandir(path)

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs | Awaitable[asyncssh.SFTPAttrs]:
        self._shown(path)
        return super().stat(path)  # type: ignore[return-value]

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs | Awaitable[asyncssh.SFTPAttrs]:
        self._shown(path)
        return super().lstat(path)  # type: ignore[return-value]

    def _shown(self, path: bytes, *, itself: bool = False) -> None:
        """Where nobody may look into the inbox, nothing in it is shown; the folder itself can be asked for."""
        inbox, local = os.fsencode(self.desk.folders.inbox), self.map_path(path)
        inside = os.path.dirname(local) == inbox or (itself and local == inbox)
        if inside and not self.desk.scenario.shows_inbox:
            raise asyncssh.SFTPPermissionDenied("This folder is not shown")

    def _renamed(self) -> None:
        if not self.desk.scenario.renames:
            raise asyncssh.SFTPPermissionDenied("Files are not renamed here")

    def rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        self._renamed()
        super().rename(oldpath, newpath)
        self.arrived(self.map_path(newpath))
        return None

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        self._renamed()
        super().posix_rename(oldpath, newpath)
        self.arrived(self.map_path(newpath))
        return None

    def close(self, file_obj: object) -> Awaitable[None] | None:
        """Also called for every open file when the line is lost: a bank that sweeps takes half files, too."""
        file = cast(IO[bytes], file_obj)
        writable = file.writable()
        super().close(file)
        if writable:
            self.arrived(os.fsencode(file.name))
        return None

    def symlink(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        raise asyncssh.SFTPPermissionDenied("No links here")

    def link(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        raise asyncssh.SFTPPermissionDenied("No links here")

    def arrived(self, local: bytes) -> None:
        self.desk.arrived(Path(os.fsdecode(local)))


ServerFactory = Callable[[asyncssh.SSHServerChannel[bytes], Desk], asyncssh.SFTPServer]


class _Connection(asyncssh.SSHServer):
    """Keeps the list of open connections, so that stopping can end them. Keys are looked up at each login."""

    def __init__(self, open_connections: set[asyncssh.SSHServerConnection], authorized: Sequence[str | Path]) -> None:
        self._open = open_connections
        self._authorized = authorized
        self._own: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._own = conn
        self._open.add(conn)

    def begin_auth(self, username: str) -> bool:
        assert self._own is not None
        if known := keys.authorized(self._authorized):
            self._own.set_authorized_keys(known)
        return True  # a login is asked for, whether anybody is known or not

    def connection_lost(self, exc: Exception | None) -> None:
        if self._own is not None:
            self._open.discard(self._own)


class BankServer:
    """`authorized_keys`: OpenSSH public key lines (str), files of them, or folders of *.pub (Path), looked at anew for
    each login. The user name is not looked at.

    Raises UsageError where the port cannot be had, AlreadyRunning where another bank runs on `root`.
    """

    def __init__(
        self,
        root: Path,
        scenario: Scenario | None = None,
        *,
        authorized_keys: Sequence[str | Path],
        port: int = 0,
        clock: Callable[[], datetime] = _now,
        server_class: ServerFactory = BankSftp,
    ) -> None:
        self.scenario = scenario or Scenario()
        behaves = self.scenario
        self.folders = Folders(
            root,
            behaves.marker,
            names=behaves.names,
            papers={str(kind): folder for kind, folder in behaves.papers.items()},
        )
        self.host = HOST
        self.port = port
        self._host_key = keys.host_key(self.folders.host_key_file)
        self._authorized_keys = tuple(authorized_keys)
        keys.authorized(self._authorized_keys)  # what is no key is told at once
        self._server_class = server_class
        pgp = self.scenario.pgp
        self._wrapping = PgpWrapping(pgp, self.folders.host_key_file.parent, clock) if pgp else Wrapping()
        self.desk = Desk(self.folders, Bank(self.scenario, clock), self._wrapping)
        self._running = ExitStack()
        self._thread = threading.Thread(target=self._serve_in_thread, name="sandbox-sftp", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: Exception | None = None

    @property
    def host_key_fingerprint(self) -> str:
        """As OpenSSH prints it: SHA256:…"""
        return self._host_key.get_fingerprint("sha256")

    @property
    def host_key_line(self) -> str:
        """The public host key in OpenSSH format, for a known_hosts file."""
        return self._host_key.export_public_key("openssh").decode().strip()

    def channel_block(self, private_key: Path) -> str:
        """The `[bank.channel]` block of a gateway's settings by which this bank is reached."""
        return (
            "[bank.channel]\n"
            'kind = "sftp"\n'
            f'host = "{self.host}"\n'
            f"port = {self.port}\n"
            'user = "corp"\n'
            f'key_file = "{private_key}"\n'
            f'host_keys = ["{self.host_key_fingerprint}"]\n'
            "atomic_rename = true\n"
            "staging_is_ours = true\n"
        )

    def pgp_block(self) -> str:
        """The block by which the bank's key of PGP is known; empty where it has none."""
        if not isinstance(self._wrapping, PgpWrapping):
            return ""
        return (
            "[[bank.pgp.their_keys]]\n"
            f'file = "{self._wrapping.public_file}"\n'
            f'fingerprint = "{self._wrapping.fingerprint}"\n'
        )

    @property
    def taken(self) -> list[Taken]:
        """Every file that the bank ever took, in order."""
        return self.folders.taken()

    def settle(self, timeout_seconds: float = SETTLE_SECONDS) -> None:
        """Wait until all that is owed for the files taken so far lies in /out."""
        self.desk.settle(timeout_seconds)

    def close_day(self, timeout_seconds: float = SETTLE_SECONDS) -> list[str]:
        """End the bank's day: statements. Returns the names of the files put into /out."""
        return self.desk.close_day(timeout_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._running.enter_context(self.folders.held())
        try:
            self._running.callback(self._wrapping.close)
            self.desk.start()
            self._running.callback(self.desk.stop)
            self._listen()
        except BaseException:
            self._running.close()
            raise

    def stop(self) -> None:
        """Cuts every connection and ends both threads, within a few seconds. Once stopped, make a new one."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(STOP_SECONDS)
        self._running.close()

    def _listen(self) -> None:
        self._thread.start()
        in_time = self._ready.wait(START_SECONDS)
        if not in_time or not self.port or self._failure is not None:
            reason = self._failure or f"no answer within {START_SECONDS:.0f} s"
            raise UsageError(f"The sandbox bank cannot listen on {HOST}:{self.port}: {reason}.") from self._failure

    def _serve_in_thread(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, asyncssh.Error) as error:
            log.error("the server failed", extra={"event": "server_failed", "text": str(error)})
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        connections: set[asyncssh.SSHServerConnection] = set()
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        acceptor = await asyncssh.listen(
            HOST,
            self.port,
            server_factory=lambda: _Connection(connections, self._authorized_keys),
            server_host_keys=[self._host_key],
            sftp_factory=lambda channel: self._server_class(channel, self.desk),
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            allow_scp=False,
            allow_pty=False,
            x11_forwarding=False,
            agent_forwarding=False,
        )
        self.port = acceptor.get_port()
        self._ready.set()
        await self._end.wait()
        acceptor.close()
        for connection in list(connections):
            connection.abort()
        await asyncio.wait_for(acceptor.wait_closed(), STOP_SECONDS / 2)


def run_in_foreground(bank: BankServer, ready: Callable[[BankServer], None]) -> None:
    """Serve until SIGINT or SIGTERM; SIGUSR1 ends the bank's day. Main thread only, before other threads are begun."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with bank:
            ready(bank)
            while signal.sigwait(signals) == signal.SIGUSR1:
                bank.close_day()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
