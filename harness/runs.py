"""Open a run: find its directory, its checkpoint's identity and its manifest."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generation.checkpoint_kinds import CONFIG_FILE, HUB_FILES, CheckpointSource, describe_checkpoint
from harness.display import Display
from harness.errors import UserError
from harness.files import sha256_of_file, write_atomically
from harness.manifest import Manifest, harness_provenance
from harness.pipeline import Pipeline
from harness.run_directory import RunDirectory
from harness.settings import GenerationSettings, RunSettings
from harness.weight_source import WeightSource


def default_directory(generation: GenerationSettings) -> Path:
    """``<checkpoint dir>/geneval_images/<checkpoint name>``, as upstream; for a repo id the same under ``.``."""
    source = _describe(generation)
    folder = source.path.parent if source.path else Path()
    return folder / "geneval_images" / source.name


def _describe(generation: GenerationSettings) -> CheckpointSource:
    return describe_checkpoint(generation.checkpoint, variant=generation.variant)


@contextlib.contextmanager
def open_run(settings: RunSettings, source: WeightSource, display: Display) -> Iterator[Pipeline]:
    """Lock the run directory and yield its pipeline.

    Raises:
        UserError: no such checkpoint; the directory is in use, or another run's.
    """
    checkpoint = _describe(settings.generation) if settings.generation else None
    if checkpoint is None and not settings.out.is_dir():
        raise UserError(f"{settings.out}: no such directory")
    with RunDirectory(settings.out).locked() as run:
        manifest = Manifest.read(run.manifest) or Manifest(_name(settings, run))
        manifest.random_weights = manifest.random_weights or source.random
        manifest.harness = harness_provenance()
        if checkpoint is not None and settings.generation is not None:
            manifest.checkpoint = identify_checkpoint(checkpoint, manifest.checkpoint)
            manifest.suite = _suite(settings.generation)
            manifest.protocol = _protocol(settings.generation, manifest.suite)
        yield Pipeline(run, manifest, settings, source, display)
        _write_hparams(run, manifest, settings)


def _name(settings: RunSettings, run: RunDirectory) -> str:
    return _describe(settings.generation).name if settings.generation else run.path.name


def identify_checkpoint(source: CheckpointSource, known: dict[str, Any] | None) -> dict[str, Any]:
    """What distinguishes this checkpoint from others: the bytes of its files, or repo id, revision and variant.

    A checkpoint that has not changed since ``run.json`` was written (same size and time) is not hashed again.
    """
    if source.path is None:
        identity = f"{source.repo}@{source.revision or 'main'}" + (f":{source.variant}" if source.variant else "")
        return {"name": source.name, "repo": source.repo, "identity": identity}
    files = checkpoint_files(source.path)
    stamps = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    if known and known.get("files") == stamps:
        return known
    hashes = {file.name: sha256_of_file(file) for file in files}
    return {"name": source.name, "path": str(source.path), "files": stamps, "identity": hashes}


def checkpoint_files(path: Path) -> list[Path]:
    """The files that make up a checkpoint on disk."""
    if path.is_file():
        return [path, path.parent / CONFIG_FILE]
    return [path / name for name in HUB_FILES]


def _suite(generation: GenerationSettings) -> dict[str, Any]:
    from generation.suites import load_suite  # numpy: not needed to say that a checkpoint is missing

    suite = load_suite(generation.suite)
    return {"id": suite.id, "sha256": suite.sha256, "prompts": len(suite.lines)}


def _protocol(generation: GenerationSettings, suite: dict[str, Any]) -> dict[str, Any]:
    """The settings that two comparable runs share; which checkpoint and how many prompts is not among them."""
    apart = ("checkpoint", "variant", "suite", "limit", "trust_checkpoint")
    return {"suite": suite} | {key: value for key, value in asdict(generation).items() if key not in apart}


def _write_hparams(run: RunDirectory, manifest: Manifest, settings: RunSettings) -> None:
    """Upstream's ``hparams.json``, from what the worker read out of the checkpoint."""
    record = manifest.stages.get("generate")
    hparams = record.provenance.get("hparams") if record else None
    if hparams and settings.generation:
        text = json.dumps(hparams | {"n_samples": settings.generation.samples}, indent=2)
        write_atomically(run.path / "hparams.json", text)
