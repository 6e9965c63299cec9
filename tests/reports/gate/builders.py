"""Two sweeps of one suite with chosen verdicts and rewards, as run directories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reports.gate.check import Gate, check_once, rules_for
from reports.gate.inputs import read_sides
from reports.read.suite import PROMPTS_PER_TAG
from tests.reports.builders import Row, rewards, verdict, write_rows
from wire.cards import NO_CARDS, Cards

SUITE = {"id": "geneval", "sha256": "5c48"}
PROTOCOL: dict[str, Any] = {"suite": SUITE, "samples": 4, "steps": 50}


def place_of(tag: str) -> int:
    """Number of a tag's first prompt."""
    tags = list(PROMPTS_PER_TAG)
    return sum(PROMPTS_PER_TAG[earlier] for earlier in tags[: tags.index(tag)])


def full_sweep(correct: Callable[[str, int, int], bool | None]) -> list[Row]:
    """All 553 prompts, four images each; ``correct(tag, number of the prompt within its tag, sample)``."""
    return [
        verdict(place_of(tag) + prompt, sample, tag, correct(tag, prompt, sample), **_why(correct(tag, prompt, sample)))
        for tag, size in PROMPTS_PER_TAG.items()
        for prompt in range(size)
        for sample in range(4)
    ]


def _why(correct: bool | None) -> dict[str, str]:
    return {"status": "unscored", "error": "broken image"} if correct is None else {}


def usual(_tag: str, prompt: int, sample: int) -> bool:
    """Half of all images, unevenly by prompt."""
    return (3 * prompt + 2 * sample + prompt // 7) % 4 < 2


def write_run(
    folder: Path, rows: list[Row], reward_rows: list[Row] | None = None, protocol: dict[str, Any] | None = None
) -> Path:
    """A run directory; without a protocol there is no manifest."""
    write_rows(folder / "results.jsonl", rows)
    if reward_rows:
        write_rows(folder / "rewards.jsonl", reward_rows)
    if protocol is not None:
        record = {"name": folder.name, "protocol": protocol, "random_weights": False}
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def reward_sweep(drop: float = 0.0) -> list[Row]:
    """Two metrics over twenty prompts of four images; a drop of one of them is on every second prompt, by its mean."""
    return [
        rewards(prompt, sample, {"aesthetic": 5.0 + 0.1 * (prompt % 3) - 2 * drop * (prompt % 2), "hpsv2.1": 0.3})
        for prompt in range(20)
        for sample in range(4)
    ]


def check_paths(
    candidate: Path, baseline: Path, policy: Path | None = None, *, subset: bool = False, cards: Cards = NO_CARDS
) -> Gate:
    """One check, as the command makes it."""
    first, second = read_sides(baseline, candidate, cards)
    return check_once(first, second, rules_for(first, policy), subset=subset)
