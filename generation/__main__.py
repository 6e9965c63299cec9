"""``python -m generation JOB.json``: one worker process."""

from generation.worker import work
from wire.worker_process import run_worker

run_worker("generation", work)
