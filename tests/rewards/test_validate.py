"""What is wrong with reward settings is found before anything is made, all of it, and without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rewards.settings import RewardSettings, validate
from tests.rewards.test_own_scorer import EXAMPLE, ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user is, with scorers of every kind."""
    for name, text in {
        "good": EXAMPLE,
        "twin": EXAMPLE,
        "taken": EXAMPLE.replace('metric="brightness"', 'metric="vqa"'),
        "broken": EXAMPLE.replace("from rewards.scorers.base", "from no_such_module"),
        "torchy": f"import torch_that_is_not_here\n{EXAMPLE}",
    }.items():
        (tmp_path / f"validated_{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def own(*names: str) -> tuple[str, ...]:
    return tuple(f"validated_{name}:Brightness" for name in names)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"metrics": ("vqa", "hpsv2.0"), "precision": "fast", "batch_size": 1, "rescore": ("vqa",)},
        {"metrics": (), "scorers": own("good")},
        {"metrics": ("vqa",), "scorers": own("good"), "rescore": ("brightness", "vqa")},
    ],
)
def test_nothing_is_wrong_with_these(chosen: dict[str, Any], folder: Path) -> None:
    assert validate(RewardSettings(**chosen), folder) == []


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"metrics": ("imagereward",)}, ["unknown metric imagereward; choose from: clip_jina, "]),
        ({"metrics": ()}, ["no metric given"]),
        ({"precision": "half"}, ["--reward-precision 'half': expected reference or fast"]),
        ({"batch_size": 0}, ["--reward-batch-size 0: expected a whole number, 1 or more"]),
        ({"scorers": ("nowhere:Class",)}, ["scorer nowhere:Class: cannot be imported"]),
        ({"scorers": ("nonsense",)}, ["scorer 'nonsense': expected module:Class"]),
        ({"scorers": own("broken")}, ["cannot be imported (ModuleNotFoundError"]),
        ({"scorers": own("torchy")}, ["import those inside its methods"]),
        ({"scorers": own("taken")}, ["metric id 'vqa' is taken"]),
        ({"scorers": own("good", "twin")}, ["metric id 'brightness' is another --scorer's"]),
        ({"metrics": ("vqa",), "rescore": ("aesthetic",)}, ["--rescore aesthetic: not among the metrics"]),
        (
            {"metrics": ("x",), "precision": "y", "batch_size": -1, "scorers": own("broken", "good", "taken")},
            [
                *("--reward-precision 'y'", "--reward-batch-size -1", "unknown metric x"),
                *("cannot be imported", "metric id 'vqa' is taken"),
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_told_a_line_each(chosen: dict[str, Any], told: list[str], folder: Path) -> None:
    faults = validate(RewardSettings(**chosen), folder)
    assert len(faults) == len(told)
    assert all(words in fault and "\n" not in fault for fault, words in zip(faults, told, strict=True))


def test_torch_is_not_imported(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rewards.settings import RewardSettings, validate; "
        f"validate(RewardSettings(('x',), scorers={own('good')}), Path({str(folder)!r})); "
        "print([m for m in ('torch', 'transformers', 'PIL', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
