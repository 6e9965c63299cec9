"""The paper from nothing, by one command, on the tiny world; and the same command again, which changes nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from reports.paper.results import FIGURE, LEADERBOARD, TABLE, results
from tests.real_environments import miro_eval, world


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All results, four prompts of each suite; the tiny checkpoint stands for what was not published."""
    folder = tmp_path_factory.mktemp("everything")
    answer = reproduce(folder)
    assert answer.returncode == 0, answer.stderr
    return folder / "paper"


def reproduce(folder: Path) -> subprocess.CompletedProcess[str]:
    given = [f"--checkpoint=baseline={world().checkpoint}", f"--training=baseline={world().checkpoint}"]
    command = ["paper", "reproduce", "--all", "--tiny-world", "--limit", "4", "--out", folder / "paper", "--run"]
    return miro_eval(*command, *given, "--device", "cpu", timeout=2400)


def hashes(folder: Path) -> dict[str, str]:
    """Of everything but logs and what notes times."""
    files = (path for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts)
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("run.json", "table1.md", "table3.md") and "work" not in path.parts
    }


def test_every_table_figure_and_strip_is_there(everything: Path) -> None:
    for result in results().values():
        if result.kind == TABLE:
            text = (everything / "tables" / f"{result.key}.md").read_text()
            assert "not comparable (random weights" in text
        elif result.kind == LEADERBOARD:
            assert list((everything / result.key).rglob("leaderboard.md")), result.key
        elif result.kind == FIGURE:
            assert (everything / "figures" / f"{result.key}.png").stat().st_size > 5000, result.key
    for key in ("fig7-left", "interpolation"):
        assert (everything / "figures" / f"{key}.png").stat().st_size > 5000
    run = json.loads((everything / "isolation" / "miro" / "clip" / "run.json").read_text())
    assert run["protocol"]["negative_reward_targets"]["clip_score"] == 0
    assert sum(run["protocol"]["negative_reward_targets"].values()) == 6


def test_a_second_time_does_nothing(everything: Path) -> None:
    before = hashes(everything)
    answer = reproduce(everything.parent)
    assert answer.returncode == 0, answer.stderr
    assert hashes(everything) == before
    assert "loading models" not in answer.stderr
