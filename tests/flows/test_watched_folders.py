"""What is dropped, from the folder to the bank: hostile names, half files, doubtful origins, thousands at once."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest

from h2h.errors import FolderError
from h2h.folders import WatchedFolder
from h2h.lifecycle import State
from h2h.open_folder import OpenFolder
from h2h.sandbox.scenario import Scenario
from tests.shell.command import run as h2h

from .process import daemon, environment
from .world import MovableClock, World, only, opened, payments, send, transfers, until, world

LONG = bool(os.environ.get("H2H_LONG"))
SILENT = Scenario(received_seconds="never", answer_seconds="never")
FILE = payments("MSG-1")
KEY = "correct horse battery"

NAMES = [
    b"new\nline.xml", b"\x1b[2J\x1b]0;owned\x07.xml", b"\xc2\x9b31m.xml", b"$(touch owned).xml", b"`id`;rm -rf *.xml",
    b"-rf", b"--help", b".xml", b".hidden.xml", b"..%2f..%2fetc.xml", b"a\\..\\b.xml", b"x" * 251 + b".xml",
    b"\xff\xfe\x80.xml", "\N{RIGHT-TO-LEFT OVERRIDE}lmx.\N{ZERO WIDTH SPACE}".encode(), b"CON", b"nul.xml", b"'\"'.xml",
    b"*?[a-z].xml", b"{0.__class__}{msg_id}.xml", b"%s%n.xml", b" ", b"a b\t.xml", b"~", b"=cmd|' C calc'!A0.xml",
    b"&lt;x&gt;<y>.xml", b"[red]rich.xml", b"'; DROP TABLE transfer; --.xml",
]  # fmt: skip
TAKEN = [name for name in NAMES if not name.startswith(b".") and not name.endswith(b"~")]


def reports(erp: World) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (erp.drop / "rejected").glob("*.report.json")]
    return {report["file"]: report for report in found}


def status(erp: World) -> dict[str, Any]:
    folder: dict[str, Any] = json.loads(h2h(erp.config, "status", "--json").stdout)["banks"][0]["folders"][0]
    return folder


def raw(text: str) -> list[str]:
    """What a terminal would obey or hide, a line's end aside."""
    return [c for c in text if category(c) in ("Cc", "Cf", "Cs", "Co") and c != "\n"]


# Names.


def test_files_with_hostile_names_come_to_the_bank_and_nothing_of_their_names_is_obeyed(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={"name": '"{id}-{name}"'}) as (erp, bank):
        erp.write_settings()
        for number, name in enumerate(NAMES):
            Path(os.fsdecode(os.fsencode(erp.drop) + b"/" + name)).write_bytes(payments(f"MSG-{number}"))
        bad = Path(os.fsdecode(os.fsencode(erp.drop) + b"/\x1b[31mbad\n.xml"))
        bad.write_bytes(b"<Document/>")
        with daemon(erp.config) as process:
            until(lambda: len(bank.taken) == len(TAKEN), "every file at the bank", 120)
            until(lambda: reports(erp), "the report on the bad one")
            assert process.terminate() == 0
        assert sorted(t.data for t in bank.taken) == sorted(
            payments(f"MSG-{number}") for number, name in enumerate(NAMES) if name in TAKEN
        )
        assert [t.name for t in bank.taken if not t.name.isascii() or set(t.name) & set(" */\\$`'\"\n\x1b")] == []
        ids = [line["id"] for line in map(json.loads, h2h(erp.config, "files", "--json").stdout.splitlines())]
        said = [process.log(), *(p.read_text() for p in (erp.drop / "rejected").glob("*.report.*"))]
        looks = [
            ["files"],
            ["files", "--json"],
            ["status"],
            ["status", "--json"],
            ["export", "files"],
            ["show", ids[0]],
        ]
        said += [done.stdout + done.stderr for done in (h2h(erp.config, *look) for look in looks)]
        assert [raw(text) for text in said] == [[]] * len(said)
        assert {p.name.isascii() for kind in ("processed", "rejected") for p in (erp.drop / kind).iterdir()} == {True}
        assert sorted(os.listdir(erp.folder)) == sorted(
            ["bank", "banks", "client_key", "client_key.pub", "daemon.log", "data", "erp", "h2h.toml"]
        )
        left = {entry["name"]: entry["why"] for entry in status(erp)["ignored"]}
        assert left == {
            ".xml": "hidden name", ".hidden.xml": "hidden name", "..%2f..%2fetc.xml": "hidden name",
            "~": "temporary name",
        }  # fmt: skip


