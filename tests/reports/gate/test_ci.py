"""The action, the component and the workflow: of the form their readers publish, and every command in them exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

from harness.cli.app import app

ROOT = Path(__file__).resolve().parents[3]
#: File -> the schema of what it is; they come with check-jsonschema.
FILES = {
    "action.yml": "vendor.github-actions",
    "templates/gate.yml": "vendor.gitlab-ci",
    "docs/ci/github-gate.yml": "vendor.github-workflows",
}


def commands(text: str) -> list[list[str]]:
    """The words after ``miro-eval`` of every command, up to a shell operator; expansions of inputs left out."""
    joined = re.sub(r"\\?\n {4,}(?=[-$\w])", " ", text)
    found = re.findall(r"(?:uv run|uvx --from \S+) miro-eval ([^\n|&;`]+)", joined)
    return [shlex.split(re.sub(r'\$\{\w+:\+[^}]*\}|"\$\{more\[@\]\}"', "", words)) for words in found]


@pytest.mark.parametrize("name", ["action.yml", "templates/gate.yml", "docs/ci/README.md"])
def test_commands_parse(name: str) -> None:
    words = commands((ROOT / name).read_text())
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


def faults(text: str, schema: str) -> list[str]:
    """What departs from the form that its reader publishes; a component's inputs are not part of the pipeline."""
    *_, record = YAML(typ="safe", pure=True).load_all(text)
    validator = jsonschema.Draft7Validator(get_builtin_schema(schema))
    return [error.message for error in validator.iter_errors(record)]


@pytest.mark.parametrize("name", FILES)
def test_each_has_the_form_that_its_forge_publishes(name: str) -> None:
    text = re.sub(r"tags: \$\[\[.*\]\]", "tags: [gpu]", (ROOT / name).read_text())  # an array once it is filled in
    assert faults(text, FILES[name]) == []
    assert faults(re.sub(r"timeout-minutes:|script:|using:", "wrong:", text), FILES[name])


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    names = ("action.yml", "docs/ci/github-gate.yml")
    action, workflow = (YAML(typ="safe", pure=True).load((ROOT / name).read_text()) for name in names)
    (given,) = (step["with"] for step in workflow["jobs"]["gate"]["steps"] if "with" in step)
    assert given.keys() <= action["inputs"].keys()
    assert {name for name, about in action["inputs"].items() if about.get("required")} <= given.keys()
