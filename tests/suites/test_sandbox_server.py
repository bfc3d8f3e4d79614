"""The bank in a box over the wire, with paramiko as the client: who comes in, what it takes when, what it answers."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import paramiko
import pytest
from lxml import etree

from h2h.errors import AlreadyRunning, UsageError
from h2h.sandbox.keys import create_client_key
from h2h.sandbox.scenario import NEVER, Scenario, Take
from h2h.sandbox.server import BankServer, BankSftp

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 10, 5, 9, 30, tzinfo=UTC)
FAR = 3600.0
ORDER = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn><GrpHdr><MsgId>{id}</MsgId>'
    "<CreDtTm>2026-10-05T09:00:00</CreDtTm><NbOfTxs>1</NbOfTxs></GrpHdr><PmtInf><PmtInfId>B</PmtInfId><DbtrAcct><Id>"
    "<IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct><CdtTrfTxInf><PmtId><EndToEndId>E</EndToEndId></PmtId><Amt>"
    '<InstdAmt Ccy="EUR">10.00</InstdAmt></Amt></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>'
)


def order(message_id: str = "MSG-1") -> bytes:
    return ORDER.format(id=message_id).encode()


class House:
    """A bank's root and a client's key, so that a test can open the bank several times."""

    def __init__(self, root: Path) -> None:
        self.root = root / "bank"
        self.key = root / "client" / "id_ed25519"
        self.public = create_client_key(self.key)

    def bank(self, scenario: Scenario | None = None, server_class: type[BankSftp] = BankSftp) -> BankServer:
        return BankServer(
            self.root, scenario, authorized_keys=[self.public], clock=lambda: NOW, server_class=server_class
        )

    @contextmanager
    def client(self, bank: BankServer) -> Iterator[paramiko.SFTPClient]:
        with connected(bank, self.key) as transport:
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            yield sftp


@contextmanager
def connected(bank: BankServer, key: Path) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport((bank.host, bank.port))
    try:
        transport.connect(username="CORP0815", pkey=paramiko.Ed25519Key.from_private_key_file(str(key)))
        yield transport
    finally:
        transport.close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def write(sftp: paramiko.SFTPClient, path: str, data: bytes) -> None:
    with sftp.open(path, "wb") as file:
        file.write(data)


def fetch(sftp: paramiko.SFTPClient) -> list[etree._Element]:
    """Everything in /out, in the order of the names."""
    contents = []
    for name in sorted(sftp.listdir("/out")):
        with sftp.open(f"/out/{name}", "rb") as file:
            contents.append(etree.fromstring(file.read()))
    return contents


def statuses(papers: list[etree._Element]) -> list[str]:
    return [element.text or "" for paper in papers for element in paper.iterfind(".//{*}GrpSts")]


def test_an_order_goes_in_and_answers_and_a_statement_come_out(house: House) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        assert sorted(sftp.listdir("/")) == ["archive", "in", "out"]
        write(sftp, "/in/.order.xml.part", order())
        sftp.posix_rename("/in/.order.xml.part", "/in/order.xml")
        bank.settle()
        assert statuses(fetch(sftp)) == ["ACTC", "ACSP"]
        (name,) = bank.close_day()
        assert name == "20261005_000003_camt053.xml"
        assert fetch(sftp)[-1].findtext(".//{*}EndToEndId") == "E"
        sftp.remove(f"/out/{name}")
        assert name not in sftp.listdir("/out")
    assert [(taken.number, taken.name, taken.data) for taken in bank.taken] == [(1, "order.xml", order())]


def test_the_day_ends_by_itself_where_the_scenario_says_so(house: House) -> None:
    with house.bank(Scenario(statement_seconds=0)) as bank, house.client(bank) as sftp:
        write(sftp, "/in/order.xml", order())
        bank.settle()
        assert len(list(fetch(sftp)[-1].iter("{*}Stmt"))) == 1


def by_rename(sftp: paramiko.SFTPClient) -> None:
    write(sftp, "/in/x.tmp", order())
    sftp.rename("/in/x.tmp", "/in/x.xml")


def by_posix_rename(sftp: paramiko.SFTPClient) -> None:
    write(sftp, "/in/x.tmp", order())
    sftp.posix_rename("/in/x.tmp", "/in/x.xml")


def by_closing(sftp: paramiko.SFTPClient) -> None:
    write(sftp, "/in/x.xml", order())


def from_another_folder(sftp: paramiko.SFTPClient) -> None:
    write(sftp, "/archive/x.xml", order())
    sftp.rename("/archive/x.xml", "/in/sub/../x.xml")


DELIVERIES = [by_rename, by_posix_rename, by_closing, from_another_folder]


@pytest.mark.parametrize("deliver", DELIVERIES)
def test_at_once_means_gone_before_the_reply(house: House, deliver: Callable[[paramiko.SFTPClient], None]) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        deliver(sftp)
        assert sftp.listdir("/in") == []
        assert [taken.data for taken in bank.taken] == [order()]


@pytest.mark.parametrize("deliver", DELIVERIES)
def test_keep_means_read_once_and_left_there_through_a_restart(
    house: House, deliver: Callable[[paramiko.SFTPClient], None]
) -> None:
    for _ in range(2):
        with house.bank(Scenario(take=Take.KEEP)) as bank:
            if not bank.taken:
                with house.client(bank) as sftp:
                    deliver(sftp)
            bank.settle()
            with house.client(bank) as sftp:
                assert sftp.listdir("/in") == ["x.xml"]
                assert statuses(fetch(sftp)) == ["ACTC", "ACSP"]
    assert [taken.data for taken in bank.taken] == [order()]


def test_after_means_that_a_file_stays_until_its_time_and_is_taken_then(house: House) -> None:
    with house.bank(Scenario(take=Take.AFTER, after_seconds=FAR)) as bank, house.client(bank) as sftp:
        by_rename(sftp)
        assert (sftp.listdir("/in"), bank.taken) == (["x.xml"], [])
    with house.bank(Scenario(take=Take.AFTER, after_seconds=0)) as bank, house.client(bank) as sftp:
        bank.settle()
        assert (sftp.listdir("/in"), len(bank.taken)) == ([], 1)


def test_a_file_that_its_owner_withdrew_in_time_is_not_taken(house: House) -> None:
    with house.bank(Scenario(take=Take.AFTER, after_seconds=FAR)) as bank, house.client(bank) as sftp:
        by_rename(sftp)
        sftp.remove("/in/x.xml")
    with house.bank(Scenario(take=Take.AFTER)) as bank:
        bank.settle()
        assert bank.taken == []


@pytest.mark.parametrize("name", [".x.xml", "x.xml.part", "x.tmp", "X.TMP", "x.xml.filepart"])
def test_temporary_names_are_never_taken(house: House, name: str) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        write(sftp, f"/in/{name}", order())
        assert (sftp.listdir("/in"), bank.taken) == ([name], [])
    with house.bank() as bank:
        assert bank.taken == []


def test_what_is_no_file_in_the_inbox_itself_is_not_taken(house: House) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        sftp.mkdir("/in/folder")
        write(sftp, "/in/folder/x.xml", order())
        write(sftp, "/archive/x.xml", order())
        sftp.mkdir("/archive/moved")
        sftp.rename("/archive/moved", "/in/moved")
        with sftp.open("/in/folder/x.xml", "rb") as file:
            assert file.read() == order()
        assert bank.taken == []


def test_the_same_bytes_sent_twice_are_two_files_taken_and_the_second_is_rejected(house: House) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        by_rename(sftp)
        by_rename(sftp)
        bank.settle()
        assert [(taken.number, taken.data) for taken in bank.taken] == [(1, order()), (2, order())]
        assert sorted(statuses(fetch(sftp))) == ["ACSP", "ACTC", "RJCT"]


@pytest.mark.parametrize(("name", "taken"), [("x.xml.part", []), ("x.xml", [order()[:100]])])
def test_of_a_client_that_dies_in_an_upload_only_a_final_name_is_taken_half_as_it_is(
    house: House, name: str, taken: list[bytes]
) -> None:
    ended = threading.Event()

    class TellsTheEnd(BankSftp):
        def exit(self) -> None:
            ended.set()

    with house.bank(server_class=TellsTheEnd) as bank, connected(bank, house.key) as transport:
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        file = sftp.open(f"/in/{name}", "wb")
        file.write(order()[:100])
        assert file.stat().st_size == 100
        transport.close()
        assert ended.wait(10)
        assert [each.data for each in bank.taken] == taken


def test_a_restart_keeps_message_ids_balances_and_numbers(house: House) -> None:
    closings, openings = [], []
    for message_id in ("A", "B", "A"):
        with house.bank() as bank, house.client(bank) as sftp:
            write(sftp, "/in/x.xml", order(message_id))
            bank.settle()
            bank.close_day()
            opening, closing = (balance.findtext("{*}Amt") for balance in fetch(sftp)[-1].iterfind(".//{*}Bal"))
            openings.append(opening)
            closings.append(closing)
    assert openings[1:] == closings[:-1]
    with house.bank() as bank, house.client(bank) as sftp:
        papers = fetch(sftp)
        assert statuses(papers) == ["ACTC", "ACSP", "ACTC", "ACSP", "RJCT"]
        assert [e.text for paper in papers for e in paper.iterfind(".//{*}ElctrncSeqNb")] == ["1", "2", "3"]
        assert len(papers) == 8
    assert [taken.number for taken in bank.taken] == [1, 2, 3]


@pytest.mark.parametrize(
    ("first", "before"),
    [
        (Scenario(received_seconds=FAR), []),
        (Scenario(answer_seconds=FAR), ["ACTC"]),
        (Scenario(received_seconds=NEVER, answer_seconds=FAR), []),
    ],
)
def test_what_a_stopped_bank_owed_is_done_by_the_next(house: House, first: Scenario, before: list[str]) -> None:
    with house.bank(first) as bank, house.client(bank) as sftp:
        write(sftp, "/in/x.xml", order())
        if before:
            bank.close_day()
        assert statuses(fetch(sftp)) == before
    with house.bank() as bank, house.client(bank) as sftp:
        bank.settle()
        assert statuses(fetch(sftp))[-1] == "ACSP"
        bank.close_day()
        assert [e.text for e in fetch(sftp)[-1].iterfind(".//{*}TxDtls/{*}Refs/{*}PmtInfId")] == ["B"]


def test_a_file_that_lay_there_when_the_bank_was_down_is_taken_at_the_start(house: House) -> None:
    with house.bank():
        pass
    (house.root / "client" / "in" / "x.xml").write_bytes(order())
    with house.bank() as bank:
        assert [taken.data for taken in bank.taken] == [order()]


def test_a_day_is_closed_after_all_that_came_before(house: House) -> None:
    with house.bank() as bank, house.client(bank) as sftp:
        for number in range(5):
            write(sftp, f"/in/{number}.xml", order(f"M-{number}"))
        bank.close_day()
        assert len(fetch(sftp)[-1].findall(".//{*}PmtInfId")) == 5


def test_the_client_sees_the_fingerprint_that_the_bank_names_also_after_a_restart(house: House) -> None:
    seen = set()
    for _ in range(2):
        with house.bank() as bank, connected(bank, house.key) as transport:
            blob = transport.get_remote_server_key().asbytes()
            digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
            assert bank.host_key_fingerprint == f"SHA256:{digest}"
            assert bank.host_key_line.split()[:2] == ["ssh-ed25519", base64.b64encode(blob).decode()]
            seen.add(digest)
    assert len(seen) == 1


def test_private_keys_are_for_their_owner_only(house: House) -> None:
    with house.bank() as bank:
        host_key = bank.folders.host_key_file
    assert [stat.S_IMODE(path.stat().st_mode) for path in (host_key, house.key)] == [0o600, 0o600]
    with pytest.raises(FileExistsError):
        create_client_key(house.key)


def test_authorized_keys_may_be_files(house: House) -> None:
    public = house.key.with_name(house.key.name + ".pub")
    with BankServer(house.root, authorized_keys=[public]) as bank, house.client(bank) as sftp:
        assert "in" in sftp.listdir("/")


def test_a_key_that_is_put_into_the_folder_comes_in_at_the_next_login_and_the_banks_own_never(house: House) -> None:
    folder, late = house.root / "keys", house.key.with_name("late")
    public = create_client_key(late)
    with BankServer(house.root, authorized_keys=[folder]) as bank:
        for key in (late, bank.folders.host_key_file):
            with pytest.raises(paramiko.AuthenticationException), connected(bank, key):
                pass
        (folder / "late.pub").write_text(public)
        with connected(bank, late):
            pass


def test_nobody_comes_in_without_the_key(house: House, tmp_path: Path) -> None:
    create_client_key(tmp_path / "stranger")
    with house.bank() as bank:
        with pytest.raises(paramiko.AuthenticationException), connected(bank, tmp_path / "stranger"):
            pass
        transport = paramiko.Transport((bank.host, bank.port))
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            transport.connect(username="CORP0815", password="secret")
        transport.close()
    assert caught.value.allowed_types == ["publickey"]


ASKED: dict[str, Callable[[paramiko.Transport], object]] = {
    "a command": lambda transport: transport.open_session(timeout=5).exec_command("id"),
    "a shell": lambda transport: transport.open_session(timeout=5).invoke_shell(),
    "a tunnel": lambda transport: transport.open_channel(
        "direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1), timeout=5
    ),
}


@pytest.mark.parametrize("asked", ASKED)
def test_there_is_nothing_but_sftp(house: House, asked: str) -> None:
    with house.bank() as bank, connected(bank, house.key) as transport, pytest.raises(paramiko.SSHException):
        ASKED[asked](transport)


def test_the_root_cannot_be_left(house: House, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with house.bank() as bank, house.client(bank) as sftp:
        (bank.folders.outbox / "link").symlink_to(tmp_path / "secret")
        (bank.folders.outbox / "folder").symlink_to(tmp_path)
        assert sftp.normalize("/../..") == "/"
        assert sorted(sftp.listdir("/in/../../..")) == ["archive", "in", "out"]
        for path in ("/out/link", "/out/folder/secret"):
            with pytest.raises(PermissionError):
                sftp.open(path, "rb")
            with pytest.raises(PermissionError):
                sftp.stat(path)
        with pytest.raises(PermissionError):
            sftp.listdir("/out/folder")
        with pytest.raises(PermissionError):
            sftp.symlink("/in", "/out/mine")


class RenamesAndHangsUp(BankSftp):
    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().posix_rename(oldpath, newpath)
        self.connection.abort()


class IsFull(BankSftp):
    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        raise asyncssh.SFTPFailure("Quota exceeded")


def test_a_fault_is_a_subclass_a_rename_that_is_done_and_never_answered(house: House) -> None:
    with house.bank(server_class=RenamesAndHangsUp) as bank:
        with pytest.raises((OSError, EOFError, paramiko.SSHException)), house.client(bank) as sftp:
            by_posix_rename(sftp)
        assert [taken.data for taken in bank.taken] == [order()]


def test_a_fault_is_a_subclass_a_disk_that_is_full(house: House) -> None:
    refused = pytest.raises(OSError, match="Quota exceeded")
    with house.bank(server_class=IsFull) as bank, house.client(bank) as sftp, refused:
        write(sftp, "/in/x.part", order())


def test_stopping_cuts_clients_off_and_leaves_no_thread(house: House) -> None:
    before = set(threading.enumerate())
    with house.bank(Scenario(answer_seconds=FAR)) as bank:
        transport = paramiko.Transport((bank.host, bank.port))
        transport.connect(username="x", pkey=paramiko.Ed25519Key.from_private_key_file(str(house.key)))
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        write(sftp, "/in/x.xml", order())
    transport.join(5)
    assert not transport.is_active()
    assert [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()] == []


def test_two_banks_do_not_share_a_root(house: House) -> None:
    with house.bank(), pytest.raises(AlreadyRunning, match="Another sandbox bank"), house.bank():
        pass
    with house.bank():
        pass


def test_a_port_that_is_in_use_is_named_and_the_root_stays_free(house: House, tmp_path: Path) -> None:
    with house.bank() as bank:
        second = BankServer(tmp_path / "second", authorized_keys=[house.public], port=bank.port)
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{bank.port}"):
            second.start()
    with BankServer(tmp_path / "second", authorized_keys=[house.public]):
        pass


def test_what_goes_wrong_at_the_desk_is_told_by_settle(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="h2h.sandbox")
    with house.bank(Scenario(take=Take.KEEP)) as bank, house.client(bank) as sftp:
        shutil.rmtree(bank.folders.outbox)
        write(sftp, "/in/x.xml", order())
        with pytest.raises(FileNotFoundError):
            bank.settle()


def test_settle_gives_up_in_time(house: House) -> None:
    with house.bank(Scenario(answer_seconds=FAR)) as bank, house.client(bank) as sftp:
        write(sftp, "/in/x.xml", order())
        with pytest.raises(TimeoutError, match="still has work"):
            bank.settle(timeout_seconds=0)


FOREGROUND = """
import os, signal, sys
from pathlib import Path
from h2h.sandbox.server import BankServer, run_in_foreground

def ready(bank):
    bank.settle()
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
    print(bank.port)

run_in_foreground(BankServer(Path(sys.argv[1]), authorized_keys=[sys.argv[2]]), ready)
"""


def test_in_the_foreground_one_signal_ends_the_day_and_another_the_bank(house: House) -> None:
    with house.bank(Scenario(take=Take.AFTER, after_seconds=FAR)) as bank, house.client(bank) as sftp:
        write(sftp, "/in/x.xml", order())
    command = [sys.executable, "-W", "error", "-c", FOREGROUND, str(house.root), house.public]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0
    kinds = sorted(path.stem.rpartition("_")[2] for path in bank.folders.outbox.iterdir())
    assert kinds == ["camt053", "pain002", "pain002"]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
