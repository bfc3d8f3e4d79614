"""One very large file, from the drop to SENT, with a real OpenSSH server on this machine; and one that is refused.

    python benchmarks/one_large.py [--payments N] [--rounds N] [--folder FOLDER]

The gateway is the daemon with its default settings. The peer is a plain script that does `xmllint --schema` and `sftp`
for the same file; it reads no payment, stores nothing, and syncs nothing. Of the second file the last payment but one
has a false IBAN: it is refused, with that finding and no other.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from end_to_end import PEER, Gateway, Script, world_with
from rounds import interleaved, parser_of, peak_mb, table, versions

from benchmarks import payments
from tests.flows.world import World, opened, transfers, until
from tests.suites.servers import OpenSshServer

GATEWAY = "h2h"
SETTLE = 2.0  # as by default
PATIENCE_SECONDS = 1_800.0
LOOK_SECONDS = 0.2


class Peaks:
    """The most memory that the daemon, and any process of its own, ever had."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.daemon = self.reader = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        children = Path(f"/proc/{self._pid}/task")
        while not self._stop.wait(LOOK_SECONDS):
            self.daemon = max(self.daemon, peak_mb(self._pid))
            pids = " ".join(task.read_text() for task in children.glob("*/children")).split()
            self.reader = max([self.reader, *map(peak_mb, map(int, pids))])

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


class Bench:
    """For each turn of a way a bank, folders and a sender of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._turns = folder, 0
        self._stack = ExitStack()
        self.notes: dict[str, str] = {}

    def before(self, way: str) -> None:
        self.close()
        self._turns += 1
        folder = self._folder / f"{self._turns}"
        folder.mkdir()
        server = self._stack.enter_context(OpenSshServer(folder / "bank"))
        self.world = world_with(folder / "erp", server, SETTLE)
        if way == PEER:
            self.sender: Gateway | Script = Script(self.world, server, SETTLE, one_by_one=False)
            self._stack.callback(self.sender.close)
            return
        self.sender = Gateway(self.world)
        self._stack.callback(self.sender.close)
        peaks = Peaks(self.sender.pid)
        self._stack.callback(self._note, peaks)

    def _note(self, peaks: Peaks) -> None:
        peaks.close()
        self.notes[GATEWAY] = f"peaks: daemon {peaks.daemon:.0f} MB, reader {peaks.reader:.0f} MB"

    def drop(self, file: Path) -> None:
        """As an ERP should: under another name, then renamed."""
        hidden = self.world.drop / f".{file.name}"
        hidden.write_bytes(b"")
        with file.open("rb") as source, hidden.open("wb") as target:
            while block := source.read(1 << 20):
                target.write(block)
        hidden.rename(self.world.drop / file.name)

    def close(self) -> None:
        self._stack.close()
        self._stack = ExitStack()


def refused(world: World) -> list[str]:
    """What was found in the file that was dropped last."""
    with opened(world) as gateway:
        last = max(transfers(gateway), key=lambda each: each.received_at)
        found = gateway.ledger.cases.of(last.id)
    return [f"{last.state}: {each.code} at {each.path}, line {each.line}" for each in found.findings]


def main() -> None:
    parser = parser_of(__doc__, quick="20,000 payments")
    parser.add_argument("--payments", type=int)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    asked = parser.parse_args()
    count = asked.payments or (20_000 if asked.quick else 1_000_000)
    today = datetime.now().astimezone().date()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        bench, file = Bench(Path(folder)), Path(folder) / "large.xml"
        payments.write(file, count, day=today)

        def run() -> None:
            bench.drop(file)
            until(lambda: bench.sender.sent(), "SENT", PATIENCE_SECONDS)

        times = interleaved(dict.fromkeys((PEER, GATEWAY), run), rounds=asked.rounds or 1, before=bench.before)
        bench.close()
        size = file.stat().st_size / 1e6
        print(table(f"{count:,} payments, drop to SENT", times, peer=PEER, amount=size, unit="MB", notes=bench.notes))
        payments.write(file, count, seed=2, day=today, wrong_iban=count - 1)
        bench.before(GATEWAY)
        begun = time.perf_counter()
        bench.drop(file)
        folders = [bench.world.drop / name for name in ("rejected", "processed")]
        until(lambda: any([*folder.glob("*")] for folder in folders), "filed away", PATIENCE_SECONDS)
        print(f"With a false IBAN in payment {count - 1:,}: {time.perf_counter() - begun:.1f} s")
        bench.close()
        print("\n".join(refused(bench.world)))
    print(versions(("paramiko", "lxml", "SQLAlchemy"), {"OpenSSH": ("ssh", "-V"), "xmllint": ("xmllint", "--version")}))


if __name__ == "__main__":
    main()
