"""Metrics over real HTTP: what Prometheus is told of a gateway, and what it is told where that cannot be said."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from h2h.alarms import Alarm, Urgency
from h2h.config.values import Listen
from h2h.engine import Turn
from h2h.gateway import Gateway
from h2h.health import alarms
from h2h.heartbeat import Beat, WorkerBeat
from h2h.metrics.families import FAMILIES, Standing
from h2h.metrics.server import MOST_AT_ONCE, MetricsServer, Scrapes
from h2h.pulse import Pulse
from tests.shell.command import run as h2h

from .process import daemon, environment
from .world import MovableClock, World, only, opened, payments, send, transfers, until

NOON = "2026-11-20T12:00:00+01:00"  # a Friday
LINE = "line box"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def erp(tmp_path: Path) -> World:
    """A bank that is a folder and closes at three; it wants to hear of nothing in that folder but files."""
    for part in ("in", "out"):
        (tmp_path / "bank-side" / part).mkdir(parents=True)
    return World(
        folder=tmp_path,
        port=0,
        fingerprint="",
        channel={"kind": '"folder"', "path": f'"{tmp_path}/bank-side"'},
        outbound={"cut_off": '"15:00"', "lead": '"30m"', "days": '"mon-fri"'},
    )


@pytest.fixture
def gateway(erp: World, clock: MovableClock) -> Iterator[Gateway]:
    with opened(erp, clock) as gateway:
        yield gateway


def standing(gateway: Gateway, ago: float = 0.0) -> Standing:
    """A main loop that turned so many seconds ago, and a line that has been in its round for a minute since."""
    at = gateway.clock.monotonic() - ago
    line = WorkerBeat(worker=LINE, alive=True, still=at - 60, allowed=61.0)
    turn = Turn(worker=LINE, alive=True, ended=at - 70, began=at - 60, used=1.0)
    return lambda: (Beat(process=1, boot="", at=at, workers=(line,)), [turn])


@contextmanager
def served(gateway: Gateway, stands: Standing | None = None) -> Iterator[MetricsServer]:
    server = MetricsServer(Listen(host="127.0.0.1", port=0), Scrapes(gateway, stands or standing(gateway)).answer)
    server.serve()
    try:
        yield server
    finally:
        server.close()


def asked(port: int, path: str = "/metrics", method: str = "GET", accept: str = "") -> tuple[int, str, str]:
    """Status, content type, and body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Accept": accept} if accept else {})
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


def port_of(server: MetricsServer) -> int:
    port: int = server.server_address[1]
    return port


class Scrape:
    """What was said, by name and by the values of the labels, in the order in which they are told."""

    def __init__(self, server: MetricsServer) -> None:
        status, self.kind, self.text = asked(port_of(server))
        assert status == 200, self.text
        self.families: dict[str, Metric] = {m.name: m for m in text_string_to_metric_families(self.text)}

    def __call__(self, name: str, *values: str) -> float:
        family = next(f for f in FAMILIES if f.name == name)
        wanted = dict(zip(family.labels, values, strict=True))
        samples = self.families[name.removesuffix("_total")].samples
        return only([s.value for s in samples if s.name == name and s.labels == wanted])

    def labels(self, name: str) -> list[dict[str, str]]:
        return [s.labels for s in self.families[name.removesuffix("_total")].samples if s.name == name]


