"""Which runs a command asks for: several checkpoints, a repository's variants."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from generation.checkpoint_kinds import DIFFUSERS_FILE, FOLDER, HUB_FILES, LIGHTNING, MIRO, REPO, CheckpointSource
from generation.image_folder import is_image_folder
from generation.released import ABLATIONS_REPO, MAIN_NAME, MAIN_REPO, VARIANTS
from harness.plan.open import Model, default_directory, describe
from harness.run.settings import GenerationSettings
from reports.read.names import distinct_names
from wire.errors import UserError
from wire.files import natural_order
from wire.paths import expanded


def each_checkpoint(base: GenerationSettings, arguments: Sequence[str], variants: str | None = None) -> list[Model]:
    """Each checkpoint named; each is looked at, none is loaded. One of several that is none comes with its fault.
    ``arguments``: checkpoints, or patterns like ``runs/*/last.ckpt``; matches come in natural order (``step=9`` before
    ``step=10``). None at all is a generator's.
    ``variants``: of one repository or folder, names with commas between, or ``all``: of either released repository the
    sixteen released checkpoints, of a folder its subfolders in the hub's layout.
    Raises UserError: a pattern matches nothing, a checkpoint is named twice, none of them is one, or there are no such
    variants.
    """
    named = [text for argument in arguments for text in _matches(argument)] or [""]
    chosen = [replace(base, checkpoint=text) for text in named]
    if variants is not None:
        chosen = [one for settings in chosen for one in _variants(settings, variants)]
    twice = [one.checkpoint for i, one in enumerate(chosen) if one in chosen[:i]]
    if twice:
        raise UserError(f"{twice[0]} is named twice: name each checkpoint once")
    models = [_looked_at(settings) for settings in chosen]
    faults = [model.fault for model in models if model.fault]
    if len(faults) == len(models):
        raise faults[0]
    return models


def _looked_at(settings: GenerationSettings) -> Model:
    try:
        return with_defaults(settings)
    except UserError as fault:
        path = expanded(settings.checkpoint)
        return Model(settings, CheckpointSource("", path.stem, path=path), fault)


def with_defaults(settings: GenerationSettings) -> Model:
    """The checkpoint looked at: MIRO's steps and guidance are upstream's; a diffusers pipeline has its own defaults.

    A folder that holds nothing else to evaluate stands for the only ``.ckpt`` in it.
    """
    if not (settings.generator or settings.variant) and settings.backend in ("auto", MIRO, LIGHTNING):
        settings = replace(settings, checkpoint=_only_checkpoint(settings.checkpoint))
    source = describe(settings)
    if source.kind in (LIGHTNING, FOLDER, REPO):
        unset = [name for name in ("steps", "guidance_scale") if getattr(settings, name) is None]
        settings = replace(settings, **{name: getattr(GenerationSettings, name) for name in unset})
    return Model(settings, source)


def _matches(argument: str) -> list[str]:
    if not glob.has_magic(argument) or Path(argument).exists():
        return [argument]
    found = sorted(glob.glob(argument, recursive=True), key=natural_order)  # noqa: PTH207 - also absolute patterns
    if not found:
        raise UserError(f"{argument}: no file or folder matches this pattern")
    return found


def _only_checkpoint(text: str) -> str:
    """The one ``.ckpt`` of a folder that is no checkpoint, pipeline or folder of images itself; else the text."""
    folder = expanded(text)
    if not text or not folder.is_dir() or any((folder / name).exists() for name in (*HUB_FILES, DIFFUSERS_FILE)):
        return text
    inside = [path for path in folder.glob("*.ckpt") if path.is_file()]
    return str(inside[0]) if len(inside) == 1 and not is_image_folder(folder) else text


def _variants(settings: GenerationSettings, variants: str) -> list[GenerationSettings]:
    if settings.variant:
        raise UserError("--variant and --variants: use one of them")
    released = settings.checkpoint in (MAIN_REPO, ABLATIONS_REPO, MAIN_NAME)
    if variants == "all":
        names = [MAIN_NAME, *VARIANTS] if released else _variants_in(settings.checkpoint)
    else:
        names = [name.strip() for name in variants.split(",")]
    if not all(names):
        raise UserError(f"--variants {variants!r}: expected all, or names with commas between")
    if released:
        return [replace(settings, checkpoint=name, variant=None) for name in names]
    return [replace(settings, variant=name) for name in names]


def _variants_in(checkpoint: str) -> list[str]:
    folder = expanded(checkpoint)
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [entry.name for entry in inside if all((entry / name).is_file() for name in HUB_FILES)]
    if not found:
        raise UserError(
            f"--variants all {checkpoint}: expected {MAIN_REPO}, {ABLATIONS_REPO}, or a folder whose subfolders have "
            f"the hub's layout ({', '.join(HUB_FILES)})"
        )
    return found


def run_directories(chosen: Sequence[Model], out: Path | None) -> list[Path]:
    """Where each run goes: of one run ``out`` itself, of several a folder in it, by name; without it, upstream's place.

    A UserError where two runs would share a directory.
    """
    places = [default_directory(model.source) for model in chosen]
    if out:
        places = [out] if len(chosen) == 1 else [out / name for name in distinct_names(places)]
    clash = {place for place in places if places.count(place) > 1}
    if clash:
        raise UserError(f"several runs would go to {min(clash)}: name --out, or run them one by one")
    return places


def grid_directories(chosen: Sequence[Model], out: Path | None) -> tuple[Path, list[str]]:
    """Where a grid's runs go, and each checkpoint's folder in there: none of one checkpoint, its name of several.

    A UserError where several checkpoints have no folder in common.
    """
    places = [default_directory(model.source) for model in chosen]
    if len(chosen) == 1:
        return out or places[0].with_name(f"{places[0].name}-sweep"), [""]
    if out is None:
        raise UserError(f"{len(chosen)} checkpoints over one grid: name the folder for their runs with --out")
    return out, distinct_names(places)
