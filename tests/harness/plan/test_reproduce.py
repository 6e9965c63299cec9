from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from generation.tiny_world.__main__ import DIFFUSERS_REPOS
from harness.cli import session
from harness.cli.app import app
from harness.plan import reproduce
from harness.plan.evaluations import Evaluation
from harness.run.settings import GenerationSettings
from reports.analysis import sweep
from reports.paper.commands import Command, Reproduction, commands
from reports.paper.results import Input, checkpoints, results
from wire.errors import ExitCode
from wire.vocabulary import TAGS


@dataclass(frozen=True)
class Planned:
    """What a run would hold."""

    samples: int
    metrics: frozenset[str]
    stages: tuple[str, ...]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reproduction], dict[Path, Planned]]:
    """Goes through the command line of every command, up to where the runs would be made."""
    found: dict[Path, Planned] = {}

    def note(evaluations: list[Evaluation], **_: Any) -> None:
        for one in evaluations:
            generation = one.settings.generation
            assert isinstance(generation, GenerationSettings)
            metrics = frozenset(one.settings.rewards.metrics)
            found[one.settings.out] = Planned(generation.samples, metrics, one.stages)

    monkeypatch.setattr(session, "run_evaluations", note)
    monkeypatch.setattr(sweep, "write_sweep", lambda *_: sweep.SweepFiles(Path(), ()))

    def of(wanted: Reproduction) -> dict[Path, Planned]:
        found.clear()
        for command in commands(wanted):
            if command.words[0] in ("all", "sweep"):
                result = CliRunner().invoke(app, [*command.words], catch_exceptions=False)
                assert result.exit_code == 0, result.output
        return dict(found)

    return of


def places(needed: Input, model: str, out: Path, made: dict[Path, Planned]) -> list[Path]:
    folder = out / needed.set.key / model
    if needed.points:
        return [folder / point for point in needed.points]
    if needed.set.points:
        return [folder / point for point in needed.set.points]
    return [place for place in made if place.parent == folder] if needed.set.many else [folder]


def test_the_commands_make_what_every_table_and_figure_is_drawn_from(
    tmp_path: Path, planned: Callable[[Reproduction], dict[Path, Planned]]
) -> None:
    for step in (25, 50):
        folder = tmp_path / f"step={step}"
        folder.mkdir()
        for name in ("config.json", "model.safetensors", "uncond_embedding.npy"):
            (folder / name).write_bytes(b"{}")
    given = {name: str(tmp_path / "step=25") for name, one in checkpoints().items() if not one.checkpoint}
    models = {model for result in results().values() for one in result.inputs for model in one.models}
    training = dict.fromkeys(models, str(tmp_path / "step=*"))
    out = tmp_path / "out"
    made = planned(Reproduction(out=str(out), own=given, training=training, tiny_world=True))
    for result in results().values():
        for needed in result.inputs:
            for model in needed.models:
                found = places(needed, model, out, made)
                assert len(found) >= (2 if needed.set.many and not needed.points else 1), (result.key, needed.set.key)
                for place in found:
                    run = made[place]
                    assert run.samples == needed.set.samples
                    assert run.metrics >= {*needed.set.metrics}
        shown = {metric for one in result.inputs for metric in one.set.metrics}
        assert {*result.shows} - {"geneval", *TAGS} <= shown
        if "geneval" in result.shows:
            assert any(one.set.suite.startswith("geneval") for one in result.inputs)


def test_the_tiny_world_has_the_papers_other_models() -> None:
    others = {one.checkpoint for one in checkpoints().values() if one.family == "diffusers"}
    assert others == {*DIFFUSERS_REPOS}


def run_of(*words: str, suite: str = "") -> Command:
    return Command(words, suite=suite)


def test_commands_are_run_until_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"a": 0, "b": 5, "c": 2, "never": 0}
    ran: list[str] = []

    def run(program: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        assert program[0] == sys.executable
        ran.append(program[-1])
        return subprocess.CompletedProcess(program, codes[program[-1]])

    monkeypatch.setattr(subprocess, "run", run)
    told: list[str] = []
    monkeypatch.setattr(reproduce, "commands", lambda _: [run_of("x", name) for name in ("a", "b", "c", "never")])
    assert reproduce.execute(Reproduction(("fig2",)), told.append) == ExitCode.USER_ERROR
    assert ran == ["a", "b", "c"]
    assert [line for line in told if not line.startswith("#")] == ["miro-eval x a", "miro-eval x b", "miro-eval x c"]
    monkeypatch.setattr(reproduce, "commands", lambda _: [run_of("x", name) for name in ("a", "b")])
    assert reproduce.execute(Reproduction(("fig2",)), told.append) == ExitCode.UNSCORED
    codes["a"] = -9
    assert reproduce.execute(Reproduction(("fig2",)), told.append) == ExitCode.BUG


def test_a_suite_that_is_here_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "commands", lambda _: [run_of("suites", "fetch", "parti", suite="parti")])
    monkeypatch.setattr(reproduce, "is_fetched", lambda *_: True)
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    assert reproduce.execute(Reproduction(("fig2",)), lambda _: None) == ExitCode.DONE


def test_the_cost_is_told_first() -> None:
    wanted = Reproduction(("fig13",))
    (images, hours) = reproduce.costs(commands(wanted), wanted)
    assert images.startswith("9 runs, 19,908 images, at most ")
    assert hours.startswith("GPU hours: ")
    trial = Reproduction(("fig13",), limit=6, tiny_world=True)
    assert reproduce.costs(commands(trial), trial)[0].startswith("9 runs, 216 images")
