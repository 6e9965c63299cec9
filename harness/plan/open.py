"""Open a run: find its directory, its checkpoint's identity and its manifest."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generation.checkpoint_kinds import (
    CONFIG_FILE,
    DIFFUSERS,
    GENERATOR,
    HUB_FILES,
    IMAGES,
    LIGHTNING,
    CheckpointSource,
    describe_source,
)
from harness.executors.submission import refuse_while_queued
from harness.run.directory import RunDirectory
from harness.run.manifest import Manifest, harness_provenance
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.context import Pipeline
from harness.stages.generate import write_hparams
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from wire.errors import UserError
from wire.files import sha256_of_file
from wire.settings import protocol


def default_directory(generation: GenerationSettings) -> Path:
    """``<checkpoint dir>/geneval_images/<checkpoint name>``, as upstream; for a repo id the same under ``.``."""
    source = describe(generation)
    if source.kind == IMAGES and source.path:
        return source.path
    folder = source.path.parent if source.path else Path()
    return folder / "geneval_images" / source.name


def describe(generation: GenerationSettings) -> CheckpointSource:
    """What makes the images.

    Raises:
        UserError: it is not there, or not what it should be.
    """
    return describe_source(
        generation.checkpoint, generation.backend, variant=generation.variant, generator=generation.generator
    )


def describe_images(generation: GenerationSettings) -> list[str]:
    """Of a folder of images made already, a line that says what it lacks of the suite; nothing for a checkpoint.

    Raises:
        UserError: the folder holds no images.
    """
    source = describe(generation)
    if source.kind != IMAGES or source.path is None:
        return []
    from generation.image_folder import coverage
    from generation.suites import limit_indices, load_suite

    suite = load_suite(generation.suite)
    indices = limit_indices(suite.lines, generation.limit)
    prompts = {index: str(suite.lines[index]["prompt"]) for index in indices}
    return [coverage(source.path, prompts, generation.samples, suite.id)]


@contextlib.contextmanager
def open_run(settings: RunSettings, source: WeightSource, display: Display) -> Iterator[Pipeline]:
    """Lock the run directory and yield its pipeline.

    Raises:
        UserError: no such checkpoint; the directory is in use, or another run's.
    """
    checkpoint = describe(settings.generation) if settings.generation else None
    if checkpoint is not None and checkpoint.kind == IMAGES:
        raise UserError(f"{checkpoint.path}: these images are made already; judge and score them with `miro-eval all`")
    if checkpoint is None and not settings.out.is_dir():
        raise UserError(f"{settings.out}: no such directory")
    with RunDirectory(settings.out).locked() as run:
        refuse_while_queued(run)
        manifest = Manifest.read(run.manifest) or Manifest(_name(settings, run))
        manifest.random_weights = manifest.random_weights or source.random
        manifest.harness = harness_provenance()
        manifest.note_command(sys.argv[1:], Path.cwd())
        if checkpoint is not None and settings.generation is not None:
            manifest.checkpoint = identify_checkpoint(checkpoint, manifest.checkpoint)
            manifest.suite = _suite(settings.generation)
            manifest.protocol = _protocol(settings.generation, manifest.suite)
        yield Pipeline(run, manifest, settings, source, display)
        write_hparams(run, manifest, settings)


def _name(settings: RunSettings, run: RunDirectory) -> str:
    if settings.name:
        return settings.name
    return describe(settings.generation).name if settings.generation else run.path.name


def identify_checkpoint(source: CheckpointSource, known: dict[str, Any] | None) -> dict[str, Any]:
    """What distinguishes this checkpoint from others: the bytes of its files, or repo id, revision and variant.

    A checkpoint that has not changed since ``run.json`` was written (same size and time) is not hashed again.
    """
    if source.path is None:
        identity = f"{source.repo}@{source.revision or 'main'}" + (f":{source.variant}" if source.variant else "")
        return {"name": source.name, "repo": source.repo, "identity": identity}
    files = checkpoint_files(source, source.path)
    stamps = [[name, file.stat().st_size, file.stat().st_mtime_ns] for name, file in files.items()]
    if known and known.get("files") == stamps:
        return known
    hashes = {name: sha256_of_file(file) for name, file in files.items()}
    if source.generator:
        hashes |= {"generator": str(source.generator), "checkpoint": Path(source.argument).name}
    return {"name": source.name, "path": str(source.path), "files": stamps, "identity": hashes}


def checkpoint_files(source: CheckpointSource, path: Path) -> dict[str, Path]:
    """The files that make up a checkpoint on disk, by their name in it."""
    if source.kind == LIGHTNING:
        return {file.name: file for file in (path, path.parent / CONFIG_FILE)}
    if source.kind == DIFFUSERS:
        return _all_files(path)
    if source.kind == GENERATOR:
        argument = _all_files(Path(source.argument)) if source.argument else {}
        return {path.name: path} | {f"checkpoint/{name}": file for name, file in argument.items()}
    return {name: path / name for name in HUB_FILES}


def _all_files(path: Path) -> dict[str, Path]:
    """A file, or all in a folder, hidden ones aside; nothing where there is neither."""
    if path.is_file():
        return {path.name: path}
    inside = {str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if file.is_file()}
    return {name: file for name, file in inside.items() if not any(part.startswith(".") for part in Path(name).parts)}


def _suite(generation: GenerationSettings) -> dict[str, Any]:
    from generation.suites import load_suite  # numpy: not needed to say that a checkpoint is missing

    suite = load_suite(generation.suite)
    return {"id": suite.id, "sha256": suite.sha256, "prompts": len(suite.lines)}


def _protocol(generation: GenerationSettings, suite: dict[str, Any]) -> dict[str, Any]:
    """The settings that two comparable runs share; which checkpoint and how many prompts is not among them."""
    return {"suite": suite} | protocol(generation)
