"""[bank.pgp]: rows of keys and when they count; and what `h2h check` says of them, on real keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2h.config import OurKeyRow, load
from h2h.config.pgp import newest
from h2h.errors import SettingsError
from h2h.readiness import look
from tests.forging import NOW, Forge, forge

MAIN = '[gateway]\ndata = "data"\nenvironment = "test"\n'
BANK = """\
[bank]
name = "box"
timezone = "Europe/Berlin"
[bank.channel]
kind = "folder"
path = "../bank"
{pgp}
[[bank.outbound]]
watch = "../out"
messages = ["pain.001.001.09"]
remote = "/in"
{outbound}
[[bank.inbound]]
remote = "/out"
messages = ["camt.053.001.08"]
every = "10m"
{inbound}
"""
OURS = '[[bank.pgp.our_keys]]\nfile = "../keys/corp.asc"\npassphrase = "file:{folder}/keys/pass"\n'
THEIRS = '[[bank.pgp.their_keys]]\nfile = "../keys/bank.asc"\nfingerprint = "{bank}"\n'
USED = 'pgp = "sign+encrypt"'


def settings(folder: Path, *pgp: str, outbound: str = USED, inbound: str = USED) -> Path:
    for name in ("banks", "out", "bank", "keys"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "h2h.toml").write_text(MAIN)
    text = BANK.format(pgp="\n".join(pgp), outbound=outbound, inbound=inbound)
    (folder / "banks" / "box.toml").write_text(text)
    return folder / "h2h.toml"


def wrong(folder: Path, *pgp: str, outbound: str = USED, inbound: str = USED) -> list[str]:
    """What is said of the files themselves, with its key."""
    with pytest.raises(SettingsError) as error:
        load(settings(folder, *pgp, outbound=outbound, inbound=inbound))
    return [f"{problem.key}: {problem.text}" for problem in error.value.problems]


FILE = 'file = "k"\n'
PIN = f'fingerprint = "{"A1" * 20}"\n'
OUR, THEIR = "[[bank.pgp.our_keys]]\n" + FILE, "[[bank.pgp.their_keys]]\n" + FILE + PIN


def test_a_folder_that_asks_for_pgp_needs_the_keys_for_it(tmp_path: Path) -> None:
    lacking = "needs a key in {} of [bank.pgp], and there is none"
    assert wrong(tmp_path, OUR, outbound=USED, inbound="") == [f"bank.outbound[1].pgp: {lacking.format('their_keys')}"]
    assert wrong(tmp_path, OUR, outbound="", inbound='pgp = "sign"') == [
        f"bank.inbound[1].pgp: {lacking.format('their_keys')}"
    ]
    assert wrong(tmp_path, THEIR, outbound='pgp = "sign"', inbound='pgp = "encrypt"') == [
        f"bank.outbound[1].pgp: {lacking.format('our_keys')}",
        f"bank.inbound[1].pgp: {lacking.format('our_keys')}",
    ]
    load(settings(tmp_path, OUR, outbound='pgp = "sign"', inbound='pgp = "encrypt"'))
    load(settings(tmp_path, THEIR, outbound='pgp = "encrypt"', inbound='pgp = "sign"'))


@pytest.mark.parametrize(
    ("row", "key", "says"),
    [
        (OUR + 'from = "2026-12-01"', "our_keys[1].from", "as in 2026-12-01T06:00:00"),
        (OUR + "from = 2026-12-01", "our_keys[1].from", "as in 2026-12-01T06:00:00"),
        (OUR + "until = 2026-12-01T06:00:00Z", "our_keys[1].until", "without quotes or offset"),
        (OUR + "from = 2026-12-01T06:00:00\nuntil = 2026-12-01T06:00:00", "our_keys[1].until", "never counts"),
        (OUR + OUR, "our_keys[2]", "never takes its place"),
        (THEIR + THEIR, "their_keys[2]", "never takes its place"),
        (THEIR.replace("A1", "G1", 1), "their_keys[1].fingerprint", "40 (or 64) hexadecimal digits"),
        (OUR + 'passphrase = "geheim"', "our_keys[1].passphrase", "never stands"),
        (OUR + "password = 5", "our_keys[1].password", "not a known setting"),
    ],
)
def test_a_row_that_cannot_be_is_told_with_its_place(tmp_path: Path, row: str, key: str, says: str) -> None:
    [told] = wrong(tmp_path, row, outbound="", inbound="")
    assert told.startswith(f"bank.pgp.{key}: ")
    assert says in told


def test_armour_goes_with_pgp(tmp_path: Path) -> None:
    [told] = wrong(tmp_path, outbound="armour = true", inbound="")
    assert told.startswith("bank.outbound[1].armour: ")


def test_a_fingerprint_may_be_written_with_blanks(tmp_path: Path) -> None:
    spaced = THEIR.replace("A1" * 20, " ".join(["a1a1"] * 10))
    bank = load(settings(tmp_path, spaced, outbound="", inbound="")).banks[0]
    assert bank.pgp.their_keys[0].fingerprint == "A1" * 20


naive = st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30)) | st.none()  # noqa: DTZ001 - the zone is the bank's
moments = st.datetimes(datetime(2026, 3, 27), datetime(2026, 3, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.lists(st.tuples(naive, naive), max_size=5), moments)
def test_the_newest_row_is_the_one_that_began_last_of_those_that_count(
    terms: list[tuple[datetime | None, datetime | None]], now: datetime
) -> None:
    """Over the hour that is left out in Berlin, too."""
    rows = [OurKeyRow.model_construct(file=Path("k"), from_=begins, until=ends) for begins, ends in terms]
    zone = "Europe/Berlin"
    found = newest(rows, now, zone)
    counting = [row for row in rows if row.counts(now, zone)]
    assert (found in counting) if counting else (found is None)
    if found is not None:
        assert all(row.begins(zone) <= found.begins(zone) <= now < found.ends(zone) for row in counting)


def test_a_key_counts_from_an_hour_of_the_banks_zone(tmp_path: Path) -> None:
    bank = load(settings(tmp_path, OUR + "from = 2026-12-01T06:00:00", outbound="", inbound="")).banks[0]
    [row] = bank.pgp.our_keys
    first = datetime(2026, 12, 1, 5, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert [row.counts(at, bank.timezone) for at in (first - second, first)] == [False, True]


# On real keys.


@pytest.fixture(scope="module")
def workshop() -> Iterator[Forge]:
    with forge() as made:
        yield made


@pytest.fixture(scope="module")
def corp(workshop: Forge) -> str:
    return workshop.key("Corp", passphrase="geheim")


@pytest.fixture(scope="module")
def bank(workshop: Forge) -> str:
    return workshop.key("Bank")


@pytest.fixture
def machine(tmp_path: Path, workshop: Forge, corp: str, bank: str) -> Path:
    settings(tmp_path)
    keys = tmp_path / "keys"
    (keys / "corp.asc").write_bytes(workshop.secret(corp, passphrase="geheim"))
    (keys / "pass").write_text("geheim")
    (keys / "corp.asc").chmod(0o600)
    (keys / "pass").chmod(0o600)
    (keys / "bank.asc").write_bytes(workshop.public(bank, "--armor"))
    return tmp_path


def checked(machine: Path, *pgp: str, bank: str, at: datetime = NOW) -> tuple[list[str], list[str]]:
    """Problems, and warnings."""
    file = settings(machine, *(text.format(folder=machine, bank=bank) for text in pgp or (OURS, THEIRS)))
    found = look(file, {"H2H_NOW": at.isoformat()})
    return ([f"{p.key}: {p.text}" for p in found.problems], [f"{p.key}: {p.text}" for p in found.warnings])


def test_keys_that_can_be_used_are_fine(machine: Path, bank: str) -> None:
    assert checked(machine, bank=bank) == ([], [])


def test_a_secret_key_that_others_could_read_is_refused(machine: Path, bank: str) -> None:
    (machine / "keys" / "corp.asc").chmod(0o640)
    [told], _ = checked(machine, bank=bank)
    assert told.startswith("bank.pgp.our_keys[1].file: ")
    assert "mode 0640" in told


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=400)], ids=["in force", "signs no more"])
def test_a_passphrase_is_tried(machine: Path, bank: str, later: timedelta) -> None:
    (machine / "keys" / "pass").write_text("another")
    [told], _ = checked(machine, bank=bank, at=NOW + later)
    assert told.startswith("bank.pgp.our_keys[1].passphrase: ")
    assert "does not open" in told


def test_files_that_are_missing_or_hold_no_key_are_told(machine: Path, bank: str) -> None:
    (machine / "keys" / "corp.asc").unlink()
    (machine / "keys" / "bank.asc").write_text("no key")
    told, _ = checked(machine, bank=bank)
    assert [text.partition(": ")[0] for text in told] == ["bank.pgp.our_keys[1].file", "bank.pgp.their_keys[1].file"]
    assert ["No such file" in told[0], "holds no OpenPGP key" in told[1]] == [True, True]


def test_another_key_than_the_pinned_one_is_told(machine: Path, bank: str, corp: str) -> None:
    [told], _ = checked(machine, bank=corp)
    assert told.startswith("bank.pgp.their_keys[1].fingerprint: ")
    assert bank in told


def test_our_own_key_is_never_the_only_recipient(machine: Path, workshop: Forge, corp: str) -> None:
    (machine / "keys" / "bank.asc").write_bytes(workshop.public(corp))
    [told], _ = checked(machine, bank=corp)
    assert "key of ours" in told


def test_a_public_key_in_place_of_our_secret_one_is_told(machine: Path, workshop: Forge, corp: str, bank: str) -> None:
    (machine / "keys" / "corp.asc").write_bytes(workshop.public(corp))
    [told], _ = checked(machine, bank=bank)
    assert "public key alone" in told


def test_a_kind_of_key_of_which_none_counts_any_more_is_a_problem(machine: Path, bank: str) -> None:
    over = THEIRS + "until = 2026-03-02T10:00:00\n"
    assert checked(machine, OURS, over, bank=bank, at=NOW - timedelta(seconds=1)) == ([], [])
    [told], _ = checked(machine, OURS, over, bank=bank)
    assert told.startswith("bank.pgp.their_keys: none of these counts at 2026-03-02 09:00 UTC")


def test_a_key_whose_time_is_over_is_a_warning_since_files_for_other_banks_go(
    machine: Path, workshop: Forge, bank: str
) -> None:
    problems, warnings = checked(machine, bank=bank, at=NOW + timedelta(days=400))
    assert problems == []
    assert [text.partition(": ")[0] for text in warnings] == [
        "bank.pgp.our_keys[1].file",
        "bank.pgp.their_keys[1].file",
    ]
    assert all("expired at" in text and "are held" in text for text in warnings)
