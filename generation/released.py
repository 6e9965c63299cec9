"""The sixteen released MIRO checkpoints, by name (README of miro-t2i 0.1.4)."""

from __future__ import annotations

import difflib
from pathlib import Path

from wire.errors import UserError
from wire.untrusted import read_json

MAIN_REPO = "nicolas-dufour/miro"
MAIN_NAME = "miro"
ABLATIONS_REPO = "nicolas-dufour/miro-ablations"

#: Subfolders of the ablations' repository: eight that lack one ingredient, seven trained on one reward.
VARIANTS = (
    "miro-no-synthetic-captions", "miro-no-clip", "miro-no-aesthetic", "miro-no-hpsv2", "miro-no-image-reward",
    "miro-no-pickscore", "miro-no-sciscore", "miro-no-vqa", "miro-only-aesthetic", "miro-only-clip", "miro-only-hpsv2",
    "miro-only-image-reward", "miro-only-pickscore", "miro-only-sciscore", "miro-only-vqa",
)  # fmt: skip


#: Reward axes of the released checkpoints, by what variants call the reward.
_AXES = {
    "clip": "clip_score", "aesthetic": "aesthetic_score", "image-reward": "image_reward_score",
    "pickscore": "pick_a_score_score", "hpsv2": "hpsv2_score", "vqa": "vqa_score", "sciscore": "sciscore_score",
}  # fmt: skip


def reward_axes(name: str, repo: str = "", folder: Path | None = None) -> tuple[str, ...] | None:
    """The rewards that a checkpoint was trained on, known without loading it.

    By the name that it has in a released repository, or by a hub layout's configuration; None where neither says.
    """
    if folder is not None:
        try:
            keys = read_json(folder / "config.json").get("coherence_keys")
        except (OSError, ValueError, AttributeError):
            return None
        return tuple(map(str, keys)) if isinstance(keys, list) else None
    if repo not in (MAIN_REPO, ABLATIONS_REPO):
        return None
    if name.startswith("miro-only-"):
        return tuple(axis for reward, axis in _AXES.items() if name == f"miro-only-{reward}")
    return tuple(axis for reward, axis in _AXES.items() if name != f"miro-no-{reward}")


def released_repo(name: str) -> tuple[str, str | None] | None:
    """Repository and variant of a released checkpoint's name, e.g. ``miro`` or ``miro-no-clip``; None for others."""
    if name == MAIN_NAME:
        return MAIN_REPO, None
    return (ABLATIONS_REPO, name) if name in VARIANTS else None


def check_variant(repo: str, variant: str | None) -> None:
    """Refuse a variant that a released repository does not have; other repositories are not known here.
    Raises UserError: no such variant, or none named where one is needed.
    """
    if repo == MAIN_REPO and variant:
        raise UserError(
            f"{repo}: holds one model, so it has no variant {variant}; the variants are in {ABLATIONS_REPO}"
        )
    if repo != ABLATIONS_REPO or variant in VARIANTS:
        return
    if not variant:
        raise UserError(f"{repo}: holds {len(VARIANTS)} models; choose one with --variant: {', '.join(VARIANTS)}")
    near = difflib.get_close_matches(variant, VARIANTS, n=1)
    meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(VARIANTS)}"
    raise UserError(f"{repo}: has no variant {variant}; {meant}")
