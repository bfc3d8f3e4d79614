"""report: one pain.002, or one JSON object, for a whole payment file."""

from __future__ import annotations

import io
from pathlib import Path

from h2h.messages import Catalog, read
from h2h.model import BatchStatus, Finding, PaymentStatus, StatusReport
from h2h.resources import root
from tests.shell.test_cli import Office


def test_one_pain_002_says_what_is_known_of_every_payment(made: Office, tmp_path: Path) -> None:
    for message in ("pain.002.001.03", "pain.002.001.10"):
        done = made.run("report", made.ids["P"], "--message", message)
        items = list(read(io.BytesIO(done.stdout.encode()), Catalog.load(root("schemas")), strict=True))
        assert [item for item in items if isinstance(item, Finding)] == []
        (report,) = (item for item in items if isinstance(item, StatusReport))
        statuses = [item for item in items if isinstance(item, PaymentStatus)]
        rows = {
            row["end_to_end_id"]: row for row in made.json("export", "payments") if row["transfer"] == made.ids["P"]
        }
        assert (report.message, report.original_message, report.status) == (message, "pain.001.001.09", "PART")
        assert (report.message_id or "").startswith(f"{made.ids['P']}-20")
        assert [one.end_to_end_id for one in statuses] == [f"ZA-2026-00470{n}" for n in range(1, 9)]
        wanted = {"BOOKED": "ACSC", "RETURNED": "RJCT", "REJECTED": "RJCT"}
        assert {one.end_to_end_id: one.status for one in statuses} == {
            name: wanted[row["stage"]] for name, row in rows.items()
        }
        assert [b.payment_information_id for b in items if isinstance(b, BatchStatus)] == [
            "LIEF-2026-47", "EINZEL-2026-47", "AUSL-2026-47",
        ]  # fmt: skip


def test_it_goes_into_a_file_and_has_the_end_of_an_id_and_the_default_version(made: Office, tmp_path: Path) -> None:
    target = tmp_path / "report.xml"
    assert made.run("report", made.ids["P"][-8:], "-o", str(target)).stdout == ""
    assert b"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10" in target.read_bytes()
    assert list(tmp_path.iterdir()) == [target]


def test_as_json_it_is_one_object_on_a_line(made: Office) -> None:
    (said,) = made.json("report", made.ids["P"])
    assert (said["transfer"], said["state"], said["verdict"], said["count"]) == (made.ids["P"], "SENT", "PARTIAL", 8)
    assert len(said["payments"]) == sum(part["count"] for part in said["stages"].values()) == 8


def test_a_refused_file_has_one_too_and_a_file_that_came_in_has_none(made: Office) -> None:
    assert "<GrpSts>RJCT</GrpSts>" in made.run("report", made.ids["I"]).stdout
    assert "<Prtry>" not in made.run("report", made.ids["R"]).stdout
    inbound = next(f["id"] for f in made.json("files") if f["direction"] == "in")
    assert "came in from" in made.run("report", inbound, status=2).stderr
    assert "There is no file" in made.run("report", "T999999-NOSUCHID", status=2).stderr