# Nothing in a watched folder is obeyed.

EVIL = "import pathlib; pathlib.Path('owned').touch()\n"


def test_nothing_in_a_watched_folder_is_executed_imported_or_read_as_settings(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        for name in ("click.py", "lxml.py", "sitecustomize.py", "usercustomize.py", "logging.py", "json.py"):
            (erp.drop / name).write_text(EVIL)
        (erp.drop / "h2h.toml").write_text('[gateway]\ndata = "evil"\nenvironment = "production"\n')
        (erp.drop / ".netrc").write_text("machine 127.0.0.1 login evil password evil\n")
        (erp.drop / ".env").write_text("H2H_CONFIG=h2h.toml\n")
        (erp.drop / "alembic.ini").write_text("[alembic]\nscript_location = .\n")
        erp.drop_file(FILE, "good.xml")
        program = "import sys; sys.argv[0] = 'h2h'; from h2h.cli import main; main()"
        ways = [["-m", "h2h"], ["-P", "-c", program]]
        for arguments in (["-c", str(erp.config), "status"], ["-c", str(erp.config), "send"]):
            for way in ways:
                command = [sys.executable, *way, *arguments]
                done = subprocess.run(
                    command, cwd=erp.drop, env=environment(), capture_output=True, text=True, timeout=60, check=False
                )
                assert "Traceback" not in done.stderr
        assert [t.data for t in bank.taken] == [FILE]
        assert list(tmp_path.rglob("owned")) == []
        assert list(tmp_path.rglob("evil")) == []
        assert reports(erp)["json.py"]["verdict"] == "INVALID"  # it is a file like any other
        (erp.drop / "h2h.toml").write_text('[gateway]\ndata = "evil"\nenvironment = "production"\n')
        command = [sys.executable, "-P", "-c", program, "send"]
        done = subprocess.run(
            command, cwd=erp.drop, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, "lies in a watched folder" in done.stderr) == (2, True)


def test_settings_data_and_keys_in_a_watched_folder_are_refused(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={"watch": f'"{tmp_path}"'}) as (erp, _):
        erp.write_settings()
        done = h2h(erp.config, "check")
        assert done.returncode == 2
        for what in ("h2h.toml", "box.toml", "data", "client_key"):
            assert f"{what} is inside of {tmp_path}, a watched folder" in done.stderr


# Half files.


def test_half_a_file_is_told_and_refused_after_patience_with_a_report_and_never_sent(tmp_path: Path) -> None:
    clock = MovableClock()
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE[:-30], "half.xml")
        erp.drop_file(FILE, "good.xml")
        with opened(erp, clock) as gateway:
            assert only(send(gateway)).name == "good.xml"
            assert "half a file" in only(status(erp)["incomplete"])["why"]
            assert "waits in" in h2h(erp.config, "status").stdout
            assert (erp.drop / "half.xml").read_bytes() == FILE[:-30]
            clock.advance(minutes=11)
            assert [t.state for t in send(gateway)] == [State.SENT, State.INVALID]
        assert [t.data for t in bank.taken] == [FILE]
        assert only(reports(erp)["half.xml"]["findings"])["code"] == "XML_TRUNCATED"
        assert only(list((erp.drop / "rejected").glob("*half.xml"))).read_bytes() == FILE[:-30]


def test_half_a_file_that_is_finished_in_time_is_sent_once(tmp_path: Path) -> None:
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        half = erp.drop_file(FILE[:-30])
        with opened(erp) as gateway:
            assert send(gateway) == []
            with half.open("ab") as file:
                file.write(FILE[-30:])
            assert only(send(gateway)).state is State.SENT
        assert [t.data for t in bank.taken] == [FILE]


