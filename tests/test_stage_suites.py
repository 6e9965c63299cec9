"""Each stage's own tests, run inside its real environment."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from harness.environments.spec import ENVIRONMENTS
from tests.real_environments import ROOT, miro_sdist, with_pytest


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_stage_s_suite_passes_in_its_environment(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    environment = with_pytest(name)
    folder = f"tests/{name if environment.spec.on_demand else environment.spec.stage}"
    command = environment.command("-m", "pytest", folder, "-p", "no:cacheprovider", "--durations=5")
    sdist = {"MIRO_T2I_SDIST": str(miro_sdist())} if name == "miro" else {}
    variables = os.environ | sdist | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # unset, as for workers: imports of this size need their bytecode
    variables.pop("PYTEST_ADDOPTS", None)  # meant for this pytest, not for that one
    answer = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n--- {folder}, in environment {name}\n{answer.stdout[-6000:]}")
    assert answer.returncode == 0, answer.stdout[-20000:] + answer.stderr[-5000:]
    assert re.search(r"\d+ passed", answer.stdout)
