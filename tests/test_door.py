"""A training repository with packages of our names neither breaks a verb nor takes the place of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_environments import MIRO_EVAL
from wire.paths import PARTS, stage_code

BROKEN = "raise RuntimeError('the training repository was imported')\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for part in PARTS:
        (tmp_path / part).mkdir()
        (tmp_path / part / "__init__.py").write_text(BROKEN)
    return tmp_path


def started(repository: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONPATH": "."}
    return subprocess.run(command, cwd=repository, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["--help", "all --help", "report --help", "suites list", "envs list"])
def test_verbs_work_beside_packages_of_our_names(repository: Path, verb: str) -> None:
    answer = started(repository, MIRO_EVAL, *verb.split())
    assert answer.returncode == 0, answer.stderr
    assert "training repository" not in answer.stderr


@pytest.mark.parametrize("line", ["{clone}", "/nowhere\n{clone}\n{clone}\n"])
def test_an_installed_door_finds_its_clone_wherever_the_environment_is(repository: Path, line: str) -> None:
    """As uv makes it: a copy of the door, and beside it a file that points to the clone."""
    site = repository / "elsewhere" / "site-packages"
    (site / "miro_eval").mkdir(parents=True)
    shutil.copy(stage_code() / "miro_eval.py", site / "miro_eval" / "__init__.py")
    (site / "_editable_impl_miro_eval.pth").write_text(line.format(clone=stage_code()))
    script = f"import sys; sys.path.insert(0, {str(site)!r}); import miro_eval, harness; print(harness.__file__)"
    answer = started(repository, sys.executable, "-c", script)
    assert answer.stdout.strip() == str(stage_code() / "harness" / "__init__.py"), answer.stderr


def test_a_door_without_its_house_says_so(tmp_path: Path) -> None:
    (tmp_path / "site" / "miro_eval").mkdir(parents=True)
    shutil.copy(stage_code() / "miro_eval.py", tmp_path / "site" / "miro_eval" / "__init__.py")
    script = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]; import miro_eval; miro_eval.main()"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path / "site", capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr.count("\n")) == (4, 1), answer.stderr
    assert "the installation is incomplete" in answer.stderr


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_a_worker_s_module_is_ours(repository: Path, safe_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", safe_path)
    answer = started(repository, sys.executable, stage_code() / "wire" / "launch.py", "rewards", "missing.json")
    assert '"code": 2' in answer.stdout, answer.stderr
    assert "missing.json" in answer.stdout


def test_a_package_that_came_before_is_named(repository: Path) -> None:
    (repository / "rewards" / "__init__.py").write_text("")
    root = str(stage_code())
    script = f"import sys, rewards; sys.path.append({root!r}); import miro_eval"
    answer = started(repository, sys.executable, "-c", script)
    assert answer.stderr.splitlines()[-1].startswith("ImportError: a package 'rewards' of another origin")


@pytest.mark.parametrize(
    "line", ["from rewards.own import value", "import rewards; rewards.own", "from rewards import x"]
)
def test_a_scorer_that_wants_its_own_rewards_package_is_refused_by_name(tmp_path: Path, line: str) -> None:
    from rewards.own_scorer import load_scorers
    from wire.errors import UserError

    (tmp_path / "mine.py").write_text(f"{line}\n")
    with pytest.raises(UserError, match="'rewards' is miro-eval's own package here"):
        load_scorers([f"{tmp_path / 'mine.py'}:Mine"])
