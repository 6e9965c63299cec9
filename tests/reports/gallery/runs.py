"""Runs with pictures, boxes and colors, for the gallery's tests."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image

from tests.reports.builders import rewards, verdict, write_rows

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 2\"> & \u2028 'x' {{ 7 * 7 }}"
)
ANSWER = [0.5, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.1, 0.05, 0.05]


def judged(prompt: int, sample: int, tag: str, correct: bool | None, **other: Any) -> dict[str, Any]:
    text = f"a photo of {tag} {prompt}"
    found = {
        "metadata": json.dumps({"tag": tag, "prompt": text, "include": [{"class": "bench", "count": 1}]}),
        "details": json.dumps({"dog": [[1.4, 2.0, 30.0, 40.0, 0.4]], "bench": [[8.0, 8.0, 56.0, 60.0, 0.91234]]}),
        "colors": {"bench": [ANSWER]},
    }
    return verdict(prompt, sample, tag, correct, text, **(found | other))


def make_run(folder: Path, wrong: Collection[int] = (), reward: float = 0.0) -> Path:
    """Six prompts of two images; the second prompt's text is hostile, the last image's file is missing."""
    tags = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
    rows, scores = [], []
    for place, tag in enumerate(tags):
        other = {"prompt": HOSTILE, "reason": HOSTILE} if place == 1 else {}
        for sample in range(2):
            rows.append(judged(place, sample, tag, place not in wrong) | other)
            values = {"image_reward": reward + place + sample / 10, "vqa": 0.5}
            scores.append(rewards(place, sample, values) | {"prompt": rows[-1]["prompt"]})
            if (place, sample) != (5, 1):
                path = folder / rows[-1]["filename"]
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (64, 64), (40 * place, 120, 200)).save(path)
    write_rows(folder / "results.jsonl", rows)
    write_rows(folder / "rewards.jsonl", scores)
    (folder / "run.json").write_text(json.dumps({"name": folder.name, "protocol": {"seed": 42}}))
    return folder
