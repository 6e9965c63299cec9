"""``python -m rewards.calibration JOB.json``: the rewards stage's worker on the fixed pairs."""

from harness.worker_process import run_worker
from rewards.calibration.worker import STAGE, work

run_worker(STAGE, work)
