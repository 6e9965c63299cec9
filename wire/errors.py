"""Every error this project raises on purpose, and the exit code each one becomes.

    MiroEvalError
    |-- UserError            2    usage or bad input: the user can fix it
    |-- EnvironmentFailure   4    an environment or a weight could not be made ready
    |-- Interrupted        130    stopped by Ctrl-C or SIGTERM; the run can be resumed
    `-- WorkerFailure        *    a stage's process ended badly; keeps the worker's own exit code

Anything else that escapes is a bug of ours (3). A finished run with unscored items ends with 5,
and a failed regression gate with 1: both are results, not errors, so no class stands for them.

Standard library only: workers import this module inside environments that hold nothing of ours.
"""

from __future__ import annotations

import errno
from enum import IntEnum

#: What disks and network file systems do to any write: neither a bug nor the user's mistake.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE)


class ExitCode(IntEnum):
    """Process exit codes, shared by the command line and by workers."""

    DONE = 0
    GATE_FAILED = 1
    USER_ERROR = 2
    BUG = 3
    ENVIRONMENT_FAILURE = 4
    UNSCORED = 5
    INTERRUPTED = 130


class MiroEvalError(Exception):
    """Base of all deliberate errors: the message is one line that says what, where and what to do."""

    exit_code: ExitCode = ExitCode.BUG


class UserError(MiroEvalError):
    """Usage or bad input."""

    exit_code = ExitCode.USER_ERROR


class EnvironmentFailure(MiroEvalError):
    """An environment, a tool or a weight could not be made ready."""

    exit_code = ExitCode.ENVIRONMENT_FAILURE


class Interrupted(MiroEvalError):
    """The user stopped the run; everything finished so far is kept."""

    exit_code = ExitCode.INTERRUPTED


class WorkerFailure(MiroEvalError):
    """A stage's process failed.
    ``exit_code``: what the worker's exit status means; a status that means no failure, or nothing, is a bug.
    ``details``: the command, its status and the last lines it wrote.
    """

    def __init__(self, message: str, exit_code: int, details: str = "") -> None:
        super().__init__(message)
        results = (ExitCode.DONE, ExitCode.GATE_FAILED, ExitCode.UNSCORED)
        known = {int(code) for code in ExitCode if code not in results}
        self.exit_code = ExitCode(exit_code) if exit_code in known else ExitCode.BUG
        self.details = details
