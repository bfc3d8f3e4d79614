"""What a reader process may use, and how it confines itself: by the limits of the operating system, for good.

All of them are set before the first byte from outside arrives. The hard limits cannot be raised again without
privileges; only processor time is renewed, from file to file.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from h2h.secrecy import leave_no_picture

MEBIBYTE = 1 << 20
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a stopping gateway finishes the file in hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`memory`: bytes beyond what a reader process has at its start. Processor time is for one file.

    `silence_seconds` by the clock: longer without a word, and the process counts as hung.
    """

    memory: int = 256 * MEBIBYTE
    cpu_seconds: int = 2
    bytes_per_cpu_second: int = 250_000  # each so many handed in give another second; the shortest entries need it
    silence_seconds: float = 60.0
    idle_seconds: float = 60.0

    def cpu(self, handed: int) -> float:
        return self.cpu_seconds + handed / self.bytes_per_cpu_second

    @staticmethod
    def told(handed: int) -> int:
        """How many bytes may be said about so many bytes: more than any file says that a schema allows."""
        return 16 * MEBIBYTE + 8 * handed

    @staticmethod
    def handed(size: int) -> int:
        """How many bytes of a file of this size may be asked for: it is gone through four times at most."""
        return MEBIBYTE + 6 * size


def confine(limits: Limits) -> None:
    """Take from this process whatever it does not need to read what it is handed. Raises OSError."""
    for number in DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    leave_no_picture()
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_PDEATHSIG, signal.SIGKILL), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, int(value), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    memory = address_space(os.getpid()) + limits.memory
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # what is open stays open; nothing else is: no file, no socket, no device
    ):
        resource.setrlimit(kind, (most, most))


def allow_cpu(until: float) -> None:
    """Let this process run until it has used so many seconds in all; the kernel ends it in the second after."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(until), hard))


def used_cpu() -> float:
    return time.process_time()


def address_space(pid: int) -> int:
    """The bytes of a process's address space."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
