"""``python -m geneval JOB.json``: see :mod:`geneval.worker`."""

from geneval.worker import work
from wire.worker_process import run_worker

if __name__ == "__main__":
    run_worker("geneval", work)
