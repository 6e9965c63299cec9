"""Stage *generate*: prompts of a suite to images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.noise import UPSTREAM
from generation.settings import AUTO
from harness.run.directory import RunDirectory, image_name
from harness.run.manifest import Manifest, StageRecord, differing_fields
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.base import Merged, Prompts, Row, Stage, StagePlan, keyed_rows, known_rows
from harness.weights.weight_source import WeightSource
from wire.errors import UserError
from wire.files import fingerprint, write_atomically, write_rows
from wire.paths import home
from wire.protocol import Item
from wire.settings import EXTENT, IDLE, ROWS, values


def plan(run: RunDirectory, manifest: Manifest, settings: RunSettings, source: WeightSource) -> StagePlan:
    """All images of the suite; done are those on disk with the bytes their row tells.
    Raises UserError: bad settings, or the directory holds images made under other settings.
    """
    generation = _generation(settings)
    items = sweep_items(generation)
    record = manifest.stages.get("generate")
    asked, size = generation.batch_size, generation.batch_size
    if record is not None:
        asked, size = one_size(asked, record)
    deciding = image_settings(replace(generation, batch_size=asked), manifest, source)
    if record is not None and (changes := differing_fields(record.settings, deciding)):
        raise UserError(
            f"{run.path} holds images made with other settings ({'; '.join(changes)}): choose another --out, "
            "or delete that directory"
        )
    known = keyed_rows(known_rows(run, manifest, "generate", "images.jsonl", deciding), None)
    done = frozenset(item.filename for item in items if _is_intact(run, known.get(item.filename)))
    parameters = _parameters(settings, generation, items) | {"run_id": fingerprint(deciding), "batch_size": size}
    parameters["planned"] = planned_files(manifest)
    return StagePlan(items, done, len(items), deciding, parameters, known)


def one_size(asked: int | str | None, record: StageRecord) -> tuple[Any, Any]:
    """A run has one batch size: how its settings name it, and what it is, of which the first worker may be in search.

    ``auto`` takes the size that the run has; the number that ``auto`` found is no other setting than ``auto``.
    """
    named, found = record.settings.get("batch_size", asked), record.provenance.get("batch_size")
    if asked == AUTO and named != AUTO:
        return named, named
    if named == AUTO and asked in (AUTO, found):
        return AUTO, found or AUTO
    return asked, asked


def planned_files(manifest: Manifest) -> dict[str, str]:
    """sha256 of the checkpoint's files, by name: the worker refuses others. Nothing of a repository."""
    known = manifest.checkpoint or {}
    return {name: known["identity"][name] for name, *_ in known.get("files", ())}


def _is_intact(run: RunDirectory, row: Row | None) -> bool:
    path = run.path / row["filename"] if row else run.path
    return row is not None and path.is_file() and run.contents.sha256(path) == str(row["image_sha256"])


def _generation(settings: RunSettings) -> GenerationSettings:
    if settings.generation is None:
        raise UserError("no checkpoint given: stage generate needs one")
    settings.generation.check()
    return settings.generation


def sweep_items(generation: GenerationSettings) -> list[Item]:
    """All images of the sweep, in order of prompt and sample; a UserError where its suite is not there."""
    from generation.suites import limit_indices, load_suite

    prompts = load_suite(generation.suite).lines
    return [
        Item(image_name(prompt, sample), prompt, sample, prompts[prompt])
        for prompt in limit_indices(prompts, generation.limit)
        for sample in range(generation.samples)
    ]


def image_settings(generation: GenerationSettings, manifest: Manifest, source: WeightSource) -> dict[str, Any]:
    """Everything that decides an image's bytes (the device's kind aside).

    Upstream's noise is one sequence over the whole sweep, so there its extent decides, too.
    """
    return values(generation, (ROWS, EXTENT) if generation.noise == UPSTREAM else (ROWS,)) | {
        "checkpoint": (manifest.checkpoint or {}).get("identity", generation.checkpoint),
        "suite_sha256": (manifest.suite or {}).get("sha256"),
        "weights": source.identity,
    }


def _parameters(settings: RunSettings, generation: GenerationSettings, items: list[Item]) -> dict[str, Any]:
    chosen = {key: value for key, value in values(generation, (ROWS, IDLE)).items() if key != "suite"}
    if generation.checkpoint and Path(generation.checkpoint).exists():  # the worker has another working directory
        chosen["checkpoint"] = str(Path(generation.checkpoint).absolute())
    if generation.generator:
        chosen["generator_folder"] = str(Path.cwd())
    if generation.noise == UPSTREAM:  # a worker must know the whole sweep, whatever part of it is its own
        prompts = dict.fromkeys((item.prompt_index, item.prompt) for item in items)
        chosen["sweep"] = {"prompts": list(prompts), "samples": generation.samples}
    chosen |= {"kind": chosen.pop("backend"), "device": settings.device}
    return chosen | {"text_cache": str(home() / "text-embeddings")}


def merge(run: RunDirectory, plan: StagePlan, into: Path) -> Merged:
    """Write a row for each image that is on disk."""
    rows = [row for name, row in sorted(plan.known.items()) if (run.path / name).is_file()]
    write_rows(into, rows)
    return Merged(len(rows), sum(1 for item in plan.items if item.filename not in plan.known))


def write_hparams(run: RunDirectory, manifest: Manifest, settings: RunSettings) -> None:
    """Upstream's ``hparams.json``, from what the worker read out of the checkpoint."""
    record = manifest.stages.get("generate")
    hparams = record.provenance.get("hparams") if record else None
    if hparams and settings.generation:
        samples = manifest.protocol.get("samples", settings.generation.samples)
        text = json.dumps(hparams | {"n_samples": samples}, indent=2)
        path = run.path / "hparams.json"
        if not path.is_file() or path.read_bytes() != text.encode():
            write_atomically(path, text)


def batch(settings: RunSettings) -> int:
    """Images a forward pass; 1 where that is yet to be found."""
    made = settings.generation.batch_size if settings.generation else 1
    return made if isinstance(made, int) else 1


def promised(settings: RunSettings) -> list[Item]:
    """The sweep's images; none where images are given."""
    return sweep_items(_generation(settings)) if settings.generation else []


def validate(settings: RunSettings, _prompts: Prompts) -> list[str]:
    """Settings of the sweep; the checkpoint is looked at where the run is opened."""
    _generation(settings)
    return []


GENERATE = Stage(
    "generate", "generation", "miro", "images.jsonl", "images", plan, merge, batch, validate,
    needs_images=False, promised=promised,
)  # fmt: skip
