"""The options of ``sbatch`` that a user may set, and how they reach it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

from harness.executors import queue
from harness.run.settings import SlurmSettings
from wire.errors import UserError

_NUMBER, _SIZE, _NAMES = r"[0-9]{1,9}", r"[0-9]{1,12}[A-Za-z]{0,2}", r"[A-Za-z0-9_.,:@+-]+"
#: Several nodes, as ``n[1-4,7]``; with a slash in it, a file that lists them.
_NODES = r"[A-Za-z0-9_.,\[\]/-]+"

#: What ``--slurm-arg`` takes, by sbatch's own long names, and what a value of it is made of. What a run depends on
#: (array, dependency, output, export, requeue and the like) is not among them. Values end up in comment lines of a
#: shell script that Slurm reads by rules of its own: no line end, quote, backslash, ``$``, ``%`` or ``#`` is in any.
_VALUES = {
    "account": _NAMES,
    "array-parallelism": _NUMBER,
    "begin": r"[A-Za-z0-9:/.+-]+",
    "comment": r"[A-Za-z0-9_ .,:/+@=-]+",
    "constraint": r"[A-Za-z0-9_.,:|&*()\[\]+=-]+",
    "cpus-per-gpu": _NUMBER,
    "cpus-per-task": _NUMBER,
    "exclude": _NODES,
    "licenses": r"[A-Za-z0-9_.,:@|/+-]+",
    "mail-type": r"[A-Za-z0-9_,]+",
    "mail-user": r"[A-Za-z0-9_.,+@-]+",
    "mem": _SIZE,
    "mem-per-cpu": _SIZE,
    "mem-per-gpu": _SIZE,
    "nice": r"-?[0-9]{1,10}",
    "nodelist": _NODES,
    "priority": r"[A-Za-z0-9]+",
    "qos": _NAMES,
    "reservation": _NAMES,
    "time": r"[0-9:-]+",
    "tmp": _SIZE,
}
ALLOWED = tuple(_VALUES)
#: As pyxis takes an image: ``user@registry#name:tag``, or the path of a squashfs file; and ``from:to:flags,...``. They
#: stand in the command that starts a job, quoted for the shell, and in no comment line.
_IMAGE, _MOUNTS = r"[A-Za-z0-9_./:@#+-]+", r"[A-Za-z0-9_./:,@+-]+"
_PARTITION, _GRES = _NAMES, r"[A-Za-z0-9_.,:/=-]+"
#: What the path of a folder, or of the interpreter, may hold to stand in a job script: nothing that a shell or
#: Slurm's own patterns (``%j``) would make something else of.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_.@+-]+)+")
#: Letters of a run's name that a job's name shows; a queue's listing shows far fewer.
_NAME_LENGTH = 60
#: Of these, what only the shards need: merging takes one core and little memory.
_FOR_SHARDS = ("array-parallelism", "cpus-per-gpu", "cpus-per-task", "mem", "mem-per-cpu", "mem-per-gpu")
#: Minutes after which a job is stopped and goes back to the queue, where ``--slurm-arg time=`` says nothing. A sweep
#: of 2,212 images in 16 shards is far below it; a longer one goes on where it was.
DEFAULT_MINUTES = 240
#: A task is told 90 s before its time is over; with less than this it would be told before it has begun.
MIN_MINUTES = 5
#: How often a job that ran out of time goes back to the queue.
MAX_TIMEOUTS = 10


def check(settings: SlurmSettings) -> None:
    """Look at the options before anything is done.
    Raises UserError: an unknown option, listing the known ones; a value that cannot be one of it.
    """
    if unknown := sorted(settings.arguments.keys() - _VALUES.keys()):
        raise UserError(f"--slurm-arg {_shown(unknown[0])}: unknown; choose from {', '.join(ALLOWED)}")
    _check_value("--partition ", settings.partition or None, _PARTITION)
    _check_value("--gres ", settings.gres or None, _GRES)
    _check_value("--container-image ", settings.container_image, _IMAGE)
    _check_value("--container-mounts ", settings.container_mounts, _MOUNTS)
    if minutes(text := settings.arguments.get("time", str(DEFAULT_MINUTES))) < MIN_MINUTES:
        raise UserError(f"--slurm-arg time={_shown(text)}: too short to begin; expected {MIN_MINUTES} minutes or more")
    parallelism(settings)
    for name, value in settings.arguments.items():
        _check_value(f"--slurm-arg {name}=", value, _VALUES[name])
    _check_value("SUBMITIT_PREEMPT_SIGNAL=", os.environ.get("SUBMITIT_PREEMPT_SIGNAL"), "[A-Z0-9]+")


def _check_value(option: str, value: str | None, pattern: str) -> None:
    """Only numbers may begin with a minus: what Slurm hands on, e.g. to a mail program, must not be an option there."""
    if value is None:
        return
    dash = value.startswith("-") and not pattern.startswith("-?")
    if dash or not re.fullmatch(pattern, value):
        raise UserError(f"{option}{_shown(value)}: not a value of this option, or one that no job script may hold")


def _shown(value: str) -> str:
    """A value in one line, of bounded length."""
    return ascii(value if len(value) <= 60 else f"{value[:60]}...")[1:-1]


def job_name(run: str, part: str) -> str:
    """What a job is called: the run's name, which may come from a file of somebody else's, and the part of it.

    Everything but ASCII letters, digits, ``_``, ``.`` and ``-`` becomes ``_``: the name stands in a job script.
    """
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", str(run)[:_NAME_LENGTH]).lstrip("-.")
    return f"{safe or 'run'}-{part}"


def is_plain(path: str) -> bool:
    """Whether an absolute path may stand in a job script as it is."""
    return _PLAIN_PATH.fullmatch(path) is not None


def minutes(text: str) -> int:
    """Slurm's ways to write a time (``90``, ``1:30:00``, ``2-12``, ``2-12:30``, ...), in whole minutes, rounded up.
    Raises UserError: it is not one of them.
    """
    days, dash, rest = text.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        days = days if dash else "0"
        weights = {0: (1,), 1: (1, 1 / 60)} if not dash else {0: (60,), 1: (60, 1)}
        chosen = weights.get(len(parts) - 1, (60, 1, 1 / 60))
        total = int(days) * 1440 + sum(part * weight for part, weight in zip(parts, chosen, strict=True))
    except (ValueError, OverflowError):
        total = 0
    if total <= 0:
        raise UserError(f"--slurm-arg time={_shown(text)}: expected minutes, H:MM:SS or D-HH:MM, e.g. 4:00:00")
    return max(1, -int(-total // 1))


def parallelism(settings: SlurmSettings) -> int:
    """How many tasks of an array may run at once. Raises UserError: not a positive number."""
    text = settings.arguments.get("array-parallelism", "1000")
    if not re.fullmatch(_NUMBER, text) or int(text) < 1:
        raise UserError(f"--slurm-arg array-parallelism={_shown(text)}: expected a positive number")
    return int(text)


def for_shards(settings: SlurmSettings, name: str, token: str, dependency: str | None) -> dict[str, Any]:
    """What submitit is told about an array of shards."""
    extra = {"gres": settings.gres} if settings.gres else {}
    return _parameters(settings, name, token, dependency, extra) | {"array_parallelism": parallelism(settings)}


def for_merge(settings: SlurmSettings, name: str, token: str, dependency: str) -> dict[str, Any]:
    """What submitit is told about the job that merges."""
    arguments = {key: value for key, value in settings.arguments.items() if key not in _FOR_SHARDS}
    return _parameters(replace(settings, arguments=arguments), name, token, dependency, {})


def _parameters(
    settings: SlurmSettings, name: str, token: str, dependency: str | None, extra: dict[str, Any]
) -> dict[str, Any]:
    """A task whose dependency can no longer come true leaves the queue, instead of waiting in it for ever."""
    extra |= {key: value for key, value in settings.arguments.items() if key not in ("time", "array-parallelism")}
    extra["comment"] = queue.comment(token, settings.arguments.get("comment", ""))
    if dependency:
        extra = extra | {"dependency": dependency, "kill-on-invalid-dep": "yes"}
    chosen: dict[str, Any] = {
        "job_name": name,
        "time": minutes(settings.arguments.get("time", str(DEFAULT_MINUTES))),
        "additional_parameters": extra | {"requeue": True},
    }
    chosen |= {"partition": settings.partition} if settings.partition else {}
    container = {"image": settings.container_image, "mounts": settings.container_mounts}
    words = [f"--container-{name}={value}" for name, value in container.items() if value]
    return chosen | ({"srun_args": words} if words else {})
