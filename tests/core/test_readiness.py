"""Whether the machine has what the settings need, and folders that are in each other's way: on real files and keys."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from h2h.config import load
from h2h.errors import Problem, SettingsError
from h2h.readiness import look, machine
from h2h.sandbox.keys import create_client_key
from tests.national import STATUS, national, national_status, schema

MAIN = '[gateway]\ndata = "data"\nenvironment = "test"\n'
BANK = """\
[bank]
name = "acme"
timezone = "Europe/Berlin"
calendar = "TARGET"
[bank.channel]
kind = "sftp"
host = "192.0.2.1"
user = "CORP"
key_file = "../keys/acme"
host_keys = ["SHA256:ababababababababababababababababababababab0"]
[[bank.outbound]]
watch = "../out"
messages = ["pain.001.001.09"]
remote = "/in"
[[bank.inbound]]
remote = "/out"
messages = ["camt.053.001.08"]
every = "10m"
deliver = "../back"
"""
OTHER = (
    BANK.replace('"acme"', '"other"').replace('"CORP"', '"OTHER"').replace("../out", "../o").replace("../back", "../b")
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return furnished(tmp_path)


def furnished(folder: Path) -> Path:
    """Everything that BANK and OTHER need."""
    for name in ("banks", "out", "back", "o", "b", "bank"):
        (folder / name).mkdir()
    create_client_key(folder / "keys" / "acme")
    (folder / "h2h.toml").write_text(MAIN)
    return folder


def told(world: Path, bank: str = BANK, *others: str, main: str = MAIN, **environ: str) -> list[str]:
    """Each problem as "file:line: key: text", without the folder of this test."""
    (world / "h2h.toml").write_text(main)
    for number, text in enumerate((bank, *others)):
        (world / "banks" / f"{number}.toml").write_text(text)
    try:
        look(world / "h2h.toml", environ).settings()
    except SettingsError as error:
        return [str(problem).replace(f"{world}/", "") for problem in error.problems]
    return []


def changed(text: str, **changes: str) -> str:
    """The profile with other lines for these keys; `outbound_remote` is that of the outbound block."""
    for key, line in changes.items():
        block, _, name = key.partition("_") if key.startswith(("outbound_", "inbound_")) else ("", "", key)
        start = text.index(f"[[bank.{block}]]") if block else 0
        found = text.index(f"\n{name} = ", start) + 1
        text = text[:found] + line + text[text.index("\n", found) :]
    return text


def test_a_machine_that_has_everything(world: Path) -> None:
    assert told(world, BANK, OTHER) == []
    (world / "keys" / "acme").chmod(0o400)
    assert told(world, BANK, OTHER) == []


def test_without_a_bank_there_is_nothing_to_do(world: Path) -> None:
    with pytest.raises(SettingsError, match=r"h2h.toml:1: gateway.banks: no bank file is there"):
        look(world / "h2h.toml").settings()


def test_missing_folders_come_at_once_each_with_its_line(world: Path) -> None:
    for name in ("out", "b"):
        (world / name).rmdir()
    assert told(world, BANK, OTHER) == [
        "banks/0.toml:12: bank.outbound[1].watch: there is no folder out; make it, or run h2h init",
        "banks/1.toml:19: bank.inbound[1].deliver: there is no folder b; make it, or run h2h init",
    ]


def test_what_the_machine_lacks_is_told_beside_mistakes_in_the_same_file_and_in_others(world: Path) -> None:
    (world / "out").rmdir()
    found = told(
        world, changed(BANK, host="host = 5", calendar='calendar = "QQ"'), "[bank", OTHER, main=MAIN + "x = 1\n"
    )
    assert [f.split(": ")[0:2] for f in found] == [
        ["h2h.toml:4", "gateway.x"],
        ["banks/0.toml:4", "bank.calendar"],
        ["banks/0.toml:7", "bank.channel.host"],
        ["banks/0.toml:12", "bank.outbound[1].watch"],
        ["banks/1.toml:1", "is not TOML"],
    ]


def test_nothing_is_told_of_a_stand_in(world: Path) -> None:
    """Two banks without a usable channel do not stand on the same server, nor is its key looked for."""
    broken = changed(BANK, kind="kind = 1"), changed(OTHER, kind="kind = 1")
    assert [f.split(": ")[1] for f in told(world, *broken)] == ["bank.channel.kind"] * 2
    broken = changed(BANK, host="host = 1", user="user = 1"), changed(OTHER, host="host = 1", user="user = 1")
    assert [f.split(": ")[1] for f in told(world, *broken)] == ["bank.channel.host", "bank.channel.user"] * 2
    broken = changed(BANK, watch="watch = 1"), changed(OTHER, watch="watch = 1")
    assert [f.split(": ")[1] for f in told(world, *broken)] == ["bank.outbound[1].watch"] * 2


# Keys, and what is not filled in yet.


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_key_that_others_can_use_is_refused(world: Path, mode: int) -> None:
    (world / "keys" / "acme").chmod(mode)
    [found] = told(world)
    assert found.startswith("banks/0.toml:9: bank.channel.key_file: ")
    assert f"{mode:04o}" in found
    assert "chmod 600" in found


def test_a_file_that_is_no_private_key_is_refused(world: Path) -> None:
    key = world / "keys" / "acme"
    key.write_text("garbage")
    [found] = told(world)
    assert found.startswith("banks/0.toml:9: bank.channel.key_file: keys/acme is no usable private key")
    key.write_bytes((world / "keys" / "acme.pub").read_bytes())
    assert "no usable private key" in told(world)[0]
    key.unlink()
    assert "cannot be read: No such file" in told(world)[0]


def test_a_key_has_to_open_with_its_passphrase(world: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    (world / "keys" / "acme").write_bytes(
        key.export_private_key("openssh", passphrase="right", rounds=4, ignore_few_rounds=True)
    )
    [found] = told(world)
    assert "needs a passphrase (key_passphrase)" in found
    bank = changed(BANK, user='user = "CORP"\nkey_passphrase = "env:SECRET"')
    [found] = told(world, bank, SECRET="wrong")
    assert found.startswith("banks/0.toml:10: bank.channel.key_file: ")
    assert "does not open with the passphrase given" in found
    assert "wrong" not in found.replace("is wrong", "")
    [found] = told(world, bank)
    assert found.startswith("banks/0.toml:9: bank.channel.key_passphrase: The environment variable SECRET")
    assert told(world, bank, SECRET="right") == []


def test_a_credential_of_systemd_is_tried_where_it_is_there_and_else_only_told(world: Path) -> None:
    bank = changed(BANK, user='user = "CORP"\nkey_passphrase = "cred:acme"')
    assert told(world, bank) == []
    [warning] = look(world / "h2h.toml", {}).warnings
    assert (warning.line, "was not tried" in warning.text) == (9, True)
    [found] = told(world, bank, CREDENTIALS_DIRECTORY=str(world))
    assert "credential acme cannot be read" in found


@pytest.mark.parametrize(
    "host", ["sftp.bank.example", "SFTP.Bank.Example.", "sftp.invalid", "bank.test", "sftp.example.com", "example.org"]
)
def test_a_name_for_examples_is_no_server(world: Path, host: str) -> None:
    [found] = told(world, changed(BANK, host=f'host = "{host}"'))
    assert found.startswith(f"banks/0.toml:7: bank.channel.host: {host} is a name for examples")


@pytest.mark.parametrize("host", ["sftp.myexample.com", "localhost", "test", "sftp.bank.de"])
def test_other_names_may_be_servers(world: Path, host: str) -> None:
    assert told(world, changed(BANK, host=f'host = "{host}"')) == []


def test_a_placeholder_is_no_host_key(world: Path) -> None:
    pins = f'host_keys = [\n "SHA256:{"ab" * 21}0",\n "SHA256:{"A" * 43}",\n]'
    [found] = told(world, changed(BANK, host_keys=pins))
    assert found.startswith("banks/0.toml:10: bank.channel.host_keys[2]: SHA256:AAAA")
    assert "is a placeholder" in found


def test_a_cut_off_that_some_open_day_does_not_have(world: Path) -> None:
    def cut(clock: str) -> list[str]:
        return told(
            world, changed(BANK, remote=f'remote = "/in"\ncut_off = "{clock}"', calendar='calendar = "EVERYDAY"')
        )

    assert cut("03:00") == []
    [found] = cut("02:30")
    assert found.startswith(
        "banks/0.toml:15: bank.outbound[1].cut_off: 02:30 never comes on 2026-03-29, when the clocks"
    )
    assert found.endswith("of Europe/Berlin change; choose a time that every open day has once")


def test_a_cut_off_for_some_payments_is_looked_at_with_its_own_calendars(world: Path) -> None:
    def cut(clock: str, calendar: str) -> list[str]:
        row = f'[[bank.outbound.cut_offs]]\ncurrencies = ["USD"]\ncut_off = "{clock}"\ncalendar = "{calendar}"'
        return told(world, changed(BANK, outbound_remote=f'remote = "/in"\n{row}'))

    assert cut("02:30", "FEDWIRE") == []
    [found] = cut("02:30", "EVERYDAY")
    assert found.startswith("banks/0.toml:17: bank.outbound[1].cut_offs[1].cut_off: 02:30 never comes on 2026-03-29")
    assert cut("13:00", "QQ") == ["banks/0.toml:18: bank.outbound[1].cut_offs[1].calendar: there is no calendar QQ"]


def test_a_cut_off_that_falls_into_maintenance_each_week_is_warned_of(world: Path) -> None:
    def warned(starts: str, *more: str) -> list[str]:
        row = '[[bank.outbound.cut_offs]]\ncurrencies = ["USD"]\ncut_off = "13:00"'
        away = f'[[bank.maintenance]]\ndays = "mon"\nstarts = "{starts}"\nends = "16:00"'
        text = changed(BANK, outbound_remote="\n".join(['remote = "/in"', 'cut_off = "15:00"', row, away, *more]))
        (world / "banks" / "0.toml").write_text(text)
        found = look(world / "h2h.toml", {})
        return [str(each).replace(f"{world}/", "")[:48] for each in found.warnings]

    own, row = "banks/0.toml:15: bank.outbound[1].cut_off: the b", "banks/0.toml:18: bank.outbound[1].cut_offs[1].cu"
    assert warned("15:00") == []
    assert warned("14:00") == [own]
    assert warned("12:00") == [own, row]
    (world / "banks" / "0.toml").write_text(
        changed((world / "banks" / "0.toml").read_text(), calendar='calendar = "QQ"')
    )
    assert look(world / "h2h.toml", {}).warnings == ()  # but a problem


def test_a_calendar_that_no_library_has(world: Path) -> None:
    assert told(world, changed(BANK, calendar='calendar = "QQ"')) == [
        "banks/0.toml:4: bank.calendar: there is no calendar QQ"
    ]


# The data folder.


def test_the_data_folder_has_to_be_one(world: Path) -> None:
    (world / "data").write_text("a file")
    assert told(world) == ["h2h.toml:2: gateway.data: data is not a folder"]


@pytest.fixture
def open_world() -> Iterator[Path]:
    """A world that other users can look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield furnished(Path(folder))


