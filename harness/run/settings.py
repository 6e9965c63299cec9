"""Everything one command works with: the stages' settings, and where it runs; the command line fills them in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from generation.settings import GenerationSettings
from geneval.settings import GenevalSettings
from rewards.settings import RewardSettings
from wire.errors import UserError
from wire.settings import group, option, pair

__all__ = ["GenerationSettings", "GenevalSettings", "RewardSettings", "RunSettings", "SlurmSettings"]

_where = partial(option, panel="Where it runs")


def gpu_ids(text: str) -> tuple[str, ...]:
    """Parse ``--gpus``; a UserError where an id is empty or named twice."""
    ids = tuple(part.strip() for part in text.split(",")) if text else ()
    if not all(ids) or len(set(ids)) != len(ids):
        raise UserError(f"--gpus {text!r}: expected GPU ids, each once, e.g. 0,1,2,3")
    return ids


@dataclass(frozen=True)
class SlurmSettings:
    """What is asked of Slurm for each shard; ``arguments`` are further options of ``sbatch``, by their long names."""

    partition: str | None = _where(None, "Slurm partition", unset="the cluster's")
    gres: str | None = _where(None, "Slurm resources of each shard, e.g. gpu:1")
    arguments: dict[str, str] = _where(
        {}, "a further sbatch option, e.g. time=2:00:00; repeatable", name="slurm-arg", metavar="NAME=VALUE",
        parse=pair("--slurm-arg", "NAME=VALUE, e.g. time=2:00:00"),
    )  # fmt: skip
    container_image: str | None = _where(None, "image that srun runs each job in, by pyxis and enroot", unset="none")
    container_mounts: str | None = _where(
        None, "folders mounted in the image, e.g. /shared:/shared", unset="the cluster's"
    )


@dataclass(frozen=True)
class RunSettings:
    """Everything one command works with."""

    out: Path = Path()  #: the run directory
    generation: GenerationSettings | None = None  #: None for a directory of images made already
    name: str | None = None  #: the run's name in tables; None for the checkpoint's, or the directory's
    geneval: GenevalSettings = GenevalSettings()
    rewards: RewardSettings = RewardSettings()
    device: str = _where("auto", "auto, cpu, cuda or cuda:N")
    #: Numbers or UUIDs of GPUs to use side by side, one worker process each; empty for a single worker.
    gpus: tuple[str, ...] = _where(
        (), "GPUs to use in parallel, one worker each: 0,1,2,3 of those visible, or UUIDs", metavar="IDS", parse=gpu_ids
    )
    env_backend: str = _where("auto", "auto, pixi, uv, mmcv-lite or no-mmcv: how the GenEval environment is made")
    offline: bool = _where(False, "never fetch weights; fail if one is missing")
    #: ``local``, or ``slurm`` to hand the work to a cluster.
    executor: str = _where("local", "local, or slurm: submit jobs to a cluster and exit; see docs/slurm.md")
    #: Into how many parts the sweep is cut; None for one per GPU named.
    shards: int | None = _where(None, "number of parts that the sweep is split into", unset="one per GPU", low=1)
    slurm: SlurmSettings = group(SlurmSettings)

    def check(self) -> None:
        """See that the device is of a form that stages know; a UserError where it is not."""
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device, re.ASCII):
            raise UserError(f"device {self.device!r} is unknown; expected auto, cpu, cuda or cuda:N")
