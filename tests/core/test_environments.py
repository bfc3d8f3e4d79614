"""Test and production do not cross: marks of keys, and what the settings of both name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from h2h.environments import MARK
from h2h.key_pairs import mark
from h2h.readiness import look
from h2h.sandbox.keys import create_client_key
from tests.core.test_config import BANK as ANY_BANK
from tests.core.test_config import problems
from tests.core.test_readiness import BANK, MAIN, changed, furnished, told
from tests.forging import forge

TEST, PRODUCTION = "test", "production"
OTHER_PIN = "SHA256:ababababababababababababababababababababab0"
PIN = "SHA256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc"


def make_key(file: Path, comment: str, passphrase: str = "", kind: str = "ed25519") -> None:
    for old in (file, file.with_name(f"{file.name}.pub")):
        old.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", comment, "-f", str(file)]
    subprocess.run([*command, *(["-m", "PEM"] if kind == "ecdsa" else [])], check=True)


@pytest.mark.parametrize("environment", [TEST, PRODUCTION])
@pytest.mark.parametrize("mark", [TEST, PRODUCTION])
@pytest.mark.parametrize(
    ("passphrase", "kind", "public"),
    [("", "ed25519", True), ("", "ed25519", False), ("sesame", "ed25519", True), ("", "ecdsa", True)],
)
def test_a_marked_key_is_refused_by_the_other_environment(
    tmp_path: Path, environment: str, mark: str, passphrase: str, kind: str, public: bool
) -> None:
    world = furnished(tmp_path)
    key = world / "keys" / "acme"
    make_key(key, f"h2h {mark} acme", passphrase, kind)
    if not public:
        key.with_name("acme.pub").unlink()
    bank = BANK.replace("host_keys", 'key_passphrase = "env:P"\nhost_keys') if passphrase else BANK
    found = told(world, bank, main=MAIN.replace(TEST, environment), P=passphrase)
    wanted = f"keys/acme is marked as a key for {mark}, and this is {environment}: make another"
    assert [line.partition(": ")[2] for line in found] == (
        [] if mark == environment else [f"bank.channel.key_file: {wanted}"]
    )


@pytest.mark.parametrize("environment", [TEST, PRODUCTION])
def test_the_mark_of_new_keys_is_one(environment: str) -> None:
    assert MARK.findall(f"Corp ({mark(environment)}) <corp@corp.example>") == [environment]


@pytest.mark.parametrize("length", range(5))
def test_a_mark_is_seen_wherever_it_stands_in_a_comment(tmp_path: Path, length: int) -> None:
    """The byte before it tells how long the comment is, and may be a letter."""
    world = furnished(tmp_path)
    make_key(world / "keys" / "acme", f"h2h production {'x' * (48 + length)}")
    (world / "keys" / "acme.pub").unlink()
    assert "is marked as a key for production" in told(world)[0]


def test_a_key_without_a_mark_is_anybodys(tmp_path: Path) -> None:
    world = furnished(tmp_path)
    for comment in ("", "anna@host", "h2h testing acme"):
        make_key(world / "keys" / "acme", comment)
        assert told(world) == []


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A gateway of test and one of production, which have nothing in common but names."""
    worlds = []
    for environment in (TEST, PRODUCTION):
        folder = tmp_path / environment
        folder.mkdir()
        world = furnished(folder)
        other = PRODUCTION if environment == TEST else TEST
        main = MAIN.replace('"test"', f'"{environment}"')
        (world / "h2h.toml").write_text(f'{main}other_environment = "../{other}/h2h.toml"\n')
        bank = BANK.replace("timezone", f'environment = "{environment}"\ntimezone')
        (world / "banks" / "0.toml").write_text(bank)
        worlds.append(world)
    for key, line in {"user": 'user = "T"', "host_keys": f'host_keys = ["{PIN}"]'}.items():
        change(worlds[0], **{key: line})
    return worlds[0], worlds[1]


def change(world: Path, **lines: str) -> None:
    file = world / "banks" / "0.toml"
    file.write_text(changed(file.read_text(), **lines))


def crossing(world: Path) -> list[str]:
    found = look(world / "h2h.toml", {})
    assert found.warnings == ()
    return [f"{problem.key}: {problem.text}".replace(f"{world.parent}/", "") for problem in found.problems]


