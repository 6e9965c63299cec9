"""The noise an image starts from, in one of two ways.

``image``: a function of (seed, prompt index, sample index) alone, drawn on the CPU, so an image does not depend on
batch size, shard, order or device count. numpy's ``SeedSequence`` takes the three numbers as they are; a torch CPU
generator would keep 32 bits of its seed, too few to keep thousands of images apart for sure.

``upstream``: one generator for the whole sweep, seeded once, in the order of upstream's ``generate_geneval.py``.
"""

from __future__ import annotations

from typing import Any

from generation.batches import Sweep

IMAGE, UPSTREAM = "image", "upstream"
MODES = (IMAGE, UPSTREAM)


def image_noise(seed: int, prompt_index: int, sample_index: int, shape: tuple[int, ...]) -> Any:
    """Standard normal float32 tensor of that shape (channels, height, width), on the CPU; ``seed`` is at least 0."""
    import numpy as np
    import torch

    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, prompt_index, sample_index))))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))


def image_seed(seed: int, prompt_index: int, sample_index: int) -> int:
    """A seed below 2^32 for generators that draw their own noise.

    That is as much as every library's generator takes. Among 2,212 images two share a seed once in 1,750 runs, and
    then only matter if their prompts are equal too.
    """
    import numpy as np

    return int(np.random.SeedSequence((seed, prompt_index, sample_index)).generate_state(1, np.uint32)[0])


class UpstreamNoise:
    """The noise of upstream's script for one sweep: a draw per batch, in the order of its batches."""

    def __init__(self, generator: Any, sweep: Sweep, batch_size: int, shape: tuple[int, ...]) -> None:
        """Draw all of it, 16 KB an image of 256 px; ``generator`` is in upstream's state before its first batch."""
        import torch

        self._noise: dict[tuple[int, int], Any] = {}
        for group in sweep.groups(batch_size):
            for sample in range(sweep.samples):
                drawn = torch.randn(len(group), *shape, generator=generator, device=generator.device).cpu()
                self._noise.update(((index, sample), drawn[row]) for row, (index, _) in enumerate(group))

    def __call__(self, prompt_index: int, sample_index: int) -> Any:
        """Float32 (channels, height, width), on the CPU."""
        return self._noise[prompt_index, sample_index]


def upstream_generator(seed: int, device: Any, cpu_state: Any) -> Any:
    """The generator that upstream's script draws from, on the ``torch.device`` that it samples on.

    On a GPU it is as seeded, for everything before the first batch happens on the CPU. On a CPU the random initial
    values of the network were drawn from it first: ``cpu_state`` is the CPU generator's after the model was built.
    """
    import torch

    generator = torch.Generator(device)
    if device.type == "cpu":
        generator.set_state(cpu_state)
        return generator
    return generator.manual_seed(seed)
