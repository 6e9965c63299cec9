"""The command line: ``miro-eval VERB``. One module a verb; this one only ties them together."""

from __future__ import annotations

import errno
import sys
from typing import Any, NoReturn

from harness.errors import EnvironmentFailure, ExitCode, Interrupted, MiroEvalError, WorkerFailure
from harness.plain import plain

#: What disks and network file systems do to any of our writes: no bug, and finished work is kept.
_DISK_FAULTS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ESTALE,
    errno.ENOLCK,
)


def main() -> NoReturn:
    """Run the command line and exit with one of :class:`harness.errors.ExitCode`."""
    sys.exit(int(_run()))


def _run() -> int:
    from harness.cli.app import app

    _speak_plainly()
    try:
        code = int(app(standalone_mode=False) or ExitCode.DONE)
        return _stopped() if code == ExitCode.INTERRUPTED else code  # what the library makes of Ctrl-C
    except MiroEvalError as error:
        return _explain(error)
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        return ExitCode.DONE
    except Exception as error:
        return _handle_foreign(error)


def _speak_plainly() -> None:
    """Whatever a verb says may come from a file, and is made fit for a terminal here, in one place."""
    import typer

    speak: Any = typer.echo

    def echo(message: object = None, **options: Any) -> None:
        speak(plain(message) if isinstance(message, str) else message, **options)

    setattr(typer, "echo", echo)  # noqa: B010 - a module's attribute


def _explain(error: MiroEvalError) -> int:
    """One line (and, for a failed program, its last words) on standard error."""
    details = f"\n{error.details}" if isinstance(error, WorkerFailure) and error.details else ""
    if error.exit_code in (ExitCode.USER_ERROR, ExitCode.INTERRUPTED):
        details = ""
    _say(f"miro-eval: {error}{details}")
    return error.exit_code


def _stopped() -> int:
    return _explain(Interrupted("stopped; everything finished is kept, run the same command again to continue"))


def _handle_foreign(error: Exception) -> int:
    """Usage errors are the command-line library's own; anything else is a bug of ours."""
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return ExitCode.USER_ERROR
    if isinstance(error, OSError) and error.errno in _DISK_FAULTS:
        return _explain(EnvironmentFailure(f"{error.filename or 'a file'}: cannot be written ({error.strerror})"))
    import traceback  # 40 ms to import, wanted only here

    traceback.print_exc()
    _say(f"miro-eval: this is a bug, please report it with the lines above ({type(error).__name__}: {error})")
    return ExitCode.BUG


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr)  # noqa: T201 - the command line's voice
