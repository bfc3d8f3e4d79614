"""An event as it is told, and how it is signed: pure. The same event is the same bytes, however often it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from h2h.config.webhooks import Sort
from h2h.ledger import feedback, tellings
from h2h.ledger.webhooks import Happened
from h2h.records import json_value

SORTS: tuple[Sort, ...] = get_args(Sort)
ACCOUNT = "account "  # begins the subject of what happens to an account
SHOWN_OF_HASH = 12  # characters
HASHES = ("sha256",)  # end the keys of what only by chance looks like an account
OF_TELLING = (feedback.TOLD, tellings.TOLD)  # that somebody was told is no news for others
Mask = Callable[[str], str]


def sort_of(happened: Happened) -> Sort | None:
    """The word by which the settings choose it; None for what is never told."""
    kind, subject = happened.event.kind, happened.event.subject
    if kind in OF_TELLING:
        return None
    if kind == "cut-off":
        return "cut-off"
    if kind.split(" ")[0] in ("alarm", "verdict", "gap"):
        return next(sort for sort in SORTS if sort == kind.split(" ")[0])
    if happened.of:
        return "transfer" if happened.of == "transfer" else "message"
    return "bank" if subject.startswith("bank ") else "gateway"


def id_of(happened: Happened) -> str:
    """Numbers come again after a ledger was put back from an older copy; with the hash they are other ids."""
    return f"{happened.event.seq}-{happened.hash[:SHOWN_OF_HASH]}"


def body(happened: Happened, environment: str, masker: Callable[[Sequence[str]], Mask]) -> bytes:
    """`masker`: what hides all accounts, those given among them."""
    event = happened.event
    named, account = event.data.get("account"), event.subject.removeprefix(ACCOUNT)
    mask = masker([one for one in (named, account) if isinstance(one, str) and one != event.subject])
    said = {
        "id": id_of(happened),
        "at": event.at,
        "kind": event.kind,
        "subject": event.subject if account == event.subject else mask(event.subject),
        "bank": happened.bank,
        "environment": environment,
        "data": _masked(event.data, mask),
    }
    return json.dumps(json_value(said), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: inner if key.endswith(HASHES) else _masked(inner, mask) for key, inner in value.items()}
    return [_masked(inner, mask) for inner in value] if isinstance(value, list) else value


def signature(content: bytes, timestamp: int, secrets: Sequence[str]) -> str:
    """One `v1=` for each secret, so that a receiver may know either."""
    signed = f"{timestamp}.".encode() + content
    return ",".join(f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets)
