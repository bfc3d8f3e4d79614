"""Where tests keep their files: in memory where the machine has room, as thousands of ledgers wait for a disk.

What a test says of files is as true there: a process that is killed leaves the same, and no test cuts the power.
PYTEST_DEBUG_TEMPROOT, and --basetemp, name another place.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ROOM = 2 << 30  # bytes; the suite needs a quarter of it
MEMORY = Path("/dev/shm")


def quick() -> Path:
    """A folder in memory where there is one with room, from which programs may be run; else that of the system."""
    if os.access(MEMORY, os.W_OK):
        here = os.statvfs(MEMORY)
        if here.f_bavail * here.f_frsize >= ROOM and not here.f_flag & os.ST_NOEXEC:
            return MEMORY
    return Path(tempfile.gettempdir())
