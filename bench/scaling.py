"""What sharding gains and what the orchestrator costs: ``python -m bench.scaling {shards,places,overhead,memory}``.

Runs with the orchestrator's Python, from the top of a clone. The run is a whole sweep of GenEval, 2,212 small images;
the stage's models are replaced by sleeping (:mod:`bench.sleeping_worker`), everything else is the product's own.

shards    one sweep in 1 to 64 shards, all at once: wall time, efficiency, and what the rest was spent on
places    one sweep on this machine, by the local executor: 1 to 4 GPUs, in as many shares as GPUs and in more
overhead  the orchestrator's own time per image and per shard: planning, the job file, merging
memory    the orchestrator's memory while it plans and merges one sweep after another
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.environments.spec import Progress
from harness.executors import local
from harness.executors.sharding import Share, share_job, shares
from harness.executors.share_state import Journal
from harness.run.directory import RunDirectory, image_name
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import RunSettings
from harness.stages.base import Stage, work_files
from harness.stages.context import Pipeline
from harness.stages.geneval import GENEVAL
from harness.terminal.display import Display
from harness.weights.weight_source import TinyWorld
from harness.workers.worker import Ended, Program, Workers
from wire.errors import UserError
from wire.files import write_rows
from wire.host import processors

SAMPLES = 4
SHARDS = (1, 2, 4, 8, 16, 32, 64)
SOURCE = TinyWorld(Path("none"))
T = TypeVar("T")


def main() -> None:
    """Measure what was asked for, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["shards", "places", "overhead", "memory"])
    parser.add_argument("--prompts", type=int, default=553, help="of four samples each")
    parser.add_argument("--load", type=float, default=2.0, help="seconds in which a worker's models load")
    parser.add_argument("--image", type=float, default=0.05, help="seconds an image takes")
    parser.add_argument("--runs", type=int, default=120, help="memory: sweeps, one after another")
    options = parser.parse_args()
    study = {"shards": shard_study, "places": place_study, "overhead": overhead, "memory": memory}[options.what]
    with tempfile.TemporaryDirectory(prefix="miro-eval-bench-") as name:
        for line in study(Path(name), options):
            print(line, flush=True)  # noqa: T201 - its purpose


def make_images(folder: Path, prompts: int) -> None:
    """A finished generation: every image a file of its own bytes (16 x 16, so that hashing costs next to nothing)."""
    run = RunDirectory(folder)
    metadata = {
        index: {"prompt": f"a photo of bench {index}", "tag": "colors", "include": []} for index in range(prompts)
    }
    run.write_prompts(metadata)
    for index in range(prompts):
        for sample in range(SAMPLES):
            path = folder / image_name(index, sample)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(_png(index * SAMPLES + sample))


