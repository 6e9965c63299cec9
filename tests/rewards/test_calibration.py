"""The fixed pairs, scored on the tiny world, against the golden values that come with the program."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rewards.calibration.golden import Golden, changes, compare, compare_published, values_of
from rewards.calibration.pairs import PAIRS, PUBLISHED, write_pairs
from rewards.calibration.worker import STAGE, work
from tests.rewards.pairs import HERE
from tests.shared_data import shared
from wire.errors import UserError
from wire.protocol import Job, Reporter, read_rows

GOLDEN = Path(__file__).resolve().parents[2] / "rewards" / "calibration" / "golden" / "tiny.json"

#: The whole tiny world shares files between its stages; this stage alone writes its own of these.
OTHER_STAGES_WEIGHTS = {"aesthetic", "vqa_xl"}


def calibrated(folder: Path, parameters: Mapping[str, Any]) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    stream = io.StringIO()
    job = Job(STAGE, str(folder), str(folder / "rows.jsonl"), [], {"batch_size": 4, "device": "cpu", **parameters})
    work(job, Reporter(stream))
    return values_of(read_rows(folder / "rows.jsonl")), json.loads(stream.getvalue().splitlines()[0])


def test_the_pairs_never_change(tmp_path: Path) -> None:
    items = write_pairs(tmp_path)
    pixels = hashlib.sha256()
    for item, (size, _, prompt) in zip(items, PAIRS, strict=True):
        with Image.open(tmp_path / item.filename) as image:
            assert (image.mode, image.size, item.prompt) == ("RGB", size, prompt)
            pixels.update(np.asarray(image).tobytes())
    assert pixels.hexdigest() == "24c9e4292355d898644c6defabd04a55382000de57358eb0edcc4c2d5d3256ec"


@pytest.mark.parametrize("precision", ["reference", "fast"])
def test_the_tiny_world_scores_as_stored(precision: str, tmp_path: Path, files: Mapping[str, str]) -> None:
    """Where the tiny world was changed on purpose: `miro-eval calibrate --tiny-world --update` for all metrics."""
    golden = Golden.read(GOLDEN)
    parameters = {"files": files, "metrics": HERE, "precision": precision}
    values, started = calibrated(tmp_path, parameters)
    findings = compare(golden.values[precision], values, precision)
    assert [finding.name for finding in findings] == HERE
    assert [str(f) for f in findings if not f.passed and f.name not in OTHER_STAGES_WEIGHTS] == []
    assert {change.partition(":")[0] for change in changes(golden, precision, started)} <= OTHER_STAGES_WEIGHTS


def test_published_images_are_scored_beside_the_pairs(tmp_path: Path, files: Mapping[str, str]) -> None:
    folder = shared("data/images/imagereward_webp")
    values, _ = calibrated(tmp_path, {"files": files, "metrics": ["image_reward"], "published_images": str(folder)})
    assert len(values["image_reward"]) == len(PAIRS) + 4
    (finding,) = compare_published(values)
    assert not finding.passed  # random weights do not know the published scores
    golden = Golden.read(GOLDEN).values["reference"]
    assert all(finding.passed for finding in compare(golden, values, "reference"))


def test_the_published_scores_themselves_pass() -> None:
    assert [finding.passed for finding in compare_published({"image_reward": dict(PUBLISHED)})] == [True]
    off = {**PUBLISHED, "2.webp": 0.31}
    assert [finding.passed for finding in compare_published({"image_reward": off})] == [False]


def test_a_folder_without_the_images_is_the_users_error(tmp_path: Path, files: Mapping[str, str]) -> None:
    with pytest.raises(UserError, match=r"no 1\.webp"):
        calibrated(tmp_path, {"files": files, "metrics": ["aesthetic"], "published_images": str(tmp_path)})


STARTED = {
    "packages": {"torch": "2.5.1"},
    "weights": [{"metric": "vqa", "source": "org/name", "file": "model", "sha256": "aa"}],
}


def test_one_drifted_score_is_found_whatever_the_others_say() -> None:
    golden = {"pick_score": {"a": 0.2, "b": 0.21}, "vqa": {"a": 0.5, "b": 1e-9}}
    values = {"pick_score": {"a": 0.2, "b": 0.2101}, "vqa": {"a": 0.5, "b": 1.2e-9}, "aesthetic": {"a": 5.0}}
    pick, vqa = compare(golden, values, "reference")
    assert (pick.passed, vqa.passed) == (False, False)
    assert pick.difference == pytest.approx(1e-4)
    assert "DRIFTED" in str(pick)
    assert compare(golden, {"pick_score": {"a": 0.2, "b": 0.2101}}, "fast")[0].passed
    assert compare(golden, {"vqa": {"a": 0.51, "b": 1e-9}}, "reference")[0].passed


@pytest.mark.parametrize("scores", [{"a": 0.2}, {"a": 0.2, "b": math.nan}])
def test_a_missing_score_is_a_drift(scores: dict[str, float]) -> None:
    (finding,) = compare({"pick_score": {"a": 0.2, "b": 0.21}}, {"pick_score": scores}, "reference")
    assert not finding.passed


def test_an_update_touches_its_own_metrics_and_precision(tmp_path: Path) -> None:
    golden = Golden({"fast": {"vqa": {"a": 1.0}}, "reference": {"vqa": {"a": 1.0}, "aesthetic": {"a": 5.0}}})
    golden.update("reference", {"vqa": {"a": 0.5, "1.webp": 0.1}}, STARTED)
    (tmp_path / "golden.json").write_text(golden.text())
    again = Golden.read(tmp_path / "golden.json")
    assert again.values == {
        "fast": {"vqa": {"a": 1.0}},
        "reference": {"vqa": {"a": 0.5}, "aesthetic": {"a": 5.0}},
    }
    assert changes(again, "reference", STARTED) == []
    other = {"packages": {"torch": "2.6"}, "weights": [{**STARTED["weights"][0], "sha256": "bb"}]}  # type: ignore[dict-item]
    assert changes(again, "reference", other) == ["vqa: other weights, org/name/model", "torch 2.5.1 -> 2.6"]


def test_a_file_that_holds_something_else_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text('{"speed": 3}')
    with pytest.raises(UserError, match="no file of golden values"):
        Golden.read(tmp_path / "golden.json")
    assert Golden.read(tmp_path / "none.json").values == {}
