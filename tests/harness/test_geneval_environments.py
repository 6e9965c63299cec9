"""Which environment a detector gets, and the one without mmcv."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest
import tomllib
from typer.testing import CliRunner

from harness.cli.app import app
from harness.environments import manager, pixi, uv
from harness.plan.open import open_run
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import PublishedWeights
from wire.errors import UserError
from wire.paths import pixi_manifest


def make(kind: str) -> None:
    state = manager.locate(manager.find_spec("geneval"), kind).state_file
    state.parent.mkdir(parents=True)
    state.write_text("{}")


@pytest.mark.parametrize(
    ("detector", "requested", "there", "chosen"),
    [
        ("mmdet", "auto", "", "auto"),
        ("mmdet", "pixi", "", "pixi"),
        ("transformers", "auto", "", "no-mmcv"),
        ("transformers", "auto", "uv", "auto"),
        ("transformers", "auto", "mmcv-lite", "mmcv-lite"),
        ("transformers", "uv", "", "uv"),
        ("transformers", "no-mmcv", "uv", "no-mmcv"),
    ],
)
def test_the_environment_that_a_detector_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detector: str, requested: str, there: str, chosen: str
) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    if there:
        make(there)
    assert manager.environment_backend(detector, requested) == chosen


@pytest.mark.parametrize(
    ("begun", "requested", "chosen", "note"),
    [
        ("mmcv-lite", "auto", "mmcv-lite", "geneval continues in mmcv-lite, in which it began; a new run uses uv"),
        ("mmcv-lite", "uv", "uv", ""),
        ("uv", "auto", "uv", ""),
        ("pixi", "auto", "uv", ""),  # it does not serve here
        ("no-mmcv", "auto", "uv", ""),  # it has not what this detector needs
        ("", "auto", "uv", ""),
    ],
)
def test_a_run_goes_on_in_the_environment_that_it_was_begun_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: str, requested: str, chosen: str, note: str
) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("harness.environments.pixi.find", lambda: None)
    make("uv")
    make("mmcv-lite")
    settings, display, notes = RunSettings(tmp_path, env_backend=requested), Display(), list[str]()
    monkeypatch.setattr(display, "note", notes.append)
    record = StageRecord("0", {}, environment={"name": "geneval", "backend": begun, "lock": "0"} if begun else {})
    Manifest("x", stages={"geneval": record}).write(tmp_path / "run.json")
    with open_run(settings, PublishedWeights(), display) as pipeline:
        assert pipeline.environment(STAGES["geneval"]).backend == chosen
    assert "".join(notes) == note


def test_mmdet_cannot_go_without_mmcv(tmp_path: Path) -> None:
    command = ["geneval", str(tmp_path), "--env-backend", "no-mmcv"]
    with pytest.raises(UserError, match="add --detector transformers"):
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_the_environment_without_mmcv_has_everything_else() -> None:
    planned = planned_packages("no-mmcv")
    assert {"torch", "transformers", "open-clip-torch", "pycocotools", "opencv-python-headless"} <= planned
    assert not planned & {"mmcv", "mmdet", "mmengine"}


def test_nothing_is_compiled_for_mmcv_lite() -> None:
    planned = planned_packages("mmcv-lite")
    assert {"torch", "transformers", "open-clip-torch", "mmcv-lite", "mmdet", "mmengine"} <= planned
    assert not planned & {"mmcv", "opencv-python"}


def planned_packages(kind: str) -> set[str]:
    """What uv would install, from the lock alone."""
    spec, tool = manager.find_spec("geneval"), uv.find()
    assert tool is not None
    plan = subprocess.run(
        [*manager.BACKENDS[kind].sync_command(tool, spec), "--dry-run", "--no-cache", "--offline"],
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": "/nowhere/venv"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"^ \+ ([\w-]+)==", plan.stderr, re.MULTILINE))


def test_it_is_another_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIRO_EVAL_HOME", str(tmp_path))
    spec = manager.find_spec("geneval")
    light, whole = (manager.locate(spec, kind) for kind in ("no-mmcv", "uv"))
    assert light.directory.name == f"geneval-no-mmcv-{light.lock_hash}"
    assert light.lock_hash != whole.lock_hash
    assert manager.choose_backend(manager.find_spec("rewards"), "no-mmcv") == "uv"


def test_pixi_s_tasks_are_what_this_product_runs() -> None:
    tasks = tomllib.loads(pixi_manifest().read_text())["tasks"]
    assert set(tasks) == {"setup", "evaluation", "summary", "health-check"}
    assert tasks["evaluation"]["cmd"] == "python -m geneval"
    assert importlib.util.find_spec("geneval.__main__")
    verb = tasks["summary"]["cmd"].removeprefix("uv run miro-eval ")
    assert "Write a leaderboard" in CliRunner().invoke(app, [verb, "--help"]).output
    assert tasks["setup"]["cmd"] == "uv pip install --no-build-isolation --no-deps " + " ".join(pixi.MMCV)
    wanted = pixi.MmcvBuild(pixi.CUDA, "9.0").variables()
    assert tasks["setup"]["env"].items() <= wanted.items()
    script = tasks["health-check"]["cmd"].removeprefix("python ")
    assert (pixi_manifest().parent / script).is_file()
