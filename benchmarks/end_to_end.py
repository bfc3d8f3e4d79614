"""The whole way out: from a file dropped into a watched folder to SENT, with a real OpenSSH server on this machine.

    python benchmarks/end_to_end.py [--quick] [--files N] [--rate FILES/S] [--seconds N] [--settle S] [--rounds N]

Two loads: many small files at once (files a second, the wait for them to settle included), and files that come at a
steady rate (how long from the drop to SENT). The gateway is the daemon as a process of its own, as it is installed:
business rules, archive, ledger, journal, everything synced. The peers are plain scripts that look at the folder every
0.2 s and do `xmllint --schema` and `sftp -b` with put and rename: for all that is there at once, or file by file. They
check no rule, remember nothing, and cannot tell after a crash what the bank has.

Folders are on a disk (--folder), since what the gateway waits for is syncing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rounds import Way, interleaved, parser_of, peak_mb, table, target, versions

from benchmarks.payments import parts
from tests.flows.process import Daemon, NewDaemon, daemon
from tests.flows.world import World, until
from tests.suites.servers import OpenSshServer

PEER = "script, all at once"
GATEWAY = "h2h"
PAYMENTS = 10  # in each file, which then has about 11 KB
LOOK_SECONDS = 0.05  # between two looks at what is SENT
SCRIPT_SECONDS = 0.2  # between two looks of a script at the folder
PATIENCE_SECONDS = 600.0
SCHEMA = ROOT / "schemas" / "pain.001.001.09.xsd"
OPTIONS = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")


class Sender(Protocol):
    """Brings what is dropped to the bank."""

    def sent(self) -> Mapping[str, float]:
        """When each file was sent, by name, in seconds since 1970."""

    def close(self) -> None: ...


class Gateway:
    """The daemon; its log says when a file was SENT."""

    def __init__(self, world: World) -> None:
        self._stack = ExitStack()
        self._process: Daemon = self._stack.enter_context(daemon(world.config, kind=NewDaemon))
        until(lambda: " started " in self._process.log(), "a daemon that runs")
        self._read = 0
        self._sent: dict[str, float] = {}
        self.peak_mb = 0.0
        self.pid = self._process.pid

    def sent(self) -> Mapping[str, float]:
        with self._process.log_file.open(encoding="utf-8") as log:
            log.seek(self._read)
            for line in iter(log.readline, ""):
                if not line.endswith("\n"):
                    break
                self._read = log.tell()
                if " state=SENT " in line:
                    at, *_, name = line.split()
                    self._sent[name.removeprefix("file=")] = datetime.fromisoformat(at).timestamp()
        return self._sent

    def close(self) -> None:
        self.peak_mb = peak_mb(self._process.pid)
        assert self._process.terminate() == 0, self._process.log()[-2000:]
        self._stack.close()


class Script:
    """A plain script: what stood unchanged for `settle` is validated, put, renamed, and moved away."""

    def __init__(self, world: World, server: OpenSshServer, settle: float, *, one_by_one: bool) -> None:
        self._drop, self._server, self._settle, self._one_by_one = world.drop, server, settle, one_by_one
        self._done = world.drop / "processed"
        self._done.mkdir()
        self._sent: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def sent(self) -> Mapping[str, float]:
        assert self._thread.is_alive(), "the script failed"
        return self._sent

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SCRIPT_SECONDS):
            now = time.time()
            visible = [e for e in os.scandir(self._drop) if e.is_file() and not e.name.startswith(".")]
            ready = sorted(Path(e.path) for e in visible if now - e.stat().st_mtime >= self._settle)
            for files in [[file] for file in ready] if self._one_by_one else [ready] if ready else []:
                self._send(files)

    def _send(self, files: list[Path]) -> None:
        subprocess.run(["xmllint", "--noout", "--schema", str(SCHEMA), *files], check=True, stderr=subprocess.DEVNULL)
        there = f"{self._server.home}/in"
        batch = "".join(f"put {f} {there}/.{f.name}\nrename {there}/.{f.name} {there}/{f.name}\n" for f in files)
        server = ("-P", str(self._server.port), "-i", str(self._server.user_key), f"{self._server.user}@127.0.0.1")
        subprocess.run(
            ["sftp", "-q", "-b", "-", *OPTIONS, *server], input=batch.encode(), check=True, stdout=subprocess.DEVNULL
        )
        now = time.time()
        for file in files:
            file.rename(self._done / file.name)
        self._sent |= {file.name: now for file in files}


class Bench:
    """Files to drop, and for each turn of a way a bank, folders and a sender of its own."""

    def __init__(self, folder: Path, files: int, settle: float) -> None:
        self._folder = folder
        self._settle = settle
        self._turns = 0
        self._stack = ExitStack()
        today = datetime.now().astimezone().date()
        self.files = {f"{n:05}.xml": "".join(parts(PAYMENTS, True, n, day=today)).encode() for n in range(files)}
        self.peak_mb = 0.0

    def before(self, way: str) -> None:
        self.close()
        self._turns += 1
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
        self._server = self._stack.enter_context(OpenSshServer(folder / "bank"))
        self.world = world_with(folder / "erp", self._server, self._settle)
        self.sender = self._sender(way)
        self._stack.callback(self._end)

    def _sender(self, way: str) -> Sender:
        if way == GATEWAY:
            return Gateway(self.world)
        return Script(self.world, self._server, self._settle, one_by_one=way != PEER)

    def _end(self) -> None:
        self.sender.close()
        if isinstance(self.sender, Gateway):
            self.peak_mb = max(self.peak_mb, self.sender.peak_mb)

    def close(self) -> None:
        self._stack.close()

    def drop(self, name: str) -> float:
        """As an ERP should: under another name, then renamed. When that was."""
        self.world.drop_file(self.files[name], name)
        return time.time()

    def wait(self, count: int) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while len(self.sender.sent()) < count:
            assert time.monotonic() < end, f"{len(self.sender.sent())} of {count} files sent"
            time.sleep(LOOK_SECONDS)
        there = sum(not path.name.startswith(".") for path in (self._server.root / "in").iterdir())
        assert there == count, f"{there} of {count} files at the bank"


def world_with(folder: Path, server: OpenSshServer, settle: float) -> World:
    """A gateway as it is by default, but for the time that files stand."""
    folder.mkdir()
    world = World(
        folder=folder,
        port=server.port,
        fingerprint=server.fingerprint,
        user=server.user,
        remote=server.home,
        outbound={"settle": f'"{round(settle * 1000)}ms"', "messages": '["pain.001.001.09"]'},
        inbound={"every": '"10m"'},
        retry={"first": '"1m"', "most": '"1h"'},
        duplicates_days=5,
    )
    world.write_settings()
    key = folder / "client_key"
    key.write_bytes(server.user_key.read_bytes())
    key.chmod(0o600)
    return world


def throughput(bench: Bench, ways: tuple[str, ...], rounds: int) -> list[str]:
    """All files at once: from the first drop to the last SENT."""

    def run() -> None:
        for name in bench.files:
            bench.drop(name)
        bench.wait(len(bench.files))

    times = interleaved(dict.fromkeys(ways, run), rounds=rounds, before=bench.before)
    bench.close()
    notes = {GATEWAY: f"peak {bench.peak_mb:.0f} MB"}
    count = len(bench.files)
    print(table(f"{count} files dropped at once", times, peer=PEER, amount=count, unit="files", notes=notes))
    return [target("files a second, drop to SENT", count / times.median(GATEWAY), 100)]


def latency(bench: Bench, ways: tuple[str, ...], rounds: int, *, count: int, rate: float, settle: float) -> list[str]:
    """Files at a steady rate: from the drop to SENT, each."""
    waits: dict[str, list[float]] = {way: [] for way in ways}

    def run(way: str) -> Way:
        def go() -> None:
            dropped, begun = {}, time.monotonic()
            for number, name in enumerate(list(bench.files)[:count]):
                time.sleep(max(0.0, begun + number / rate - time.monotonic()))
                dropped[name] = bench.drop(name)
            bench.wait(count)
            sent = bench.sender.sent()
            waits[way] += [sent[name] - at for name, at in dropped.items()]

        return go

    interleaved({way: run(way) for way in ways}, rounds=rounds, before=bench.before)
    bench.close()
    print(_latencies(f"{count} files, {rate:g} a second ({rounds} rounds), settle {settle:g} s", waits))
    median = statistics.median(waits[GATEWAY])
    text = f"median latency: {median:.2f} s, at most settle + 1 s = {settle + 1:.2f} s"
    return [f"{'met   ' if median <= settle + 1 else 'MISSED'}  {text}"]


def _latencies(title: str, waits: Mapping[str, list[float]]) -> str:
    lines = [f"## {title}", "", f"| way | times {PEER} | median | 95 % | most |", "| --- | --- | --- | --- | --- |"]
    peer = statistics.median(waits[PEER])
    for way, found in waits.items():
        median, most = statistics.median(found), max(found)
        p95 = statistics.quantiles(found, n=20)[-1]
        lines.append(f"| {way} | {peer / median:.2f} | {median:.2f} s | {p95:.2f} s | {most:.2f} s |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = parser_of(__doc__, quick="few files, one round")
    parser.add_argument("--files", type=int, help="dropped at once")
    parser.add_argument("--rate", type=float, default=10.0, help="files a second of the steady load")
    parser.add_argument("--seconds", type=float, help="how long the steady load lasts")
    parser.add_argument("--settle", type=float, default=1.0, help="how long files stand before they are taken")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    parser.add_argument("--only", choices=("throughput", "latency"))
    parser.add_argument("--alone", action="store_true", help="leave out the script that goes file by file")
    asked = parser.parse_args()
    files, rounds = asked.files or (200 if asked.quick else 2000), asked.rounds or (1 if asked.quick else 3)
    steady = int((asked.seconds or (5 if asked.quick else 20)) * asked.rate)
    ways = (PEER, GATEWAY) if asked.alone else (PEER, "script, file by file", GATEWAY)
    print(versions(("paramiko", "lxml", "SQLAlchemy"), {"OpenSSH": ("ssh", "-V"), "xmllint": ("xmllint", "--version")}))
    print()
    told: list[str] = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder, ExitStack() as stack:
        bench = Bench(Path(folder), max(files, steady), asked.settle)
        stack.callback(bench.close)
        if asked.only != "throughput":
            told += latency(bench, ways, rounds, count=steady, rate=asked.rate, settle=asked.settle)
        bench.files = dict(list(bench.files.items())[:files])
        if asked.only != "latency":
            told += throughput(bench, ways, rounds)
    print("\n".join(told))


if __name__ == "__main__":
    main()
