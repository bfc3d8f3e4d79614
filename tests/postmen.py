"""Postmen forked from one that has loaded apprise already, which takes a new process half a second.

    python -m tests.postmen SOCKET

Whoever asks hands over what a postman reads and writes, and waits for its end; one who is killed takes it along.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from h2h.alerting import postman

ASKS = """
import socket, sys, time
with socket.socket(socket.AF_UNIX) as line:
    for _ in range(3000):
        try:
            line.connect(sys.argv[1])
            break
        except OSError:  # not there yet
            time.sleep(0.01)
    socket.send_fds(line, [b"."], [0, 1])
    sys.exit(line.recv(1) != b"0")
"""


def program(place: str) -> tuple[str, ...]:
    """In the place of `-m h2h.alerting.postman`."""
    return ("-I", "-S", "-c", ASKS, place)


def main(place: str) -> None:
    import apprise
    import requests  # noqa: F401

    apprise.NotificationManager().load_modules()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen(64)
        while True:
            line, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _deliver(line)
            line.close()


def _deliver(line: socket.socket) -> None:
    _, streams, _, _ = socket.recv_fds(line, 1, 2)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()
    status = b"1"
    try:
        postman.main()
        status = b"0"
    finally:
        line.send(status)
        os._exit(0)


def _end_with(line: socket.socket) -> None:
    line.recv(1)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
