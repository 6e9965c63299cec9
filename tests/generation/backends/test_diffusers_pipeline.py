"""Pipelines of diffusers, on a tiny Stable Diffusion whose scheduler draws noise at every step."""

from __future__ import annotations

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("diffusers", reason="runs in the generation environment")

import numpy as np  # noqa: E402 - torch decides whether this module runs
from PIL import Image  # noqa: E402

from generation.backends import diffusers_pipeline  # noqa: E402
from generation.checkpoint_kinds import DIFFUSERS, describe_checkpoint  # noqa: E402
from generation.noise import image_seed  # noqa: E402
from generation.tiny_world.__main__ import DIFFUSERS_REPOS  # noqa: E402
from tests.fake_hub import COMMIT, FakeHub, serving  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from tests.generation.jobs import Outcome, items_of, make_job, outcome, run_here, start_process, upstream_noise  # noqa: E402
from tests.wire.test_hub import answering  # noqa: E402
from wire import hub_client  # noqa: E402
from wire.errors import EnvironmentFailure, MiroEvalError, UserError  # noqa: E402
from wire.protocol import Job  # noqa: E402

ITEMS = items_of([0, 100, 200], samples=2)


@pytest.fixture(scope="module")
def reference(world: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("reference")
    return run_here(make_job(folder, ITEMS, checkpoint=str(world.diffusers_folder)))


@pytest.fixture
def own_pipeline(world: World, tmp_path: Path) -> Path:
    """A copy that the test may spoil."""
    return Path(shutil.copytree(world.diffusers_folder, tmp_path / "pipeline"))


def test_is_told_apart_by_its_index(world: World) -> None:
    found = describe_checkpoint(str(world.diffusers_folder))
    assert (found.kind, found.name) == (DIFFUSERS, "tiny-diffusers")
    by_name = describe_checkpoint("org/name@v1", kind=DIFFUSERS, variant="fp16")
    assert (by_name.kind, by_name.repo, by_name.revision, by_name.name) == (DIFFUSERS, "org/name", "v1", "name")
    with pytest.raises(UserError, match=r"no model_index\.json in it"):
        describe_checkpoint(str(world.hub_folder), kind=DIFFUSERS)


def test_images_are_the_pipelines_own(world: World, reference: Outcome, tmp_path: Path) -> None:
    """The first batch of four, made by a plain call of the pipeline with a generator an image."""
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(world.diffusers_folder)
    seeds = [image_seed(42, item.prompt_index, item.sample_index) for item in ITEMS[:4]]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    images = pipeline(
        [item.prompt for item in ITEMS[:4]], generator=generators, num_inference_steps=2, guidance_scale=7.0
    ).images
    assert len(set(seeds)) == 4
    for item, image in zip(ITEMS[:4], images, strict=True):
        path = tmp_path / "image.png"
        path.write_bytes(reference.images[item.filename])
        with Image.open(path) as ours:
            assert np.array_equal(np.asarray(ours), np.asarray(image))


def test_provenance(reference: Outcome) -> None:
    started = reference.event("started")
    assert started["hparams"] == {
        "checkpoint": "tiny-diffusers",
        "seed": 42,
        "pipeline": "StableDiffusionPipeline",
        "scheduler": "EulerAncestralDiscreteScheduler",
        "steps": 2,
        "cfg": 7.0,
        "width": None,
        "height": None,
        "noise": "image",
        "batch_size": 4,
        "precision": "float32",
        "compile": False,
    }
    assert started["precision"] == "float32"
    assert {entry["file"].split("/")[0] for entry in started["weights"]} == {"text_encoder", "unet", "vae"}


def test_neither_order_nor_neighbours_nor_history_change_an_image(
    world: World, reference: Outcome, tmp_path: Path
) -> None:
    assert len({row["image_sha256"] for row in reference.rows}) == len(ITEMS)
    checkpoint = str(world.diffusers_folder)
    reordered = run_here(make_job(tmp_path / "a", list(reversed(ITEMS[1:])), checkpoint=checkpoint))
    assert reordered.images == {name: reference.images[name] for name in reordered.images}
    job = make_job(tmp_path / "b", ITEMS, checkpoint=checkpoint)
    run_here(job)
    rows = Path(job.output).read_bytes()
    Path(job.output).write_bytes(b"".join(rows.splitlines(keepends=True)[:3]) + b'{"filename"')
    resumed = run_here(make_job(tmp_path / "b", ITEMS, checkpoint=checkpoint))
    assert resumed.event("started")["total"] == 3
    assert Path(job.output).read_bytes() == rows
    assert resumed.images == reference.images


def test_repository_makes_the_same_images(world: World, reference: Outcome, tmp_path: Path) -> None:
    made = run_here(make_job(tmp_path, ITEMS[:2], checkpoint=DIFFUSERS_REPOS[1], kind=DIFFUSERS))
    assert made.rows == reference.rows[:2]
    (weights,) = made.event("started")["weights"]
    assert weights["repo"] == DIFFUSERS_REPOS[1]
    assert len(weights["revision"]) == 40


@pytest.fixture
def empty_cache(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that may be asked, and a cache in which nothing is yet."""
    for variable in ("HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub_client, "TIMEOUT", 1.0)
    hub_client.away.cache_clear()
    return tmp_path / "cache"


def test_a_repository_is_fetched_and_then_found(
    world: World, reference: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [path for path in sorted(world.diffusers_folder.rglob("*")) if path.is_file()]
    files = {str(path.relative_to(world.diffusers_folder)): path.read_bytes() for path in inside}
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    jobs = [make_job(tmp_path / name, ITEMS[:2], checkpoint="org/pipe", kind=DIFFUSERS) for name in ("a", "b")]
    with serving(FakeHub("org/pipe", files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        codes = [worker_s_code(jobs[0])]
    codes.append(worker_s_code(jobs[1]))  # the hub is gone, and everything here
    assert codes == [0, 0]
    for job in jobs:
        assert outcome(job, []).rows == reference.rows[:2]


@pytest.mark.parametrize("gone", ["unet/diffusion_pytorch_model.safetensors", "tokenizer", "scheduler", "vae"])
@pytest.mark.parametrize("offline", ["0", "1"])
def test_half_a_repository_without_a_hub_is_not_the_user_s_fault(
    world: World, tmp_path: Path, gone: str, offline: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = empty_cache / "models--org--pipe"
    snapshot = Path(shutil.copytree(world.diffusers_folder, repository / "snapshots" / COMMIT))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.rmtree(snapshot / gone, ignore_errors=True)
    (snapshot / gone).unlink(missing_ok=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EnvironmentFailure, match=r"^org/pipe: .*files of it may be missing in the hub cache"):
        run_here(make_job(tmp_path / "a", ITEMS[:1], checkpoint="org/pipe", kind=DIFFUSERS))


def worker_s_code(job: Job) -> int:
    process = start_process(job)
    print(*process.communicate(timeout=200))
    return process.returncode


def test_diffusers_asks_through_the_client_that_asks_all_else(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import get_session

    asked: list[dict[str, object]] = []

    def download(repo: str, **options: object) -> str:
        asked.append(options | {"repo": repo, "timeout": get_session().timeout.read})
        return "folder"

    monkeypatch.setattr("diffusers.DiffusionPipeline.download", download)
    with serving(FakeHub("org/pipe", {"model_index.json": b"{}"})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        diffusers_pipeline._folder(describe_checkpoint("org/pipe", kind=DIFFUSERS, variant="fp16"), trusted=False)
    wanted = {"revision": COMMIT, "variant": "fp16", "use_safetensors": True, "cache_dir": empty_cache}
    assert asked == [wanted | {"repo": "org/pipe", "timeout": 1.0, "local_files_only": False}]


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_hub_that_refuses_is_named_with_its_answer(
    empty_cache: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = answering(monkeypatch, status)
    with pytest.raises(MiroEvalError, match=rf"^org/pipe: .*({status}|no such repository)"):
        diffusers_pipeline._folder(describe_checkpoint("org/pipe", kind=DIFFUSERS), trusted=False)
    stop()


def test_a_hub_that_accepts_and_stays_silent_is_given_up(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(
            MiroEvalError, match=r"^org/pipe: not in the hub cache .*, and http://127.* is out of reach"
        ):
            diffusers_pipeline._folder(describe_checkpoint("org/pipe", kind=DIFFUSERS), trusted=False)
    assert time.monotonic() - start < 10


def test_a_repository_that_holds_no_pipeline(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(FakeHub("org/pipe", {"config.json": b"{}"})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(UserError, match=r"org/pipe: has none of model_index\.json"):
            diffusers_pipeline._folder(describe_checkpoint("org/pipe", kind=DIFFUSERS), trusted=False)


@pytest.mark.parametrize("file", ["unet/diffusion_pytorch_model.safetensors", "model_index.json", "vae/config.json"])
def test_pointers_in_place_of_files_are_named_before_anything_is_made(own_pipeline: Path, file: str) -> None:
    (own_pipeline / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(UserError, match=rf"{file}: a git-lfs pointer .*git lfs pull"):
        describe_checkpoint(str(own_pipeline))


def test_pointers_that_nothing_needs_are_none_of_our_business(own_pipeline: Path) -> None:
    (own_pipeline / "unet" / "diffusion_pytorch_model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert describe_checkpoint(str(own_pipeline)).kind == DIFFUSERS


def test_a_worker_s_next_job_finds_the_pipeline_loaded_unless_its_files_have_changed(
    own_pipeline: Path, reference: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    load = diffusers_pipeline._load
    monkeypatch.setattr(diffusers_pipeline, "_load", lambda folder, *more: loaded.append(folder) or load(folder, *more))
    for index in (0, 1):
        run_here(make_job(tmp_path, ITEMS, (index, 2), checkpoint=str(own_pipeline)))
    made = {path.relative_to(tmp_path / "run"): path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert {str(name): content for name, content in made.items()} == reference.images
    assert len(loaded) == 1
    (own_pipeline / "model_index.json").touch()
    run_here(make_job(tmp_path / "again", ITEMS[:1], checkpoint=str(own_pipeline)))
    assert len(loaded) == 2


def test_knobs(world: World, reference: Outcome, tmp_path: Path) -> None:
    changes = (
        {"steps": 3},
        {"guidance_scale": 1.5},
        {"seed": 1},
        {"precision": "bf16"},
        {"resolution": "48x32"},
    )
    found = {reference.rows[0]["image_sha256"]}
    for number, change in enumerate(changes):
        job = make_job(tmp_path / str(number), ITEMS[:1], checkpoint=str(world.diffusers_folder), **change)
        found.add(run_here(job).rows[0]["image_sha256"])
    assert len(found) == 6
    with Image.open(Path(job.run_dir) / ITEMS[0].filename) as image:
        assert image.size == (48, 32)


def test_pipelines_defaults_are_used_and_recorded(world: World, tmp_path: Path) -> None:
    job = make_job(tmp_path, ITEMS[:1], checkpoint=str(world.diffusers_folder), guidance_scale=None)
    assert run_here(job).event("started")["hparams"]["cfg"] == 7.5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reward_targets": {"clip_score": 1.0}}, "reward targets apply to MIRO"),
        (upstream_noise(ITEMS[:1]), "a diffusers pipeline needs noise image"),
        ({"precision": "paper"}, "precision paper is MIRO's"),
        ({"compile": True}, "--compile is for MIRO's network"),
        ({"resolution": "50"}, "multiples of 8"),
        ({"resolution": "big"}, "expected WIDTHxHEIGHT"),
        ({"variant": "fp16"}, "not a pipeline that can be loaded"),
    ],
)
def test_settings_that_do_not_fit(world: World, tmp_path: Path, change: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(world.diffusers_folder), **change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left", ["", "tokenizer_config.json", "tokenizer_config.json special_tokens_map.json"])
def test_a_tokenizer_without_its_vocabulary_makes_no_images(own_pipeline: Path, tmp_path: Path, left: str) -> None:
    """The libraries would make one up that knows no word: images of nothing, and nobody would say so."""
    for file in (own_pipeline / "tokenizer").iterdir():
        if file.name not in left.split():
            file.unlink()
    with pytest.raises(UserError, match=r"its tokenizer has no vocabulary|not a pipeline that can be loaded"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))


def test_damaged_pipeline(own_pipeline: Path, tmp_path: Path) -> None:
    weights = own_pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="not a pipeline that can be loaded"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "conv_in.weight"),
        ("text_encoder/model.safetensors", "final_layer_norm.weight"),
    ],
)
def test_missing_weights_are_not_made_up(own_pipeline: Path, tmp_path: Path, file: str, key: str) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(own_pipeline / file)
    (name,) = (name for name in state if name.endswith(key) and "layers." not in name)
    state.pop(name)
    save_file(state, own_pipeline / file, metadata={"format": "pt"})
    with pytest.raises(UserError, match="incomplete, some of its weights would be random") as caught:
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))
    assert key in str(caught.value)


def test_pickled_weights_need_trust(own_pipeline: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = own_pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(UserError, match="not a pipeline that can be loaded"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))
    assert run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline), trust_checkpoint=True)).rows


def test_pipeline_that_is_not_for_text(own_pipeline: Path, tmp_path: Path) -> None:
    index = json.loads((own_pipeline / "model_index.json").read_text())
    kept = {key: index[key] for key in ("_diffusers_version", "unet", "scheduler")}
    (own_pipeline / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"} | kept))
    with pytest.raises(UserError, match="DDPMPipeline makes no images from text"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_pipeline_whose_images_are_not_finite(own_pipeline: Path, tmp_path: Path, number: str) -> None:
    from safetensors.torch import load_file, save_file

    path = own_pipeline / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    state["decoder.conv_out.bias"][:] = float(number)
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="its images are not finite"):
        run_here(make_job(tmp_path, ITEMS[:1], checkpoint=str(own_pipeline)))
