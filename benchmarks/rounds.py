"""What the benchmarks share: interleaved rounds, ratios to a named peer, the table, peers' versions, peak memory.

A machine is never quiet, so speeds are compared within a round only: each way runs once a round, in an order that
turns, and a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.005  # between two looks at the memory of a process
VERSION_SECONDS = 30

Way = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds by way, one for each round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, way: str) -> float:
        return statistics.median(self.seconds[way])

    def with_more(self, way: str, more: Sequence[float]) -> Times:
        """As if this way had taken so many seconds more in each round."""
        return Times(seconds={**self.seconds, way: [a + b for a, b in zip(self.seconds[way], more, strict=True)]})

    def ratio(self, way: str, peer: str) -> float:
        """How many times as fast as the peer: the median of what the rounds say."""
        pairs = zip(self.seconds[peer], self.seconds[way], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command, run to its end. Processor time is that of all its processes."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    output: str


def parser_of(about: str | None, *, quick: str) -> argparse.ArgumentParser:
    """Knows `--rounds` and `--quick`, which means `quick`; `about` is the module's docstring."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{quick}: a look, no figures to quote")
    parser.add_argument("--rounds", type=int)
    return parser


def interleaved(ways: Mapping[str, Way], *, rounds: int, before: Callable[[str], object] = str) -> Times:
    """Run every way once a round; `before` is told which one comes, and is not timed."""
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            before(name)
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
    return Times(seconds=seconds)


def table(
    title: str, times: Times, *, peer: str, amount: float, unit: str, notes: Mapping[str, str] | None = None
) -> str:
    """A table of Markdown: each way's speed in `amount` `unit` a second, and its ratio to the peer."""
    rounds = len(times.seconds[peer])
    lines = [
        f"## {title} ({rounds} rounds)",
        "",
        f"| way | times {peer} | {unit}/s | notes |",
        "| --- | --- | --- | --- |",
    ]
    for name in times.seconds:
        ratio, speed = times.ratio(name, peer), _speed(amount / times.median(name))
        lines.append(f"| {name} | {ratio:.2f} | {speed} | {(notes or {}).get(name, '')} |")
    return "\n".join([*lines, ""])


def target(what: str, ratio: float, least: float) -> str:
    """One line that says whether a target was met."""
    return f"{'met   ' if ratio >= least else 'MISSED'}  {what}: {ratio:.2f}, at least {least:g}"


def measured(command: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Run:
    """Run a command in a process of its own; RuntimeError with its words where it fails."""
    begun, used = time.perf_counter(), _processor_seconds_of_children()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        told.write(stdin)
        told.seek(0)
        with subprocess.Popen(command, stdin=told, stdout=said, stderr=said, env={**os.environ, **(env or {})}) as run:
            peak = 0.0
            while run.poll() is None:
                peak = max(peak, peak_mb(run.pid))
                time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - begun
        said.seek(0)
        output = said.read().decode(errors="replace")
    if run.returncode:
        raise RuntimeError(f"{command[0]} ended with {run.returncode}: {output[-2000:]}")
    processor_seconds = _processor_seconds_of_children() - used
    return Run(seconds=seconds, processor_seconds=processor_seconds, peak_mb=peak, output=output)


def _processor_seconds_of_children() -> float:
    """Of all that ended and were waited for, with what they had waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_mb(pid: int) -> float:
    """The kernel's own high-water mark. Not getrusage: a child's begins with what its parent held."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def versions(packages: Sequence[str] = (), commands: Mapping[str, Sequence[str]] | None = None) -> str:
    """One line with the versions of the peers that are here. A command says its version on its first line."""
    found = [f"{name} {_installed(name) or 'not installed'}" for name in packages]
    for name, command in (commands or {}).items():
        found.append(f"{name} {_says(command) if shutil.which(command[0]) else 'not installed'}")
    return "Versions: " + "; ".join(found) + "."


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _says(command: Sequence[str]) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VERSION_SECONDS)
    first = next(iter((told.stdout + told.stderr).splitlines()), "")
    number = re.search(r"\d+(?:[.]?\w+)+", first)
    return number.group() if number else first


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
