"""A verdict as JUnit XML: one case a metric, in the form that GitLab, Jenkins and GitHub's reporters read."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from reports.gate.check import Gate
from reports.gate.comparison_formats import signed
from reports.gate.decision import Judgement, Outcome

SUITE = "miro-eval gate"
#: What XML 1.0 cannot hold, in whatever spelling (section 2.2 of the recommendation).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_gate(gate: Gate) -> str:
    """The document. A metric that the gate fails by is a failure, one that cannot be told is skipped."""
    failed, skipped = len(gate.failures), sum(_skipped(one) for one in gate.judgements)
    counts = {"tests": str(len(gate.judgements)), "failures": str(failed), "errors": "0"}
    root = Xml.Element("testsuites", {"name": SUITE, **counts, "time": "0"})
    suite = Xml.SubElement(root, "testsuite", {"name": SUITE, **counts, "skipped": str(skipped), "time": "0"})
    properties = Xml.SubElement(suite, "properties")
    told = {"baseline": gate.comparison.first, "candidate": gate.comparison.second}
    if gate.flips is not None:
        told["gallery"] = str(gate.flips.index)
    for name, value in told.items():
        Xml.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for one in gate.judgements:
        _case(suite, gate, one)
    Xml.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{Xml.tostring(root, encoding='unicode')}\n"


def _case(suite: Xml.Element, gate: Gate, one: Judgement) -> None:
    name = {"classname": "miro-eval.gate", "name": _clean(one.metric), "time": "0"}
    case = Xml.SubElement(suite, "testcase", name)
    if one.fails:
        failure = Xml.SubElement(case, "failure", {"message": _clean(one.text), "type": one.outcome.value})
        failure.text = _clean(one.text)
    elif _skipped(one):
        Xml.SubElement(case, "skipped", {"message": _clean(f"cannot tell: {one.text}")})
    Xml.SubElement(case, "system-out").text = _clean(_numbers(gate, one))


def _skipped(one: Judgement) -> bool:
    return one.outcome is Outcome.CANNOT_TELL and not one.fails


def _numbers(gate: Gate, one: Judgement) -> str:
    line = gate.line(one.metric)
    if line is None:
        return one.outcome.value
    change = f"{line.first:.6g} to {line.second:.6g} ({signed(line.paired.difference)})"
    return f"{one.outcome.value}: {change}, {line.paired.images} pairs of {line.paired.prompts} prompts"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
