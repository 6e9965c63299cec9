"""Who does a run's work: worker processes of this machine, or a cluster's jobs.

Both get runs and the stages that these need, and leave the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from harness.run.settings import RunSettings, SlurmSettings
from wire.errors import MiroEvalError, UserError
from wire.gpus import within_visible

if TYPE_CHECKING:
    from harness.stages.base import Stage
    from harness.stages.context import Pipeline

#: Name on the command line -> ``module:attribute`` under this package; loaded when chosen.
EXECUTORS = {"local": "local:LOCAL", "slurm": "slurm:SLURM"}


class Executor(Protocol):
    """Finishes stages of runs, or submits them."""

    def run(self, pipelines: Sequence[Pipeline], stages: Sequence[Stage]) -> list[int | MiroEvalError | None]:
        """Do the work, or submit it.

        Returns:
            For each run: the number of unscored items, the error that stopped it, or None if it was submitted.
        """


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
    module, attribute = EXECUTORS[name].split(":")
    return cast(Executor, getattr(import_module(f"harness.executors.{module}"), attribute))
