"""The worker as a process: killed in the middle, then resumed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.rewards.jobs import done_cells, image_items, make_job, run_job
from wire.errors import ExitCode
from wire.protocol import Job, read_rows

ROOT = Path(__file__).resolve().parents[2]


def start(job: Job, folder: Path) -> subprocess.Popen[bytes]:
    """``python -m rewards JOB.json``."""
    job.write(folder / "job.json")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rewards", str(folder / "job.json")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)


def finish(job: Job, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code of a whole run, and the events of its job."""
    process = start(job, folder)
    events, _ = process.communicate(timeout=300)
    told = [json.loads(line) for line in events.splitlines()]
    return process.returncode, [event for event in told if event["event"] != "ended"]


def kill_when_it_has_written(job: Job, folder: Path, size: int) -> None:
    """SIGKILL once the output has more than ``size`` bytes (or the worker is done)."""
    process = start(job, folder)
    output = Path(job.output)
    while process.poll() is None and (not output.exists() or output.stat().st_size <= size):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def test_killed_and_resumed_gives_the_bytes_of_an_uninterrupted_run(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", prompts=24)
    parameters = {"files": dict(files), "metrics": ["aesthetic", "pick_score"], "batch_size": 2}
    run_job(make_job(tmp_path, items, parameters))
    output = tmp_path / "cells.jsonl"
    content = output.read_bytes()
    output.unlink()
    kill_when_it_has_written(
        make_job(tmp_path, items, parameters), tmp_path, random.Random(5).randrange(len(content) // 2)
    )
    done = done_cells(list(read_rows(output)))
    assert 0 < len(done) < 96
    code, events = finish(make_job(tmp_path, items, parameters, done), tmp_path)
    assert (code, events[-1]["rows"]) == (ExitCode.DONE, 96 - len(done))
    assert output.read_bytes() == content


def test_a_repository_that_is_not_in_the_cache_ends_the_worker_with_one_clear_line(tmp_path: Path) -> None:
    items = image_items(tmp_path / "run", prompts=1)
    (tmp_path / "empty").mkdir()
    job = make_job(tmp_path, items, {"metrics": ["pick_score"]})
    before = os.environ["HF_HOME"]
    os.environ["HF_HOME"] = str(tmp_path / "empty")
    try:
        code, events = finish(job, tmp_path)
    finally:
        os.environ["HF_HOME"] = before
    message = events[-1]["message"]
    assert code == ExitCode.ENVIRONMENT_FAILURE
    assert "yuvalkirstain/PickScore_v1" in message or "laion/CLIP-ViT-H-14" in message
    assert "HF_HUB_OFFLINE" in message
    assert "\n" not in message
