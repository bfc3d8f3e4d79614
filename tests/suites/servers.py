"""Real SFTP servers for tests: one of asyncssh, which can be told to misbehave, and a real OpenSSH.

Each is used in a `with` and then has `host`, `port`, `fingerprint`, `user`, `user_key`, the local folder `root` behind
it and `home`, the prefix under which a client sees `root`. `settings(**changes)` are the SftpSettings that fit.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import asyncssh

from h2h.config import SftpSettings

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")
PATIENCE_SECONDS = 10


def make_key(path: Path, algorithm: str = "ssh-ed25519", **options: Any) -> asyncssh.SSHKey:
    """A new key pair in `path` (mode 0600) and `path`.pub."""
    key = asyncssh.generate_private_key(algorithm, **options)
    path.write_bytes(key.export_private_key())
    path.chmod(0o600)
    path.with_name(path.name + ".pub").write_bytes(key.export_public_key())
    return key


class BankServer:
    """What both have in common: keys, folders and settings. `work` is an empty folder of the test's own."""

    host = "127.0.0.1"
    port = 0
    home = ""
    user = "CORP0815"

    def __init__(self, work: Path) -> None:
        self.work = work
        self.root = work / "root"
        for folder in ("in", "out"):
            (self.root / folder).mkdir(parents=True)
        self.user_key = work / "user_key"
        make_key(self.user_key)
        self.host_key = make_key(work / "host_key")

    @property
    def fingerprint(self) -> str:
        return str(self.host_key.get_fingerprint())

    def settings(self, **changes: Any) -> SftpSettings:
        values: dict[str, Any] = {
            "kind": "sftp",
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "key_file": str(self.user_key),
            "host_keys": [self.fingerprint],
        }
        timeouts = {key: changes.pop(key) for key in ("connect_timeout", "operation_timeout") if key in changes}
        settings = SftpSettings.model_validate(values | changes)
        return settings.model_copy(update={key: timedelta(seconds=value) for key, value in timeouts.items()})


class AsyncSshServer(BankServer):
    """asyncssh in a thread, its root confined to `root`. `behaviour` is an SFTPServer subclass; `options` go to
    asyncssh.listen. One thread and one loop for each server."""

    def __init__(
        self,
        work: Path,
        behaviour: type[asyncssh.SFTPServer] = asyncssh.SFTPServer,
        connection: type[Connection] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(work)
        self._behaviour = behaviour
        self._connection = connection or Connection
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bank", daemon=True)
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.logins: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._acceptor = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(PATIENCE_SECONDS)
        self.port = self._acceptor.get_port()
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        options: dict[str, Any] = {
            "server_host_keys": [self.host_key],
            "authorized_client_keys": str(self.user_key) + ".pub",
            "server_factory": lambda: self._connection(self),
            "sftp_factory": lambda channel: self._behaviour(channel, chroot=os.fsencode(self.root)),
        }
        return await asyncssh.listen(self.host, 0, **(options | self._options))

    async def _end(self) -> None:
        self._acceptor.close()
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        await self._acceptor.wait_closed()
        await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class Connection(asyncssh.SSHServer):
    """One client of an AsyncSshServer, from its first byte on."""

    def __init__(self, bank: AsyncSshServer) -> None:
        self.bank = bank

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.bank.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self.bank.logins.append(username)
        return True


class OpenSshServer(BankServer):
    """A real sshd with its own settings and keys, run as the current user, one process for each connection.

    We listen and hand the accepted socket over (`sshd -i`), so no port can be taken by somebody else in between.
    """

    def __init__(self, work: Path, lines: Sequence[str] = ()) -> None:
        super().__init__(work)
        self.user = getpass.getuser()
        self.home = str(self.root)
        self._lines = lines
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._config = self.work / "sshd_config"
        self._config.write_text("\n".join([*self._standard(), *self._lines, ""]))
        self._listener = socket.create_server((self.host, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="sshd", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_SECONDS)
        for child in self._children:
            child.terminate()
        with suppress(subprocess.TimeoutExpired):  # one that waits for its client does not hear
            for child in self._children:
                child.wait(PATIENCE_SECONDS / 5)
        self.cut()

    def cut(self) -> None:
        """Kill every session."""
        for child in self._children:
            child.kill()
            child.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        return (self.work / "sshd.log").read_text(errors="replace")

    def _standard(self) -> list[str]:
        return [
            f"HostKey {self.work}/host_key",
            f"AuthorizedKeysFile {self.user_key}.pub",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "Subsystem sftp internal-sftp",
            "PidFile none",
        ]

    def _accept(self) -> None:
        command = [str(SSHD), "-i", "-e", "-f", str(self._config)]
        with (self.work / "sshd.log").open("ab") as log, suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                with line:
                    self._children.append(
                        subprocess.Popen(command, stdin=line.fileno(), stdout=line.fileno(), stderr=log)
                    )


class ConfinedSshServer(OpenSshServer):
    """An sshd as banks run it: each user shut into a folder of root's, SFTP alone. It has to be run as root.

    The user is `nobody`, to whom `in` and `out` belong. `sftp`: what internal-sftp is called with, as in ``-R``.
    """

    def __init__(self, work: Path, lines: Sequence[str] = (), *, sftp: str = "") -> None:
        super().__init__(work, [f"ChrootDirectory {work}/root", f"ForceCommand internal-sftp {sftp}", *lines])
        self.user, self.home = "nobody", ""
        for folder in (work, self.root):
            folder.chmod(0o755)
        for folder in ("in", "out"):
            shutil.chown(self.root / folder, self.user)

    @classmethod
    @contextmanager
    def place(cls) -> Iterator[Path]:
        """A new folder to which only folders of root lead, as ChrootDirectory wants it; removed at the end."""
        with tempfile.TemporaryDirectory(prefix="h2h-", dir="/run") as folder:
            yield Path(folder)
