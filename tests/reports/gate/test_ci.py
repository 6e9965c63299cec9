"""The documented pipelines: well-formed, and every miro-eval command in them one that exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

from harness.cli.app import app

CI = Path(__file__).resolve().parents[3] / "docs" / "ci"
FILES = ("github-gate.yml", "github-sequential.yml", "github-tiny-world.yml", "gitlab-gate.yml")


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


def faults(text: str, schema: str) -> list[str]:
    """What in a pipeline departs from the form that its reader publishes; the schemas come with check-jsonschema."""
    record = YAML(typ="safe", pure=True).load(text)
    validator = jsonschema.Draft7Validator(get_builtin_schema(schema))
    return [error.message for error in validator.iter_errors(record)]


@pytest.mark.parametrize("name", FILES)
def test_pipelines_have_the_form_that_github_and_gitlab_publish(name: str) -> None:
    schema = "vendor.gitlab-ci" if name.startswith("gitlab") else "vendor.github-workflows"
    text = (CI / name).read_text()
    assert faults(text, schema) == []
    assert faults(text.replace("timeout-minutes:", "timeout:").replace("script:", "scripts:"), schema)


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_no_fault() -> None:
    workflows = [CI / name for name in FILES if name.startswith("github")]
    answer = subprocess.run(["actionlint", *workflows], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
