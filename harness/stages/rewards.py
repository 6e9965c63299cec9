"""Stage *rewards*: images and prompts to one number per metric.

The worker writes *cells* (image, metric, value or reason); ``rewards.jsonl`` has one row per image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RewardSettings, RunSettings
from harness.stages.base import Merged, Prompts, Row, Stage, StagePlan, keyed_rows, known_rows
from harness.weights.weight_source import WeightSource
from rewards.scorers.card import Weight
from rewards.settings import validate as faults_of
from wire.errors import UserError
from wire.files import write_rows
from wire.paths import home, stage_code
from wire.protocol import SAMPLES_DIGEST, Item, cell_key, digest_of, samples_of
from wire.settings import values
from wire.vocabulary import SEVEN_REWARDS

#: Keys of a row of ``rewards.jsonl`` that are not metrics.
_IMAGE_KEYS = ("filename", "prompt", "prompt_index", "sample_index", "image_sha256")
_METRICS_KEYS = ("unscored", "details")
#: Imports own scorers where they will run: that environment has other packages than the orchestrator's.
_PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from rewards.own_scorer import load_scorers
try:
    load_scorers(sys.argv[2:])
except Exception as error:
    sys.exit(str(error))
"""


def plan(run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource) -> StagePlan:
    """All images by all metrics asked for; done are the numbers known for just these bytes.

    Finished values of a metric that is to be rescored are passed over, and replaced when the file is merged; what a
    worker has written since then counts, so that an interrupted rescoring goes on where it was.

    Raises:
        UserError: see :func:`validate`; or no readable images.
    """
    validate(settings, {})
    scorers, metrics = own_scorers(settings.rewards)
    items, chosen = run.scan(), values(settings.rewards)
    require_prompts(settings, {item.prompt_index: item.metadata for item in items})
    deciding = chosen | {"weights": source.identity_of("rewards")}
    rows = known_rows(run, manifest, "rewards", "rewards.jsonl", deciding)
    known = _of_these_samples(keyed_rows(_cells(rows, frozenset(settings.rewards.rescore)), items), items)
    wanted = {cell_key(item.filename, metric) for item in items for metric in metrics}
    done = frozenset(key for key in wanted if known.get(key, {}).get("value") is not None)
    parameters: dict[str, Any] = {"metrics": list(metrics), "device": settings.device} | source.parameters("rewards")
    parameters |= chosen | {"text_cache": str(home() / "text-features")} | ({"scorers": scorers} if scorers else {})
    return StagePlan(items, done, len(wanted), deciding, parameters, known)


def _of_these_samples(known: dict[str, Row], items: Iterable[Item]) -> dict[str, Row]:
    """Known cells, but for those over a prompt's images of which one has changed, gone or come."""
    digests = {
        prompt: digest_of(item.image_sha256 for item in samples) for prompt, samples in samples_of(items).items()
    }

    def holds(cell: Row) -> bool:
        details = cell.get("details")
        digest = details.get(SAMPLES_DIGEST) if isinstance(details, dict) else None
        return digest is None or digest == digests.get(cell.get("prompt_index", -1))

    return {key: cell for key, cell in known.items() if holds(cell)}


def own_scorers(settings: RewardSettings) -> tuple[list[str], tuple[str, ...]]:
    """The user's scorers, named so that a worker finds them, and all metric ids asked for, theirs last.

    Raises:
        UserError: an unknown metric, or an unfit scorer.
    """
    from rewards.scorers import check_metrics

    metrics = check_metrics(settings.metrics) if settings.metrics or not settings.scorers else ()
    if not settings.scorers:
        return [], metrics
    from rewards.own_scorer import absolute, load_scorers

    scorers = [absolute(text, Path.cwd()) for text in settings.scorers]
    return scorers, (*metrics, *load_scorers(scorers))


def validate(settings: RunSettings, prompts: Prompts) -> list[str]:
    """Metrics, the user's scorers (they are imported) and the other settings; a UserError that names all faults."""
    if faults := faults_of(settings.rewards, Path.cwd()):
        raise UserError("; ".join(faults))
    require_prompts(settings, prompts)
    return []


