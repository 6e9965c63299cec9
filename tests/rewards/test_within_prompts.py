"""Values of a prompt's images together, in whatever batches and shares; and reasons where there are none."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewards.scorers import SCORERS
from rewards.scorers.diversity import distances, vendi
from tests.rewards.jobs import Row, done_cells, image_items, make_job, run_job
from tests.rewards.pairs import picture
from wire.protocol import SAMPLES_DIGEST, Item, digest_of

METRICS = ["diversity_dinov2", "vendi_dinov2", "diversity_clip", "vendi_clip"]


def values(rows: list[Row], metric: str = "") -> dict[str, Any]:
    return {f"{row['filename']}#{row['metric']}": row["value"] for row in rows if metric in ("", row["metric"])}


def job_of(folder: Path, items: list[Item], files: Mapping[str, str], batch_size: int = 4, **more: Any) -> Any:
    parameters = {"files": files, "metrics": METRICS, "batch_size": batch_size, "device": "cpu"} | more
    return make_job(folder, items, parameters)


def test_formulas_are_those_of_their_papers() -> None:
    """Computed another way: over pairs, and by a matrix logarithm's trace."""
    rng = np.random.default_rng(0)
    for size in (2, 3, 4, 8):
        features = rng.normal(size=(size, 32)).astype(np.float32)
        unit = features.astype(np.float64) / np.sqrt((features.astype(np.float64) ** 2).sum(axis=1))[:, None]
        pairs = [1.0 - float(unit[i] @ unit[j]) for i, j in itertools.combinations(range(size), 2)]
        assert np.mean(distances(features)) == pytest.approx(np.mean(pairs), abs=1e-12)
        kernel = unit @ unit.T / size
        eigenvalues, vectors = np.linalg.eig(kernel)
        logarithm = vectors @ np.diag(np.log(eigenvalues)) @ np.linalg.inv(vectors)
        assert vendi(features)[0] == pytest.approx(np.exp(-np.trace(kernel @ logarithm)), abs=1e-12)


