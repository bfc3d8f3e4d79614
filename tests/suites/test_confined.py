"""The processes that read files from outside: what they say, what they cannot do, and what their death comes to."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from h2h.archive import Archive
from h2h.confined import ConfinedReader, Limits
from h2h.confined.process import KEPT, SAME_HASHES, ReaderProcess
from h2h.confined.wire import Setup
from h2h.errors import Damaged, ReaderError
from h2h.messages import Catalog, read
from h2h.model import Entry, Finding, Payment, Record, Severity
from h2h.resources import root
from tests.flows.process import environment
from tests.flows.world import payments, sample, until

CATALOG = Catalog.load(root("schemas"))
SAMPLES = sorted(root("samples").glob("*/*.xml"))
GOOD = sample()
LARGE = payments("MSG-LARGE", 3_000)
MIDDLING = payments("MSG-MIDDLING", 500)


@contextmanager
def confined(kind: type[ConfinedReader] = ConfinedReader, **limits: float) -> Iterator[ConfinedReader]:
    reader = kind(CATALOG, Limits(**limits))  # type: ignore[arg-type]
    try:
        yield reader
    finally:
        reader.close()


@pytest.fixture(scope="module")
def reader() -> Iterator[ConfinedReader]:
    with confined() as made:
        yield made


def reading(reader: ConfinedReader, content: bytes = GOOD, *, strict: bool = True) -> list[Record | Finding]:
    return list(reader.read(io.BytesIO(content), strict=strict))


def codes(items: list[Record | Finding]) -> list[str]:
    return [item.code for item in items if isinstance(item, Finding)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# What they say.


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_confined_reader_says_what_the_reader_says(reader: ConfinedReader, path: Path, strict: bool) -> None:
    content, expected = path.read_bytes(), ["pain.001.001.09"]
    said = list(reader.read(io.BytesIO(content), strict=strict, expected=expected))
    assert said == list(read(io.BytesIO(content), CATALOG, strict=strict, expected=expected))


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "iso-8859-15", "us-ascii"])
def test_it_reads_every_tolerated_encoding(reader: ConfinedReader, encoding: str) -> None:
    content = GOOD.decode().replace("UTF-8", encoding).encode(encoding, "xmlcharrefreplace")
    assert reading(reader, content, strict=False) == list(read(io.BytesIO(content), CATALOG, strict=False))


def test_a_file_may_begin_in_the_middle_of_its_source(reader: ConfinedReader) -> None:
    for content in (GOOD, GOOD.replace(b"<PmtMtd>TRF", b"<PmtMtd>SEPA", 1)):
        source = io.BytesIO(b"before" + content)
        source.seek(6)
        assert list(reader.read(source, strict=True)) == reading(reader, content)


def test_thousands_of_payments_arrive_in_order(reader: ConfinedReader) -> None:
    items = reading(reader, LARGE)
    assert [item.position for item in items if isinstance(item, Payment)] == list(range(1, 3_001))


@pytest.mark.parametrize("many", [1, 300])
def test_an_entry_arrives_with_all_that_is_in_it(reader: ConfinedReader, many: int) -> None:
    """What is in an entry with many transactions is said in fewer words."""
    usd, charge = '<Amt Ccy="USD">1.10</Amt>', '<Chrgs><Rcrd><Amt Ccy="EUR">0.00</Amt></Rcrd></Chrgs>'
    exchange = f"<AmtDtls><TxAmt>{usd}<CcyXchg><XchgRate>1.1</XchgRate></CcyXchg></TxAmt></AmtDtls>"
    details = f"<NtryDtls><Btch/><TxDtls><Refs><ChqNb>7</ChqNb></Refs>{exchange}{charge}</TxDtls></NtryDtls>" * many
    content = (
        (root("samples") / "good" / "camt.053.001.08.xml")
        .read_bytes()
        .replace(b"</Ntry>", f"{details}</Ntry>".encode(), 1)
    )
    said = reading(reader, content, strict=False)
    assert said == list(read(io.BytesIO(content), CATALOG, strict=False))
    entry = next(item for item in said if isinstance(item, Entry) and item.batches)
    entry = next(item for item in said if isinstance(item, Entry))
    assert len(entry.batches) > many
    assert entry.details[-1].amounts[0].exchange


def packed(*contents: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number, content in enumerate(contents):
            file.writestr(f"{number}-\u00e9.xml", content)
    return archive.getvalue()


STATEMENT = (root("samples") / "good" / "camt.053.001.08.xml").read_bytes()
FAULTY = STATEMENT.replace(b"<MsgId>", b"<MsgId>" + 36 * b"x", 1)


@pytest.mark.parametrize(
    "content",
    [
        packed(STATEMENT, FAULTY, b"%PDF", FAULTY, STATEMENT[:-30]),
        packed(*[STATEMENT] * 60),
        packed(*[b""] * 900),
        packed(b" " * 30_000_000),
        packed(STATEMENT)[:-40],
        gzip.compress(FAULTY),
        gzip.compress(STATEMENT)[:-9],
        b"--part\r\n\r\n" + FAULTY + b"\r\n--part--\r\n",
    ],
    ids=["members", "many", "empty ones", "bomb", "cut", "gzip", "cut gzip", "text around"],
)
def test_what_a_bank_packs_is_unpacked_in_the_process(reader: ConfinedReader, content: bytes) -> None:
    assert reading(reader, content, strict=False) == list(read(io.BytesIO(content), CATALOG, strict=False))


def packed_well(entries: int) -> bytes:
    at = STATEMENT.index(b"<Ntry>")
    entry = b'<Ntry><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts></Ntry>'
    return packed(STATEMENT[:at] + entry * entries + STATEMENT[at:])


def test_what_is_packed_may_take_as_long_as_what_is_in_it() -> None:
    """Longer than a plain file of the archive's size may."""
    with confined(cpu_seconds=1) as reader:
        items = reading(reader, packed_well(18_000), strict=False)
    assert "READER_LIMIT" not in codes(items)
    assert sum(isinstance(item, Entry) for item in items) > 18_000


