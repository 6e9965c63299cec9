"""From runs and names of stages to finished rows: the host is looked at, environments made, an executor works."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from harness.environments.manager import Environment, locate
from harness.executors import find
from harness.run.settings import RunSettings
from harness.stages.base import Stage
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES
from wire.errors import EnvironmentFailure, MiroEvalError

if TYPE_CHECKING:
    from harness.doctor import Finding


def run_together(pipelines: Sequence[Pipeline], names: Sequence[str]) -> list[int | MiroEvalError | None]:
    """Bring stages to their end in runs with one source and one executor.

    Weights are looked for, the environments of a stage that needs several are made, and the user's own code is imported
    in those that are there, so that what cannot work fails before hours are spent.
    Returns for each run how many items remain unscored; why it could not go on (rows finished so far are kept); or None
    where the work was handed over and goes on without this process.
    Raises MiroEvalError: none of the runs can be worked on, e.g. because weights are lacking.
    """
    if not pipelines:
        return []
    work, stages = find(pipelines[0].settings), [STAGES[name] for name in names]
    for stage in stages:
        if any(_lacks_rows(pipeline, stage) for pipeline in pipelines):
            pipelines[0].check_weights(stage)
    parts = pipelines[0].parts(stages)
    if any(_has_work(pipeline, stages) for pipeline in pipelines):
        usual = [part for part in parts if part.part_of is None]
        _check_host(pipelines, stages, list(dict.fromkeys(part.environment for part in usual)))
        for stage in usual:
            if locate(stage.spec, pipelines[0].settings.env_backend).ready and stage.probe(pipelines[0].settings):
                pipelines[0].environment(stage)
    for stage in stages:
        _make_environments(pipelines, [part for part in parts if part.part_of is stage])
    return work(pipelines, stages)


def _make_environments(pipelines: Sequence[Pipeline], parts: Sequence[Stage]) -> None:
    """Make the environments of a stage's parts, if it has any; parts that cannot have theirs are left out.
    Raises EnvironmentFailure: none can.
    """
    lead, failures, coming = pipelines[0], dict[Stage, EnvironmentFailure](), dict[Stage, Future[Environment]]()
    with lead.making() as making:
        for part in parts:
            if not any(_lacks_rows(pipeline, part) for pipeline in pipelines):
                continue
            if fault := _unfit(part, lead.settings):
                failures[part] = EnvironmentFailure(fault)
            else:
                coming[part] = making.begin(part.spec)
        failures |= {part: error for part, future in coming.items() if (error := _failure(lead, part, future))}
    if failures and len(failures) == len(parts):
        raise next(iter(failures.values()))
    for part, failure in failures.items():
        reason = f"environment {part.spec.name} is not there ({str(failure).splitlines()[0]})"
        lead.display.note(
            f"{', '.join(part.weights(lead.settings))} will be unscored, everything else continues: {reason}"
        )
        for pipeline in pipelines:
            pipeline.left_out[part.name] = reason


def _failure(pipeline: Pipeline, part: Stage, made: Future[Environment]) -> EnvironmentFailure | None:
    """Why a part's environment was not made, or is not ready for work."""
    try:
        made.result()
        pipeline.environment(part)
    except EnvironmentFailure as error:
        return error
    return None


def _unfit(part: Stage, settings: RunSettings) -> str:
    """Why a part's environment cannot be made on this machine, or would not compute here; empty where it can."""
    from harness.doctor import FAILURE, unfit

    found = unfit([part.environment], settings.device, settings.env_backend) if settings.executor == "local" else []
    return _in_lines(one for one in found if one.status == FAILURE)


def _in_lines(findings: Iterable[Finding]) -> str:
    return "\n".join(f"{one.subject}: {one.text}: {one.hint}" for one in findings)


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


def _check_host(pipelines: Sequence[Pipeline], stages: Sequence[Stage], environments: Sequence[str]) -> None:
    """The quick part of ``miro-eval doctor``; of a cluster's nodes this machine knows nothing.
    Raises EnvironmentFailure: the run cannot work here, and what to do about it.
    """
    from harness.doctor import FAILURE, quick_checks

    pipeline, settings = pipelines[0], pipelines[0].settings
    if settings.executor != "local":
        return
    published, images = not pipeline.source.random, sum(_images_to_make(one, stages) for one in pipelines)
    lacking = [stage for stage in stages if published and any(_lacks_rows(one, stage) for one in pipelines)]
    found = quick_checks(
        environments,
        pipeline.run.path,
        device=settings.device,
        env_backend=settings.env_backend,
        weights=published,
        offline=settings.offline,
        wanted={stage.module: () for stage in stages if stage.weights(settings)},  # looked at above
        loaded={metric: its for stage in lacking for metric, its in stage.weights(settings).items()},
        images=images,
    )
    for finding in (one for one in found if one.status != FAILURE):
        pipeline.display.note(f"{finding.subject}: {finding.text} ({finding.hint})")
    if failures := _in_lines(one for one in found if one.status == FAILURE):
        raise EnvironmentFailure(failures)
