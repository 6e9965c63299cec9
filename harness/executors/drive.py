"""From runs and names of stages to finished rows: the host is looked at, environments made, an executor works."""

from __future__ import annotations

from collections.abc import Sequence

from harness.executors import find
from harness.stages.base import Stage
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES
from wire.errors import EnvironmentFailure, MiroEvalError


def run_together(pipelines: Sequence[Pipeline], names: Sequence[str]) -> list[int | MiroEvalError | None]:
    """Bring stages to their end in runs with one source and one executor.

    All environments are made ready first, so that what cannot work fails before hours are spent.

    Returns:
        For each run how many items remain unscored; why it could not go on (rows finished so far are kept); or None
        where the work was handed over and goes on without this process.

    Raises MiroEvalError: none of the runs can be worked on, e.g. because an environment cannot be made.
    """
    if not pipelines:
        return []
    executor, stages = find(pipelines[0].settings), [STAGES[name] for name in names]
    if any(_has_work(pipeline, stages) for pipeline in pipelines):
        _check_host(pipelines[0], stages)
        for stage in stages:
            pipelines[0].environment(stage)
    return executor.run(pipelines, stages)


def _has_work(pipeline: Pipeline, stages: Sequence[Stage]) -> bool:
    """Whether anything is to be done, as far as can be told before images are made."""
    stages = [stage for stage in stages if not stage.needs_images] or stages
    try:
        return any(pipeline.plan(stage).pending for stage in stages)
    except MiroEvalError:
        return False  # told when its turn comes


def _check_host(pipeline: Pipeline, stages: Sequence[Stage]) -> None:
    """The quick part of ``miro-eval doctor``; of a cluster's nodes this machine knows nothing.
    Raises EnvironmentFailure: the run cannot work here, and what to do about it.
    """
    from harness.doctor import FAILURE, quick_checks

    settings = pipeline.settings
    if settings.executor != "local":
        return
    names = list(dict.fromkeys(stage.environment for stage in stages))
    published = not pipeline.source.random
    for finding in quick_checks(
        names, pipeline.run.path, env_backend=settings.env_backend, weights=published, offline=settings.offline
    ):
        if finding.status == FAILURE:
            raise EnvironmentFailure(f"{finding.subject}: {finding.text}: {finding.hint}")
        pipeline.display.note(f"{finding.subject}: {finding.text} ({finding.hint})")
