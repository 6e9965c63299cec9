"""Installed from its wheel, the program carries what it needs to make the environments and to run the stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from harness.environments import uv
from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS
from tests.real_environments import ROOT
from tests.reports.builders import SMALL, sweep, write_rows

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


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_wheel_works_in_a_fresh_python(python: str, installed: Path, tmp_path: Path) -> None:
    """With Python 3.11 `demo` is in tests/end_to_end/test_ci.py: it takes most of a minute."""
    tool = uv.find()
    assert tool is not None
    if subprocess.run([tool, "python", "find", "--system", python], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {python} is here")
    (wheel,) = installed.glob("*.whl")
    subprocess.run([tool, "venv", "--quiet", "--python", python, tmp_path / "venv"], check=True)
    subprocess.run([tool, "pip", "install", "--quiet", "--python", tmp_path / "venv", wheel], check=True)
    run = tmp_path / "run"
    demo = ["demo", "--limit", "14", "--samples", "1", "--device", "cpu", "--out", run]
    if python == "3.11":
        write_rows(run / "results.jsonl", sweep(SMALL))
    for words in (
        ["--version"] if python == "3.11" else demo,
        ["report", run],
        ["baseline", "save", run, "b.json"],
        ["check", run, "--baseline", "b.json"],
    ):
        answer = subprocess.run(
            [tmp_path / "venv" / "bin" / "miro-eval", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1].startswith("gate: passes")
    assert (tmp_path / "report" / "leaderboard.html").exists()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the list of files is git's")
def test_the_source_archive_holds_what_its_tests_read_and_says_what_it_is(tmp_path: Path) -> None:
    tool = uv.find()
    assert tool is not None
    subprocess.run([tool, "build", "--quiet", "--sdist", "--out-dir", tmp_path, ROOT], check=True)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
        said = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert said is not None
        metadata = said.read().decode().partition("\n\n")[0]
    # The tests that need neither a model nor an environment pass from it alone, without the clone and without git.
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    pure = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    home = tmp_path / path.name.removesuffix(".tar.gz")
    for more in (["--collect-only"], ["tests/judge", "tests/wire/test_cards.py", "tests/reports/statistics"]):
        answer = subprocess.run([*pure, *more], cwd=home, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout[-2000:]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {Path(name) for name in tracked.splitlines()} <= files
    assert all(f"\n{field}: " in metadata for field in ("Author", "Keywords", "Project-URL", "Classifier"))
