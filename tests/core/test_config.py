"""The settings: a good file, and every kind of mistake at once with its file and line."""

from __future__ import annotations

import re
import sys
import typing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from h2h import config
from h2h.calendars import Calendar, Closings
from h2h.config import STAND_INS, FolderSettings, Settings, SftpSettings, load
from h2h.config.accounts import BankAccount
from h2h.config.channel import NextKey
from h2h.config.cut_offs import CutOff
from h2h.config.maintenance import Maintenance
from h2h.config.some_payments import never_counting
from h2h.config.vault import VaultSettings
from h2h.errors import SettingsError
from h2h.kinds import Kind
from h2h.model import Severity
from h2h.rules import Terms
from h2h.schedule import Away, Window
from h2h.toml_lines import lines_of, nearest

PIN = "SHA256:" + "ab" * 21 + "c"

MAIN = """
[gateway]
data = "data"
environment = "test"
banks = "banks/*.toml"
"""

BANK = f"""\
[bank]
name = "acme"
timezone = "Europe/Berlin"
calendar = "TARGET"

[bank.channel]
kind = "sftp"
host = "sftp.bank.example"
user = "CORP"
key_file = "../keys/acme"
host_keys = ["{PIN}"]

[[bank.outbound]]
watch = "/srv/out"
messages = ["pain.001.001.09"]
remote = "/in/"
opens = "08:00"
cut_off = "15:30"
lead = "10m"
days = "mon-fri"

[[bank.inbound]]
remote = "/out"
messages = ["camt.053.001.08"]
every = "10m"
"""


EVERY = 'every = "10m"'
AWAY = f"""{EVERY}
[[bank.maintenance]]
starts = "02:00\""""
DAYS = 'days = "mon-fri"'
TIMES = BANK[BANK.index('opens = "08') : BANK.index(DAYS) + len(DAYS)]
USD = f"""{DAYS}
[[bank.outbound.cut_offs]]
currencies = ["USD"]\
"""  # begins on line 21
ACCOUNT = f"""{EVERY}
[[bank.accounts]]
account = "DE89370400440532013000\""""


def write(folder: Path, main: str = MAIN, **banks: str) -> Path:
    (folder / "banks").mkdir(exist_ok=True)
    for name, text in banks.items():
        (folder / "banks" / f"{name}.toml").write_text(text, encoding="utf-8")
    (folder / "h2h.toml").write_text(main, encoding="utf-8")
    return folder / "h2h.toml"


def problems(folder: Path, main: str = MAIN, **banks: str) -> list[str]:
    """Each as "file:line: key: text", the file without its folder."""
    with pytest.raises(SettingsError) as caught:
        load(write(folder, main, **banks))
    assert str(caught.value).splitlines() == [str(p) for p in caught.value.problems]
    return [str(p).replace(f"{folder}/", "") for p in caught.value.problems]


def good(folder: Path, bank: str = BANK) -> Settings:
    return load(write(folder, acme=bank))


