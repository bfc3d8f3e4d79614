"""What runs in a process of its own: `python -m h2h.alerting.postman`, which hands letters to apprise.

It is told on its standard input, one JSON object, whether to `send` or only to look at the addresses, and answers with
a line for each, as soon as it is known. In a process of its own, since apprise takes half a second and 50 MB, since
what it swallows can be heard in its log, and since a process can be ended, whatever hangs in it. No answer holds a
secret.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import threading
from typing import Any
from urllib.parse import unquote

from h2h.secrecy import leave_no_picture

SHORTEST = 4  # letters of an address that are hidden
LONGEST = 300
HIDDEN = "****"
KINDS = {"urgent": "failure", "warning": "warning", "notice": "info", None: "success"}
EXAMPLES = "mailtos://, slack://, pagerduty:// or json://"


def main() -> None:
    leave_no_picture()
    work = json.load(sys.stdin)
    signal.alarm(int(work["seconds"]) + 1)  # where nobody is left to end it
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else is said there is no answer
    heard = Heard()
    _listen(heard)
    lock = threading.Lock()

    def one(parcel: dict[str, Any]) -> None:
        fault = _fault(parcel, heard, send=work["send"])
        with lock:
            print(json.dumps({"name": parcel["name"], "fault": fault}), file=answers, flush=True)

    threads = [threading.Thread(target=one, args=(parcel,)) for parcel in work["parcels"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Heard(logging.Handler):
    """What apprise says of its troubles, by the thread that says it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._said: dict[int, list[str]] = {}

    def here(self) -> str:
        """What this thread said, each thing once."""
        return "; ".join(dict.fromkeys(self._said.get(threading.get_ident(), ())))

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        cause = text.startswith("Socket Exception: ")
        if cause or record.levelno >= logging.WARNING:
            text = text.removeprefix("Socket Exception: ").strip().rstrip(".")
            self._said.setdefault(threading.get_ident(), []).append(text)


def _listen(heard: Heard) -> None:
    import requests

    log = logging.getLogger("apprise")
    log.setLevel(logging.DEBUG)
    log.addHandler(heard)
    log.propagate = False
    # No answer leads anywhere else, whatever the address asks for: what is sent is for this one server.
    session: Any = requests.Session
    session.get_redirect_target = _nowhere


def _nowhere(_session: object, _answer: object) -> None:
    return None


def _fault(parcel: dict[str, Any], heard: Heard, *, send: bool) -> str | None:
    """Why it was not taken, or could not be; None where all is well."""
    address = parcel["address"].strip()
    try:
        return _tried(parcel, address, heard, send=send)
    except Exception as error:  # whatever a plugin makes of an address or an answer
        return discreet(f"{type(error).__name__}: {error}", address)


def _tried(parcel: dict[str, Any], address: str, heard: Heard, *, send: bool) -> str | None:
    import apprise

    scheme = address.partition("://")[0].lower()
    asset = apprise.AppriseAsset(
        app_id="h2h",
        app_desc="h2h",
        app_url="",
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
    )
    found = apprise.Apprise.instantiate(address, asset=asset)
    if found is None:
        manager: Any = apprise.NotificationManager
        known = "://" in address and scheme in manager().schemas()
        said = discreet(heard.here(), address)
        wrong = "is no address that apprise can use" if known else f"is no address of apprise, such as {EXAMPLES}"
        return f"{wrong} ({said})" if known and said else wrong
    if not send or found.notify(
        title=parcel["subject"],
        body=parcel["body"],
        notify_type=KINDS[parcel["urgency"]],
        body_format=apprise.NotifyFormat.TEXT,
        overflow=None if "overflow=" in address else apprise.OverflowMode.TRUNCATE,
    ):
        return None
    return discreet(heard.here() or "it gives no reason", address)


def discreet(text: str, address: str) -> str:
    """The text without any part of the address but the name of its server, on one line."""
    _, _, rest = address.partition("://")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    login, _, server = authority.rpartition("@")
    host = server.partition(":")[0]
    parts = {*re.split("[:@]", login), *path.split("/"), *(pair.partition("=")[2] for pair in query.split("&"))}
    parts |= set() if "." in host or host == "localhost" else {host}
    parts |= {address, login, *map(unquote, parts)}
    text = re.sub(r" with url: \S+", "", text)
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = re.sub(re.escape(part), HIDDEN, text, flags=re.IGNORECASE)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


if __name__ == "__main__":
    main()
