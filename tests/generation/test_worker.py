"""The worker: the same images whatever the order, the neighbours and the history."""

from __future__ import annotations

import copy
import hashlib
import io
from pathlib import Path

import pytest

pytest.importorskip("miro", reason="runs in the generation environment")

from PIL import Image

from generation.miro_model import MiroModel
from generation.sampling import decode_latents
from tests.generation.conftest import World
from tests.generation.jobs import Outcome, failure_of, items_of, make_job, run_here, start_process
from wire.errors import UserError
from wire.protocol import Item, read_rows

PROMPTS = [0, 100, 200, 300, 400]
ITEMS = items_of(PROMPTS, samples=2)


@pytest.fixture(scope="module")
def reference(world: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Ten images in batches of four: the last batch is short."""
    return run_here(make_job(tmp_path_factory.mktemp("reference"), ITEMS, checkpoint=str(world.checkpoint)))


def test_one_row_an_image_in_order_with_its_hash(reference: Outcome) -> None:
    assert [row["filename"] for row in reference.rows] == [item.filename for item in ITEMS]
    for row, item in zip(reference.rows, ITEMS, strict=True):
        assert set(row) == {"filename", "prompt_index", "sample_index", "prompt", "image_sha256"}
        assert row["prompt"] == item.prompt
        assert row["image_sha256"] == hashlib.sha256(reference.images[item.filename]).hexdigest()


def test_images_differ_and_carry_their_origin(reference: Outcome) -> None:
    assert len({row["image_sha256"] for row in reference.rows}) == len(ITEMS)
    with Image.open(io.BytesIO(reference.images["00200/samples/0001.png"])) as image:
        assert image.size == (64, 64)
        assert image.text == {
            "prompt": ITEMS[5].prompt,
            "seed": "42",
            "prompt_index": "200",
            "sample_index": "1",
            "run_id": "test",
        }


def test_events(reference: Outcome) -> None:
    started = reference.event("started")
    assert (started["total"], started["image_size"], started["precision"]) == (10, [64, 64], "paper")
    assert started["hparams"]["checkpoint"] == "last.ckpt"
    assert {name: started["hparams"][name] for name in ("noise", "batch_size", "precision")} == {
        "noise": "image",
        "batch_size": 4,
        "precision": "paper",
    }
    assert started["hparams"]["coherence_values"]["vqa_score_coherence"] == 1.0
    assert {entry.get("repo") or entry["file"] for entry in started["weights"]} == {
        "last.ckpt",
        "config.yaml",
        "stabilityai/sdxl-vae",
        "google/flan-t5-xl",
    }
    finished = reference.event("finished")
    assert (finished["rows"], finished["unscored"]) == (10, 0)
    progress = [event["done"] for event in reference.events if event["event"] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 10


def test_neither_order_nor_neighbours_nor_padding_change_an_image(
    world: World, reference: Outcome, tmp_path: Path
) -> None:
    other = [*reversed(ITEMS[3:]), *items_of([7, 8, 9])]
    images = run_here(make_job(tmp_path, other, checkpoint=str(world.checkpoint))).images
    for item in ITEMS[3:]:
        assert images[item.filename] == reference.images[item.filename]


def test_four_shards_in_any_order_make_the_same_images(world: World, reference: Outcome, tmp_path: Path) -> None:
    for index in (2, 0, 3, 1):
        last = run_here(make_job(tmp_path, ITEMS, (index, 4), checkpoint=str(world.checkpoint)))
    assert last.images == reference.images
    rows = [row for path in tmp_path.glob("rows*.jsonl") for row in read_rows(path)]
    assert sorted(rows, key=lambda row: row["filename"]) == reference.rows


@pytest.mark.parametrize("kind", ["folder", "repo"])
def test_published_form_makes_the_same_images(world: World, reference: Outcome, tmp_path: Path, kind: str) -> None:
    checkpoint = "nicolas-dufour/miro" if kind == "repo" else str(world.hub_folder)
    outcome = run_here(make_job(tmp_path, ITEMS[:4], checkpoint=checkpoint))
    assert outcome.rows == reference.rows[:4]
    assert outcome.images == {item.filename: reference.images[item.filename] for item in ITEMS[:4]}


def test_resumed_run_has_the_same_bytes(world: World, reference: Outcome, tmp_path: Path) -> None:
    run_here(make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint)))
    rows = (tmp_path / "rows.jsonl").read_bytes()
    lines = rows.splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_bytes(b"".join(lines[:6]) + lines[6][:20])
    (tmp_path / "run" / ITEMS[7].filename).unlink()
    (tmp_path / "run" / ITEMS[8].filename).write_bytes(b"half a file")
    resumed = run_here(make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint)))
    assert resumed.event("started")["total"] == 4
    assert (tmp_path / "rows.jsonl").read_bytes() == rows
    assert resumed.images == reference.images


def test_nothing_to_do_loads_nothing(world: World, tmp_path: Path) -> None:
    run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(world.checkpoint)))
    again = run_here(make_job(tmp_path, ITEMS[:1], checkpoint="gone.ckpt"))
    assert [event["event"] for event in again.events] == ["started", "finished"]


@pytest.mark.parametrize("kind", ["miro", "diffusers"])
def test_empty_prompts_are_prompts(world: World, tmp_path: Path, kind: str) -> None:
    prompts = ["", " ", "a photo of a dog"]
    items = [
        Item(f"{index:05d}/samples/0000.png", index, 0, {"prompt": prompt}) for index, prompt in enumerate(prompts)
    ]
    checkpoint = world.checkpoint if kind == "miro" else world.diffusers_folder
    made = run_here(make_job(tmp_path, items, checkpoint=str(checkpoint)))
    assert [row["prompt"] for row in made.rows] == prompts
    assert len(made.images) == 3


def test_settings_change_the_image(world: World, reference: Outcome, tmp_path: Path) -> None:
    first = {reference.rows[0]["image_sha256"]}
    changes = ({"seed": 1}, {"guidance_scale": 0.0}, {"steps": 3}, {"reward_targets": {"vqa_score": 0.0}})
    for number, change in enumerate(changes):
        job = make_job(tmp_path / str(number), ITEMS[:1], checkpoint=str(world.checkpoint), **change)
        first.add(run_here(job).rows[0]["image_sha256"])
    assert len(first) == 5


def test_jobs_of_one_process_load_a_checkpoint_once_until_it_changes(own_checkpoint: Path, tmp_path: Path) -> None:
    import torch

    from generation.backends.miro import _last_loaded

    def made(number: int, **settings: object) -> tuple[str, int]:
        job = make_job(tmp_path / str(number), ITEMS[:1], checkpoint=str(own_checkpoint), **settings)
        return str(run_here(job).rows[0]["image_sha256"]), _last_loaded.cache_info().misses

    first, loaded = made(0)
    assert made(1) == (first, loaded)
    assert made(2, guidance_scale=3.0)[1] == loaded
    content = torch.load(own_checkpoint, weights_only=False)
    content["state_dict"]["ema_network.latents"] += 1
    torch.save(content, own_checkpoint)
    changed, again = made(3)
    assert changed != first
    assert again == loaded + 1


def test_targets_are_checked_against_the_checkpoint(world: World, tmp_path: Path) -> None:
    job = make_job(tmp_path, ITEMS[:1], checkpoint=str(world.checkpoint), reward_targets={"beauty": 1.0})
    with pytest.raises(UserError, match="not trained on 'beauty'; its axes are clip_score, "):
        run_here(job)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"resolution": "512"}, "this checkpoint makes 64 x 64 images and no others"),
        ({"precision": "fp32"}, "precision 'fp32' is unknown to MIRO checkpoints"),
        ({"reward_targets": {"vqa_score": 1.5}}, "vqa_score = 1.5; expected a number between 0 and 1"),
        ({"checkpoint": "owner/name@a", "revision": "b"}, "names revision a, but revision b is requested"),
    ],
)
def test_settings_that_do_not_fit(world: World, tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        run_here(make_job(tmp_path, ITEMS[:1], **{"checkpoint": str(world.checkpoint)} | change))
    assert "\n" not in str(caught.value)


def test_growing_guidance_is_refused(own_checkpoint: Path, tmp_path: Path) -> None:
    config = own_checkpoint.parent / "config.yaml"
    config.write_text(config.read_text().replace("cfg_rate: 7.0", "cfg_rate: 7.0\n  guidance_type: linear"))
    with pytest.raises(UserError, match="asks for linear guidance"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_checkpoint)))


def test_network_that_answers_nan_is_an_error(own_checkpoint: Path, tmp_path: Path) -> None:
    import torch

    content = torch.load(own_checkpoint, weights_only=False)
    content["state_dict"]["ema_network.latents"][0, 0] = float("nan")
    torch.save(content, own_checkpoint)
    with pytest.raises(UserError, match="latents are not finite"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_checkpoint)))
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", ["conv_in.weight", "conv_out.bias"])
def test_vae_that_overflows_is_an_error(model: MiroModel, number: str, name: str) -> None:
    import torch

    damaged = copy.deepcopy(model)
    damaged.postprocessing.vae.decoder.get_parameter(name).data.view(-1)[0] = float(number)
    latents = torch.zeros(2, *model.latent_shape)
    with pytest.raises(UserError, match="the VAE's images are not finite"):
        decode_latents(damaged, latents)
    assert not damaged.postprocessing.vae.decoder._forward_hooks
    assert decode_latents(model, latents).shape == (2, 64, 64, 3)


def test_guidance_gone_wild_writes_no_black_image_without_a_word(world: World, tmp_path: Path) -> None:
    job = make_job(tmp_path, ITEMS[:2], checkpoint=str(world.checkpoint), guidance_scale=1e30)
    try:
        made = run_here(job)
    except UserError as error:
        assert "not finite" in str(error)  # noqa: PT017 - either is an answer
        assert not list(tmp_path.rglob("*.png"))
    else:
        assert "2 of 2 images are of a single color" in made.event("warning")["message"]


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        ({"checkpoint": "gone.ckpt"}, 2, "gone.ckpt: no such file or folder"),
        ({"checkpoint": "owner/unknown"}, 4, "owner/unknown: not in the hub cache"),
        ({"checkpoint": "{ckpt}", "device": "cuda:99"}, 4, "device cuda:99 was requested"),
        ({"checkpoint": "{ckpt}", "device": "tpu"}, 2, "device must be auto, cpu, cuda or cuda:N, not 'tpu'"),
        ({"checkpoint": "{ckpt}", "steps": -1}, 2, "--steps -1"),
        ({"checkpoint": "{ckpt}", "speed": 1}, 2, "unknown generation parameter 'speed'"),
    ],
)
def test_bad_job_ends_with_its_code_and_one_line(
    world: World, tmp_path: Path, parameters: dict[str, object], code: int, words: str
) -> None:
    checkpoint = str(parameters["checkpoint"]).format(ckpt=world.checkpoint)
    exit_code, message = failure_of(make_job(tmp_path, ITEMS[:1], **parameters | {"checkpoint": checkpoint}))
    assert exit_code == code
    assert message.startswith(words)
    assert "\n" not in message


def test_disk_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the run directory should be")
    code, message = failure_of(make_job(tmp_path, ITEMS[:1], checkpoint=str(world.checkpoint)))
    assert code == 4
    assert "images cannot be written" in message


def test_interrupted_worker_leaves_a_resumable_run(world: World, reference: Outcome, tmp_path: Path) -> None:
    process = start_process(make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint)))
    assert process.stdout is not None
    process.stdout.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert run_here(make_job(tmp_path, ITEMS, checkpoint=str(world.checkpoint))).rows == reference.rows
