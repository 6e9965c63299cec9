"""The aesthetic predictor against OpenAI's ``clip`` and the copy of LAION's head in image-reward."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import clip
import numpy as np
import pytest
import torch

from rewards.models.layers import load_linear_head
from rewards.models.openai_clip import load_visual
from rewards.scorers import Scorer
from tests.rewards.pairs import PROMPTS, picture, pictures, scores


@pytest.fixture(scope="module")
def archive(files: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as the TorchScript archive that OpenAI publishes."""
    model = clip.model.build_model(dict(torch.load(files["clip-vit-l-14"], weights_only=True))).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, (torch.zeros(1, 3, 224, 224), clip.tokenize(["a"])), check_trace=False)
    path = tmp_path_factory.mktemp("clip") / "ViT-L-14.pt"
    traced.save(path)
    return path


def test_equals_the_authors_script(load: Callable[..., Scorer], files: Mapping[str, str], archive: Path) -> None:
    from ImageReward.models.AestheticScore import MLP

    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 224))]
    model, preprocess = clip.load(str(archive), device="cpu")
    head = MLP(768)
    head.load_state_dict(torch.load(files["aesthetic-mlp"], weights_only=True))
    with torch.no_grad():
        embedding = model.encode_image(torch.stack([preprocess(image) for image in images])).numpy()
        unit = embedding / np.linalg.norm(embedding, axis=-1, keepdims=True)
        expected = head.eval()(torch.from_numpy(unit))[:, 0]
    torch.testing.assert_close(scores(load("aesthetic"), images, PROMPTS), expected, rtol=0, atol=1e-5)


def test_the_published_archive_is_read_like_a_state_dict(files: Mapping[str, str], archive: Path) -> None:
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    plain = load_visual(Path(files["clip-vit-l-14"]), "cpu", torch.float32)
    with torch.inference_mode():
        assert torch.equal(load_visual(archive, "cpu", torch.float32)(pixels), plain(pixels))


def test_the_head_is_one_affine_map(files: Mapping[str, str]) -> None:
    """No activations: the difference of two answers is that of their inputs' answers, bias aside."""
    head = load_linear_head(torch.load(files["aesthetic-mlp"], weights_only=True), "head")
    first, second = torch.randn(2, 1, 768, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        zero = head(torch.zeros(1, 768))
        torch.testing.assert_close(head(first + second), head(first) + head(second) - zero)
