"""One request to a receiver: signed, to a checked address alone, bounded in time and bytes. Over real HTTP and TLS."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from h2h.clock import Clock
from h2h.config import Webhook
from h2h.credentials import Credentials
from h2h.errors import Refused
from h2h.webhooks.addresses import allowed
from h2h.webhooks.post import Answer, Outcome, Post, wait_of
from tests.authority import HERE, Authority
from tests.listening import SECRET, Request, answers, closes, drips, is_silent, receiver

ENVIRON = {"HOOK": SECRET, "NEW": SECRET[::-1]}
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
README = Path(__file__).parents[2] / "README.md"


def webhook(url: str, **more: Any) -> Webhook:
    values: dict[str, Any] = {"name": "erp", "url": url, "secret": "env:HOOK", "addresses": ["127.0.0.0/8", "::1"]}
    return Webhook.model_validate({**values, **more})


def asked(url: str, content: bytes = b"{}", stop: Callable[[], bool] = lambda: False, **more: Any) -> Answer:
    return Post(webhook(url, **more), Clock(), Credentials(ENVIRON), stop).send(content, "7-abc")


def after(behave: Callable[[Request], None], **more: Any) -> Answer:
    with receiver(behave) as heard:
        return asked(heard.url, **more)


def test_what_is_answered_by_2xx_is_taken() -> None:
    with receiver(answers(202)) as heard:
        assert asked(heard.url, b'{"a":1}') == Answer(outcome=Outcome.TAKEN)
        [one] = heard.asked
    assert (one.body, one.headers["H2H-Event-Id"], one.headers["Content-Type"]) == (
        b'{"a":1}',
        "7-abc",
        "application/json",
    )


def genuine() -> Callable[..., bool]:
    """The code that README tells receivers to use."""
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., bool] = names["genuine"]
    return found


def test_the_code_of_the_readme_knows_what_we_signed_from_all_else() -> None:
    with receiver() as heard:
        asked(heard.url, b'{"a":1}')
        asked(heard.url, b'{"a":2}', secret=["env:NEW", "env:HOOK"])
        first, second = heard.asked
    knows, secret = genuine(), SECRET.encode()
    assert knows(first.headers, first.body, secret)
    assert knows(second.headers, second.body, secret)
    assert knows(second.headers, second.body, secret[::-1])
    assert not knows(first.headers, first.body, secret[::-1])
    assert not knows(first.headers, second.body, secret)
    assert not knows({**first.headers, "H2H-Timestamp": second.headers["H2H-Timestamp"] + "0"}, first.body, secret)
    with receiver() as heard:
        Post(webhook(heard.url), Clock(NOW - timedelta(days=3650)), Credentials(ENVIRON)).send(b"{}", "1")
        [old] = heard.asked
    assert not knows(old.headers, old.body, secret)  # recorded, and played again


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_every_other_answer_is_a_failure_that_tells_its_number(status: int) -> None:
    assert after(answers(status)) == Answer(outcome=Outcome.FAILED, text=f"answered {status}")


def test_410_ends_it() -> None:
    assert after(answers(410)).outcome is Outcome.GONE


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_and_where_it_points_is_told_without_what_may_be_secret(status: int) -> None:
    with receiver() as other:
        answer = after(answers(status, location=f"http://user:pw@127.0.0.1:{other.port}/there?token=s3cret"))
        assert other.asked == []
    assert answer.outcome is Outcome.FAILED
    assert answer.text == (
        f"answered {status}, which points to http://127.0.0.1/there; redirects are not followed: url has to name the "
        "receiver itself"
    )


@pytest.mark.parametrize(
    "behave",
    [
        is_silent,
        drips(b"H"),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "),
    ],
    ids=["silent", "drips its first line", "drips a header", "drips after others"],
)
def test_however_slowly_it_answers_the_time_is_that_of_the_whole_request(behave: Callable[[Request], None]) -> None:
    answer = after(behave, timeout="300ms")
    assert answer == Answer(outcome=Outcome.FAILED, text="did not answer within 0.3 s")


def test_one_that_answers_by_2xx_has_taken_it_however_slowly_it_goes_on() -> None:
    with receiver(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")) as heard:
        assert asked(heard.url, timeout="300ms").outcome is Outcome.TAKEN
        assert heard.hung_up.wait(20)


def test_of_an_answer_without_end_a_little_is_read() -> None:
    def floods(request: Request) -> None:
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 500 Oh\r\n\r\n")
        try:
            while not request.receiver.over.is_set():
                request.wfile.write(bytes(65_536))
        except OSError:
            request.receiver.hung_up.set()

    with receiver(floods) as heard:
        assert asked(heard.url, timeout="1m").text == "answered 500"
        assert heard.hung_up.wait(20)


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (closes, "cannot be reached: connection reset by peer"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n"), "does not answer in HTTP"),
    ],
)
def test_what_is_no_answer_is_a_failure(behave: Callable[[Request], None], text: str) -> None:
    answer = after(behave)
    assert (answer.outcome, answer.text[: len(text)]) == (Outcome.FAILED, text)


def test_nobody_there_is_a_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        answer = asked(f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert answer == Answer(outcome=Outcome.FAILED, text="cannot be reached: connection refused")


def test_a_gateway_that_stops_waits_for_no_answer() -> None:
    stop = threading.Event()

    def stops(request: Request) -> None:
        stop.set()
        is_silent(request)

    with receiver(stops) as heard:
        assert asked(heard.url, stop=stop.is_set, timeout="1m") == Answer(outcome=Outcome.BROKEN_OFF)


def test_a_large_event_comes_whole_and_a_receiver_that_reads_none_of_it_holds_up_nobody() -> None:
    content = bytes(20_000_000)
    with receiver() as heard:
        assert asked(heard.url, content, timeout="1m").outcome is Outcome.TAKEN
        assert heard.asked[0].body == content
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        answer = asked(f"http://127.0.0.1:{deaf.getsockname()[1]}/", content, timeout="300ms")
    assert answer.text == "did not answer within 0.3 s"


def test_a_secret_that_cannot_be_read_is_told_and_nothing_is_sent() -> None:
    with receiver() as heard, pytest.raises(Refused, match="GONE"):
        asked(heard.url, secret="env:GONE")
    assert heard.asked == []


# Addresses.


@pytest.mark.parametrize("listed", [[], ["10.0.0.0/8"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_is_not_public_nor_listed_is_never_connected_to(host: str, listed: list[str]) -> None:
    with receiver() as heard:
        answer = asked(f"http://{host}:{heard.port}/", addresses=listed)
        assert heard.asked == []
    assert answer.outcome is Outcome.FAILED
    assert answer.text.startswith("stands for ")
    assert "127.0.0.1" in answer.text
    assert "list it in addresses" in answer.text


def test_a_name_that_stands_for_a_listed_address_is_asked() -> None:
    with receiver() as heard:
        assert asked(f"http://localhost:{heard.port}/").outcome is Outcome.TAKEN
        assert heard.asked[0].headers["Host"] == f"localhost:{heard.port}"


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stands for another address at the second look (DNS rebinding) finds nobody who looks again."""
    look_up, looks = socket.getaddrinfo, []

    def moves(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host != "erp.corp.lan":
            return look_up(host, port, *args, **more)
        looks.append(host)
        return look_up("127.0.0.1" if len(looks) == 1 else "127.0.0.2", port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", moves)
    with receiver() as heard:
        url = f"https://erp.corp.lan:{heard.port}/"
        answer = asked(url, addresses=["127.0.0.1"])
    assert answer.outcome is Outcome.FAILED  # no TLS there
    assert "TLS" in answer.text
    assert looks == ["erp.corp.lan"]


def test_of_several_addresses_the_next_is_tried_and_none_that_may_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def several(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host != "localhost":
            return look_up(host, port, *args, **more)
        return [each for address in ("127.0.0.9", "127.0.0.1") for each in look_up(address, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    with receiver() as heard:
        assert asked(f"http://localhost:{heard.port}/").outcome is Outcome.TAKEN
        refused = asked(f"http://localhost:{heard.port}/", addresses=["127.0.0.9"])
        assert refused.text == "cannot be reached: connection refused"
        assert len(heard.asked) == 1


PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "10.1.2.3", "172.16.0.1", "192.168.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1",
    "2002:0a00:0001::", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1",
]  # fmt: skip


def test_public_addresses_may_be_used_others_where_they_are_listed() -> None:
    assert allowed([*PUBLIC, *NOT_PUBLIC], []) == PUBLIC
    assert allowed(["10.1.2.3", "11.0.0.1", "192.168.0.1"], ["10.0.0.0/8"]) == ["10.1.2.3", "11.0.0.1"]
    assert allowed(["::ffff:10.0.0.1", "fe80::1%eth0"], ["10.0.0.0/8", "fe80::/10"]) == [
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
    ]
    assert allowed(["::1", "127.0.0.1"], ["0.0.0.0/0"]) == ["127.0.0.1"]


# TLS.


def test_over_tls_the_receiver_has_to_prove_its_name(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with receiver(tls=ours.serving(HERE)) as heard:
        assert asked(heard.url, ca=str(ours.file)).outcome is Outcome.TAKEN
        for ca in (str(other.file), None):
            answer = asked(heard.url, **({"ca": ca} if ca else {}))
            assert answer.text.startswith("shows a certificate that does not hold: ")
    with receiver(tls=ours.serving(x509.DNSName("elsewhere"))) as heard:
        answer = asked(heard.url, ca=str(ours.file))
        assert answer.text.startswith("shows a certificate that does not hold: IP address mismatch")
        assert heard.asked == []


def test_over_tls_too_the_time_is_that_of_the_whole_request(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    with receiver(drips(b"HTTP/1.1 200 OK\r\nX: "), tls=ours.serving(HERE)) as heard:
        answer = asked(heard.url, ca=str(ours.file), timeout="500ms")
    assert answer.text == "did not answer within 0.5 s"
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # never shakes hands
        answer = asked(f"https://127.0.0.1:{deaf.getsockname()[1]}/", timeout="300ms")
    assert answer.text == "did not answer within 0.3 s"


# Retry-After.


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120.0), ("0", 1.0), ("999999", 3600.0), ("Fri, 20 Nov 2026 09:10:00 GMT", 600.0),
        ("Fri, 20 Nov 2020 09:10:00 GMT", 1.0), ("", None), ("soon", None), ("-5", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_what_a_receiver_asks_for_is_granted_within_bounds(said: str, seconds: float | None) -> None:
    assert wait_of(said, NOW) == seconds


def test_a_failure_tells_how_long_the_receiver_wants_to_be_left_alone() -> None:
    assert after(answers(429, retry_after="120")).wait == 120.0
