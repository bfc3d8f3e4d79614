"""Time stamps on the journal's heads, from a real time stamp authority (openssl) behind a small web server."""

from __future__ import annotations

import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from h2h.anchor import AnchorFile
from h2h.clock import Clock
from h2h.config import load
from h2h.errors import SettingsError, StoreError
from h2h.gateway import Gateway
from tests.shell.command import run as h2h

from .world import payments, send, world

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here: apt-get install openssl")

CONFIG = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
[ext]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
"""


class Authority:
    """`answer`: what the server says instead of a stamp, if anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer: bytes | None = None
        self.asked = 0
        folder.mkdir()
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = "req -config tsa.cnf -newkey rsa:2048 -nodes -subj"
        self._openssl(f"{new} /CN=root -x509 -days 30 -extensions ca -keyout ca.key -out ca.pem")
        self._openssl(f"{new} /CN=tsa -keyout tsa.key -out tsa.csr")
        sign = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30"
        self._openssl(f"{sign} -extfile tsa.cnf -extensions ext -out tsa.pem")
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def _openssl(self, arguments: str) -> bytes:
        command = ["openssl", *arguments.split(" ")]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60).stdout

    def stamp(self, query: bytes) -> bytes:
        self.asked += 1
        (self.folder / "query").write_bytes(query)
        self._openssl("ts -reply -config tsa.cnf -queryfile query -out reply")
        return (self.folder / "reply").read_bytes()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                found = authority.answer if authority.answer is not None else authority.stamp(query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("tsa") / "tsa")
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def tsa(running: Authority) -> Iterator[Authority]:
    yield running
    running.answer = None


@pytest.fixture
def config(tmp_path: Path, tsa: Authority) -> Path:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "h2h.toml"
    stamps = f'time_stamp = "{tsa.url}"\ntime_stamp_ca = "{tsa.folder}/ca.pem"\n'
    file.write_text(f'[gateway]\ndata = "data"\nenvironment = "test"\nanchor = "elsewhere/anchor"\n{stamps}')
    happens(file)
    return file


def happens(config: Path) -> None:
    gateway = Gateway(load(config), Clock())
    gateway.ledger.journal.note(at=gateway.clock.now(), subject="test", kind="test", actor="test", data={})
    gateway.close()


def anchors(config: Path) -> AnchorFile:
    return AnchorFile(config.parent / "elsewhere" / "anchor")


def test_a_head_is_noted_with_its_stamp_once_and_the_stamp_holds(config: Path, tsa: Authority) -> None:
    before = tsa.asked
    assert "noted in" in h2h(config, "journal", "anchor").stdout
    assert "nothing has happened" in h2h(config, "journal", "anchor").stdout
    assert tsa.asked == before + 1
    assert [bool(a.stamp) for a in anchors(config).read()] == [True]
    assert h2h(config, "journal", "verify").returncode == 0


def test_a_stamp_on_another_head_does_not_hold(config: Path) -> None:
    h2h(config, "journal", "anchor")
    happens(config)
    h2h(config, "journal", "anchor")
    first, second = (config.parent / "elsewhere" / "anchor").read_text().splitlines()
    swapped = second.partition('"stamp"')[0] + '"stamp"' + first.partition('"stamp"')[2]
    (config.parent / "elsewhere" / "anchor").write_text(f"{first}\n{swapped}\n")
    done = h2h(config, "journal", "verify")
    assert (done.returncode, "time stamp on event 2" in done.stdout) == (1, True)


def test_a_stamp_of_somebody_else_does_not_hold(config: Path, tmp_path: Path) -> None:
    h2h(config, "journal", "anchor")
    other = Authority(tmp_path / "other")
    other.server.server_close()
    text = config.read_text().split("time_stamp_ca")[0] + f'time_stamp_ca = "{other.folder}/ca.pem"\n'
    config.write_text(text)
    assert "does not hold" in h2h(config, "journal", "verify").stdout


