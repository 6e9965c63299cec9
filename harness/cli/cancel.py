"""``miro-eval jobs cancel``: take a submitted run out of the queue."""

from __future__ import annotations

from harness.cli.status import Run, open_submission
from harness.terminal.echo import echo


def cancel(run: Run) -> None:
    """Cancel all jobs of a submitted run. Finished rows are kept; the command that started the run resumes it."""
    from harness.executors import queue

    _, submission = open_submission(run)
    if not any(entry.active for entry in submission.entries().values()):
        echo("nothing to cancel: no job is waiting or running")
        return
    echo(f"cancelled {queue.cancel(submission.token)} tasks; finished rows are kept; the original command resumes it")
