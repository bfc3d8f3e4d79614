"""What the profiles ask of this machine: folders, schemas, times; and rules that could never be asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from h2h.bank_rules import place_of
from h2h.calendars import is_calendar
from h2h.config import Bank, FolderSettings, Profile, Reading
from h2h.config.toml_file import Place, about
from h2h.config.values import message_fault
from h2h.credentials import Credentials
from h2h.errors import Problem, UsageError
from h2h.messages.catalog import Catalog, MessageType
from h2h.outbound import origin
from h2h.readiness.machine import closed
from h2h.resources import root
from h2h.schedule import Window, astray, closes_away, cut_off_on

if TYPE_CHECKING:
    from h2h.messages.own_schemas import OwnSchemas


def problems(reading: Reading, credentials: Credentials) -> Iterator[Problem]:
    for profile in reading.profiles:
        yield from _folder_problems(profile)
        yield from _origin_problems(profile, credentials)
        yield from _schema_problems(profile)
        yield from _rule_problems(profile)
        yield from _time_problems(profile)


def warnings(reading: Reading) -> Iterator[Problem]:
    for profile in reading.profiles:
        yield from _not_said_to_be_real(profile, reading)
        yield from _closing_in_maintenance(profile)
        if profile.bank.schemas is not None:
            for text in _own_schemas(profile.bank.schemas, Catalog.load(root("schemas"))).unused:
                yield from about(text, profile.source.at("bank", "schemas"))


def _folder_problems(profile: Profile) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    if isinstance(bank.channel, FolderSettings) and not os.path.isdir(bank.channel.path):
        yield from about(f"there is no folder {bank.channel.path}", at("bank", "channel", "path"))
    folders = [(o.watch, at("bank", "outbound", n, "watch")) for n, o in enumerate(bank.outbound)]
    folders += [(o.status, at("bank", "outbound", n, "status")) for n, o in enumerate(bank.outbound) if o.status]
    folders += [(i.deliver, at("bank", "inbound", n, "deliver")) for n, i in enumerate(bank.inbound) if i.deliver]
    for folder, place in folders:
        if not os.path.isdir(folder):
            yield from about(f"there is no folder {folder}; make it, or run h2h init", place)
        elif fault := closed(folder):
            yield from about(fault, place)


def _origin_problems(profile: Profile, credentials: Credentials) -> Iterator[Problem]:
    """Whether it can be seen from where files come, as far as its key can be had here."""
    for n, outbound in enumerate(profile.bank.outbound):
        if outbound.manifest_key and credentials.absence(outbound.manifest_key):
            outbound = outbound.model_copy(update={"manifest_key": None})
        if wrong := origin.problem(outbound, credentials):
            key = "owners" if "named as an owner" in wrong else "manifest_key"
            yield from about(wrong, profile.source.at("bank", "outbound", n, key))


def _schema_problems(profile: Profile) -> Iterator[Problem]:
    """Whether each of the bank's own schemas can be used, and which messages there are with them."""
    bank, at = profile.bank, profile.source.at
    if bank.schemas is None:
        return
    shipped = Catalog.load(root("schemas"))
    found = _own_schemas(bank.schemas, shipped)
    uncompiled = {row: fault for row in found.rows if (fault := _not_compiled(row))}
    for fault in (*found.faults, *uncompiled.values()):
        yield from about(fault.rstrip("."), at("bank", "schemas"))
    catalog = shipped.with_rows(found.rows)
    for way, n, messages in _messages(bank):
        for m, name in enumerate(messages):
            wrong = message_fault(name, catalog, out=way == "outbound")
            if wrong and (catalog.by_name(name) or not found.faults):  # else it may be of a schema with a fault
                yield from about(wrong, at("bank", way, n, "messages", m))


def _messages(bank: Bank) -> Iterator[tuple[str, int, Sequence[str]]]:
    yield from (("outbound", n, folder.messages) for n, folder in enumerate(bank.outbound))
    yield from (("inbound", n, folder.messages) for n, folder in enumerate(bank.inbound))


def _not_compiled(row: MessageType) -> str | None:
    catalog = Catalog((row,))
    try:
        catalog.preload()
        catalog.schema(row)
    except UsageError as error:
        return str(error)
    return None


def _rule_problems(profile: Profile) -> Iterator[Problem]:
    """Places that no message of their folder has: rules of them would never be asked."""
    bank, at = profile.bank, profile.source.at
    if not any(folder.rules for folder in bank.outbound):
        return
    from h2h.messages.places import stands

    catalog = Catalog.load(root("schemas"))
    own = _own_schemas(bank.schemas, catalog) if bank.schemas else None
    catalog = catalog.with_rows(own.rows) if own else catalog
    for n, folder in enumerate(bank.outbound):
        rows = [row for name in folder.messages if (row := catalog.by_name(name))]
        types = [catalog.types(row) for row in rows]
        for m, rule in enumerate(folder.asking.rules):
            for key, place in [("at", rule.at), *([("when", rule.when.at)] if rule.when else [])]:
                if types and not any(stands(each, place_of(place)) for each in types):
                    text = f"no {' or '.join(folder.messages)} can have {place}; look at its names and their order"
                    yield from about(text, at("bank", "outbound", n, "rules", m, key))


def _own_schemas(folder: Path, shipped: Catalog) -> OwnSchemas:
    from h2h.messages.own_schemas import own_schemas  # here, as it takes a while and few banks have any

    return own_schemas(folder, shipped.rows)


def _time_problems(profile: Profile) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    if not is_calendar(bank.calendar):
        yield from about(f"there is no calendar {bank.calendar}", at("bank", "calendar"))
        return
    for n, outbound in enumerate(bank.outbound):
        *others, own = bank.windows_for(outbound, None)
        yield from _astray(own, at("bank", "outbound", n, "cut_off"))
        for m, (row, window) in enumerate(zip(outbound.cut_offs, others, strict=True)):
            place = ("bank", "outbound", n, "cut_offs", m)
            if row.calendar and not is_calendar(row.calendar):
                yield from about(f"there is no calendar {row.calendar}", at(*place, "calendar"))
            else:
                yield from _astray(window, at(*place, "cut_off"))


def _astray(window: Window, place: Place) -> Iterator[Problem]:
    if found := astray(window):
        day, what = found
        when = f"on {day}, when the clocks of {window.timezone} change"
        text = f"{cut_off_on(window, day):%H:%M} {what} {when}; choose a time that every open day has once"
        yield from about(text, place)


def _closing_in_maintenance(profile: Profile) -> Iterator[Problem]:
    bank, at = profile.bank, profile.source.at
    text = (
        "the bank's server is in maintenance right before this cut-off on a day of each week: files have to go earlier"
    )
    for n, outbound in enumerate(bank.outbound):
        *others, own = bank.windows_for(outbound, None)
        if is_calendar(bank.calendar) and closes_away(own, bank.away):
            yield from about(text, at("bank", "outbound", n, "cut_off"))
        for m, window in enumerate(others):
            if is_calendar(bank.calendar) and is_calendar(window.also.name) and closes_away(window, bank.away):
                yield from about(text, at("bank", "outbound", n, "cut_offs", m, "cut_off"))


def _not_said_to_be_real(profile: Profile, reading: Reading) -> Iterator[Problem]:
    if reading.gateway and reading.gateway.environment == "production" and profile.bank.environment is None:
        text = 'this profile does not say whether it is of the bank\'s test server; state environment = "production"'
        yield from about(text, profile.source.at("bank", "name"))
