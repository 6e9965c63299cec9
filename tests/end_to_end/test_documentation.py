"""Every command that README and docs show is run here, on the tiny world."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.real_environments import ROOT, miro_eval, world

#: Run as they are by other tests: the demo, the test command itself, and one that would delete a shared environment.
ELSEWHERE = {
    "pip install uv && uv run miro-eval demo": "test_demo.py",
    "uv run pytest": "this very run",
    "uv run miro-eval envs remove rewards": "test_environments.py",
}
#: What a documented sweep is shortened by.
SHORT = {
    "all": ["--limit", "12", "--samples", "1", "--steps", "2", "--tiny-world"],
    "sweep": ["--limit", "2", "--samples", "1", "--steps", "1", "--tiny-world"],
    "generate": ["--limit", "12", "--samples", "1", "--steps", "2", "--tiny-world"],
    "geneval": ["--tiny-world"],
    "rewards": ["--tiny-world"],
}


def documented_commands() -> list[str]:
    """Lines of the ``sh`` blocks of README and docs, comments stripped."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    blocks = [block for page in pages for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)]
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place that has what the documentation takes for granted: a checkpoint, and another model's results."""
    made = tmp_path_factory.mktemp("documentation")
    shutil.copytree(world().checkpoint.parent, made / "path" / "to")
    (made / "other_model").mkdir()
    metadata = {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"}
    row = {"filename": "00000/samples/0000.png", "tag": metadata["tag"], "prompt": metadata["prompt"], "correct": True}
    row |= {"reason": "", "metadata": json.dumps(metadata), "details": "{}"}
    (made / "other_model" / "results.jsonl").write_text(json.dumps(row) + "\n")
    return made


def test_the_readme_shows_the_two_commands() -> None:
    assert {"pip install uv && uv run miro-eval demo", "uv run pytest"} <= set(documented_commands())


def test_documented_commands_work_in_the_order_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    ran = 0
    for command in documented_commands():
        if command in ELSEWHERE:
            continue
        words = shlex.split(command)
        assert words[:3] == ["uv", "run", "miro-eval"], command
        answer = miro_eval(*words[3:], *SHORT.get(words[3], []))
        assert answer.returncode == 0, f"{command}\n{answer.stderr}"
        ran += 1
    assert ran >= 8
    assert (folder / "report" / "leaderboard.md").exists()
