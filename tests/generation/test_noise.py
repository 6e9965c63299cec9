"""Noise per image."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")

from generation.noise import image_noise  # noqa: E402 - torch decides whether this module runs

SHAPE = (4, 8, 8)

#: The first values for seed 42, prompt 0, sample 0.
FIRST_VALUES = [0.14190717, -1.66850793, -1.33210802]


def test_is_a_function_of_its_three_numbers() -> None:
    torch.manual_seed(1)
    once = image_noise(42, 3, 1, SHAPE)
    torch.randn(100)
    assert torch.equal(once, image_noise(42, 3, 1, SHAPE))


def test_no_two_images_share_noise() -> None:
    keys = itertools.product((0, 1, 42), (0, 1, 2, 552), (0, 1, 3))
    noises = {image_noise(*key, SHAPE).numpy().tobytes() for key in keys}
    assert len(noises) == 36


def test_is_standard_normal_float32() -> None:
    noise = torch.stack([image_noise(42, prompt, 0, (4, 32, 32)) for prompt in range(50)])
    assert noise.dtype == torch.float32
    # 204,800 draws: the standard error of the mean is 0.0022, of the standard deviation 0.0016.
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 1) < 0.01


def test_stays_the_same_across_versions() -> None:
    """Images of different releases are comparable only while these values stand."""
    assert image_noise(42, 0, 0, SHAPE).flatten()[:3].tolist() == pytest.approx(FIRST_VALUES, rel=1e-6)
