"""Who does a run's work: worker processes of this machine, or a cluster's jobs. They leave the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from harness.run.settings import RunSettings, SlurmSettings
from wire.errors import MiroEvalError, UserError
from wire.gpus import within_visible

if TYPE_CHECKING:
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline

    #: Finishes stages of runs, or submits them. Returns for each run the number of unscored items, the error that
    #: stopped it, or None if it was submitted.
    Executor = Callable[[Sequence[Pipeline], Sequence[Stage]], list[int | MiroEvalError | None]]

#: Names on the command line: each a module of this package with an executor called ``run``, loaded when chosen.
EXECUTORS = ["local", "slurm"]


def find(settings: RunSettings) -> Executor:
    """The executor that the settings name.
    Raises UserError: there is none of that name (the message lists the names), or other settings do not apply to it.
    """
    name = settings.executor
    if name not in EXECUTORS:
        raise UserError(f"unknown executor {name!r}: choose from {', '.join(EXECUTORS)}")
    if name != "slurm" and settings.slurm != SlurmSettings():
        raise UserError("--partition, --gres and --slurm-arg go with --executor slurm")
    import_module("harness.executors.sharding").check_shards(settings.shards or 1)
    within_visible(settings.gpus)  # a number that is not among them is reported before environments are made
    return cast("Executor", import_module(f"harness.executors.{name}").run)