def test_a_marker_left_by_a_crash_does_not_send_the_next_file_of_that_name_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = payments("MSG-2")
    with world(tmp_path, SILENT, outbound={"marker": '".done"'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        (erp.drop / "payments.done").touch()
        with opened(erp) as gateway, monkeypatch.context() as patch:
            patch.setattr(OpenFolder, "remove", lambda *_: sys.exit("killed"))
            with pytest.raises(SystemExit):
                send(gateway)
        half = erp.drop_file(second[:-30])
        with opened(erp) as gateway:
            assert only(send(gateway)).state is State.SENT
            half.write_bytes(second)
            (erp.drop / "payments.done").touch()
            assert [t.state for t in send(gateway)] == [State.SENT] * 2
        assert [t.data for t in bank.taken] == [FILE, second]


# Origin.


def manifest(content: bytes, key: str = KEY) -> bytes:
    line = f"{hashlib.sha256(content).hexdigest()}  payments.xml\n".encode()
    return line + f"hmac-sha256 {hmac.new(key.encode(), line, 'sha256').hexdigest()}\n".encode()


def with_key(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "manifest.key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    return {"manifest_key": f'"file:{key}"'}


def test_where_manifests_are_asked_only_what_they_vouch_for_is_sent(tmp_path: Path) -> None:
    clock = MovableClock()
    forged = payments("MSG-FORGED")
    with world(tmp_path, SILENT, outbound=with_key(tmp_path)) as (erp, bank):
        erp.write_settings()
        for name, content in {"good.xml": FILE, "forged.xml": forged, "bare.xml": payments("MSG-BARE")}.items():
            erp.drop_file(content, name)
        (erp.drop / "good.xml.manifest").write_bytes(manifest(FILE))
        (erp.drop / "forged.xml.manifest").write_bytes(manifest(FILE))
        with opened(erp, clock) as gateway:
            assert {t.name: t.state for t in send(gateway)} == {"good.xml": State.SENT, "forged.xml": State.INVALID}
            assert "bare.xml.manifest is not there" in only(status(erp)["incomplete"])["why"]
            clock.advance(minutes=11)
            assert len(send(gateway)) == 3
        assert [t.data for t in bank.taken] == [FILE]
        assert {name: [f["code"] for f in report["findings"]] for name, report in reports(erp).items()} == {
            "forged.xml": ["ORIGIN_MANIFEST"], "bare.xml": ["ORIGIN_NO_MANIFEST"],
        }  # fmt: skip
        assert len(list((erp.drop / "processed").glob("*good.xml.manifest"))) == 1


def test_a_file_refused_for_its_origin_does_not_keep_the_true_one_away(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound=with_key(tmp_path)) as (erp, bank):
        erp.write_settings()
        with opened(erp) as gateway:
            for key in ("guessed, and wrong", KEY):
                (erp.drop / "payments.xml.manifest").write_bytes(manifest(FILE, key))
                erp.drop_file(FILE)
                send(gateway)
            assert [t.state for t in transfers(gateway)] == [State.INVALID, State.SENT]
        assert [t.data for t in bank.taken] == [FILE]


@pytest.mark.parametrize(("owner", "state"), [(os.getuid(), State.SENT), (os.getuid() + 1, State.INVALID)])
def test_where_owners_are_named_the_files_of_others_are_refused(tmp_path: Path, owner: int, state: State) -> None:
    with world(tmp_path, SILENT, outbound={"owners": f'["{owner}"]'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            assert only(send(gateway)).state is state
        assert len(bank.taken) == (state is State.SENT)


@pytest.mark.parametrize("crashed", ["received_many", "judged_many"])
def test_a_crash_does_not_wash_a_doubtful_file_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashed: str
) -> None:
    with world(tmp_path, SILENT, outbound={"owners": f'["{os.getuid() + 1}"]'}) as (erp, bank):
        erp.write_settings()
        erp.drop_file(FILE)
        with opened(erp) as gateway, monkeypatch.context() as patch:
            original = getattr(type(gateway.ledger.transfers), crashed)

            def crash(*arguments: Any, **named: Any) -> Any:
                if crashed == "received_many":
                    original(*arguments, **named)
                sys.exit("killed")

            patch.setattr(type(gateway.ledger.transfers), crashed, crash)
            with pytest.raises(SystemExit):
                send(gateway)
        for claim in (erp.drop / ".h2h" / "claims").rglob("*.xml"):
            if crashed == "judged_many":
                claim.unlink()  # and its only witness is gone
        with opened(erp) as gateway:
            refused = only(send(gateway))
            codes = [f.code for f in gateway.ledger.views.history(refused.id).findings]
            assert (refused.state, codes) == (
                State.INVALID, ["ORIGIN_UNKNOWN" if crashed == "judged_many" else "ORIGIN_OWNER"],
            )  # fmt: skip
        assert bank.taken == []


def test_without_the_key_nothing_is_taken_and_somebody_is_told(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound=with_key(tmp_path)) as (erp, _):
        erp.write_settings()
        erp.drop_file(FILE)
        (erp.drop / "payments.xml.manifest").write_bytes(manifest(FILE))
        with opened(erp) as gateway:
            (tmp_path / "manifest.key").chmod(0o644)
            scan = only(gateway.desks["box"].take_in())
            assert "chmod 600" in (scan.error or "")
            assert transfers(gateway) == []
        for command in ("check", "send"):
            done = h2h(erp.config, command)
            assert (done.returncode, "manifest_key" in done.stderr) == (2, True)
        (tmp_path / "manifest.key").chmod(0o600)
        with opened(erp) as gateway:
            assert only(send(gateway)).state is State.SENT


# Trouble with one file, or with the folder.


def test_claims_that_cannot_be_read_are_told_and_do_not_stop_the_others(tmp_path: Path) -> None:
    with world(tmp_path, SILENT, outbound={"max_size": str(len(FILE) + 5)}) as (erp, _):
        erp.write_settings()
        (erp.drop / ".h2h" / "claims" / "T1").mkdir(parents=True)
        os.mkfifo(erp.drop / ".h2h" / "claims" / "T1" / "pipe.xml")
        (erp.drop / ".h2h" / "claims" / "T2").mkdir()
        (erp.drop / ".h2h" / "claims" / "T2" / "grown.xml").write_bytes(FILE + b" " * 10)
        erp.drop_file(FILE)
        with opened(erp) as gateway:
            assert only(send(gateway)).state is State.SENT
        found = {entry["name"]: entry["why"] for entry in status(erp)["stuck"]}
        assert sorted(found) == ["grown.xml", "pipe.xml"]
        assert "grew beyond" in found["grown.xml"]
        assert "not a regular file" in found["pipe.xml"]
        shown = h2h(erp.config, "status").stdout
        assert "stuck in" in shown
        assert "Nothing needs attention" not in shown


def test_a_file_that_cannot_be_claimed_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., Any] = WatchedFolder.claim

    def claim(self: WatchedFolder, name: str, *arguments: Any) -> Any:
        if name == "a.xml":
            raise FolderError("a.xml cannot be moved.")
        return original(self, name, *arguments)

    monkeypatch.setattr(WatchedFolder, "claim", claim)
    with world(tmp_path, SILENT) as (erp, _):
        erp.write_settings()
        erp.drop_file(payments("MSG-A"), "a.xml")
        erp.drop_file(FILE, "b.xml")
        with opened(erp) as gateway:
            assert only(send(gateway)).name == "b.xml"


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="waits for a rescan twice, 40 s: H2H_LONG=1")
def test_a_folder_whose_disk_is_away_is_told_nothing_is_made_in_it_and_work_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    second = payments("MSG-2")
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        away = erp.drop.with_name("away")
        with daemon(erp.config) as process:
            erp.drop_file(FILE)
            until(lambda: bank.taken, "the first file at the bank")
            os.rename(erp.drop, away)
            erp.drop.mkdir()  # the bare mount point
            erp.drop_file(b"<x/>", "stray.xml")
            until(lambda: "Is its disk mounted" in process.log(), "the log says so", 60)
            assert "Is its disk mounted" in status(erp)["error"]
            assert "Nothing needs attention" not in h2h(erp.config, "status").stdout
            assert os.listdir(erp.drop) == ["stray.xml"]
            os.rename(erp.drop, erp.drop.with_name("mount point"))
            os.rename(away, erp.drop)
            erp.drop_file(second)
            until(lambda: len(bank.taken) == 2, "the second file at the bank", 60)
            assert process.terminate() == 0
        assert [t.data for t in bank.taken] == [FILE, second]


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="takes minutes: H2H_LONG=1")
@pytest.mark.timeout(1800)
def test_two_thousand_files_at_once_arrive_once_each(tmp_path: Path) -> None:
    content = {f"{n}.xml": payments(f"MSG-{n}") for n in range(2000)}
    with world(tmp_path, SILENT) as (erp, bank):
        erp.write_settings()
        with daemon(erp.config) as process:
            for name, data in content.items():
                erp.drop_file(data, name)
            until(lambda: len(bank.taken) == len(content), "every file at the bank", 1700)
            assert process.terminate() == 0
        assert sorted(t.data for t in bank.taken) == sorted(content.values())
