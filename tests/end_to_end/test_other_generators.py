"""Other makers of images than MIRO, end to end: a diffusers pipeline, a function of the user, a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.real_environments import miro_eval, world

LIMIT = ("--limit", "6", "--samples", "2")

#: Colored squares: enough of a picture to be judged.
OWN_GENERATOR = """
from PIL import Image

from palette import color

def images(prompts, seeds):
    return [Image.new("RGB", (64, 64), color(seed)) for seed in seeds]
"""
PALETTE = "def color(seed):\n    return (seed % 256, seed // 256 % 256, seed // 65536 % 256)\n"


@pytest.fixture(scope="module")
def diffusers_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny diffusers pipeline."""
    out = tmp_path_factory.mktemp("diffusers") / "run"
    pipeline = world().folder / "checkpoints" / "tiny-diffusers"
    answer = miro_eval("all", pipeline, *LIMIT, "--steps", "2", "--device", "cpu", "--tiny-world", "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_diffusers_pipeline_goes_through_every_stage(diffusers_run: Path) -> None:
    images, results, rewards = (rows(diffusers_run / f"{name}.jsonl") for name in ("images", "results", "rewards"))
    assert len(images) == len(results) == len(rewards) == 12
    assert {row["status"] for row in results} == {"scored"}
    assert all(row["unscored"] == {} for row in rewards)
    hparams = json.loads((diffusers_run / "hparams.json").read_text())
    assert (hparams["pipeline"], hparams["steps"], hparams["cfg"]) == ("StableDiffusionPipeline", 2, 7.5)
    manifest = json.loads((diffusers_run / "run.json").read_text())
    assert "unet/diffusion_pytorch_model.safetensors" in manifest["checkpoint"]["identity"]
    assert (manifest["protocol"]["steps"], manifest["protocol"]["guidance_scale"]) == (2, None)
    assert "tiny-diffusers" in (diffusers_run / "report" / "leaderboard.md").read_text()


def test_folder_of_images_is_judged_where_it_is(diffusers_run: Path, tmp_path: Path) -> None:
    """The same images as a bare folder, one of them lost: the same verdicts, and a line that says what is missing."""
    folder = tmp_path / "images"
    for prompt in sorted(diffusers_run.glob("[0-9]*")):
        shutil.copytree(prompt, folder / prompt.name)
    (folder / "00066" / "samples" / "0001.png").unlink()
    answer = miro_eval("all", folder, *LIMIT, "--device", "cpu", "--tiny-world")
    assert answer.returncode == 0, answer.stderr
    assert "11 images of 6 prompts of suite geneval; 1 with fewer than 2 images (00066)" in answer.stderr
    assert not (folder / "images.jsonl").exists()
    verdicts = {row["filename"]: row["correct"] for row in rows(diffusers_run / "results.jsonl")}
    assert {row["filename"]: row["correct"] for row in rows(folder / "results.jsonl")} == {
        name: verdict for name, verdict in verdicts.items() if name != "00066/samples/0001.png"
    }
    refused = miro_eval("all", folder, "--out", tmp_path / "elsewhere")
    assert refused.returncode == 2
    assert "judged where they are" in refused.stderr
    made_already = miro_eval("generate", folder)
    assert made_already.returncode == 2
    assert "these images exist already" in made_already.stderr


def test_own_generator_makes_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_model.py").write_text(OWN_GENERATOR)
    (tmp_path / "palette.py").write_text(PALETTE)
    monkeypatch.chdir(tmp_path)
    answer = miro_eval("generate", "--generator", "my_model:images", *LIMIT)
    assert answer.returncode == 0, answer.stderr
    out = tmp_path / "geneval_images" / "my_model"
    made = rows(out / "images.jsonl")
    assert len(made) == len({row["image_sha256"] for row in made}) == 12
    (tmp_path / "my_model.py").write_text(OWN_GENERATOR + "\n")
    changed = miro_eval("generate", "--generator", "my_model:images", *LIMIT)
    assert changed.returncode == 2
    assert "my_model.py" in changed.stderr


def test_bad_generator_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, told in (
        (("--generator", "my_model:images"), "there is no"),
        (("--generator", "my_model"), "expected module:function"),
        ((), "no checkpoint given"),
    ):
        answer = miro_eval("generate", *arguments)
        assert answer.returncode == 2
        assert told in answer.stderr
        assert "Traceback" not in answer.stderr
