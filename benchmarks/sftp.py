"""SFTP against a real OpenSSH server on this machine: large files, many small ones, and a line with a long way.

    python benchmarks/sftp.py [--quick] [--size MB] [--files N] [--rounds N] [--folder FOLDER]

Every way connects, does its work and leaves, in each round anew. Files stand in memory (/dev/shm) where that has room,
so that no disk is measured: h2h asks the server to sync each file, the others do not. The peer is `sftp` as installed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import asyncssh
import paramiko
from rounds import Way, interleaved, measured, parser_of, table, target, versions

from h2h.channels import Renaming, Upload, packets
from h2h.channels.sftp import SftpChannel, open_sftp
from h2h.config import SftpSettings
from h2h.model import Presence, RemoteFile
from h2h.outbound.handover import GROUP
from tests import alone
from tests.suites.servers import OpenSshServer

PEER = "OpenSSH sftp"
SMALL = 20_000  # bytes of a small file
FAR_SECONDS = 0.020  # there and back
OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")


class Bench:
    """A server, the files here, and the ways to move them. `port`: the server's own, or that of the long line."""

    def __init__(self, server: OpenSshServer, work: Path, *, size: int, files: int) -> None:
        self.server = server
        self.work = work
        self.port = server.port
        self.size = size
        self.big = work / "big"
        self.got = work / "got"
        block = os.urandom(1 << 20)
        with self.big.open("wb") as file:
            for _ in range(size >> 20):
                file.write(block)
        os.link(self.big, server.root / "out" / "big")
        self.small = [work / f"{number:05}.xml" for number in range(files)]
        for path in self.small:
            path.write_bytes(os.urandom(SMALL))

    def at(self, path: str) -> str:
        return f"{self.server.home}/{path}"

    def clear(self, *_: object) -> None:
        for path in (self.server.root / "in").iterdir():
            path.unlink()
        self.got.unlink(missing_ok=True)

    def settings(self) -> SftpSettings:
        return self.server.settings(port=self.port)

    def whole(self, count: int) -> None:
        """What arrived is all there."""
        sizes = [path.stat().st_size for path in (self.server.root / "in").iterdir() if path.name.endswith(".xml")]
        assert sizes == [SMALL] * count, f"{len(sizes)} of {count} files arrived"

    # OpenSSH

    def sftp(self, batch: str, *options: str) -> None:
        chosen = [part for option in (*OPTIONS, *options) for part in ("-o", option)]
        there = ["-P", str(self.port), "-i", str(self.server.user_key), f"{self.server.user}@127.0.0.1"]
        measured(["sftp", "-q", "-b", "-", *chosen, *there], stdin=batch.encode())

    # h2h

    @contextmanager
    def channel(self) -> Iterator[SftpChannel]:
        with open_sftp(self.settings(), passphrase=None) as channel:
            yield channel

    def put(self) -> None:
        with self.channel() as channel, self.big.open("rb") as source:
            alone.stage(channel, self.at("in/big"), source)

    def get(self) -> None:
        file = RemoteFile(folder=self.at("out"), name="big", size=self.size)
        with self.channel() as channel, self.got.open("wb") as sink:
            channel.fetch(file, sink)

    def one_by_one(self, files: Sequence[Path]) -> None:
        with self.channel() as channel:
            for path in files:
                with path.open("rb") as source:
                    staged = alone.stage(channel, self.at(f"in/.{path.name}.tmp"), source)
                alone.publish(channel, staged, self.at(f"in/{path.name}"))

    def in_groups(self, files: Sequence[Path]) -> None:
        """As the sender asks it of the channel: stage a group, look for its final names, rename all, look once more."""
        with self.channel() as channel:
            for first in range(0, len(files), GROUP):
                self._group(channel, files[first : first + GROUP])

    def _group(self, channel: SftpChannel, files: Sequence[Path]) -> None:
        parts = [self.at(f"in/.{path.name}.tmp") for path in files]
        uploads = [Upload(path=part, opened=partial(path.open, "rb")) for part, path in zip(parts, files, strict=True)]
        staged = channel.stage_many(uploads)
        finals = [self.at(f"in/{path.name}") for path in files]
        free = channel.look_many([*finals, *parts[:1]])
        assert [look.presence for look in free[:-1]] == [Presence.GONE] * len(files)
        renamings = [Renaming(staged=one, path=path) for one, path in zip(staged, finals, strict=True)]
        assert not [one for one in channel.publish_many(renamings) if isinstance(one, Exception)]
        assert [look.presence for look in channel.look_many(parts)] == [Presence.GONE] * len(files)

    # paramiko, asyncssh, rclone

    @contextmanager
    def paramiko(self) -> Iterator[paramiko.SFTPClient]:
        transport = paramiko.Transport(("127.0.0.1", self.port))
        key = paramiko.PKey.from_path(self.server.user_key)
        try:
            transport.connect(username=self.server.user, pkey=key)
            client = paramiko.SFTPClient.from_transport(transport)
            assert client
            yield client
        finally:
            transport.close()

    def paramiko_put(self) -> None:
        with self.paramiko() as client:
            client.put(str(self.big), self.at("in/big"))

    def paramiko_get(self) -> None:
        with self.paramiko() as client:
            client.get(self.at("out/big"), str(self.got))

    def paramiko_small(self, files: Sequence[Path]) -> None:
        with self.paramiko() as client:
            for path in files:
                client.put(str(path), self.at(f"in/.{path.name}.tmp"))
                client.posix_rename(self.at(f"in/.{path.name}.tmp"), self.at(f"in/{path.name}"))

    def asyncssh(self, act: Callable[[asyncssh.SFTPClient], object]) -> None:
        async def run() -> None:
            async with (
                asyncssh.connect(
                    "127.0.0.1",
                    self.port,
                    username=self.server.user,
                    client_keys=[str(self.server.user_key)],
                    known_hosts=None,
                    config=None,
                ) as connection,
                connection.start_sftp_client() as client,
            ):
                await act(client)  # type: ignore[misc]

        asyncio.run(run())

    def asyncssh_small(self, files: Sequence[Path]) -> None:
        async def act(client: asyncssh.SFTPClient) -> None:
            for path in files:
                await client.put(str(path), self.at(f"in/.{path.name}.tmp"))
                await client.posix_rename(self.at(f"in/.{path.name}.tmp"), self.at(f"in/{path.name}"))

        self.asyncssh(act)

    def rclone(self, source: str, destination: str) -> None:
        remote = f":sftp,host=127.0.0.1,port={self.port},user={self.server.user},key_file={self.server.user_key}:"
        names = [name.replace("REMOTE:", remote) for name in (source, destination)]
        measured(["rclone", "copyto", "--ignore-checksum", *names], env={"RCLONE_CONFIG": "/dev/null"})


