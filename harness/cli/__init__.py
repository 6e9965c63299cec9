"""The command line: ``miro-eval VERB``. One module a verb; this one only ties them together."""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

from harness.terminal.echo import echo
from wire.errors import DISK_FAULTS, EnvironmentFailure, ExitCode, Interrupted, MiroEvalError, WorkerFailure

#: Where nobody named the file that could not be written, what may not be written counts as well.
_WRITE_FAULTS = (*DISK_FAULTS, errno.EACCES, errno.EPERM, errno.ENOLCK)


def main() -> NoReturn:
    """Run the command line and exit with one of :class:`wire.errors.ExitCode`."""
    sys.exit(int(_run()))


def _run() -> int:
    from harness.cli.app import app

    try:
        code = int(app(prog_name="miro-eval", standalone_mode=False) or ExitCode.DONE)
        return _stopped() if code == ExitCode.INTERRUPTED else code  # what the library makes of Ctrl-C
    except MiroEvalError as error:
        return _explain(error)
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception as error:
        return _handle_foreign(error)


def _explain(error: MiroEvalError) -> int:
    """One line (and, for a failed program, its last words) on standard error."""
    details = f"\n{error.details}" if isinstance(error, WorkerFailure) and error.details else ""
    if error.exit_code in (ExitCode.USER_ERROR, ExitCode.INTERRUPTED):
        details = ""
    echo(f"miro-eval: {error}{details}", err=True)
    return error.exit_code


def _stopped() -> int:
    return _explain(Interrupted("stopped; everything finished is kept, run the same command again to continue"))


def _handle_foreign(error: Exception) -> int:
    """Usage errors are the command-line library's own; anything else is a bug of ours."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return ExitCode.USER_ERROR
    if isinstance(error, OSError) and error.errno in _WRITE_FAULTS:
        where = f"{error.filename}: cannot be written" if error.filename else "writing failed"
        return _explain(EnvironmentFailure(f"{where} ({error.strerror})"))
    import traceback  # 40 ms to import, wanted only here

    traceback.print_exc()
    echo(f"miro-eval: this is a bug, please report it with the lines above ({type(error).__name__}: {error})", err=True)
    return ExitCode.BUG
