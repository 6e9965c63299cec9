"""HPSv2 against the authors' own ``score`` function on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rewards.hub import hub_file
from rewards.models.open_clip_model import architecture, encode_text
from rewards.scorers import Scorer
from rewards.scorers.hps import HPS_REPO
from tests.rewards.pairs import PROMPTS, picture, pictures, scores


@pytest.mark.parametrize(
    ("metric", "file"), [("hpsv2.0", "HPS_v2_compressed.pt"), ("hpsv2.1", "HPS_v2.1_compressed.pt")]
)
def test_equals_the_authors_score(
    metric: str, file: str, load: Callable[..., Scorer], hpsv2_package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their function builds ViT-H-14 unless it finds a model: it is given their own classes, of the weights' size."""
    from hpsv2.src.open_clip.model import CLIP
    from hpsv2.src.open_clip.transform import image_transform

    scorer = load(metric)
    path = hub_file(HPS_REPO, file).path
    sizes = architecture(torch.load(path, weights_only=True)["state_dict"])
    model = CLIP(**sizes, output_dict=True)
    transform = image_transform(224, is_train=False, resize_longest_max=True)
    monkeypatch.setattr(hpsv2_package, "model_dict", {"model": model, "preprocess_val": transform})
    images = [*pictures(4), picture(7, (300, 200)), picture(8, (227, 224))]
    expected = [
        hpsv2_package.score(image, prompt, cp=str(path))[0] for image, prompt in zip(images, PROMPTS, strict=True)
    ]
    torch.testing.assert_close(scores(scorer, images, PROMPTS), torch.tensor(expected), rtol=0, atol=1e-6)


def test_tokens_are_the_authors(load: Callable[..., Scorer], hpsv2_package: Any) -> None:
    from hpsv2.src.open_clip import get_tokenizer

    scorer: Any = load("hpsv2.1")
    prompts = [*PROMPTS, "ＦＵＬＬ width", "it&#39;s", "naïve ﬂower", "犬", "🙂 smile"]
    assert torch.equal(scorer._tokenize(prompts), get_tokenizer("ViT-H-14")(prompts))


def test_positions_after_the_longest_text_change_nothing(load: Callable[..., Scorer]) -> None:
    scorer: Any = load("hpsv2.1")
    for prompts in (PROMPTS, PROMPTS[:3], [""]):
        tokens = scorer._tokenize(prompts)
        with torch.inference_mode():
            torch.testing.assert_close(
                encode_text(scorer._model, tokens), scorer._model.encode_text(tokens), rtol=0, atol=1e-5
            )


def test_the_two_releases_are_different_metrics(load: Callable[..., Scorer]) -> None:
    first, second = (scores(load(metric), pictures(3), PROMPTS[:3]) for metric in ("hpsv2.0", "hpsv2.1"))
    assert not torch.allclose(first, second)


def test_full_size_weights_mean_vit_h_14() -> None:
    """The architecture read from weights of ViT-H-14's shapes is open_clip's configuration of that name."""
    import open_clip

    from rewards.models.open_clip_model import VISION_HEAD

    config = open_clip.get_model_config("ViT-H-14")
    with torch.device("meta"):
        state = open_clip.model.CLIP(**config).state_dict()
    found = architecture(state)
    assert config["vision_cfg"]["head_width"] == VISION_HEAD
    assert found == config