def test_folders_that_are_closed_to_the_user_are_told(open_world: Path) -> None:
    world = open_world
    told(world)
    (world / "out").chmod(0o555)
    found = [str(p).replace(f"{world}/", "") for p in as_nobody(world / "h2h.toml")]
    closed = [f for f in found if "is closed to the user that runs h2h" in f]
    assert "banks/0.toml:12: bank.outbound[1].watch: out is closed" in "".join(closed)
    if os.geteuid() == 0:  # else the folder is our own
        assert f"h2h.toml:2: gateway.data: {world} is closed" in "".join(closed)


def test_folders_that_may_not_even_be_looked_into_are_told_in_a_sentence(open_world: Path) -> None:
    world = open_world
    told(world, changed(BANK, watch='watch = "../out/deep/deeper"'), main=MAIN.replace('"data"', '"back/data"'))
    for name in ("out", "back"):
        (world / name).chmod(0o000)
    text = "".join(str(p) for p in as_nobody(world / "h2h.toml"))
    assert "there is no folder" in text
    assert "back is closed to the user" in text
    world.chmod(0o700)
    if os.geteuid() == 0:
        [told_alone] = as_nobody(world / "h2h.toml")
        assert told_alone.text == "cannot be read: permission denied"


def as_nobody(file: Path) -> list[Problem]:
    """What a user without rights is told; where the tests are root's, which may do everything."""
    before = os.geteuid()
    os.seteuid(65534 if before == 0 else before)
    try:
        found = look(file)
        return [*found.reading.problems, *found.problems]
    finally:
        os.seteuid(before)


