"""Stage *geneval*: images to verdicts."""

from __future__ import annotations

from pathlib import Path

from geneval.settings import CPU_BATCH, GPU_BATCH
from geneval.settings import validate as geneval_validation
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest
from harness.run.settings import RunSettings
from harness.stages.base import Merged, Prompts, Stage, StagePlan, keyed_rows, known_rows
from harness.weights.weight_source import WeightSource
from wire.errors import UserError
from wire.files import write_rows


def plan(run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource) -> StagePlan:
    """All images in the directory; done are those with a verdict for just these bytes.
    Raises UserError: a bad option, or the directory holds no prompt folders, or a malformed one.
    """
    chosen, items = settings.geneval.chosen(), run.scan()
    deciding = chosen | {"weights": source.identity_of("geneval")}
    known = keyed_rows(known_rows(run, manifest, "geneval", "results.jsonl", deciding), items)
    done = frozenset(name for name, row in known.items() if row.get("status") == "scored")
    parameters = chosen | {"device": settings.device} | source.parameters("geneval")
    return StagePlan(items, done, len(items), deciding, parameters, known)


def merge(_run: RunDirectory, plan: StagePlan, into: Path) -> Merged:
    """Write a row an image, in order of prompt and sample."""
    rows = [plan.known[item.filename] for item in plan.items if item.filename in plan.known]
    write_rows(into, rows)
    return Merged(len(rows), sum(row.get("status") != "scored" for row in rows))


def batch(settings: RunSettings) -> int:
    """Images in a forward pass of the detector."""
    return settings.geneval.batch_size or (CPU_BATCH if settings.device == "cpu" else GPU_BATCH)


def validate(settings: RunSettings, prompts: Prompts) -> list[str]:
    """The judge's settings, and a line about prompts that it cannot decide: their images will have no verdict."""
    found = geneval_validation(settings.geneval, [*prompts.values()])
    if found.faults:
        raise UserError("; ".join(found.faults))
    unjudged = {line: fault for position, line in enumerate(prompts) if (fault := found.unscored.get(position))}
    if not unjudged:
        return []
    first, fault = min(unjudged.items())
    return [
        f"{len(unjudged)} of {len(prompts)} prompts cannot be judged by GenEval, their images will be unscored; "
        f"the first is line {first + 1} of the suite: {fault}"
    ]


GENEVAL = Stage("geneval", "geneval", "geneval", "results.jsonl", "images", plan, merge, batch, validate)
