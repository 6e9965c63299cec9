"""What judging an image costs: floating point operations of its matrix products and convolutions; no torch needed.

A multiplication and an addition are two operations. Left out: norms, activations, softmax, interpolation and the
sampling of deformable attention, which are bound by memory. Shapes are those of mmdet's
``mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco`` and of OpenAI's CLIP ViT-L/14; the products are those of ``fp32``.
"""

from __future__ import annotations

from geneval.detectors import DIVISOR, SCALE, Size, fit

#: Swin-S (Liu et al. 2021, arXiv 2103.14030): blocks of each stage, width of the first, side of a window and a patch.
DEPTHS, EMBEDDING, WINDOW, PATCH = (2, 2, 18, 2), 96, 7, 4
#: Mask2Former (Cheng et al. 2022, arXiv 2112.01527): width, queries, classes with "no object"; encoder and decoder
#: layers with the width of their feed-forward part; heads, levels and points of deformable attention.
WIDTH, QUERIES, CLASSES = 256, 100, 81
ENCODER, ENCODER_HIDDEN, DECODER, DECODER_HIDDEN = 6, 1024, 9, 2048
HEADS, LEVELS, POINTS = 8, 3, 4


def detector_flops(width: int, height: int) -> int:
    """Operations of Mask2Former for one image of this size in pixels, at the size it is resized to."""
    resized = fit(Size(height, width), SCALE)
    return network_flops(*(side + -side % DIVISOR for side in resized))


def network_flops(height: int, width: int) -> int:
    """Operations for a padded input of this size."""
    maps = [(height // PATCH, width // PATCH)]
    for _ in DEPTHS[1:]:
        maps.append(((maps[-1][0] + 1) // 2, (maps[-1][1] + 1) // 2))
    places = [lines * columns for lines, columns in maps]
    return _backbone(maps) + _pixel_decoder(places) + _transformer_decoder(places)


def color_flops(crops: int, classes: int) -> int:
    """Operations of CLIP ViT-L/14 for so many crops, and for the classifiers of so many classes (30 prompts each)."""
    crop = _product(256, 14 * 14 * 3, 1024) + 24 * _attention_block(257, 1024) + _product(1, 1024, 768)
    prompt = 12 * _attention_block(77, 768) + _product(1, 768, 768)
    return crops * crop + classes * 30 * prompt


def _product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns


def _attention_block(places: int, width: int) -> int:
    """A transformer layer whose feed-forward part is four times as wide."""
    return _product(places, width, 12 * width) + 2 * _product(places, width, places)


def _backbone(maps: list[tuple[int, int]]) -> int:
    total = _product(maps[0][0] * maps[0][1], PATCH * PATCH * 3, EMBEDDING)
    for stage, (depth, (lines, columns)) in enumerate(zip(DEPTHS, maps, strict=True)):
        channels = EMBEDDING << stage
        total += depth * _swin_block(lines, columns, channels)
        if stage:  # merging four patches of the map before
            total += _product(lines * columns, 2 * channels, channels)
    return total


def _swin_block(lines: int, columns: int, channels: int) -> int:
    padded = (lines + -lines % WINDOW) * (columns + -columns % WINDOW)
    projections = _product(padded, channels, 4 * channels)
    attention = 2 * _product(padded, channels, WINDOW * WINDOW)
    return projections + attention + _product(lines * columns, channels, 8 * channels)


def _pixel_decoder(places: list[int]) -> int:
    fine, *coarse = places
    inputs = sum(_product(count, EMBEDDING << stage, WIDTH) for stage, count in enumerate(coarse, start=1))
    looked_at = HEADS * LEVELS * POINTS * 3  # a weight and two coordinates each
    layer = _product(sum(coarse), WIDTH, 2 * WIDTH + looked_at + 2 * ENCODER_HIDDEN)
    finest = _product(fine, EMBEDDING, WIDTH) + _product(fine, 9 * WIDTH, WIDTH) + _product(fine, WIDTH, WIDTH)
    return inputs + ENCODER * layer + finest


def _transformer_decoder(places: list[int]) -> int:
    fine, *coarse = places
    looked_at = [coarse[LEVELS - 1 - number % LEVELS] for number in range(DECODER)]
    total = _product(QUERIES, WIDTH, CLASSES)
    for count in (fine, *looked_at):  # masks, before the first layer and after each
        total += 3 * _product(QUERIES, WIDTH, WIDTH) + _product(QUERIES, WIDTH, count)
    for count in looked_at:  # cross-attention to the pixels, self-attention, feed-forward
        total += _product(count, WIDTH, 2 * WIDTH) + 2 * _product(QUERIES, WIDTH, count)
        total += 2 * _product(QUERIES, WIDTH, QUERIES) + _product(QUERIES, WIDTH, 6 * WIDTH + 2 * DECODER_HIDDEN)
    return total
