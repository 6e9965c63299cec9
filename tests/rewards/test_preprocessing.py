"""Preprocessing against the authors' own transforms."""

from __future__ import annotations

import itertools

import pytest
import torch
from PIL import Image

from rewards.preprocessing import clip_pixels, crop_offset, hps_pixels, pad_to_square
from rewards.scorers import SCORERS
from tests.rewards.pairs import picture

SQUARE = [(224, 224), (256, 256), (512, 512), (64, 64)]
#: 227 x 224 and 300 x 200 leave surpluses of 3 and 112: an odd one, where roundings of the crop differ.
OBLONG = [(300, 200), (201, 300), (227, 224), (1000, 333), (640, 400)]


@pytest.mark.parametrize("size", SQUARE + OBLONG)
def test_floor_crop_is_bit_equal_to_transformers(size: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessor

    image = picture(1, size)
    expected = CLIPImageProcessor()(image, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(clip_pixels(image, 224, "floor"), expected)


@pytest.mark.parametrize("size", SQUARE + OBLONG)
def test_nearest_crop_is_bit_equal_to_openais_clip(size: tuple[int, int]) -> None:
    from clip.clip import _transform

    image = picture(2, size)
    assert torch.equal(clip_pixels(image, 224, "nearest"), _transform(224)(image))


@pytest.mark.parametrize("size", [*SQUARE[1:], *OBLONG, (100, 40)])
def test_hps_is_bit_equal_to_the_authors_package(size: tuple[int, int], hpsv2_package: object) -> None:
    from hpsv2.src.open_clip.transform import image_transform

    image = picture(3, size)
    assert torch.equal(hps_pixels(image), image_transform(224, is_train=False, resize_longest_max=True)(image))


def test_hps_pads_an_image_that_needs_no_resizing() -> None:
    """The authors' transform returns it unpadded, and their model then fails."""
    assert hps_pixels(picture(4, (224, 100))).shape == (3, 224, 224)


def test_square_padding_is_centered_and_leaves_squares_alone() -> None:
    padded = pad_to_square(picture(5, (40, 20)), (1, 2, 3))
    assert padded.size == (40, 40)
    assert padded.getpixel((0, 9)) == (1, 2, 3) == padded.getpixel((39, 30))
    assert padded.crop((0, 10, 40, 30)).tobytes() == picture(5, (40, 20)).tobytes()
    square = picture(6, (30, 30))
    assert pad_to_square(square, (0, 0, 0)) is square


def test_squares_share_one_tensor_and_oblongs_only_where_the_crops_agree() -> None:
    metrics = ["aesthetic", "image_reward", "pick_score", "sciscore", "clip_openai"]
    keys = {metric: SCORERS[metric]().pixel_key((512, 512)) for metric in metrics}
    assert len(set(keys.values())) == 1
    assert SCORERS["aesthetic"]().pixel_key((300, 200)) == SCORERS["pick_score"]().pixel_key((300, 200))
    assert SCORERS["aesthetic"]().pixel_key((227, 224)) != SCORERS["pick_score"]().pixel_key((227, 224))


def test_keys_of_different_preprocessings_differ() -> None:
    keys = [SCORERS[metric]().pixel_key((512, 512)) for metric in ("pick_score", "hpsv2.1", "vqa", "clip_jina")]
    assert all(first != second for first, second in itertools.combinations(keys, 2))


def test_crop_offsets_round_down_or_to_nearest() -> None:
    assert crop_offset((227, 224), 224, "floor") == (1, 0)
    assert crop_offset((227, 224), 224, "nearest") == (2, 0)


def test_an_extreme_shape_is_no_special_case() -> None:
    assert clip_pixels(Image.new("RGB", (2000, 10)), 224, "floor").shape == (3, 224, 224)
    assert hps_pixels(Image.new("RGB", (2000, 1))).shape == (3, 224, 224)
