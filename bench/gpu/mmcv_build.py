"""Build mmcv for the GPU that is here, and compare deformable attention, and the whole detector, in all its forms.

For a torch newer than the locked one: mmcv's sources are compiled against what is there. Nothing is installed: the
wheel is unpacked into a folder of its own, which has to come first in ``PYTHONPATH`` from then on. Building needs pip,
nvcc, ninja, and setuptools below 70 (mmcv asks for pkg_resources).
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

from bench.gpu import chosen_device, clock, say
from wire.host import compilers

#: Shapes of the pixel decoder at 800 x 800: three levels, eight heads of 32 channels, four points; images at a time.
LEVELS, HEADS, CHANNELS, POINTS, IMAGES = ((25, 25), (50, 50), (100, 100)), 8, 32, 4, 8


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
    command = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-cache-dir"]
    start = time.perf_counter()
    subprocess.run([*command, "--target", str(folder), source], check=True, env=os.environ | settings)
    return time.perf_counter() - start


def compare_op(device: Any, images: int) -> None:
    """Print each form's largest difference from mmcv's own in float64 on the CPU, and milliseconds on ``device``."""
    import torch

    import geneval.detectors.mmdet_mask2former as mmdet  # which stands in for operators that are not compiled
    from geneval.detectors import deformable

    torch.manual_seed(0)
    centers = deformable._centers(LEVELS, "cpu")
    value = torch.rand(images, len(centers), HEADS, CHANNELS)
    offsets = torch.randn(images, len(centers), HEADS, len(LEVELS), POINTS, 2) * 3
    weights = torch.rand(*offsets.shape[:3], len(LEVELS) * POINTS).softmax(-1).unflatten(-1, (len(LEVELS), POINTS))
    sizes = torch.tensor([(width, height) for height, width in LEVELS])
    places = centers[:, None, None, None] + offsets / sizes[:, None]
    shapes = torch.tensor(LEVELS)
    from mmcv.ops import multi_scale_deform_attn as mmcv

    by_definition = mmcv.multi_scale_deformable_attn_pytorch
    expected = by_definition(value[:1].double(), shapes, places[:1].double(), weights[:1].double())
    value, offsets, weights, places, shapes = (one.to(device) for one in (value, offsets, weights, places, shapes))
    starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
    forms = {
        "mmcv's grid_sample": lambda: by_definition(value, shapes, places, weights),
        "our grid_sample": lambda: deformable.sample_levels(value, LEVELS, offsets, weights),
    }
    if mmdet.choose_deformable_attention(str(device)):
        op = mmcv.MultiScaleDeformableAttnFunction.apply
        forms["mmcv, compiled"] = lambda: op(value, shapes, starts, places, weights, 64)  # 64: mmcv's own step
    say(f"deformable attention, one layer, {images} images of 800 px\n\n| | differs by | ms |\n|---|---:|---:|")
    for name, form in forms.items():
        off = float((form()[:1].double().cpu() - expected).abs().max())
        say(f"| {name} | {off:.1e} | {1000 * clock(device, form, 10):.2f} |")


def compare_detector(device: str, weights: Path | None, images: int) -> str:
    """The parity table of the detector on the GPU against the CPU."""
    import numpy as np

    from bench.parity import SIZES, compare, table
    from geneval.detectors import Execution, load_detector
    from geneval.self_test import draw_scene
    from geneval.tiny_world.detector import write_random_weights

    with tempfile.TemporaryDirectory() as folder:
        path = weights or write_random_weights(Path(folder))
        cpu, gpu = (load_detector("mmdet", path, None, Execution(where, "exact")) for where in ("cpu", device))

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


def main(arguments: Sequence[str]) -> None:
    """Build where that is asked for, or else compare; print."""
    parser = argparse.ArgumentParser("python -m bench.gpu.mmcv_build", description=__doc__.split("\n")[0])
    parser.add_argument("--build", metavar="SOURCE", help="compile it: mmcv==2.1.0, or the path of its sdist")
    parser.add_argument("--folder", type=Path, help="where the build goes; one of its own")
    parser.add_argument("--jobs", type=int, default=compilers(1.3), help="compilers at a time")
    parser.add_argument("--weights", type=Path, help="Mask2Former checkpoint [default: random weights of its size]")
    parser.add_argument("--images", type=int, default=2, help="of each size, for the detector; 0: none [default: 2]")
    parser.add_argument("--device", default="cuda")
    chosen = parser.parse_args(arguments)
    device = chosen_device(chosen.device)
    if chosen.build:
        say(f"mmcv built in {build(chosen.build, chosen.folder, chosen.jobs):.0f} s, {chosen.jobs} compilers")
        return
    compare_op(device, IMAGES if chosen.images else 1)
    if chosen.images:
        say("\ndetector, every operation of mmdet, on the GPU against the CPU\n")
        say(compare_detector(str(device), chosen.weights, chosen.images))


if __name__ == "__main__":
    main(sys.argv[1:])
