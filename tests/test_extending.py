"""What docs/extending.md promises: one of each is added from a single file (an option: see test_signature.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import geneval.detectors
import harness.executors
from geneval.detectors import DETECTORS, Execution, load_detector
from harness.cli.app import app
from harness.executors import EXECUTORS, find
from harness.run.settings import RunSettings
from tests.real_environments import ROOT
from wire.errors import EnvironmentFailure, UserError

DETECTOR = """
class Drawn:
    def __init__(self, weights, config, execution):
        self.name = f"drawn/{execution.device}"
"""
EXECUTOR = """
def run(pipelines, stages):
    return [None for _ in pipelines]
"""


def test_a_metric(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own_scorer.md").read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Brightness" in block)
    file = tmp_path / "my_scorer.py"
    file.write_text(code.replace("higher_is_better=True", "higher_is_better=False"))
    answer = CliRunner().invoke(app, ["rewards", "--list", "--scorer", f"{file}:Brightness"])
    assert answer.exit_code == 0, answer.output
    assert "brightness" in answer.output
    assert "lower is better" in answer.output


def test_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawn.py").write_text(DETECTOR)
    monkeypatch.setattr(geneval.detectors, "__path__", [*geneval.detectors.__path__, str(tmp_path)])
    monkeypatch.setitem(DETECTORS, "drawn", "geneval.detectors.drawn:Drawn")
    assert load_detector("drawn", tmp_path, None, Execution("cpu")).name == "drawn/cpu"
    (tmp_path / "drawn_by_hand.py").write_text("import a_package_that_nobody_has")
    monkeypatch.setitem(DETECTORS, "by hand", "geneval.detectors.drawn_by_hand:Drawn")
    with pytest.raises(EnvironmentFailure, match="a_package_that_nobody_has is not installed"):
        load_detector("by hand", tmp_path, None, Execution("cpu"))


def test_an_executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="unknown executor 'nobody'"):
        find(RunSettings(executor="nobody"))
    (tmp_path / "nobody.py").write_text(EXECUTOR)
    monkeypatch.setattr(harness.executors, "__path__", [*harness.executors.__path__, str(tmp_path)])
    monkeypatch.setattr(harness.executors, "EXECUTORS", [*EXECUTORS, "nobody"])
    assert find(RunSettings(executor="nobody"))([], []) == []