def test_of_what_is_packed_may_be_said_as_much_as_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than of a plain file of the archive's size."""
    monkeypatch.setattr(Limits, "told", staticmethod(lambda handed: 100_000 + 8 * handed))
    with confined() as reader:
        assert "READER_LIMIT" not in codes(reading(reader, packed_well(2_000), strict=False))


def test_bytes_that_were_changed_in_the_archive_are_noticed_while_they_are_read(
    reader: ConfinedReader, tmp_path: Path
) -> None:
    archive = Archive(tmp_path)
    with archive.incoming() as incoming:
        incoming.write(LARGE)
        sha256 = incoming.keep()
    [path] = tmp_path.glob("*/*/*")
    os.chmod(path, 0o600)
    path.write_bytes(LARGE.replace(b"10.01", b"99.99"))
    with archive.open(sha256) as source, pytest.raises(Damaged):
        list(reader.read(source, strict=True))
    assert reading(reader)


# What they keep, and for how long.


def test_one_process_reads_many_files_and_another_one_explains() -> None:
    with confined() as reader:
        for _ in range(5):
            assert codes(reading(reader)) == []
        assert len(reader.pids) == 1
        for _ in range(5):
            assert codes(reading(reader, GOOD.replace(b"<PmtMtd>TRF", b"<PmtMtd>SEPA", 1))) == ["XSD_VALUE"]
        assert len(reader.pids) == 2


def test_threads_share_the_processes_and_one_that_ends_takes_none_along() -> None:
    with confined() as reader:
        found: list[list[str]] = []

        def work() -> None:
            found.extend(codes(reading(reader, content)) for content in (GOOD, MIDDLING, GOOD[:-20]))

        for _ in range(2):
            threads = [threading.Thread(target=work) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(found) == [[]] * 12 + [["XML_TRUNCATED"]] * 6
            found.clear()
            before = reader.pids
            reading(reader)
            assert reader.pids == before
        assert 0 < len(reader.pids) <= max(2, os.cpu_count() or 1)
        assert all(map(alive, reader.pids))


def test_idle_processes_end_and_closing_ends_the_rest() -> None:
    with confined(idle_seconds=0.1) as reader:
        reading(reader)
        [pid] = reader.pids
        until(lambda: not reader.pids, "no reader process left")
        assert not alive(pid)
        reading(reader)
    with confined() as reader:
        reading(reader)
        pids = reader.pids
    assert not any(map(alive, pids))
    with pytest.raises(ReaderError, match="stopping"):
        reading(reader)


def test_a_process_that_grew_is_not_used_again() -> None:
    many = b"".join(b"<n%d/>" % n for n in range(300_000))
    with confined() as reader:
        reading(reader)
        before = reader.pids
        reading(reader, GOOD.replace(b"</GrpHdr>", many + b"</GrpHdr>"))
        reading(reader)
        assert not set(before) & set(reader.pids)


# What they cannot do.


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in lines}


