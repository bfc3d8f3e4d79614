"""The schemas here define the same messages as the official ones, and the catalog and samples fit them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from h2h.messages import Catalog
from h2h.resources import root

SHARED = Path(__file__).parents[2].parent / "shared"
CATALOG = Catalog.load(root("schemas"))
NAMES = [row.name for row in CATALOG.rows]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_defines_the_same_message_as_the_official_one(name: str) -> None:
    tool, official = SHARED / "tools" / "compare_xsd.py", SHARED / "iso20022" / f"{name}.xsd"
    if not tool.exists() or not official.exists():
        pytest.skip("the official schemas are not at hand")
    command = [sys.executable, str(tool), str(root("schemas") / f"{name}.xsd"), str(official)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "the same message as" in done.stdout


@pytest.mark.parametrize("row", CATALOG.rows, ids=NAMES)
def test_a_catalog_row_tells_the_truth_about_its_schema(row) -> None:
    schema = etree.parse(root("schemas") / row.file).getroot()
    assert schema.get("targetNamespace") == row.namespace
    assert row.namespace.endswith(row.name)
    document = xmlschema.XMLSchema(str(root("schemas") / row.file)).elements["Document"]
    assert [child.local_name for child in document.type.content] == [row.root]


@pytest.mark.parametrize("name", NAMES)
def test_every_message_has_a_good_sample_that_both_validators_accept(name: str) -> None:
    sample = root("samples") / "good" / f"{name}.xml"
    schema = root("schemas") / f"{name}.xsd"
    etree.XMLSchema(file=str(schema)).assertValid(etree.parse(sample))
    xmlschema.XMLSchema(str(schema)).validate(str(sample))
