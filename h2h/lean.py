"""Libraries that load others if these are there, loaded without what nothing here uses of them.

A gateway that runs is smaller by some megabytes: paramiko's reader of ssh_config would load invoke, which runs commands
and brings a reader of YAML and a library for tests; asyncio, which the scheduler asks for one function, would load TLS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def load() -> None:
    """To be called before anything else loads them."""
    with _without("invoke"):
        import_module("paramiko")
    with _without("ssl"):
        import_module("asyncio")


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Whoever wants it meanwhile finds that it is not there; whoever wants it later gets it."""
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]
