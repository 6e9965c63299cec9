"""Speed of the rewards stage against a plain loop over the authors' packages, on the same images in one run.

    PYTHONPATH=. <rewards environment's python> -m bench.rewards [--prompts 64] [--rounds 3] [--record DATE]
    ... -m bench.real_sizes FOLDER pick_score
    ... -m bench.rewards --real FOLDER --metric pick_score --prompts 8 --rounds 2 --sides reference ours --keep FILE
    ... -m bench.rewards --table FILE [--record DATE]

The reference is what an evaluation script does that asks one package after the other: for every scorer, for every
image, read and decode the file, preprocess it, encode its prompt, score one pair. Models are loaded once on both
sides, and loading is not counted. Weights are random, so that nothing has to be fetched: by default small ones, where
decoding and calls decide; with ``--real`` of the models' real sizes, where arithmetic does, one metric a run, so that
a machine of 16 GB does (``--keep`` gathers the runs in a file, ``--table`` makes a table of it). Both sides stay
loaded and take turns, ``--rounds`` times, since a shared machine's speed changes within minutes; ratios are given in
seconds and in CPU seconds. Every image costs the plain loop the same, so that with ``--real`` it is timed on the first
eight. Jina's and VQAScore's packages cannot be installed beside the others, so that there is nothing to compare with:
they are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.reward_figures import Run, matrix_rate
from bench.reward_packages import reference_scorer
from wire.host import processors
from wire.pictures import read_picture

METRICS = ("aesthetic", "image_reward", "pick_score", "hpsv2.1", "sciscore")
RESULTS = Path(__file__).parent / "RESULTS.md"
SIDES = {"reference": "", "ours": "reference", "fast": "fast"}
Pairs = list[tuple[str, str]]
"""File name and prompt of each image."""


def images(folder: Path, prompts: int, samples: int, edge: int) -> Pairs:
    """Write noisy pictures, which compress as photographs do; (file name, prompt) of each."""
    import numpy as np
    from PIL import Image

    random, pairs = np.random.default_rng(0), []
    for prompt in range(prompts):
        for sample in range(samples):
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((edge, edge))
            noisy = np.asarray(coarse, dtype=np.int16) + random.integers(-4, 5, (edge, edge, 3))
            name = f"{prompt:05d}-{sample:04d}.png"
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name)
            pairs.append((name, f"a photo of bench number {prompt} and a red dog"))
    return pairs


def reference_turn(world: Path, folder: Path, options: argparse.Namespace) -> Callable[[Pairs], dict[str, Any]]:
    """Seconds by metric of the plain loop over pairs, and its scores."""
    scorers = {metric: reference_scorer(metric, world, options.device) for metric in options.metric}

    def turn(pairs: Pairs) -> dict[str, Any]:
        seconds: dict[str, list[float]] = {}
        scores: dict[str, list[float]] = {}
        for metric, score in scorers.items():
            start = clock()
            scores[metric] = [score(_rgb(folder / name), prompt) for name, prompt in pairs]
            seconds[metric] = since(start)
        total = [sum(column) for column in zip(*seconds.values(), strict=True)]
        return {"seconds": seconds | {"all": total}, "scores": scores}

    return turn


def _rgb(path: Path) -> Any:
    return read_picture(path.read_bytes(), lambda picture: picture.convert("RGB"))


def clock() -> tuple[float, float]:
    """Seconds on the wall and of this process's threads together."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> list[float]:
    """The seconds, of both kinds, that have gone since."""
    return [now - before for now, before in zip(clock(), start, strict=True)]


def our_turn(world: Path, folder: Path, options: argparse.Namespace) -> Callable[[Pairs], dict[str, Any]]:
    """Seconds of the stage's worker, for each metric alone and for all in one pass, and the scores of that pass."""
    from wire.allocator import keep_freed_memory

    keep_freed_memory()  # as every worker's process does
    metrics = options.metric

    def turn(pairs: Pairs) -> dict[str, Any]:
        seconds = {}
        for metric in metrics:
            seconds[metric], scores = _job(world, folder, pairs, [metric], options)
        seconds["all"] = seconds[metrics[0]]
        if len(metrics) > 1:
            seconds["all"], scores = _job(world, folder, pairs, metrics, options)
        return {"seconds": seconds, "scores": scores}

    return turn


def _job(
    world: Path, folder: Path, pairs: Pairs, metrics: list[str], options: argparse.Namespace
) -> tuple[list[float], dict[str, list[float]]]:
    from rewards.worker import work
    from wire.protocol import Reporter, read_rows

    class Clock(Reporter):
        """Loading ends with ``started``."""

        def started(self, *args: Any, **fields: Any) -> None:
            self.start = clock()

    chosen = {"precision": SIDES[options.side], "batch_size": options.batch_size, "device": options.device}
    job = job_of(world, folder, pairs, metrics, **chosen)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device, not a path
        reporter = Clock(nowhere)
        work(job, reporter)
        seconds = since(reporter.start)
    rows = list(read_rows(Path(job.output)))
    return seconds, {metric: [row["value"] for row in rows if row["metric"] == metric] for metric in metrics}


