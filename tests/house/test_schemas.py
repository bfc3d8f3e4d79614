"""The schemas here define the same messages as the official ones, and the catalog and samples fit them."""

from __future__ import annotations

import importlib.util
import os
from importlib import import_module
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from h2h.messages import Catalog, MessageType
from h2h.messages.elements import Shape
from h2h.resources import root

SHARED = Path(__file__).parents[2].parent / "shared"
TOOL = SHARED / "tools" / "compare_xsd.py"
CATALOG = Catalog.load(root("schemas"))
LONG = bool(os.environ.get("H2H_LONG"))
NEWEST = list({row.root: row for row in sorted(CATALOG.rows, key=lambda row: row.name)}.values())
SCHEMA = "{http://www.w3.org/2001/XMLSchema}"
each_row = pytest.mark.parametrize("row", CATALOG.rows, ids=lambda row: row.name)
each_schema = pytest.mark.parametrize("row", [*CATALOG.rows, *CATALOG.headers], ids=lambda row: row.name)


def model(row: MessageType) -> xmlschema.XMLSchema:
    made = CATALOG.model(row)
    assert made
    return made


@pytest.mark.long
@pytest.mark.parametrize("row", [*CATALOG.rows, *CATALOG.headers] if LONG else NEWEST, ids=lambda row: row.name)
def test_a_schema_defines_the_same_message_as_the_official_one(row: MessageType) -> None:
    official = SHARED / "iso20022" / f"{row.name}.xsd"
    if not TOOL.exists() or not official.exists():
        pytest.skip("the official schemas are not at hand")
    spec = importlib.util.spec_from_file_location("compare_xsd", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    comparison = tool.Comparison()
    comparison.schemas(model(row), xmlschema.XMLSchema(str(official)))
    assert comparison.differences == []
    assert len(comparison.seen) > 40


@each_row
def test_a_catalog_row_tells_the_truth_about_its_schema(row: MessageType) -> None:
    schema = etree.parse(row.file).getroot()
    assert schema.get("targetNamespace") == row.namespace
    assert row.namespace.endswith(row.name)
    document = model(row).elements["Document"]
    assert [child.local_name for child in document.type.content] == [row.root]  # type: ignore[union-attr]


@pytest.mark.parametrize("row", CATALOG.headers, ids=lambda row: row.name)
def test_the_catalog_tells_the_truth_about_a_header(row: MessageType) -> None:
    assert etree.parse(row.file).getroot().get("targetNamespace") == row.namespace
    assert [each.local_name for each in model(row).elements.values()] == [row.root]


@each_row
def test_a_catalog_row_has_a_reader_for_its_structure(row: MessageType) -> None:
    shapes: tuple[Shape, ...] = import_module(f"h2h.messages.{row.reader}").SHAPES
    (shape,) = [each for each in shapes if each.message == row.root]
    below = model(row).elements["Document"].type.content[0].type.content  # type: ignore[union-attr]
    assert shape.group in [child.local_name for child in below]


@each_schema
def test_every_message_has_a_good_sample_that_both_validators_accept(row: MessageType) -> None:
    sample = etree.parse(root("samples") / "good" / f"{row.name}.xml")
    name = "Document" if row in CATALOG.rows else row.root  # a header stands in an envelope
    element = next(sample.iter(f"{{{row.namespace}}}{name}"))
    etree.XMLSchema(file=str(row.file)).assertValid(element)
    model(row).validate(element)


def test_no_schema_lies_here_that_nobody_uses() -> None:
    folder, waiting = root("schemas"), [row.file for row in (*CATALOG.rows, *CATALOG.headers)]
    used: set[Path] = set()
    while waiting:
        file = waiting.pop()
        used.add(file)
        includes = etree.parse(file).getroot().iterchildren(f"{SCHEMA}include")
        waiting += [folder / str(each.get("schemaLocation")) for each in includes]
    assert used == set(folder.glob("*.xsd"))
