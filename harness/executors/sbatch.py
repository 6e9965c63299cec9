"""The options of ``sbatch`` that a user may set, and how they reach it."""

from __future__ import annotations

from typing import Any

from harness.run.settings import SlurmSettings
from wire.errors import UserError

#: What ``--slurm-arg`` takes, by sbatch's own long names. What a run depends on (array, dependency, output, export,
#: requeue and the like) is not among them.
ALLOWED = (
    *("account", "array-parallelism", "begin", "comment", "constraint", "cpus-per-gpu", "cpus-per-task", "exclude"),
    *("licenses", "mail-type", "mail-user", "mem", "mem-per-cpu", "mem-per-gpu", "nice", "nodelist", "priority"),
    *("qos", "reservation", "time", "tmp"),
)
#: Of these, what only the shards need: merging takes one core and little memory.
_FOR_SHARDS = ("array-parallelism", "cpus-per-gpu", "cpus-per-task", "mem", "mem-per-cpu", "mem-per-gpu")
#: Minutes after which a job is stopped and goes back to the queue, where ``--slurm-arg time=`` says nothing. A sweep
#: of 2,212 images in 16 shards is far below it; a longer one goes on where it was.
DEFAULT_MINUTES = 240
#: How often a job that ran out of time goes back to the queue.
MAX_TIMEOUTS = 10


def check(settings: SlurmSettings) -> None:
    """Look at the options before anything is done.

    Raises:
        UserError: an unknown option, listing the known ones; a time that is none.
    """
    if unknown := sorted(settings.arguments.keys() - set(ALLOWED)):
        raise UserError(f"--slurm-arg {unknown[0]}: unknown; choose from {', '.join(ALLOWED)}")
    minutes(settings.arguments.get("time", str(DEFAULT_MINUTES)))
    parallelism(settings)


def minutes(text: str) -> int:
    """Slurm's ways to write a time (``90``, ``1:30:00``, ``2-12``, ``2-12:30``, ...), in whole minutes, rounded up.

    Raises:
        UserError: it is not one of them.
    """
    days, dash, rest = text.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        days = days if dash else "0"
        weights = {0: (1,), 1: (1, 1 / 60)} if not dash else {0: (60,), 1: (60, 1)}
        chosen = weights.get(len(parts) - 1, (60, 1, 1 / 60))
        total = int(days) * 1440 + sum(part * weight for part, weight in zip(parts, chosen, strict=True))
    except ValueError:
        total = 0
    if total <= 0:
        raise UserError(f"--slurm-arg time={text}: expected minutes, H:MM:SS or D-HH:MM, e.g. 4:00:00")
    return max(1, -int(-total // 1))


def parallelism(settings: SlurmSettings) -> int:
    """How many tasks of an array may run at once.

    Raises:
        UserError: not a positive number.
    """
    text = settings.arguments.get("array-parallelism", "1000")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--slurm-arg array-parallelism={text}: expected a positive number")
    return int(text)


def for_shards(settings: SlurmSettings, name: str, dependency: str | None) -> dict[str, Any]:
    """What submitit is told about an array of shards."""
    extra = {key: value for key, value in settings.arguments.items() if key not in ("time", "array-parallelism")}
    if settings.gres:
        extra["gres"] = settings.gres
    return _parameters(settings, name, dependency, extra) | {"array_parallelism": parallelism(settings)}


def for_merge(settings: SlurmSettings, name: str, dependency: str) -> dict[str, Any]:
    """What submitit is told about the job that merges."""
    apart = ("time", *_FOR_SHARDS)
    extra = {key: value for key, value in settings.arguments.items() if key not in apart}
    return _parameters(settings, name, dependency, extra)


def _parameters(settings: SlurmSettings, name: str, dependency: str | None, extra: dict[str, Any]) -> dict[str, Any]:
    """A task whose dependency can no longer come true leaves the queue, instead of waiting in it for ever."""
    if dependency:
        extra = extra | {"dependency": dependency, "kill-on-invalid-dep": "yes"}
    chosen: dict[str, Any] = {
        "job_name": name,
        "time": minutes(settings.arguments.get("time", str(DEFAULT_MINUTES))),
        "additional_parameters": extra | {"requeue": True},
    }
    return chosen | ({"partition": settings.partition} if settings.partition else {})