def job_of(world: Path, folder: Path, pairs: Pairs, metrics: list[str], **chosen: Any) -> Any:
    """A job of the rewards stage, none of whose cells is made."""
    from wire.protocol import Item, Job

    files = {name: str(world / "files" / f"{name}.{end}") for name, end in _FILES.items()}
    parameters = {"files": files, "metrics": metrics, "group": "all", **chosen}
    items = [Item(name, index, 0, {"prompt": prompt}) for index, (name, prompt) in enumerate(pairs)]
    output = folder / "cells.jsonl"
    output.unlink(missing_ok=True)
    return Job("rewards", str(folder), str(output), items, parameters)


_FILES = {"clip-vit-l-14": "pt", "aesthetic-mlp": "pth"}


@contextlib.contextmanager
def started(side: str, folder: Path, options: argparse.Namespace) -> Iterator[Callable[[], dict[str, Any]]]:
    """One side, warm, in a process of its own, so that its peak memory is its own; what is called takes a turn."""
    world = options.real or folder / "world"
    command = [sys.executable, "-m", "bench.rewards", "--side", side, "--folder", str(folder), "--real", str(world)]
    command += ["--batch-size", str(options.batch_size), "--fast-images", str(options.fast_images)]
    command += ["--device", options.device, "--reference-images", str(options.reference_images)]
    command += [part for metric in options.metric for part in ("--metric", metric)]
    variables = os.environ | {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=variables, **pipes) as process:

        def turn() -> dict[str, Any]:
            print(file=process.stdin, flush=True)
            if not (line := process.stdout.readline()):
                sys.exit(f"{side} ended early; its reason stands above")
            found: dict[str, Any] = json.loads(line)
            return found

        turn()  # first calls set things up, and nobody else's turn shall wait for that
        yield turn


def run_side(options: argparse.Namespace) -> None:
    """What a side's process does: a turn for each line that comes in, the first over one batch."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_grad_enabled(False)
    pairs = [tuple(pair) for pair in json.loads((options.folder / "pairs.json").read_text(encoding="utf-8"))]
    limits = {"reference": options.reference_images, "fast": options.fast_images}
    pairs = pairs[: limits.get(options.side) or None]
    make = reference_turn if options.side == "reference" else our_turn
    turn = make(options.real, options.folder, options)
    for number, _ in enumerate(sys.stdin):
        found = turn(pairs if number else pairs[: options.batch_size])
        found |= {"images": len(pairs), "peak_gb": peak_memory(options.device)}
        print(json.dumps(found), flush=True)  # noqa: T201 - read by the other process


def peak_memory(device: str) -> float:
    """Of this process, in GiB: on the GPU what torch held there, else what the system counts."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    import torch

    return float(torch.cuda.max_memory_allocated(device) / 1024**3)


def compare(folder: Path, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """All sides' turns on the same images and weights."""
    if not options.real:
        write = [sys.executable, "-m", "rewards.tiny_world", str(folder / "world")]
        subprocess.run(write, check=True, stdout=subprocess.DEVNULL)
    pairs = images(folder, options.prompts, options.samples, options.edge)
    (folder / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        turns = {side: stack.enter_context(started(side, folder, options)) for side in options.sides}
        rounds = [{side: turn() for side, turn in turns.items()} for _ in range(options.rounds)]
    return {side: [found[side] for found in rounds] for side in options.sides}


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4, help="images per prompt")
    parser.add_argument("--edge", type=int, default=512, help="pixels")
    parser.add_argument("--batch-size", type=int, default=16, help="pairs per forward pass (ours)")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each side")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0, for every side")
    parser.add_argument("--fast-images", type=int, default=0, help="bf16 on the first so many images only; 0: all")
    parser.add_argument("--metric", action="append", choices=METRICS, help="repeatable [default: all]")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="models of the real sizes, by bench.real_sizes")
    parser.add_argument("--reference-images", type=int, help="the plain loop on the first so many; 0: all [real: 8]")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES), help="with --keep: these only")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="add the figures to this file; print no table")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing, print the table of what was kept")
    parser.add_argument("--record", metavar="DATE", help="append the table to bench/RESULTS.md under this date")
    parser.add_argument("--machine", default=f"{processors()} CPU cores, no GPU", help="for the record")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.metric = options.metric or list(METRICS)
    if options.reference_images is None:  # each image costs the loop the same: there is no need to wait for more
        options.reference_images = 8 if options.real else 0
    return options


def measured(options: argparse.Namespace) -> Run:
    """A run's figures, or those that earlier runs kept."""
    if options.table:
        return Run.read(options.table)
    before = matrix_rate(options.device)
    with tempfile.TemporaryDirectory(prefix="bench-rewards-") as name:
        sides = compare(Path(name), options)
    found = Run.of(sides, options.samples, max(before, matrix_rate(options.device)), bool(options.real))
    if options.keep and options.keep.exists():
        found = Run.read(options.keep).joined(found)
    return found


def main() -> None:
    """Measure, then keep or print, and record if asked."""
    options = parsed()
    if options.side:
        run_side(options)
        return
    run = measured(options)
    if options.keep:
        run.write(options.keep)
        return
    kind = "models of real size" if run.real else "small models"
    when = f"{options.record or 'not recorded'}; {options.machine}; random weights; float32, and fast = bf16."
    text = f"## Rewards: {kind}, {run.samples} images of {options.edge} px a prompt\n\n{when}\n\n{run.table()}"
    print(text)  # noqa: T201
    if options.record:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")


if __name__ == "__main__":
    main()
