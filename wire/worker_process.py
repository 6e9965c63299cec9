"""What every stage's worker process does around its work: signals, signs of life, errors as events and exit codes.

Standard library only and Python >= 3.10; see :mod:`wire.protocol` for the wire.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from wire.allocator import keep_freed_memory
from wire.errors import DISK_FAULTS, ExitCode, MiroEvalError, UserError
from wire.protocol import HEARTBEAT, NO_MORE_JOBS, WATCH_STDIN, Job, Reporter


def run_worker(stage: str, work: Callable[[Job, Reporter], None]) -> None:
    """The whole of a stage's ``__main__``: read the jobs, do the work, turn errors into exit codes.

    ``work`` appends rows to ``job.output`` and calls ``started``, ``progress`` and ``finished``. The exit code is that
    of the first job that failed.
    """
    events = _claim_stdout()
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGALRM, _stop)
    if seconds := float(os.environ.get(HEARTBEAT) or 0):
        threading.Thread(target=_beat, args=(Reporter(events), seconds), daemon=True).start()
    if len(sys.argv) < 2 and not os.environ.get(WATCH_STDIN):
        Reporter(events).error(f"usage: python -m {stage} JOB.json...", ExitCode.USER_ERROR)
        _leave(ExitCode.USER_ERROR)
    codes = []
    try:
        for number, path in enumerate(_jobs()):
            codes.append(_do_job(stage, path, work, Reporter(events, number)))
            Reporter(events, number).ended(codes[-1])
            if codes[-1] == ExitCode.INTERRUPTED:
                break
    except KeyboardInterrupt:  # between two jobs
        codes.append(ExitCode.INTERRUPTED)
    _leave(next((code for code in codes if code), ExitCode.DONE))


def _jobs() -> Iterator[Path]:
    """Job files: those of the command line, then those that the orchestrator hands over while this process lives."""
    handed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    if os.environ.get(WATCH_STDIN):
        threading.Thread(target=_listen, args=(handed,), daemon=True).start()
    else:
        handed.put(NO_MORE_JOBS)
    yield from map(Path, sys.argv[1:])
    while (path := handed.get()) != NO_MORE_JOBS:
        yield Path(path)


def _do_job(stage: str, path: Path, work: Callable[[Job, Reporter], None], reporter: Reporter) -> ExitCode:
    try:
        job = Job.read(path)
        if job.stage != stage:
            raise UserError(f"{path}: a job for stage {job.stage!r}, not {stage!r}")
        work(job, reporter)
    except MiroEvalError as error:
        return _give_up(reporter, str(error), error.exit_code)
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        return _give_up(reporter, "stopped by a signal", ExitCode.INTERRUPTED)
    except Exception as error:
        traceback.print_exc()
        # By name: torch, whose allocators have errors of their own, is not imported here.
        full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        if full or "allocate memory" in str(error):
            return _give_up(reporter, _OUT_OF_MEMORY, ExitCode.ENVIRONMENT_FAILURE)
        faulty = isinstance(error, OSError) and error.errno in DISK_FAULTS
        code = ExitCode.ENVIRONMENT_FAILURE if faulty else ExitCode.BUG
        return _give_up(reporter, f"{type(error).__name__}: {error}", code)
    return ExitCode.DONE


def _give_up(reporter: Reporter, message: str, code: ExitCode) -> ExitCode:
    reporter.error(message, code)
    return code


def _claim_stdout() -> IO[str]:
    """Keep the real standard output for events; send what libraries print, even from C, to standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return events


def _listen(handed: queue.SimpleQueue[str | None]) -> None:
    """Standard input is a pipe that the orchestrator holds open: when it dies, however it dies, reading ends."""
    with contextlib.suppress(ValueError):  # a line that was cut off, because nobody is there to write its rest
        for line in os.fdopen(0, encoding="utf-8"):
            handed.put(json.loads(line))
    os._exit(int(ExitCode.INTERRUPTED))


def _beat(reporter: Reporter, seconds: float) -> None:
    """Say so for as long as this process runs; when it is stopped, or its interpreter stuck, this stops as well."""
    with contextlib.suppress(OSError, ValueError):  # nobody listens any more
        while True:
            reporter.alive()
            time.sleep(seconds)


_OUT_OF_MEMORY = "out of memory: choose a smaller --batch-size, or free some memory"


def _stop(_number: int, _frame: object) -> None:
    """Interrupt what is being done, and again until it heeds: libraries that try an import swallow even this."""
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    raise KeyboardInterrupt


#: Seconds between two attempts to interrupt.
_AGAIN = 1.0


#: Seconds that what libraries do at their end may take.
_MOMENT = 2.0


def _leave(code: ExitCode) -> None:
    """Exit at once: interpreters that hold large models take seconds to tear down, and have nothing to save.

    Only what libraries registered for their end is done: torch removes a temporary folder so.
    """
    with contextlib.suppress(KeyboardInterrupt):
        closing = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
        closing.start()
        closing.join(_MOMENT)
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    os._exit(int(code))
