"""How long ``check`` takes on two whole runs: ``python -m bench.gate``.

Runs with the orchestrator's Python, from the top of a clone. Each run is a whole sweep of GenEval, 2,212 images, with
seven rewards, in the layout of our own result files (made by :mod:`bench.reports`). Each time is that of a command of
its own, from cold.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.reports import write_runs
from wire.host import processors

TIMES = 5


def main() -> None:
    """Measure and print a line for each way to check."""
    with tempfile.TemporaryDirectory(prefix="miro-eval-bench-") as name:
        folder = Path(name)
        write_runs(folder, 2, rewards=True)
        first, second = sorted(path for path in folder.iterdir())
        saved = folder / "baseline.json"
        subprocess.run([_miro_eval(), "baseline", "save", first, saved], check=True, stdout=subprocess.DEVNULL)
        print(f"{processors()} cores, load {os.getloadavg()[0]:.1f} at the start; median of {TIMES}")  # noqa: T201
        for label, options in (
            ("two runs", [second, "--baseline", first]),
            ("a run and a saved baseline", [second, "--baseline", saved]),
            ("two runs, three looks", [second, "--baseline", first, "--looks", "100,200,553"]),
        ):
            print(f"{label}: {_timed([_miro_eval(), 'check', *options])}")  # noqa: T201


def _timed(command: list[str | Path]) -> str:
    walls, before = [], _processor()
    for _ in range(TIMES):
        start = time.perf_counter()
        answer = subprocess.run(command, check=False, capture_output=True, text=True)
        walls.append(time.perf_counter() - start)
        if answer.returncode not in (0, 1):
            raise SystemExit(answer.stderr)
    return f"{statistics.median(walls):.1f} s, of which {(_processor() - before) / TIMES:.1f} s of processor time"


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _miro_eval() -> Path:
    return Path(sys.executable).with_name("miro-eval")


if __name__ == "__main__":
    main()
