"""Run a worker as a process on this machine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import WorkerFailure
from harness.paths import stage_code
from harness.processes import describe_failure, running
from harness.protocol import WATCH_STDIN

Event = dict[str, Any]

#: Variables that would make a worker's interpreter look outside its environment, or compile its 20,000 files anew
#: at every start (10 s, measured).
_FOREIGN_VARIABLES = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Task:
    """One worker process.

    Attributes:
        stage: what the user calls it.
        command: environment command, module and job file.
        log: file that takes everything but the events.
        variables: added to the process's environment.
    """

    stage: str
    command: Sequence[str]
    log: Path
    variables: Mapping[str, str]


def run(task: Task, on_event: Callable[[Event], None]) -> None:
    """Run a worker to its end, passing its events on.

    The worker's standard input is a pipe that only this process holds: should it die, the worker ends too.

    Raises:
        WorkerFailure: the worker ended with another status than 0; carries its own message and last lines.
    """
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(task.command)}\n")
        log.flush()
        process = subprocess.Popen(
            list(task.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(task),
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        with running(process):
            message = _follow(process, on_event)
            status = process.wait()
    if status != 0:
        raise WorkerFailure(
            message or f"stage {task.stage} stopped unexpectedly; run the same command again to continue",
            status,
            describe_failure(task.command, status, task.log),
        )


def _environment(task: Task) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    ours = {"PYTHONPATH": str(stage_code()), "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**inherited, **ours, WATCH_STDIN: "1", **task.variables}


def _follow(process: subprocess.Popen[str], on_event: Callable[[Event], None]) -> str:
    """Pass events on until the worker closes its output; returns its error message, if it gave one."""
    message = ""
    for line in process.stdout or ():
        event: Event = json.loads(line)
        if event["event"] == "error":
            message = event["message"]
        on_event(event)
    return message
