"""What a report takes from ``run.json``, ours or another tool's: name, protocol, cards, training step."""

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
#: Whole numbers from here on cannot be drawn exactly.
_TOO_MANY = 1 << 53


@dataclass(frozen=True)
class Manifest:
    """Facts about how a run came to be; all empty for a foreign run."""

    name: str = ""  #: the run's name, else its checkpoint's; empty where not recorded
    random_weights: bool = False  #: the models are random stand-ins, so that no score means anything
    #: How images were made and scored, flat, e.g. ``{"suite.sha256": '"5c48..."', "guidance": "7.0"}``, a stage's
    #: settings under its name; values as JSON text.
    protocol: dict[str, str] = field(default_factory=dict)
    #: Of the metrics, the run's own before others that are known.
    cards: dict[str, MetricCard] = field(default_factory=dict)
    step: int | None = None  #: training step of the checkpoint; None where not recorded
    checkpoint_file: str = ""  #: name of its file; empty where not recorded
    tflop_per_image: float | None = None  #: of making one image; None where not recorded
    hours: dict[str, float] = field(default_factory=dict)  #: stage -> wall time of its busiest worker


def read_manifest(path: Path, cards: Cards = NO_CARDS) -> Manifest:
    """Read ``run.json``; a missing file is an empty manifest.
    ``cards``: of metrics that are known anyway, for runs that bear none.
    Raises UserError: the file is there and is not a JSON object, or its cards are malformed.
    """
    try:
        record = read_json(path)
    except FileNotFoundError:
        return Manifest(cards=dict(cards))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable manifest ({error})") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: not a manifest (expected a JSON object)")
    stages, checkpoint = _object(record, "stages"), _object(record, "checkpoint")
    settings = {stage: _object(_object(stages, stage), "settings") for stage in SCORING_STAGES}
    provenance = _object(_object(stages, "rewards"), "provenance")
    steps = (holder.get(key) for holder in (record, checkpoint) for key in ("step", "global_step"))
    try:
        own_cards = read_cards(provenance.get("cards", {}))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return Manifest(
        name=display_name(str(record.get("name") or _checkpoint_name(record.get("checkpoint")))),
        random_weights=record.get("random_weights") is True,
        protocol=comparable(dict(_flat(_object(record, "protocol") | settings))),
        cards={**cards, **own_cards},
        step=next((step for step in steps if type(step) is int and abs(step) < _TOO_MANY), None),
        checkpoint_file=str(checkpoint.get("path") or "").rpartition("/")[2],
        tflop_per_image=tflop if isinstance(tflop := record.get("tflop_per_image"), float) else None,
        hours={stage: found / 3600 for stage in stages if (found := _seconds(_object(stages, stage)))},
    )


def comparable(protocol: dict[str, str]) -> dict[str, str]:
    """Without the generator's batch size: it moves last bits alone, where each image has noise of its own."""
    own_noise = protocol.get("noise") == '"image"'
    return {name: value for name, value in protocol.items() if not (own_noise and name == "batch_size")}


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


def _seconds(stage: dict[str, Any]) -> float:
    """A stage's time as recorded; 0 where there is none."""
    seconds = stage.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 < seconds < _TOO_MANY else 0.0
