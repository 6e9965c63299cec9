from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import jsonschema
import pytest

from harness.vocabulary import TAGS
from reports.gate.check import Gate, check_paths
from reports.gate.compare import compare_paths, json_text
from reports.gate.comparison_formats import markdown_comparison
from reports.gate.files import write_gate
from reports.gate.gate_formats import markdown_gate
from reports.gate.github import add_to_summary, workflow_commands
from reports.gate.junit import junit_gate
from tests.reports.gate.builders import PROTOCOL, full_sweep, reward_sweep, usual, write_run
from tests.reports.gate.junit_schema import faults

NUMBER = {"type": "number"}
OPTIONAL = {"type": ["number", "null"]}
TEXT = {"type": "string"}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


LINE = closed(
    {
        "metric": TEXT,
        "first": NUMBER,
        "second": NUMBER,
        "difference": NUMBER,
        "interval": {"oneOf": [{"type": "null"}, closed({"low": NUMBER, "high": NUMBER})]},
        "standard_error": OPTIONAL,
        "p_value": {"type": "number", "minimum": 0, "maximum": 1},
        "p_value_holm": {"type": "number", "minimum": 0, "maximum": 1},
        "mde": OPTIONAL,
        "pairs": {"type": "integer", "minimum": 2},
        "prompts": {"type": "integer", "minimum": 2},
        "left_out": TEXT,
    }
)
COMPARISON = closed(
    {
        "schema": {"const": "miro-eval/comparison/1"},
        "first": TEXT,
        "second": TEXT,
        "metrics": array(LINE),
        "notes": array(TEXT),
    }
)
JUDGEMENT = closed(
    {
        "metric": TEXT,
        "outcome": {"enum": ["passes", "fails", "cannot tell", "watched"]},
        "fails": {"type": "boolean"},
        "reasons": {**array(TEXT), "minItems": 1},
        "coverage": {"type": "number", "minimum": 0},
        "margin": OPTIONAL,
        "largest_drop_not_excluded": OPTIONAL,
        "p_value_of_drop": OPTIONAL,
        "settling_prompts": {"type": ["integer", "null"]},
        "comparison": {"oneOf": [{"type": "null"}, LINE]},
    }
)
GATE = closed(
    {
        "schema": {"const": "miro-eval/gate/1"},
        "passes": {"type": "boolean"},
        "verdict": TEXT,
        "baseline": TEXT,
        "candidate": TEXT,
        "level": NUMBER,
        "correction": {"enum": ["holm", "none"]},
        "metrics": array(JUDGEMENT),
        "notes": array(TEXT),
    }
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A baseline, and a candidate that is worse in one tag, unsure in another, and oddly named."""

    def worse(tag: str, prompt: int, sample: int) -> bool:
        lost = (tag == "colors" and prompt < 20) or (tag == "counting" and prompt < 12)
        won = tag == "counting" and 12 <= prompt < 20
        return won or (usual(tag, prompt, sample) and not lost)

    folder = tmp_path_factory.mktemp("runs")
    first = write_run(folder / "base | line", full_sweep(usual), reward_sweep(), PROTOCOL)
    return first, write_run(folder / "a<b>&'c", full_sweep(worse), reward_sweep(0.01), PROTOCOL)


@pytest.fixture(scope="module")
def gate(runs: tuple[Path, Path]) -> Gate:
    return check_paths(runs[1], runs[0])


def test_the_runs_show_every_outcome(gate: Gate) -> None:
    assert {one.outcome.value for one in gate.judgements} == {"passes", "fails", "cannot tell", "watched"}


def test_json_has_its_documented_form(gate: Gate, runs: tuple[Path, Path], tmp_path: Path) -> None:
    write_gate(gate, tmp_path)
    jsonschema.validate(json.loads((tmp_path / "gate.json").read_text()), GATE)
    jsonschema.validate(json.loads(json_text(compare_paths(*runs))), COMPARISON)


def test_junit_has_a_case_a_metric_and_the_usual_form(gate: Gate) -> None:
    document = junit_gate(gate)
    assert faults(document) == []
    root = Xml.fromstring(document)
    assert [case.get("name") for case in root.iter("testcase")] == ["overall", *TAGS, "aesthetic", "hpsv2.1"]
    assert [case.get("name") for case in root.iterfind(".//testcase[failure]")] == ["overall", "colors"]
    assert [case.get("name") for case in root.iterfind(".//testcase[skipped]")] == ["counting"]
    assert root.find(".//property[@name='candidate']").get("value") == "a<b>&'c"  # type: ignore[union-attr]


def test_the_form_s_check_finds_faults() -> None:
    document = '<testsuites><testsuite name="a" tests="2"><testcase><passed/></testcase></testsuite></testsuites>'
    found = faults(document)
    assert "tests is 2, counted 1" in found
    assert "testcase: no name" in found
    assert "testcase: passed not allowed" in found


def test_markdown_keeps_foreign_names_in_their_place(gate: Gate, runs: tuple[Path, Path]) -> None:
    for text in (markdown_gate(gate), markdown_comparison(compare_paths(*runs))):
        assert "a&lt;b&gt;&amp;'c" in text
        assert r"base \| line" in text
        table = [line for line in text.splitlines() if line.startswith("|")]
        assert len(table) == 2 + 9
        assert len({line.replace(r"\|", "").count("|") for line in table}) == 1


def test_annotations_are_one_line_each(gate: Gate) -> None:
    lines = list(workflow_commands(gate))
    assert [line.split(" title=")[0] for line in lines] == ["::error", "::warning", "::error"]
    assert all("\n" not in line and line.count("::") == 2 for line in lines)


def test_a_summary_is_added_to_and_only_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    for text in ("one\n", "two\n"):
        add_to_summary(text, {"GITHUB_STEP_SUMMARY": str(path)})
    add_to_summary("three\n", {})
    assert path.read_text() == "one\ntwo\n"
