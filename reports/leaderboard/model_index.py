"""Scores for a model card: the ``model-index`` block that the Hugging Face hub reads from a card's YAML head."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reports.leaderboard.sections import scored_images
from reports.leaderboard.table import Leaderboard
from reports.summary.run_summary import GENEVAL
from reports.summary.scored import scored_text
from wire.cards import MetricCard
from wire.vocabulary import TAGS

#: What YAML 1.1 takes within quotes by its number only; JSON's escapes for letters beyond 16 bits are none of YAML's.
_BY_NUMBER = re.compile("[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def model_index(board: Leaderboard) -> str:
    """One entry a run, to be copied into its card; runs with random weights are left out, for their scores are none.

    The layout is huggingface_hub's (``ModelCardData``, ``EvalResult``): task, dataset, metrics.
    """
    lines = ["model-index:"]
    for row in board.frame[~board.frame["random_weights"]].to_dict("records"):
        results = [*_geneval(row), *_rewards(row, board.cards)]
        if results:
            lines += [f"- name: {_text(row['model'])}", "  results:", *results]
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
    yield f"      name: {_text(dataset)}"
    yield f"      type: {_text(kind)}"
    yield "    metrics:"
    for metric, name, value in metrics:
        yield f"    - type: {_text(metric)}"
        yield f"      name: {_text(name)}"
        yield f"      value: {_number(value)}"


def _text(text: str) -> str:
    """A text in double quotes; half a surrogate pair, which no file can hold, becomes its escape."""
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _BY_NUMBER.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(encodable, ensure_ascii=False))


def _number(value: float) -> str:
    """A number that YAML 1.1 takes for one: ``1e-05`` without a dot is a text there."""
    mantissa, exponent, power = json.dumps(float(value)).partition("e")
    return mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power