def test_alike_images_are_one_and_orthogonal_ones_are_all() -> None:
    alike, unlike = np.ones((4, 8)), np.eye(4)
    assert distances(alike) == pytest.approx([0.0] * 4, abs=1e-12)
    assert vendi(alike) == pytest.approx([1.0] * 4, abs=1e-12)
    assert distances(unlike) == pytest.approx([1.0] * 4)
    assert vendi(unlike) == pytest.approx([4.0] * 4)
    assert distances(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx([2.0, 2.0])


def test_features_are_the_networks_own(tmp_path: Path, files: Mapping[str, str]) -> None:
    """DINOv2's pooled output, and CLIP's image embedding as ``clip_openai`` has it, of images prepared by hand."""
    from torchvision.transforms import functional as transforms
    from transformers import CLIPModel, Dinov2Model

    from rewards.hub import snapshot

    images = [picture(seed, (300, 200)) for seed in range(3)]
    dino, clip = SCORERS["diversity_dinov2"](), SCORERS["vendi_clip"]()
    for scorer in (dino, clip):
        scorer.load("cpu", "reference", files)
    with torch.inference_mode():
        pixels = torch.stack([transforms.to_tensor(image.resize((224, 224), 3)) for image in images])
        pixels = transforms.normalize(pixels, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        model = Dinov2Model.from_pretrained(snapshot("facebook/dinov2-large"), torch_dtype=torch.float32)
        expected = distances(model(pixel_values=pixels).pooler_output.numpy())
        prepared = torch.stack([dino.prepare_image(image) for image in images])
        assert dino.of_prompt(dino.features(prepared).numpy()) == pytest.approx(expected, abs=1e-6)
        assert min(expected) > 0.01, "the stand-in must see the images"
        prepared = torch.stack([clip.prepare_image(image) for image in images])
        model = CLIPModel.from_pretrained(snapshot("openai/clip-vit-large-patch14"), torch_dtype=torch.float32)
        expected = vendi(model.get_image_features(pixel_values=prepared).numpy())
        assert clip.of_prompt(clip.features(prepared).numpy()) == pytest.approx(expected, abs=1e-6)


def test_rows_are_complete_and_say_of_which_images_they_are(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", 5, samples=3)
    rows, events = run_job(job_of(tmp_path, items, files))
    assert [(row["filename"], row["metric"]) for row in rows] == [(i.filename, m) for i in items for m in METRICS]
    assert events[-1] == {"event": "finished", "rows": 60, "unscored": 0}
    used = {one["metric"]: one["preprocessing"] for one in events[0]["weights"]}
    assert used["vendi_dinov2"].startswith("bicubic to 224 x 224 px without a crop, ImageNet mean")
    for row in rows:
        own = [item.image_sha256 for item in items if item.prompt_index == row["prompt_index"]]
        assert row["details"] == {"samples": 3, SAMPLES_DIGEST: digest_of(own)}
    for metric in ("vendi_dinov2", "vendi_clip"):
        of_prompts = [set(group) for group in np.reshape([*values(rows, metric).values()], (5, 3))]
        assert all(len(group) == 1 for group in of_prompts)
        assert all(1.0 < value < 3.0 for group in of_prompts for value in group)


def test_the_same_values_in_any_order_of_work(tmp_path: Path, files: Mapping[str, str]) -> None:
    """Interrupted anywhere, in shares that cut prompts apart, with models one by one: the same bits."""
    items = image_items(tmp_path / "run", 4, samples=3)
    whole = values(run_job(job_of(tmp_path, items, files))[0])
    for number, kept in enumerate(([1], [5, 6, 7], range(20), range(0, 48, 5))):
        folder = tmp_path / str(number)
        (folder).mkdir()
        (folder / "run").symlink_to(tmp_path / "run")
        done = frozenset(key for place, key in enumerate(whole) if place in kept)
        job = replace(job_of(folder, items, files, group="one"), done=done)
        assert values(run_job(job)[0]) == {key: value for key, value in whole.items() if key not in done}


def test_another_batch_size_moves_last_bits_alone(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", 3, samples=2)
    found = []
    for size in (1, 4, 16):
        (tmp_path / str(size)).mkdir()
        (tmp_path / str(size) / "run").symlink_to(tmp_path / "run")
        found.append(values(run_job(job_of(tmp_path / str(size), items, files, batch_size=size))[0]))
    for other in found[1:]:
        assert list(other.values()) == pytest.approx(list(found[0].values()), abs=1e-6)


def test_a_lost_sample_leaves_the_whole_prompt_unscored_and_no_other(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", 3, samples=3)
    before = values(run_job(job_of(tmp_path, items, files))[0])
    (tmp_path / "run" / items[4].filename).write_bytes(b"no image")
    (tmp_path / "run" / items[8].filename).unlink()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "run").symlink_to(tmp_path / "run")
    rows, _ = run_job(job_of(tmp_path / "again", items[:8], files))
    reasons = {row["filename"]: row["error"] for row in rows if row["metric"] == "vendi_clip"}
    assert [reasons[item.filename] for item in items[:3]] == [None] * 3
    assert reasons[items[4].filename] == "image file has changed since it was listed"
    reason = f"a sample of the prompt has no features: {items[4].filename}: image file has changed since it was listed"
    assert [reasons[items[place].filename] for place in (3, 5)] == [reason] * 2
    assert [reasons[item.filename] for item in items[6:8]] == ["the prompt has 2 samples: most prompts have 3"] * 2
    first = {key: value for key, value in before.items() if key.startswith("00000/")}
    assert {key: value for key, value in values(rows).items() if value is not None} == first


def test_one_sample_has_no_diversity(tmp_path: Path, files: Mapping[str, str]) -> None:
    rows, _ = run_job(job_of(tmp_path, image_items(tmp_path / "run", 2, samples=1), files))
    assert {row["error"] for row in rows} == {"the prompt has 1 sample: diversity needs two"}


def test_beside_other_metrics_and_with_all_done(tmp_path: Path, files: Mapping[str, str]) -> None:
    items = image_items(tmp_path / "run", 2, samples=2)
    rows, _ = run_job(job_of(tmp_path, items, files, metrics=["vendi_dinov2", "clip_openai"]))
    assert {row["metric"] for row in rows if row["value"] is not None} == {"vendi_dinov2", "clip_openai"}
    again = replace(job_of(tmp_path, items, files, metrics=["vendi_dinov2"]), done=done_cells(rows))
    assert run_job(again)[1][-1] == {"event": "finished", "rows": 0, "unscored": 0}
