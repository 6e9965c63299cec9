"""A worker by the protocol whose models take a set time to load and whose images take a set time each; for scaling.py.

``python -m bench.sleeping_worker JOB.json`` with ``SLEEP_LOAD`` and ``SLEEP_IMAGE`` (seconds) in its environment.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

from wire.protocol import Job, Reporter, RowWriter, pending_batches
from wire.worker_process import run_worker


def work(job: Job, reporter: Reporter) -> None:
    """Write a verdict for each image that lacks one, after as long as a model would take."""
    load, image = float(os.environ["SLEEP_LOAD"]), float(os.environ["SLEEP_IMAGE"])
    batches = list(pending_batches(job.items, 1, lambda item: item.filename in job.done))
    _load(load)
    reporter.started(len(batches), "none", {}, weights=[])
    begun = time.monotonic()
    with RowWriter(Path(job.output)) as rows:
        for number, (item,) in enumerate(batches, start=1):
            time.sleep(max(0.0, begun + number * image - time.monotonic()))
            rows.write([{"filename": item.filename, "image_sha256": item.image_sha256, "status": "scored"}])
            reporter.progress(number, len(batches), item.prompt)
    reporter.finished(len(batches), 0)


@cache
def _load(seconds: float) -> None:
    """Once a process, as models are."""
    time.sleep(seconds)


if __name__ == "__main__":
    run_worker("geneval", work)
