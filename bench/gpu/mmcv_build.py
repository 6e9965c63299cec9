"""Build mmcv for the GPU that is here, and compare its op and the whole detector with the CPU's results.

For machines that have an NVIDIA GPU, a CUDA compiler and a torch newer than the locked one: mmcv's sources are
compiled against what is there. Nothing is installed: the wheel is unpacked into a folder of its own. Needs torch, pip,
setuptools below 70 (mmcv's build asks for pkg_resources), ninja, mmengine and mmdet; run it from the top of a clone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wire.host import compilers

#: Shapes of the pixel decoder at 800 x 800: three levels, eight heads of 32 channels, four points.
LEVELS, HEADS, CHANNELS, POINTS = ((25, 25), (50, 50), (100, 100)), 8, 32, 4


def build(source: str, folder: Path, jobs: int) -> float:
    """Compile mmcv for the first GPU's architecture and unpack it into ``folder``; returns the seconds it took."""
    import torch

    major, minor = torch.cuda.get_device_capability()
    settings = {
        "MMCV_WITH_OPS": "1",
        "FORCE_CUDA": "1",
        "MAX_JOBS": str(jobs),
        "TORCH_CUDA_ARCH_LIST": f"{major}.{minor}",
    }
    command = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--target", str(folder)]
    start = time.perf_counter()
    subprocess.run([*command, source], check=True, env=os.environ | settings)
    return time.perf_counter() - start


def compare_op() -> float:
    """Largest difference between the compiled deformable attention on the GPU and PyTorch's own on the CPU."""
    import torch
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )

    torch.manual_seed(0)
    shapes = torch.tensor(LEVELS)
    sizes = shapes.prod(1)
    places = int(sizes.sum())
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
    value = torch.rand(1, places, HEADS, CHANNELS)
    locations = torch.rand(1, places, HEADS, len(LEVELS), POINTS, 2)
    weights = torch.rand(1, places, HEADS, len(LEVELS) * POINTS).softmax(-1).unflatten(-1, (len(LEVELS), POINTS))
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    inputs = [tensor.cuda() for tensor in (value, shapes, starts, locations, weights)]
    found = MultiScaleDeformableAttnFunction.apply(*inputs, 64)  # 64: mmcv's own step through the batch
    return float((found.cpu() - expected).abs().max())


def compare_detector(weights: Path | None, images: int) -> str:
    """The parity table of the detector on the GPU against the CPU."""
    import numpy as np

    from bench.parity import SIZES, compare, table
    from geneval.detectors import Execution, load_detector
    from geneval.self_test import draw_scene
    from geneval.tiny_world.detector import write_random_weights

    with tempfile.TemporaryDirectory() as folder:
        path = weights or write_random_weights(Path(folder))
        cpu, gpu = (load_detector("mmdet", path, None, Execution(device, "exact")) for device in ("cpu", "cuda"))

    def pictures(size: tuple[int, int]) -> list[Any]:
        return [np.asarray(draw_scene(seed, size)) for seed in range(images)]

    return table({size: compare(cpu, _BackOnCpu(gpu), pictures(size)) for size in SIZES})


class _BackOnCpu:
    """A detector on the GPU whose outputs can be compared on the CPU."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def outputs(self, prepared: Any) -> Any:
        from dataclasses import replace

        raw = self._detector.outputs(prepared)
        return replace(raw, classes=raw.classes.cpu(), masks=raw.masks.cpu())


def main(arguments: Sequence[str]) -> int:
    """Build, compare, print; the exit code."""
    parser = argparse.ArgumentParser("python -m bench.gpu.mmcv_build", description=__doc__.split("\n")[0])
    parser.add_argument("--source", default="mmcv==2.1.0", help="requirement, or path of mmcv's sdist")
    parser.add_argument("--folder", type=Path, required=True, help="where the build goes; one of your own")
    parser.add_argument("--jobs", type=int, default=compilers(1.3), help="compilers at a time")
    parser.add_argument("--weights", type=Path, help="Mask2Former checkpoint [default: random weights of its size]")
    parser.add_argument("--images", type=int, default=2, help="images of each size [default: 2]")
    chosen = parser.parse_args(arguments)
    import torch

    if not torch.cuda.is_available():
        parser.error("torch sees no GPU here")
    seconds = 0.0 if (chosen.folder / "mmcv").exists() else build(chosen.source, chosen.folder, chosen.jobs)
    sys.path.insert(0, str(chosen.folder))
    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}: mmcv built in {seconds:.0f} s")  # noqa: T201
    print(f"deformable attention, GPU against CPU: largest difference {compare_op():.1e}")  # noqa: T201
    print(compare_detector(chosen.weights, chosen.images))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
