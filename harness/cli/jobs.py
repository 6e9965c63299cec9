"""``miro-eval jobs``: show which jobs of a run wait, run, have finished or failed; cancel them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.terminal.echo import echo
from wire.errors import ExitCode, UserError

if TYPE_CHECKING:
    from harness.executors.status import TaskStatus
    from harness.executors.submission import Submission
    from harness.run.directory import RunDirectory

app = typer.Typer(help="Follow or cancel a run's jobs on Slurm.", no_args_is_help=True, rich_markup_mode=None)
Run = Annotated[Path, typer.Argument(help="run directory, as given to --out", metavar="RUN")]


@app.command()
def status(run: Run) -> None:
    """Show how many shards wait, run, finished or failed, with the end of each failed log; exit 5 if any failed."""
    from harness.executors.share_state import FAILED
    from harness.executors.status import run_status

    directory, submission = open_submission(run)
    tasks, note = run_status(directory, submission)
    for stage in dict.fromkeys(task.stage for task in tasks):
        echo(_line(stage, [task for task in tasks if task.stage == stage]))
    if note:
        echo(note, err=True)
    failed = [task for task in tasks if task.state == FAILED]
    for task in failed:
        job = f" (job {task.job})" if task.job else ""
        where = f"\n  log: {task.log}" if task.log else ""
        tail = "".join(f"\n  | {line}" for line in task.tail)
        echo(f"\n{task.name}{job} failed: {task.why}{where}{tail}")
    if failed:
        echo("\nRun the original command again: it makes what is missing.", err=True)
        raise typer.Exit(int(ExitCode.UNSCORED))


@app.command()
def cancel(run: Run) -> None:
    """Cancel all jobs of a submitted run. Finished rows are kept; the command that started the run resumes it."""
    from harness.executors import queue

    _, submission = open_submission(run)
    if not any(entry.active for entry in submission.entries().values()):
        echo("nothing to cancel: no job is waiting or running")
        return
    echo(f"cancelled {queue.cancel(submission.token)} tasks; finished rows are kept; the original command resumes it")


def open_submission(path: Path) -> tuple[RunDirectory, Submission]:
    """The run and its jobs. Raises UserError: no such run, or no jobs of it are on record."""
    from harness.executors.submission import Submission
    from harness.run.directory import RunDirectory

    run = RunDirectory(path)
    submission = Submission.read(run)
    if submission is None:
        known = "no jobs are recorded for it" if run.manifest.exists() else "there is no run.json in it"
        what = known if path.is_dir() else "no such run directory"
        raise UserError(f"{path}: {what}; name the directory of a run")
    return run, submission


def _line(stage: str, tasks: list[TaskStatus]) -> str:
    from harness.executors.status import STATES

    counts = Counter(task.state for task in tasks)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    done, total = sum(task.done for task in tasks), sum(task.total for task in tasks)
    rows = f"; {done} of {total} rows in the started shards" if total else ""
    reasons = sorted({task.why for task in tasks if task.state == "waiting" and task.why not in ("", "None")})
    waits = f"; waiting: {', '.join(reasons)}" if reasons else ""
    jobs = ", ".join(dict.fromkeys(task.job.partition("_")[0] for task in tasks))
    return f"{stage:<9} {told}{rows}{waits}{f' (job {jobs})' if jobs else ''}"
