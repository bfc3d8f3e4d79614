"""What a service tells systemd of itself (sd_notify): ready, stopping, alive, and in a word how it goes.

One datagram for each, to the socket that systemd names in the environment; without one, nobody asked.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

SEND_SECONDS = 1.0
MOST_CHARACTERS = 500  # of a STATUS


class Notifier:
    def __init__(self, environ: Mapping[str, str], process: int) -> None:
        """`watchdog_seconds`: systemd ends the service after so long without `alive`; None where it does not."""
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self.watchdog_seconds = _watchdog(environ, process) if self._address else None

    def ready(self) -> bool:
        """Whether systemd was told, or did not ask. So are the others."""
        return self._tell("READY=1")

    def stopping(self) -> bool:
        return self._tell("STOPPING=1")

    def alive(self) -> bool:
        return self._tell("WATCHDOG=1")

    def status(self, text: str) -> bool:
        return self._tell(f"STATUS={' '.join(text.split())[:MOST_CHARACTERS]}")

    def _tell(self, words: str) -> bool:
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_SECONDS)
                sender.sendto(words.encode(errors="replace"), self._address)
        except OSError:
            return False
        return True


def _watchdog(environ: Mapping[str, str], process: int) -> float | None:
    if environ.get("WATCHDOG_PID", str(process)) != str(process):
        return None  # it is another process that is watched
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None
