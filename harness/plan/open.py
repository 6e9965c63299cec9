"""Open a run: find its directory, its checkpoint's identity and its manifest."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generation.checkpoint_kinds import IMAGES, CheckpointSource, describe_source
from generation.released import reward_axes
from harness.environments.manager import going_on
from harness.environments.spec import ENVIRONMENTS
from harness.executors.submission import refuse_while_queued
from harness.run.contents import Contents
from harness.run.directory import RunDirectory, read_metadata
from harness.run.manifest import Manifest, harness_provenance
from harness.run.settings import GenerationSettings, RunSettings
from harness.stages.context import Pipeline, read_manifest
from harness.stages.generate import write_hparams
from harness.terminal.display import Display
from harness.weights.weight_source import WeightSource
from wire.errors import UserError
from wire.settings import protocol


@dataclass(frozen=True)
class Model:
    """What makes, or made, the images, once it was looked at; runs of one checkpoint share its ``contents``.

    One of several that is none has its ``fault``: its run fails, and the others are made.
    """

    settings: GenerationSettings
    source: CheckpointSource
    fault: UserError | None = field(default=None, compare=False)
    contents: Contents = field(default_factory=Contents, compare=False)

    def prompt_in(self, folder: Path) -> str | None:
        """The prompt of a prompt folder; None where it has none to be read."""
        with contextlib.suppress(UserError):
            return str(self.contents.of(folder / "metadata.jsonl", read_metadata)["prompt"])
        return None


def default_directory(source: CheckpointSource) -> Path:
    """``<checkpoint dir>/geneval_images/<checkpoint name>``, as upstream; for a repo id the same under ``.``."""
    if source.kind == IMAGES and source.path:
        return source.path
    folder = source.path.parent if source.path else Path()
    return folder / "geneval_images" / source.name


def describe(generation: GenerationSettings) -> CheckpointSource:
    """What makes the images; a UserError where it is not there, or not what it should be."""
    return describe_source(
        generation.checkpoint, generation.backend, variant=generation.variant, generator=generation.generator
    )


def describe_images(model: Model) -> list[str]:
    """Of a folder of images made already, a line that says what it lacks of the suite; nothing for a checkpoint.
    Raises UserError: the folder holds no images.
    """
    source, generation = model.source, model.settings
    if source.kind != IMAGES or source.path is None:
        return []
    from generation.image_folder import coverage
    from generation.suites import limit_indices, load_suite

    suite = load_suite(generation.suite)
    indices = limit_indices(suite.lines, generation.limit)
    prompts = {index: str(suite.lines[index]["prompt"]) for index in indices}
    return [coverage(source.path, prompts, generation.samples, suite.id, model.prompt_in)]


@contextlib.contextmanager
def open_run(
    settings: RunSettings, source: WeightSource, display: Display, model: Model | None = None
) -> Iterator[Pipeline]:
    """Lock the run directory and yield its pipeline; ``model`` is what makes or made its images, if looked at before.
    Raises UserError: no such checkpoint; the directory is in use, or another run's.
    """
    if model and model.fault:
        raise model.fault
    maker = _maker(settings, model)
    contents = model.contents if model and not maker else None
    with RunDirectory(settings.out, contents).locked() as run:
        refuse_while_queued(run)
        own_name = maker.source.name if maker else run.path.name
        manifest = read_manifest(run) or Manifest(settings.name or own_name)
        manifest.random_weights = manifest.random_weights or source.random
        manifest.harness = harness_provenance()
        if "harness.cli.app" in sys.modules:  # a program that calls us has arguments of its own
            manifest.note_command(sys.argv[1:], Path.cwd())
        if maker is not None:
            from generation.suites import load_suite  # numpy: not needed to say that a checkpoint is missing

            manifest.checkpoint = identify_checkpoint(maker.source, manifest.checkpoint, maker.contents)
            suite = load_suite(maker.settings.suite)
            manifest.suite = {"id": suite.id, "sha256": suite.sha256, "prompts": len(suite.lines)}
            manifest.protocol = {"suite": manifest.suite} | protocol(maker.settings)
            manifest.tflop_per_image = None if source.random else _tflop_per_image(maker)
        if judged := manifest.stages.get("geneval"):
            begun = judged.environment.get("backend", "")
            settings = replace(settings, env_backend=going_on(ENVIRONMENTS["geneval"], settings.env_backend, begun))
        yield Pipeline(run, manifest, settings, source, display)
        write_hparams(run, manifest, settings)


def _maker(settings: RunSettings, model: Model | None) -> Model | None:
    """What makes the run's images; None where they are given."""
    if settings.generation is None:
        if not settings.out.is_dir():
            raise UserError(f"{settings.out}: no such directory")
        return None
    generation = settings.generation
    maker = replace(model, settings=generation) if model else Model(generation, describe(generation))
    if maker.source.kind == IMAGES:
        path = maker.source.path
        raise UserError(f"{path}: these images exist already; judge and score them with `miro-eval all`")
    return maker


def _tflop_per_image(maker: Model) -> float | None:
    """Of both branches of the guidance and the VAE's decoder; known of the released checkpoints, all of one size."""
    from generation.flops import released_flops

    axes = reward_axes(maker.source.name, maker.source.repo)
    if axes is None or not maker.settings.steps:
        return None
    flops = released_flops(maker.settings.precision, len(axes))
    return round((flops.sampling(maker.settings.steps) + flops.decode) / 1e12, 3)


def identify_checkpoint(source: CheckpointSource, known: dict[str, Any] | None, contents: Contents) -> dict[str, Any]:
    """What distinguishes this checkpoint from others: the bytes of its files, or repo id, revision and variant.

    A checkpoint that has not changed since ``run.json`` was written is not hashed again: of the same place, size, and
    times of its bytes and of its entry; a copy may keep all but the last.
    """
    if source.path is None:
        identity = f"{source.repo}@{source.revision or 'main'}" + (f":{source.variant}" if source.variant else "")
        return {"name": source.name, "repo": source.repo, "identity": identity}
    files = source.files()
    states = ((name, file.stat()) for name, file in files.items())
    stamps = [[name, state.st_size, state.st_mtime_ns, state.st_ctime_ns] for name, state in states]
    if known and known.get("files") == stamps and known.get("path") == str(source.path):
        return known
    hashes = {name: contents.sha256(file) for name, file in files.items()}
    if source.generator:
        argument = Path(source.argument)
        named = argument.name if argument.exists() else source.argument  # a repository's id, which may be of any owner
        hashes |= {"generator": str(source.generator), "checkpoint": named}
    return {"name": source.name, "path": str(source.path), "files": stamps, "identity": hashes}
