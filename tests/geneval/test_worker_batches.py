"""The worker with several images in a forward pass, in this process."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

from geneval.worker import loading_threads, work
from tests.geneval.jobs import items, make_job, parameters
from tests.geneval.scenes import filename, write_scenes
from wire.protocol import Job, Reporter, read_rows

COUNT, BROKEN = 7, 2
#: Scores and probabilities of another batch size: single precision, another order of adding.
TOLERANCE = 1e-4


def judge(job: Job, output: Path, done: frozenset[str] = frozenset(), **settings: Any) -> list[dict[str, Any]]:
    events = io.StringIO()
    work(replace(job, output=str(output), done=done, parameters=job.parameters | settings), Reporter(events))
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    assert told[0]["total"] == told[-1]["rows"] == COUNT - len(done)
    assert (told[0]["batch_size"], told[0]["precision"]) == (settings.get("batch_size", 1), "fp32")
    return list(read_rows(output))


@pytest.fixture(scope="module")
def job(tiny_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("images")
    write_scenes(folder, COUNT)
    (folder / filename(BROKEN)).write_bytes(b"not an image")
    return make_job(folder, items(COUNT), parameters(tiny_files))


@pytest.fixture(scope="module")
def batched(job: Job) -> list[dict[str, Any]]:
    return judge(job, Path(job.run_dir) / "four.jsonl", batch_size=4)


def test_rows_are_in_order_and_a_broken_image_disturbs_nobody(batched: list[dict[str, Any]]) -> None:
    assert [row["filename"] for row in batched] == [filename(index) for index in range(COUNT)]
    assert [row["status"] for row in batched].count("unscored") == 1
    assert batched[BROKEN]["error"].startswith(f"{filename(BROKEN)}: not an image file of a known format")


def test_batches_say_what_single_images_say(job: Job, batched: list[dict[str, Any]], tmp_path: Path) -> None:
    for one, other in zip(judge(job, tmp_path / "one.jsonl"), batched, strict=True):
        assert (one["correct"], one["reason"], one["image_sha256"]) == (
            other["correct"],
            other["reason"],
            other["image_sha256"],
        )
        assert flat(one["details"]) == pytest.approx(flat(other["details"]), abs=TOLERANCE)
        assert flat(json.dumps(one["colors"])) == pytest.approx(flat(json.dumps(other["colors"])), abs=TOLERANCE)


def flat(details: str) -> dict[str, float]:
    """A number for each place in class -> lists of numbers."""
    classes = json.loads(details)
    return {
        f"{name} {i} {k}": x for name, rows in classes.items() for i, row in enumerate(rows) for k, x in enumerate(row)
    }


def test_resumed_in_the_middle_of_a_batch_gives_the_same_bytes(
    job: Job, batched: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = frozenset(filename(index) for index in (0, 1, 3))
    rows = judge(job, tmp_path / "rest.jsonl", done, batch_size=4)
    assert rows == [row for row in batched if row["filename"] not in done]


def test_masks_are_stored_with_their_boxes(batched: list[dict[str, Any]]) -> None:
    from geneval.images import decode

    for row in batched:
        details = json.loads(row["details"])
        assert {name: len(masks) for name, masks in row["masks"].items()} == {n: len(b) for n, b in details.items()}
        for name, masks in row["masks"].items():
            for (x0, y0, x1, y1, _), stored in zip(details[name], masks, strict=True):
                ys, xs = decode(stored).nonzero()
                assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)
    assert any(row["masks"] for row in batched)


def test_a_gpu_gets_more_loading_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geneval.worker.processors", lambda: 16)
    assert (loading_threads("cpu"), loading_threads("cuda:1")) == (1, 8)
