"""What nobody should wait for: ``python -m bench.help [--times 11] [VERB ...]``.

Processor time (user and system, in ms) of ``miro-eval --help`` and of every verb's, each run a process of its own, from
bytecode that is there; then of the interval of a whole sweep's score, 2,212 images, in this process, from cold. Other
work on the machine only adds: the minimum is shown beside the median. Runs with the orchestrator's Python.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.cli.app import VERBS
from reports.read.suite import PROMPTS_PER_TAG
from reports.statistics.clusters import Clusters
from reports.statistics.intervals import macro_interval
from reports.statistics.resampling import _times
from wire.host import processors

#: What help may take at most, in ms of processor time; an interval, in ms.
HELP_LIMIT, INTERVAL_LIMIT = 200.0, 1000.0


def main() -> None:
    """Measure and print a line for each; exits 1 where a median is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="*", default=["", *VERBS], help="[default: all, and miro-eval itself]")
    parser.add_argument("--times", type=int, default=11, help="runs of each [default: 11]")
    chosen = parser.parse_args()
    print(f"{processors()} cores, load {os.getloadavg()[0]:.1f} at the start; {chosen.times} runs each")  # noqa: T201
    print(f"{'':32}{'median':>8}{'least':>8}  ms of processor time")  # noqa: T201
    slow = [verb for verb in chosen.verbs if _shown(f"miro-eval {verb}".strip() + " --help", _help(verb), chosen.times)]
    slow += ["interval"] * _shown("interval of a sweep's score", _interval, chosen.times, INTERVAL_LIMIT)
    raise SystemExit(f"over the limit: {', '.join(verb or 'miro-eval' for verb in slow)}" if slow else 0)


def _shown(label: str, measured: Callable[[], float], times: int, limit: float = HELP_LIMIT) -> bool:
    """Print a line; whether it is over the limit."""
    found = [measured() for _ in range(times)]
    print(f"{label:32}{statistics.median(found):8.0f}{min(found):8.0f}", flush=True)  # noqa: T201
    return statistics.median(found) > limit


def _help(verb: str) -> Callable[[], float]:
    command = [str(Path(sys.executable).with_name("miro-eval")), *([verb] if verb else []), "--help"]
    # Bytecode is kept, as it is for users, even where this process was told to keep none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def measured() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return measured


def _interval() -> float:
    sizes = np.array(list(PROMPTS_PER_TAG.values()))
    correct = np.random.default_rng(5).binomial(4, 0.4, sizes.sum()).astype(float)
    clusters = Clusters(tuple(PROMPTS_PER_TAG), sizes, np.full(correct.size, 4), correct, correct)
    _times.cache_clear()
    start = time.process_time()
    macro_interval(clusters)
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    main()
