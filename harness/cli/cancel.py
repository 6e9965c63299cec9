"""``miro-eval cancel``: take a submitted run out of the queue."""

from __future__ import annotations

from harness.cli.status import Run, open_submission
from harness.terminal.echo import echo


def cancel(run: Run) -> None:
    """End all jobs of a submitted run. Finished rows are kept: submit again to go on."""
    from harness.executors import queue

    _, submission = open_submission(run)
    active = [job for job, entry in queue.entries(submission.job_ids()).items() if entry.active]
    if not active:
        echo("nothing to cancel: none of its jobs waits or runs")
        return
    queue.cancel(submission.job_ids())
    echo(f"cancelled {len(active)} tasks; finished rows are kept, submit again to go on")
