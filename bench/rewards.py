"""Speed of the rewards stage against a plain loop over the authors' packages, on the same images in one run.

    PYTHONPATH=. <rewards environment's python> -m bench.rewards [--prompts 8] [--samples 4] [--real] [--record DATE]

The reference is what an evaluation script does that asks one package after the other: for every scorer, for every
image, read and decode the file, preprocess it, encode its prompt, score one pair. Models are loaded once on both
sides, and loading is not counted. Weights are random, so that nothing has to be fetched: by default small ones, where
decoding and calls decide; with ``--real`` a ViT-H/14 of PickScore's size, where arithmetic does. Jina's and VQAScore's
packages cannot be installed beside the others, so that there is nothing to compare with: they are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench.reward_packages import reference_scorer

METRICS = ("aesthetic", "image_reward", "pick_score", "hpsv2.1", "sciscore")
REAL = ("pick_score",)
RESULTS = Path(__file__).parent / "RESULTS.md"
#: Pairs per forward pass, the stage's default.
BATCH_SIZE = 16
#: ViT-H/14 of laion's CLIP, in transformers' terms (the model's config.json).
VIT_H = {
    "text_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
        "projection_dim": 1024,
        "eos_token_id": 2,
    },
    "vision_config": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
        "hidden_act": "gelu",
        "projection_dim": 1024,
    },
    "projection_dim": 1024,
}


def images(folder: Path, prompts: int, samples: int, edge: int) -> list[tuple[str, str]]:
    """Write noisy pictures, which compress as photographs do; (file name, prompt) of each."""
    import numpy as np
    from PIL import Image

    random, pairs = np.random.default_rng(0), []
    for prompt in range(prompts):
        for sample in range(samples):
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((edge, edge))
            noisy = np.asarray(coarse, dtype=np.int16) + random.integers(-4, 5, (edge, edge, 3))
            name = f"{prompt:05d}-{sample:04d}.png"
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name)
            pairs.append((name, f"a photo of bench number {prompt} and a red dog"))
    return pairs


def write_real_clip(world: Path) -> None:
    """Replace the stand-in of PickScore by one of its real size, in half precision as published."""
    import torch
    from transformers import CLIPConfig, CLIPModel
    from transformers.modeling_utils import no_init_weights

    from rewards.hub import snapshot

    with no_init_weights():
        model = CLIPModel(CLIPConfig(**VIT_H))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.02) if parameter.dim() > 1 else parameter.fill_(1.0)
    model.half().save_pretrained(snapshot("yuvalkirstain/PickScore_v1"), max_shard_size="20GB")


def time_reference(world: Path, folder: Path, pairs: list[tuple[str, str]], metrics: list[str]) -> dict[str, Any]:
    """Seconds by metric of the plain loop, and its scores."""
    import torch
    from PIL import Image

    seconds, scores = {}, {}
    for metric in metrics:
        with torch.no_grad():
            score = reference_scorer(metric, world)
            with Image.open(folder / pairs[0][0]) as image:
                score(image.convert("RGB"), pairs[0][1])  # first calls set things up
            start = time.perf_counter()
            scores[metric] = [score(Image.open(folder / name).convert("RGB"), prompt) for name, prompt in pairs]
            seconds[metric] = time.perf_counter() - start
    return {"seconds": seconds | {"all": sum(seconds.values())}, "scores": scores}


def time_ours(
    world: Path, folder: Path, pairs: list[tuple[str, str]], metrics: list[str], precision: str
) -> dict[str, Any]:
    """Seconds of the stage's worker, for each metric alone and for all in one pass, and the scores of that pass."""
    import torch

    torch.set_grad_enabled(False)
    seconds = {}
    for metric in metrics:
        seconds[metric], scores = _job(world, folder, pairs, [metric], precision)
    seconds["all"] = seconds[metrics[0]]
    if len(metrics) > 1:
        seconds["all"], scores = _job(world, folder, pairs, metrics, precision)
    return {"seconds": seconds, "scores": scores}


def _job(
    world: Path, folder: Path, pairs: list[tuple[str, str]], metrics: list[str], precision: str
) -> tuple[float, dict[str, list[float]]]:
    from harness.protocol import Item, Job, Reporter, read_rows
    from rewards.worker import work

    class Clock(Reporter):
        """Loading ends with ``started``."""

        def started(self, *args: Any, **fields: Any) -> None:
            self.start = time.perf_counter()

    files = {name: str(world / "files" / f"{name}.{end}") for name, end in _FILES.items()}
    parameters = {"files": files, "metrics": metrics, "precision": precision, "batch_size": BATCH_SIZE, "group": "all"}
    items = [Item(name, index, 0, {"prompt": prompt}) for index, (name, prompt) in enumerate(pairs)]
    output = folder / "cells.jsonl"
    output.unlink(missing_ok=True)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device, not a path
        clock = Clock(nowhere)
        work(Job("rewards", str(folder), str(output), items, parameters), clock)
        seconds = time.perf_counter() - clock.start
    rows = list(read_rows(output))
    return seconds, {metric: [row["value"] for row in rows if row["metric"] == metric] for metric in metrics}


