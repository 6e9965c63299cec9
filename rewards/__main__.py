"""``python -m rewards JOB.json``: one worker process of the rewards stage."""

from harness.worker_process import run_worker
from rewards.worker import work

run_worker("rewards", work)