def test_terms_are_the_folders_and_the_day_is_the_banks(tmp_path: Path) -> None:
    asked = 'accounts = ["DE89 3704 0044 0532 0130 00", "47 11"]\nexecution_days = [0, 5]\nunusual_dates = "hold"\n'
    [bank] = good(tmp_path, BANK.replace('days = "mon-fri"\n', f'days = "mon-fri"\n{asked}')).banks
    terms = bank.terms(bank.outbound[0], datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert terms == Terms(
        profile=bank.profile,
        messages=["pain.001.001.09"],
        accounts=["DE89370400440532013000", "4711"],
        supplementary_data=[],
        today=date(2026, 11, 21),
        execution_days=(0, 5),
        creation_days=(-30, 1),
        unusual_dates=Severity.HOLD,
    )
    [plain] = good(tmp_path).banks
    usual = plain.terms(plain.outbound[0], datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    assert (usual.accounts, usual.unusual_dates, usual.today) == (None, Severity.WARNING, date(2026, 11, 20))


def test_a_good_file(tmp_path: Path) -> None:
    settings = good(tmp_path)
    [bank] = settings.banks
    [out] = bank.outbound
    [back] = bank.inbound
    assert settings.bank("acme") is bank
    assert settings.bank("none") is None
    assert isinstance(bank.channel, SftpSettings)
    assert (out.remote, out.staging_folder, out.opens, out.cut_off) == ("/in", "/in", time(8), time(15, 30))
    assert (out.lead, out.days, back.every) == (timedelta(minutes=10), frozenset(range(5)), timedelta(minutes=10))
    window = bank.window(out)
    assert (window.timezone, window.calendar, window.cut_off) == ("Europe/Berlin", Calendar("TARGET"), time(15, 30))
    assert bank.outbound_for("/srv/out") is out
    assert bank.outbound_for("/srv/other") is None


CLOSINGS = """\
until = 2027-12-31
closed = [2026-12-24, 2026-12-31]
open = [2026-10-26]
[early]
2026-12-23 = "12:00"
"""
WITH_CLOSINGS = BANK.replace('calendar = "TARGET"', 'calendar = "TARGET"\nclosings = "../closings.toml"')


def test_the_closings_of_a_bank_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "closings.toml").write_text(CLOSINGS)
    [bank] = good(tmp_path, WITH_CLOSINGS).banks
    assert bank.open_days.local == Closings(
        closed=frozenset({date(2026, 12, 24), date(2026, 12, 31)}),
        open=frozenset({date(2026, 10, 26)}),
        early={date(2026, 12, 23): time(12)},
        until=date(2027, 12, 31),
    )
    terms, due = bank.cash_terms, bank.due(BankAccount(account="4711", statements="daily"))
    assert due is not None
    assert bank.window(bank.outbound[0]).calendar == terms.calendar == due.calendar == bank.open_days


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("until = 2027-12-31\n", "", ":1: until: is missing"),
        ("2026-12-31]", '"soon"]', ":2: closed[2]: 'soon' is not a day; write it as in 2026-12-24"),
        ("2026-10-26", "2026-10-26T12:00:00", ":3: open[1]: '2026-10-26 12:00:00' is not a day"),
        ('2026-12-23 = "12:00"', 'christmas = "12:00"', ":5: early.christmas: 'christmas' is not a day"),
        ('2026-12-23 = "12:00"', '2026-12-23 = "noon"', ":5: early.2026-12-23: "),
        ('2026-12-23 = "12:00"', '2026-12-24 = "12:00"', ":2: closed[1]: 2026-12-24 is closed, and open or"),
        ("open = [2026-10-26]", "open = [2026-12-31]", ":2: closed[2]: 2026-12-31 is closed, and open"),
        ("until = 2027-12-31", "until = 2026-12-23", ":1: until: 2026-12-31 comes after it"),
        ("until = 2027-12-31", "untill = 2027-12-31", ":1: until: is missing; closings.toml:1: untill: is not a known"),
        ("[early]", "[early", ":4 is not TOML"),
        (
            "2026-12-24,", ", ".join(f"2026-12-{n:02}" for n in (*range(1, 23), 24)) + ",",
            ":2: closed: closes each day from 2026-12-01 to 2026-12-24; more than 20 in a row",
        ),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_of_closings_are_told_by_its_lines(tmp_path: Path, old: str, new: str, told: str) -> None:
    (tmp_path / "closings.toml").write_text(CLOSINGS.replace(old, new, 1))
    found = problems(tmp_path, acme=WITH_CLOSINGS)
    assert found[0].startswith(f"banks/acme.toml:5: bank.closings: closings.toml{told}")


def test_a_file_of_closings_that_is_not_there(tmp_path: Path) -> None:
    assert problems(tmp_path, acme=WITH_CLOSINGS) == [
        "banks/acme.toml:5: bank.closings: closings.toml cannot be read: no such file or directory"
    ]


def test_facts_about_a_bank_are_false_unless_stated(tmp_path: Path) -> None:
    channel = good(tmp_path).banks[0].channel
    assert not channel.atomic_rename
    assert not channel.staging_is_ours


def test_relative_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    settings = good(tmp_path)
    channel = settings.banks[0].channel
    assert isinstance(channel, SftpSettings)
    assert (settings.gateway.data, channel.key_file) == (tmp_path / "data", tmp_path / "keys" / "acme")


def test_the_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        good(tmp_path).banks[0].name = "other"


def test_every_mistake_of_every_file_comes_at_once_with_its_line(tmp_path: Path) -> None:
    broken = BANK.replace('"Europe/Berlin"', '"Europe/Bonn"').replace('"15:30"', '"25:30"').replace('"10m"', '"ten"', 1)
    found = problems(tmp_path, MAIN.replace('"test"', '"prod"'), acme=broken, other="name = 1\n", third="[bank\n")
    assert [f.split(": ")[0:2] for f in found] == [
        ["h2h.toml:4", "gateway.environment"],
        ["banks/acme.toml:3", "bank.timezone"],
        ["banks/acme.toml:18", "bank.outbound[1].cut_off"],
        ["banks/acme.toml:19", "bank.outbound[1].lead"],
        ["banks/other.toml:1", "bank"],
        ["banks/other.toml:1", "name"],
        ["banks/third.toml:1", "is not TOML"],
    ]


# (what stands in the good bank file, what stands there instead, line, key, words of the text)
MISTAKES = [
    ('name = "acme"', 'name = "Acme!"', 2, "bank.name", "right form"),
    ('timezone = "Europe/Berlin"', 'timezone = "../etc/passwd"', 3, "bank.timezone", "is not a time zone"),
    ('calendar = "TARGET"', 'calendar = "moon"', 4, "bank.calendar", "is not a calendar"),
    ('calendar = "TARGET"', 'calendar = "TARGET+moon"', 4, "bank.calendar", "is not a calendar"),
    ('calendar = "TARGET"', "closings = 5", 4, "bank.closings", "write a path"),
    ('calendar = "TARGET"', 'calender = "TARGET"', 4, "bank.calender", "not a known setting"),
    ('kind = "sftp"', 'kind = "ftp"', 7, "bank.channel.kind", "must be one of 'sftp', 'folder'"),
    ('kind = "sftp"\n', "", 6, "bank.channel", "needs a kind"),
    ('user = "CORP"\n', "", 6, "bank.channel.user", "is missing"),
    (f'["{PIN}"]', "[]", 11, "bank.channel.host_keys", "at least 1"),
    (PIN, "SHA256:short", 11, "bank.channel.host_keys[1]", "right form"),
    (PIN, "MD5:" + "a" * 43, 11, "bank.channel.host_keys[1]", "right form"),
    ('user = "CORP"', 'user = "CORP"\nport = 70000', 10, "bank.channel.port", "less than or equal"),
    ('user = "CORP"', 'user = "CORP"\nport = "22"', 10, "bank.channel.port", "integer"),
    ('user = "CORP"', 'user = "CORP"\nkey_passphrase = "secret"', 10, "bank.channel.key_passphrase", "never stands"),
    ('user = "CORP"', 'user = "CORP"\natomic_rename = "yes"', 10, "bank.channel.atomic_rename", "boolean"),
    ('key_file = "../keys/acme"', "key_file = 5", 10, "bank.channel.key_file", "write a path"),
    ('watch = "/srv/out"\n', "", 13, "bank.outbound[1].watch", "is missing"),
    ('messages = ["pain.001.001.09"]', "messages = []", 15, "bank.outbound[1].messages", "at least 1"),
    ('remote = "/in/"', 'remote = "in"', 16, "bank.outbound[1].remote", "absolute path"),
    ('opens = "08:00"', 'opens = "8:00"', 17, "bank.outbound[1].opens", "as in 15:30"),
    ('opens = "08:00"', "opens = 08:00:00", 17, "bank.outbound[1].opens", "as in 15:30"),
    ('cut_off = "15:30"', 'cut_off = "07:00"', 18, "bank.outbound[1].cut_off", "window"),
    ('lead = "10m"', 'lead = "450m"', 18, "bank.outbound[1].cut_off", "window"),
    ('lead = "10m"', "lead = 10", 19, "bank.outbound[1].lead", "number and a unit"),
    ('lead = "10m"', 'lead = "-1m"', 19, "bank.outbound[1].lead", "number and a unit"),
    ('days = "mon-fri"', 'days = "monday"', 20, "bank.outbound[1].days", "mon-fri"),
    ('days = "mon-fri"', 'days = "sat,sun"', 20, "bank.outbound[1].days", "closes"),
    ('days = "mon-fri"', "execution_days = [90, -10]", 20, "bank.outbound[1].execution_days", "the earlier first"),
    ('days = "mon-fri"', "execution_days = [-10]", 20, "bank.outbound[1].execution_days", "the earlier first"),
    ('days = "mon-fri"', "creation_days = 30", 20, "bank.outbound[1].creation_days", "as in [-10, 90]"),
    ('days = "mon-fri"', "creation_days = [-200000, 1]", 20, "bank.outbound[1].creation_days", "at most 100000"),
    ('days = "mon-fri"', 'unusual_dates = "yes"', 20, "bank.outbound[1].unusual_dates", "'warn' or 'hold'"),
    ('days = "mon-fri"', "accounts = []", 20, "bank.outbound[1].accounts", "at least 1"),
    ('days = "mon-fri"', 'accounts = ["DE89370400440532013001"]', 20, "bank.outbound[1].accounts[1]", "check digits"),
    ('days = "mon-fri"', 'marker = "done"', 20, "bank.outbound[1].marker", "right form"),
    ('days = "mon-fri"', 'processed = ".."', 20, "bank.outbound[1].processed", "right form"),
    ('days = "mon-fri"', 'rejected = "."', 20, "bank.outbound[1].rejected", "right form"),
    ('days = "mon-fri"', 'processed = "a/b"', 20, "bank.outbound[1].processed", "right form"),
    ('days = "mon-fri"', 'name = "{customers}.xml"', 20, "bank.outbound[1].name", "{customers} is not known"),
    ('days = "mon-fri"', 'name = "{customer}.xml"', 20, "bank.outbound[1].name", "add customer to [bank]"),
    ('days = "mon-fri"', 'name = "{sequence_day}.xml"', 20, "bank.outbound[1].name", "the day has to stand beside it"),
    ('days = "mon-fri"', 'name = "{sequence:4}.xml"', 20, "bank.outbound[1].name", "as in {sequence:04}"),
    ('days = "mon-fri"', 'name = "{test}.xml"', 20, "bank.outbound[1].name", "as in {test:T}"),
    ('days = "mon-fri"', 'name = "{test:T}"', 20, "bank.outbound[1].name", "can be shown"),
    ('days = "mon-fri"', 'name = "{id!r}"', 20, "bank.outbound[1].name", "has no meaning"),
    ('days = "mon-fri"', 'name = "{date:{id}}"', 20, "bank.outbound[1].name", "no braces"),
    ('days = "mon-fri"', 'name = "{name}"\nunique = "refuse"', 20, "bank.outbound[1].name", "same name"),
    ('days = "mon-fri"', 'series = "a"', 20, "bank.outbound[1].series", "neither stands in name"),
    ('days = "mon-fri"', 'name = "{msg_id"', 20, "bank.outbound[1].name", "not a template"),
    ('days = "mon-fri"', 'name = "{msg_id:d}"', 20, "bank.outbound[1].name", "not a template"),
    ('days = "mon-fri"', 'name = "{date.year}"', 20, "bank.outbound[1].name", "not known"),
    ('days = "mon-fri"', 'name = "in/{msg_id}"', 20, "bank.outbound[1].name", "not a path"),
    ('days = "mon-fri"', 'name = "{date:%D}"', 20, "bank.outbound[1].name", "not a path"),
    ('days = "mon-fri"', "max_size = 0", 20, "bank.outbound[1].max_size", "greater than or equal"),
    ('days = "mon-fri"', 'after_cut_off = "later"', 20, "bank.outbound[1].after_cut_off", "'hold', 'next-window' or"),
    ('every = "10m"\n', "", 22, "bank.inbound[1].cron", 'add every = "10m", or a cron'),
    ('every = "10m"', 'every = "10m"\ncron = "* * * * *"', 26, "bank.inbound[1].cron", "both every and cron"),
    ('every = "10m"', 'every = "0s"', 25, "bank.inbound[1].every", "or more"),
    ('every = "10m"', 'cron = "now and then"', 25, "bank.inbound[1].cron", "not a time of crontab"),
    ('every = "10m"', 'every = "10m"\nafter = "delete"', 26, "bank.inbound[1].after", "names_are_unique = true"),
    ('every = "10m"', 'every = "10m"\nafter = "move"\nmove_to = "/done"', 26, "bank.inbound[1].after", "in claim"),
    (
        'every = "10m"', 'every = "10m"\none_shot = true\nafter = "delete"\nnames_are_unique = true', 26,
        "bank.inbound[1].one_shot", "gone once it was opened",
    ),
    ('every = "10m"', 'every = "10m"\nnames_are_unique = true\nafter = "move"', 27, "bank.inbound[1].after", "move_to"),
    ('every = "10m"', 'every = "10m"\nmove_to = "/done"', 22, "bank.inbound[1].after", "move_to"),
    ('every = "10m"', 'every = "10m"\n[bank.retry]\ngive_up_after = 0', 27, "bank.retry.give_up_after", "greater"),
    ('cut_off = "15:30"\n', "", 19, "bank.outbound[1].days", "go with a cut_off"),
    ('days = "mon-fri"', 'rejected = "processed"', 20, "bank.outbound[1].rejected", "taken for sent"),
    ('"pain.001.001.09"', '"pain.001.001.99"', 15, "bank.outbound[1].messages[1]", "takes pain.001.001.03 .08 .09"),
    ('"pain.001.001.09"', '"camt.053.001.08"', 15, "bank.outbound[1].messages[1]", "comes from the bank"),
    ('"pain.001.001.09"', '"pain.008.001.08"', 15, "bank.outbound[1].messages[1]", "validated and inspected, not sent"),
    ('"camt.053.001.08"', '"pain.008.001.08"', 24, "bank.inbound[1].messages[1]", "validated and inspected, not sent"),
    ('"camt.053.001.08"', '"pain.001.001.09"', 24, "bank.inbound[1].messages[1]", "goes to the bank"),
    ('"camt.053.001.08"', '"camt.053.001.99"', 24, "bank.inbound[1].messages[1]", "is not a message that h2h knows"),
    ('every = "10m"', 'every = "10m"\nunreadable = "deliver"', 26, "bank.inbound[1].unreadable", "goes with deliver"),
    ('every = "10m"', 'every = "10m"\nclaim = "/out/"', 26, "bank.inbound[1].claim", "same folder as remote"),
    ('every = "10m"', 'every = "10m"\nafter = "move"\nnames_are_unique = true\nmove_to = "/x/../out"', 28,
     "bank.inbound[1].move_to", "remote"),
    ('every = "10m"', 'every = "10m"\n[bank.statuses]\n"00" = "DONE"', 27, "bank.statuses.00", "write one of ACCC"),
    ('every = "10m"', 'every = "10m"\n[bank.statuses]\nACTC = "ACSP"', 27, "bank.statuses.ACTC", "is a status of ISO"),
    (DAYS, f'{DAYS}\n[[bank.outbound.cut_offs]]\ncut_off = "13:00"', 21, "bank.outbound[1].cut_offs[1]", "state serv"),
    (DAYS, f'{USD}\n[[bank.outbound.cut_offs]]\ncut_off = "13:00"', 23, "bank.outbound[1].cut_offs[2]", "no payments"),
    (TIMES, 'warn = "1h"\n', 17, "bank.outbound[1].warn", "goes with a cut_off"),
    (DAYS, f'{DAYS}\n[bank.outbound.cut_offs]', 21, "bank.outbound[1].cut_offs", "[[bank.outbound.cut_offs]]"),
    (DAYS, USD.replace("USD", "usd"), 22, "bank.outbound[1].cut_offs[1].currencies[1]", "right form"),
    (DAYS, USD.replace('"USD"', ""), 22, "bank.outbound[1].cut_offs[1].currencies", "at least 1"),
    (DAYS, f"{USD}\nservice_levels = [5]", 23, "bank.outbound[1].cut_offs[1].service_levels[1]", "string"),
    (DAYS, f"{USD}\nlocal_instruments = ['']", 23, "bank.outbound[1].cut_offs[1].local_instruments[1]", "at least 1"),
    (DAYS, f'{USD}\ncalendar = "TARGET2"', 23, "bank.outbound[1].cut_offs[1].calendar", "is not a calendar"),
    (DAYS, f'{USD}\ncalendar = "FEDWIRE"', 23, "bank.outbound[1].cut_offs[1].calendar", "go with a cut_off"),
    (DAYS, f'{USD}\nlead = "1h"\ncut_off = "01:00"', 24, "bank.outbound[1].cut_offs[1].cut_off", "no time in it"),
    (DAYS, f'{USD}\ncut_off = "24:00"', 23, "bank.outbound[1].cut_offs[1].cut_off", "as in 15:30"),
    (DAYS, f'{USD}\ncutoff = "13:00"', 23, "bank.outbound[1].cut_offs[1].cutoff", "typing error"),
    (DAYS, f'{USD}\ncut_off = "13:00"\ndays = "sat-sun"', 24, "bank.outbound[1].cut_offs[1].days", "TARGET closes"),
    (
        DAYS, f'{USD}\ncut_off = "13:00"\ndays = "sat"\ncalendar = "FEDWIRE"', 24,
        "bank.outbound[1].cut_offs[1].days", "FEDWIRE closes",
    ),
    (
        DAYS, f'{USD}\n[[bank.outbound.cut_offs]]\ncurrencies = ["USD"]\nservice_levels = ["URGP"]', 23,
        "bank.outbound[1].cut_offs[2]", "never counts: those before it take every payment",
    ),
    (EVERY, f'{AWAY}\nends = "06:00"', 26, "bank.maintenance[1].on", "say when it is: either days"),
    (EVERY, f'{AWAY}\nends = "06:00"\ndays = "sun"\non = 2026-12-05', 30, "bank.maintenance[1].on", "say when it is"),
    (EVERY, f'{AWAY}\nends = "02:00"\ndays = "sun"', 28, "bank.maintenance[1].ends", "another time than starts"),
    (EVERY, f'{AWAY}\ndays = "sun"', 26, "bank.maintenance[1].ends", "is missing"),
    (EVERY, f'{AWAY}\nends = "06:00"\non = "soon"', 29, "bank.maintenance[1].on", "write it as in 2026-12-24"),
    (EVERY, f'{AWAY}\nends = "6"\ndays = "sun"', 28, "bank.maintenance[1].ends", "as in 15:30"),
    (EVERY, f'{EVERY}\n[[bank.accounts]]\nstatements = "daily"', 26, "bank.accounts[1].account", "is missing"),
    (EVERY, f'{ACCOUNT}\nstatements = "weekly"', 28, "bank.accounts[1].statements", "'daily'"),
    (EVERY, f'{ACCOUNT}\ncurrency = "Euro"', 28, "bank.accounts[1].currency", "right form"),
    (EVERY, f'{ACCOUNT}\ndue = "09:00"', 28, "bank.accounts[1].due", 'statements = "daily"'),
    (EVERY, f'{ACCOUNT}\nstatements = "daily"\ndays = "sat-sun"', 29, "bank.accounts[1].days", "TARGET closes"),
    (
        EVERY, f'{ACCOUNT}\ncurrency = "EUR"\n[[bank.accounts]]\naccount = "de8937 0400440532013000"', 30,
        "bank.accounts[2].account", "once for each of its currencies",
    ),
    (EVERY, ACCOUNT.replace("3000", "3001"), 27, "bank.accounts[1].account", "check digits"),
    ("[[bank.inbound]]", "[bank.inbound]", 22, "bank.inbound", "two brackets, [[bank.inbound]]"),
    ("[bank.channel]", "[[bank.channel]]", 6, "bank.channel", "must be a table"),
]  # fmt: skip


APPROVALS = [  # a row, the key that is wrong in it, what is said
    ("above = 50000", ".above", "in quotes"),
    ('above = "5e4"', ".above", "in quotes"),
    ('above = "-1"', ".above", "in quotes"),
    ("people = 2", "", "for which files"),
    ('always = true, above = "1.00"', ".always", "takes every file"),
    ("always = true, people = 3", ".people", "1 or 2"),
    ('always = true, people = 2, who = ["anna", "anna"]', ".who", "2 different people"),
    ("always = true, who = []", ".who", "at least 1"),
    ('always = true, currency = "EUR"', ".currency", "goes with above"),
    ('always = true, known_for = "30d"', ".known_for", "goes with new_creditors"),
    ('new_creditors = true, known_for = "1h"', ".known_for", "1d or more"),
    ('above = "1.00", currency = "eur"', ".currency", "right form"),
]
MISTAKES += [
    ('days = "mon-fri"', f"approvals = [{{ {row} }}]", 20, f"bank.outbound[1].approvals[1]{key}", words)
    for row, key, words in APPROVALS
]


@pytest.mark.parametrize(("there", "instead", "line", "key", "words"), MISTAKES)
def test_a_mistake_is_told_with_line_key_and_what_to_do(
    tmp_path: Path, there: str, instead: str, line: int, key: str, words: str
) -> None:
    assert there in BANK
    last = BANK.rindex(there)
    [found] = problems(tmp_path, acme=BANK[:last] + instead + BANK[last + len(there) :])
    assert found.startswith(f"banks/acme.toml:{line}: {key}: ")
    assert words in found


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("[gateway]\nenvironment = 'test'\n", "h2h.toml:1: gateway.data: is missing"),
        ("", "h2h.toml:1: gateway: is missing"),
        (MAIN + "[ledger]\nurl = 5\n", "h2h.toml:7: ledger.url: input should be a valid string, not 5"),
        (
            MAIN + "[ledger]\nurl = 'h2h.db'\n",
            "h2h.toml:7: ledger.url: write sqlite:///h2h.db, or postgresql+psycopg://",
        ),
        (MAIN + "[ledger]\nurl = 'mysql://u@h/d'\n", "h2h.toml:7: ledger.url: write sqlite:///h2h.db, or postgresql"),
        (MAIN + "[ledger]\nurl = 'postgresql+asyncpg://u@h/d'\n", "h2h.toml:7: ledger.url: write sqlite:///h2h.db, or"),
        (
            MAIN + "[ledger]\nurl = 'postgresql://u:s3cret@h:port/d'\n",
            "h2h.toml:7: ledger.url: is no address of a dat",
        ),
        (MAIN + "[mail]\nto = 'x'\n", "h2h.toml:6: mail: is not a known setting; look for a typing error"),
        *(
            (f'{MAIN}metrics = "{wrong}"\n', f"h2h.toml:6: gateway.metrics: '{wrong}' is no address with a port")
            for wrong in (
                "9464",
                "127.0.0.1",
                "127.0.0.1:",
                "127.0.0.1:0",
                "127.0.0.1:65536",
                "::1:9464",
                "[127.0.0.1]:1",
                "host:9464",
            )
        ),
        (MAIN + "metrics = 9464\n", "h2h.toml:6: gateway.metrics: 9464 is no address with a port; write it as in 127."),
        (
            MAIN + 'metrics = "0.0.0.0:9464"\n',
            "h2h.toml:6: gateway.metrics: 0.0.0.0:9464 can be reached from other machines, where everybody may then",
        ),
        (MAIN + 'metrics = "[::]:9464"\n', "h2h.toml:6: gateway.metrics: [::]:9464 can be reached from other machin"),
        (MAIN + "metrics_public = true\n", "h2h.toml:6: gateway.metrics_public: metrics_public goes with metrics"),
        (
            MAIN + '[retention]\nfiles = "89d"\n',
            "h2h.toml:7: retention.files: write 90d or more, and no more than 99999d",
        ),
        (MAIN + '[retention]\nfiles = "100000d"\n', "h2h.toml:7: retention.files: write 90d or more"),
        (MAIN + "[retention]\nfiles = 3650\n", "h2h.toml:7: retention.files: write a number and a unit"),
        (
            MAIN + '[duplicates]\ndays = 120\n[retention]\nfiles = "120d"\n',
            "h2h.toml:9: retention.files: payments are looked for 120 days back (duplicates.days); keep them",
        ),
        (MAIN.replace('"banks/', '"/etc/'), "h2h.toml:5: gateway.banks: '/etc/*.toml' is not a pattern of files"),
        (MAIN.replace('"banks/*.toml"', '""'), "h2h.toml:5: gateway.banks: '' is not a pattern of files"),
    ],
)
def test_mistakes_of_the_main_file(tmp_path: Path, main: str, expected: str) -> None:
    [found] = problems(tmp_path, main)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("written", "host", "port", "public"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464, False),
        ("localhost:1", "127.0.0.1", 1, False),
        ("[::1]:65535", "::1", 65535, False),
        ("0.0.0.0:9464", "0.0.0.0", 9464, True),
    ],
)
def test_an_address_to_listen_on_is_loopback_unless_stated(
    tmp_path: Path, written: str, host: str, port: int, public: bool
) -> None:
    stated = "metrics_public = true\n" if public else ""
    found = load(write(tmp_path, f'{MAIN}metrics = "{written}"\n{stated}', acme=BANK)).gateway.metrics
    assert found is not None
    assert (found.host, found.port, str(found)) == (host, port, written.replace("localhost", "127.0.0.1"))


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "h2h.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(tmp_path / "h2h.toml")


