"""VQAScore against the authors' package: t2v_metrics 1.2, which wants transformers 4.36 and so runs by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from rewards.scorers import SCORERS, Scorer
from tests.rewards.pairs import PROMPTS, picture, pictures, scores

SCRIPT = Path(__file__).parents[1] / "t2v_metrics_scores.py"
#: Its clip-flant5 needs these in these versions; torch, Pillow and the like it finds in the rewards environment.
PACKAGES = ("t2v-metrics==1.2", "transformers==4.36.1", "tokenizers==0.15.2")
SPELLED_OUT = ["a <pad> dog", "<pad>" * 40 + " a red bench", "a photo</s> of <unk> two<pad>clocks"]
IMAGES = [*pictures(7), picture(7, (300, 200)), picture(8, (227, 340))]
TEXTS = [prompt[:300] for prompt in PROMPTS] + SPELLED_OUT
#: Cut at 2,048 tokens; by itself, since all rows of a batch are padded to its length.
LONG_IMAGE, LONG_TEXT = picture(9, (64, 64)), "red " * 3000


SIZES = {"vqa": "xxl", "vqa_xl": "xl"}
Authors = dict[str, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def authors_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that hides the rewards environment's transformers; made for this module by uv and thrown away."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: t2v_metrics and its transformers cannot be had")
    folder = tmp_path_factory.mktemp("t2v-metrics")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
    subprocess.run([*install, *PACKAGES], check=True)
    return folder


@pytest.fixture(scope="module")
def authors(authors_packages: Path, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Authors:
    """The package's scores, by metric id and number format."""
    folder = tmp_path_factory.mktemp("images")
    pairs = [[saved(image, folder / f"{place}.png"), TEXTS[place]] for place, image in enumerate(IMAGES)]
    long = [saved(LONG_IMAGE, folder / "long.png"), LONG_TEXT]
    variables = {**os.environ, "HF_HOME": str(world), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    variables["PYTHONPATH"] = str(authors_packages)
    question = json.dumps({"sizes": list(SIZES.values()), "batches": [pairs, [long]]})
    command = [sys.executable, str(SCRIPT)]
    answer = subprocess.run(command, input=question, env=variables, check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    return {
        metric: {kind: torch.tensor(values) for kind, values in found[size].items()} for metric, size in SIZES.items()
    }


def saved(image: Image.Image, path: Path) -> str:
    image.save(path)
    return str(path)


def ours(scorer: Scorer) -> torch.Tensor:
    return torch.cat([scores(scorer, IMAGES, TEXTS), scores(scorer, [LONG_IMAGE], [LONG_TEXT])])


@pytest.mark.parametrize("metric", SIZES)
def test_equals_the_package_in_float32(metric: str, authors: Authors, files: Mapping[str, str]) -> None:
    """Both round the weights to bf16 first; another transformers release adds up in another order: 1e-5."""
    scorer: Any = SCORERS[metric]()
    scorer.load("cpu", "reference", files)
    scorer._model.float()
    torch.testing.assert_close(ours(scorer), authors[metric]["float32"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("metric", SIZES)
def test_half_precision_is_as_near_to_the_packages_as_half_precision_is(
    metric: str, authors: Authors, load: Callable[..., Scorer]
) -> None:
    """Ours is bf16 throughout, theirs bf16 under autocast: single scores to 5 %, their mean to 1 %."""
    expected, half = authors[metric]["bfloat16"], ours(load(metric, "reference"))
    torch.testing.assert_close(half, expected, rtol=0.05, atol=0)
    torch.testing.assert_close(half.mean(), expected.mean(), rtol=0.01, atol=0)
