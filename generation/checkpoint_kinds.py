"""What the user's checkpoint argument means, found out in milliseconds.

Standard library only: the orchestrator asks before it makes an environment, the worker asks again before it loads.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError

__all__ = [
    "CONFIG_FILE",
    "FOLDER",
    "HUB_FILES",
    "KINDS",
    "LIGHTNING",
    "REPO",
    "CheckpointSource",
    "describe_checkpoint",
]

#: The kinds: a Lightning ``.ckpt`` beside its Hydra configuration, a folder in the published layout, a hub repository.
LIGHTNING, FOLDER, REPO = "lightning", "folder", "repo"
KINDS = (LIGHTNING, FOLDER, REPO)

CONFIG_FILE = "config.yaml"
HUB_FILES = ("config.json", "model.safetensors", "uncond_embedding.npy")

#: ``owner/name`` or ``owner/name@revision``, in the characters the hub allows.
_REPO_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class CheckpointSource:
    """Where a checkpoint is, and of which kind.

    Attributes:
        kind: one of :data:`KINDS`.
        name: short name, the default for the run's: the file's stem, the folder's, the repository's or the variant's.
        path: the ``.ckpt`` file or the folder with the three published files; None for a repository.
        repo: ``owner/name``; empty for local files.
        revision: branch, tag or commit of the repository; None means its default branch.
        variant: subfolder of the repository.
    """

    kind: str
    name: str
    path: Path | None = None
    repo: str = ""
    revision: str | None = None
    variant: str | None = None


def describe_checkpoint(
    text: str, kind: str = "auto", revision: str | None = None, variant: str | None = None
) -> CheckpointSource:
    """Tell what ``text`` names, and check as much of it as can be checked without loading anything.

    Whatever exists on disk is local; what does not, and reads like ``owner/name``, is a repository.
    Whether a repository exists is not asked here.

    Args:
        text: path of a ``.ckpt``, path of a folder, ``owner/name`` or ``owner/name@revision``.
        kind: one of :data:`KINDS` insists on that reading; ``auto`` looks.
        revision: of a repository, where ``text`` does not say.
        variant: subfolder of a folder or repository.

    Raises:
        UserError: nothing there, a file missing beside it, a damaged archive, contradicting arguments.
    """
    if kind not in ("auto", *KINDS):
        raise UserError(f"checkpoint kind {kind!r} is unknown; expected auto, {', '.join(KINDS)}")
    found = _look(text, kind, revision, variant)
    _refuse_meaningless(found, text, revision, variant)
    if kind not in ("auto", found.kind):
        raise UserError(f"{text}: looks like kind {found.kind}, not {kind} as demanded")
    return found


def _look(text: str, kind: str, revision: str | None, variant: str | None) -> CheckpointSource:
    path = Path(text).expanduser()
    if kind == REPO or (kind == "auto" and not path.exists() and _reads_like_repo(text)):
        return _describe_repo(text, revision, variant)
    if path.is_dir():
        return _describe_folder(path, variant)
    if path.is_file():
        return _describe_lightning(path)
    raise UserError(
        f"{text}: no such file or folder, and not a repository id like owner/name; "
        "give a .ckpt with its config.yaml beside it, a folder in the hub's layout, or a repository id"
    )


def _refuse_meaningless(found: CheckpointSource, text: str, revision: str | None, variant: str | None) -> None:
    if revision and found.kind != REPO:
        raise UserError(f"{text}: a revision ({revision}) has a meaning for hub repositories only")
    if variant and found.kind == LIGHTNING:
        raise UserError(f"{text}: a variant ({variant}) has a meaning for hub repositories and folders only")


def _reads_like_repo(text: str) -> bool:
    """``owner/name``, unless the owner is a folder right here: then it is a mistyped path."""
    match = _REPO_ID.fullmatch(text)
    return bool(match) and not text.endswith((".ckpt", ".safetensors", ".yaml")) and not Path(text).parent.is_dir()


def _describe_repo(text: str, revision: str | None, variant: str | None) -> CheckpointSource:
    match = _REPO_ID.fullmatch(text)
    if not match:
        raise UserError(f"{text}: not a repository id; expected owner/name or owner/name@revision")
    named = match["revision"]
    if named and revision and named != revision:
        raise UserError(f"{text}: names revision {named}, but revision {revision} is demanded as well")
    name = variant or match["repo"].split("/")[1]
    return CheckpointSource(REPO, name, repo=match["repo"], revision=named or revision, variant=variant)


def _describe_folder(path: Path, variant: str | None) -> CheckpointSource:
    folder = path / variant if variant else path
    missing = [name for name in HUB_FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder}: {', '.join(missing)} missing; {_advice(path, folder)}")
    return CheckpointSource(FOLDER, folder.resolve().name, path=folder, variant=variant)


def _advice(path: Path, folder: Path) -> str:
    """What the user of an incomplete folder probably meant."""
    checkpoints = sorted(file.name for file in path.glob("*.ckpt"))
    if checkpoints:
        return f"to use a Lightning checkpoint in it, name the file ({', '.join(checkpoints)})"
    if not folder.is_dir():
        return "there is no such folder"
    return f"a folder in the hub's layout has {', '.join(HUB_FILES)}"


def _describe_lightning(path: Path) -> CheckpointSource:
    _check_archive(path)
    if not (path.parent / CONFIG_FILE).is_file():
        raise UserError(
            f"{path}: no {CONFIG_FILE} beside it; copy the one that training left in the checkpoint's folder"
        )
    return CheckpointSource(LIGHTNING, path.stem, path=path)


def _check_archive(path: Path) -> None:
    """A PyTorch file is a zip archive with its directory at the end; reading that takes no time, whatever its size."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        names = zipfile.ZipFile(path).namelist() if magic == b"PK\x03\x04" else []
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: unreadable or cut short ({error}); copy or download it again") from error
    if not any(name.endswith("/data.pkl") for name in names):
        raise UserError(f"{path}: not a PyTorch checkpoint; expected a .ckpt that Lightning wrote")