def with_paramikos_own(way: Way) -> Way:
    """The same with paramiko's packetizer."""

    def run() -> None:
        with mock.patch.object(packets, "KNOWN", ()):
            way()

    return run


def large(bench: Bench, rounds: int) -> list[str]:
    remote = bench.at("out/big")
    put: dict[str, Way] = {
        PEER: lambda: bench.sftp(f"put {bench.big} {bench.at('in/big')}\n"),
        "OpenSSH sftp, aes128-gcm": lambda: bench.sftp(
            f"put {bench.big} {bench.at('in/big')}\n", "Ciphers=aes128-gcm@openssh.com"
        ),
        "h2h": bench.put,
        "h2h, paramiko's packetizer": with_paramikos_own(bench.put),
        "paramiko put": bench.paramiko_put,
        "asyncssh put": lambda: bench.asyncssh(lambda client: client.put(str(bench.big), bench.at("in/big"))),
    }
    get: dict[str, Way] = {
        PEER: lambda: bench.sftp(f"get {remote} {bench.got}\n"),
        "OpenSSH sftp, aes128-gcm": lambda: bench.sftp(f"get {remote} {bench.got}\n", "Ciphers=aes128-gcm@openssh.com"),
        "h2h": bench.get,
        "h2h, paramiko's packetizer": with_paramikos_own(bench.get),
        "paramiko get": bench.paramiko_get,
        "asyncssh get": lambda: bench.asyncssh(lambda client: client.get(remote, str(bench.got))),
    }
    if shutil.which("rclone"):
        put["rclone"] = lambda: bench.rclone(str(bench.big), f"REMOTE:{bench.at('in/big')}")
        get["rclone"] = lambda: bench.rclone(f"REMOTE:{remote}", str(bench.got))
    lines = []
    for name, ways, least in (("put", put, 1.0), ("get", get, 0.9)):
        times = interleaved(ways, rounds=rounds, before=bench.clear)
        print(
            table(f"{name}, one file of {bench.size >> 20} MiB", times, peer=PEER, amount=bench.size / 1e6, unit="MB")
        )
        lines.append(target(f"{name}, paramiko's packetizer", times.ratio("h2h, paramiko's packetizer", PEER), least))
        lines.append(target(f"{name}, h2h", times.ratio("h2h", PEER), 1.25))
    return lines


