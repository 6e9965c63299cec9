"""``python -m rewards.calibration JOB.json``: the rewards stage's worker on the fixed pairs."""

from rewards.calibration.worker import STAGE, work
from wire.worker_process import run_worker

run_worker(STAGE, work)
