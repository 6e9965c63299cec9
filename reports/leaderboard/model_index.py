"""Scores for a model card: the ``model-index`` block that the Hugging Face hub reads from a card's YAML head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reports.leaderboard.sections import scored_images
from reports.leaderboard.table import Leaderboard
from reports.summary.run_summary import GENEVAL
from reports.summary.scored import scored_text
from wire.cards import MetricCard
from wire.vocabulary import TAGS


def model_index(board: Leaderboard) -> str:
    """One entry a run, to be copied into its card; runs with random weights are left out, for their scores are none.

    The layout is huggingface_hub's (``ModelCardData``, ``EvalResult``): task, dataset, metrics. Texts are written as
    JSON strings, which YAML reads as they are.
    """
    lines = ["model-index:"]
    for row in board.frame[~board.frame["random_weights"]].to_dict("records"):
        results = [*_geneval(row), *_rewards(row, board.cards)]
        if results:
            lines += [f"- name: {json.dumps(row['model'])}", "  results:", *results]
    return "\n".join(lines if len(lines) > 1 else ["model-index: []"]) + "\n"


def _geneval(row: dict[Any, Any]) -> Iterator[str]:
    names = [name for name in ("overall", *TAGS) if row[name] == row[name]]
    if names:
        about = f"{row['coverage']}; {_images(row, GENEVAL)}"
        metrics = [(f"geneval_{name}", f"GenEval {name} ({about})", row[name]) for name in names]
        yield from _result("GenEval", "geneval", metrics)


def _rewards(row: dict[Any, Any], cards: Mapping[str, MetricCard]) -> Iterator[str]:
    found = [card for metric, card in cards.items() if row[metric] == row[metric]]
    names = [
        f"mean {card.name} ({f'{card.direction}; ' if card.lower else ''}{_images(row, card.metric)})" for card in found
    ]
    metrics = [(card.metric, name, row[card.metric]) for card, name in zip(found, names, strict=True)]
    if metrics:
        yield from _result(f"prompts of {row['suite']}", str(row["suite"]), metrics)


def _images(row: dict[Any, Any], name: str) -> str:
    return f"{scored_text(scored_images(row, [name]), alone=True)} images"


def _result(dataset: str, kind: str, metrics: list[tuple[str, str, float]]) -> Iterator[str]:
    yield "  - task:"
    yield "      type: text-to-image"
    yield "    dataset:"
    yield f"      name: {json.dumps(dataset)}"
    yield f"      type: {json.dumps(kind)}"
    yield "    metrics:"
    for metric, name, value in metrics:
        yield f"    - type: {json.dumps(metric)}"
        yield f"      name: {json.dumps(name)}"
        yield f"      value: {json.dumps(float(value))}"
