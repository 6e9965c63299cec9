"""The noise an image starts from.

It is a function of (seed, prompt index, sample index) alone, drawn on the CPU, so an image does not depend on
batch size, shard, order or device count. numpy's ``SeedSequence`` takes the three numbers as they are; a torch CPU
generator would keep 32 bits of its seed, too few to keep thousands of images apart for sure.
"""

from __future__ import annotations

from typing import Any


def image_noise(seed: int, prompt_index: int, sample_index: int, shape: tuple[int, ...]) -> Any:
    """Standard normal float32 tensor of that shape (channels, height, width), on the CPU.

    Args:
        seed: of the run, not negative.
        prompt_index: line of the suite, from 0.
        sample_index: sample of that prompt, from 0.
        shape: of one image's latents.
    """
    import numpy as np
    import torch

    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, prompt_index, sample_index))))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
