"""GenEval's verdicts, whoever runs the detector: mmcv compiled, mmcv-lite on a newer torch, or transformers."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from harness.workers.worker import Event, Program, run
from tests.geneval.jobs import items, make_job
from tests.geneval.scenes import write_scenes
from tests.real_environments import environment, world
from wire.protocol import read_rows

SCENES = 18
#: Scores differ by rounding: torch's kernels change from version to version.
TOLERANCE = 1e-4
#: Share of scores that may differ by more: where a place of a query's mask rounds to the other side of zero, its later
#: layers see something else.
ASTRAY = 0.01


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, SCENES)
    return folder


def judged(scenes: Path, backend: str, detector: str) -> tuple[list[dict[str, Any]], Event]:
    """A worker's rows in an environment of that kind, and what it says of itself."""
    name, source = f"{backend}-{detector}", world()
    job = make_job(scenes, items(SCENES), source.parameters("geneval") | {"device": "cpu", "detector": detector})
    job = replace(job, output=str(scenes / f"{name}.jsonl"))
    job.write(scenes / f"{name}.job")
    command = environment("geneval", backend).worker("geneval", str(scenes / f"{name}.job"))
    events: list[Event] = []
    run(Program("geneval", command, scenes / f"{name}.log", source.variables()), events.append)
    return list(read_rows(Path(job.output))), next(event for event in events if event["event"] == "started")


@pytest.fixture(scope="module")
def reference(scenes: Path) -> list[dict[str, Any]]:
    rows, started = judged(scenes, "uv", "mmdet")
    assert "mmcv" in started["packages"]
    return rows


@pytest.mark.parametrize(
    ("backend", "detector", "package"),
    [("mmcv-lite", "mmdet", "mmcv-lite"), ("uv", "transformers", "transformers")],
)
def test_verdicts_and_boxes_are_the_reference_s(
    scenes: Path, reference: list[dict[str, Any]], backend: str, detector: str, package: str
) -> None:
    rows, started = judged(scenes, backend, detector)
    assert package in started["packages"]
    assert "mmcv" not in started["packages"]
    assert started["attention"] == "embedding_bag"
    differences = []
    for row, wanted in zip(rows, reference, strict=True):
        assert (row["correct"], row["reason"]) == (wanted["correct"], wanted["reason"])
        boxes, expected = json.loads(row["details"]), json.loads(wanted["details"])
        assert {name: len(ours) for name, ours in boxes.items()} == {n: len(theirs) for n, theirs in expected.items()}
        pairs = zip(chain(*boxes.values()), chain(*expected.values()), strict=True)
        for (*box, score), (*place, number) in pairs:
            assert box == pytest.approx(place, abs=1)
            differences.append(abs(score - number))
    print(f"{backend}, {detector}: {len(differences)} boxes, scores within {max(differences):.1e}")
    assert len(differences) > SCENES * 10
    assert sum(one > TOLERANCE for one in differences) <= len(differences) * ASTRAY
