"""Secrets from a keyring and from a vault, over real backends and real HTTP and TLS: had, or a sentence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from h2h.config.values import reference as checked
from h2h.config.vault import VaultSettings
from h2h.credentials import Credentials
from h2h.errors import ChannelError, NotDelivered, Refused
from h2h.vault import KEPT_SECONDS, MAX_ANSWER, REST_SECONDS, Vault
from tests.authority import HERE, Authority
from tests.vaults import (
    ROLE,
    SECRET_ID,
    TOKEN,
    Asked,
    VaultServer,
    breaks,
    closes,
    drips,
    is_cut,
    is_no_http,
    is_silent,
    points_to,
    says,
    sealed,
    vault,
)

PASSPHRASE = "Tr0ub4dor & 3 – ü"
KNOWN = {"kv/h2h/acme": {"passphrase": PASSPHRASE, "number": 7}}
IN_VAULT = "vault:kv/h2h/acme#passphrase"
APP_ROLE = {"role_id": "env:ROLE", "secret_id": "env:SECRET_ID"}
ENVIRON = {"TOKEN": TOKEN, "ROLE": ROLE, "SECRET_ID": SECRET_ID}


def settings(server: VaultServer | str, **more: Any) -> VaultSettings:
    address = server if isinstance(server, str) else server.address
    login = {} if "role_id" in more else {"token": "env:TOKEN"}
    return VaultSettings.model_validate({"address": address, **login, **more})


def had(server: VaultServer | str, reference: str = IN_VAULT, environ: Mapping[str, str] = ENVIRON, **more: Any) -> str:
    return Credentials(environ, settings(server, **more)).secret(reference)


def refusal(server: VaultServer | str, reference: str = IN_VAULT, **more: Any) -> ChannelError:
    with pytest.raises(ChannelError) as raised:
        had(server, reference, **more)
    for secret in (TOKEN, SECRET_ID, ROLE, PASSPHRASE, "hvs."):
        assert secret not in str(raised.value)
    return raised.value


# What the settings take.


@pytest.mark.parametrize(
    "good",
    [
        "file:x",
        "env:X",
        "cred:x",
        "keyring:h2h/acme",
        "keyring:h2h/a/b",
        IN_VAULT,
        "vault:kv/a.b/c d#e f",
        "vault:a/b#c",
    ],
)
def test_a_reference_is_taken_as_it_stands(good: str) -> None:
    assert checked(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "", "sesame", "file:", "keyring:h2h", "keyring:/x", "keyring:h2h/", "vault:kv", "vault:kv/a", "vault:kv/a#",
        "vault:kv/../a#b", "vault:../a#b", "vault:kv//a#b", "vault:kv/a?x=1#b", "vault:#b", "https://x", 7, None,
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused_and_not_repeated(bad: object) -> None:
    with pytest.raises(ValueError, match="write where it stands") as raised:
        checked(bad)
    assert "sesame" not in str(raised.value)


# A vault that gives.


@pytest.mark.parametrize("login", [{}, APP_ROLE], ids=["token", "role"])
def test_a_secret_is_had_with_a_token_or_a_role(login: dict[str, str]) -> None:
    with vault(secrets=KNOWN) as server:
        assert had(server, **login) == PASSPHRASE
    assert server.asked[-1] == "GET /v1/kv/data/h2h/acme"


def test_a_namespace_is_named() -> None:
    with vault(secrets=KNOWN, namespace="corp/treasury") as server:
        assert had(server, namespace="corp/treasury") == PASSPHRASE
        assert isinstance(refusal(server), Refused)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_was_had_is_kept_for_a_minute_and_a_login_for_half_its_time() -> None:
    clock = Clock()
    with vault(secrets={**KNOWN}, lease=1000) as server:
        found = Vault(settings(server, **APP_ROLE), Credentials(ENVIRON).secret, clock)
        name = IN_VAULT.removeprefix("vault:")
        for _ in range(3):
            assert found.secret(name) == PASSPHRASE
        assert server.asked == ["POST /v1/auth/approle/login", "GET /v1/kv/data/h2h/acme"]
        server.secrets["kv/h2h/acme"] = {"passphrase": "a new one"}
        clock.now += KEPT_SECONDS
        assert found.secret(name) == "a new one"
        assert len(server.asked) == 3
        clock.now += 500
        found.secret(name)
        assert server.asked[3:] == ["POST /v1/auth/approle/login", "GET /v1/kv/data/h2h/acme"]


def test_a_login_that_was_ended_over_there_is_made_anew_once() -> None:
    clock = Clock()
    with vault(secrets=KNOWN) as server:
        found = Vault(settings(server, **APP_ROLE), Credentials(ENVIRON).secret, clock)
        found.secret("kv/h2h/acme#passphrase")
        server.tokens.clear()
        clock.now += KEPT_SECONDS
        assert found.secret("kv/h2h/acme#passphrase") == PASSPHRASE
        server.asked.clear()
        clock.now += KEPT_SECONDS
        server.namespace = "of somebody else"
        with pytest.raises(Refused, match="policies"):
            found.secret("kv/h2h/acme#passphrase")
    assert [one.partition(" ")[0] for one in server.asked] == ["GET", "POST", "GET"]


# A vault that does not.


@pytest.mark.parametrize(
    ("reference", "more", "said"),
    [
        ("vault:kv/h2h/none#passphrase", {}, "kv/h2h/none: there is no such secret"),
        ("vault:kv/h2h/acme#none", {}, "kv/h2h/acme has no field none"),
        ("vault:kv/h2h/acme#number", {}, "kv/h2h/acme#number is not text"),
        (IN_VAULT, {"token": "env:ROLE"}, "policies do not allow it"),
        (IN_VAULT, {"role_id": "env:TOKEN", "secret_id": "env:SECRET_ID"}, "does not take role_id and secret_id"),
        (IN_VAULT, {"token": "env:NONE"}, "NONE, which the settings refer to, is not set"),
        (IN_VAULT, {"ca": "/nowhere/ca.pem"}, "certificates in /nowhere/ca.pem cannot be read"),
    ],
)
def test_what_somebody_has_to_mend_is_refused(reference: str, more: dict[str, str], said: str) -> None:
    with vault(secrets=KNOWN) as server:
        error = refusal(server, reference, **more)
    assert isinstance(error, Refused)
    assert said in str(error)


@pytest.mark.parametrize(
    ("behave", "kind", "said"),
    [
        (sealed, NotDelivered, "it is sealed"),
        (lambda asked: asked.answer(500, {}), NotDelivered, "status 500"),
        (lambda asked: asked.answer(429, {}), NotDelivered, "asked too much"),
        (closes, NotDelivered, "cannot be reached"),
        (is_cut, NotDelivered, "cannot be reached"),
        (breaks, NotDelivered, "cannot be reached"),
        (is_no_http, NotDelivered, "cannot be reached"),
        (is_silent, NotDelivered, "no whole answer within 0.3 s"),
        (drips, NotDelivered, "no whole answer within 0.3 s"),
        (says({"x": "y" * MAX_ANSWER}), Refused, "more than any secret has"),
        (says({"data": {"passphrase": "of version 1"}}), Refused, "KV engine, version 2"),
        (says("no JSON object"), Refused, "KV engine, version 2"),
        (says({"data": None}), Refused, "KV engine, version 2"),
    ],
    ids=[
        "sealed",
        "500",
        "429",
        "closes",
        "cut",
        "breaks",
        "no HTTP",
        "silent",
        "drips",
        "huge",
        "version 1",
        "text",
        "nothing",
    ],
)
def test_a_vault_that_misbehaves_is_told_in_words_of_ours(
    behave: Callable[[Asked], None], kind: type[ChannelError], said: str
) -> None:
    with vault(secrets=KNOWN, behave=behave) as server:
        error = refusal(server, timeout="300ms")
    assert type(error) is kind
    assert said in str(error)
    assert server.address in str(error)


def test_where_nobody_listens_it_may_be_had_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refusal(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, NotDelivered)


@pytest.mark.parametrize("login", [{}, APP_ROLE], ids=["token", "role"])
def test_no_redirect_carries_the_token_away(login: dict[str, str]) -> None:
    with vault(secrets=KNOWN) as thief, vault(behave=points_to(thief.address)) as server:
        error = refusal(server, **login)
    assert isinstance(error, Refused)
    assert "redirects are not followed" in str(error)
    assert thief.asked == []


def test_one_that_is_down_is_not_asked_by_everybody_again() -> None:
    clock = Clock()
    with vault(secrets=KNOWN, behave=sealed) as server:
        found = Vault(settings(server), Credentials(ENVIRON).secret, clock)
        for _ in range(3):
            with pytest.raises(NotDelivered, match="sealed"):
                found.secret("kv/h2h/acme#passphrase")
        assert len(server.asked) == 1
        server.behave = None
        clock.now += REST_SECONDS
        assert found.secret("kv/h2h/acme#passphrase") == PASSPHRASE


def test_over_tls_it_has_to_prove_its_name(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with vault(ours.serving(HERE), secrets=KNOWN) as server:
        assert had(server, ca=str(ours.file)) == PASSPHRASE
        for ca in ({"ca": str(other.file)}, {}):
            error = refusal(server, **ca)
            assert isinstance(error, Refused)
            assert "shows a certificate that does not hold" in str(error)
        assert len(server.asked) == 1


def test_nothing_of_the_environment_leads_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    with vault() as thief, vault(secrets=KNOWN) as server:
        variables = {"HOME": str(tmp_path), "http_proxy": thief.address, "VAULT_ADDR": thief.address}
        for name, value in {**variables, "VAULT_TOKEN": "other", "VAULT_NAMESPACE": "other"}.items():
            monkeypatch.setenv(name, value)
        assert had(server) == PASSPHRASE
    assert thief.asked == []


def test_without_a_vault_in_the_settings_none_is_guessed() -> None:
    with pytest.raises(Refused, match=r"needs the section \[vault\]"):
        Credentials({"VAULT_ADDR": "http://127.0.0.1:1"}).secret(IN_VAULT)


@pytest.mark.parametrize(
    ("server", "said", "timeout"),
    [
        (is_silent, "no whole answer", "300ms"),
        (None, None, "20s"),
    ],
)
def test_what_may_be_had_later_is_absent_and_what_is_wrong_is_not(
    server: Callable[[Asked], None] | None, said: str | None, timeout: str
) -> None:
    with vault(behave=server) as found:
        absence = Credentials(ENVIRON, settings(found, timeout=timeout)).absence(IN_VAULT)
    assert (said in (absence or "")) if said else absence is None


# Keyrings.


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import keyring
    from keyrings.alt.file import PlaintextKeyring

    before, found = keyring.get_keyring(), PlaintextKeyring()
    found.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(found)
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("keyring_file")
def test_a_secret_of_a_keyring_in_a_file_is_had() -> None:
    import keyring

    keyring.set_password("h2h", "acme/passphrase", PASSPHRASE)
    assert Credentials({}).secret("keyring:h2h/acme/passphrase") == PASSPHRASE
    with pytest.raises(Refused, match="keyring set h2h other"):
        Credentials({}).secret("keyring:h2h/other")


@pytest.mark.usefixtures("keyring_file")
def test_a_keyring_whose_file_is_damaged_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "keyring.cfg").write_text("no section\n")
    with pytest.raises(NotDelivered, match="keyring cannot be asked"):
        Credentials({}).secret("keyring:h2h/acme/passphrase")


def test_where_there_is_no_keyring_it_is_said() -> None:
    done = asked_of_the_keyring({**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert "There is no keyring here" in done.stdout


ASK = (
    "from h2h.credentials import Credentials\n"
    "from h2h.errors import ChannelError\n"
    "try: print(Credentials().secret('keyring:h2h/acme'))\n"
    "except ChannelError as error: print(type(error).__name__, error)\n"
)


def asked_of_the_keyring(environ: Mapping[str, str], *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", ASK]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="gnome-keyring and dbus are not installed",
)
def test_a_secret_of_the_desktops_keyring_is_had_and_a_locked_one_is_told(tmp_path: Path) -> None:
    """The secret service itself, over D-Bus."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    store = f"import keyring; keyring.set_password('h2h', 'acme', '{PASSPHRASE}')"
    unlocked = (
        "echo -n sesame | gnome-keyring-daemon --unlock --components=secrets > /dev/null\n"
        f'{sys.executable} -c "{store}"\n'
        'exec "$@"'
    )
    done = asked_of_the_keyring(environ, "dbus-run-session", "--", "sh", "-ec", unlocked, "sh")
    assert done.stdout.strip() == PASSPHRASE
    done = asked_of_the_keyring(environ, "dbus-run-session", "--")
    assert done.stdout.strip() == "NotDelivered The keyring is locked: unlock it for the user of the gateway."