def _png(number: int) -> bytes:
    """A gray PNG whose color tells its number."""
    rows = b"".join(b"\0" + number.to_bytes(4, "big") * 4 for _ in range(16))
    chunks = [(b"IHDR", b"\0\0\0\x10\0\0\0\x10\x08\0\0\0\0"), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a call takes, and what it returns."""
    begun = time.perf_counter()
    answer = act()
    return time.perf_counter() - begun, answer


def begin(folder: Path) -> tuple[RunDirectory, Manifest, RunSettings]:
    """A run as it is when its shards start."""
    run, settings = RunDirectory(folder), RunSettings(folder, device="cpu")
    (folder / "work").mkdir(exist_ok=True)
    manifest = Manifest("bench")
    plan = GENEVAL.plan(run, manifest, settings, SOURCE)
    manifest.stages["geneval"] = StageRecord(plan.fingerprint, plan.settings)
    manifest.write(run.manifest)
    return run, manifest, settings


def write_job(folder: Path, share: Share) -> Path:
    """All that a shard's task does before its worker starts."""
    manifest = Manifest.read(folder / "run.json")
    if manifest is None:
        raise UserError(f"{folder}: no run.json")
    pipeline = Pipeline(RunDirectory(folder), manifest, RunSettings(folder, device="cpu"), SOURCE, Display())
    path = pipeline.run.work(f"{share.of('geneval')}.job.json")
    share_job(pipeline, GENEVAL, share).job.write(path)
    return path


def merge(folder: Path) -> None:
    """What the merging job does with the stage; the shards' files go."""
    run, manifest, settings = (
        RunDirectory(folder),
        Manifest.read(folder / "run.json"),
        RunSettings(folder, device="cpu"),
    )
    if manifest is None:
        raise UserError(f"{folder}: no run.json")
    plan = GENEVAL.plan(run, manifest, settings, SOURCE)
    if plan.pending:
        raise UserError(f"{plan.pending} rows are missing")
    GENEVAL.merge(run, plan, run.rows("results.jsonl"))
    for path in work_files(run, "geneval", plan.settings):
        path.unlink()
    run.rows("results.jsonl").unlink()


def shard_study(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Sweeps in 1 to 64 shards, each shard a process, all started at once as on an idle cluster."""
    make_images(folder, options.prompts)
    begin(folder)
    images = options.prompts * SAMPLES
    useful = images * options.image
    yield f"{images} images of {options.image} s, models load in {options.load} s, {processors()} cores"
    yield ""
    yield "| shards | wall, s | efficiency | planning | load | images of one shard | start-up and waiting | merge |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for count in SHARDS:
        parts = shares(count, 1)
        planning = [timed(lambda share=share: write_job(folder, share)) for share in parts]  # type: ignore[misc]
        working, _ = timed(lambda: run_workers(folder, [path for _, path in planning], options))  # noqa: B023
        merging, _ = timed(lambda: merge(folder))
        plan = max(seconds for seconds, _ in planning)
        largest = max(len(share.cut(images)) for share in parts) * options.image
        wall = plan + working + merging
        rest = working - options.load - largest
        parts_of_it = f"{plan:.2f} | {options.load:.2f} | {largest:.2f} | {rest:.2f} | {merging:.2f}"
        yield f"| {count} | {wall:.1f} | {useful / (count * wall):.0%} | {parts_of_it} |"


def run_workers(folder: Path, jobs: list[Path], options: argparse.Namespace) -> None:
    """One sleeping worker for each job, all at once."""
    with Workers() as workers:
        for job in jobs:
            workers.dismiss(workers.start(_program(folder, job, options)))
        left = len(jobs)
        while left:
            _, event = workers.next()
            left -= isinstance(event, Ended)


def _program(folder: Path, job: Path, options: argparse.Namespace) -> Program:
    sleeps = {"SLEEP_LOAD": str(options.load), "SLEEP_IMAGE": str(options.image)}
    command = [sys.executable, "-m", "bench.sleeping_worker", str(job)]
    return Program("geneval", command, folder / "logs" / "geneval.log", sleeps)


@dataclass(frozen=True)
class Sleeping:
    """An environment whose worker sleeps."""

    ready: bool = True

    def identity(self) -> dict[str, str]:
        """What ``run.json`` tells of it."""
        return {"name": "sleeping"}

    def worker(self, _module: str, job: str) -> list[str]:
        """The command line of a worker."""
        return [sys.executable, "-m", "bench.sleeping_worker", job]


class SleepingRun(Pipeline):
    """A run that needs no environments."""

    def environment(self, _stage: Stage) -> Any:
        """The same for every stage."""
        return Sleeping()


class NoWeights(TinyWorld):
    """Weights that are there."""

    def prepare(self, _stage: str, _progress: Progress) -> None:
        """Nothing is to be fetched."""


def place_study(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Whole runs of the local executor: plan, workers that take share after share, merge."""
    make_images(folder, options.prompts)
    images = options.prompts * SAMPLES
    os.environ |= {"SLEEP_LOAD": str(options.load), "SLEEP_IMAGE": str(options.image)}
    yield f"{images} images of {options.image} s, models load in {options.load} s, {processors()} cores"
    yield ""
    yield "| GPUs | shares | wall, s | efficiency | workers |"
    yield "|---:|---:|---:|---:|---:|"
    for gpus, count in ((1, 1), (1, 8), (2, 2), (2, 8), (2, 16), (4, 4), (4, 16)):
        run, manifest, settings = begin(folder)
        settings = replace(settings, gpus=tuple(map(str, range(gpus))), shards=count)
        pipeline = SleepingRun(run, manifest, settings, NoWeights(Path("none")), Display())
        wall, answer = timed(lambda: local.run([pipeline], [GENEVAL]))  # noqa: B023
        if answer != [0]:
            raise UserError(f"the run did not end: {answer}")
        workers = sum(path.read_text().count("$ ") for path in (folder / "logs").iterdir())
        yield f"| {gpus} | {count} | {wall:.1f} | {images * options.image / (gpus * wall):.0%} | {workers} |"
        for place in (folder / "logs", folder / "work"):
            shutil.rmtree(place)
        run.rows("results.jsonl").unlink()


def overhead(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """The orchestrator's own work, for two sizes of sweep and of shards: what grows with which."""
    yield "| images | shards | plan a shard, ms | state file, ms | merge, ms | job file, MB |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for prompts in (options.prompts // 4, options.prompts):
        place = folder / str(prompts)
        place.mkdir()
        make_images(place, prompts)
        begin(place)
        for count in (1, 16, 64):
            parts = shares(count, 1)
            planning = [timed(lambda share=share: write_job(place, share)) for share in parts]  # type: ignore[misc]  # noqa: B023
            run_workers(place, [path for _, path in planning], argparse.Namespace(load=0, image=0))
            noting, _ = timed(lambda: Journal(place / "work" / "state.json", "1_1", place / "log").ended("finished"))  # noqa: B023
            merging, _ = timed(lambda: merge(place))  # noqa: B023
            plan = sorted(seconds for seconds, _ in planning)[len(planning) // 2]
            size = planning[0][1].stat().st_size / 1e6
            figures = f"{1e3 * plan:.0f} | {1e3 * noting / 2:.1f} | {1e3 * merging:.0f} | {size:.1f}"
            yield f"| {prompts * SAMPLES} | {count} | {figures} |"


def memory(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Peak memory after each so many sweeps; flat means that nothing of a finished one is held."""
    make_images(folder, options.prompts)
    images = sorted(folder.glob("*/samples/*.png"))
    yield "| sweeps | images so far | peak memory, MB |"
    yield "|---:|---:|---:|"
    marks = {max(1, options.runs * part // 8) for part in range(9)}
    for number in range(1, options.runs + 1):
        for image in images:  # as good as new ones: what is remembered of a file goes by its time
            os.utime(image, ns=(number, number))
        plan_and_merge(folder)
        if number in marks:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            yield f"| {number} | {number * len(images)} | {peak:.0f} |"


def plan_and_merge(place: Path) -> None:
    """A whole stage but for its worker, whose rows are written at once."""
    run, manifest, settings = begin(place)
    job = share_job(Pipeline(run, manifest, settings, SOURCE, Display()), GENEVAL, Share(0, 1)).job
    rows = [{"filename": i.filename, "image_sha256": i.image_sha256, "status": "scored"} for i in job.items]
    write_rows(Path(job.output), rows)
    merge(place)


if __name__ == "__main__":
    main()