def test_where_the_stamps_were_taken_out_verify_says_so(config: Path) -> None:
    h2h(config, "journal", "anchor")
    file = config.parent / "elsewhere" / "anchor"
    file.write_text(file.read_text().partition(', "stamp"')[0] + "}\n")
    done = h2h(config, "journal", "verify")
    assert (done.returncode, "carries a time stamp" in done.stdout) == (1, True)


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"0\x030\x01\x02", bytes(2000)])
def test_an_answer_that_is_none_is_told_and_the_head_is_noted_all_the_same(
    config: Path, tsa: Authority, answer: bytes
) -> None:
    tsa.answer = answer
    done = h2h(config, "journal", "anchor")
    assert (done.returncode, "time stamp server" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert [a.stamp for a in anchors(config).read()] == [None]
    tsa.answer = None
    assert h2h(config, "journal", "anchor").returncode == 0
    assert [bool(a.stamp) for a in anchors(config).read()] == [False, True]
    assert h2h(config, "journal", "verify").returncode == 0


def test_an_old_answer_said_once_more_is_refused(config: Path, tsa: Authority) -> None:
    """Another nonce: the answer is not to this question."""
    h2h(config, "journal", "anchor")
    tsa.answer = (tsa.folder / "reply").read_bytes()
    file = config.parent / "elsewhere" / "anchor"
    file.write_text(file.read_text().partition(', "stamp"')[0] + "}\n")  # so that the same head is asked for again
    assert "of no use" in h2h(config, "journal", "anchor").stderr


def test_a_server_that_is_away_holds_up_no_payment(tmp_path: Path) -> None:
    with world(tmp_path) as (erp, bank):
        (tmp_path / "ca.pem").write_text("")
        erp.gateway_settings = {
            "anchor": '"anchor"',
            "time_stamp": '"http://127.0.0.1:1/"',
            "time_stamp_ca": '"ca.pem"',
        }
        erp.write_settings()
        erp.drop_file(payments("MSG-1"))
        gateway = erp.gateway()
        with gateway.running():
            send(gateway)
            with pytest.raises(StoreError, match="cannot be asked"):
                gateway.proof.note()
        gateway.close()
        assert len(bank.taken) == 1


def test_a_stamp_without_a_place_to_note_it_is_a_mistake_of_the_settings(config: Path) -> None:
    config.write_text(config.read_text().replace('anchor = "elsewhere/anchor"\n', ""))
    with pytest.raises(SettingsError, match="goes with anchor"):
        load(config)


def test_the_evidence_on_a_payment_holds_the_stamps_and_openssl_agrees(tmp_path: Path, tsa: Authority) -> None:
    with world(tmp_path) as (erp, _):
        erp.gateway_settings = {
            "anchor": '"anchor"',
            "time_stamp": f'"{tsa.url}"',
            "time_stamp_ca": f'"{tsa.folder}/ca.pem"',
        }
        erp.write_settings()
        erp.drop_file(payments("MSG-1"))
        gateway = erp.gateway()
        with gateway.running():
            send(gateway)
            assert gateway.proof.note()
        gateway.close()
    target = tmp_path / "evidence.zip"
    done = h2h(erp.config, "journal", "evidence", "MSG-1-1", "--output", str(target))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as bundle:
        bundle.extractall(tmp_path / "unpacked")
    stamp = next((tmp_path / "unpacked" / "stamps").glob("*.tsr"))
    command = ["openssl", "ts", "-verify", "-in", stamp, "-data", stamp.with_suffix(".txt")]
    said = subprocess.run([*command, "-CAfile", tsa.folder / "ca.pem"], capture_output=True, text=True, check=False)
    assert (said.returncode, "OK" in said.stdout) == (0, True), said.stderr
    script = subprocess.run(["python3", "-I", tmp_path / "unpacked" / "verify.py"], check=False, capture_output=True)
    assert script.returncode == 0
