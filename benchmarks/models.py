"""The peer that reads camt.053 into models: pyiso20022, in whatever Python has it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks import statements
from benchmarks.rounds import measured

NAME = "pyiso20022, reading alone"
READING = """
import sys
from pyiso20022.camt.camt_053_001_08 import Document
from xsdata.formats.dataclass.parsers import XmlParser
found = XmlParser().parse(sys.argv[1], Document)
assert len(found.bk_to_cstmr_stmt.stmt[0].ntry) == int(sys.argv[2])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """It holds 10 KB for each entry, so it is given a file of its own, of the same sort and smaller."""

    python: str
    file: Path
    entries: int

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
        return measured([self.python, "-c", READING, str(self.file), str(self.entries)]).peak_mb

    def factor(self, file: Path) -> float:
        """How many times as large this file is."""
        return file.stat().st_size / self.file.stat().st_size
