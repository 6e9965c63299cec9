"""Planning of stage *generate*: what reaches the worker, and what decides an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, StageRecord
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.base import StagePlan
from harness.stages.generate import GENERATE
from harness.weights.weight_source import PublishedWeights
from wire.errors import UserError
from wire.paths import home

SETTINGS = GenerationSettings("owner/name", limit=2, samples=1)


def plan(folder: Path, generation: GenerationSettings, manifest: Manifest | None = None) -> StagePlan:
    settings = RunSettings(folder, generation)
    return GENERATE.plan(RunDirectory(folder), manifest or Manifest("x"), settings, PublishedWeights())


def test_a_size_that_was_found_holds_for_the_rest_of_the_run(tmp_path: Path) -> None:
    first = plan(tmp_path, SETTINGS)
    assert first.parameters["batch_size"] == "auto"
    record = StageRecord(first.fingerprint, first.settings)
    begun = Manifest("x", stages={"generate": record})
    assert plan(tmp_path, SETTINGS, begun).parameters["batch_size"] == "auto"
    record.provenance = {"batch_size": 16}
    for asked in ("auto", 16):
        resumed = plan(tmp_path, replace(SETTINGS, batch_size=asked), begun)
        assert resumed.parameters["batch_size"] == 16
        assert resumed.fingerprint == first.fingerprint
    with pytest.raises(UserError, match="batch_size: 'auto' -> 8"):
        plan(tmp_path, replace(SETTINGS, batch_size=8), begun)


def test_a_run_with_a_size_of_its_own_keeps_it_where_none_is_asked_for(tmp_path: Path) -> None:
    first = plan(tmp_path, replace(SETTINGS, batch_size=4))
    begun = Manifest("x", stages={"generate": StageRecord(first.fingerprint, first.settings)})
    resumed = plan(tmp_path, SETTINGS, begun)
    assert (resumed.parameters["batch_size"], resumed.fingerprint) == (4, first.fingerprint)


def test_upstream_s_noise_and_a_generator_of_one_s_own_have_upstream_s_size() -> None:
    assert GenerationSettings("x").batch_size == "auto"
    assert GenerationSettings("x", noise="upstream").batch_size == 4
    assert GenerationSettings(generator="a.py:f").batch_size == 4
    assert GenerationSettings(generator="a.py:f", batch_size="auto").batch_size == "auto"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"steps": 49},
        {"guidance_scale": 6.0},
        {"batch_size": 8},
        {"compile": True},
        {"precision": "pipeline"},
        {"resolution": "512"},
        {"noise": "upstream", "batch_size": 4},
        {"reward_targets": {"vqa_score": 0.5}},
        {"negative_reward_targets": {"vqa_score": 0.5}},
    ],
)
def test_every_knob_is_part_of_the_fingerprint_and_reaches_the_worker(
    tmp_path: Path, change: dict[str, object]
) -> None:
    changed = plan(tmp_path, replace(SETTINGS, **change))  # type: ignore[arg-type]
    assert changed.fingerprint != plan(tmp_path, SETTINGS).fingerprint
    assert {name: changed.parameters[name] for name in change} == change


def test_text_embeddings_are_kept_at_home(tmp_path: Path) -> None:
    assert plan(tmp_path, SETTINGS).parameters["text_cache"] == str(home() / "text-embeddings")


def test_a_plain_text_file_is_a_suite(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a cat\na dog\n")
    items = plan(tmp_path / "run", replace(SETTINGS, suite=str(tmp_path / "mine.txt"))).items
    assert [item.metadata for item in items] == [{"prompt": "a cat"}, {"prompt": "a dog"}]


@pytest.mark.parametrize("value", [0, -1, "many", "2.5", "", True])
def test_a_batch_size_that_is_none_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match=r"--batch-size .*: expected a whole number, 1 or more, or auto"):
        plan(tmp_path, replace(SETTINGS, batch_size=value))
