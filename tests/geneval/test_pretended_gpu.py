"""The geneval worker on a pretended GPU: the CPU's verdicts and boxes, nothing on the wrong device, few waits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmdet", reason="runs in the geneval environment")

from tests.geneval.jobs import items, make_job, parameters, run
from tests.geneval.scenes import write_scenes
from tests.pretended_gpu import Outcome, on_pretended_gpu
from wire.protocol import read_rows

COUNT = 6
#: Per image: the best pairs, what their masks say, and the masks that count; the rest is once a batch, the detector's
#: own bookkeeping and the answers of CLIP.
WAITS_AN_IMAGE = 7


def _on_gpu(folder: Path, files: Path, mistake: str = "", **more: Any) -> Outcome:
    write_scenes(folder, COUNT)
    return on_pretended_gpu(make_job(folder, items(COUNT), parameters(files, **{"device": "auto"} | more)), mistake)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return list(read_rows(folder / "results.jsonl"))


@pytest.mark.parametrize("detector", ["mmdet", "transformers"])
def test_verdicts_and_boxes_are_the_cpu_s(detector: str, tiny_files: Path, tmp_path: Path) -> None:
    there = _on_gpu(tmp_path / "gpu", tiny_files, detector=detector)
    assert there.code == 0, there.log
    assert there.events[0]["device"].startswith("cuda")
    assert there.events[0]["attention"] == "grid_sample"
    assert sum(there.waits.values()) <= COUNT * WAITS_AN_IMAGE, there.waits
    write_scenes(tmp_path / "cpu", COUNT)
    assert run(make_job(tmp_path / "cpu", items(COUNT), parameters(tiny_files, detector=detector))).code == 0
    for gpu, cpu in zip(_rows(tmp_path / "gpu"), _rows(tmp_path / "cpu"), strict=True):
        assert (gpu["correct"], gpu["reason"]) == (cpu["correct"], cpu["reason"])
        found, expected = json.loads(gpu["details"]), json.loads(cpu["details"])
        assert found.keys() == expected.keys()
        for name, boxes in expected.items():
            assert found[name] == [pytest.approx(box, abs=1e-3) for box in boxes]


def test_a_tensor_left_on_the_cpu_is_found_with_its_line(tiny_files: Path, tmp_path: Path) -> None:
    there = _on_gpu(tmp_path / "gpu", tiny_files, mistake="geneval.color:ColorClassifier.classifier")
    messages = [event["message"] for event in there.events if event["event"] == "error"]
    messages += [row["error"] for row in _rows(tmp_path / "gpu") if row["error"]]
    place = r"all tensors to be on the same device: aten::\w+ at geneval/[\w/]+\.py:\d+"
    assert any(re.search(place, message) for message in messages), (messages, there.log)
