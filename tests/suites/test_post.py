"""Letters handed to real servers: they come as they were written, and of each that does not the reason is told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from h2h.alarms import Urgency
from h2h.alerting.letters import Letter
from h2h.alerting.post import Post
from h2h.alerting.postman import discreet
from h2h.credentials import Credentials
from tests.suites.receivers import HOST, MailServer, WebServer

pytestmark = pytest.mark.usefixtures("own_postmen")

SUBJECT = "h2h test: 2 urgent at mybank: cut-off near, Überweisung"
BODY = """\
2 urgent at mybank.

mybank, cut-off near: 2 urgent
  12  <b>It waits</b> & waits :smile: {{x}} *now*
      Next: …
"""
LETTER = Letter(subject=SUBJECT, body=BODY, urgency=Urgency.URGENT)


def delivered(*addresses: str, seconds: float = 30) -> list[str | None]:
    """One letter to each; what is said of them."""
    names = [f"R{number}" for number in range(len(addresses))]
    post = Post(credentials=Credentials(dict(zip(names, addresses, strict=True))), seconds=seconds)
    found = post.deliver({name: (f"env:{name}", LETTER) for name in names})
    return [found[name] for name in names]


def test_a_mail_comes_as_it_was_written() -> None:
    with MailServer() as mail:
        assert delivered(mail.address) == [None]
        [came] = mail.letters
    assert (came.subject, came.to) == (SUBJECT, "treasury@corp.example")
    assert came.body.rstrip() == BODY.rstrip()


def test_a_web_server_gets_it_with_how_urgent_it_is() -> None:
    with WebServer() as web:
        assert delivered(web.address) == [None]
        [came] = web.letters
    assert (came.subject, came.body.rstrip(), came.kind) == (SUBJECT, BODY.rstrip(), "failure")


def test_all_go_at_once_and_one_that_fails_keeps_nobody_from_the_rest() -> None:
    with WebServer() as web, WebServer(500) as bad, MailServer() as mail, WebServer("slow") as slow:
        found = delivered(bad.address, f"{slow.address}?rto=1", web.address, "none", mail.address)
        assert len(web.letters) == len(mail.letters) == 1
    assert [found[2], found[4]] == [None, None]
    assert found[0] is not None
    assert found[1] is not None
    assert found[3] == "is no address of apprise, such as mailtos://, slack://, pagerduty:// or json://"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (500, "error=500"),
        (403, "error=403"),
        ("slow", "Read timed out"),
        ("close", "Connection aborted"),
    ],
)
def test_why_a_web_server_did_not_take_it_is_told_and_nothing_secret(answer: int | str, reason: str) -> None:
    with WebServer(answer) as web:
        [fault] = delivered(f"json://user:pass-word@{HOST}:{web.port}/hook/secret-token?rto=1&+X-Key=key-of-mine")
    assert fault is not None
    assert reason in fault
    assert [part for part in ("pass-word", "secret-token", "key-of-mine") if part in fault] == []


@pytest.mark.parametrize("wish", ["", "?redirect=yes"])
def test_nobody_follows_a_redirect(wish: str) -> None:
    with WebServer() as other, WebServer("away", elsewhere=f"http://{HOST}:{other.port}/catch") as web:
        [fault] = delivered(web.address + wish)
        assert fault is not None
        assert "error=307" in fault
        assert (other.asked, other.letters) == ([], [])


def test_a_mail_server_that_takes_no_recipient_did_not_take_it() -> None:
    with MailServer("refuses") as mail:
        [fault] = delivered(mail.address)
    assert fault is not None
    assert "no such mailbox" in fault


def test_nobody_listens() -> None:
    with WebServer() as web:
        port = web.port
    mail, hook = delivered(
        f"mailto://{HOST}:{port}/?from=a@b.example&to=c@d.example&mode=insecure", f"json://{HOST}:{port}"
    )
    assert mail is not None
    assert hook is not None
    assert "Connection refused" in mail
    assert "Connection refused" in hook


def test_one_that_hangs_is_left_after_the_time_given_and_the_others_are_told() -> None:
    with MailServer("hangs") as mail, WebServer() as web:
        found = delivered(mail.address, web.address, seconds=6)
        assert len(web.letters) == 1
    assert found == ["it gave no answer within 6 s", None]


def test_one_that_hangs_is_left_at_once_when_the_gateway_stops() -> None:
    with MailServer("hangs") as mail:
        post = Post(credentials=Credentials({"R": mail.address}), seconds=600, stopping=mail.connected.is_set)
        assert post.deliver({"R": ("env:R", LETTER)}) == {"R": "it gave no answer within 600 s"}


def test_an_address_is_looked_at_without_asking_anybody() -> None:
    with WebServer() as web:
        environ = {
            "GOOD": web.address,
            "UNKNOWN": "carrier-pigeon://coop/secret-token",
            "SHORT": "slack://secret-token/short",
            "NONE": "",
        }
        found = Post(credentials=Credentials(environ)).faults({name: f"env:{name}" for name in [*environ, "UNSET"]})
        assert web.asked == []
    assert found.pop("SHORT").startswith("is no address that apprise can use (An invalid Slack")
    assert found == {
        "UNKNOWN": "is no address of apprise, such as mailtos://, slack://, pagerduty:// or json://",
        "NONE": "is no address of apprise, such as mailtos://, slack://, pagerduty:// or json://",
        "UNSET": "The environment variable UNSET, which the settings refer to, is not set",
    }


def test_a_process_that_dies_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("h2h.alerting.post.PROGRAM", ("-c", "import sys; sys.exit(3)"))
    assert delivered("json://localhost") == ["the process that tells ended with status 3"]


def test_the_library_is_loaded_by_that_process_alone() -> None:
    code = (
        "import sys, json; import h2h.alerting.teller, h2h.daemon, h2h.cli.alerting; "
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('apprise', 'requests')]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []


ADDRESS = "mailtos://corp%40x:pa%20ss:word@smtp.corp.example:587/Tok-1/?to=t@corp.example&key=K%2FEY-9"


def test_of_an_address_only_the_server_is_told() -> None:
    said = f"{ADDRESS} smtp.corp.example refused corp@x corp%40x with pa ss, PA%20SS and word for tok-1, K/EY-9"
    assert discreet(said, ADDRESS) == "**** smtp.corp.example refused **** **** with ****, **** and **** for ****, ****"
    assert discreet("no url: /services/T000/B000 with url: /services/T000/B000 (x)", "slack://T000/B000/services") == (
        "no url: /****/****/**** (x)"
    )
    assert len(discreet("x" * 1000, ADDRESS)) == 300
