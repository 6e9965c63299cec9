"""ImageReward against the authors' package on the same weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch

from rewards.hub import hub_file
from rewards.models.blip_reward import vision_config
from rewards.scorers import Scorer
from tests.rewards.pairs import PROMPTS, picture, pictures, scores


@pytest.fixture
def package_model(load: Callable[..., Scorer], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package's model class; its image tower, hard-coded to ViT-L, is its own class at the weights' size."""
    load("image_reward")
    pretrain = importlib.import_module("ImageReward.models.BLIP.blip_pretrain")
    vit = importlib.import_module("ImageReward.models.BLIP.vit")
    state = torch.load(hub_file("THUDM/ImageReward", "ImageReward.pt").path, weights_only=True)
    sizes = vision_config(state)

    def tower(*_: Any) -> tuple[Any, int]:
        width, heads = sizes.hidden_size, sizes.num_attention_heads
        depth, patch = sizes.num_hidden_layers, sizes.patch_size
        return vit.VisionTransformer(
            img_size=224, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads
        ), width

    monkeypatch.setattr(pretrain, "create_vit", tower)
    package = importlib.import_module("ImageReward.ImageReward")
    model = package.ImageReward(med_config=str(hub_file("THUDM/ImageReward", "med_config.json").path))
    found = model.load_state_dict(state, strict=False)
    assert found.unexpected_keys == []
    assert all(key.endswith("position_ids") for key in found.missing_keys)
    return model.eval()


def test_equals_the_packages_score(package_model: Any, load: Callable[..., Scorer]) -> None:
    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 224))]
    with torch.no_grad():
        expected = [package_model.score(prompt, image) for image, prompt in zip(images, PROMPTS, strict=True)]
    torch.testing.assert_close(scores(load("image_reward"), images, PROMPTS), torch.tensor(expected), rtol=0, atol=1e-4)


def test_equals_the_packages_ranking_of_one_prompts_images(package_model: Any, load: Callable[..., Scorer]) -> None:
    with torch.no_grad():
        ranks, rewards = package_model.inference_rank(PROMPTS[0], pictures(4))
    found = scores(load("image_reward"), pictures(4), PROMPTS[:1] * 4)
    torch.testing.assert_close(found, torch.tensor(rewards), rtol=0, atol=1e-4)
    assert [sorted(found.tolist(), reverse=True).index(value) + 1 for value in found.tolist()] == ranks


def test_text_is_padded_and_cut_to_35_tokens(load: Callable[..., Scorer]) -> None:
    scorer: Any = load("image_reward")
    tokens = scorer.tokens(["red " * 5000, "red"])
    assert tokens.input_ids.shape == (2, 35)
    assert tokens.attention_mask.sum(dim=1).tolist() == [35, 3]
    same = scores(scorer, pictures(1) * 2, ["red " * 5000, "red " * 33])
    assert same[0] == same[1]
