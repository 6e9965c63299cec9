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
from wire.errors import UserError
from wire.paths import pixi_manifest


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
        state = manager.locate(manager.find_spec("geneval"), there).state_file
        state.parent.mkdir(parents=True)
        state.write_text("{}")
    assert manager.environment_backend(detector, requested) == chosen


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
