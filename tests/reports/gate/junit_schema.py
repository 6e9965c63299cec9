"""The form of JUnit XML that its readers agree on, after Jenkins' schema: elements, attributes, children, counts."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as Xml

#: Element -> (required attributes, optional attributes, allowed children).
FORM: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name"},
        {"tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"},
        {"classname", "time", "status", "assertions", "file", "line"},
        {"skipped", "error", "failure", "system-out", "system-err", "properties"},
    ),
    "failure": (set(), {"message", "type"}, set()),
    "error": (set(), {"message", "type"}, set()),
    "skipped": (set(), {"message", "type"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}
NUMBERS = {"tests", "failures", "errors", "skipped", "disabled"}


def faults(document: str) -> list[str]:
    """What in a document departs from the form, or from its own counts."""
    root = Xml.fromstring(document)
    found = [] if root.tag in ("testsuites", "testsuite") else [f"root {root.tag}"]
    return [*found, *(fault for element in root.iter() for fault in _faults(element))]


def _faults(element: Xml.Element) -> Iterator[str]:
    if element.tag not in FORM:
        yield f"unknown element {element.tag}"
        return
    required, optional, children = FORM[element.tag]
    names = set(element.keys())
    yield from (f"{element.tag}: no {name}" for name in required - names)
    yield from (f"{element.tag}: unknown attribute {name}" for name in names - required - optional)
    yield from (f"{element.tag}: {child.tag} not allowed" for child in element if child.tag not in children)
    yield from (
        f"{element.tag}: {name} is no number" for name in names & NUMBERS if not element.get(name, "").isdigit()
    )
    if element.tag == "testsuite":
        cases = element.findall("testcase")
        counted = {"tests": len(cases), **{f"{kind}s": _holding(cases, kind) for kind in ("failure", "error")}}
        counted["skipped"] = _holding(cases, "skipped")
        yield from (
            f"{name} is {element.get(name)}, counted {count}"
            for name, count in counted.items()
            if element.get(name) != str(count)
        )


def _holding(cases: list[Xml.Element], child: str) -> int:
    return sum(case.find(child) is not None for case in cases)