def test_a_settings_file_that_is_not_there_says_how_to_name_or_make_one(tmp_path: Path) -> None:
    write(tmp_path, acme="is not looked at").unlink()
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "h2h.toml")
    [problem] = caught.value.problems
    assert all(word in problem.text for word in ("no such file", "-c FILE", "H2H_CONFIG", "`h2h init`"))


def test_the_database_needs_its_driver_and_the_text_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = MAIN + "[ledger]\nurl = 'postgresql+psycopg://h2h:s3cret@db/h2h'\n"
    assert load(write(tmp_path, main)).ledger.url.startswith("postgresql")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    [found] = problems(tmp_path, main)
    assert found.startswith("h2h.toml:7: ledger.url: ")
    assert "pip install 'h2h[cluster]'" in found
    assert "s3cret" not in found


def test_two_banks_cannot_share_a_name(tmp_path: Path) -> None:
    [found] = problems(tmp_path, acme=BANK, other=BANK)
    assert found.startswith("banks/other.toml:2: bank.name: acme is the name of the bank in ")
    assert "banks/acme.toml:2 too; it must be unique" in found


# One mistake hides no other.


def lines_told(folder: Path, bank: str) -> list[tuple[int, str]]:
    """Line and key of each problem."""
    found = problems(folder, acme=bank)
    return [(int(f.split(":")[1]), f.split(": ")[1].removeprefix("bank.")) for f in found]