MOUNTS = """\
rootfs / rootfs rw 0 0
/dev/vda / ext4 rw 0 0
bank:/exports /srv nfs4 rw 0 0
/dev/vdb /srv/local ext4 rw 0 0
//nas/h2h /mnt/with\\040space cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib/h2h", "ext4"), ("/srv/h2h", "nfs4"), ("/srv", "nfs4"), ("/srv/local/h2h", "ext4"), ("/srvx", "ext4"),
     ("/mnt/with space/data", "cifs")],
)  # fmt: skip
def test_the_file_system_of_a_folder(folder: str, kind: str) -> None:
    assert machine.file_system(Path(folder), MOUNTS) == kind


def test_a_ledger_on_a_network_file_system_is_warned_of(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = world / "mounts"
    monkeypatch.setattr(machine, "MOUNTS", mounts)
    mounts.write_text(f"nas:/x {os.path.realpath(world)} nfs4 rw 0 0\n")
    assert told(world) == []
    [warning] = look(world / "h2h.toml").warnings
    assert (warning.file, warning.line) == (str(world / "h2h.toml"), 2)
    assert "network file system (nfs4)" in warning.text
    (world / "h2h.toml").write_text(MAIN + "[ledger]\nurl = 'postgresql+psycopg://h2h@db/h2h'\n")
    assert look(world / "h2h.toml").warnings == ()
    mounts.write_text(f"nas:/x / nfs4 rw 0 0\n/dev/vda {os.path.realpath(world)} ext4 rw 0 0\n")
    (world / "h2h.toml").write_text(MAIN)
    assert look(world / "h2h.toml").warnings == ()


# Folders on this machine that are in each other's way.

FOLDER = '[bank.channel]\nkind = "folder"\npath = "../bank"\n'
BY_FOLDER = BANK[: BANK.index("[bank.channel]")] + FOLDER + BANK[BANK.index("[[bank.outbound]]") :]
ALL_OF_IT = changed(BY_FOLDER, path='path = ".."', inbound_remote='remote = "/x"')


@pytest.mark.parametrize(
    ("bank", "main", "place", "words"),
    [
        (changed(BANK, deliver='deliver = "../out"'), {}, "0.toml:19", "is a watched folder"),
        (changed(BANK, deliver='deliver = "../back/../out/"'), {}, "0.toml:19", "sent back"),
        (changed(BANK, deliver='deliver = "../out/deep"'), {}, "0.toml:19", "is inside of out, a watched folder"),
        (changed(BANK, deliver='deliver = "../link/deep"'), {}, "0.toml:19", "out/deep is inside of out, a watched"),
        (changed(BANK, watch='watch = "../data/out"'), {}, "0.toml:12", "inside of data, the data folder"),
        (changed(BANK, deliver='deliver = "../data"'), {}, "0.toml:19", "is the data folder"),
        (BANK, {"data": "out/data"}, "h2h.toml:2", "inside of out, a watched folder"),
        (BANK, {"anchor": "data/anchor"}, "h2h.toml:4", "inside of data, the data folder"),
        (changed(BY_FOLDER, path='path = "../out"'), {}, "0.toml:7", "is a watched folder"),
        (changed(BY_FOLDER, path='path = "../data/bank"'), {}, "0.toml:7", "inside of data, the data folder"),
        (changed(BY_FOLDER, watch='watch = "../bank/in"'), {}, "0.toml:11", "bank/in is a watched folder"),
        (changed(BY_FOLDER, deliver='deliver = "../bank/out"'), {}, "0.toml:16", "is a folder of the bank"),
        (
            changed(
                BY_FOLDER, path='path = ".."', outbound_remote='remote = "/out/deep"', inbound_remote='remote = "/x"'
            ),
            {},
            "0.toml:11",
            "a watched",
        ),
    ],
)
def test_a_folder_has_one_use(world: Path, bank: str, main: dict[str, str], place: str, words: str) -> None:
    (world / "link").symlink_to(world / "out")
    for name in ("out/deep", "data/out", "data/bank", "bank/in", "bank/out"):
        (world / name).mkdir(parents=True)
    text = MAIN.replace('"data"', f'"{main["data"]}"') if "data" in main else MAIN
    text += f'anchor = "{main["anchor"]}"\n' if "anchor" in main else ""
    [found] = [f for f in told(world, bank, main=text) if "there is no" not in f]
    assert found.removeprefix("banks/").startswith(f"{place}: ")
    assert words in found


def test_what_is_trusted_does_not_lie_where_files_are_dropped(world: Path) -> None:
    """Not even where something else is wrong with the same file."""
    found = told(world, changed(BANK, watch='watch = ".."', deliver='deliver = "../back"\ncolour = "blue"'))
    assert [f.split(" (")[0] for f in found if "could" in f] == [
        f"h2h.toml:1: {world}/h2h.toml is inside of {world}, a watched folder".replace(f"{world}/", ""),
        f"h2h.toml:2: gateway.data: data is inside of {world}, a watched folder",
        f"banks/0.toml:1: banks/0.toml is inside of {world}, a watched folder",
        f"banks/0.toml:9: bank.channel.key_file: keys/acme is inside of {world}, a watched folder",
    ]


@pytest.mark.parametrize(
    ("key", "bank"),
    [
        (
            "bank.channel.next_key.file",
            BANK.replace(
                "[[bank.outbound]]", 'next_key = { file = "KEY", from = 2099-01-01T06:00:00 }\n[[bank.outbound]]'
            ),
        ),
        ("bank.pgp.our_keys[1].file", f'{BANK}[[bank.pgp.our_keys]]\nfile = "KEY"\n'),
    ],
)
def test_every_private_key_lies_where_nobody_else_could_replace_it(world: Path, key: str, bank: str) -> None:
    (world / "open").mkdir()
    (world / "open").chmod(0o777)
    for folder, words in (("out", "replace it"), ("open", "open can be written by everybody")):
        found = told(world, bank.replace("KEY", f"../{folder}/key"))
        assert [line for line in found if f" {key}: " in line and words in line] != [], found


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        ("../out", "out is a watched folder (banks/0.toml:12)"),
        ("../out/processed", "out/processed is inside of out, a watched folder (banks/0.toml:12)"),
        ("../link", "out is a watched folder (banks/0.toml:12)"),
    ],
)
def test_two_watched_folders_are_apart(world: Path, watch: str, words: str) -> None:
    (world / "link").symlink_to(world / "out")
    (world / "out" / "processed").mkdir()
    [found] = told(world, BANK, changed(OTHER, watch=f'watch = "{watch}"'))
    assert found.startswith("banks/1.toml:12: bank.outbound[1].watch: ")
    assert words in found


def test_folders_side_by_side_are_fine(world: Path) -> None:
    (world / "out2").mkdir()
    (world / "back" / "deep").mkdir()
    banks = changed(BANK, watch='watch = "../out2"'), changed(OTHER, deliver='deliver = "../back/deep"')
    assert told(world, *banks) == []
    assert told(world, BANK, changed(OTHER, deliver='deliver = "../back"')) == []


# Folders at a bank that are in each other's way.

MORE = '[[bank.inbound]]\nremote = "{}"\nmessages = ["pain.002.001.10"]\nevery = "1m"\nmatch = "{}"\n'


@pytest.mark.parametrize(
    ("bank", "line", "words"),
    [
        (changed(BANK, outbound_remote='remote = "/in"\nstaging = "/out"'), 17, "stand together"),
        (changed(BANK, outbound_remote='remote = "/out"'), 16, "(MSG-1.xml) would be fetched"),
        (changed(BANK, deliver='claim = "/in"'), 19, "is outbound.remote in banks/0.toml:14"),
        (changed(BANK, deliver='names_are_unique = true\nafter = "move"\nmove_to = "/in/"'), 21, "would be sent back"),
        (
            BANK + MORE.format("/done", "*.x") + 'names_are_unique = true\nafter = "move"\nmove_to = "/out"\n',
            27,
            "would be fetched again",
        ),
        (BANK + MORE.format("/out", "*"), 21, "whoever is quicker"),
    ],
)
def test_a_folder_at_the_bank_has_one_use(world: Path, bank: str, line: int, words: str) -> None:
    [found] = told(world, bank)
    assert found.startswith(f"banks/0.toml:{line}: ")
    assert words in found


SAME = changed(OTHER, user='user = "CORP"')


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        (SAME, [14, 16]),
        (changed(SAME, deliver='match = "A*"'), [14, 16]),
        (changed(SAME, host='host = "192.0.2.1."'), [14, 16]),
        (changed(SAME, inbound_remote='remote = "/other/../out"'), [14, 16]),
        (changed(SAME, outbound_remote='remote = "/o"'), [16]),
        (changed(SAME, inbound_remote='remote = "/o"\nmatch = "*.xml"'), [14]),
        (changed(SAME, outbound_remote='remote = "/out"', inbound_remote='remote = "/o"'), [14]),
        (changed(SAME, user='user = "CORP"\nport = 2222'), []),
        (OTHER, []),
    ],
)
def test_two_banks_are_not_the_same_folder_of_one_server(world: Path, other: str, lines: list[int]) -> None:
    found = told(world, BANK, other)
    assert sorted(int(f.split(":")[1]) for f in found if f.startswith("banks/1.toml")) == lines
    assert len(found) == len(lines)


def test_two_profiles_may_share_a_server_where_names_tell_whose_a_file_is(world: Path) -> None:
    first = changed(BANK, outbound_remote='remote = "/in"\nname = "{bank}-{msg_id}"', deliver='match = "A*"')
    second = changed(SAME, outbound_remote='remote = "/in"\nname = "{id}"', deliver='match = "B*"')
    assert told(world, first, second) == []


def test_one_folder_for_both_ways_is_fine_where_our_names_are_left_out(world: Path) -> None:
    assert told(world, changed(BANK, outbound_remote='remote = "/out"', deliver='match = "STMT*"')) == []


def test_two_folder_channels_meet_where_their_folders_do(world: Path) -> None:
    (world / "bank" / "in").mkdir()
    other = changed(OTHER, name='name = "other"')
    by_folder = other[: other.index("[bank.channel]")] + FOLDER.replace("../bank", "../bank/in")
    by_folder += '[[bank.outbound]]\nwatch = "../o"\nmessages = ["pain.001.001.09"]\nremote = "/"\n'
    [found] = told(world, BY_FOLDER, by_folder)
    assert "bank/in is outbound.remote in banks/0.toml:11" in found


# A bank's own schemas.

OWN = changed(BANK, calendar='calendar = "TARGET"\nschemas = "../national"')


def test_the_banks_own_schemas_are_compiled_and_their_messages_known(world: Path) -> None:
    national(world / "national")
    national_status(world / "national")
    mine = changed(OWN, inbound_messages=f'messages = ["{STATUS}", "camt.053.001.08"]')
    assert told(world, mine) == []
    [problem] = told(world, mine.replace('schemas = "../national"\n', "\n"))
    assert problem.startswith(
        f"banks/0.toml:18: bank.inbound[1].messages[1]: '{STATUS}' is not a message that h2h knows"
    )


def test_what_a_folder_takes_is_asked_with_the_banks_own_schemas_too(world: Path) -> None:
    national_status(world / "national")
    wrong = changed(OWN, outbound_messages=f'messages = ["{STATUS}", "pain.001.001.99"]')
    first, second = told(world, wrong)
    assert first.startswith(f"banks/0.toml:14: bank.outbound[1].messages[1]: {STATUS} comes from the bank;")
    assert second.startswith("banks/0.toml:14: bank.outbound[1].messages[2]: 'pain.001.001.99' is not a message")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("own.xsd", "nonsense", "{folder}/own.xsd is not a schema: Start tag expected, '<' not found"),
        ("own.xsd", schema("camt.053.001.08").replace("types-statements-08", "types-none"), "types-none.xsd cannot be"),
        ("own.xsd", schema("camt.053.001.08").replace('"BankStatements"', '"Nothing"'), "cannot be used: "),
        (
            "purposes.xsd",
            None,
            "purposes.xsd cannot be read: No such file or directory. {folder}/payments.xsd incl",
        ),
        ("purposes.xsd", "<other/>", "purposes.xsd is not a schema: it begins with <other>"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told_with_file_and_reason(
    world: Path, name: str, text: str | None, words: str
) -> None:
    folder = national(world / "national")
    (folder / name).unlink(missing_ok=True)
    if text is not None:
        (folder / name).write_text(text)
    problems = told(world, OWN)
    assert all(problem.startswith("banks/0.toml:5: bank.schemas: ") for problem in problems)
    assert words.format(folder="national") in problems[0]


def test_a_schema_that_is_for_nothing_is_warned_of(world: Path) -> None:
    national(world / "national")
    (world / "national" / "pacs.xsd").write_text(schema("pain.001.001.09").replace("CstmrCdtTrfInitn", "FIToFI"))
    assert told(world, OWN) == []
    [warning] = look(world / "h2h.toml", {}).warnings
    assert (warning.key, "pacs.xsd is for no message" in warning.text) == ("bank.schemas", True)


def test_without_the_folder_nothing_is_moved_but_the_settings_can_be_read(world: Path) -> None:
    [problem] = told(world, OWN)
    assert problem == "banks/0.toml:5: bank.schemas: national cannot be read: No such file or directory"
    assert load(world / "h2h.toml").banks[0].schemas == world / "national"


def test_in_production_a_profile_that_does_not_say_what_it_is_of_is_warned_of(world: Path) -> None:
    (world / "banks" / "0.toml").write_text(BANK)
    (world / "banks" / "1.toml").write_text(OTHER.replace("timezone", 'environment = "production"\ntimezone'))
    for environment, told in (("test", []), ("production", [("acme", "bank.name")])):
        (world / "h2h.toml").write_text(MAIN.replace('"test"', f'"{environment}"'))
        if environment == "test":
            (world / "banks" / "1.toml").rename(world / "one")
        else:
            (world / "one").rename(world / "banks" / "1.toml")
        found = look(world / "h2h.toml", {}).warnings
        assert [("acme" if w.file.endswith("0.toml") else w.file, w.key) for w in found] == told


def test_what_anybody_could_change_is_refused_and_what_anybody_could_read_is_warned_of(world: Path) -> None:
    (world / "data").mkdir(mode=0o700)
    assert told(world) == []
    (world / "data").chmod(0o750)
    [warning] = look(world / "h2h.toml", {}).warnings
    assert (warning.key, "mode 0750" in warning.text) == ("gateway.data", True)
    for path, place in (
        (world / "h2h.toml", "h2h.toml:1"),
        (world / "banks" / "0.toml", "banks/0.toml:1"),
        (world, "h2h.toml:1"),
        (world / "banks", "banks/0.toml:1"),
        (world / "keys", "banks/0.toml:9: bank.channel.key_file"),
    ):
        before = path.stat().st_mode & ~stat.S_ISVTX
        path.chmod(before | 0o002)
        [found] = [str(problem) for problem in look(world / "h2h.toml", {}).problems]
        assert found.replace(f"{world}/", "", 1).startswith(f"{place}: ")
        assert "can be written by everybody" in found
        path.chmod(before)


def test_a_place_that_no_message_of_the_folder_has_is_a_mistake(world: Path) -> None:
    """A rule of it would never be asked."""
    rows = ["CdtTrfTxInf/RmtInf/Ustrd", "Amt/InstdAmt/@Ccy", "PmtInf/PmtTpInf/SvcLvl/Cd", "UETR"]
    wrong = ["CdtTrfTxInf/Ustrd", "CdtTrfTxInf/RmtInf/Ustrdd", "Uetr"]
    blocks = "".join(f'[[bank.outbound.rules]]\nat = "{at}"\nrule = "required"\n' for at in (*rows, *wrong))
    found = told(world, BANK.replace("[[bank.inbound]]", f"{blocks}[[bank.inbound]]"))
    assert [line.partition(": no ")[2] for line in found] == [
        f"pain.001.001.09 can have {at}; look at its names and their order" for at in wrong
    ]
