"""The generation worker on a pretended GPU: nothing is left on the wrong device, and the host waits once a batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.generation.conftest import World
from tests.generation.jobs import items_of, make_job, upstream_noise
from tests.pretended_gpu import LARGE, Outcome, on_pretended_gpu
from wire.protocol import read_rows

PROMPTS = (0, 100, 300)
#: Per batch: whether the latents are finite, whether an image is blank, and the image itself.
WAITS_A_BATCH = 3
#: Once: noise in upstream's order is drawn on the GPU; the text's embeddings are kept on the CPU.
WAITS_A_SWEEP = 3

Runs = Callable[..., Outcome]


@pytest.fixture
def runs(world: World, tmp_path: Path) -> Runs:
    """A job of the tiny checkpoint, at the device that ``auto`` finds."""

    def run(mistake: str = "", memory: int = LARGE, **parameters: Any) -> Outcome:
        settings = {"checkpoint": str(world.checkpoint), "device": "auto", "batch_size": 4} | parameters
        return on_pretended_gpu(make_job(tmp_path / "job", items_of(PROMPTS), **settings), mistake, memory)

    return run


def started(made: Outcome) -> dict[str, Any]:
    assert made.code == 0, made.log
    return next(event for event in made.events if event["event"] == "started")


@pytest.mark.parametrize(("megabytes", "size"), [(2048, 64), (80, 2), (32, 1)])
def test_the_batch_is_as_large_as_the_gpu_s_memory_allows(runs: Runs, megabytes: int, size: int) -> None:
    made = started(runs(batch_size="auto", memory=megabytes * 2**20))
    assert (made["batch_size"], made["hparams"]["batch_size"]) == (size, size)


@pytest.mark.parametrize("precision", ["paper", "pipeline"])
def test_a_sweep_is_made_on_the_gpu_that_auto_finds(runs: Runs, precision: str, tmp_path: Path) -> None:
    made = runs(precision=precision)
    assert made.code == 0, made.log
    assert started(made)["device"] == "Pretended H100"
    assert len(list(read_rows(tmp_path / "job" / "rows.jsonl"))) == len(PROMPTS)
    assert sum(made.waits.values()) <= WAITS_A_BATCH + WAITS_A_SWEEP, made.waits


def test_steps_add_no_wait(runs: Runs, tmp_path: Path) -> None:
    few = runs(steps=2)
    (tmp_path / "job" / "rows.jsonl").unlink()
    assert runs(steps=6).waits == few.waits


def test_upstream_s_noise_is_drawn_on_the_gpu(runs: Runs) -> None:
    made = runs(**upstream_noise(items_of(PROMPTS)))
    assert made.code == 0, made.log
    assert sum(made.waits.values()) <= WAITS_A_BATCH + WAITS_A_SWEEP, made.waits


def test_a_diffusers_pipeline_runs_there_too(runs: Runs, world: World) -> None:
    made = runs(checkpoint=str(world.diffusers_folder), backend="diffusers")
    assert made.code == 0, made.log


def test_a_tensor_left_on_the_cpu_is_found_with_its_line(runs: Runs) -> None:
    made = runs(mistake="generation.text_encoding:stack_prompts")
    message = next(event["message"] for event in made.events if event["event"] == "error")
    assert made.code == 3
    assert re.search(r"all tensors to be on the same device: aten::\w+ at generation/[\w/]+\.py:\d+", message), message
