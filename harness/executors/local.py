"""Run workers as processes on this machine, one for each shard of a stage."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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


def run(tasks: Sequence[Task], on_event: Callable[[int, Event], None]) -> None:
    """Run workers side by side to their end, passing their events on with the task's index.

    A worker that is killed from outside (out of memory, a lost GPU) is started once more, in another task's place
    where there is one; what it had finished is kept. A worker that fails for a reason of its own is not. The others
    go on to their end in either case. Each worker's standard input is a pipe that only this process holds: should
    it die, the workers end too.

    Raises:
        WorkerFailure: of the first worker that failed; carries its own message and last lines.
    """
    _Workers(list(tasks), on_event).run()


class _Workers:
    """The running processes. A thread per worker reads its events; everything else happens in the caller's thread."""

    def __init__(self, tasks: list[Task], on_event: Callable[[int, Event], None]) -> None:
        self._tasks = tasks
        self._on_event = on_event
        self._events: queue.SimpleQueue[tuple[int, Event | None]] = queue.SimpleQueue()
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._messages: dict[int, str] = {}
        self._restarted: set[int] = set()
        self._failures: list[WorkerFailure] = []

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            for index in range(len(self._tasks)):
                self._start(index, stack)
            active = len(self._tasks)
            while active:
                index, event = self._events.get()
                if event is not None:
                    self._handle(index, event)
                elif not self._ended(index, stack):
                    active -= 1
        if self._failures:
            raise self._failures[0]

    def _start(self, index: int, stack: contextlib.ExitStack) -> None:
        process = stack.enter_context(running(_start(self._tasks[index])))
        self._processes[index] = process
        threading.Thread(target=self._read, args=(index, process), daemon=True).start()

    def _read(self, index: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._events.put((index, json.loads(line)))
        self._events.put((index, None))

    def _handle(self, index: int, event: Event) -> None:
        if event["event"] == "error":
            self._messages[index] = event["message"]
        self._on_event(index, event)

    def _ended(self, index: int, stack: contextlib.ExitStack) -> bool:
        """Take note of a worker's end; tells whether it was started again."""
        task, status = self._tasks[index], self._processes[index].wait()
        if status < 0 and index not in self._restarted and len(self._tasks) > 1:
            self._restarted.add(index)
            place = self._tasks[(index + 1) % len(self._tasks)].variables
            self._tasks[index] = replace(task, variables=place)
            self._start(index, stack)
            return True
        if status != 0:
            message = self._messages.get(index) or (
                f"stage {task.stage} stopped unexpectedly; run the same command again to continue"
            )
            self._failures.append(WorkerFailure(message, status, describe_failure(task.command, status, task.log)))
        return False


def _start(task: Task) -> subprocess.Popen[str]:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(task.command)}\n")
        log.flush()
        return subprocess.Popen(
            list(task.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(task),
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )


def _environment(task: Task) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    ours = {"PYTHONPATH": str(stage_code()), "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**inherited, **ours, WATCH_STDIN: "1", **task.variables}
