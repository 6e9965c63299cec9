"""A command that finds a run finished opens each of its files once, and makes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.noop import arguments, finished_run

PROMPTS, SAMPLES = 12, 2
#: Counts what a command opens below the run directory, and says which of the heavy libraries it has imported.
COUNTED = """
import json, os, sys
run, opened = sys.argv[1], []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        name = os.path.abspath(os.fspath(arguments[0]))
        if name.startswith(run + "/"):
            opened.append(name[len(run) + 1 :])
sys.addaudithook(hook)
sys.argv = ["miro-eval", *sys.argv[2:]]
from harness.cli import _run
code = _run()
heavy = [name for name in ("pandas", "scipy", "pyarrow", "matplotlib") if name in sys.modules]
print("\\n" + json.dumps({"code": code, "opened": opened, "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("noop") / "run"
    finished_run(run, PROMPTS, SAMPLES, 100)
    assert command(run)["heavy"]  # makes the report
    return run


def command(run: Path, *given: str) -> dict:
    import json

    line = [str(run), *(given or arguments(run, PROMPTS, SAMPLES))]
    answer = subprocess.run([sys.executable, "-c", COUNTED, *line], capture_output=True, text=True, check=True)
    told: dict = json.loads(answer.stdout.splitlines()[-1])
    assert told["code"] == 0, answer.stderr
    return told


def contents(run: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with the time it was written, but for the lock and its holder."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name not in ("lock", "holder")]
    return {str(path.relative_to(run)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_each_file_is_opened_once_and_none_is_written(finished: Path) -> None:
    before = contents(finished)
    told = command(finished)
    opened = Counter(told["opened"])
    images = [name for name in opened if name.endswith(".png")]
    assert len(images) == PROMPTS * SAMPLES
    assert len([name for name in opened if name.endswith("metadata.jsonl")]) == PROMPTS
    assert {"run.json", "images.jsonl", "results.jsonl", "rewards.jsonl"} <= opened.keys()
    assert {name for name, times in opened.items() if times > 1} <= {
        "work/lock",
        "work/holder",
        "report/leaderboard.json",
    }
    assert told["heavy"] == []
    assert contents(finished) == before
