"""`h2h keys new`: pairs that the real programs take, letters that say what they say, and nothing written over."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from h2h.sandbox.keys import create_client_key
from tests.flows.world import World
from tests.suites.servers import SSHD, OpenSshServer

from .command import run as h2h

DAY = "2026-11-20T10:00:00+01:00"
FILES = ("box-ssh-20261120", "box-ssh-20261120.letter.html", "box-ssh-20261120.letter.txt",
         "box-ssh-20261120.passphrase", "box-ssh-20261120.pub")  # fmt: skip

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="no gpg here: apt-get install gnupg")


@pytest.fixture
def erp(tmp_path: Path) -> World:
    (tmp_path / "keys").mkdir()
    create_client_key(tmp_path / "client_key")
    made = World(bank={"customer": '"CORP0815"'}, folder=tmp_path, port=22, fingerprint=f"SHA256:{'Q' * 42}A")
    made.write_settings()
    return made


def program(*arguments: str | Path) -> str:
    return subprocess.run(list(map(str, arguments)), check=True, capture_output=True, text=True).stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@needs_ssh
@pytest.mark.parametrize(("options", "bits", "algorithm"), [((), 256, "Ed25519"), (("--rsa",), 4096, "RSA")])
def test_a_new_pair_is_what_ssh_keygen_takes_and_its_letter_says_what_it_is(
    erp: World, options: tuple[str, ...], bits: int, algorithm: str
) -> None:
    done = h2h(erp.config, "keys", "new", "ssh", "box", "--folder", str(erp.folder / "keys"), *options, H2H_NOW=DAY)
    assert (done.returncode, done.stderr) == (0, "")
    private, page, letter, passphrase, public = (erp.folder / "keys" / name for name in FILES)
    assert sorted(path.name for path in (erp.folder / "keys").iterdir()) == list(FILES)
    assert [mode(private), mode(passphrase)] == [0o600, 0o600]
    secret = passphrase.read_text().strip()
    assert program("ssh-keygen", "-y", "-P", secret, "-f", private).split()[:2] == public.read_text().split()[:2]
    found = program("ssh-keygen", "-l", "-f", public).split()
    assert found[0] == str(bits)
    text = letter.read_text()
    for said in (
        found[1],
        f"{algorithm}, {bits} bits",
        "corp at 127.0.0.1, port 22",
        "Environment  test",
        "CORP0815",
        "2026-11-20",
    ):
        assert said in text
    assert public.read_text().strip() in "".join(text.splitlines())  # in lines that follow each other
    assert text.count("Signature") == 2
    assert max(map(len, text.splitlines())) <= 100
    assert found[1] in page.read_text()
    told = [text, page.read_text(), done.stdout, (erp.folder / "data" / "h2h.db").read_bytes().decode("latin-1")]
    assert [secret in each for each in told] == [False] * 4


@needs_ssh
def test_nothing_is_ever_written_over(erp: World) -> None:
    folder = erp.folder / "keys"
    make = ("keys", "new", "ssh", "box", "--folder", str(folder))
    for there in FILES:
        (folder / there).write_text("mine")
        done = h2h(erp.config, *make, H2H_NOW=DAY)
        assert (done.returncode, f"{there} is there already" in done.stderr) == (2, True)
        assert {path.name: path.read_text() for path in folder.iterdir()} == {there: "mine"}
        (folder / there).unlink()


def test_a_name_with_blanks_or_slashes_is_refused(erp: World) -> None:
    for name in ("my key", "../key", "clé"):
        done = h2h(erp.config, "keys", "new", "ssh", "box", "--name", name)
        assert (done.returncode, "is no name for files of keys" in done.stderr) == (2, True)


@pytest.mark.skipif(SSHD is None, reason="no sshd here: apt-get install openssh-server")
def test_the_lines_that_are_printed_make_the_key_the_next_one_and_the_bank_takes_it(erp: World) -> None:
    with OpenSshServer(erp.folder / "bank") as bank:
        erp.port, erp.fingerprint, erp.user, erp.remote = bank.port, bank.fingerprint, bank.user, bank.home
        erp.write_settings()
        make = ("keys", "new", "ssh", "box", "--from", "2026-12-01T06:00:00", "--json")
        [made] = map(json.loads, h2h(erp.config, *make, H2H_NOW=DAY).stdout.splitlines())
        assert made["settings"][0] == "[bank.channel]"
        key, value = made["settings"][1].split(" = ", 1)
        erp.facts[key] = value
        erp.write_settings()
        shutil.copy(next(file for file in made["files"] if file.endswith(".pub")), f"{bank.user_key}.pub")
        tried = h2h(erp.config, "check", "--online", "--key", "next", H2H_NOW=DAY)
        assert tried.returncode == 0, tried.stdout + tried.stderr
        listed = [json.loads(line) for line in h2h(erp.config, "keys", "--json", H2H_NOW=DAY).stdout.splitlines()]
        [found] = [each for each in listed if each["fingerprint"] == made["fingerprint"]]
        assert (found["stands"], found["starts"]) == ("scheduled", "2026-12-01T05:00:00Z")
        letter = next(Path(file).read_text() for file in made["files"] if file.endswith(".txt"))
        assert re.search(r"In place of +SHA256:", letter)
        assert "2026-12-01 06:00 (Europe/Berlin)" in letter


@needs_ssh
def test_a_passphrase_that_stands_elsewhere_is_used_and_not_written_down(erp: World) -> None:
    make = ("keys", "new", "ssh", "box", "--name", "new", "--passphrase", "env:NEW")
    done = h2h(erp.config, *make, NEW="a secret of ours")
    assert 'passphrase = "env:NEW"' in done.stdout
    assert not (erp.folder / "new.passphrase").exists()
    assert program("ssh-keygen", "-y", "-P", "a secret of ours", "-f", erp.folder / "new")
    missing = h2h(erp.config, *make, "--name", "other")
    assert (missing.returncode, "NEW" in missing.stderr) == (1, True)
    empty = h2h(erp.config, *make, "--name", "other", NEW="")
    assert (empty.returncode, "env:NEW is empty" in empty.stderr) == (2, True)
    assert not (erp.folder / "other").exists()


@needs_gpg
def test_a_new_pair_of_pgp_is_one_that_check_can_sign_with(erp: World) -> None:
    make = ("keys", "new", "pgp", "box", "--user-id", "Corp Ltd <pay@corp.example>", "--days", "300", "--json")
    [made] = map(json.loads, h2h(erp.config, *make, H2H_NOW=DAY).stdout.splitlines())
    public, letter = (next(f for f in made["files"] if f.endswith(end)) for end in (".pub.asc", ".txt"))
    shown = program("gpg", "--homedir", erp.folder, "--show-keys", "--with-colons", public)
    assert f":{made['fingerprint']}:" in shown
    text = Path(letter).read_text()
    assert " ".join(re.findall("....", made["fingerprint"])) in text
    assert Path(public).read_text().strip() in text
    assert made["ends"].startswith("2027-09-16")
    assert "Corp Ltd (h2h test) <pay@corp.example>" in shown
    good(erp, made["settings"])
    [another] = map(json.loads, h2h(erp.config, *make, "--name", "next", H2H_NOW=DAY).stdout.splitlines())
    assert "from = 2099-01-01T00:00:00" in another["settings"][3]
    rows = [made["settings"][1].partition("[")[2].rstrip("]"), another["settings"][3]]
    good(erp, ["[bank.pgp]", f"our_keys = [{', '.join(rows)}]"])
    listed = [json.loads(line) for line in h2h(erp.config, "keys", "--json", H2H_NOW=DAY).stdout.splitlines()]
    pairs = {each["fingerprint"]: each["stands"] for each in listed if each["kind"] == "pgp"}
    assert pairs == {made["fingerprint"]: "in force", another["fingerprint"]: "scheduled"}


@needs_gpg
def test_a_new_key_takes_the_place_of_the_one_that_signs_now(erp: World) -> None:
    """Which of several rows that is, is said by when they begin, wherever they stand."""
    make = ("keys", "new", "pgp", "box", "--user-id", "Corp Ltd <pay@corp.example>", "--json")
    first, second, third = (f"--name={name}" for name in ("first", "second", "third"))
    [old] = map(json.loads, h2h(erp.config, *make, first, H2H_NOW=DAY).stdout.splitlines())
    [new] = map(json.loads, h2h(erp.config, *make, second, H2H_NOW=DAY).stdout.splitlines())
    rows = f'{{ file = "{new["files"][0]}", from = 2026-11-01T00:00:00 }}, {{ file = "{old["files"][0]}" }}'
    with erp.profile_file.open("a") as profile:
        profile.write(f"[bank.pgp]\nour_keys = [{rows}]\n")
    [made] = map(json.loads, h2h(erp.config, *make, third, H2H_NOW=DAY).stdout.splitlines())
    letter = next(Path(file).read_text() for file in made["files"] if file.endswith(".txt"))
    assert f"In place of  {' '.join(re.findall('....', new['fingerprint']))}" in letter


def good(erp: World, settings: list[str]) -> None:
    """`h2h check` is content with these below the profile as it was."""
    erp.write_settings()
    with erp.profile_file.open("a") as profile:
        profile.write("\n".join([*settings, ""]))
    done = h2h(erp.config, "check", H2H_NOW="2026-11-21T10:00:00+01:00")
    assert done.returncode == 0, done.stderr


@needs_ssh
@needs_gpg
def test_a_new_key_bears_the_mark_of_its_environment_and_the_other_one_refuses_it(erp: World) -> None:
    make = {"ssh": (), "pgp": ("--user-id", "Corp Ltd <pay@corp.example>")}
    keys = {
        kind: json.loads(h2h(erp.config, "keys", "new", kind, "box", *more, "--json", H2H_NOW=DAY).stdout)["files"][0]
        for kind, more in make.items()
    }
    erp.facts["next_key"] = f'{{ file = "{keys["ssh"]}", from = 2026-12-01T06:00:00 }}'
    erp.gateway_settings["environment"] = '"production"'
    erp.write_settings()
    with erp.profile_file.open("a") as profile:
        profile.write(f'[bank.pgp]\nour_keys = [{{ file = "{keys["pgp"]}" }}]\n')
    said = h2h(erp.config, "check").stderr
    for setting, key in (("channel.next_key.file", keys["ssh"]), ("pgp.our_keys[1].file", keys["pgp"])):
        assert f"bank.{setting}: {key} is marked as a key for test, and this is production" in said


def test_no_login_key_is_made_for_a_bank_behind_a_folder(erp: World) -> None:
    erp.channel = {"kind": '"folder"', "path": f'"{erp.folder}"'}
    erp.write_settings()
    done = h2h(erp.config, "keys", "new", "ssh", "box")
    assert (done.returncode, "nobody logs in there" in done.stderr) == (2, True)
