"""Files of hub repositories for the generation stage: what the user named, and what MIRO decodes and encodes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generation.file_faults import fault_of
from wire.errors import EnvironmentFailure, UserError
from wire.files import sha256_of_file
from wire.hub import Repository, cached_sha256
from wire.hub_client import NoSuchFile, Refused


def checkpoint_files(repo: str, names: tuple[str, ...], revision: str | None, subfolder: str | None) -> list[Path]:
    """Paths of a checkpoint's files, of the head that its branch has now.
    Raises UserError: the hub says that there is no such repository, revision or file; EnvironmentFailure: not in the
    cache, and not to be had.
    """
    inside = [f"{subfolder}/{name}" if subfolder else name for name in names]
    try:
        with users_choice():
            folder = Repository(repo, revision or "").get(*inside, fresh=True)
    except NoSuchFile as error:
        where = f"under {subfolder}/" if subfolder else "at its root (is it in a subfolder? then name the variant)"
        raise UserError(
            f"{error}: not a MIRO checkpoint: config.json, model.safetensors and uncond_embedding.npy are expected "
            f"{where}; for a pipeline of diffusers, use --backend diffusers"
        ) from error
    return [_sound(folder / name, repo) for name in inside]


def repo_weights(
    repo: str, file: str | None = None, revision: str | None = None, subfolder: str | None = None
) -> dict[str, str]:
    """Provenance of a pretrained model: repository, commit, and name and sha256 of its weights where they are one file.

    ``file`` is None where they come in shards, which the commit tells well enough.
    Raises UserError, EnvironmentFailure: as for :func:`checkpoint_files`; the cache's head of a branch will do here.
    """
    inside = f"{subfolder}/" if subfolder else ""
    names = [inside + name for name in ("config.json", file) if name]
    with users_choice(and_files=True):
        folder = Repository(repo, revision or "").get(*names)
    known = cached_sha256(_sound(folder / names[-1], repo)) if file else None
    return {"repo": repo, "revision": folder.name} | ({"file": str(file), "sha256": known} if known else {})


def _sound(file: Path, repo: str) -> Path:
    if fault := fault_of(file):
        raise EnvironmentFailure(f"{repo}: {file}: {fault}")
    return file


def snapshot_revision(path: Path) -> str:
    """The commit in the path of a cached file: ``.../snapshots/<commit>/...``."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]


def file_sha256(path: Path) -> str:
    """Hash of a file; that of a large file in the hub's cache is known without reading."""
    return cached_sha256(path) or sha256_of_file(path)


@contextmanager
def users_choice(and_files: bool = False) -> Iterator[None]:
    """What the user named is the user's to fix, where the hub refuses it; a missing file only if ``and_files``."""
    try:
        yield
    except Refused as error:
        if isinstance(error, NoSuchFile) and not and_files:
            raise
        raise UserError(str(error)) from error
