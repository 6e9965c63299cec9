"""Image preprocessing as the reward models' authors do it; equal work has one implementation.

Every function takes an RGB image and returns (3, H, W) float32.

CLIP's own (resize the shortest edge with PIL's bicubic filter, crop the center, normalise) gives the same bits in
transformers, in OpenAI's ``clip`` and in torchvision, with one exception: the crop's offset for an odd surplus is
rounded down by transformers and to nearest by torchvision. :func:`crop_offset` knows both.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

#: Channel means and deviations of OpenAI's CLIP (Radford et al. 2021, github.com/openai/CLIP).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Rounding = Literal["floor", "nearest"]
Size = tuple[int, int]


def smart_size(size: Size, side: int, fewest: int, most: int) -> Size:
    """(width, height) in multiples of ``side`` with ``fewest`` to ``most`` pixels, at nearly the same aspect.

    As ``smart_resize`` of qwen-vl-utils 0.0.14.
    """
    rounded = [max(side, round(edge / side) * side) for edge in size]
    area = math.prod(size)
    if math.prod(rounded) > most:
        shrink = math.sqrt(area / most)
        rounded = [math.floor(edge / shrink / side) * side for edge in size]
    elif math.prod(rounded) < fewest:
        grow = math.sqrt(fewest / area)
        rounded = [math.ceil(edge * grow / side) * side for edge in size]
    return rounded[0], rounded[1]


def clip_resized(size: Size, resolution: int) -> Size:
    """(width, height) with the shortest edge at ``resolution``; the longest is truncated."""
    width, height = size
    if width <= height:
        return resolution, int(resolution * height / width)
    return int(resolution * width / height), resolution


def crop_offset(size: Size, resolution: int, rounding: Rounding) -> tuple[int, int]:
    """(left, top) of the center crop of an image of ``size`` after :func:`clip_resized`.
    ``size``: width and height before resizing.
    ``resolution``: edge of the square crop.
    ``rounding``: ``floor`` as transformers, ``nearest`` (half to even) as torchvision.
    """
    surplus = [edge - resolution for edge in clip_resized(size, resolution)]
    left, top = (value // 2 if rounding == "floor" else round(value / 2.0) for value in surplus)
    return left, top


def clip_pixels(image: Image.Image, resolution: int, rounding: Rounding) -> torch.Tensor:
    """CLIP's preprocessing to (3, resolution, resolution)."""
    left, top = crop_offset(image.size, resolution, rounding)
    resized = image.resize(clip_resized(image.size, resolution), Image.Resampling.BICUBIC)
    cropped = resized.crop((left, top, left + resolution, top + resolution))
    return normalised(transforms.to_tensor(cropped))


def hps_pixels(image: Image.Image, resolution: int = 224) -> torch.Tensor:
    """HPSv2's preprocessing: to a tensor first, longest edge resized with antialiasing, black padding.

    (``hpsv2/src/open_clip/transform.py``, ``ResizeMaxSize``: the padding is 0 *before* normalisation.)
    """
    pixels = transforms.to_tensor(image)
    height, width = pixels.shape[1:]
    scale = resolution / max(height, width)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    if scale != 1.0:
        pixels = transforms.resize(pixels, size, InterpolationMode.BICUBIC, antialias=True)
    bottom, right = resolution - size[0], resolution - size[1]
    pixels = transforms.pad(pixels, [right // 2, bottom // 2, right - right // 2, bottom - bottom // 2], fill=0)
    return normalised(pixels)


def pad_to_square(image: Image.Image, fill: tuple[int, int, int]) -> Image.Image:
    """The image in the middle of a square of its longest edge, as LLaVA's ``expand2square``."""
    width, height = image.size
    if width == height:
        return image
    edge = max(width, height)
    square = Image.new("RGB", (edge, edge), fill)
    square.paste(image, ((edge - width) // 2, (edge - height) // 2))
    return square


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Subtract CLIP's means and divide by its deviations."""
    return transforms.normalize(pixels, CLIP_MEAN, CLIP_STD)
