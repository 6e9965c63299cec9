"""From runs and names of stages to finished rows: the host is looked at, environments made, an executor works."""

from __future__ import annotations

from collections.abc import Sequence

from harness.environments.manager import locate
from harness.environments.spec import ENVIRONMENTS
from harness.executors import find
from harness.stages.base import Stage
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES
from wire.errors import EnvironmentFailure, MiroEvalError


def run_together(pipelines: Sequence[Pipeline], names: Sequence[str]) -> list[int | MiroEvalError | None]:
    """Bring stages to their end in runs with one source and one executor.

    Weights are looked for, and the user's own code is imported in environments that are there, so that what cannot work
    fails before hours are spent.

    Returns:
        For each run how many items remain unscored; why it could not go on (rows finished so far are kept); or None
        where the work was handed over and goes on without this process.

    Raises MiroEvalError: none of the runs can be worked on, e.g. because weights are lacking.
    """
    if not pipelines:
        return []
    executor, stages = find(pipelines[0].settings), [STAGES[name] for name in names]
    for stage in stages:
        if any(_lacks_rows(pipeline, stage) for pipeline in pipelines):
            pipelines[0].check_weights(stage)
    if any(_has_work(pipeline, stages) for pipeline in pipelines):
        _check_host(pipelines, stages)
        for stage in stages:
            there = locate(ENVIRONMENTS[stage.environment], pipelines[0].settings.env_backend).ready
            if there and stage.probe(pipelines[0].settings):
                pipelines[0].environment(stage)
    return executor.run(pipelines, stages)


def _has_work(pipeline: Pipeline, stages: Sequence[Stage]) -> bool:
    """Whether anything is to be done, as far as can be told before images are made."""
    return any(_lacks_rows(pipeline, stage) for stage in [s for s in stages if not s.needs_images] or stages)


def _lacks_rows(pipeline: Pipeline, stage: Stage) -> bool:
    try:
        return (stage.needs_images and pipeline.images_to_make()) or pipeline.plan(stage).pending > 0
    except MiroEvalError:
        return False  # reported when its turn comes


def _images_to_make(pipeline: Pipeline, stages: Sequence[Stage]) -> int:
    try:
        return sum(pipeline.plan(stage).pending for stage in stages if not stage.needs_images)
    except MiroEvalError:
        return 0


def _check_host(pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> None:
    """The quick part of ``miro-eval doctor``; of a cluster's nodes this machine knows nothing.
    Raises EnvironmentFailure: the run cannot work here, and what to do about it.
    """
    from harness.doctor import FAILURE, quick_checks

    pipeline, settings = pipelines[0], pipelines[0].settings
    if settings.executor != "local":
        return
    names = list(dict.fromkeys(stage.environment for stage in stages))
    published, images = not pipeline.source.random, sum(_images_to_make(one, stages) for one in pipelines)
    lacking = [stage for stage in stages if published and any(_lacks_rows(one, stage) for one in pipelines)]
    failures = []
    for finding in quick_checks(
        names,
        pipeline.run.path,
        device=settings.device,
        env_backend=settings.env_backend,
        weights=published,
        offline=settings.offline,
        wanted={stage.module: () for stage in stages if stage.weights(settings)},  # looked at above
        loaded={metric: its for stage in lacking for metric, its in stage.weights(settings).items()},
        images=images,
    ):
        if finding.status == FAILURE:
            failures.append(f"{finding.subject}: {finding.text}: {finding.hint}")
        else:
            pipeline.display.note(f"{finding.subject}: {finding.text} ({finding.hint})")
    if failures:
        raise EnvironmentFailure("\n".join(failures))
