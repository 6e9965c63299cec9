"""The command line: ``miro-eval VERB``. One module a verb; this one ties them together and ends with an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO

from harness.terminal.echo import echo
from wire.errors import DISK_FAULTS, EnvironmentFailure, ExitCode, Interrupted, MiroEvalError, UserError, WorkerFailure

#: Where nobody named the file that could not be written, what may not be written counts as well.
_WRITE_FAULTS = (*DISK_FAULTS, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.EBADF)
#: What is wrong with a name that was given, wherever it is first used.
_NAME_FAULTS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


def main() -> NoReturn:
    """Run the command line and exit with one of :class:`wire.errors.ExitCode`."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
        signal.signal(signal.SIGHUP, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack characters
    sys.exit(_written(_run()))


def _stop(_number: int, _frame: object) -> NoReturn:
    """SIGTERM, and SIGHUP of a terminal that closes, end a command as Ctrl-C does: what it started ends too."""
    raise KeyboardInterrupt


def _run() -> int:
    """The exit code of the command that ``sys.argv`` holds; it is 1 only where a verb decides so."""
    try:
        return _verb()
    except BaseException as error:
        ours = _in_our_words(error)
        show = getattr(error, "show", None)  # a usage error, the command-line library's own
        code = ours.exit_code if ours else ExitCode.USER_ERROR if show else ExitCode.BUG
        try:
            if ours:
                _explain(ours)
            elif show:
                show()
            else:
                _report_bug(error)
        except Exception:  # the explanation cannot be written either
            return code if code in (ExitCode.BUG, ExitCode.INTERRUPTED) else ExitCode.ENVIRONMENT_FAILURE
        return code


def _verb() -> int:
    closed = [name for name, stream in (("output", sys.stdout), ("error", sys.stderr)) if stream is None]
    if closed:  # the next file to be opened would take its place
        raise EnvironmentFailure(f"standard {' and '.join(closed)} closed: send it to a file, or to /dev/null")
    for word in sys.argv[1:]:
        if (shown := as_bytes(word)) != word:
            raise UserError(f"{shown}: not UTF-8, as names must be: rename it, or use another")
    _check_hub_address(os.environ.get("HF_ENDPOINT", ""))
    try:
        from harness.cli.app import COMPLETE, app
    except ImportError as error:
        raise EnvironmentFailure(f"the installation is incomplete: install miro-eval again ({error})") from error

    if os.environ.get(COMPLETE):
        return _complete(app)
    code = int(app(prog_name="miro-eval", standalone_mode=False) or ExitCode.DONE)
    if code == ExitCode.INTERRUPTED:  # what the library makes of Ctrl-C
        raise KeyboardInterrupt
    return code


def _check_hub_address(address: str) -> None:
    """The hub's client takes the address apart when it is imported."""
    if set(address) & set("[]") or not address.isascii():  # others can be taken apart
        from urllib.parse import urlsplit

        try:
            urlsplit(address)
        except ValueError as error:
            raise UserError(
                f"HF_ENDPOINT: not an address ({error}): write it like https://HOST, or unset it"
            ) from error


def _complete(app: Callable[..., object]) -> int:
    """Answer a shell that completes a line; see ``miro-eval --completion``."""
    from typer._completion_classes import completion_init

    completion_init()
    with contextlib.suppress(SystemExit):
        app(prog_name="miro-eval")
    return ExitCode.DONE


def as_bytes(name: str) -> str:
    """The name with each byte that is no UTF-8 shown as its escape, e.g. ``lat\\xe9in``."""
    return "".join(f"\\x{ord(one) - 0xDC00:02x}" if "\udc80" <= one <= "\udcff" else one for one in name)


def _in_our_words(error: BaseException) -> MiroEvalError | None:
    """What the error is where it is no bug of ours; None for bugs, and for errors that explain themselves."""
    if isinstance(error, MiroEvalError):
        return error
    if any(isinstance(one, KeyboardInterrupt) for one in _before(error)):
        return Interrupted("stopped; everything finished is kept, run the same command again to continue")
    if isinstance(error, BrokenPipeError | SystemExit):  # libraries exit with 1 where a pipe is broken
        return EnvironmentFailure("standard output was closed before all of it was written")
    if isinstance(error, MemoryError):
        return EnvironmentFailure("out of memory: free some, or use a machine with more")
    if fault := _name_fault(error):
        return UserError(f"{fault}: rename it, or name another file or folder")
    if isinstance(error, OSError) and error.errno in _WRITE_FAULTS:
        where = f"{error.filename}: cannot be written" if error.filename else "writing failed"
        return EnvironmentFailure(f"{where} ({error.strerror})")
    return None


def _name_fault(error: BaseException) -> str:
    """What is wrong with a name, where that is the error."""
    if isinstance(error, UnicodeEncodeError) and "\ud800" <= error.object[error.start] <= "\udfff":
        around = as_bytes(error.object[max(error.start - 40, 0) : error.end + 40])
        return f"{around}: a name or a text that is not UTF-8"
    if isinstance(error, OSError) and error.errno in _NAME_FAULTS and error.filename:
        name = str(error.filename)
        return f"{name if len(name) <= 200 else f'{name[:100]}...{name[-40:]}'}: {error.strerror}"
    is_loop = isinstance(error, RuntimeError) and str(error).startswith("Symlink loop")  # of Path, before Python 3.13
    return str(error) if is_loop else ""


def _before(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that were being handled when it came."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain(error: MiroEvalError) -> None:
    """One line (and, for a failed program, its last words) on standard error."""
    details = f"\n{error.details}" if isinstance(error, WorkerFailure) and error.details else ""
    if error.exit_code in (ExitCode.USER_ERROR, ExitCode.INTERRUPTED):
        details = ""
    echo(f"miro-eval: {error}{details}", err=True)


def _report_bug(error: BaseException) -> None:
    import traceback  # 40 ms to import, wanted only here

    traceback.print_exception(error)
    echo(f"miro-eval: this is a bug, please report it with the lines above ({type(error).__name__}: {error})", err=True)


def _written(code: int) -> int:
    """The exit code, once what was said has been written; else the interpreter's own, 120, would take its place."""
    lost = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and not _flush(stream)]
    was_done = code in (ExitCode.DONE, ExitCode.GATE_FAILED, ExitCode.UNSCORED)
    return ExitCode.ENVIRONMENT_FAILURE if lost and was_done else code


def _flush(stream: TextIO) -> bool:
    """Write what a stream still holds; what cannot be written goes nowhere."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True
