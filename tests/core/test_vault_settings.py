"""The section [vault], secrets that stand in a vault, and what is said of both before anything moves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from h2h.config import load
from h2h.readiness import look
from tests.core.test_config import MAIN, problems, write
from tests.core.test_readiness import BANK, furnished, told
from tests.vaults import TOKEN, sealed, vault

ADDRESS = 'address = "https://vault.corp.lan:8200"\n'
NO_ADDRESS = "is no address of a server; write one such as https://vault.corp.internal:8200"
LOGIN = "say how to log in: token, or role_id and secret_id"


@pytest.mark.parametrize("login", ['token = "env:T"', 'role_id = "file:/r"\nsecret_id = "cred:s"'])
def test_a_good_one(tmp_path: Path, login: str) -> None:
    found = load(write(tmp_path, f"{MAIN}[vault]\n{ADDRESS}{login}\n")).vault
    assert found is not None
    assert (found.host, found.timeout.total_seconds()) == ("vault.corp.lan", 5)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (ADDRESS, f"7: vault.address: {LOGIN}"),
        (ADDRESS + 'token = "env:T"\nrole_id = "env:R"\n', f"7: vault.address: {LOGIN}"),
        (ADDRESS + 'role_id = "env:R"\n', f"7: vault.address: {LOGIN}"),
        (
            ADDRESS + 'token = "vault:kv/a#b"\n',
            "8: vault.token: is needed to ask the vault, and cannot stand there itself",
        ),
        (ADDRESS + 'token = "env:T"\ntimeout = "1m"\n', "9: vault.timeout: has to be between 100ms and 30s"),
        ('address = "http://vault.corp.lan"\ntoken = "env:T"\n', "7: vault.address: must begin with https://; "),
        ('address = "https://me:s3cret@vault"\ntoken = "env:T"\n', f"7: vault.address: {NO_ADDRESS}"),
        ('address = "https://vault/v1/"\ntoken = "env:T"\n', f"7: vault.address: {NO_ADDRESS}"),
        ('address = "vault"\ntoken = "env:T"\n', f"7: vault.address: {NO_ADDRESS}"),
        (ADDRESS + f'token = "{TOKEN}"\n', "8: vault.token: write where it stands, as in file:/path"),
    ],
)
def test_what_cannot_be_is_told_without_what_may_be_secret(tmp_path: Path, section: str, said: str) -> None:
    [found] = problems(tmp_path, f"{MAIN}[vault]\n{section}")
    assert found.startswith(f"h2h.toml:{said}")
    assert "s3cret" not in found
    assert TOKEN not in found


def test_a_password_goes_with_a_server_alone(tmp_path: Path) -> None:
    [found] = problems(tmp_path, f'{MAIN}[ledger]\npassword = "env:P"\n')
    assert found == "h2h.toml:7: ledger.password: goes with a url of PostgreSQL"


REFERRING = BANK.replace("host_keys", 'key_passphrase = "vault:kv/acme#passphrase"\nhost_keys')
PASSPHRASE_LINE = 1 + REFERRING[: REFERRING.index("key_passphrase")].count("\n")


def main(address: str, token: str = "env:TOKEN") -> str:
    return f'[gateway]\ndata = "data"\nenvironment = "test"\n[vault]\naddress = "{address}"\ntoken = "{token}"\n'


def test_what_the_vault_lacks_is_a_problem_at_its_place(tmp_path: Path) -> None:
    with vault() as server:
        found = told(furnished(tmp_path), REFERRING, main=main(server.address), TOKEN=TOKEN)
    assert found[0].startswith(f"banks/0.toml:{PASSPHRASE_LINE}: bank.channel.key_passphrase: The vault at http://127.")
    assert "there is no such secret" in found[0]


def test_without_the_section_or_its_token_it_is_told_where(tmp_path: Path) -> None:
    [found] = told(furnished(tmp_path), REFERRING)
    assert "vault:kv/acme#passphrase needs the section [vault] in the main file" in found
    found = told(tmp_path, main=main("https://vault.example"))[0]
    assert "vault.address: vault.example is a name for examples" in found


def test_one_that_is_down_is_warned_of_and_keeps_nobody_from_starting(tmp_path: Path) -> None:
    world = furnished(tmp_path)
    (world / "banks" / "0.toml").write_text(REFERRING)
    with vault(behave=sealed) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for address, said in ((server.address, "it is sealed"), (nobody, "reach")):
            (world / "h2h.toml").write_text(main(address))
            ready = look(world / "h2h.toml", {"TOKEN": TOKEN})
            assert ready.problems == ()
            [warning] = ready.warnings
            assert (warning.key, said in warning.text) == ("bank.channel.key_passphrase", True)
