"""Inputs that people really have, a folder each: no command that needs no model makes "a bug of ours" of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.test_cli import run
from tests.shared_data import shared
from wire.errors import ExitCode

SUITE = "prompts/geneval_evaluation_metadata.jsonl"
#: What the cases of `reporting` make their rows with; it does not lie beside them.
LIBRARY = """
import json, random
SUITE = [json.loads(line) for line in open("../shared/data/prompts/geneval_evaluation_metadata.jsonl")]
SEVEN = ["clip", "aesthetic", "image_reward", "pick_score", "hpsv2.1", "vqa_score", "sciscore"]

def put(path, make, seed=0, samples=4, limit=None, keep=lambda i, meta, s: True, mutate=lambda row, i, s: row):
    chance = random.Random(seed)
    with open(path, "w") as file:
        for i, meta in enumerate(SUITE[:limit]):
            for s in range(samples):
                row = {"filename": f"{i:05d}/samples/{s:04d}.png", "prompt": meta["prompt"], **make(meta, chance)}
                if keep(i, meta, s):
                    file.write(json.dumps(mutate(row, i, s)) + "\\n")

def verdicts(path, **how):
    def make(meta, chance):
        ok = chance.random() < 0.6
        return {"tag": meta["tag"], "correct": ok, "reason": "", "metadata": json.dumps(meta), "details": "{}"}
    put(path, make, **how)

def rewards(path, metrics=SEVEN, shift=0.0, **how):
    put(path, lambda meta, chance: {name: chance.gauss(0.5 + shift, 0.1) for name in metrics}, **how)
"""


def names() -> list[str]:
    """``generation/04`` and so on; none where they are absent."""
    try:
        folder = shared("cases")
    except pytest.skip.Exception:
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/[0-9]*"))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all cases, beside the data that their programs read: of the suite's prompts every third."""
    folder = tmp_path_factory.mktemp("cases")
    shutil.copytree(shared("cases"), folder, dirs_exist_ok=True, symlinks=True, copy_function=shutil.copyfile)
    for place in [path for path in (folder, *folder.rglob("*")) if path.is_dir() and not path.is_symlink()]:
        place.chmod(0o755)
    data = folder / "shared" / "data"
    (data / "prompts").mkdir(parents=True)
    (data / "images").symlink_to(shared("data/images"))
    lines = shared(f"data/{SUITE}").read_text(encoding="utf-8").splitlines(keepends=True)
    (data / SUITE).write_text("".join(lines[::3]), encoding="utf-8")
    (folder / "generation" / "shared").symlink_to(folder / "shared")
    (folder / "reporting" / "lib.py").write_text(LIBRARY, encoding="utf-8")
    return folder


def made(case: Path) -> list[Path]:
    """Every folder and file of a case that could be taken for a run, after its program has run."""
    if (case / "make.py").exists():
        alone = case.parent.name == "generation"
        words = ["make.py"] if alone else [f"{case.name}/make.py", f"{case.name}/runs"]
        command = [sys.executable, *words]
        answer = subprocess.run(
            command, cwd=case if alone else case.parent, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0 or "No module named 'torch'" in answer.stderr, answer.stderr
    inside = [path for path in case.rglob("*") if not any(part.isdecimal() for part in path.relative_to(case).parts)]
    return [case, *sorted(path for path in inside if path.is_dir() or path.suffix in (".jsonl", ".json", ".toml"))]


def commands(path: Path, sound: Path, out: Path) -> Iterator[tuple[str | Path, ...]]:
    """What is tried on a folder or file; ``sound`` is a run that is well."""
    yield "report", path, "--out", out
    yield "check", path, "--baseline", sound
    yield "analyse", path, "--out", out
    yield "compare", sound, path
    yield "track", path, "--out", out
    yield "paper", "table1", f"MIRO={path}"
    yield "view", path, "--out", out
    yield "baseline", "save", path, out / "baseline.json"
    yield "plan", path
    if path.is_dir():
        yield "verify", path
        yield "repro", path
        yield "show", path, "00000/0000"
        yield "rewards", path, "--metric", "none"
        yield "status", path
    else:
        yield "geneval", "--rejudge", path, "--out", out / "rows.jsonl"
        yield "plan", "a/b", "--suite", path
        yield "check", sound, "--baseline", sound, "--policy", path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    lines = shared(f"data/{SUITE}").read_text(encoding="utf-8").splitlines()[::20]
    rows = [
        {"filename": f"{index:05d}/samples/0000.png", "tag": one["tag"], "prompt": one["prompt"], "correct": True}
        | {"reason": "", "metadata": line, "details": "{}"}
        for index, line in enumerate(lines)
        if (one := json.loads(line))
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.filterwarnings("ignore")  # what plots and tables warn of decides no exit code
@pytest.mark.parametrize("name", names())
def test_no_case_is_a_bug_of_ours(name: str, cases: Path, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command meets a case's first inputs; of many inputs, each meets some of the commands, in turn."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(sound)
    paths = made(cases / name)
    turns = max(2, 18 // len(paths))
    for number, path in enumerate(paths):
        out = cases / "out" / name / str(number)
        out.mkdir(parents=True)
        tried = list(commands(path, sound, out))
        for turn in range(turns if os.environ.get("MIRO_EVAL_ALL_CASES") is None else len(tried)):
            words = tried[(number * turns + turn) % len(tried)]
            answer = run(*words)
            assert answer.returncode in set(ExitCode) - {ExitCode.BUG}, (*words, answer.stderr)
            assert "Traceback" not in answer.stderr, words
