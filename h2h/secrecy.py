"""What a process that holds secrets does not give away: no picture of its memory, nothing of its environment."""

from __future__ import annotations

import ctypes
import re
import resource
from collections.abc import Mapping

PR_SET_DUMPABLE = 4
# Where programs are, where they look for certificates, which way leads outside, how times and words are written.
HANDED_ON = re.compile(
    "PATH|HOME|LANG|LC_[A-Z]+|TZ|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|(http|https|all|no)_proxy", re.IGNORECASE
)


def leave_no_picture() -> None:
    """For this process: no core dump, neither as a file nor to a helper of the system, and no look at its memory,
    environment or descriptors for others of the same user. A program that it starts has to say so itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):  # of Linux alone
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def handed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What a program may have of our environment, in which secrets (env:NAME) may stand."""
    return {name: value for name, value in environ.items() if HANDED_ON.fullmatch(name)}
