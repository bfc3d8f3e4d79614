"""From what a probe found to the lines of the profile that should be others, and what only the bank can say. Pure.

A fact that makes the gateway bolder is proposed only where a trial has shown it; that the bank leaves our temporary
files alone (`staging_is_ours`) never is: that nothing happened while we looked is no promise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from h2h.channels.facts import Change, FolderFacts, Trial
from h2h.config import Bank, Inbound, Outbound
from h2h.model import Way

LOCAL = ("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "jfs")
ORDER = ("bank.channel", "bank.outbound", "bank.inbound")
AT_ENDING = re.compile(r"(?<=[^.])\.(?![^{]*\})")  # the first dot of a name template that stands in no {field}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    bank: Bank
    replaces: bool  # a rename that replaces is offered
    folders: Sequence[FolderFacts]
    trials: Sequence[Trial]

    def folder(self, path: str) -> FolderFacts:
        return next((one for one in self.folders if one.path == path), FolderFacts(path=path, uses=()))

    def trial(self, path: str) -> Trial | None:
        return next((one for one in self.trials if one.folder == path), None)

    def refused_rename(self, folder: Outbound) -> str | None:
        """By what it is known that publishing by rename is refused here."""
        there, trial = self.folder(folder.staging_folder), self.trial(folder.staging_folder)
        if trial and trial.renamed is False:
            return f"a probe file in {there.path} could not be renamed"
        if (there.posix_renames if self.replaces else there.renames) is False:
            return f"renaming is refused in {there.path}"
        return None

    @property
    def writable(self) -> bool:
        return all(self.folder(one.staging_folder).opens is not False for one in self.bank.outbound)

    @property
    def no_rename(self) -> str | None:
        return next((why for one in self.bank.outbound if (why := self.refused_rename(one))), None)


def changes(found: Found) -> list[Change]:
    return [*_channel(found), *_outbound(found), *_inbound(found)]


def _channel(found: Found) -> Iterator[Change]:
    facts, why = found.bank.channel, found.no_rename

    def line(key: str, value: str, was: str, evidence: str) -> Change:
        return Change(section="bank.channel", number=None, key=key, value=value, was=was, evidence=evidence)

    if facts.way is Way.RENAME and why and found.writable:
        yield line("publish", '"direct"', '"rename"', why)
    if facts.way is Way.RENAME and not why and not facts.atomic_rename and (shown := _atomic(found)):
        yield line("atomic_rename", "true", "false", shown)
    swept = [one for one in found.trials if one.swept]
    if facts.staging_is_ours and swept:
        where = ", ".join(one.folder for one in swept)
        yield line("staging_is_ours", "false", "true", f"a probe file vanished from {where}")


def _atomic(found: Found) -> str | None:
    """By what it is known that each folder renames in one step."""
    trials = [found.trial(one.staging_folder) for one in found.bank.outbound]
    apart = any(found.folder(one.staging_folder).apart_from(found.folder(one.remote)) for one in found.bank.outbound)
    if apart or not trials or not all(trial and trial.posix_replaced for trial in trials):
        return None
    if found.bank.channel.kind == "folder":
        kinds = {disk.kind for one in found.bank.outbound if (disk := found.folder(one.staging_folder).disk)}
        return f"renamed over another file on {', '.join(sorted(kinds))}" if kinds and kinds <= {*LOCAL} else None
    return "posix-rename@openssh.com is offered, and put one probe file over another in one step"


def _outbound(found: Found) -> Iterator[Change]:
    for number, folder in enumerate(found.bank.outbound, start=1):

        def line(key: str, value: str | None, was: str, evidence: str, number: int = number) -> Change:
            return Change(section="bank.outbound", number=number, key=key, value=value, was=was, evidence=evidence)

        if found.bank.channel.way is not Way.RENAME:
            continue
        if found.no_rename:
            if folder.staging:
                yield line("staging", None, f'"{folder.staging}"', "it goes with renaming")
        elif found.folder(folder.remote).shows is False and "{id}" not in folder.name:
            evidence = f"nobody may look at files in {folder.remote}, and no other file can have a name with an id"
            yield line("name", f'"{with_id(folder.name)}"', f'"{folder.name}"', evidence)


def with_id(template: str) -> str:
    """A name template with `{id}` before its ending."""
    dot = AT_ENDING.search(template)
    end = dot.start() if dot else len(template)
    return f"{template[:end]}_{{id}}{template[end:]}"


def _inbound(found: Found) -> Iterator[Change]:
    for number, folder in enumerate(found.bank.inbound, start=1):
        refused = _cannot_discard(found, folder)
        if not refused:
            continue
        rest = [("claim", folder.claim), ("move_to", folder.move_to)]
        if folder.after != "leave":
            yield _of_inbound(number, "after", '"leave"', f'"{folder.after}"', refused)
        for key, value in rest:
            if value:
                yield _of_inbound(number, key, None, f'"{value}"', refused)


def _of_inbound(number: int, key: str, value: str | None, was: str, evidence: str) -> Change:
    return Change(section="bank.inbound", number=number, key=key, value=value, was=was, evidence=evidence)


def _cannot_discard(found: Found, folder: Inbound) -> str | None:
    there = found.folder(folder.remote)
    if (folder.claim or folder.after == "move") and there.renames is False:
        return f"renaming is refused in {there.path}"
    removed_from = found.folder(folder.claim or folder.remote)
    if folder.after == "delete" and removed_from.removes is False:
        return f"removal is refused in {removed_from.path}"
    return None


def questions(found: Found, proposed: Sequence[Change]) -> list[str]:
    """What no probe can find out, and is not stated."""
    facts, keys = found.bank.channel, [change.key for change in proposed]
    if not found.bank.outbound or not found.writable:
        return []
    way = Way.DIRECT if "publish" in keys else facts.way
    ask = []
    if "publish" in keys:
        ask.append(
            'whether it waits for a marker file beside each payment file: then publish = "marker" is the better way'
        )
    if way is not Way.DIRECT and not facts.staging_is_ours and not any(one.swept for one in found.trials):
        ask.append(f"whether it leaves {_temporary(found.bank)} alone, for ever: then staging_is_ours = true")
    if way is Way.RENAME and not facts.atomic_rename and "atomic_rename" not in keys:
        ask.append("whether its server renames in one step: then atomic_rename = true")
    if way is Way.MARKER and not facts.takes_file_before_marker:
        ask.append("whether it removes a file no later than its marker: then takes_file_before_marker = true")
    return ask


def _temporary(bank: Bank) -> str:
    if bank.channel.way is Way.MARKER:
        return "files without a marker"
    apart = [folder.staging for folder in bank.outbound if folder.staging]
    return f"files in {', '.join(apart)}" if apart else "files whose names begin with a dot"


def as_toml(changes: Sequence[Change]) -> str:
    """Below their sections, each with its evidence."""
    lines: list[str] = []
    last: tuple[str, int | None] | None = None
    for change in sorted(changes, key=lambda one: (ORDER.index(one.section), one.number or 0)):
        if (change.section, change.number) != last:
            lines.append(
                f"[{change.section}]" if change.number is None else f"[[{change.section}]]  # number {change.number}"
            )
            last = change.section, change.number
        said = f"{change.key} = {change.value}" if change.value is not None else f"# {change.key}: leave it out"
        lines.append(f"{said}  # was {change.was}; {change.evidence}")
    return "\n".join(lines)
