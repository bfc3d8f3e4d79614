"""Who looks at which work now. An engine knows nothing of transfers: it calls each worker's round when it is woken,
or when the round said that it wants to be called again. The truth stands in the ledger, the work in the flows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Round = Callable[[], float]
"""Does what is due and returns after how many seconds it wants to be called again at the latest."""


class Engine(Protocol):
    def start(self) -> None: ...

    def wake(self, worker: str) -> None:
        """Call this worker's round soon."""

    def stop(self, seconds: float) -> bool:
        """Begin no further round; wait for those under way. Whether all ended in time."""