def test_what_waits_is_told_with_the_time_that_it_has_left(erp: World, gateway: Gateway, clock: MovableClock) -> None:
    watch = str(erp.drop)
    with served(gateway) as server:
        scrape = Scrape(server)
        assert scrape("h2h_waiting_files", "box", watch) == 0
        assert scrape.labels("h2h_waiting_cut_off_seconds") == []
        assert scrape.labels("h2h_bank_reachable") == []
        erp.drop_file(payments("MSG-1"))
        gateway.desks["box"].take_in()
        clock.advance(hours=1)
        scrape = Scrape(server)
        assert scrape("h2h_files", "box", "READY") == scrape("h2h_waiting_files", "box", watch) == 1
        assert 3600 <= scrape("h2h_oldest_ready_seconds", "box") < 4000
        assert 5000 < scrape("h2h_waiting_cut_off_seconds", "box", watch, "") <= 5400  # 13:00 to half past two
        assert abs(scrape("h2h_cut_off_seconds", "box", watch, "") - 5400) < 400
        send(gateway)
        scrape = Scrape(server)
        assert scrape("h2h_files", "box", "READY") == scrape("h2h_oldest_ready_seconds", "box") == 0
        assert scrape("h2h_unanswered_files", "box") == scrape("h2h_state_changes_total", "box", "SENT") == 1
        assert scrape("h2h_bank_reachable", "box") == 1
        assert abs(scrape("h2h_bank_last_contact_timestamp_seconds", "box") - clock.now().timestamp()) < 400
        clock.advance(hours=2)  # closed: until the cut-off of Monday
        assert abs(Scrape(server)("h2h_cut_off_seconds", "box", watch, "") - (3 * 86400 - 1800)) < 400


def test_only_the_cut_offs_count_that_waiting_files_go_by(erp: World, clock: MovableClock) -> None:
    erp.outbound["cut_offs"] = '[{currencies = ["USD"], cut_off = "13:00"}, {local_instruments = ["INST"]}]'
    watch = str(erp.drop)
    with opened(erp, clock) as gateway, served(gateway) as server:
        erp.drop_file(payments("MSG-1"))
        gateway.desks["box"].take_in()
        scrape = Scrape(server)
        assert abs(scrape("h2h_cut_off_seconds", "box", watch, "USD") - 3600) < 400
        assert [labels["payments"] for labels in scrape.labels("h2h_waiting_cut_off_seconds")] == [""]
        erp.drop_file(payments("MSG-2").replace(b'Ccy="EUR"', b'Ccy="USD"'), "dollars.xml")
        gateway.desks["box"].take_in()
        scrape = Scrape(server)
        assert abs(scrape("h2h_waiting_cut_off_seconds", "box", watch, "USD") - 3600) < 400
        assert len(scrape.labels("h2h_cut_off_seconds")) == len(scrape.labels("h2h_waiting_cut_off_seconds")) == 2


def test_what_happens_is_counted_from_the_start_of_the_gateway_on(erp: World, gateway: Gateway) -> None:
    erp.drop_file(payments("MSG-0"))
    send(gateway)
    with served(gateway) as server:
        assert Scrape(server)("h2h_state_changes_total", "box", "SENT") == 0
        (erp.folder / "bank-side" / "in").rename(erp.folder / "away")
        erp.drop_file(payments("MSG-1"))
        send(gateway)
        failed = Scrape(server)("h2h_attempts_failed_total", "box")
        assert failed == 1
        assert Scrape(server)("h2h_attempts_failed_total", "box") == failed
        (erp.folder / "away").rename(erp.folder / "bank-side" / "in")
        until(lambda: all(t.state == "SENT" for t in send(gateway)), "the file is sent")
        assert len(transfers(gateway)) == 2
        assert Scrape(server)("h2h_state_changes_total", "box", "SENT") == 1


def test_alarms_are_those_of_the_ledger_and_what_could_not_be_noted_there(
    erp: World, gateway: Gateway, clock: MovableClock
) -> None:
    found = [Alarm(word="answer_missing", text="It did not answer.", bank="box", subject=str(n)) for n in range(2)]
    gateway.ledger.alarms.note([*found, Alarm(word="calendar", text="…", urgency=Urgency.NOTICE)], clock.now())
    gateway.ledger.alarms.take(1, "ann", "calls them", clock.now())
    with served(gateway) as server:
        scrape = Scrape(server)
        assert scrape("h2h_alarms", "answer_missing", "box", "urgent", "yes") == 1
        assert scrape("h2h_alarms", "answer_missing", "box", "urgent", "no") == 1
        assert scrape("h2h_alarms", "calendar", "", "notice", "no") == 1
        assert len(scrape.labels("h2h_alarms")) == 3
        gateway.archive._min_free = 1 << 60
        assert Scrape(server)("h2h_alarms", "room", "", "urgent", "no") == 1
        gateway.ledger.alarms.note(alarms(gateway), clock.now())
        assert Scrape(server)("h2h_alarms", "room", "", "urgent", "no") == 1


