"""Running the stage as the orchestrator does: a job file and a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.geneval.scenes import PROMPTS, filename
from wire.protocol import Item, Job

ROOT = Path(__file__).resolve().parents[2]
ROW_KEYS = [
    "filename", "tag", "prompt", "correct", "reason", "metadata", "details", "prompt_index", "sample_index",
    "image_sha256", "detector", "colors", "masks", "status", "error",
]  # fmt: skip


def items(count: int) -> list[Item]:
    return [Item(filename(index), index, 0, PROMPTS[index % len(PROMPTS)]) for index in range(count)]


def parameters(files: Path, **more: Any) -> dict[str, Any]:
    """Parameters that point at the tiny world."""
    weights = {"mask2former": str(files / "mask2former.pth"), "clip-vit-l-14": str(files / "clip-vit-l-14.pt")}
    return {"files": weights, "detector_config": str(files / "mask2former_tiny.py"), "device": "cpu", **more}


def make_job(
    run_dir: Path, job_items: list[Item], job_parameters: dict[str, Any], done: frozenset[str] = frozenset()
) -> Job:
    return Job("geneval", str(run_dir), str(run_dir / "results.jsonl"), job_items, job_parameters, done)


@dataclass
class Finished:
    """How a worker process ended."""

    code: int
    events: list[dict[str, Any]]
    log: str

    def event(self, kind: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == kind)


#: Runs a stage as ``python -m`` does, where some modules cannot be imported.
_WITHOUT = """
import runpy, sys
path, *absent = sys.argv[1:]
sys.modules.update(dict.fromkeys(absent))
sys.argv[1:] = [path]
runpy.run_module("geneval", run_name="__main__", alter_sys=True)
"""


def start(job: Job, absent: Sequence[str] = ()) -> subprocess.Popen[str]:
    path = Path(job.run_dir) / "job.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    job.write(path)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(("-c", _WITHOUT, str(path), *absent) if absent else ("-m", "geneval", str(path)))]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(job: Job, absent: Sequence[str] = ()) -> Finished:
    with start(job, absent) as process:
        output, log = process.communicate(timeout=180)
    return Finished(process.returncode, [json.loads(line) for line in output.splitlines()], log)
