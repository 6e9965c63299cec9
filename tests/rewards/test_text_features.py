from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rewards.scorers import Scorer
from rewards.text_features import TextFeatures
from tests.rewards.pairs import PROMPTS


@pytest.mark.parametrize("metric", ["clip_jina", "pick_score", "hpsv2.1"])
def test_a_prompts_features_do_not_depend_on_what_else_is_asked_for(metric: str, load: Callable[..., Scorer]) -> None:
    scorer = load(metric)
    with torch.inference_mode():
        whole = TextFeatures(scorer, PROMPTS, 4).rows(PROMPTS)
        single = TextFeatures(scorer, PROMPTS, 4).rows([PROMPTS[5], PROMPTS[5], PROMPTS[1]])
        direct = scorer.encode_text(PROMPTS)
    assert torch.equal(single, whole[[5, 5, 1]])
    torch.testing.assert_close(whole, direct, rtol=0, atol=1e-6)


def test_each_unique_prompt_is_encoded_once_in_chunks_of_one_size(load: Callable[..., Scorer]) -> None:
    scorer = load("pick_score")
    shapes: list[list[str]] = []

    class Counting:
        def encode_text(self, prompts: list[str]) -> torch.Tensor:
            shapes.append(prompts)
            return scorer.encode_text(prompts)

    features = TextFeatures(Counting(), [*PROMPTS, *PROMPTS], 4)  # type: ignore[arg-type]
    with torch.inference_mode():
        features.rows(PROMPTS)
        features.rows(PROMPTS[::-1])
    assert shapes == [PROMPTS[:4], [*PROMPTS[4:], PROMPTS[5], PROMPTS[5]]]
