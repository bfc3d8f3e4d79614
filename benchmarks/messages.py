"""How fast messages are judged and read, against others, in interleaved rounds of one run:

    python benchmarks/messages.py [--quick] [--payments N] [--entries N] [--rounds N] [--peer PYTHON]

`judge` validates, asks the business rules and extracts; `read` validates and makes records. "One process" does all in
one; "two processes" is what the gateway does: a reader process reads, and the gateway asks the rules. `xmllint` only
validates. Each way is a process of its own, its start included, and does with memory what a reader process does: what
was freed is kept, and what is loaded is not looked through for garbage. `--peer`: a Python that has pyiso20022 and
xsdata[lxml]; where that has none, it is left out.

"lxml iterparse by hand" reads entries to the same values as we do, without a schema (by_hand.py). "lxml iterparse with
schema" validates payments and takes down their texts by name, no more: it asks no rule, and makes no record.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from math import inf
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import by_hand, payments, statements
from benchmarks.models import NAME, Peer
from benchmarks.rounds import interleaved, measured, parser_of, table, versions
from h2h.confined.process import KEPT

XMLLINT = "xmllint --stream"
BEGIN = f"""
import gc, sys
sys.path.insert(0, {str(PROJECT)!r})
from pathlib import Path
from h2h.messages import Catalog, reading
catalog = Catalog.load(Path({str(PROJECT / "schemas")!r}))
source = open(sys.argv[1], "rb")
gc.freeze()
"""
READ = BEGIN + "assert sum(1 for _ in reading.read(source, catalog, strict=STRICT))"
JUDGE = BEGIN + (
    "from h2h.outbound.judge import judge\n"
    "items = reading.read_in_columns(source, catalog, strict=True)\n"
    "assert len(judge(items).payments)"
)
SURE = "\nreading.fast_road = lambda *_: None\n"
CONFINED = (
    BEGIN
    + """
from h2h.confined import ConfinedReader, Limits
reader = ConfinedReader(catalog, Limits())
"""
)
ITERPARSE = """
import sys
from lxml import etree
schema = etree.XMLSchema(file=sys.argv[2])
payment = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}CdtTrfTxInf"
for _, record in etree.iterparse(sys.argv[1], tag=payment, schema=schema):
    values = {leaf.tag.rpartition("}")[2]: leaf.text for leaf in record.iter() if not len(leaf)}
    record.clear()
    while record.getprevious() is not None:
        del record.getparent()[0]
"""


def judged(file: Path) -> Mapping[str, list[str]]:
    schema = str(PROJECT / "schemas" / "pain.001.001.09.xsd")
    confined = CONFINED + (
        "from h2h.outbound.judge import judge_bytes\nassert len(judge_bytes(reader, source).payments)\nreader.close()"
    )
    return {
        XMLLINT: ["xmllint", "--stream", "--noout", "--schema", schema, str(file)],
        "judge, one process": [sys.executable, "-c", JUDGE, str(file)],
        "judge, two processes": [sys.executable, "-c", confined, str(file)],
        "judge, sure road": [
            sys.executable,
            "-c",
            JUDGE.replace("\nfrom h2h.outbound", SURE + "\nfrom h2h.outbound", 1),
            str(file),
        ],
        "lxml iterparse with schema": [sys.executable, "-c", ITERPARSE, str(file), schema],
    }


def read(file: Path) -> Mapping[str, list[str]]:
    schema = str(PROJECT / "schemas" / "camt.053.001.08.xsd")
    tolerant = READ.replace("STRICT", "False")
    confined = CONFINED + "assert sum(1 for _ in reader.read(source, strict=False))\nreader.close()"
    return {
        XMLLINT: ["xmllint", "--stream", "--noout", "--schema", schema, str(file)],
        "read, one process": [sys.executable, "-c", tolerant, str(file)],
        "read, two processes": [sys.executable, "-c", confined, str(file)],
        "read, sure road": [sys.executable, "-c", tolerant.replace("assert", SURE + "assert"), str(file)],
        "lxml iterparse by hand": [sys.executable, by_hand.__file__, str(file)],
    }


def compare(title: str, file: Path, commands: Mapping[str, list[str]], rounds: int, models: Peer | None = None) -> str:
    peaks = dict.fromkeys((*commands, *([NAME] if models else [])), 0.0)
    least = dict.fromkeys(commands, inf)

    def way(name: str) -> None:
        run = measured(commands[name], env=KEPT)
        peaks[name], least[name] = max(peaks[name], run.peak_mb), min(least[name], run.processor_seconds)

    ways = {name: (lambda name=name: way(name)) for name in commands}
    if models:
        ways[NAME] = lambda: peaks.update({NAME: max(peaks[NAME], models.peak_mb())})
    times = interleaved(ways, rounds=rounds)
    times = models.with_all_of(file, times) if models else times
    notes = {name: f"peak {peak:.0f} MB" for name, peak in peaks.items()}
    for name, seconds in least.items():
        notes[name] += f"; {least[XMLLINT] / seconds:.2f} by processor time, {seconds:.2f} s"
    return table(title, times, peer=XMLLINT, amount=file.stat().st_size / 1e6, unit="MB", notes=notes)


def main() -> None:
    parser = parser_of(__doc__, quick="small files, few rounds")
    parser.add_argument("--payments", type=int)
    parser.add_argument("--entries", type=int)
    parser.add_argument("--peer", default=sys.executable)
    asked = parser.parse_args()
    rounds = asked.rounds or (1 if asked.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        orders, statement = Path(folder) / "pain.001.xml", Path(folder) / "camt.053.xml"
        count = asked.payments or (10_000 if asked.quick else 100_000)
        for indent in (True, False):
            payments.write(orders, count, indent=indent)
            form = "indented" if indent else "compact"
            print(compare(f"Judge pain.001.001.09, {count:,} payments, {form}", orders, judged(orders), rounds))
        count = asked.entries or (5_000 if asked.quick else 100_000)
        statements.write(statement, count)
        models = Peer(python=asked.peer, file=Path(folder) / "models.xml", entries=min(count, 10_000))
        title = f"Read camt.053.001.08, {count:,} entries"
        print(compare(title, statement, read(statement), rounds, models if models.there() else None))
    print(versions(["lxml", "msgspec"], {"xmllint": ["xmllint", "--version"]}))


if __name__ == "__main__":
    main()