def test_a_reader_process_has_one_descriptor_and_can_have_no_more_nor_write_nor_start_others(
    reader: ConfinedReader,
) -> None:
    reading(reader)
    reading(reader, GOOD.replace(b"<PmtMtd>TRF", b"<PmtMtd>SEPA", 1))
    secret = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        with confined() as another:
            reading(another)
            for pid in (*reader.pids, *another.pids):
                opened = sorted(os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir())
                assert [each.partition(":")[0] for each in opened] == ["/dev/null", "/dev/null", "socket"]
                limits = limits_of(pid)
                for name in ("Max open files", "Max file size", "Max core file size", "Max processes"):
                    assert limits[name] == ("0", "0"), name
                assert int(limits["Max address space"][1]) < 512 << 20
                assert int(limits["Max cpu time"][0]) < 60
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                assert {v.partition(b"=")[0] for v in variables if v} == {
                    b"PYTHONPATH",
                    b"PYTHONUTF8",
                    *map(str.encode, {**KEPT, **SAME_HASHES}),
                }
                assert os.readlink(f"/proc/{pid}/cwd") == "/"
    finally:
        os.close(secret)


ATTEMPTS = {
    "a file": "open('/etc/passwd')",
    "a network": "socket.socket(socket.AF_INET)",
    "a child": "os.fork()",
    "a program": "subprocess.run(['/bin/true'])",
    "a pipe": "os.pipe()",
    "more memory": "bytearray(400 << 20)",
    "higher limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_confined_process_gets_nothing_that_it_was_not_given(what: str) -> None:
    if what in ("a child", "higher limits") and os.geteuid() == 0:
        pytest.skip("the kernel lets root pass")
    program = (
        "import os, resource, socket, subprocess, sys\n"
        "from h2h.confined.limits import Limits, confine\n"
        "confine(Limits())\n"
        f"try:\n    {ATTEMPTS[what]}\n"
        "except (OSError, MemoryError, ValueError) as error:\n    print('refused', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert done.stdout.startswith("refused"), done


def test_nothing_parses_in_the_gateways_own_process(tmp_path: Path) -> None:
    (tmp_path / "file.xml").write_bytes(GOOD)
    program = (
        "import sys; from h2h.cli import cli\n"
        "for command in ('validate', 'inspect'):\n"
        "    assert cli.main([command, sys.argv[1]], standalone_mode=False) == 0\n"
        "import h2h.desk\n"
        "assert not {'lxml', 'xmlschema', 'xml.etree'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "file.xml")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


# How they die.


class Struck(io.BytesIO):
    """A file whose reader is struck when the second block is asked for."""

    def __init__(self, content: bytes, strike: Callable[[], object]) -> None:
        super().__init__(content)
        self._strike = strike
        self._blocks = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._blocks += 1
        if self._blocks == 2:
            self._strike()
        return super().read(size)


def signal_all(reader: ConfinedReader, number: signal.Signals) -> Callable[[], None]:
    def strike() -> None:
        for pid in reader.pids:
            os.kill(pid, number)

    return strike


def test_killed_in_the_middle_of_a_file_it_is_a_finding_on_that_file_and_the_next_has_another_process() -> None:
    with confined() as reader:
        reading(reader)
        before = reader.pids
        items = list(reader.read(Struck(LARGE, signal_all(reader, signal.SIGKILL)), strict=True))
        assert codes(items) == ["READER_DIED"]
        last = items[-1]
        assert isinstance(last, Finding)
        assert last.severity is Severity.ERROR
        assert "signal 9" in last.text
        assert codes(reading(reader)) == []
        assert not set(before) & set(reader.pids)


def test_one_that_hangs_is_ended() -> None:
    with confined(silence_seconds=5.0) as reader:
        reading(reader)
        [pid] = reader.pids
        items = list(reader.read(Struck(LARGE, signal_all(reader, signal.SIGSTOP)), strict=True))
        assert codes(items) == ["READER_DIED"]
        assert not alive(pid)
        assert codes(reading(reader)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_stops_a_gateway_does_not_end_the_file_in_hand(reader: ConfinedReader, number: signal.Signals) -> None:
    """systemd and terminals send them to every process of the group."""
    reading(reader)
    items = list(reader.read(Struck(LARGE, signal_all(reader, number)), strict=True))
    assert codes(items) == []


def test_the_file_is_not_to_blame_for_one_that_was_killed_while_idle() -> None:
    with confined() as reader:
        for _ in range(3):
            reading(reader)
            os.kill(reader.pids[0], signal.SIGKILL)
            assert codes(reading(reader)) == []


def test_memory_that_a_file_takes_beyond_the_limit_is_a_finding() -> None:
    with confined(memory=24 << 20) as reader:
        large = GOOD.replace(b"</GrpHdr>", b"<a/>" * 500_000 + b"</GrpHdr>")
        assert codes(reading(reader, large))[-1:] == ["READER_LIMIT"]
        assert codes(reading(reader)) == []


def slow(file: bytes) -> bytes:
    """A comment between two payments, and libxml2 reads all the rest."""
    return file.replace(b"</CdtTrfTxInf>", b"</CdtTrfTxInf><!-- -->", 1)


def test_memory_that_a_block_took_is_kept_for_the_next_one() -> None:
    """To give it back and take it again costs a tenth of reading: here some 2,500 pages for each file."""

    def pages_taken(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])  # proc(5): minflt

    content = payments("MSG-KEPT", 6_000)
    with confined() as reader:
        for _ in range(2):
            reading(reader, content)
        [pid] = reader.pids
        before = pages_taken(pid)
        reading(reader, content)
        assert pages_taken(pid) - before < 500


def test_processor_time_beyond_the_limit_is_a_finding() -> None:
    with confined(cpu_seconds=0, bytes_per_cpu_second=10**12) as reader:
        found = [item for item in reading(reader, slow(payments("MSG-CPU", 120_000))) if isinstance(item, Finding)]
        assert [finding.code for finding in found] == ["READER_LIMIT"]
        assert "processor time" in found[0].text


def test_processor_time_is_renewed_for_every_file() -> None:
    """Together they take more than the two seconds that each may have."""
    with confined(cpu_seconds=2, bytes_per_cpu_second=10**12) as reader:
        for number in range(5):
            assert codes(reading(reader, slow(payments(f"MSG-{number}", 5_000)))) == []
        assert len(reader.pids) == 1


def test_a_fault_of_our_own_in_the_process_is_a_finding() -> None:
    """Recursion is as deep as libxml2 allows, and Python; a reader that has room for no frame stands for any fault."""
    with confined(FaultyReader) as reader:
        assert codes(reading(reader)) == ["READER_DIED"]


@pytest.mark.parametrize(("strict", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)])
def test_a_refusal_stands_though_its_explanation_dies(strict: bool, severity: Severity) -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if len(reader.pids) == 2:  # the second is there to explain
                signal_all(reader, signal.SIGKILL)()
            return super().read(size)

    with confined() as reader:
        items = list(reader.read(Source(GOOD.replace(b"<PmtMtd>TRF", b"<PmtMtd>SEPA", 1)), strict=strict))
        found = [item for item in items if isinstance(item, Finding)]
        assert [(f.code, f.severity) for f in found] == [("XSD_INVALID", severity)]
        assert "signal 9" in found[0].text
        assert "SEPA" in found[0].text
        assert codes(reading(reader)) == []


# What a process that was taken over could say.

SCRIPT = """
import os, socket, sys
sys.path[:0] = os.environ["PYTHONPATH"].split(":")
from decimal import Decimal
from h2h.columns import Columns, Inside, names_of
from h2h.confined.limits import Limits
from h2h.confined.wire import *
from h2h.confined.wire import _HEADER
from h2h.model import *
line = socket.socket(fileno=0)
wire = Wire(line)
wire.receive(); wire.send(Ready()); wire.receive()
wire.send(Want(offset=0, size=1000)); wire.receive()
payment = dict(position=1, batch=1, payment_information_id=None, instruction_id=None, end_to_end_id=None, uetr=None,
               currency="EUR")
def done(): wire.send(Done()); wire.drain()
def amounts(*said): wire.send(Columns.of([Payment(amount=Decimal(each), **payment) for each in said]))
def inside(*said):
    columns = Columns.of([Entry(position=1, statement=1, amount=None, currency=None, direction=None)] * len(said))
    details = Inside(EntryDetail, {"position": [1] * len(said), "amount": [*map(Decimal, said)]})
    columns.values[names_of(Entry).index("details")] = details
    wire.send(columns)
def frame(kind, body): line.sendall(_HEADER.pack(kind, len(body)) + body)
PAYMENT = TYPES.index(Payment)
"""
WORDS = {  # where they were taken as they are, Done would end the file well
    "noise": "line.sendall(os.urandom(1000)); done()",
    "a type that does not exist": "frame(200, b'\\x90'); done()",
    "a frame without end": "line.sendall(_HEADER.pack(PAYMENT, 2**31)); done()",
    "another type's fields": "frame(PAYMENT, b'\\x91\\x81\\xa1a\\x01'); done()",
    "half a frame": "line.sendall(_HEADER.pack(PAYMENT, 1000) + b'x')",
    "no records": "frame(PAYMENT, b'\\x90'); done()",
    "an amount that is no number": "wire.send(Payment(amount=Decimal('NaN'), **payment)); done()",
    "a column of amounts with one that is none": "amounts('1', 'NaN', '2'); done()",
    "a column of amounts with one that fills the memory": "amounts('1', '1E-99999999'); done()",
    "an amount that fills the memory, inside of columns": "inside('1', '1E+99999999'); done()",
    "an amount that fills the memory": "wire.send(Payment(amount=Decimal('1E+99999999'), **payment)); done()",
    "an amount like it, further in": "wire.send(Entry(position=1, statement=1, amount=None, currency=None, "
    "direction=None, details=(EntryDetail(position=1, amount=Decimal('1E+99999999')),))); done()",
    "a question out of place": "wire.send(Setup(rows=(), headers=(), limits=Limits(), explains=None)); done()",
    "a want beyond any file": "wire.send(Want(offset=-1, size=10)); done()",
    "a want of too much": "wire.send(Want(offset=0, size=1 << 30)); done()",
    "wants without end": "\nwhile True: wire.send(Want(offset=0, size=1)); wire.receive()",
    "records without end": "\nwhile True: wire.send(Payment(amount=None, **payment))",
    "nothing more": "line.recv(1)",
    "its farewell alone": "",
}


class FaultyReader(ConfinedReader):
    """Says Ready, takes a block, and then what `word` says."""

    word = "wire.send(Done(fault='ZeroDivisionError')); wire.drain()"

    def _started(self, explains: str | None) -> ReaderProcess:
        class Process(ReaderProcess):
            program = ("-c", SCRIPT + self.word)

        return Process(Setup(rows=CATALOG.rows, headers=CATALOG.headers, limits=self._limits, explains=explains))


@pytest.mark.parametrize("what", WORDS)
def test_what_cannot_be_said_ends_the_process_and_is_a_finding(what: str) -> None:
    class Reader(FaultyReader):
        word = WORDS[what]

    with confined(Reader, silence_seconds=5.0) as reader:
        items = reading(reader)
        assert codes(items)[-1:] == ["READER_LIMIT" if what == "records without end" else "READER_DIED"]
        assert reader.pids == ()


def test_processes_that_cannot_start_are_no_finding_on_any_file() -> None:
    class Reader(ConfinedReader):
        def _started(self, explains: str | None) -> ReaderProcess:
            class Process(ReaderProcess):
                program = ("-c", "raise SystemExit(3)")

            return Process(Setup(rows=CATALOG.rows, headers=CATALOG.headers, limits=self._limits, explains=explains))

    with confined(Reader) as reader, pytest.raises(ReaderError, match="cannot be started"):
        reading(reader)
