"""Where a GPU's memory ends: ``python -m bench.gpu.memory [FOLDER METRIC]``.

Most of the memory is taken away first, so that its end is within reach. For generation: the size that ``--batch-size
auto`` finds, and the largest that really fits. For a metric, whose weights are in FOLDER (see bench.real_sizes): what
the stage does with a batch that is expected not to fit, and with one that fails; its scores are compared with those of
small batches in free memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.gpu import chosen_device, say

GB = 10**9
#: Nothing larger is tried.
MOST = 512


@contextlib.contextmanager
def only(gigabytes: float, device: Any) -> Iterator[None]:
    """No more than this is free on a GPU until the block ends."""
    import torch

    taken = None
    if device.type == "cuda":
        torch.cuda.empty_cache()
        rest = torch.cuda.mem_get_info(device)[0] - int(gigabytes * GB)
        taken = torch.empty(max(rest, 0), dtype=torch.uint8, device=device)
    yield
    del taken


def sampler(device: Any, small: bool) -> Any:
    """The stage's own backend, around a network with random weights."""
    import torch

    from bench.gpu.generation import build, settings
    from generation.backends.miro import MiroBackend
    from generation.text_encoding import EncodedPrompt

    made = MiroBackend.__new__(MiroBackend)
    made._device, made._model, made._settings = device, build(device, small), settings(50)
    made._network, made._text_length = made._model.network, 256
    made._prompts = {0: EncodedPrompt(torch.randn(16, 2048, dtype=torch.float16))}
    made._noise = lambda _prompt, _sample: torch.randn(made._model.latent_shape)
    made.gpu = str(device) if device.type == "cuda" else None
    return made


def generation(device: Any, free: Sequence[float], small: bool) -> None:
    """Print a row for each amount of free memory."""
    import torch

    from generation.backends import OutOfMemory
    from generation.batch_size import find_size
    from wire.protocol import Item

    backend, item = sampler(device, small), Item("a.png", 0, 0, {"prompt": "a photo of a dog"})
    say("| GB free | auto | GB it takes | largest that fits | auto's size after memory ran out |")
    say("|---:|---:|---:|---:|---:|")
    for gigabytes in free if device.type == "cuda" else free[:1]:
        with only(gigabytes, device):
            try:
                size = find_size(backend, item)
            except OutOfMemory as error:
                say(f"| {gigabytes:g} | {error} | | | |")
                continue
            taken = peak(device, lambda size=size: fits(backend, item, size))
            largest = 0 if device.type == "cpu" else last_fitting(lambda count: fits(backend, item, count), size)
            again = "fits" if fits(backend, item, size) else "**does not fit**"
            end = f"{MOST} or more" if largest >= MOST else str(largest or "not tried")
            say(f"| {gigabytes:g} | {size} | {taken:.2f} | {end} | {again} |")
    if device.type == "cuda":
        torch.cuda.empty_cache()


def fits(backend: Any, item: Any, size: int) -> bool:
    """Whether a batch of this size can be made."""
    from generation.backends import OutOfMemory
    from generation.batches import Batch

    try:
        backend.probe(Batch((item,), (0,), size))
    except OutOfMemory:
        return False
    return True


def last_fitting(works: Any, low: int) -> int:
    """The largest size that works, to a sixteenth; ``low`` does."""
    high = low
    while high < MOST and works(2 * high):
        high *= 2
    low, beyond = high, 2 * high
    while high < MOST and beyond - low > max(1, low // 16):
        middle = (low + beyond) // 2
        low, beyond = (middle, beyond) if works(middle) else (low, middle)
    return low


def peak(device: Any, function: Any) -> float:
    """GB that a call takes for a while, of a GPU."""
    import torch

    if device.type == "cpu":
        function()
        return float("nan")
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    return float((torch.cuda.max_memory_allocated(device) - before) / GB)


def rewards(device: Any, free: float, world: Path, metric: str) -> None:
    """Print what the stage says of a batch that is too large, guessed beforehand and found out."""
    import rewards.memory

    guessed = rewards.memory.SHARE
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as name:
        expected, _ = scores(world, metric, 8, device, Path(name))
        for what, share in (("guessed beforehand", guessed), ("found by failing", float("inf"))):
            rewards.memory.SHARE = share
            with only(free, device):
                found, warnings = scores(world, metric, MOST, device, Path(name))
            rewards.memory.SHARE = guessed
            off = max(abs(one - other) for one, other in zip(expected, found, strict=True))
            say(f"{metric}, batches of {MOST}, {free:g} GB free, {what}: scores within {off:.1e} of batches of 8")
            say("\n".join(f"  {warning}" for warning in warnings) or "  nothing was said")


def scores(world: Path, metric: str, size: int, device: Any, folder: Path) -> tuple[list[float], list[str]]:
    """The stage's worker over 16 images, in batches of ``size``; its scores and warnings."""
    from bench.rewards import images, job_of
    from rewards.devices import release_residents
    from rewards.worker import work
    from wire.protocol import Reporter, read_rows

    chosen = {"precision": "reference", "batch_size": size, "device": str(device)}
    pairs, said = images(folder, 8, 2, 224), io.StringIO()
    work(job_of(world, folder, pairs, [metric], **chosen), Reporter(said))
    release_residents()
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    rows = list(read_rows(folder / "cells.jsonl"))
    return [row["value"] for row in rows], [event["message"] for event in events if event["event"] == "warning"]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.gpu.memory", description=__doc__.split("\n")[0])
    parser.add_argument("world", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("metric", nargs="?", metavar="METRIC")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--free", type=float, nargs="+", default=[3.0, 6.0, 12.0], metavar="GB", help="left free")
    parser.add_argument("--small", action="store_true", help="a small network, to try the script out")
    chosen = parser.parse_args(arguments)
    device = chosen_device(chosen.device)
    if chosen.metric:
        rewards(device, chosen.free[-1], chosen.world, chosen.metric)
    else:
        generation(device, chosen.free, chosen.small)


if __name__ == "__main__":
    main(sys.argv[1:])
