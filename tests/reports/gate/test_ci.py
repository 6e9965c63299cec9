"""The documented pipelines: well-formed, and every miro-eval command in them one that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from harness.cli.app import app

CI = Path(__file__).resolve().parents[3] / "docs" / "ci"
FILES = ("github-gate.yml", "github-tiny-world.yml", "gitlab-gate.yml")


def commands(text: str) -> list[list[str]]:
    """The words after ``miro-eval`` of every command, up to a shell operator."""
    found = re.findall(r"uv run miro-eval ([^\n|&;]+)", text)
    return [shlex.split(words) for words in found]


@pytest.mark.parametrize("name", [*FILES, "README.md"])
def test_commands_parse(name: str) -> None:
    words = commands((CI / name).read_text())
    assert words
    for command in words:
        parse(command)


def parse(words: list[str]) -> None:
    """Walk down to the verb and let the command line's own parser read the rest; nothing is run."""
    group: Any = typer.main.get_command(app)
    while hasattr(group, "commands"):
        verb, *words = words
        assert verb in group.commands, f"no verb {verb}"
        group = group.commands[verb]
    group.make_context("miro-eval", list(words))


def test_the_check_of_commands_finds_faults() -> None:
    with pytest.raises(AssertionError, match="no verb chek"):
        parse(["chek", "a"])
    for wrong, part in (
        (["check", "a", "--baselin", "b"], "--baselin"),
        (["baseline", "save", "a"], "parameter: file"),
    ):
        with pytest.raises(Exception, match=part):
            parse(wrong)


@pytest.mark.parametrize("name", FILES)
def test_pipelines_are_yaml(name: str) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    record = yaml.safe_load((CI / name).read_text())
    steps = (
        record["jobs"]["gate"]["steps"] if "jobs" in record else [{"run": line} for line in record["gate"]["script"]]
    )
    scripts = "\n".join(step["run"] for step in steps if "run" in step)
    assert any(words[0] == "check" for words in commands(scripts))
    assert "${{" not in scripts  # inputs reach the shell as variables, never as text
