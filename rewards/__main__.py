"""``python -m rewards JOB.json``: one worker process of the rewards stage."""

from rewards.worker import work
from wire.worker_process import run_worker

run_worker("rewards", work)
