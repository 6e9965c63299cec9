"""Opening a run: where it goes, and what its checkpoint is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from generation.checkpoint_kinds import DIFFUSERS, FOLDER, HUB_FILES, LIGHTNING, CheckpointSource
from generation.suites import SUITES, limit_indices
from harness.plan.open import Model, default_directory, describe, describe_images, identify_checkpoint, open_run
from harness.run.contents import Contents
from harness.run.manifest import Manifest
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.generate import GENERATE, planned_files
from harness.terminal.display import Display
from harness.weights.weight_source import PublishedWeights
from wire.errors import UserError
from wire.files import sha256_of_file


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    for name in ("model_index.json", "unet/config.json", "unet/weights.safetensors", ".git/config"):
        (tmp_path / "pipeline" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pipeline" / name).write_text("{}")
    return tmp_path / "pipeline"


def test_pipeline_is_known_by_all_its_files(pipeline: Path) -> None:
    source = describe(GenerationSettings(str(pipeline)))
    before = identify_checkpoint(source, None, Contents())
    assert set(before["identity"]) == {"model_index.json", "unet/config.json", "unet/weights.safetensors"}
    assert identify_checkpoint(source, before, Contents()) is before
    (pipeline / "unet" / "config.json").write_text('{"sample_size": 64}')
    assert identify_checkpoint(source, before, Contents())["identity"] != before["identity"]
    assert default_directory(source) == pipeline.parent / "geneval_images" / "pipeline"


def test_a_checkpoint_replaced_by_one_of_the_same_size_and_time_is_another(tmp_path: Path) -> None:
    """As ``rsync -a`` or ``cp -p`` leave it: variants of one architecture are of one size."""
    file = tmp_path / "last.ckpt"
    file.write_bytes(b"PK\3\4 first")
    (tmp_path / "config.yaml").write_text("a: 1")
    source = CheckpointSource(LIGHTNING, "last", path=file)
    before, state = identify_checkpoint(source, None, Contents()), file.stat()
    (tmp_path / "new").write_bytes(b"PK\3\4 other")
    os.utime(tmp_path / "new", ns=(state.st_atime_ns, state.st_mtime_ns))
    os.replace(tmp_path / "new", file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert identify_checkpoint(source, before, Contents())["identity"] != before["identity"]


def test_a_generator_s_argument_that_is_no_file_is_known_by_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository's id, which the function loads by itself: ``a/model`` and ``b/model`` are two models."""
    (tmp_path / "my_model.py").write_text("def images(prompts, seeds, checkpoint): ...")
    monkeypatch.chdir(tmp_path)
    settings = [GenerationSettings(f"{owner}/model", generator="my_model:images") for owner in "ab"]
    found = [identify_checkpoint(describe(one), None, Contents())["identity"]["checkpoint"] for one in settings]
    assert found == ["a/model", "b/model"]


def test_own_generator_is_known_by_its_source_and_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text("one")
    (tmp_path / "weights.pt").write_text("two")
    settings = GenerationSettings("weights.pt", generator="my_model:images", steps=None, guidance_scale=None)
    identity = identify_checkpoint(describe(settings), None, Contents())["identity"]
    assert set(identity) == {"my_model.py", "checkpoint/weights.pt", "generator", "checkpoint"}
    plan = GENERATE.plan(*_opened(tmp_path, settings))
    assert plan.parameters["generator_folder"] == str(tmp_path)
    assert plan.parameters["checkpoint"] == str(tmp_path / "weights.pt")
    assert plan.parameters["kind"] == "auto"
    assert plan.parameters["planned"].keys() == {"my_model.py", "checkpoint/weights.pt"}


def test_the_worker_is_told_which_bytes_were_planned(pipeline: Path, tmp_path: Path) -> None:
    for name in ("last.ckpt", "config.yaml", *HUB_FILES):
        (tmp_path / name).write_text(name)
    for source, names in (
        (CheckpointSource(LIGHTNING, "x", tmp_path / "last.ckpt"), {"last.ckpt", "config.yaml"}),
        (CheckpointSource(FOLDER, "x", tmp_path), set(HUB_FILES)),
        (
            CheckpointSource(DIFFUSERS, "x", pipeline),
            {"model_index.json", "unet/config.json", "unet/weights.safetensors"},
        ),
    ):
        manifest = Manifest("x", checkpoint=identify_checkpoint(source, None, Contents()))
        files = source.files()
        assert planned_files(manifest) == {name: sha256_of_file(files[name]) for name in names}
    assert planned_files(Manifest("x", checkpoint={"identity": "owner/name@main"})) == {}


def _opened(folder: Path, generation: GenerationSettings) -> tuple:
    settings = RunSettings(folder / "out", generation)
    with Display() as display, open_run(settings, PublishedWeights(), display) as opened:
        return opened.run, opened.manifest, settings, PublishedWeights()


def test_images_made_already_are_not_generated(tmp_path: Path) -> None:
    (index,) = limit_indices(SUITES["geneval"].lines, 1)
    folder = tmp_path / "images" / f"{index:05d}"
    (folder / "samples").mkdir(parents=True)
    (folder / "metadata.jsonl").write_text(json.dumps(SUITES["geneval"].lines[index]))
    (folder / "samples" / "0000.png").write_bytes(b"an image")
    settings = GenerationSettings(str(folder.parent), limit=1, samples=2)
    model = Model(settings, describe(settings))
    (line,) = describe_images(model)
    assert line.endswith(f"1 images of 1 prompts of suite geneval; 1 with fewer than 2 images ({index:05d})")
    assert default_directory(model.source) == folder.parent
    with pytest.raises(UserError, match="these images exist already"):
        _opened(tmp_path, settings)


def test_a_checkpoint_has_no_coverage_to_tell() -> None:
    settings = GenerationSettings("org/name")
    assert describe_images(Model(settings, describe(settings))) == []


@pytest.mark.parametrize(
    ("checkpoint", "precision", "tflop"),
    [("miro", "paper", 17.9), ("miro-only-clip", "auto", 17.9), ("miro", "pipeline", 17.4), ("my/miro", "auto", None)],
)
def test_a_released_checkpoint_s_arithmetic_is_recorded(
    tmp_path: Path, checkpoint: str, precision: str, tflop: float | None
) -> None:
    settings = RunSettings(tmp_path, GenerationSettings(checkpoint, precision=precision))
    with Display() as display, open_run(settings, PublishedWeights(), display) as pipeline:
        assert pipeline.manifest.tflop_per_image == (tflop and pytest.approx(tflop, abs=0.1))
        pipeline.manifest.write(tmp_path / "run.json")
    record = json.loads((tmp_path / "run.json").read_text())
    assert ("tflop_per_image" in record) is (tflop is not None)
    assert Manifest.read(tmp_path / "run.json") == pipeline.manifest
