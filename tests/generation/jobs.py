"""Makes and runs generation jobs for tests."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.suites import SUITES
from wire.protocol import Item, Job, Reporter, Row, read_rows


@dataclass(frozen=True)
class Outcome:
    """What a worker did: its rows, its events, the bytes of its images."""

    rows: list[Row]
    events: list[dict[str, Any]]
    images: dict[str, bytes]

    def event(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == name)


def items_of(prompts: Sequence[int], samples: int = 1) -> list[Item]:
    """Items of those GenEval prompts."""
    lines = SUITES["geneval"].lines
    return [
        Item(f"{prompt:05d}/samples/{sample:04d}.png", prompt, sample, lines[prompt])
        for prompt in prompts
        for sample in range(samples)
    ]


def upstream_noise(items: Sequence[Item]) -> dict[str, Any]:
    """Parameters that replay upstream's noise for the sweep of these items."""
    prompts = dict.fromkeys((item.prompt_index, item.prompt) for item in items)
    samples = 1 + max(item.sample_index for item in items)
    return {"noise": "upstream", "sweep": {"prompts": [list(prompt) for prompt in prompts], "samples": samples}}


def make_job(folder: Path, items: list[Item], shard: tuple[int, int] = (0, 1), **parameters: Any) -> Job:
    """A job in ``folder``; rows that are there already, or are another shard's, count as done."""
    index, count = shard
    output = folder / (f"rows-{index}of{count}.jsonl" if count > 1 else "rows.jsonl")
    done = frozenset(row["filename"] for path in folder.glob("rows*.jsonl") for row in read_rows(path))
    own = items[len(items) * index // count : len(items) * (index + 1) // count]
    done |= {item.filename for item in items if item not in own}
    settings = {"steps": 2, "run_id": "test", "device": "cpu"} | parameters
    if not (folder / "run").exists():
        (folder / "run").mkdir(parents=True)  # a worker finds its run's folder, and makes none
    return Job("generation", str(folder / "run"), str(output), items, settings, done)


def run_here(job: Job) -> Outcome:
    """Run the worker's function in this process."""
    from generation.worker import work

    stream = io.StringIO()
    work(job, Reporter(stream))
    return outcome(job, [json.loads(line) for line in stream.getvalue().splitlines()])


def start_process(job: Job) -> subprocess.Popen[str]:
    """Start a worker process on the job."""
    path = Path(job.output).parent / "job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    job.write(path)
    command = [sys.executable, "-m", "generation", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def failure_of(job: Job) -> tuple[int, str]:
    """Exit code and error line of a worker process that gives up."""
    process = start_process(job)
    stdout, stderr = process.communicate(timeout=120)
    errors = [json.loads(line)["message"] for line in stdout.splitlines() if json.loads(line)["event"] == "error"]
    assert len(errors) == 1, stderr
    return process.returncode, errors[0]


def outcome(job: Job, events: list[dict[str, Any]]) -> Outcome:
    """What lies in the job's folders now."""
    run_dir = Path(job.run_dir)
    images = {str(path.relative_to(run_dir)): path.read_bytes() for path in sorted(run_dir.rglob("*.png"))}
    return Outcome(list(read_rows(Path(job.output))), events, images)
