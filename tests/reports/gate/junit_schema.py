"""What JUnit XML must be: the schema of Jenkins' xunit plugin, and counts that are what is counted."""

from __future__ import annotations

import functools
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import xmlschema
from filelock import FileLock

from harness.environments import uv
from wire.paths import home

#: Its source distribution holds the schema; the package that is installed does not.
SOURCE = "pytest-9.0.0"
XSD = f"{SOURCE}/testing/example_scripts/junit-10.xsd"


@functools.cache
def schema() -> xmlschema.XMLSchema:
    """Fetched once, and kept; a test that needs it is skipped where it cannot be had."""
    folder = home() / "test-data"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{SOURCE}.lock"):
        if not (folder / XSD).exists():
            _fetch(folder)
    return xmlschema.XMLSchema(folder / XSD)


def _fetch(folder: Path) -> None:
    tool = uv.find()
    download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", SOURCE.replace("-", "==")]
    subprocess.run([str(tool), "tool", "run", *download, "--dest", folder], check=False)
    archive = folder / f"{SOURCE}.tar.gz"
    if not archive.exists():
        pytest.skip("the schema cannot be fetched: no package index")
    with tarfile.open(archive) as unpacked:
        unpacked.extract(XSD, folder, filter="data")


def faults(document: str) -> list[str]:
    """What in a document departs from the schema, or from its own counts."""
    root = Xml.fromstring(document)
    wrong = [str(error.reason) for error in schema().iter_errors(root)]
    return [*wrong, *(fault for suite in root.iter("testsuite") for fault in _miscounted(suite))]


def _miscounted(suite: Xml.Element) -> Iterator[str]:
    cases = suite.findall("testcase")
    counted = {"tests": len(cases)}
    for kind in ("failure", "error", "skipped"):
        name = kind if kind == "skipped" else f"{kind}s"
        counted[name] = sum(case.find(kind) is not None for case in cases)
    for name, count in counted.items():
        if suite.get(name) != str(count):
            yield f"{name} is {suite.get(name)}, counted {count}"