@pytest.mark.parametrize(
    ("there", "instead", "expected"),
    [
        ('host = "sftp.bank.example"', "host = 1", (8, "channel.host")),
        ('kind = "sftp"', 'kind = "ftp"', (7, "channel.kind")),
        ('name = "acme"', 'name = "A"', (2, "name")),
        ('timezone = "Europe/Berlin"\n', "", (1, "timezone")),
        ('watch = "/srv/out"', "watch = 1", (14, "outbound[1].watch")),
        ('messages = ["pain.001.001.09"]', 'messages = ["pain.001.001.09", 5]', (15, "outbound[1].messages[2]")),
        ('messages = ["camt.053.001.08"]\n', "", (22, "inbound[1].messages")),
    ],
)
def test_a_wrong_value_does_not_hide_a_contradiction_in_its_own_section_or_another(
    tmp_path: Path, there: str, instead: str, expected: tuple[int, str]
) -> None:
    text = BANK.replace('cut_off = "15:30"', 'cut_off = "07:00"').replace('"mon-fri"', '"sat"')
    text = text.replace('every = "10m"', 'every = "1ms"\nafter = "move"\nnames_are_unique = true')
    assert there in text
    moved = -1 if not instead else 0
    lines = [(18, "outbound[1].cut_off"), (20, "outbound[1].days"), (25, "inbound[1].every"), (26, "inbound[1].after")]
    wanted = [expected, *((n + moved if n > expected[0] else n, key) for n, key in lines)]
    if "inbound" in expected[1]:
        wanted = [expected, *((n - 1 if n > 24 else n, key) for n, key in lines)]
    assert lines_told(tmp_path, text.replace(there, instead)) == sorted(wanted)


