"""Jobs of the rewards stage, and what came of them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewards.worker import work
from tests.rewards.pairs import TEXTS, picture
from wire.protocol import Item, Job, Reporter, read_rows

Row = dict[str, Any]


def image_items(run_dir: Path, prompts: int, samples: int = 2) -> list[Item]:
    """``prompts`` x ``samples`` different images in upstream's layout, written to ``run_dir``."""
    return [_image_item(run_dir, prompt, sample) for prompt in range(prompts) for sample in range(samples)]


def _image_item(run_dir: Path, prompt: int, sample: int) -> Item:
    name = f"{prompt:05d}/samples/{sample:04d}.png"
    path = run_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(100 * prompt + sample, (96, 96)).save(path)
    metadata = {"prompt": TEXTS[prompt % len(TEXTS)], "tag": "single_object"}
    return Item(name, prompt, sample, metadata, hashlib.sha256(path.read_bytes()).hexdigest())


def make_job(folder: Path, items: Sequence[Item], parameters: Row, done: frozenset[str] = frozenset()) -> Job:
    """A job on images under ``folder/run`` that writes ``folder/cells.jsonl``."""
    return Job("rewards", str(folder / "run"), str(folder / "cells.jsonl"), list(items), parameters, done)


def run_job(job: Job) -> tuple[list[Row], list[Row]]:
    """Do the work in this process: (all rows of the output file, events without the wire's own number of the job)."""
    stream = io.StringIO()
    work(job, Reporter(stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    return list(read_rows(Path(job.output))), [{k: v for k, v in event.items() if k != "job"} for event in events]


def done_cells(rows: Sequence[Row]) -> frozenset[str]:
    """Keys of the rows, as the orchestrator passes them on."""
    return frozenset(f"{row['filename']}#{row['metric']}" for row in rows)
