"""Installed from its wheel, the program carries what it needs to make the environments and to run the stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.environments import uv
from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS
from tests.real_environments import ROOT

SCRIPT = """
import json
from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS
from wire.paths import pixi_manifest, stage_code
from harness.weights import load_weights
print(json.dumps({
    "locks": [locate(one, kind).lock_hash for one in ENVIRONMENTS.values() for kind in one.backends],
    "code": sorted(path.name for path in stage_code().iterdir()),
    "pixi": pixi_manifest().exists(),
    "weights": sorted(load_weights()),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool = uv.find()
    assert tool is not None
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([tool, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    install = [tool, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", folder / "site"]
    subprocess.run([*install, wheel], check=True)
    return folder


def test_the_wheel_finds_its_locks_and_shows_workers_our_packages_alone(installed: Path) -> None:
    variables = os.environ | {"PYTHONPATH": str(installed / "site"), "MIRO_EVAL_HOME": str(installed / "home")}
    command = [sys.executable, "-P", "-c", SCRIPT]
    answer = subprocess.run(command, env=variables, cwd=installed, check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout)
    assert found["locks"] == [locate(one, kind).lock_hash for one in ENVIRONMENTS.values() for kind in one.backends]
    assert found["code"] == ["generation", "geneval", "rewards", "wire"]
    assert found["pixi"] is True
    assert found["weights"] == ["aesthetic-mlp", "clip-vit-l-14", "mask2former"]
