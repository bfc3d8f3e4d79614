"""Evidence: what became of one file, as a bundle that can be checked without the gateway.

A zip of the file's bytes and those of every answer and statement that speaks of it, its history with every attempt,
its payments with their answers and statement lines, the journal from its first event to the head, the heads noted
outside with their time stamps, and a script that verifies all of it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from h2h import verify_bundle
from h2h.archive import Archive
from h2h.errors import H2hError, StoreError
from h2h.folders import local_name
from h2h.ledger import Ledger
from h2h.ledger.journal import Anchor, words_of
from h2h.ledger.rows import refuse_purged
from h2h.records import json_value

README = """\
Evidence on {id}. Unpack it and run: python3 verify.py

files/              the bytes: of the payment file as it was dropped (and as it was sent, where that is another version
                    of the message, or compressed or encrypted), and of every answer and statement that speaks of it,
                    as they came and as they were opened
history.json        what became of it: events, findings, attempts, reports
payments.jsonl      its payments, each with the bank's answers and the statement line that books it
chain.jsonl         the journal from the file's first event on
stamps/             time stamps (RFC 3161) on heads of the journal, each for the line SEQ HASH:
                    openssl ts -verify -in stamps/SEQ.tsr -data stamps/SEQ.txt -CAfile YOUR-TSA.pem
"""


def write_bundle(file_id: str, target: Path, *, ledger: Ledger, archive: Archive, anchors: Sequence[Anchor]) -> None:
    """Write the bundle on a transfer or message. `target` must not exist. NotAllowed where it was purged."""
    refuse_purged(file_id, ledger.views.history(file_id).file.purged_at)
    try:
        bundle = zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
    try:
        with bundle:
            _Bundle(bundle, ledger, archive).write(file_id, anchors)
    except (OSError, H2hError) as error:
        target.unlink()
        raise StoreError(f"The evidence on {file_id} cannot be written whole: {error}") from error


class _Bundle:
    def __init__(self, bundle: zipfile.ZipFile, ledger: Ledger, archive: Archive) -> None:
        self._bundle = bundle
        self._ledger = ledger
        self._archive = archive
        self._digests: dict[str, str] = {}
        self._others: dict[str, str] = {}  # bytes that came to be of others, by name inside, each with its file's id

    def write(self, file_id: str, anchors: Sequence[Anchor]) -> None:
        views = self._ledger.views
        history = views.history(file_id)
        file = history.file
        kept = {file_id: self._bytes(file.id, file.name, file.original_sha256 or file.sha256)}
        if file.original_sha256:
            self._other(file.id, f"as-sent-{file.name}", file.sha256)
        for number, sha256 in enumerate(views.sealed_as(file_id), start=1):
            self._other(file.id, f"sealed-{number}-{file.name}", sha256)
        about = views.messages_about(file_id)
        for message in about:
            kept[message.id] = self._bytes(message.id, message.name, message.sha256)
        for opened in (file, *about):
            if opened.opened_sha256:
                self._other(opened.id, f"opened-{opened.name}", opened.opened_sha256)
        self._add("history.json", json.dumps(json_value(history), indent=2, ensure_ascii=False).encode())
        payments = views.payments_of(file_id)
        self._add("payments.jsonl", b"".join(json.dumps(json_value(p)).encode() + b"\n" for p in payments))
        events = list(self._ledger.journal.since_first_of(list(kept)))
        self._add("chain.jsonl", b"".join(json.dumps(e, ensure_ascii=False).encode() + b"\n" for e in events))
        for anchor in anchors:
            if anchor.stamp is not None and anchor.seq >= events[0]["seq"]:
                self._add(f"stamps/{anchor.seq}.tsr", anchor.stamp)
                self._add(f"stamps/{anchor.seq}.txt", words_of(anchor))
        self._add("verify.py", Path(verify_bundle.__file__).read_bytes())
        self._add("README.txt", README.format(id=file_id).encode())
        self._manifest(file_id, kept, events, anchors)

    def _manifest(
        self, file_id: str, kept: dict[str, str], events: Sequence[dict[str, Any]], anchors: Iterable[Anchor]
    ) -> None:
        inside = range(events[0]["seq"], events[-1]["seq"] + 1)
        noted = [{"seq": a.seq, "hash": a.hash, "at": a.at.isoformat()} for a in anchors if a.seq in inside]
        manifest = {
            "about": file_id,
            "head": events[-1]["hash"],
            "bytes": kept,
            "other_bytes": dict(self._others),
            "files": dict(self._digests),
            "anchors": noted,
        }
        text = json.dumps(manifest, indent=2).encode()
        self._bundle.writestr("manifest.json", text)
        self._bundle.writestr("manifest.sha256", f"{hashlib.sha256(text).hexdigest()}  manifest.json\n")

    def _bytes(self, file_id: str, name: str, sha256: str) -> str:
        """Copy a file out of the archive, checked as it is read."""
        inside = f"files/{local_name(file_id, name)}"
        with self._archive.open(sha256) as source, self._bundle.open(inside, "w") as target:
            for block in _blocks(source):
                target.write(block)
        self._digests[inside] = sha256
        return inside

    def _other(self, file_id: str, name: str, sha256: str) -> None:
        self._others[self._bytes(file_id, name, sha256)] = file_id

    def _add(self, name: str, content: bytes) -> None:
        self._bundle.writestr(name, content)
        self._digests[name] = hashlib.sha256(content).hexdigest()


def _blocks(source: Any) -> Iterator[bytes]:
    while block := source.read(1 << 20):
        yield block
