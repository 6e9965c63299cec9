from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rewards.memory import Parts
from rewards.scorers import Scorer
from rewards.text_features import TextFeatures
from tests.rewards.pairs import PROMPTS


def features(scorer: Any, prompts: list[str]) -> TextFeatures:
    return TextFeatures(scorer, prompts, Parts("text", 4, pytest.fail), 4, "cpu")


@pytest.mark.parametrize("metric", ["clip_jina", "pick_score", "hpsv2.1"])
def test_a_prompts_features_do_not_depend_on_what_else_is_asked_for(metric: str, load: Callable[..., Scorer]) -> None:
    scorer = load(metric)
    with torch.inference_mode():
        whole = features(scorer, PROMPTS).rows(PROMPTS)
        single = features(scorer, PROMPTS).rows([PROMPTS[5], PROMPTS[5], PROMPTS[1]])
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

    encoded = features(Counting(), [*PROMPTS, *PROMPTS])
    with torch.inference_mode():
        encoded.rows(PROMPTS)
        encoded.rows(PROMPTS[::-1])
    assert shapes == [PROMPTS[:4], [*PROMPTS[4:], PROMPTS[5], PROMPTS[5]]]
