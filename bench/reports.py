"""How long a leaderboard of many runs takes, and how much memory: ``python -m bench.reports [--runs 100 300 1000]``.

Runs with the orchestrator's Python, from the top of a clone. Every run is a whole sweep of GenEval, 2,212 images, in
the layout of our own result files; ``--rewards`` gives each the seven rewards besides. Each number of runs is measured
in a process of its own, from cold: nothing is kept between reports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generation.suites import SUITES
from wire.host import processors
from wire.vocabulary import SEVEN_REWARDS

SAMPLES = 4
#: Boxes of an image, as many as in published result files: rows of about 0.9 kB.
BOXES = 5
#: Variants of every row that runs are put together from; writing each anew would take longer than what is measured.
VARIANTS = 4


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--rewards", action="store_true", help="seven rewards for every image besides")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(timed_report(options.one)))  # noqa: T201 - read by the parent
        return
    with tempfile.TemporaryDirectory(prefix="miro-eval-bench-") as name:
        print("\n".join(measure(Path(name), sorted(options.runs), options.rewards)))  # noqa: T201 - its purpose


def measure(folder: Path, counts: Sequence[int], rewards: bool) -> list[str]:
    """Write the runs and report on the first so many of them, for each count; returns the table."""
    write_runs(folder / "runs", max(counts), rewards)
    os.sync()  # what the disk still has to do of that is not the report's
    names = sorted(path.name for path in (folder / "runs").iterdir())
    lines = [
        f"{processors()} cores, load {os.getloadavg()[0]:.1f} at the start; {2212:,} images a run"
        + (", with seven rewards" if rewards else ", GenEval rows"),
        "",
        "| runs | rows, MB | wall, s | CPU, s | CPU a run, ms | peak memory, GB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for count in counts:
        chosen = folder / f"first{count}"
        chosen.mkdir()
        for name in names[:count]:
            chosen.joinpath(name).symlink_to(folder / "runs" / name)
        size = sum(path.stat().st_size for name in names[:count] for path in (folder / "runs" / name).iterdir())
        answer = subprocess.run(
            [sys.executable, "-m", "bench.reports", "--one", str(chosen)], stdout=subprocess.PIPE, check=True
        )
        found = json.loads(answer.stdout)
        lines.append(
            f"| {count:,} | {size / 1e6:,.0f} | {found['wall']:.1f} | {found['cpu']:.1f} "
            f"| {1000 * found['cpu'] / count:.0f} | {found['memory'] / 1e9:.2f} |"
        )
    return lines


def timed_report(folder: Path) -> dict[str, float]:
    """Report on all runs of ``folder``: seconds of wall and processors, and bytes of all processes at their peaks."""
    started = time.perf_counter()
    from reports import report
    from rewards.scorers import CARDS

    report(sorted(folder.iterdir()), folder.with_name(folder.name + "-report"), cards=CARDS)
    wall = time.perf_counter() - started
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    # The system tells the largest of the other processes alone, so that one a core is an upper bound.
    memory = 1024 * (own.ru_maxrss + processors() * others.ru_maxrss)
    return {"wall": wall, "cpu": cpu, "memory": float(memory)}


def write_runs(folder: Path, count: int, rewards: bool) -> None:
    """Write ``count`` run directories, the same each time; each is a little better than the one before."""
    chance = random.Random(1)  # noqa: S311 - synthetic rows
    images = [(prompt, sample) for prompt in range(len(SUITES["geneval"].lines)) for sample in range(SAMPLES)]
    verdicts = [[_verdict(*image, correct, chance) for correct in (False, True)] for image in images]
    scores = [[_rewards(*image, chance) for _ in range(VARIANTS)] for image in images] if rewards else []
    for number in range(count):
        run = folder / f"run{number:04d}"
        run.mkdir(parents=True)
        accuracy = 0.3 + 0.4 * number / count
        rows = [pair[chance.random() < accuracy] for pair in verdicts]
        run.joinpath("results.jsonl").write_bytes(b"".join(rows))
        if scores:
            run.joinpath("rewards.jsonl").write_bytes(b"".join(chance.choice(variants) for variants in scores))
        run.joinpath("run.json").write_text(json.dumps({"schema": 1, "name": run.name, "protocol": {"seed": 42}}))


def _about(prompt: int, sample: int) -> dict[str, Any]:
    return {
        "prompt_index": prompt,
        "sample_index": sample,
        "image_sha256": f"{SAMPLES * prompt + sample:064x}",
    }


def _verdict(prompt: int, sample: int, correct: bool, chance: random.Random) -> bytes:
    line = SUITES["geneval"].lines[prompt]
    asked = [clause["class"] for clause in line["include"]]
    boxes = {name: [[*(chance.randrange(1024) for _ in range(4)), chance.random()]] * BOXES for name in asked[:1]}
    row = {
        "filename": f"{prompt:05d}/samples/{sample:04d}.png",
        "tag": line["tag"],
        "prompt": line["prompt"],
        "correct": correct,
        "reason": "" if correct else f"expected {asked[0]}>=1, found 0",
        "metadata": json.dumps(line),
        "details": json.dumps(boxes),
        **_about(prompt, sample),
        "detector": "mmdet mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco",
        "colors": {},
        "status": "scored",
        "error": "",
    }
    return json.dumps(row).encode() + b"\n"


def _rewards(prompt: int, sample: int, chance: random.Random) -> bytes:
    row = {
        "filename": f"{prompt:05d}/samples/{sample:04d}.png",
        "prompt": SUITES["geneval"].lines[prompt]["prompt"],
        **_about(prompt, sample),
        **{metric: chance.random() for metric in SEVEN_REWARDS},
        "unscored": {},
    }
    return json.dumps(row).encode() + b"\n"


if __name__ == "__main__":
    main()
