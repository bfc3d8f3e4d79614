"""The peer that reads camt.053 into models: pyiso20022, in whatever Python has it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import statements
from benchmarks.rounds import Times, measured

NAME = "pyiso20022, reading alone"
READING = """
import sys, time
from pyiso20022.camt.camt_053_001_08 import Document
from xsdata.formats.dataclass.parsers import XmlParser
begun = time.perf_counter()
found = XmlParser().parse(sys.argv[1], Document)
assert len(found.bk_to_cstmr_stmt.stmt[0].ntry) == int(sys.argv[2])
print(time.perf_counter() - begun)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """It holds 10 KB for each entry, so it is given a file of its own, of the same sort and smaller."""

    python: str
    file: Path
    entries: int
    parsing: list[float] = field(default_factory=list)  # seconds, of each time that it read

    def there(self) -> bool:
        """Whether this Python has it; if so, the file is written."""
        asked = [self.python, "-c", "import pyiso20022, xsdata, lxml"]
        if subprocess.run(asked, capture_output=True, check=False).returncode:
            print("pyiso20022 is not installed here (--peer names a Python that has it): left out.\n")
            return False
        statements.write(self.file, self.entries)
        return True

    def peak_mb(self) -> float:
        """Reads it, and says how much memory that took."""
        run = measured([self.python, "-c", READING, str(self.file), str(self.entries)])
        self.parsing.append(float(run.output))
        return run.peak_mb

    def with_all_of(self, file: Path, times: Times) -> Times:
        """As if it had read this file: parsing takes longer, as often as the file is larger, and its start does not."""
        more = file.stat().st_size / self.file.stat().st_size - 1
        return times.with_more(NAME, [each * more for each in self.parsing])
