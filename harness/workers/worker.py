"""Workers as processes on this machine: started, handed jobs, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.workers.processes import describe_failure, kill, running
from harness.workers.watch import TICK, Timeouts, Watch
from wire.errors import EnvironmentFailure, ExitCode, WorkerFailure
from wire.paths import stage_code
from wire.protocol import HEARTBEAT, NO_MORE_JOBS, WATCH_STDIN

Event = dict[str, Any]
#: In place of a worker's number.
NOBODY = -1

#: Variables that would make a worker's interpreter look outside its environment, or compile its 20,000 files anew
#: at every start (10 s, measured).
_FOREIGN_VARIABLES = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Program:
    """What a worker process runs for a stage: environment command, module and first job file.

    The ``log`` takes everything but the events; ``variables`` are added to the process's environment.
    """

    stage: str
    command: Sequence[str]
    log: Path
    variables: Mapping[str, str]

    def failure(self, status: int, message: str = "", hung: str = "") -> WorkerFailure:
        """The error of a worker that ended, or gave a job up, with this status, and said this about it."""
        details = describe_failure(self.command, status, self.log)
        what = f"hung ({hung}) and was stopped" if hung else "stopped unexpectedly"
        text = f"stage {self.stage} {what}; run the same command again to continue"
        if hung:
            return WorkerFailure(text, ExitCode.ENVIRONMENT_FAILURE, details)
        return WorkerFailure(message or text, status or int(ExitCode.BUG), details)


@dataclass(frozen=True)
class Ended:
    """The last that is heard of a worker process: its exit status, negative for a signal, and why it was given up."""

    status: int
    hung: str = ""


class Workers:
    """Worker processes side by side, by number. A thread for each reads what it says; all else is the caller's thread.

    Each worker's standard input is a pipe that only this process holds: should it die, the workers end too. They have
    ended when the ``with`` block is left, however it is left.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._heard: queue.SimpleQueue[tuple[int, Event | None]] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._logs: list[Path] = []
        self._hung: dict[int, str] = {}
        self._timeouts = Timeouts.of()
        self._watch = Watch(self._timeouts)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._stack.close()

    def start(self, program: Program) -> int:
        """Start a worker on its first job; returns its number. Raises EnvironmentFailure: there is no such program."""
        number, process = len(self._processes), _start(program, self._timeouts.beat)
        self._processes.append(self._stack.enter_context(running(process)))
        self._logs.append(program.log)
        self._watch.begin(number)
        threading.Thread(target=self._read, args=(number, process), daemon=True).start()
        return number

    def give(self, number: int, job: Path) -> None:
        """Hand a living worker its next job."""
        with contextlib.suppress(FileNotFoundError), self._logs[number].open("a", encoding="utf-8") as log:
            log.write(f"next job: {job}\n")
        self._watch.begin(number)
        self._say(number, str(job))

    def rest(self, number: int) -> None:
        """A worker has nothing to do for now, and makes no progress."""
        self._watch.rest(number)

    def dismiss(self, number: int) -> None:
        """No more jobs for this worker: it ends when it is through."""
        self._say(number, NO_MORE_JOBS)

    def kill(self, number: int) -> None:
        """End a worker that would not heed a polite signal, or must not go on."""
        kill(self._processes[number])

    def wake(self) -> None:
        """Let :meth:`next` return with an event of :data:`NOBODY`; from any thread."""
        self._heard.put((NOBODY, {}))

    def next(self) -> tuple[int, Event | Ended]:
        """Wait for the next event of any worker, or its end; workers that hang are ended meanwhile."""
        while True:
            for number, reason in self._watch.overdue():
                self._watch.end(number)
                self._hung[number] = reason
                self.kill(number)
            with contextlib.suppress(queue.Empty):
                number, event = self._heard.get(timeout=TICK)
                if number == NOBODY:
                    return number, event or {}
                if event is None:
                    self._watch.end(number)
                    return number, Ended(self._processes[number].wait(), self._hung.get(number, ""))
                self._watch.heard(number, event["event"])
                if event["event"] != "alive":
                    return number, event

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if (event := read_event(line)) is not None:
                self._heard.put((number, event))
        self._heard.put((number, None))

    def _say(self, number: int, word: str | None) -> None:
        stream = self._processes[number].stdin
        if stream is not None:
            with contextlib.suppress(OSError):  # it has ended: that is heard of
                os.write(stream.fileno(), json.dumps(word).encode() + b"\n")


def run(program: Program, on_event: Callable[[Event], None]) -> None:
    """Run a worker on the one job it is started with, passing its events on.
    Raises WorkerFailure: it failed; carries its own message and last lines.
    """
    message, finished = "", False
    with Workers() as workers:
        workers.dismiss(workers.start(program))
        while True:
            _, event = workers.next()
            if isinstance(event, Ended):
                break
            message = event["message"] if event["event"] == "error" else message
            finished = finished or event["event"] == "finished"
            on_event(event)
    if event.status != 0 or not finished:
        raise program.failure(event.status, message, event.hung)


#: What is needed of each event; others are passed on as they are.
_FIELDS: dict[str, dict[str, type]] = {
    "started": {"total": int},
    "progress": {"done": int, "total": int, "label": str},
    "warning": {"message": str},
    "error": {"message": str},
    "ended": {"code": int},
}


def read_event(line: str) -> Event | None:
    """A worker's line as an event; None for anything else, such as what a library printed before the worker began."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    fields = _FIELDS.get(event["event"], {}).items()
    return event if all(isinstance(event.get(name), kind) for name, kind in fields) else None


def _start(program: Program, beat: float) -> subprocess.Popen[str]:
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(program.command)}\n")
        log.flush()
        try:
            return subprocess.Popen(
                list(program.command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**own_environment(), WATCH_STDIN: "1", HEARTBEAT: str(beat), **program.variables},
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentFailure(f"{program.command[0]} cannot be started ({error})") from error


def own_environment() -> dict[str, str]:
    """Environment variables of a stage's Python: it sees what its environment and this program have, and no more."""
    inherited = {key: value for key, value in os.environ.items() if key not in _FOREIGN_VARIABLES}
    return inherited | {"PYTHONPATH": str(stage_code()), "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false"}
