"""Every command that README and docs show is run here, on the tiny world."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from harness.cli.app import app
from tests.real_environments import ROOT, miro_eval, world

#: Run as they are by other tests: the demo, the test command itself, and one that would delete a shared environment.
ELSEWHERE = {
    "pip install uv && uv run miro-eval demo": "test_demo.py",
    "uv run miro-eval demo --full --env-backend uv --out miro-eval-demo-full": "test_demo.py",
    "uv run --group dev pytest": "this very run",
    "uv run miro-eval envs remove rewards": "test_environments.py",
}
#: Commands that pages show with placeholders, and what is run in their place after all the others.
FILLED_IN = {
    "miro-eval view RUN": "view images",
    "miro-eval view RUN OTHER --out DIR": "view images path/to/geneval_images/last --out both",
    "miro-eval view results.jsonl": "view images/results.jsonl --out rows_alone",
    "miro-eval compare A B": "compare images path/to/geneval_images/last",
    "miro-eval baseline save RUN baseline.json": "baseline save images again.json",
    "uv run miro-eval baseline save path/to/run ci/baseline.json": "baseline save images ci/baseline.json",
    "miro-eval check --init gate.toml": "check --init gate.toml",
    "uv run miro-eval check --init ci/gate.toml": "check --init ci/gate.toml",
    "miro-eval check CANDIDATE --baseline baseline.json --policy gate.toml --out gate --gallery gate/gallery": (
        "check images --baseline baseline.json --policy gate.toml --out gate --gallery gate/gallery --subset"
    ),
    "miro-eval geneval --rejudge results.jsonl --out stricter.jsonl --confidence-threshold 0.5": (
        "geneval --rejudge images/results.jsonl --out stricter.jsonl --confidence-threshold 0.5"
    ),
    "miro-eval run show RUN 00123/0002": "run show images FIRST_IMAGE",
}
#: Commands that another test runs, for they need a cluster, other weights or files of the user's.
BY_ANOTHER_TEST = {
    "miro-eval check NEW_RUN --checkpoint CHECKPOINT --baseline baseline.json --looks 100,200,553": (
        "tests/end_to_end/test_ci.py"
    ),
    "miro-eval geneval --self-test": "tests/geneval/test_self_test.py",
    "miro-eval all images": "tests/end_to_end/test_other_generators.py",
    "miro-eval all --generator my_model:images --out runs/my-model": "tests/end_to_end/test_other_generators.py",
    "miro-eval all path/to/pipeline": "tests/end_to_end/test_other_generators.py",
    "miro-eval all stabilityai/stable-diffusion-xl-base-1.0 --backend diffusers": (
        "tests/generation/backends/test_diffusers_pipeline.py"
    ),
    "miro-eval rewards RUN --metric diversity_dinov2 --metric vendi_dinov2": (
        "tests/end_to_end/test_within_prompts.py"
    ),
    "miro-eval analyse RUN --judges": "tests/reports/analysis/test_judges.py",
    "miro-eval analyse RUN --labels labels.csv": "tests/reports/analysis/test_judges.py",
    "miro-eval suites fetch geneval2": "tests/generation/suites/test_fetched.py",
    "miro-eval suites fetch dpg": "tests/generation/suites/test_fetched.py",
    "miro-eval all path/to/last.ckpt --suite dpg": "tests/end_to_end/test_dpg.py",
    "miro-eval all path/to/last.ckpt --suite geneval2": "tests/end_to_end/test_geneval2.py",
    "miro-eval rewards RUN --scorer my_scorer.py:Brightness": "tests/harness/test_rewards_verbs.py",
    "miro-eval rewards RUN --scorer brightness": "tests/harness/test_rewards_verbs.py",
    "miro-eval rewards RUN --metric clip_jina --scorer contrast.py:Contrast": "tests/end_to_end/test_environments.py",
    "miro-eval calibrate [--metric ID] [--published-images FOLDER]": "tests/rewards/test_calibration.py",
    "miro-eval all CHECKPOINT --out RUN --executor slurm --partition gpu --gres gpu:1 --shards 16 "
    "--slurm-arg time=2:00:00": "tests/slurm/test_slurm.py",
    "miro-eval paper figures --from paper --out figures --format pdf": "tests/reports/paper/test_figures.py",
    "miro-eval paper figures MIRO=runs/mine --only fig6": "tests/reports/paper/test_figures.py",
    "miro-eval paper strips --from paper --out figures --format pdf": "tests/harness/test_cli_paper.py",
    "miro-eval view A B C --grid": "tests/harness/test_cli_view.py",
    "miro-eval jobs status RUN": "tests/slurm/test_slurm.py",
    "miro-eval jobs cancel RUN": "tests/slurm/test_slurm.py",
}
#: What a documented sweep is shortened by.
SHORT = {
    "all": ["--limit", "12", "--samples", "1", "--steps", "2", "--tiny-world"],
    "sweep": ["--limit", "2", "--samples", "1", "--steps", "1", "--tiny-world"],
    "generate": ["--limit", "12", "--samples", "1", "--steps", "2", "--tiny-world"],
    "geneval": ["--tiny-world"],
    "rewards": ["--tiny-world"],
}


def pages() -> list[str]:
    """README and docs."""
    return [page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]]


def documented_commands() -> list[str]:
    """Lines of the ``sh`` blocks of README and docs, comments stripped."""
    blocks = [block for page in pages() for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)]
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def shown_commands() -> set[str]:
    """Commands in every other block, fenced or indented."""
    rest = [re.sub(r"```sh\n.*?```", "", page, flags=re.DOTALL) for page in pages()]
    lines = [line for page in rest for line in re.findall(r"^ *((?:uv run )?miro-eval .*)$", page, re.MULTILINE)]
    return {line.split("  #")[0].strip() for line in lines if "`" not in line}


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
    assert {"pip install uv && uv run miro-eval demo", "uv run --group dev pytest"} <= set(documented_commands())


def test_ci_runs_what_the_readme_and_contributing_show() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    shown = re.findall(r"```sh\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    lines = [line for block in shown for line in block.splitlines()]
    assert len(lines) == 4
    assert all(line.replace("uv sync", "uv sync --quiet") in ci.splitlines() for line in lines)
    assert ci.splitlines()[-1].endswith('" uv run --group dev pytest')


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
    (folder / "ci").mkdir()
    first = next((folder / "images").glob("*/samples/*.png"))
    for shown, command in FILLED_IN.items():
        words = command.replace("FIRST_IMAGE", f"{first.parts[-3]}/{first.stem}").split()
        answer = miro_eval(*words)
        assert answer.returncode == 0, f"{shown}\n{answer.stderr}"


def test_every_other_command_is_run_too_or_by_a_test_that_is_named() -> None:
    assert shown_commands() == FILLED_IN.keys() | BY_ANOTHER_TEST.keys()
    assert all((ROOT / test).is_file() for test in BY_ANOTHER_TEST.values())


@pytest.mark.parametrize("command", sorted(BY_ANOTHER_TEST))
def test_verbs_and_options_that_pages_show_exist(command: str) -> None:
    words = shlex.split(re.sub(r"[\[\]]", "", command.removeprefix("uv run ")))[1:]
    verb: Any = get_command(app)
    while hasattr(verb, "commands"):
        name, *words = words
        assert name in verb.commands
        verb = verb.commands[name]
    verb.make_context("miro-eval", words)


def anchors(page: Path) -> set[str]:
    """Names by which GitHub links to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *ROOT.glob("bench/**/*.md")], ids=str
)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s:]+)\)", text):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
