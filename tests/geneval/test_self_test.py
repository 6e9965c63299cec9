from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

import torch

from geneval.rows import ENOUGH, check_rows
from geneval.self_test import SCENES, count_right, self_test, write_scenes
from geneval.worker import work
from tests.geneval.jobs import ROOT, Finished, items, make_job, parameters
from tests.geneval.scenes import write_scenes as write_images
from wire.protocol import EnvironmentFailure, Reporter
from wire.vocabulary import COLORS


def rows(count: int, details: Any, *, status: str = "scored") -> list[dict[str, Any]]:
    return [{"status": status, "details": details(i), "image_sha256": f"{i}"} for i in range(count)]


def test_a_detector_that_finds_nothing() -> None:
    with pytest.raises(EnvironmentFailure, match=f"found nothing in any of {ENOUGH} images"):
        check_rows(rows(ENOUGH, lambda _: "{}"))
    check_rows(rows(ENOUGH - 1, lambda _: "{}"))
    check_rows(rows(ENOUGH, lambda i: '{"dog": []}' if i == 7 else "{}"))


def test_a_detector_that_always_finds_the_same() -> None:
    with pytest.raises(EnvironmentFailure, match=f"exactly the same in all of {ENOUGH} different images"):
        check_rows(rows(ENOUGH, lambda _: '{"dog": [[0, 0, 1, 1, 0.5]]}'))
    check_rows(rows(ENOUGH, lambda i: f'{{"dog": [[0, 0, 1, {i}, 0.5]]}}'))


def test_copies_of_one_image_and_unscored_rows_say_nothing() -> None:
    check_rows([row | {"image_sha256": "0"} for row in rows(2 * ENOUGH, lambda _: "{}")])
    check_rows(rows(2 * ENOUGH, lambda _: "{}", status="unscored"))


def test_colors() -> None:
    identity = [[float(a == b) for b in COLORS] for a in COLORS]
    assert count_right(identity) == 10
    assert count_right(identity[1:] + identity[:1]) == 0
    with pytest.raises(EnvironmentFailure, match="the same answer to all ten colors"):
        count_right([[0.1] * 10] * 10)
    with pytest.raises(EnvironmentFailure, match="the same answer to all ten colors"):
        count_right([[float("nan")] * 10] * 10)


def start(tmp_path: Path, job_parameters: dict[str, Any]) -> Finished:
    make_job(tmp_path, [], job_parameters).write(tmp_path / "job.json")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "geneval.self_test", str(tmp_path / "job.json")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)
    return Finished(answer.returncode, [json.loads(line) for line in answer.stdout.splitlines()], answer.stderr)


def test_the_tiny_world_passes(tiny_files: Path, tmp_path: Path) -> None:
    finished = start(tmp_path, parameters(tiny_files))
    assert finished.code == 0, finished.log
    first, second = (event["message"] for event in finished.events if event["event"] == "warning")
    assert f"objects in {SCENES} drawn scenes" in first
    assert "of 10 plain colors named right" in second


@pytest.fixture
def blind(tiny_files: Path, tmp_path: Path) -> dict[str, Any]:
    """A detector to which everything is "no object"."""
    content = torch.load(tiny_files / "mask2former.pth", weights_only=True)
    content["state_dict"]["panoptic_head.cls_embed.bias"][-1] = 1e4
    torch.save(content, tmp_path / "blind.pth")
    made = parameters(tiny_files)
    return made | {"files": made["files"] | {"mask2former": str(tmp_path / "blind.pth")}}


def test_a_blind_detector_fails(blind: dict[str, Any], tmp_path: Path) -> None:
    job = make_job(tmp_path / "run", [], blind)
    with pytest.raises(EnvironmentFailure, match=f"^the detector found nothing in any of {SCENES} images"):
        self_test(job, Reporter(io.StringIO()))


def test_a_blind_detector_stops_a_sweep_once(blind: dict[str, Any], tmp_path: Path) -> None:
    write_images(tmp_path, ENOUGH)
    job = make_job(tmp_path, items(ENOUGH), blind)
    with pytest.raises(EnvironmentFailure, match=f"found nothing in any of {ENOUGH} images"):
        work(job, Reporter(io.StringIO()))
    kept = (tmp_path / "results.jsonl").read_bytes()
    assert kept.count(b"\n") == ENOUGH
    done = frozenset(item.filename for item in job.items)
    work(make_job(tmp_path, items(ENOUGH), blind, done), Reporter(io.StringIO()))
    assert (tmp_path / "results.jsonl").read_bytes() == kept


def test_scenes_are_the_same_each_time(tmp_path: Path) -> None:
    first, second = (write_scenes(tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert (tmp_path / "a" / one.filename).read_bytes() == (tmp_path / "b" / other.filename).read_bytes()
    assert len({(tmp_path / "a" / item.filename).read_bytes() for item in first}) == SCENES
