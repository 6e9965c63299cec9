"""Run a program, keep everything it says in a log, and say what went wrong in a few lines."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path

from wire.errors import EnvironmentFailure, Interrupted

#: How many of a failing program's last lines are shown.
TAIL_LINES = 15
#: Seconds a program has to stop by itself before it is killed.
GRACE = 10.0


def describe_failure(command: Sequence[str], status: int, log: Path) -> str:
    """Command, status and last lines of a failed program, ready to print under the one-line message."""
    how = f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
    lines = "\n".join(f"  | {line}" for line in last_lines(log))
    return f"command: {shlex.join(command)}\nended:   {how}\nlog:     {log}\n{lines}"


def last_lines(log: Path, count: int = TAIL_LINES) -> list[str]:
    """The last ``count`` non-empty lines of a log file, each cut at 300 characters."""
    if not log.exists():
        return []
    with log.open(encoding="utf-8", errors="replace") as lines:
        kept = deque((line.rstrip() for line in lines if line.strip()), maxlen=count)
    return [line[:300] for line in kept]


@contextlib.contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Make sure a program and its children have ended when the block is left, however it is left."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    kill(process)
                    process.wait()


def kill(process: subprocess.Popen[str]) -> None:
    """End a program and its children at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Crew:
    """Threads that run programs, and that another thread can stop: Ctrl-C reaches the main one only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs = set[subprocess.Popen[str]]()
        self._dismissed = False

    def join(self) -> None:
        """What the calling thread runs from now on belongs to this crew."""
        _CREW.set(self)

    def check(self) -> None:
        """Raises Interrupted: the crew was dismissed."""
        if self._dismissed:
            raise Interrupted("stopped before it had finished")

    @contextlib.contextmanager
    def at_work(self, program: subprocess.Popen[str]) -> Iterator[None]:
        """A program of the crew runs. Raises as :meth:`check`, also when it has ended."""
        with self._lock:
            self.check()
            self._programs.add(program)
        try:
            yield
        finally:
            self._programs.discard(program)
        self.check()

    def dismiss(self) -> None:
        """End the programs that run, with their children, and let none begin."""
        with self._lock:
            self._dismissed = True
            programs = [program for program in self._programs if program.poll() is None]
        for program in programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGTERM)
        for program in programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(GRACE)
            kill(program)


_CREW: ContextVar[Crew] = ContextVar("crew", default=Crew())  # noqa: B039 - the main thread's, which nobody dismisses


def check_dismissed() -> None:
    """Raises Interrupted: the calling thread belongs to a crew that was dismissed."""
    _CREW.get().check()


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    failure: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str], None] = lambda _line: None,
) -> None:
    """Run a program to its end; both of its streams go to ``log`` and, line by line, to ``on_line``.
    Raises EnvironmentFailure: the program cannot be started or fails; the message is ``failure`` with details;
    Interrupted: the calling thread's crew was dismissed.
    """
    check_dismissed()
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentFailure(f"{failure}: {command[0]} cannot be started ({error})") from error
    log.parent.mkdir(parents=True, exist_ok=True)
    with running(process), _CREW.get().at_work(process), log.open("a", encoding="utf-8") as record:
        record.write(f"$ {shlex.join(command)}\n")
        for line in process.stdout or ():
            record.write(line)
            on_line(line)
        status = process.wait()
    if status != 0:
        raise EnvironmentFailure(f"{failure}\n{describe_failure(command, status, log)}")
