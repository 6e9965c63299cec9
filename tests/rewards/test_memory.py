"""Memory that runs out: told, survived in halves, and at last an end with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rewards.memory import Parts, is_out_of_memory
from rewards.scorers import SCORERS
from rewards.scorers.base import Batch
from tests.rewards.jobs import image_items, make_job, run_job
from wire.errors import EnvironmentFailure


def real_cpu_shortage() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    return caught.value


def test_signs_of_memory_shortage_are_known() -> None:
    assert is_out_of_memory(real_cpu_shortage())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(
    ("size", "fits", "expected"), [(16, 16, [16]), (16, 5, [4]), (6, 2, [2]), (5, 3, [3]), (7, 1, [1])]
)
def test_parts_are_equal_cover_every_row_and_are_kept(size: int, fits: int, expected: list[int]) -> None:
    told: list[str] = []
    parts = Parts("metric", size, told.append)
    lengths: list[int] = []

    def compute(rows: Sequence[int]) -> torch.Tensor:
        if len(rows) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        lengths.append(len(rows))
        return torch.tensor(rows) * 10

    for _ in range(2):
        lengths.clear()
        assert parts(compute).tolist() == [10 * row for row in range(size)]
        assert sorted(set(lengths)) == expected
    assert parts.halved == bool(told) == (size > fits)


def test_one_pair_that_does_not_fit_ends_the_stage() -> None:
    def compute(_: Sequence[int]) -> torch.Tensor:
        raise real_cpu_shortage()

    with pytest.raises(EnvironmentFailure, match="metric: out of memory with a single pair"):
        Parts("metric", 4, lambda _: None)(compute)


def test_another_error_is_not_taken_for_it() -> None:
    def compute(_: Sequence[int]) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        Parts("metric", 4, pytest.fail)(compute)


def test_a_scorer_whose_batches_do_not_fit_is_scored_in_halves_and_says_so(
    tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = image_items(tmp_path / "run", prompts=3)
    job = make_job(tmp_path, items, {"files": files, "metrics": ["aesthetic", "pick_score"], "batch_size": 4})
    whole, _ = run_job(job)
    Path(job.output).unlink()
    real = SCORERS["pick_score"].score

    def short_of_memory(self: Any, batch: Batch) -> torch.Tensor:
        if len(batch.prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch)

    monkeypatch.setattr(SCORERS["pick_score"], "score", short_of_memory)
    rows, events = run_job(job)
    for row, expected in zip(rows, whole, strict=True):
        assert row["value"] == pytest.approx(expected["value"], abs=1e-6)
        assert row["metric"] == "pick_score" or row == expected
    (warning,) = [event["message"] for event in events if event["event"] == "warning"]
    assert warning.startswith("pick_score: 4 at a time do not fit into memory, going on with 2")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_a_model_that_does_not_fit_is_left_out_with_the_reason(
    error: Exception, tmp_path: Path, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(SCORERS["sciscore"], "load", refuse)
    items = image_items(tmp_path / "run", prompts=1)
    rows, _ = run_job(make_job(tmp_path, items, {"files": files, "metrics": ["sciscore", "pick_score"]}))
    reasons = {row["error"] for row in rows if row["metric"] == "sciscore"}
    assert reasons == {
        "its model does not fit into the memory of cpu; free the device, use one with more memory, or leave this "
        "metric out with --metric"
    }
    assert all(row["value"] is not None for row in rows if row["metric"] == "pick_score")