@pytest.mark.parametrize(
    ("there", "instead", "told"),
    [
        ('cut_off = "15:30"', 'cut_off = "25:30"', [(18, "outbound[1].cut_off")]),
        ('cut_off = "15:30"', 'cut_of = "15:30"', [(18, "outbound[1].cut_of")]),
        ('every = "10m"', 'every = "ten"', [(25, "inbound[1].every")]),
        ('every = "10m"', 'evry = "10m"', [(25, "inbound[1].evry")]),
        ('days = "mon-fri"', 'days = "one"', [(20, "outbound[1].days")]),
    ],
)
def test_what_follows_from_a_mistake_alone_is_not_told_as_another(
    tmp_path: Path, there: str, instead: str, told: list[tuple[int, str]]
) -> None:
    assert lines_told(tmp_path, BANK.replace(there, instead)) == told


def test_whatever_has_to_be_there_has_a_stand_in_that_is_good(tmp_path: Path) -> None:
    """Else one wrong value of it would hide all that is only seen when the whole bank can be read."""
    blocks = {"gateway": config.GatewaySettings, "bank": config.Bank, "outbound": config.Outbound,
              "inbound": config.Inbound, "ledger": config.LedgerSettings, "retry": config.Retry,
              "accounts": config.BankAccount, "alerts": config.Recipient, "maintenance": Maintenance,
              "webhooks": config.Webhook, "vault": VaultSettings, "next_key": NextKey,
              "our_keys": config.OurKeyRow, "their_keys": config.TheirKeyRow}  # fmt: skip
    needed = {
        (block, f.alias or name)
        for block, kind in blocks.items()
        for name, f in kind.model_fields.items()
        if f.is_required()
    }
    channels = typing.get_args(typing.get_args(config.ChannelSettings)[0])
    needed |= {("channel", n) for kind in channels for n, f in kind.model_fields.items() if f.is_required()}
    assert needed - {("channel", "kind")} == set(STAND_INS)
    kinds: dict[str, type[BaseModel]] = {**blocks, "channel": SftpSettings}
    for (block, name), value in STAND_INS.items():
        kind = FolderSettings if (block, name) == ("channel", "path") else kinds[block]
        with pytest.raises(ValueError) as caught:  # noqa: PT011 the rest is missing; only this one value is looked at
            kind.model_validate({name: value, "of no section": 0})
        assert name not in [error["loc"][0] for error in caught.value.errors()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2", ("b",), 2),
        ("[t]\n[t.u]\nx = 1", ("t", "u", "x"), 3),
        ("[[l]]\nx = 1\n[[l]]\nx = 2", ("l", 1, "x"), 4),
        ("[[l]]\n[l.m]\nx = 1\n[[l]]\n[l.m]\nx = 2", ("l", 1, "m", "x"), 6),
        ("a.b = 1", ("a", "b"), 1),
        ('"a b" = 1', ("a b",), 1),
        ('x = """\n[t]\ny = 1\n"""\ny = 2', ("y",), 5),
        ("[t]\nx = 1", ("t", "missing"), 1),
        ("x = 1", ("none",), None),
    ],
)
def test_the_line_of_a_key(text: str, path: tuple[str | int, ...], line: int | None) -> None:
    assert nearest(lines_of(text), path) == line


