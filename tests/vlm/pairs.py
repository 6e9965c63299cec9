"""Images of odd sizes, prompts with their questions, and scorers applied to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from rewards.scorers.base import Batch
from tests.rewards.pairs import picture

SIZES = [(256, 256), (512, 512), (256, 256), (640, 400), (200, 130), (333, 517)]


def line(prompt: str, *questions: tuple[str, str]) -> dict[str, Any]:
    """A line as GenEval 2's suite has them."""
    skills = ["count" if question.startswith("How many") else "object" for question, _ in questions]
    return {"prompt": prompt, "vqa_list": [list(one) for one in questions], "skills": skills}


def count(what: str, number: str) -> tuple[str, str]:
    return f"How many {what} are in the image?", number


def yes(question: str) -> tuple[str, str]:
    return question, "Yes"


LINES = [
    line("two dogs", count("dogs", "two"), yes("Are there any dogs in the image?"), yes("Are the dogs in the image?")),
    line(
        "a red car left of a blue cow", count("cars", "one"), yes("Is the car red?"), yes("Is the car left of the cow?")
    ),
    line("seven benches", *(count(f"benches of kind {i}", "seven") for i in range(22))),
    line("three white clocks", count("clocks", "three"), yes("Are the clocks white?"), yes("Any clocks at all?")),
    line("a bear", yes("Is there a bear in the image, or something that might be taken for one by a child?")),
    line(
        "six kites above five boats",
        count("kites", "six"),
        count("boats", "five"),
        yes("Are the kites above the boats?"),
    ),
]


def images(sizes: Sequence[tuple[int, int]] = SIZES) -> list[Image.Image]:
    return [picture(seed, size) for seed, size in enumerate(sizes)]


def judge(scorer: Any, pictures: Sequence[Image.Image], lines: Sequence[dict[str, Any]]) -> list[Any]:
    """One batch of pairs."""
    with torch.inference_mode():
        pixels = [scorer.prepare_image(one) for one in pictures]
        return list(scorer.judge(Batch(pixels, [one["prompt"] for one in lines], None, lines)))


def one_by_one(scorer: Any, pictures: Sequence[Image.Image], lines: Sequence[dict[str, Any]]) -> list[Any]:
    return [judge(scorer, [image], [asked])[0] for image, asked in zip(pictures, lines, strict=True)]


def probabilities(outcomes: Sequence[Any]) -> list[float]:
    """Of every question, in order."""
    return [detail["p"] for outcome in outcomes for detail in outcome.details]
