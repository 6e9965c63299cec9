"""What the user's checkpoint argument means, found out in milliseconds.

Standard library only: the orchestrator asks before it makes an environment, the worker asks again before it loads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from generation.file_faults import archive_fault, fault_in_pipeline, fault_of, shards_in
from generation.image_folder import is_image_folder
from generation.own_generator import OwnGenerator, find_generator
from generation.released import VARIANTS, check_variant, released_repo
from wire.errors import UserError
from wire.paths import expanded

#: MIRO: a Lightning ``.ckpt`` beside its Hydra configuration, a folder in the published layout, a hub repository.
LIGHTNING, FOLDER, REPO = "lightning", "folder", "repo"
#: Any pipeline of diffusers, as a folder or a repository.
DIFFUSERS = "diffusers"
#: Images made already; a function of the user's. Neither can be demanded as a kind.
IMAGES, GENERATOR = "images", "generator"
#: Any of the first three.
MIRO = "miro"
KINDS = (MIRO, LIGHTNING, FOLDER, REPO, DIFFUSERS)

CONFIG_FILE = "config.yaml"
DIFFUSERS_FILE = "model_index.json"
HUB_FILES = ("config.json", "model.safetensors", "uncond_embedding.npy")

#: ``owner/name`` or ``owner/name@revision``, in the characters the hub allows.
_REPO_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class CheckpointSource:
    """Where a checkpoint is, and of which kind: one of those above, not :data:`MIRO`."""

    kind: str
    #: The default for the run's: the file's stem, the folder's, the repository's or the variant's.
    name: str
    #: The ``.ckpt`` file, the folder, or the generator's source; None for a repository.
    path: Path | None = None
    repo: str = ""
    #: Branch, tag or commit of the repository; None means its default branch.
    revision: str | None = None
    #: Subfolder of the repository; of a diffusers pipeline, the variant of its weights, e.g. ``fp16``.
    variant: str | None = None
    generator: OwnGenerator | None = None
    #: What the generator is called with as ``checkpoint``; empty for nothing.
    argument: str = ""

    def files(self) -> dict[str, Path]:
        """The files that make up a checkpoint on disk, by their name in it; none of a repository."""
        if self.path is None:
            return {}
        if self.kind == LIGHTNING:
            return {file.name: file for file in (self.path, self.path.parent / CONFIG_FILE)}
        if self.kind == DIFFUSERS:
            return _all_files(self.path)
        if self.kind == GENERATOR:
            argument = _all_files(Path(self.argument)) if self.argument else {}
            return {self.path.name: self.path} | {f"checkpoint/{name}": file for name, file in argument.items()}
        return {name: self.path / name for name in HUB_FILES}


def _all_files(path: Path) -> dict[str, Path]:
    """A file, or all in a folder, hidden ones aside; nothing where there is neither."""
    if path.is_file():
        return {path.name: path}
    inside = {str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if file.is_file()}
    return {name: file for name, file in inside.items() if not any(part.startswith(".") for part in Path(name).parts)}


def describe_source(
    checkpoint: str,
    kind: str = "auto",
    revision: str | None = None,
    variant: str | None = None,
    generator: str | None = None,
    folder: Path | None = None,
) -> CheckpointSource:
    """Like :func:`describe_checkpoint`, for a run that may have a generator of the user's.

    A generator, see :func:`generation.own_generator.find_generator`, is looked for in ``folder`` (the current one);
    ``checkpoint`` is handed to it as it stands, and may be empty. The others have no meaning for it.
    Raises UserError: see there, or neither checkpoint nor generator is given.
    """
    if generator is None:
        if not checkpoint:
            raise UserError("no checkpoint given; name one, or --generator module:function")
        return describe_checkpoint(checkpoint, kind, revision, variant)
    if kind != "auto" or revision or variant:
        raise UserError("--generator takes no backend, revision or variant")
    found = find_generator(generator, folder or Path.cwd())
    name = Path(checkpoint).stem if checkpoint else found.module.split(".")[-1]
    return CheckpointSource(GENERATOR, name, path=found.file, generator=found, argument=checkpoint)


def describe_checkpoint(
    text: str, kind: str = "auto", revision: str | None = None, variant: str | None = None
) -> CheckpointSource:
    """Tell what ``text`` names, and check as much of it as can be checked without loading anything.

    Whatever exists on disk is local; what does not, and reads like ``owner/name`` or ``owner/name@revision``, is a
    repository; so is a released checkpoint's name. Whether a repository exists is not asked here. It is taken for
    MIRO's unless ``diffusers`` is demanded as the kind, because looking into it would need the network.
    Raises UserError: nothing there, a file missing or something else in its place, contradicting arguments.
    """
    if kind not in ("auto", *KINDS):
        raise UserError(f"checkpoint kind {kind!r} is unknown; expected auto, {', '.join(KINDS)}")
    found = _look(text, kind, revision, variant)
    if revision and not found.repo:
        raise UserError(f"{text}: a revision ({revision}) applies to hub repositories only")
    if variant and found.kind in (LIGHTNING, IMAGES):
        raise UserError(f"{text}: a variant ({variant}) applies to hub repositories and folders only")
    if kind not in ("auto", found.kind) and not (kind == MIRO and found.kind in (LIGHTNING, FOLDER, REPO)):
        raise UserError(f"{text}: looks like kind {found.kind}, not {kind} as requested")
    return found


def _look(text: str, kind: str, revision: str | None, variant: str | None) -> CheckpointSource:
    path = expanded(text)
    if path.is_symlink() and (fault := fault_of(path)):
        raise UserError(f"{text}: {fault}")
    if kind == REPO or (kind not in (LIGHTNING, FOLDER) and not path.exists() and _reads_like_repo(text)):
        return _describe_repo(text, kind, revision, variant)
    if path.is_dir():
        return _describe_folder(path, kind, variant)
    if path.is_file():
        return _describe_lightning(path)
    raise UserError(
        f"{text}: no such file or folder, and not a repository id like owner/name; "
        "give a .ckpt with its config.yaml beside it, a folder in the hub's layout, a folder of images, "
        "a repository id, or a released checkpoint's name like miro-no-clip"
    )


def _reads_like_repo(text: str) -> bool:
    """``owner/name``, unless the owner is a folder right here: then it is a mistyped path."""
    if released_repo(text.partition("@")[0]):
        return True
    match = _REPO_ID.fullmatch(text)
    return bool(match) and not text.endswith((".ckpt", ".safetensors", ".yaml")) and not Path(text).parent.is_dir()


def _describe_repo(text: str, kind: str, revision: str | None, variant: str | None) -> CheckpointSource:
    name, at, revision_named = text.partition("@")
    if place := released_repo(name):
        if variant and name in VARIANTS:
            raise UserError(f"{name} is a variant already; omit --variant {variant}")
        text, variant = place[0] + at + revision_named, variant or place[1]
    match = _REPO_ID.fullmatch(text)
    if not match:
        raise UserError(f"{text}: not a repository id; expected owner/name or owner/name@revision")
    named = match["revision"]
    if named and revision and named != revision:
        raise UserError(f"{text}: names revision {named}, but revision {revision} is requested as well")
    repo, revision = match["repo"], named or revision
    if kind == DIFFUSERS:
        return CheckpointSource(DIFFUSERS, repo.split("/")[1], repo=repo, revision=revision, variant=variant)
    check_variant(repo, variant)
    return CheckpointSource(REPO, variant or repo.split("/")[1], repo=repo, revision=revision, variant=variant)


def _describe_folder(path: Path, kind: str, variant: str | None) -> CheckpointSource:
    if (path / DIFFUSERS_FILE).is_file() and kind in ("auto", DIFFUSERS):
        if fault := fault_in_pipeline(path):
            raise UserError(fault)
        return CheckpointSource(DIFFUSERS, path.resolve().name, path=path, variant=variant)
    if kind == DIFFUSERS:
        raise UserError(f"{path}: no {DIFFUSERS_FILE} in it; a diffusers pipeline's folder has one")
    if kind == "auto" and is_image_folder(path):
        return CheckpointSource(IMAGES, path.resolve().name, path=path)
    folder = path / variant if variant else path
    _check_published(folder, path)
    return CheckpointSource(FOLDER, folder.resolve().name, path=folder, variant=variant)


def _check_published(folder: Path, named: Path) -> None:
    files = [folder / name for name in HUB_FILES]
    for file in files:
        if fault := fault_of(file):
            raise UserError(f"{file}: {fault}")
    missing = [file.name for file in files if not file.is_file()]
    checkpoints = sorted(file.name for file in named.glob("*.ckpt") if file.is_file()) if missing else []
    advice = f"a folder in the hub's layout has {', '.join(HUB_FILES)}"
    if checkpoints:
        advice = f"to use a Lightning checkpoint in it, name the file ({', '.join(checkpoints)})"
    elif missing and (shards := shards_in(folder)):
        raise UserError(f"{folder}: {shards}")
    elif not folder.is_dir():
        advice = "there is no such folder"
    if missing:
        raise UserError(f"{folder}: {', '.join(missing)} missing; {advice}")


def _describe_lightning(path: Path) -> CheckpointSource:
    if fault := archive_fault(path):
        raise UserError(f"{path}: {fault}")
    config = path.parent / CONFIG_FILE
    if fault := fault_of(config):
        raise UserError(f"{config}: {fault}")
    if not config.is_file():
        raise UserError(
            f"{path}: no {CONFIG_FILE} beside it; copy the one that training left in the checkpoint's folder"
        )
    return CheckpointSource(LIGHTNING, path.stem, path=path)
