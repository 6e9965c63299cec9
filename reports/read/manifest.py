"""What a report takes from ``run.json``: the run's name, whether its weights are random, its protocol, its cards."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wire.cards import NO_CARDS, Cards, MetricCard, read_cards
from wire.errors import UserError
from wire.untrusted import read_json

#: Stages whose settings (detector, weights, precision) decide whether scores can be compared.
SCORING_STAGES = ("geneval", "rewards")


@dataclass(frozen=True)
class Manifest:
    """Facts about how a run came to be; all empty for a foreign run.

    Attributes:
        name: the run's name, else its checkpoint's; empty where not recorded.
        random_weights: the models are random stand-ins, so that no score means anything.
        protocol: how images were made and scored, flat, e.g. ``{"suite.sha256": '"5c48..."', "guidance": "7.0"}``, a
            stage's settings under its name; values as JSON text.
        cards: of the metrics, the run's own before others that are known.
    """

    name: str = ""
    random_weights: bool = False
    protocol: dict[str, str] = field(default_factory=dict)
    cards: dict[str, MetricCard] = field(default_factory=dict)


def read_manifest(path: Path, cards: Cards = NO_CARDS) -> Manifest:
    """Read ``run.json``; a missing file is an empty manifest.

    Args:
        cards: of metrics that are known anyway, for runs that bear none.

    Raises:
        UserError: the file is there and is not a JSON object, or its cards are malformed.
    """
    try:
        record = read_json(path)
    except FileNotFoundError:
        return Manifest(cards=dict(cards))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable manifest ({error})") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: not a manifest (expected a JSON object)")
    return Manifest(
        name=display_name(str(record.get("name") or _checkpoint_name(record.get("checkpoint")))),
        random_weights=record.get("random_weights") is True,
        protocol=dict(_flat(_protocol(record))),
        cards={**cards, **_own_cards(record, path)},
    )


def display_name(text: str) -> str:
    """A name fit for one line of any table: control and formatting characters go, white space is single."""
    visible = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in text)
    return " ".join(visible.split())


def _checkpoint_name(checkpoint: Any) -> str:
    """``checkpoint`` is a name, or an object with a ``name``, a hub ``repo`` or a ``path``."""
    if isinstance(checkpoint, str):
        return checkpoint
    if not isinstance(checkpoint, dict):
        return ""
    known = checkpoint.get("name") or checkpoint.get("repo")
    return str(known) if known else Path(str(checkpoint.get("path") or "")).stem


def _protocol(record: dict[str, Any]) -> dict[str, Any]:
    stages = _object(record, "stages")
    settings = {stage: _object(_object(stages, stage), "settings") for stage in SCORING_STAGES}
    return _object(record, "protocol") | settings


def _own_cards(record: dict[str, Any], path: Path) -> dict[str, MetricCard]:
    provenance = _object(_object(_object(record, "stages"), "rewards"), "provenance")
    try:
        return read_cards(provenance.get("cards", {}))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _object(record: dict[str, Any], key: str) -> dict[str, Any]:
    """A nested object; empty where there is none, as in manifests of other tools."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in sorted(record.items()):
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)
