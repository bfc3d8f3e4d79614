"""Checks an evidence bundle without the gateway: `python3 verify.py` inside the unpacked bundle, Python 3 alone.

It tells whether every file is the one that the bundle was made with, whether every event of the journal is unedited
and follows the one before, and whether heads that were noted outside stand in this chain. What it cannot tell: that
the bundle as a whole was not made up. For that compare the head with one that you noted yourself.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def faults(folder: Path) -> list[str]:
    """Everything that is wrong with the bundle in this folder; empty where nothing is."""
    seal = (folder / "manifest.sha256").read_bytes()
    if seal != f"{_sha256(folder / 'manifest.json')}  manifest.json\n".encode():
        return ["manifest.json was changed, or manifest.sha256"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = [f for name, digest in manifest["files"].items() if (f := _file_fault(folder, name, digest))]
    expected = {*manifest["files"], "manifest.json", "manifest.sha256"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    found += [f"{name} was added" for name in sorted(there - expected)]
    if found:
        return found
    events = [json.loads(line) for line in (folder / "chain.jsonl").read_text(encoding="utf-8").splitlines()]
    return [*_chain_faults(events, manifest), *_kept_faults(folder, events, manifest)]


def _file_fault(folder: Path, name: str, digest: str) -> str | None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return f"{name} is missing"
    return None if _sha256(path) == digest else f"{name} was changed"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _chain_faults(events: list[dict[str, Any]], manifest: dict[str, Any]) -> list[str]:
    found = []
    previous: dict[str, Any] | None = None
    for event in events:
        if _hash(event) != event["hash"]:
            found.append(f"event {event['seq']} was edited")
        if previous and (event["previous"], event["seq"]) != (previous["hash"], previous["seq"] + 1):
            found.append(f"event {event['seq']} does not follow event {previous['seq']}")
        previous = event
    if not previous or previous["hash"] != manifest["head"]:
        found.append("the chain does not end in the head that the manifest names")
    known = {event["seq"]: event["hash"] for event in events}
    anchors: list[dict[str, Any]] = manifest["anchors"]
    found += [
        f"event {a['seq']} is not the one noted on {a['at']}" for a in anchors if known.get(a["seq"]) != a["hash"]
    ]
    return found


def _hash(event: dict[str, Any]) -> str:
    parts = [event[key] for key in ("seq", "at", "subject", "kind", "actor", "data", "previous")]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _kept_faults(folder: Path, events: list[dict[str, Any]], manifest: dict[str, Any]) -> list[str]:
    """The bytes of each file against the hash that the journal noted when it was taken."""
    taken = {e["subject"]: json.loads(e["data"])["sha256"] for e in events if e["kind"] in ("RECEIVED", "KEPT")}
    bytes_of: dict[str, str] = manifest["bytes"]
    found = []
    for subject, name in bytes_of.items():
        if taken.get(subject) != _sha256(folder / name):
            found.append(f"{name} is not what the journal says was taken as {subject}")
    made = {(e["subject"], digest) for e in events for digest in _noted(json.loads(e["data"]))}
    others: dict[str, str] = manifest["other_bytes"]
    found += [
        f"{name} is not among what the journal says was made of {subject}"
        for name, subject in others.items()
        if (subject, _sha256(folder / name)) not in made
    ]
    return found


def _noted(data: dict[str, Any]) -> list[str]:
    return [data[key] for key in ("sha256", "sealed_sha256", "opened_sha256") if data.get(key)]


if __name__ == "__main__":
    try:
        wrong = faults(Path(__file__).resolve().parent)
    except (OSError, ValueError, KeyError, TypeError) as error:
        wrong = [f"the bundle cannot be read: {error!r}"]
    print("\n".join(wrong) or "The bundle is whole: files, events and their order are as they were.")
    sys.exit(1 if wrong else 0)
