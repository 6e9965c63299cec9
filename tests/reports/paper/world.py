"""A folder as ``paper reproduce`` fills it, with made-up rewards: what the paper's figures are drawn from."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from reports.paper.results import Input, RunSet, find_result
from tests.reports.builders import rewards, write_rows
from tests.shared_data import shared

STEPS = range(50_000, 500_001, 50_000)
METRICS = {
    "pick_score": 0.21,
    "aesthetic": 5.5,
    "clip_openai": 0.27,
    "hpsv2.1": 0.27,
    "clip_jina": 0.2,
    "image_reward": 0.7,
}


@cache
def parti_prompts() -> tuple[str, ...]:
    lines = shared("data/prompts/parti_prompts.jsonl").read_text().splitlines()
    return tuple(json.loads(line)["prompt"] for line in lines)


def reward_run(
    folder: Path,
    gain: float = 0.0,
    samples: int = 1,
    prompts: Sequence[str] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    **manifest: Any,
) -> Path:
    """Rewards of PartiPrompts, or of other prompts: the usual mean, plus a gain in hundredths, plus noise."""
    noise = random.Random(folder.name)
    rows = (
        rewards(place, sample, {name: METRICS[name] * (1 + 0.01 * gain + noise.gauss(0, 0.05)) for name in metrics})
        | {"prompt": prompt}
        for place, prompt in enumerate(prompts or parti_prompts())
        for sample in range(samples)
    )
    write_rows(folder / "rewards.jsonl", rows)
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def points_of(run_set: RunSet) -> Iterator[tuple[str, Mapping[str, Any], float]]:
    """(name, what run.json says, gain) of each run that a set has of a model."""
    if run_set.training:
        yield from ((f"step={step}", {"step": step}, 12 * (1 - 0.99 ** (step / 5000))) for step in STEPS)
    elif run_set.points:
        for place, (name, negative) in enumerate(run_set.points.items()):
            yield name, {"protocol": {"negative_reward_targets": negative}}, place
    elif run_set.sweep:
        yield from map(partial(_grid_point, run_set), (0.0, 0.25, 0.5, 0.75, 1.0))
    else:
        yield "", {}, 0.0


def _grid_point(run_set: RunSet, t: float) -> tuple[str, Mapping[str, Any], float]:
    if run_set.sweep[0].startswith("guidance_scale"):
        return f"guidance_scale={30 * t:g}", {"protocol": {"guidance_scale": 30 * t}}, -0.05 * (30 * t - 9) ** 2
    if run_set.negative:
        targets = {**run_set.negative, "aesthetic_score": t, "hpsv2_score": 1 - t}
        return f"t={t:g}", {"protocol": {"negative_reward_targets": targets}}, 5 * t
    return f"aesthetic_score={t:g}", {"protocol": {"reward_targets": {"aesthetic_score": t}}}, 8 * t


def fill(out: Path, needed: Input, samples: int = 1) -> None:
    """The runs of one input of a result, rewards alone."""
    for place, model in enumerate(needed.models):
        for name, manifest, gain in points_of(needed.set):
            folder = out / needed.set.key / model / name
            better = 4 if model.startswith("miro") and "only" not in model else 0
            reward_run(folder, better + gain - place, samples, metrics=needed.set.metrics, name=model, **manifest)


def fill_result(out: Path, key: str, samples: int = 1) -> Path:
    """All runs of a figure but those over GenEval's prompts."""
    for needed in find_result(key).inputs:
        if needed.set.suite != "geneval":
            fill(out, needed, samples)
    return out
