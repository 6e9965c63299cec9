"""Stage *geneval*: images to verdicts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from geneval.color import ColorOptions
from geneval.detectors import DETECTORS
from geneval.detectors.precision import PRECISIONS, check_precision
from geneval.judge import JudgeOptions
from geneval.settings import CPU_BATCH, GPU_BATCH, check_batch_size, check_detector
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import GenevalSettings, RunSettings
from harness.stages.base import Merged, Stage, StagePlan, keyed_rows, known_rows
from harness.weights.weight_source import WeightSource
from wire.files import write_rows


def plan(run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource) -> StagePlan:
    """All images in the directory; done are those with a verdict for just these bytes.

    Raises:
        UserError: a bad option, or the directory holds no prompt folders, or a malformed one.
    """
    chosen = chosen_options(settings.geneval)
    items = run.scan()
    deciding = chosen | {"weights": source.identity_of("geneval")}
    known = keyed_rows(known_rows(run, manifest, "geneval", "results.jsonl", deciding), items)
    done = frozenset(name for name, row in known.items() if row["status"] == "scored")
    parameters = chosen | {"device": settings.device} | source.parameters("geneval")
    return StagePlan(items, done, len(items), deciding, parameters, known)


def chosen_options(settings: GenevalSettings) -> dict[str, Any]:
    """What differs from the defaults: to name a default is to choose nothing.

    Raises:
        UserError: an unknown option, detector or precision, or a value out of range.
    """
    judge = asdict(JudgeOptions.from_mapping(settings.options))
    colors = {**asdict(ColorOptions()), **settings.color_options}
    chosen: dict[str, Any] = {"options": _differing(judge, asdict(JudgeOptions()))}
    if crops := _differing(colors, asdict(ColorOptions())):
        chosen["color_options"] = crops
    if check_detector(settings.detector) != DETECTORS[0]:
        chosen["detector"] = settings.detector
    if check_precision(settings.precision) != PRECISIONS[0]:
        chosen["precision"] = settings.precision
    if settings.batch_size is not None:
        chosen["batch_size"] = check_batch_size(settings.batch_size)
    return chosen


def _differing(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value != defaults.get(name)}


def merge(run: RunDirectory, plan: StagePlan) -> Merged:
    """Write ``results.jsonl``, a row an image, in order of prompt and sample."""
    rows = [plan.known[item.filename] for item in plan.items if item.filename in plan.known]
    write_rows(run.rows("results.jsonl"), rows)
    return Merged(len(rows), sum(row["status"] != "scored" for row in rows))


def batch(settings: RunSettings) -> int:
    """Images in a forward pass of the detector."""
    return settings.geneval.batch_size or (CPU_BATCH if settings.device == "cpu" else GPU_BATCH)


GENEVAL = Stage("geneval", "geneval", "geneval", "results.jsonl", "images", plan, merge, batch)