def test_workers_and_main_loop_are_told_as_they_stood_at_the_last_turn(gateway: Gateway) -> None:
    now = gateway.clock.now().timestamp()
    with served(gateway, standing(gateway)) as server:
        scrape = Scrape(server)
        assert scrape("h2h_worker_alive", LINE) == 1
        assert 60 <= scrape("h2h_worker_round_seconds", LINE) < 400
        assert abs(scrape("h2h_worker_last_round_timestamp_seconds", LINE) - (now - 70)) < 30
        assert abs(scrape("h2h_main_loop_timestamp_seconds") - now) < 30
    with served(gateway, standing(gateway, ago=5.0)) as server:
        assert Scrape(server)("h2h_worker_alive", LINE) == 0


def test_the_end_of_the_certificates_is_told(erp: World, clock: MovableClock) -> None:
    ends = [clock.now() + timedelta(days=days) for days in (300, 30)]
    (erp.folder / "ca.pem").write_bytes(b"".join(map(_certificate, ends)))
    erp.gateway_settings = {"anchor": '"anchor"', "time_stamp": '"http://127.0.0.1:1/"', "time_stamp_ca": '"ca.pem"'}
    with opened(erp, clock) as gateway, served(gateway) as server:
        [told] = Scrape(server).labels("h2h_certificate_expiry_timestamp_seconds")
        assert told == {"file": str(erp.folder / "ca.pem")}
        assert Scrape(server)("h2h_certificate_expiry_timestamp_seconds", told["file"]) == int(ends[1].timestamp())
        (erp.folder / "ca.pem").unlink()
        assert Scrape(server).labels("h2h_certificate_expiry_timestamp_seconds") == []


def _certificate(end: object) -> bytes:
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(MovableClock("2026-01-01T00:00:00Z").now()).not_valid_after(end)  # type: ignore[arg-type]
    return made.sign(key, None).public_bytes(Encoding.PEM)


def test_every_family_is_told_with_its_labels_and_no_other(erp: World, gateway: Gateway) -> None:
    erp.drop_file(payments("MSG-1"))
    gateway.desks["box"].take_in()
    with served(gateway) as server:
        scrape = Scrape(server)
    ours = [name for name in scrape.families if name.startswith("h2h_")]
    assert ours == [family.name.removesuffix("_total") for family in FAMILIES]
    for family in FAMILIES:
        assert all(set(labels) == set(family.labels) for labels in scrape.labels(family.name)), family
        assert scrape.families[family.name.removesuffix("_total")].type == (
            "counter" if family.name.endswith("_total") else "gauge"
        )
    assert scrape("h2h_build_info", *(scrape.labels("h2h_build_info")[0][k] for k in FAMILIES[0].labels)) == 1
    assert "process_resident_memory_bytes" in scrape.families


# What cannot be said.


