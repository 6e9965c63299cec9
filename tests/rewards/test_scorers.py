"""What holds for every scorer: pairs stay pairs, and nothing depends on the company a pair is in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from rewards.scorers import Scorer
from tests.rewards.pairs import HERE, PROMPTS, picture, pictures, scores

#: Largest change by batch size or order, float32 against float32: other shapes, other order of sums.
ABSOLUTE = {"aesthetic": 1e-5, "image_reward": 1e-4}
COSINE = 1e-6
LIKELIHOOD = 1e-5  # relative

ALL = pytest.mark.parametrize("metric", HERE)


def assert_equal_scores(metric: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    if metric.startswith("vqa"):
        torch.testing.assert_close(found, expected, rtol=LIKELIHOOD, atol=0)
    else:
        torch.testing.assert_close(found, expected, rtol=0, atol=ABSOLUTE.get(metric, COSINE))


@ALL
def test_one_finite_float32_per_pair_that_differs_between_images(metric: str, load: Callable[..., Scorer]) -> None:
    found = scores(load(metric), pictures(6), PROMPTS)
    assert found.shape == (6,)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    same_prompt = scores(load(metric), pictures(4), PROMPTS[:1] * 4)
    assert len(set(same_prompt.tolist())) == 4


@ALL
def test_a_batch_equals_its_pairs_one_by_one(metric: str, load: Callable[..., Scorer]) -> None:
    scorer, images = load(metric), pictures(6)
    single = torch.cat([scores(scorer, [image], [prompt]) for image, prompt in zip(images, PROMPTS, strict=True)])
    assert_equal_scores(metric, scores(scorer, images, PROMPTS), single)


@ALL
def test_permuted_pairs_give_permuted_scores(metric: str, load: Callable[..., Scorer]) -> None:
    scorer, images = load(metric), pictures(6)
    order = [3, 0, 5, 1, 4, 2]
    permuted = scores(scorer, [images[i] for i in order], [PROMPTS[i] for i in order])
    assert_equal_scores(metric, permuted, scores(scorer, images, PROMPTS)[order])


@ALL
def test_a_score_belongs_to_its_own_prompt(metric: str, load: Callable[..., Scorer]) -> None:
    """N x N pairing shows here: another prompt beside a pair, or on a neighbour, must change the neighbour alone."""
    scorer, images = load(metric), pictures(3)
    first = scores(scorer, images, PROMPTS[:3])
    second = scores(scorer, images, [PROMPTS[0], PROMPTS[3], PROMPTS[2]])
    assert_equal_scores(metric, second[[0, 2]], first[[0, 2]])
    if metric != "aesthetic":
        assert second[1] != first[1]


@ALL
def test_repeated_runs_are_bit_equal_whatever_fills_the_batch(metric: str, load: Callable[..., Scorer]) -> None:
    scorer = load(metric)
    images, short = pictures(4), PROMPTS[:3]
    first = scores(scorer, images, [*short, PROMPTS[0]])
    assert torch.equal(first, scores(scorer, images, [*short, PROMPTS[0]]))
    refilled = scores(scorer, [*images[:3], picture(99)], [*short, PROMPTS[1]])
    assert torch.equal(first[:3], refilled[:3])


@ALL
def test_text_features_from_outside_give_the_same_scores(metric: str, load: Callable[..., Scorer]) -> None:
    scorer = load(metric)
    if not scorer.encodes_text:
        with pytest.raises(TypeError, match=metric):
            scorer.encode_text(["a photo of a bench"])
        return
    from rewards.scorers.base import Batch

    with torch.inference_mode():
        pixels = torch.stack([scorer.prepare_image(image) for image in pictures(3)])
        cached = torch.cat([scorer.encode_text([prompt]) for prompt in PROMPTS[:3]])
        found = scorer.score(Batch(pixels, PROMPTS[:3], cached))
    torch.testing.assert_close(cached.norm(dim=-1), torch.ones(3))
    assert_equal_scores(metric, found, scores(scorer, pictures(3), PROMPTS[:3]))


@ALL
def test_fast_precision_computes_in_bf16_and_stays_close(metric: str, load: Callable[..., Scorer]) -> None:
    exact = scores(load(metric), pictures(6), PROMPTS)
    fast = scores(load(metric, "fast"), pictures(6), PROMPTS)
    assert not torch.equal(fast, exact)
    assert fast.dtype == torch.float32
    spread = exact.std()
    assert (fast - exact).abs().max() < 0.5 * spread
