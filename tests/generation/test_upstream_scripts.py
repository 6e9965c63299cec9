"""Against upstream's own scripts, where ``MIRO_T2I_SDIST`` names the folder of its unpacked source distribution."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")
pytest.importorskip("miro", reason="runs in the generation environment")

import numpy as np  # noqa: E402 - torch decides whether this module runs
from PIL import Image  # noqa: E402

from generation.suites import SUITES  # noqa: E402
from tests.generation.conftest import World  # noqa: E402
from tests.generation.jobs import items_of, make_job, run_here, upstream_noise  # noqa: E402

#: A name that upstream's converter knows.
RELEASED = "CC12M_256_RIN_small_flow_multi_cad_synth_synth_p50"

#: Runs upstream's script with our noise in place of its own: six prompts, two samples, groups of four prompts.
SCRIPT_ON_OUR_NOISE = """
import runpy, sys, torch
from generation.noise import image_noise
from miro.models.diffusion import DiffusionModule

groups = [(prompts, sample) for prompts in (range(4), range(4, 6)) for sample in range(2)]
original = DiffusionModule.sample

def sample(self, batch_size, shape, **more):
    prompts, index = groups.pop(0)
    return original(self, x_N=torch.stack([image_noise(42, prompt, index, shape) for prompt in prompts]), **more)

DiffusionModule.sample = sample
script = sys.argv.pop(1)
runpy.run_path(script, run_name="__main__")
assert not groups
"""


@pytest.fixture
def sdist() -> Path:
    folder = os.environ.get("MIRO_T2I_SDIST")
    if not folder:
        pytest.skip("set MIRO_T2I_SDIST to the unpacked source distribution of miro-t2i 0.1.4")
    return Path(folder)


def test_hub_layout_equals_upstreams_conversion(world: World, sdist: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    shutil.copytree(world.checkpoint.parent, tmp_path / RELEASED)
    script = sdist / "scripts" / "convert_and_upload_to_hf.py"
    arguments = ["--ckpt-dir", tmp_path / RELEASED, "--staging-dir", tmp_path / "staged", "--dtype", "fp32"]
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)
    theirs, ours = tmp_path / "staged" / "main", world.hub_folder
    their_tensors, our_tensors = (load_file(folder / "model.safetensors") for folder in (theirs, ours))
    assert their_tensors.keys() == our_tensors.keys()
    assert all(torch.equal(their_tensors[key], our_tensors[key]) for key in our_tensors)
    their_config, our_config = (json.loads((folder / "config.json").read_text()) for folder in (theirs, ours))
    assert our_config == their_config
    assert np.array_equal(np.load(theirs / "uncond_embedding.npy"), np.load(ours / "uncond_embedding.npy"))


def run_sweep_script(world: World, sdist: Path, folder: Path, *program: str | Path) -> Path:
    """Upstream's sweep script on six prompts with two samples; returns where its images are."""
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(line) + "\n" for line in SUITES["geneval"].lines[:6]))
    arguments = {
        "--checkpoint": world.checkpoint,
        "--metadata-file": prompts,
        "--outdir": folder / "theirs",
        "--n-samples": 2,
        "--steps": 2,
        "--device": "cpu",
    }
    options = [str(word) for pair in arguments.items() for word in pair]
    script = sdist / "scripts" / "generate_geneval.py"
    subprocess.run([sys.executable, *program, script, *options], check=True, capture_output=True)
    return folder / "theirs"


def test_worker_makes_the_images_of_upstreams_script(world: World, sdist: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SCRIPT_ON_OUR_NOISE)
    their_folder = run_sweep_script(world, sdist, tmp_path, program)
    job = make_job(tmp_path / "ours", items_of(range(6), samples=2), checkpoint=str(world.checkpoint))
    started = run_here(job).event("started")
    for item in job.items:
        theirs, ours = (_pixels(Path(root) / item.filename) for root in (their_folder, job.run_dir))
        # The script pads a group of prompts to the longest of them. That moves the last bit of the text encoder's
        # float32, hence one in a thousand embeddings by a unit in float16's last place, and few pixels by one level.
        assert np.abs(theirs - ours).max() <= 1, item.filename
        assert np.mean(theirs != ours) < 1e-3, item.filename
    their_hparams = json.loads((their_folder / "hparams.json").read_text())
    expected = {key: value for key, value in their_hparams.items() if key not in ("n_samples", "checkpoint")}
    assert {key: started["hparams"][key] for key in expected} == expected


@pytest.mark.parametrize("kind", ["checkpoint", "hub_folder"])
def test_upstream_noise_replays_the_script_exactly(world: World, sdist: Path, tmp_path: Path, kind: str) -> None:
    """The untouched script: its noise, its groups of prompts, its padding, its short last batch."""
    their_folder = run_sweep_script(world, sdist, tmp_path)
    items = items_of(range(6), samples=2)
    job = make_job(tmp_path / "ours", items, checkpoint=str(getattr(world, kind)), **upstream_noise(items))
    run_here(job)
    for item in items:
        theirs, ours = (_pixels(Path(root) / item.filename) for root in (their_folder, job.run_dir))
        assert np.array_equal(theirs, ours), item.filename


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)
