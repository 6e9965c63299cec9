"""Verbs' options made from settings classes; a new one is a field in its class, and a line where it is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from generation.parameters import Parameters
from geneval.settings import GenevalSettings
from harness.cli.signature import only, takes_settings, without
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import GenerationSettings, RewardSettings, RunSettings
from harness.stages.generate import GENERATE
from harness.weights.weight_source import PublishedWeights
from wire.errors import UserError
from wire.settings import option, protocol

made: dict[str, Any] = {}


@dataclass(frozen=True)
class Shifted(GenerationSettings):
    """A sampler option more: this field is all that the orchestrator, the verbs and the job need."""

    shift: float | None = option(None, "shift of the sampler's schedule", "Sampling", low=0, unset="none", added=True)


@dataclass(frozen=True)
class ShiftedParameters(Parameters, Shifted):
    """What a worker reads of it."""


@takes_settings
def verb(
    generation: Annotated[Shifted, without("backend")],
    geneval: GenevalSettings,
    run: Annotated[RunSettings, only("gpus", "arguments")],
    twice: bool = False,
) -> None:
    made.update(generation=generation, geneval=geneval, run=run, twice=twice)


ONE = GenerationSettings(samples=1)


@takes_settings
def small(generation: Annotated[GenerationSettings, only("samples", "steps")] = ONE) -> None:
    made.update(generation=generation)


@takes_settings
def score(rewards: RewardSettings) -> None:
    made.update(rewards=rewards)


@takes_settings
def judge(geneval: GenevalSettings) -> None:
    made.update(geneval=geneval)


def call(function: Any, *arguments: str) -> Any:
    made.clear()
    app = typer.Typer(rich_markup_mode=None)
    app.command()(function)
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, UserError):
        raise result.exception
    return result


def plan(folder: Path, generation: GenerationSettings) -> Any:
    settings = RunSettings(folder, generation)
    return GENERATE.plan(RunDirectory(folder), Manifest("x"), settings, PublishedWeights())


def test_a_new_sampler_option_reaches_verb_job_worker_and_protocol(tmp_path: Path) -> None:
    call(verb, "--shift", "3")
    settings = replace(made["generation"], checkpoint="org/name", limit=1)
    assert settings.shift == protocol(settings)["shift"] == 3.0
    parameters = plan(tmp_path, settings).parameters
    assert ShiftedParameters.parse(parameters).shift == 3.0
    with pytest.raises(UserError, match=r"--shift -1\.0: expected a number, 0 or more"):
        call(verb, "--shift", "-1")
    with pytest.raises(UserError, match="--shift -1: expected a number, 0 or more"):
        ShiftedParameters.parse(parameters | {"shift": -1})
    assert "shift of the sampler's schedule [default: none]" in " ".join(call(verb, "--help").output.split())


def test_runs_made_before_an_option_was_added_stay_what_they_are(tmp_path: Path) -> None:
    before, after = GenerationSettings("org/name", limit=1), Shifted("org/name", limit=1)
    assert plan(tmp_path, after).fingerprint == plan(tmp_path, before).fingerprint
    assert plan(tmp_path, after).parameters == plan(tmp_path, before).parameters
    assert protocol(after) == protocol(before)
    assert plan(tmp_path, replace(after, shift=1.0)).fingerprint != plan(tmp_path, before).fingerprint


def test_nothing_chosen_is_the_classes_defaults() -> None:
    call(verb)
    assert made["generation"] == Shifted(steps=None, guidance_scale=None)
    assert (made["geneval"], made["run"], made["twice"]) == (GenevalSettings(), RunSettings(), False)


def test_options_become_values_of_their_fields() -> None:
    call(verb, "--gpus", "0, 1", "--slurm-arg", "--mem=4G", "--batch-size", "auto", "--no-crop", "--twice",
         "--reward-target", "a=1", "--reward-target", "b=0.5")  # fmt: skip
    assert made["run"] == replace(RunSettings(gpus=("0", "1")), slurm=made["run"].slurm)
    assert made["run"].slurm.arguments == {"mem": "4G"}
    assert (made["generation"].batch_size, made["generation"].reward_targets) == ("auto", {"a": 1.0, "b": 0.5})
    assert (made["geneval"].color_options.crop, made["twice"]) == (False, True)
    call(verb, "--batch-size", "16")
    assert made["generation"].batch_size == 16


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--batch-size", "2.5"], "--batch-size '2.5': expected a whole number, 1 or more, or auto"),
        (["--noise", "white"], "--noise 'white': expected image or upstream"),
        (["--reward-target", "a"], "--reward-target 'a': expected AXIS=NUMBER"),
        (["--reward-target", "a=1", "--reward-target", "a=2"], "--reward-target a: given twice"),
        (["--negative-reward-target", "a=x"], "--negative-reward-target 'a=x': expected AXIS=NUMBER"),
        (["--max-overlap", "nan"], "--max-overlap nan: expected a number from 0 to 1"),
        (["--gpus", "0,0"], "--gpus '0,0': expected GPU ids"),
    ],
)
def test_a_bad_value_names_its_option(arguments: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        call(verb, *arguments)


def test_a_verb_offers_what_it_says_and_with_its_own_defaults() -> None:
    call(small)
    assert made["generation"] == GenerationSettings(samples=1)
    assert "[default: 50; x>=1]" in call(small, "--help").output
    assert call(small, "--seed", "1").exit_code == call(verb, "--backend", "miro").exit_code == 2


def test_short_names_go_to_the_only_stage() -> None:
    call(judge, "--precision", "bf16", "--batch-size", "3")
    assert (made["geneval"].precision, made["geneval"].batch_size) == ("bf16", 3)
    call(verb, "--precision", "pipeline", "--detector-precision", "exact")
    assert (made["generation"].precision, made["geneval"].precision) == ("pipeline", "exact")


def test_metrics_that_are_not_named() -> None:
    call(score)
    assert made["rewards"] == RewardSettings()
    assert not made["rewards"].named
    call(score, "--scorer", "mine.py:Mine")
    assert (made["rewards"].metrics, made["rewards"].scorers) == ((), ("mine.py:Mine",))
    call(score, "--rescore", "vqa")
    assert (made["rewards"].metrics, made["rewards"].rescore) == (("vqa",), ("vqa",))