TEN = '[[bank.answers]]\nstage = "received"\nby = "10:00"\n'
TWO_HOURS = '[[bank.answers]]\nstage = "received"\nwithin = "2h"\n'


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ('[[bank.answers]]\nstage = "soon"\nwithin = "2h"\n', "answers[1].stage: "),
        ('[[bank.answers]]\nstage = "received"\n', "answers[1].within: say by when"),
        ('[[bank.answers]]\nstage = "received"\nwithin = "2h"\nby = "09:00"\n', "answers[1].within: say by when"),
        ('[[bank.answers]]\nstage = "received"\nwithin = "2h"\ndays = 1\n', "answers[1].days: days go with by"),
        (
            '[[bank.answers]]\nstage = "received"\nby = "09:00"\ncloses = "18:00"\n',
            "answers[1].closes: opens and closes",
        ),
        (TWO_HOURS + 'opens = "09:00"\ncloses = "08:00"\n', "answers[1].closes: has to be later than opens"),
        ('[[bank.answers]]\nstage = "received"\nwithin = "0s"\n', "answers[1].within: has to be longer than nothing"),
        (TWO_HOURS + 'warn = "2h"\n', "answers[1].warn: is no shorter than within"),
        (TWO_HOURS * 2, "answers[2].stage: never counts: received stands before it"),
        (
            TWO_HOURS + '[[bank.answers]]\nstage = "payment"\nwithin = "1h"\n',
            "answers[2].stage: payment comes after received",
        ),
        (
            TEN.replace("received", "payment") + TEN.replace("received", "syntax") + "days = 1\n",
            "answers[1].stage: payment comes after syntax, and would be due before it",
        ),
    ],
)
def test_deadlines_that_contradict_each_other_are_told(tmp_path: Path, answers: str, told: str) -> None:
    [found, *_] = problems(tmp_path, acme=BANK + answers)
    assert re.match(r"banks/acme\.toml:\d+: bank\.", found)
    assert told in found


