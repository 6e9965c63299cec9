"""The documented pipeline on the tiny world, run as it stands: a baseline, and a candidate that grows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import yaml

from tests.real_environments import MIRO_EVAL, world

WORKFLOW = Path(__file__).resolve().parents[3] / "docs" / "ci" / "github-tiny-world.yml"


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_workflow_on_the_tiny_world(tmp_path: Path) -> None:
    world()
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["gate"]["steps"]
    scripts = [step["run"] for step in steps if "miro-eval" in step.get("run", "")]
    assert len(scripts) == 2
    summary = tmp_path / "summary.md"
    environment = os.environ | {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    for script in scripts:
        command = ["bash", "-e", "-c", script.replace("uv run miro-eval", str(MIRO_EVAL))]
        answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    verdict = answer.stdout.splitlines()[-1]
    assert verdict.startswith("gate: passes")
    record = json.loads((tmp_path / "gate" / "gate.json").read_text())
    assert record["verdict"] == verdict
    assert record["looks"]["planned"] == [12, 14]
    # The same checkpoint and settings: the same images, however they came about, and no verdict that flips.
    first, second = (
        {row["filename"]: row["image_sha256"] for row in rows(tmp_path / run / "images.jsonl")}
        for run in ("first", "second")
    )
    assert len(second) == record["looks"]["prompts"]
    assert second.items() <= first.items()
    assert record["gallery"]["flips"] == 0
    assert (tmp_path / "gate" / "gallery" / "index.html").exists()
    assert summary.read_text().startswith("# Gate passes: ")
    assert not (tmp_path / "second" / "rewards.jsonl").exists()  # watched only: not spent on
