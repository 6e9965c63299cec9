"""A run that grows from look to look, made as its baseline was, so that a gate spends no more than it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.run.settings import GenerationSettings, RewardSettings, RunSettings
from harness.terminal.display import Display
from wire.errors import UserError

if TYPE_CHECKING:
    from reports.gate.policy import Policy
    from reports.read.runs import Run

#: Settings of a sweep that a baseline records as they are.
_RECORDED = ("samples", "steps", "guidance_scale", "resolution", "seed", "noise", "precision")
_TARGETS = ("reward_targets", "negative_reward_targets")


@contextmanager
def growing_run(
    asked: RunSettings, sweep: GenerationSettings, baseline: Run, policy: Policy, *, tiny_world: bool
) -> Iterator[Callable[[int], Run]]:
    """Yields what brings the run to so many prompts and reads it; all that is there already is kept.

    Of the sweep the checkpoint and the suite count, the rest is the baseline's.
    Raises UserError: the baseline does not record how it was made, or cannot be followed.
    """
    from harness.cli.session import choose_source, run_stages
    from harness.plan.open import Model, describe
    from reports.read.runs import read_run
    from rewards.scorers import CARDS

    generation = as_recorded(baseline.manifest.protocol, sweep)
    stages, rewards = judged_stages(baseline, policy)
    with Display() as display:
        source = choose_source(asked, display, tiny_world=tiny_world)
        model = Model(generation, describe(generation))

        def grown(prompts: int) -> Run:
            settings = replace(asked, generation=replace(generation, limit=prompts), rewards=rewards)
            run_stages(stages, settings, source, display, model)
            return read_run(asked.out, CARDS)

        yield grown


def as_recorded(protocol: Mapping[str, str], asked: GenerationSettings) -> GenerationSettings:
    """A checkpoint's sweep with a baseline's settings; ``protocol`` is that of :class:`reports.read.manifest.Manifest`.
    Raises UserError: fields are not recorded, the suite is another one, or the sweep cannot grow.
    """
    from generation.suites import load_suite

    if missing := [name for name in (*_RECORDED, "suite.sha256") if name not in protocol]:
        raise UserError(f"the baseline does not record {', '.join(missing)}: make the candidate with `miro-eval all`")
    recorded: dict[str, Any] = {name: json.loads(protocol[name]) for name in _RECORDED}
    if recorded["noise"] == "upstream":
        raise UserError(
            "the baseline used --noise upstream, one sequence for the whole sweep: such a run cannot be made in parts"
        )
    if load_suite(asked.suite).sha256 != json.loads(protocol["suite.sha256"]):
        raise UserError(f"{asked.suite} is not the baseline's suite ({protocol.get('suite.id')}): name it by --suite")
    for name in _TARGETS:
        fields = {
            field.removeprefix(f"{name}."): text for field, text in protocol.items() if field.startswith(f"{name}.")
        }
        recorded[name] = {field: float(json.loads(text)) for field, text in fields.items()}
    return replace(asked, **recorded)


def judged_stages(baseline: Run, policy: Policy) -> tuple[list[str], RewardSettings]:
    """The stages that the policy needs, and the rewards among what they score; watched metrics cost nothing."""
    from wire.vocabulary import TAGS

    verdicts = baseline.verdicts is not None and any(policy.rule(name).demands for name in ("overall", *TAGS))
    found = baseline.rewards.metrics if baseline.rewards else ()
    metrics = tuple(metric for metric in found if policy.rule(metric).demands)
    stages = ["generate", *(["geneval"] if verdicts else []), *(["rewards"] if metrics else [])]
    return stages, RewardSettings(metrics=metrics) if metrics else RewardSettings()