def test_the_contract_on_answers_is_the_banks_calendar_and_zone(tmp_path: Path) -> None:
    [bank] = good(tmp_path, BANK + TWO_HOURS + 'opens = "08:00"\ncloses = "18:00"\n').banks
    friday = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # 17:30 in Berlin
    [owed] = bank.contract(None, friday)
    assert owed.due(friday) == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def test_some_payments_have_a_contract_of_their_own_and_a_file_of_several_the_longest(tmp_path: Path) -> None:
    instant = '[[bank.answers]]\nstage = "payment"\nwithin = "10m"\nlocal_instruments = ["INST"]\n'
    rows = instant + '[[bank.answers]]\nstage = "payment"\nwithin = "1d"\n'
    [bank] = good(tmp_path, BANK + rows).banks
    sent = datetime(2026, 11, 18, 9, tzinfo=UTC)
    fast, usual = Kind(("SEPA",), "INST", "EUR"), Kind(("SEPA",), None, "EUR")

    def due(*kinds: Kind) -> list[timedelta]:
        return [each.due(sent) - sent for each in bank.contract(kinds or None, sent)]

    assert due(fast) == [timedelta(minutes=10)]
    assert due(usual) == due(fast, usual) == due() == [timedelta(days=1)]
    [bank] = good(tmp_path, BANK + instant).banks
    assert (due(fast, usual), due(usual), due()) == ([timedelta(minutes=10)], [], [timedelta(minutes=10)])


