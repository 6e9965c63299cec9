"""The action and the GitLab component at work: in another git repository, from the built wheel, on the tiny world.

No runner of either forge is here: their steps are read from the files and run by bash, as the forges document it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.environments import uv
from tests.real_environments import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SPEC, JOBS = yaml.safe_load_all((ROOT / "templates" / "gate.yml").read_text())
POLICIES = {
    "passes": "[metrics.overall]\nfloor = 0.0\n",
    "fails": "[metrics.overall]\nfloor = 1.0\n",
    "cannot tell": "[metrics.overall]\nmargin = 0.02\n",
    "strict": 'cannot_tell = "fail"\n[metrics.overall]\nmargin = 0.02\n',
}


@dataclass
class Ended:
    """How a job ended: its exit code, what it printed, the outputs and the summary of the action."""

    code: int
    log: str
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


@dataclass(frozen=True)
class Repository:
    """A git repository that knows this project by its wheel alone."""

    folder: Path
    wheel: Path
    checkpoint: str

    def inputs(self, policy: str, **others: str) -> dict[str, str]:
        """``out`` is one folder for all jobs, so that the candidate is made once."""
        given = {
            "checkpoint": self.checkpoint,
            "package": str(self.wheel),
            "options": "--tiny-world --device cpu --env-backend mmcv-lite",
        }
        return given | {"policy": f"ci/{policy}.toml", "looks": "12,14"} | others


def bash(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    # Another repository's job has neither our clone nor our interpreter's environment.
    mine = {"VIRTUAL_ENV", "PYTHONPATH"} | {name for name in os.environ if name.startswith(("GITHUB_", "PYTEST_"))}
    environment = {name: value for name, value in os.environ.items() if name not in mine} | variables
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """With a committed baseline, of the wheel's own demo, and policies."""
    folder = tmp_path_factory.mktemp("training-code")
    tool = uv.find()
    assert tool is not None
    subprocess.run([tool, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    (folder / "ci").mkdir()
    for name, text in POLICIES.items():
        (folder / "ci" / f"{name}.toml").write_text(text)
    script = f"""
        uvx --from {wheel} miro-eval demo --limit 14 --samples 1 --steps 2 --out first
        uvx --from {wheel} miro-eval baseline save first ci/baseline.json
        git init --quiet . && printf 'dist\\nfirst\\nmiro-eval-gate\\n' > .gitignore && git add .
        git -c user.name=t -c user.email=t@t commit --quiet -m baseline
    """
    answer = bash(script, folder)
    assert answer.returncode == 0, answer.stderr
    record = json.loads((folder / "first" / "run.json").read_text())
    return Repository(folder, wheel, record["checkpoint"]["path"])


def filled(value: Any, known: dict[str, str]) -> Any:
    """A step's text with ``${{ ... }}`` and ``$[[ ... ]]`` filled in; an unknown expression is a KeyError."""
    if isinstance(value, dict):
        return {name: filled(one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, known) for one in value]
    return re.sub(r"\$(?:\{\{|\[\[)\s*(.*?)\s*(?:\}\}|\]\])", lambda found: str(known[found[1]]), str(value))


def defaults(inputs: dict[str, Any], given: dict[str, str]) -> dict[str, str]:
    assert given.keys() <= inputs.keys()
    values = {name: given.get(name, about.get("default")) for name, about in inputs.items()}
    return {f"inputs.{name}": value for name, value in values.items()}


def action(repository: Repository, **given: str) -> Ended:
    """The action's own steps; those of other actions (cache, upload) are only filled in."""
    known, ended = defaults(ACTION["inputs"], given), Ended(0, "")
    files = {name: repository.folder / "dist" / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV")}
    for step in ACTION["runs"]["steps"]:
        filled(step.get("with", {}), known)
        if "run" not in step or (ended.code and step.get("if") != "always()"):
            continue
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]  # inputs reach the shell as variables, never as text
        for file in files.values():
            file.write_text("")
        variables = {name: str(path) for name, path in files.items()} | filled(step.get("env", {}), known)
        answer = bash(step["run"], repository.folder, GITHUB_ACTIONS="true", **variables)
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}
        ended.code, ended.log = ended.code or answer.returncode, ended.log + answer.stdout + answer.stderr
        ended.summary += files["GITHUB_STEP_SUMMARY"].read_text()
    for name, about in ACTION["outputs"].items():
        expression = about["value"].strip("${ }")
        ended.outputs[name] = known.get(expression, "")
    return ended


def component(repository: Repository, **given: str) -> Ended:
    """The component's job, its scripts in one shell."""
    (job,) = JOBS.values()
    job = filled(
        {name: value for name, value in job.items() if name != "image"}, defaults(SPEC["spec"]["inputs"], given)
    )
    # The tests' environments are where they always are.
    variables = {name: value for name, value in job["variables"].items() if "CI_PROJECT_DIR" not in value}
    answer = bash("\n".join([*job["before_script"], *job["script"]]), repository.folder, **variables)
    assert (repository.folder / job["artifacts"]["reports"]["junit"]).exists() or answer.returncode > 1
    return Ended(answer.returncode, answer.stdout + answer.stderr)


ENDS = {"passes": (0, "passes"), "fails": (1, "fails"), "cannot tell": (0, "cannot tell"), "strict": (1, "fails")}


@pytest.mark.parametrize("policy", ENDS)
def test_the_action_in_another_repository(repository: Repository, policy: str) -> None:
    code, verdict = ENDS[policy]
    ended = action(repository, **repository.inputs(policy))
    assert ended.code == code, ended.log
    gate = repository.folder / "miro-eval-gate" / "gate"
    record = json.loads((gate / "gate.json").read_text())
    assert record["verdict"] in ended.log
    assert record["looks"]["planned"] == [12, 14]
    assert (record["baseline"], record["candidate"]) == ("ci/last", "candidate/last")
    assert ended.outputs == {"verdict": verdict, "exit-code": str(code)}
    assert ended.summary.startswith(f"# Gate {'fails' if code else 'passes'}: ")
    assert ("::error title=" in ended.log, "::warning title=" in ended.log) == (code == 1, policy == "cannot tell")
    # No metric is judged that the policy does not ask for: nothing is spent on it.
    assert not (gate.parent / "candidate" / "rewards.jsonl").exists()
    # The same checkpoint and settings: the same images, however they came about, and no verdict that flips.
    first, second = (
        {
            row["filename"]: row["image_sha256"]
            for row in map(json.loads, (run / "images.jsonl").read_text().splitlines())
        }
        for run in (repository.folder / "first", gate.parent / "candidate")
    )
    assert len(second) == record["looks"]["prompts"]
    assert second.items() <= first.items()
    assert record["gallery"]["flips"] == 0


def test_the_uploaded_gallery_has_its_images(repository: Repository, tmp_path: Path) -> None:
    assert action(repository, **repository.inputs("passes")).code == 0
    uploaded = shutil.copytree(repository.folder / "miro-eval-gate" / "gate", tmp_path / "artifact")
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', (uploaded / "gallery" / "index.html").read_text()
    )
    candidate = json.loads(block)["runs"][1]["records"]
    assert len(candidate) >= 12
    assert all((uploaded / "gallery" / record["image"]).is_file() for record in candidate)
    assert "[gallery of the two runs](gallery/index.html)" in (uploaded / "gate.md").read_text()


@pytest.mark.parametrize("policy", ["passes", "fails", "cannot tell"])
def test_the_component_in_another_repository(repository: Repository, policy: str) -> None:
    code, _ = ENDS[policy]
    ended = component(repository, **repository.inputs(policy))
    assert ended.code == code, ended.log
    assert json.loads((repository.folder / "miro-eval-gate/gate/gate.json").read_text())["verdict"] in ended.log


@pytest.mark.parametrize("forge", [action, component])
def test_what_cannot_be_judged_is_no_verdict(repository: Repository, forge: Callable[..., Ended]) -> None:
    ended = forge(repository, **repository.inputs("passes", baseline="ci/none.json"))
    assert ended.code == 2
    assert "ci/none.json" in ended.log
    if forge is action:
        assert ended.outputs == {"verdict": "", "exit-code": "2"}


def test_the_package_is_pinned_to_this_version() -> None:
    from importlib.metadata import version

    pinned = f"miro-eval=={version('miro-eval')}"
    assert ACTION["inputs"]["package"]["default"] == SPEC["spec"]["inputs"]["package"]["default"] == pinned