def test_two_that_share_nothing_are_good(two: tuple[Path, Path]) -> None:
    assert [crossing(world) for world in two] == [[], []]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"user": 'user = "CORP"'}, "bank.channel.user: CORP at 192.0.2.1 is the login of production/banks/0."),
        (
            {"host_keys": f'host_keys = ["{PIN}", "{OTHER_PIN}"]'},
            f"bank.channel.host_keys[2]: {OTHER_PIN} is a host key in production/",
        ),
        ({"key_file": 'key_file = "../../production/keys/acme"'}, "bank.channel.key_file: production/keys/acme is"),
        ({"outbound_watch": 'watch = "../../production/out"'}, "bank.outbound[1].watch: production/out is used"),
        ({"inbound_deliver": 'deliver = "../../production/data/x"'}, "bank.inbound[1].deliver: production/data/x is"),
    ],
)  # fmt: skip
def test_what_both_name_is_told_on_both_sides(two: tuple[Path, Path], lines: dict[str, str], said: str) -> None:
    test, production = two
    (production / "data").mkdir(mode=0o700)
    (production / "data" / "x").mkdir()
    change(test, **lines)
    assert [line for line in crossing(test) if line.startswith(said)] != []
    assert crossing(production) != []


def test_the_same_key_is_known_in_another_file(two: tuple[Path, Path]) -> None:
    test, production = two
    for name in ("acme", "copied"):
        (test / "keys" / name).unlink(missing_ok=True)
    (test / "keys" / "copied").touch(mode=0o600)
    (test / "keys" / "copied").write_bytes((production / "keys" / "acme").read_bytes())
    change(test, key_file='key_file = "../keys/copied"')
    [said] = crossing(test)
    assert said.startswith("bank.channel.key_file: test/keys/copied is the same key as production/keys/acme")


@pytest.mark.parametrize("copied", [True, False])
def test_the_same_pgp_key_is_known_in_another_file_and_in_the_same(two: tuple[Path, Path], copied: bool) -> None:
    with forge() as workshop:
        key, own = workshop.key("Corp"), workshop.key("Corp2")
        for world, fingerprint in zip(two, (own, key), strict=True):
            for name, exported in (("pgp", fingerprint), ("copied", key)):
                (world / "keys" / name).touch(mode=0o600)
                (world / "keys" / name).write_bytes(workshop.secret(exported, "--armor"))
            with (world / "banks" / "0.toml").open("a") as file:
                file.write('[[bank.pgp.our_keys]]\nfile = "../keys/pgp"\n')
    assert [line for line in crossing(two[0]) if "same key" in line] == []
    shared = "../keys/copied" if copied else "../../production/keys/pgp"
    settings = two[0] / "banks" / "0.toml"
    settings.write_text(settings.read_text().replace("../keys/pgp", shared))
    [said] = [line for line in crossing(two[0]) if "our_keys" in line]
    how = "test/keys/copied is the same key as production/keys/pgp (" if copied else "production/keys/pgp is used by "
    assert said.startswith(f"bank.pgp.our_keys[1].file: {how}")


def test_a_database_of_both_is_told(two: tuple[Path, Path]) -> None:
    for world in two:
        with (world / "h2h.toml").open("a") as file:
            file.write('[ledger]\nurl = "postgresql+psycopg://h2h@db/h2h"\n')
    assert crossing(two[0]) == [
        "ledger.url: is the ledger of production/h2h.toml, too; test and production share nothing"
    ]


def test_what_is_named_as_the_other_one_has_to_be_it(two: tuple[Path, Path]) -> None:
    test, production = two
    (production / "h2h.toml").write_text((production / "h2h.toml").read_text().replace(f'"{PRODUCTION}"', f'"{TEST}"'))
    assert (
        "gateway.other_environment: production/h2h.toml is test, too; name the settings of the other one"
        in crossing(test)
    )
    (production / "h2h.toml").unlink()
    assert crossing(test) == [
        "gateway.other_environment: production/h2h.toml cannot be read as settings, so that nothing was compared"
    ]


def test_test_files_go_with_what_the_profile_is_of(tmp_path: Path) -> None:
    with_files = ANY_BANK.replace('days = "mon-fri"', 'test_files = "TEST*"\ndays = "mon-fri"', 1)
    [found] = problems(tmp_path, acme=with_files)
    assert "bank.outbound[1].test_files: goes with environment, which says whether" in found


def test_a_profile_of_the_other_environment_is_refused(tmp_path: Path) -> None:
    world = furnished(tmp_path)
    create_client_key(world / "keys" / "other")
    [found] = told(world, BANK.replace("timezone", 'environment = "production"\ntimezone'))
    assert found.startswith("banks/0.toml:3: bank.environment: is production, and the gateway is test (")
