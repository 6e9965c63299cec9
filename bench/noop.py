"""What a command costs that finds nothing to do: ``python -m bench.noop [--prompts 553] [--samples 4]``.

Runs with the orchestrator's Python, from the top of a clone; no stage's environment is needed. A finished run is put
together from made-up images and rows by the orchestrator's own hands, and `miro-eval all` is given for it three times:
the first time makes the report.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.plan.open import open_run
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.base import with_new_rows, work_file
from harness.stages.context import Pipeline
from harness.stages.registry import STAGES
from harness.terminal.display import Display
from harness.weights.weight_source import PublishedWeights
from wire.files import write_rows
from wire.protocol import Item
from wire.vocabulary import SEVEN_REWARDS

CHECKPOINT = "someone/model"
#: About a PNG of 256 pixels.
IMAGE_BYTES = 120_000
#: Boxes of an image, as in published result files.
BOXES = 5


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=553)
    parser.add_argument("--samples", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="miro-eval-bench-") as name:
        finished_run(Path(name) / "run", options.prompts, options.samples)
        command = arguments(Path(name) / "run", options.prompts, options.samples)
        print(f"{options.prompts * options.samples:,} images\n\n| command | wall, s | CPU, s |\n|---|---:|---:|")  # noqa: T201
        for what in ("makes the report", "nothing to do", "nothing to do"):
            wall, cpu = timed(command)
            print(f"| {what} | {wall:.2f} | {cpu:.2f} |")  # noqa: T201 - its purpose


def arguments(out: Path, prompts: int, samples: int) -> list[str]:
    """The command line that finds the run finished."""
    return ["all", CHECKPOINT, "--limit", str(prompts), "--samples", str(samples), "--out", str(out)]


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of wall and of processors of one command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("miro-eval"), *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def finished_run(out: Path, prompts: int, samples: int, image_bytes: int = IMAGE_BYTES) -> None:
    """Put a run together of which every stage is finished."""
    chance = random.Random(1)  # noqa: S311 - synthetic rows
    settings = RunSettings(out, GenerationSettings(CHECKPOINT, limit=prompts, samples=samples))
    with Display() as display, open_run(settings, PublishedWeights(), display) as pipeline:
        items = pipeline.plan(STAGES["generate"]).items
        pipeline.run.write_prompts({item.prompt_index: item.metadata for item in items})
        for item in items:
            path = out / item.filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(chance.randbytes(image_bytes))
        hashed = [pipeline.run.hashed(item) for item in items]
        for name, rows_of in (("generate", _image), ("geneval", _verdict), ("rewards", _rewards)):
            _finish(pipeline, name, [row for item in hashed for row in rows_of(item, chance)])


def _finish(pipeline: Pipeline, name: str, rows: list[dict[str, Any]]) -> None:
    stage = STAGES[name]
    plan = pipeline.plan(stage)
    write_rows(pipeline.run.work(work_file(name, plan.settings)), rows)
    pipeline.finish(stage, pipeline.record(stage, plan), with_new_rows(pipeline.run, stage, plan))


def _about(item: Item) -> dict[str, Any]:
    names = ("filename", "prompt_index", "sample_index", "image_sha256")
    return {name: getattr(item, name) for name in names}


def _image(item: Item, _chance: random.Random) -> Iterator[dict[str, Any]]:
    yield _about(item) | {"prompt": item.prompt}


def _verdict(item: Item, chance: random.Random) -> Iterator[dict[str, Any]]:
    boxes = [[*(chance.randrange(1024) for _ in range(4)), chance.random()] for _ in range(BOXES)]
    yield {
        "filename": item.filename,
        "tag": item.metadata["tag"],
        "prompt": item.prompt,
        "correct": True,
        "reason": "",
        "metadata": json.dumps(item.metadata),
        "details": json.dumps({item.metadata["include"][0]["class"]: boxes}),
        **_about(item),
        "detector": "mmdet mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco",
        "colors": {},
        "status": "scored",
        "error": "",
    }


def _rewards(item: Item, chance: random.Random) -> Iterator[dict[str, Any]]:
    for metric in SEVEN_REWARDS:
        yield _about(item) | {"metric": metric, "value": chance.random(), "error": None}


if __name__ == "__main__":
    main()