def test_a_scrape_while_the_ledger_fails_is_refused_with_a_sentence_and_the_next_one_is_good(
    erp: World, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(old: str, new: str) -> None:
        with sqlite3.connect(erp.folder / "data" / "h2h.db") as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
        connection.close()

    with served(gateway) as server:
        assert asked(port_of(server))[0] == 200
        rename("contact", "away")
        refused = [asked(port_of(server)) for _ in range(2)]
        assert refused[0][:2] == (503, "text/plain; charset=utf-8")
        assert refused[0][2] == "The ledger cannot do its work: no such table: contact.\n"
        rename("away", "contact")
        assert asked(port_of(server))[0] == 200
    failed = [record for record in caplog.records if getattr(record, "event", "") == "scrape_failed"]
    assert len(failed) == 1
    assert "no such table" in failed[0].__dict__["text"]


def test_a_fault_of_our_own_is_a_sentence_too(gateway: Gateway) -> None:
    def broken() -> tuple[Beat, list[Turn]]:
        raise ZeroDivisionError("by nought")

    with served(gateway, broken) as server:
        answer = asked(port_of(server))
    assert answer == (
        503, "text/plain; charset=utf-8", "The gateway itself failed (ZeroDivisionError); its log says more.\n",
    )  # fmt: skip


def test_there_is_nothing_but_metrics(gateway: Gateway) -> None:
    with served(gateway) as server:
        assert asked(port_of(server), "/")[::2] == (404, "There is nothing here but /metrics.\n")
        assert asked(port_of(server), method="HEAD")[::2] == (200, "")
        assert asked(port_of(server), method="POST")[0] == 501
        status, kind, text = asked(port_of(server), "/metrics?x=1", accept="application/openmetrics-text")
        assert (status, kind.partition(";")[0], text[-6:]) == (200, "application/openmetrics-text", "# EOF\n")


def test_who_holds_connections_and_says_nothing_keeps_nobody_else_out_for_long(gateway: Gateway) -> None:
    with served(gateway) as server, ExitStack() as held:
        for _ in range(MOST_AT_ONCE - 1):
            held.enter_context(socket.create_connection(("127.0.0.1", port_of(server))))
        assert asked(port_of(server))[0] == 200
        until(lambda: _turned_away(port_of(server), held), "one too many is turned away")
        held.close()
        until(lambda: not _turned_away(port_of(server), held), "there is room again")


def _turned_away(port: int, held: ExitStack) -> bool:
    """Whether a further connection is closed; one that is not is held."""
    more = held.enter_context(socket.create_connection(("127.0.0.1", port)))
    more.settimeout(0.5)
    try:
        return more.recv(1) == b""
    except TimeoutError:
        return False


# The daemon.


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _answers(port: int) -> Callable[[], bool]:
    def asks() -> bool:
        try:
            return asked(port)[0] == 200
        except OSError:
            return False

    return asks


def test_the_daemon_answers_from_its_start_to_its_end(erp: World, free_port: int) -> None:
    erp.gateway_settings = {"metrics": f'"127.0.0.1:{free_port}"'}
    erp.write_settings()
    with daemon(erp.config) as running:
        until(_answers(free_port), "metrics")
        told = 'h2h_worker_alive{worker="line box"} 1.0'
        until(lambda: told in asked(free_port)[2], "the line lives")
        assert running.terminate() == 0
        assert not _answers(free_port)()
        assert f"metrics address=127.0.0.1:{free_port}" in running.log()


def test_nobody_is_answered_before_the_start_and_after_the_end(erp: World, clock: MovableClock, free_port: int) -> None:
    erp.gateway_settings = {"metrics": f'"127.0.0.1:{free_port}"'}
    with opened(erp, clock) as gateway:
        pulse = Pulse(gateway, list, every=1.0, environ={})
        assert not _answers(free_port)()
        pulse.start()
        assert _answers(free_port)()
        pulse.stop()
        assert not _answers(free_port)()


def test_an_address_that_somebody_else_has_is_a_mistake_of_the_settings(erp: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        erp.gateway_settings = {"metrics": f'"127.0.0.1:{port}"'}
        erp.write_settings()
        refused = h2h(erp.config, "run")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"h2h: the settings have 1 problem(s):\n{erp.config}: gateway.metrics: 127.0.0.1:{port} cannot be listened on: "
        "Address already in use; choose another address, or end what has this one\n"
    )


def test_the_library_is_loaded_only_where_metrics_are_asked_for() -> None:
    said = "import sys, h2h.daemon, h2h.cli.work, h2h.cli.probing; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout == "False\n"