# Other times for some payments.


def rows(folder: Path, *conditions: str) -> list[CutOff]:
    text = "".join(f"\n[[bank.outbound.cut_offs]]\n{each}" for each in conditions)
    return good(folder, BANK.replace(DAYS, DAYS + text)).banks[0].outbound[0].cut_offs


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (Kind(("URGP",), None, "USD"), 0),
        (Kind(("G001", "URGP"), "INST", "USD"), 0),  # one of several is enough
        (Kind(("SEPA",), None, "USD"), 2),
        (Kind(("URGP",), None, "EUR"), None),
        (Kind((), "INST", "USD"), 1),  # the first that fits
        (Kind((), "B2B", None), 1),
        (Kind((), None, None), None),
        (Kind(("SEPA",), "inst", "EUR"), None),
    ],
)
def test_the_first_row_counts_of_which_a_payment_fits_every_condition(
    tmp_path: Path, kind: Kind, row: int | None
) -> None:
    urgent = 'service_levels = ["URGP", "SDVA"]\ncurrencies = ["USD"]'
    found = rows(tmp_path, urgent, 'local_instruments = ["INST", "B2B"]', 'currencies = ["USD", "CAD"]')
    assert next((n for n, each in enumerate(found) if each.fits(kind)), None) == row
    assert [each.payments for each in found] == ["URGP/SDVA USD", "INST/B2B", "USD/CAD"]


def test_windows_are_those_of_the_rows_that_count_in_their_order_then_the_folders_own(tmp_path: Path) -> None:
    dollars = 'currencies = ["USD"]\ncalendar = "FEDWIRE"\nopens = "07:00"\ncut_off = "13:00"\nlead = "5m"'
    instant = 'local_instruments = ["INST"]\ncut_off = "20:00"\ncalendar = "EVERYDAY"'
    text = f"{DAYS}\n[[bank.outbound.cut_offs]]\n{dollars}\n[[bank.outbound.cut_offs]]\n{instant}"
    bank = good(tmp_path, BANK.replace(DAYS, text)).banks[0]
    folder = bank.outbound[0]
    own = bank.window(folder)
    usd = Window(
        timezone="Europe/Berlin", calendar=Calendar("TARGET"), also=Calendar("FEDWIRE"), opens=time(7),
        cut_off=time(13), lead=timedelta(minutes=5), payments="USD",
    )  # fmt: skip
    inst = Window(timezone="Europe/Berlin", calendar=Calendar("EVERYDAY"), cut_off=time(20), payments="INST")
    sepa = Kind(("SEPA",), None, "EUR")
    assert bank.windows_for(folder, [sepa]) == bank.windows_for(folder, []) == [own]
    assert bank.windows_for(folder, [sepa, Kind((), "INST", "EUR"), Kind((), None, "USD")]) == [usd, inst, own]
    assert bank.windows_for(folder, [Kind((), "INST", "EUR"), Kind(("SEPA",), "INST", None)]) == [inst]
    assert bank.windows_for(folder, None) == [usd, inst, own]


CODES = ["A", "B"]
conditions = st.lists(st.sampled_from(CODES), min_size=1, unique=True) | st.none()
cut_offs = st.builds(
    CutOff,
    service_levels=conditions,
    local_instruments=conditions,
    currencies=st.lists(st.sampled_from(["EUR", "USD"]), min_size=1, unique=True) | st.none(),
)
ALL_KINDS = [
    Kind(tuple(levels), instrument, currency)
    for levels in ([], ["A"], ["B"], ["A", "B"], ["C"], ["C", "B"])
    for instrument in (None, *CODES, "C")
    for currency in (None, "EUR", "USD", "CHF")
]


@given(st.lists(cut_offs, max_size=5))
def test_a_row_never_counts_where_no_payment_there_is_makes_it_the_first(found: list[CutOff]) -> None:
    firsts = {next((n for n, row in enumerate(found) if row.fits(kind)), None) for kind in ALL_KINDS}
    assert set(never_counting(found)) == set(range(len(found))) - firsts


def test_maintenance_is_each_week_or_once_in_the_banks_zone(tmp_path: Path) -> None:
    weekly = 'days = "sat-sun"\nstarts = "22:00"\nends = "02:00"\n'
    once = 'on = 2026-12-05\nstarts = "06:00"\nends = "12:00"\n'
    [bank] = good(tmp_path, f"{BANK}[[bank.maintenance]]\n{weekly}[[bank.maintenance]]\n{once}").banks
    assert bank.away == [
        Away(timezone="Europe/Berlin", days=frozenset({5, 6}), starts=time(22), ends=time(2)),
        Away(timezone="Europe/Berlin", on=date(2026, 12, 5), starts=time(6), ends=time(12)),
    ]
    assert bank.away_until(datetime(2026, 12, 5, 5, tzinfo=UTC)) == datetime(2026, 12, 5, 11, tzinfo=UTC)
    assert bank.away_until(datetime(2026, 12, 4, 5, tzinfo=UTC)) is None