def many(bench: Bench, rounds: int, title: str, files: Sequence[Path], least: float) -> list[str]:
    batch = "".join(
        f"put {path} {bench.at(f'in/.{path.name}.tmp')}\nrename {bench.at(f'in/.{path.name}.tmp')} "
        f"{bench.at(f'in/{path.name}')}\n"
        for path in files
    )

    def checked(way: Way) -> Way:
        def run() -> None:
            way()
            bench.whole(len(files))

        return run

    ways: dict[str, Way] = {
        PEER: lambda: bench.sftp(batch),
        "h2h": lambda: bench.in_groups(files),
        "h2h, one by one": lambda: bench.one_by_one(files),
        "paramiko put": lambda: bench.paramiko_small(files),
        "asyncssh put": lambda: bench.asyncssh_small(files),
    }
    times = interleaved({k: checked(way) for k, way in ways.items()}, rounds=rounds, before=bench.clear)
    print(table(f"{title}: put, size check, rename", times, peer=PEER, amount=len(files), unit="files"))
    return [target(title, times.ratio("h2h", PEER), least)]


def memory(bench: Bench) -> list[str]:
    """Peak memory of a process that does one of the jobs alone."""
    lines = []
    for job in ("nothing", "put", "get"):
        bench.clear()
        settings = bench.settings()
        values = (settings.port, settings.user, settings.key_file, *settings.host_keys, bench.server.home, bench.big)
        run = measured([sys.executable, __file__, "--job", job, *map(str, values)])
        lines.append(
            f"{'met   ' if run.peak_mb < 100 else 'MISSED'}  peak memory, {job}: {run.peak_mb:.0f} MB, below 100"
        )
    return lines


def job(what: str, port: str, user: str, key: str, pin: str, home: str, big: str) -> None:
    settings = SftpSettings.model_validate(
        {"kind": "sftp", "host": "127.0.0.1", "port": int(port), "user": user, "key_file": key, "host_keys": [pin]}
    )
    with open_sftp(settings, passphrase=None) as channel:
        if what == "put":
            with Path(big).open("rb") as source:
                alone.stage(channel, f"{home}/in/big", source)
        elif what == "get":
            file = RemoteFile(folder=f"{home}/out", name="big", size=Path(big).stat().st_size)
            with Path(os.devnull).open("wb") as sink:
                channel.fetch(file, sink)


# A line with a long way: a proxy of its own process that hands on each piece when its time has come.


@contextmanager
def far(port: int) -> Iterator[int]:
    command = [sys.executable, __file__, "--line", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


async def line(port: int) -> None:
    async def hand_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]](4096)

        async def take() -> None:
            while piece := await source.read(1 << 16):
                await under_way.put((loop.time() + FAR_SECONDS / 2, piece))
            await under_way.put((0, b""))

        task = asyncio.create_task(take())
        while True:
            due, piece = await under_way.get()
            if not piece:
                break
            await asyncio.sleep(due - loop.time())
            sink.write(piece)
            await sink.drain()
        await task
        sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(hand_on(reader, back), hand_on(there, writer), return_exceptions=True)

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(proxy.sockets[0].getsockname()[1], flush=True)
    await proxy.serve_forever()


def main() -> None:
    parser = parser_of(__doc__, quick="small sizes, few rounds")
    parser.add_argument("--size", type=int, help="MiB of the large file")
    parser.add_argument("--files", type=int, help="how many small files")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm") if Path("/dev/shm").is_dir() else None)
    parser.add_argument("--only", choices=("large", "small", "far", "memory"))
    asked = parser.parse_args()
    size = (asked.size or (64 if asked.quick else 1024)) << 20
    files, rounds = asked.files or (100 if asked.quick else 1000), asked.rounds or (2 if asked.quick else 5)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder)))
        server = stack.enter_context(OpenSshServer(work / "server"))
        bench = Bench(server, work, size=size, files=files)
        print(
            versions(
                ("paramiko", "asyncssh", "cryptography"), {"OpenSSH": ("ssh", "-V"), "rclone": ("rclone", "version")}
            )
        )
        print()
        told: list[str] = []
        if asked.only in (None, "large"):
            told += large(bench, rounds)
        if asked.only in (None, "small"):
            told += many(bench, rounds, f"{files} files of 20 KB", bench.small, 1.6)
        if asked.only in (None, "memory"):
            told += memory(bench)
        if asked.only in (None, "far"):
            bench.port = stack.enter_context(far(server.port))
            few = bench.small[: files // 10]
            told += many(bench, rounds, f"{len(few)} files of 20 KB, 20 ms there and back", few, 10)
        print("\n".join(told))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--line"]:
        asyncio.run(line(int(sys.argv[2])))
    elif sys.argv[1:2] == ["--job"]:
        job(*sys.argv[2:])
    else:
        main()