_FILES = {"clip-vit-l-14": "pt", "aesthetic-mlp": "pth"}
_PRECISION = {"ours": "reference", "fast": "fast"}


def measure(side: str, world: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One side in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "bench.rewards", "--side", side, "--world", str(world), "--folder", str(folder)]
    command += ["--prompts", str(options.prompts), "--samples", str(options.samples)]
    command += ["--real"] * options.real
    variables = os.environ | {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    return json.loads(done.stdout.splitlines()[-1])


def run_side(options: argparse.Namespace) -> dict[str, Any]:
    """What a side's process does."""
    warnings.simplefilter("ignore")
    pairs = [tuple(pair) for pair in json.loads((options.folder / "pairs.json").read_text(encoding="utf-8"))]
    metrics = list(REAL if options.real else METRICS)
    if options.side == "reference":
        found = time_reference(options.world, options.folder, pairs, metrics)
    else:
        found = time_ours(options.world, options.folder, pairs, metrics, _PRECISION[options.side])
    return found | {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2}


def table(sides: dict[str, dict[str, Any]], count: int) -> str:
    """Images a second by metric and side, ratios to the reference, the largest difference of a score, peak memory."""
    reference = sides["reference"]
    lines = ["| metric | reference, images/s | ours | ratio | off by | fast | ratio | off by |", "|---|" + "---:|" * 7]
    for metric in reference["seconds"]:
        cells = [metric, f"{count / reference['seconds'][metric]:.2f}"]
        for side in ("ours", "fast"):
            seconds, before = sides[side]["seconds"][metric], reference["seconds"][metric]
            off = _difference(reference["scores"].get(metric), sides[side]["scores"].get(metric))
            cells += [f"{count / seconds:.2f}", f"{before / seconds:.2f}x", off]
        lines.append(f"| {' | '.join(cells)} |")
    peaks = ", ".join(f"{side} {found['peak_gb']:.2f} GB" for side, found in sides.items())
    return "\n".join([*lines, "", f"Peak memory of the process: {peaks}."])


def _difference(first: list[float] | None, second: list[float] | None) -> str:
    if first is None or second is None:
        return ""
    return f"{max(abs(a - b) for a, b in zip(first, second, strict=True)):.1e}"


def main() -> None:
    """Measure, print, and record if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4, help="images per prompt")
    parser.add_argument("--edge", type=int, default=512, help="pixels")
    parser.add_argument("--real", action="store_true", help="PickScore alone, at its real size (8 GB of memory)")
    parser.add_argument("--record", metavar="DATE", help="append the figures to bench/RESULTS.md under this date")
    parser.add_argument("--machine", default=f"{os.cpu_count()} CPU cores, no GPU", help="for the record")
    for hidden in ("--side", "--world", "--folder"):
        parser.add_argument(hidden, type=str if hidden == "--side" else Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(run_side(options)))  # noqa: T201 - read by the other process
        return
    with tempfile.TemporaryDirectory(prefix="bench-rewards-") as name:
        text = compare(Path(name), options)
    print(text)  # noqa: T201
    if options.record:
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")


def compare(folder: Path, options: argparse.Namespace) -> str:
    """All sides on the same images and weights; a section of Markdown."""
    world = folder / "world"
    os.environ |= {"HF_HOME": str(world), "HF_HUB_OFFLINE": "1"}
    from rewards.tiny_world.world import write_world

    write_world(world)
    if options.real:
        write_real_clip(world)
    pairs = images(folder, options.prompts, options.samples, options.edge)
    (folder / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    sides = {side: measure(side, world, folder, options) for side in ("reference", "ours", "fast")}
    kind = "PickScore at its real size" if options.real else "small models"
    title = f"Rewards: {kind}, {options.prompts} prompts x {options.samples} images of {options.edge} px"
    when = f"{options.record or 'not recorded'}; {options.machine}; random weights; float32, and fast = bf16."
    return f"## {title}\n\n{when}\n\n{table(sides, len(pairs))}"


if __name__ == "__main__":
    main()
