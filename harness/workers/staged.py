"""Run workers as processes on this machine, one for each shard of a stage."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.workers.processes import describe_failure, running
from harness.workers.watch import TICK, Patience, Watch
from wire.errors import ExitCode, WorkerFailure
from wire.paths import stage_code
from wire.protocol import HEARTBEAT, WATCH_STDIN

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

    A worker that is killed from outside (out of memory, a lost GPU), or is killed here because it hangs, is started
    once more, in another task's place where there is one; what it had finished is kept. A worker that fails for a
    reason of its own is not. The others go on to their end in either case. Each worker's standard input is a pipe
    that only this process holds: should it die, the workers end too.

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
        self._patience = Patience.of()
        self._watch = Watch(self._patience)
        self._hung: dict[int, str] = {}
        self._finished: set[int] = set()

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            for index in range(len(self._tasks)):
                self._start(index, stack)
            active = len(self._tasks)
            while active:
                index, event = self._next()
                if event is not None:
                    self._handle(index, event)
                elif not self._ended(index, stack):
                    active -= 1
        if self._failures:
            raise self._failures[0]

    def _next(self) -> tuple[int, Event | None]:
        while True:
            for index, reason in self._watch.overdue():
                self._give_up(index, reason)
            with contextlib.suppress(queue.Empty):
                return self._events.get(timeout=TICK)

    def _give_up(self, index: int, reason: str) -> None:
        """End a worker that hangs; a polite signal would not reach it."""
        self._watch.end(index)
        self._hung[index] = reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._processes[index].pid, signal.SIGKILL)

    def _start(self, index: int, stack: contextlib.ExitStack) -> None:
        self._hung.pop(index, None)
        process = stack.enter_context(running(_start(self._tasks[index], self._patience.beat)))
        self._processes[index] = process
        self._watch.begin(index)
        threading.Thread(target=self._read, args=(index, process), daemon=True).start()

    def _read(self, index: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if (event := read_event(line)) is not None:
                self._events.put((index, event))
        self._events.put((index, None))

    def _handle(self, index: int, event: Event) -> None:
        self._watch.heard(index, event["event"])
        if event["event"] == "error":
            self._messages[index] = event["message"]
        if event["event"] == "finished":
            self._finished.add(index)
        if event["event"] != "alive":
            self._on_event(index, event)

    def _ended(self, index: int, stack: contextlib.ExitStack) -> bool:
        """Take note of a worker's end; tells whether it was started again."""
        task, status = self._tasks[index], self._processes[index].wait()
        self._watch.end(index)
        if status < 0 and index not in self._restarted and len(self._tasks) > 1:
            self._restarted.add(index)
            place = self._tasks[(index + 1) % len(self._tasks)].variables
            self._tasks[index] = replace(task, variables=place)
            self._start(index, stack)
            return True
        if status != 0 or index not in self._finished:
            self._failures.append(self._failure(index, task, status or int(ExitCode.BUG)))
        return False

    def _failure(self, index: int, task: Task, status: int) -> WorkerFailure:
        details = describe_failure(task.command, status, task.log)
        if reason := self._hung.get(index):
            text = f"stage {task.stage} hung ({reason}) and was ended; run the same command again to continue"
            return WorkerFailure(text, ExitCode.ENVIRONMENT_FAILURE, details)
        text = f"stage {task.stage} stopped unexpectedly; run the same command again to continue"
        return WorkerFailure(self._messages.get(index) or text, status, details)


#: What the display needs of each event; others are passed on as they are.
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "started": {"total": int},
    "progress": {"done": int, "total": int, "label": str},
    "warning": {"message": str},
    "error": {"message": str},
}


def read_event(line: str) -> Event | None:
    """A worker's line as an event; None for anything else, such as what a library printed before the worker began."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    fields = _FIELDS.get(event["event"], {})
    return event if all(isinstance(event.get(name), kind) for name, kind in fields.items()) else None


def _start(task: Task, beat: float) -> subprocess.Popen[str]:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(task.command)}\n")
        log.flush()
        return subprocess.Popen(
            list(task.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(task, beat),
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )


def _environment(task: Task, beat: float) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    ours = {"PYTHONPATH": str(stage_code()), "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**inherited, **ours, WATCH_STDIN: "1", HEARTBEAT: str(beat), **task.variables}
