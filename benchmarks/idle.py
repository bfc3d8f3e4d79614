"""A daemon with many banks and nothing to do: its processor time as a share of a core, and whether it grows; how long
commands take to start; and how much a file adds to ledger and archive.

    python benchmarks/idle.py [--quick] [--banks N] [--seconds N] [--rounds N] [--only idle|start|growth]

Half of the banks are folders, half an OpenSSH server on this machine; each has a watched folder, and a folder that is
pulled every ten minutes. Processor time is that of the daemon and of all that it started, as the kernel counts it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rounds import interleaved, measured, parser_of, table

from benchmarks import payments
from tests.flows.process import Daemon, NewDaemon, command, daemon, environment
from tests.flows.world import OneOfMany, World, until
from tests.suites.servers import OpenSshServer

TICKS = os.sysconf("SC_CLK_TCK")
CALM_SECONDS = 15.0  # until what was begun at the start has ended
PYTHON = "python -c pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a process used so far, its children included: seconds of a core, and memory in MB as it is now."""

    seconds: float
    wakes: int
    memory_mb: float

    @classmethod
    def by(cls, pid: int) -> Used:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        seconds = sum(int(ticks) for ticks in fields[11:15]) / TICKS
        wakes = sum(_number(task / "status", "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())
        return cls(seconds=seconds, wakes=wakes, memory_mb=_number(Path(f"/proc/{pid}/status"), "VmRSS") / 1024)


def _number(file: Path, key: str) -> int:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:  # a thread that ended meanwhile
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def worlds(folder: Path, server: OpenSshServer, banks: int) -> World:
    """One gateway with so many banks."""
    found = [_bank(folder / "erp", f"bank{n:02}", server if n % 2 else None) for n in range(banks)]
    first = found[0]
    first.others = found[1:]
    first.folder.mkdir()
    key = first.folder / "client_key"
    key.write_bytes(server.user_key.read_bytes())
    key.chmod(0o600)
    first.write_settings()
    return first


def _bank(folder: Path, name: str, server: OpenSshServer | None) -> World:
    usual: dict[str, Any] = {"outbound": {"settle": '"5s"'}, "inbound": {"every": '"10m"', "settle": '"5s"'}}
    place = (server.root if server else folder.parent) / name
    for part in ("in", "out"):
        (place / part).mkdir(parents=True)
    if server is None:
        channel = {"kind": '"folder"', "path": f'"{place}"'}
        return OneOfMany(folder=folder, name=name, port=0, fingerprint="", channel=channel, **usual)
    there: dict[str, Any] = {"port": server.port, "fingerprint": server.fingerprint, "user": server.user}
    return OneOfMany(folder=folder, name=name, remote=str(place), **there, **usual)


def idle(world: World, banks: int, seconds: float, calm: float) -> list[str]:
    with daemon(world.config, kind=NewDaemon) as process:
        _running(process)
        time.sleep(calm)
        before, begun = Used.by(process.pid), time.monotonic()
        time.sleep(seconds)
        after = Used.by(process.pid)
        share = (after.seconds - before.seconds) / (time.monotonic() - begun)
        wakes = (after.wakes - before.wakes) / seconds
        assert process.terminate() == 0, process.log()[-2000:]
    grown = after.memory_mb - before.memory_mb
    print(f"## A daemon with {banks} banks and nothing to do, {seconds:.0f} s\n")
    print("| share of a core | wakes a second | memory at the begin | at the end |\n| --- | --- | --- | --- |")
    print(f"| {share:.2%} | {wakes:.0f} | {before.memory_mb:.1f} MB | {after.memory_mb:.1f} MB |\n")
    return [
        f"{'met   ' if share < 0.01 else 'MISSED'}  idle: {share:.2%} of a core, below 1 %",
        f"{'met   ' if grown < 1 else 'MISSED'}  idle: grew by {grown:.1f} MB in {seconds:.0f} s, below 1",
    ]


def _running(process: Daemon) -> None:
    until(lambda: not process.alive() or " started " in process.log(), "a daemon that runs")
    assert process.alive(), process.log()[-2000:]


def start(world: World, rounds: int) -> None:
    def run(*arguments: str) -> None:
        measured(command(world.config, *arguments), env=environment())

    def first_look() -> None:
        """Until the first round over the watched folders has begun: a daemon tells that it runs right after."""
        world.config.with_name("daemon.log").unlink(missing_ok=True)
        with daemon(world.config, kind=NewDaemon) as process:
            _running(process)

    ways = {
        PYTHON: lambda: measured([sys.executable, "-c", "pass"]),
        "h2h --version": lambda: run("--version"),
        "h2h status": lambda: run("status"),
        "h2h run, until it runs": first_look,
    }
    print(table("Starting", interleaved(ways, rounds=rounds), peer=PYTHON, amount=1, unit="starts"))


def growth(folder: Path, server: OpenSshServer, files: int, orders: int) -> None:
    """Files of so many payments through `h2h send`: what ledger and archive have more, for each."""
    world = worlds(folder, server, 1)
    lines = ["## Growth", "", "| for each | ledger | archive |", "| --- | --- | --- |"]
    measured(command(world.config, "send"), env=environment())
    for what, count, of in (("file of one payment", files, 1), ("payment", 1, orders)):
        before = _sizes(world)
        for number in range(count):
            payments.write(world.drop / f"{of}-{number}.xml", of, seed=number + of)
            os.utime(world.drop / f"{of}-{number}.xml", (0, 0))
        measured(command(world.config, "send"), env=environment())
        ledger, archive = (b - a for a, b in zip(before, _sizes(world), strict=True))
        each = count * of
        lines.append(f"| {what} | {ledger / each:,.0f} bytes | {archive / each:,.0f} bytes |")
    print("\n".join([*lines, "", "Of entries: `python -m benchmarks.store`.", ""]))


def _sizes(world: World) -> tuple[int, int]:
    data = world.folder / "data"
    ledger = sum(path.stat().st_size for path in data.glob("h2h.db*"))
    return ledger, sum(path.stat().st_size for path in (data / "archive").rglob("*") if path.is_file())


def main() -> None:
    parser = parser_of(__doc__, quick="few banks and seconds")
    parser.add_argument("--banks", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", choices=("idle", "start", "growth"))
    asked = parser.parse_args()
    banks, seconds = asked.banks or (10 if asked.quick else 50), asked.seconds or (10 if asked.quick else 60)
    told: list[str] = []
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(OpenSshServer(work / "openssh"))
        (work / "idle").mkdir()
        world = worlds(work / "idle", server, banks)
        if asked.only in (None, "idle"):
            told += idle(world, banks, seconds, 5.0 if asked.quick else CALM_SECONDS)
        if asked.only in (None, "start"):
            start(world, asked.rounds or (3 if asked.quick else 7))
        if asked.only in (None, "growth"):
            growth(work / "growth", server, 20 if asked.quick else 200, 2_000 if asked.quick else 50_000)
    print("\n".join(told))


if __name__ == "__main__":
    main()