def require_prompts(settings: RunSettings, prompts: Prompts) -> None:
    """See that each metric can score images of some of the prompts.

    Raises:
        UserError: one cannot, whatever they show.
    """
    from rewards.own_scorer import registry

    scorers, metrics = own_scorers(settings.rewards)
    known = registry(scorers)
    for metric in metrics if prompts else ():
        reasons = [known[metric].refusal(line) for line in prompts.values()]
        if all(reasons):
            raise UserError(
                f"{metric} can score none of these prompts: {reasons[0]}; choose another --suite, or leave it out"
            )


def weights(settings: RunSettings) -> dict[str, tuple[Weight, ...]]:
    """What each metric asked for is computed with, as the scorers' cards tell."""
    from rewards.own_scorer import registry

    scorers, metrics = own_scorers(settings.rewards)
    known = registry(scorers)
    return {metric: known[metric].card.weights for metric in metrics}


def probe(settings: RunSettings) -> list[str]:
    """See :class:`Stage`."""
    scorers, _ = own_scorers(settings.rewards)
    return ["-c", _PROBE, str(stage_code()), *scorers] if scorers else []


def _cells(rows: Iterable[Row], rescored: frozenset[str]) -> Iterator[Row]:
    """Cells of a mixture of finished rows (one per image), but for the rescored metrics, and the worker's own."""
    for row in rows:
        if "metric" in row:
            yield row
            continue
        image = {key: row.get(key) for key in ("filename", "prompt_index", "sample_index", "image_sha256")}
        reasons, details = (told if isinstance(told := row.get(key), dict) else {} for key in _METRICS_KEYS)
        for metric, value in row.items():
            if metric not in _IMAGE_KEYS and metric not in _METRICS_KEYS and metric not in rescored:
                number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
                cell = image | {"metric": metric, "value": number, "error": reasons.get(metric)}
                yield cell | ({"details": details[metric]} if metric in details else {})


def merge(_run: RunDirectory, plan: StagePlan, into: Path) -> Merged:
    """Write a row an image, in order, the seven metrics first; a missing number is null, with its reason."""
    there = {cell["metric"] for cell in plan.known.values()}
    metrics = [metric for metric in SEVEN_REWARDS if metric in there] + sorted(there - set(SEVEN_REWARDS))
    rows = [_row(item, metrics, plan.known) for item in plan.items]
    write_rows(into, rows)
    return Merged(len(rows), sum(len(row["unscored"]) for row in rows))


def _row(item: Item, metrics: list[str], known: dict[str, Row]) -> Row:
    row: Row = {key: getattr(item, key) for key in _IMAGE_KEYS}
    cells = {metric: known.get(cell_key(item.filename, metric), {}) for metric in metrics}
    row |= {metric: cell.get("value") for metric, cell in cells.items()}
    reasons = {metric: cell.get("error") or "not scored yet" for metric, cell in cells.items()}
    row["unscored"] = {metric: reasons[metric] for metric in metrics if row[metric] is None}
    details = {metric: cell["details"] for metric, cell in cells.items() if "details" in cell}
    return row | ({"details": details} if details else {})


def keys(item: Item, parameters: dict[str, Any]) -> Iterator[str]:
    """Keys of an image's cells, one for each metric asked for."""
    return (cell_key(item.filename, metric) for metric in parameters["metrics"])


def batch(settings: RunSettings) -> int:
    """Images in a batch; where metrics are over a prompt's images together, whole prompts of a sweep as well."""
    from rewards.scorers import SCORERS

    size = settings.rewards.batch_size
    together = any(SCORERS[metric].card.over_samples for metric in settings.rewards.metrics if metric in SCORERS)
    return math.lcm(size, settings.generation.samples) if together and settings.generation else size


REWARDS = Stage(
    "rewards", "rewards", "rewards", "rewards.jsonl", "numbers", plan, merge,
    batch=batch, validate=validate, keys=keys, weights=weights, probe=probe,
)  # fmt: skip
