"""Webhooks as the settings say them, what they cannot say, and what the machine lacks for them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from h2h.config import load
from h2h.config.values import WAYS
from tests.core.test_config import BANK, MAIN, problems, write
from tests.core.test_readiness import MAIN as READY
from tests.core.test_readiness import furnished, told

SECRET = "0123456789abcdef0123456789abcdef"


def block(**values: str) -> str:
    said = {"name": '"erp"', "url": '"https://erp.corp.lan/h2h"', "secret": '"env:HOOK"', **values}
    return "\n".join(["[[webhooks]]", *(f"{key} = {value}" for key, value in said.items()), ""])


def test_a_good_one(tmp_path: Path) -> None:
    more = {"banks": '["acme"]', "events": '["verdict", "cut-off"]', "addresses": '["10.0.0.0/8"]', "ca": '"ca.pem"'}
    text = MAIN + block(**more) + block(name='"monitor"', secret='["env:NEW", "file:/old"]')
    first, second = load(write(tmp_path, text, acme=BANK)).webhooks
    assert (first.name, first.secret, first.host, first.ca) == (
        "erp",
        ("env:HOOK",),
        "erp.corp.lan",
        tmp_path / "ca.pem",
    )
    assert (second.secret, second.timeout, second.give_up_after) == (
        ("env:NEW", "file:/old"), timedelta(seconds=10), timedelta(days=3)
    )  # fmt: skip
    assert [first.hears(*said) for said in (("verdict", "acme"), ("alarm", "acme"), ("verdict", ""))] == [
        True,
        False,
        False,
    ]
    assert second.hears("alarm", "")


def test_there_need_be_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, acme=BANK)).webhooks == ()


TLS = "must begin with https://; http:// goes to this machine only, as in http://127.0.0.1:8080/h2h"
NO_URL = "is no address of a web server; write one such as https://erp.corp.example/h2h"
HIDDEN = "names a user, a password or a fragment; events are signed instead, with secret"
NUMBER = "takes one secret, or two while a new one takes the place of the old one"
NO_NETWORK = "is no address or network; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
SHORT = "the secret in env:HOOK has 31 bytes and needs 32 or more; as `openssl rand -hex 32` makes one"
EXAMPLE = "erp.example.com is a name for examples; write the receiver's own"
WHERE = f"write where it stands, {WAYS}; a secret itself never stands in the settings"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("url", '"http://erp.corp.lan/"', TLS),
        ("url", '"http://10.1.2.3/"', TLS),
        ("url", '"http://127.0.0.1.evil.lan/"', TLS),
        ("url", '"ftp://erp.corp.lan/"', TLS),
        ("url", '"https:///h2h"', NO_URL),
        ("url", '"erp"', NO_URL),
        ("url", '"https://erp corp/"', NO_URL),
        ("url", '"https://erp.corp.lan:99999/"', NO_URL),
        ("url", '"https://[::1/"', NO_URL),
        ("url", '"https://me:s3cret@erp.corp.lan/"', HIDDEN),
        ("url", '"https://erp.corp.lan/#s3cret"', HIDDEN),
        ("secret", f'"{SECRET}"', WHERE),
        ("secret", '["env:A", "s3cret"]', WHERE),
        ("secret", "7", WHERE),
        ("secret", "[]", NUMBER),
        ("secret", '["env:A", "env:B", "env:C"]', NUMBER),
        ("name", '"My ERP"', "'My ERP' is not of the right form (^[a-z0-9][a-z0-9_-]{0,39}$)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_without_what_may_be_secret(tmp_path: Path, key: str, value: str, said: str) -> None:
    line = MAIN.count("\n") + 2 + ["name", "url", "secret"].index(key)
    assert problems(tmp_path, MAIN + block(**{key: value}), acme=BANK) == [
        f"h2h.toml:{line}: webhooks[1].{key}: {said}"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "127.9.9.9"])
def test_this_machine_may_be_told_without_tls(tmp_path: Path, host: str) -> None:
    [webhook] = load(write(tmp_path, MAIN + block(url=f'"http://{host}/x"'), acme=BANK)).webhooks
    assert webhook.url == f"http://{host}/x"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"banks": '["acme", "acne"]'}, "banks[2]: there is no bank 'acne' in the settings; there is acme"),
        ({"timeout": '"2m"'}, "timeout: has to be between 100ms and 1m"),
        ({"addresses": '["10.0.0.1/8"]'}, f"addresses[1]: '10.0.0.1/8' {NO_NETWORK}"),
        ({"insecure": "true"}, "insecure: is not a known setting; look for a typing error"),
    ],
)  # fmt: skip
def test_how_it_cannot_go_on(tmp_path: Path, more: dict[str, str], said: str) -> None:
    line = MAIN.count("\n") + 5
    assert problems(tmp_path, MAIN + block(**more), acme=BANK) == [f"h2h.toml:{line}: webhooks[1].{said}"]


def test_an_unknown_kind_of_event_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    [found] = problems(tmp_path, MAIN + block(events='["transfer", "payments"]'), acme=BANK)
    assert found.startswith(
        f"h2h.toml:{MAIN.count(chr(10)) + 5}: webhooks[1].events[2]: must be 'transfer', 'verdict', "
    )
    assert found.endswith("not 'payments'")


def test_a_name_that_two_have(tmp_path: Path) -> None:
    line = MAIN.count("\n") + 6
    assert problems(tmp_path, MAIN + block() + block(), acme=BANK) == [
        f"h2h.toml:{line}: webhooks[2].name: is the name of another one, too; it must be unique"
    ]


def ready(tmp_path: Path, environ: dict[str, str], **values: str) -> list[str]:
    return told(furnished(tmp_path), main=READY + block(**values), **environ)


def test_a_secret_that_is_there_is_enough(tmp_path: Path) -> None:
    assert ready(tmp_path, {"HOOK": SECRET}) == []


@pytest.mark.parametrize(
    ("environ", "values", "said"),
    [
        ({}, {}, "secret: The environment variable HOOK, which the settings refer to, is not set"),
        ({"HOOK": SECRET[:-1]}, {}, f"secret: {SHORT}"),
        ({"HOOK": SECRET}, {"url": '"https://erp.example.com/"'}, f"url: {EXAMPLE}"),
    ],
)  # fmt: skip
def test_what_is_missing(tmp_path: Path, environ: dict[str, str], values: dict[str, str], said: str) -> None:
    [found] = ready(tmp_path, environ, **values)
    assert found.partition(" webhooks[1].")[2] == said


def test_a_secret_that_others_can_read_and_certificates_that_are_none(tmp_path: Path) -> None:
    loose, none = tmp_path / "hook", tmp_path / "ca.pem"
    loose.write_text(SECRET)
    loose.chmod(0o644)
    none.write_text("none")
    secret, ca = ready(tmp_path, {}, secret=f'"file:{loose}"', ca=f'"{none}"')
    assert "has mode 0644: others could read this secret. Do: chmod 600" in secret
    assert ca.endswith("ca: The certificates in ca.pem cannot be read")
