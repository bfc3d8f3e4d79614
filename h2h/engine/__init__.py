"""Who looks at which work now. An engine knows nothing of transfers: it calls each worker's round when it is woken,
or when the round said that it wants to be called again. The truth stands in the ledger, the work in the flows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Round = Callable[[], float]
"""Does what is due and returns after how many seconds it wants to be called again at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How a worker stands, in seconds of the monotonic clock. `ended`: when its last round did; `began`: when the one
    under way did. `used`: seconds of processor that it took so far; None where the system does not say.
    """

    worker: str
    alive: bool
    ended: float | None
    began: float | None
    used: float | None


class Engine(Protocol):
    def start(self) -> None: ...

    def wake(self, worker: str) -> None:
        """Call this worker's round soon."""

    def turns(self) -> list[Turn]:
        """How each worker stands."""

    def stop(self, seconds: float) -> bool:
        """Begin no further round; wait for those under way. Whether all ended in time."""
