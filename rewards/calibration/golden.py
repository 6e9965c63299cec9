"""Golden values: what the fixed pairs scored once, and how far today's scores lie from it. Standard library only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewards.calibration.pairs import PUBLISHED, PUBLISHED_TOLERANCE
from rewards.scorers import SCORERS
from wire.errors import UserError
from wire.untrusted import read_json

Values = dict[str, dict[str, float]]
"""Scores by metric and file name."""


@dataclass
class Golden:
    """A file of golden values."""

    values: dict[str, Values] = field(default_factory=dict)  #: scores by precision, metric and file name
    #: Sha256 of the weights they were computed with, by metric: ``repository/file`` to digest.
    weights: dict[str, dict[str, str | None]] = field(default_factory=dict)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)  #: versions they were computed with, by precision

    @classmethod
    def read(cls, path: Path) -> Golden:
        """The file's values; none where there is no file. Raises UserError: it is not such a file."""
        if not path.exists():
            return cls()
        try:
            return cls(**read_json(path))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path}: no file of golden values ({error}); make one with --update") from error

    def update(self, precision: str, values: Values, started: Mapping[str, Any]) -> None:
        """Take new values for these metrics at this precision; those of others stay."""
        self.values.setdefault(precision, {}).update({metric: drawn(scores) for metric, scores in values.items()})
        self.weights.update(weights_of(started))
        self.packages[precision] = dict(started["packages"])

    def precision_difference(self, metric: str) -> str | None:
        """How far ``fast`` lies from ``reference`` on the fixed pairs, in words; None where one was not stored."""
        exact, fast = (self.values.get(precision, {}).get(metric, {}) for precision in ("reference", "fast"))
        off = [fast[name] - value for name, value in exact.items() if name in fast]
        if not off:
            return None
        largest = max(map(abs, off))
        return f"at most {largest:.2g}, in the mean {math.fsum(off) / len(off):+.2g}, over {len(off)} fixed pairs"

    def text(self) -> str:
        """The file's content."""
        record = {"packages": self.packages, "weights": self.weights, "values": self.values}
        return json.dumps(record, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Finding:
    """One metric's result."""

    name: str  #: metric id, or what was compared
    difference: float  #: largest difference of a score from its golden value; NaN where a score is missing
    allowed: float
    pairs: int  #: how many scores were compared

    @property
    def passed(self) -> bool:
        """Whether every score is within its tolerance."""
        return self.difference <= self.allowed

    def __str__(self) -> str:
        verdict = "as stored" if self.passed else "DRIFTED"
        return f"{self.name:14} {verdict:10} {self.pairs} scores, off by {self.difference:.2g} of {self.allowed:.2g}"


def drawn(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores of the fixed pairs, without those of the published images."""
    return {name: value for name, value in scores.items() if name not in PUBLISHED}


def values_of(rows: Iterable[Mapping[str, Any]]) -> Values:
    """Scores by metric and file; NaN for an unscored one."""
    values: Values = {}
    for row in rows:
        score = math.nan if row["value"] is None else float(row["value"])
        values.setdefault(row["metric"], {})[row["filename"]] = score
    return values


def weights_of(started: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Digests of the weights that a worker's ``started`` event names."""
    found: dict[str, dict[str, str | None]] = {}
    for weight in started["weights"]:
        found.setdefault(weight["metric"], {})[f"{weight['source']}/{weight['file']}"] = weight["sha256"]
    return found


def compare(golden: Values, values: Values, precision: str) -> list[Finding]:
    """A finding for each metric that has golden values; the score nearest to (or beyond) its tolerance decides."""
    return [_finding(metric, golden[metric], drawn(values[metric]), precision) for metric in values if metric in golden]


def _finding(metric: str, golden: Mapping[str, float], scores: Mapping[str, float], precision: str) -> Finding:
    tolerance = SCORERS[metric].card.tolerance
    pairs = [
        (abs(scores.get(name, math.nan) - expected), tolerance.of(precision, expected))
        for name, expected in golden.items()
    ]
    worst = max(pairs, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0] / max(pair[1], 1e-300))
    return Finding(metric, *worst, len(pairs))


def compare_published(values: Values) -> list[Finding]:
    """ImageReward's published scores; nothing where its four images were not scored."""
    scores = values.get("image_reward", {})
    if not PUBLISHED.keys() <= scores.keys():
        return []
    off = [abs(scores[name] - expected) for name, expected in PUBLISHED.items()]
    worst = math.nan if any(map(math.isnan, off)) else max(off)
    return [Finding("ImageReward's published images", worst, PUBLISHED_TOLERANCE, len(off))]


def changes(golden: Golden, precision: str, started: Mapping[str, Any]) -> list[str]:
    """What is another weight or version now than when the values were stored."""
    now = weights_of(started)
    weights = [
        f"{metric}: other weights, {name}"
        for metric, files in now.items()
        for name, digest in files.items()
        if golden.weights.get(metric, {}).get(name, digest) != digest
    ]
    before = golden.packages.get(precision, {})
    packages = [
        f"{name} {before[name]} -> {version}"
        for name, version in started["packages"].items()
        if before.get(name, version) != version
    ]
    return weights + packages
