from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
from rich.console import Console

from reports.gate.baseline import write_flips
from reports.gate.check import Gate, rules_for
from reports.gate.compare import compare_paths, json_text, markdown_comparison
from reports.gate.gate_formats import (
    junit_gate,
    markdown_gate,
    tell_actions,
    terminal_gate,
    workflow_commands,
    write_gate,
)
from reports.gate.inputs import read_side
from reports.gate.sequential import check_growing
from tests.reports.gate.builders import PROTOCOL, check_paths, full_sweep, reward_sweep, usual, write_run
from tests.reports.gate.junit_schema import faults
from wire.vocabulary import TAGS

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
        "settling_samples": {"type": ["integer", "null"]},
        "comparison": {"oneOf": [{"type": "null"}, LINE]},
    }
)
COUNT = {"type": "integer", "minimum": 0}
LOOKS = closed({"planned": array(COUNT), "taken": COUNT, "prompts": COUNT, "spending": NUMBER})
GATE = closed(
    {
        "schema": {"const": "miro-eval/gate/1"},
        "passes": {"type": "boolean"},
        "verdict": TEXT,
        "baseline": TEXT,
        "candidate": TEXT,
        "level": NUMBER,
        "correction": {"enum": ["holm", "none"]},
        "looks": {"oneOf": [{"type": "null"}, LOOKS]},
        "gallery": {"oneOf": [{"type": "null"}, closed({"index": TEXT, "flips": COUNT})]},
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


@pytest.fixture(scope="module")
def looked_at(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The same over three looks, with a gallery."""
    first, second = map(read_side, runs)
    looked = check_growing(lambda _: second, first, rules_for(first, None), (100, 200, 553))
    return replace(looked, flips=write_flips(*runs, tmp_path_factory.mktemp("gallery") / "a b"))


def test_json_has_its_documented_form(gate: Gate, looked_at: Gate, runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert "This holds for all looks together." in markdown_gate(looked_at)
    assert "over the looks" not in markdown_gate(gate)
    for place, one in enumerate((gate, looked_at)):
        write_gate(one, tmp_path / str(place))
        jsonschema.validate(json.loads((tmp_path / str(place) / "gate.json").read_text()), GATE)
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
    assert any("missing required attribute 'name'" in fault for fault in found)
    assert any("'passed'" in fault for fault in found)


def test_markdown_keeps_foreign_names_in_their_place(gate: Gate, runs: tuple[Path, Path]) -> None:
    for text in (markdown_gate(gate), markdown_comparison(compare_paths(*runs))):
        assert "a&lt;b&gt;&amp;'c" in text
        assert r"base \| line" in text
        table = [line for line in text.splitlines() if line.startswith("|")]
        assert len(table) == 2 + 9
        assert len({line.replace(r"\|", "").count("|") for line in table}) == 1


def test_looks_and_the_gallery_are_told_and_linked(looked_at: Gate, tmp_path: Path) -> None:
    assert looked_at.flips is not None
    assert looked_at.looks is not None
    page = write_gate(looked_at, looked_at.flips.index.parent.parent / "gate")[0]
    text = page.read_text()
    link = re.search(r"\[gallery of the two runs\]\((.*)\): ([0-9]+) verdicts flip", text)
    assert link is not None
    assert (page.parent / unquote(link[1])).resolve() == looked_at.flips.index.resolve()
    assert f"look {looked_at.looks.taken} of 3: after {looked_at.looks.prompts} prompts (of 100, 200, 553)" in text
    alone = markdown_gate(looked_at)
    assert f"gallery: {looked_at.flips.index}" in alone
    with io.StringIO() as printed:
        Console(file=printed, width=400).print(terminal_gate(looked_at))
        assert f"gallery: {looked_at.flips.index} ({link[2]} verdicts flip)" in printed.getvalue()
    document = junit_gate(looked_at)
    assert faults(document) == []
    gallery = Xml.fromstring(document).find(".//property[@name='gallery']")
    assert gallery is not None
    assert gallery.get("value") == str(looked_at.flips.index)


def test_annotations_are_one_line_each(gate: Gate) -> None:
    lines = list(workflow_commands(gate))
    assert [line.split(" title=")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert all("\n" not in line and line.count("::") == 2 for line in lines)


def test_of_many_annotations_the_gravest_are_shown_and_the_rest_counted(gate: Gate) -> None:
    """GitHub shows ten of a kind: a thirteenth failing metric must not hide the worst."""
    colors = next(one for one in gate.judgements if one.metric == "colors")
    others = [
        replace(colors, measured=replace(colors.measured, metric=f"m{place}"), p_value=0.01 + place / 1000)
        for place in reversed(range(12))
    ]
    lines = list(workflow_commands(replace(gate, judgements=(*others, colors))))
    assert len(lines) == 10
    assert lines[0].startswith("::error title=miro-eval gate%3A colors fails::")
    assert lines[1].startswith("::error title=miro-eval gate%3A m0 fails::")
    assert lines[9] == "::error title=miro-eval gate%3A 4 more metrics::see the job's summary: m8, m9, m10, m11"


def test_the_summary_and_the_output_are_added_to_and_only_where_asked(gate: Gate, tmp_path: Path) -> None:
    summary, output = tmp_path / "summary.md", tmp_path / "output"
    for _ in range(2):
        tell_actions(gate, {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)})
    tell_actions(gate, {})
    assert summary.read_text() == markdown_gate(gate) * 2
    assert output.read_text() == "verdict=fails\n" * 2
