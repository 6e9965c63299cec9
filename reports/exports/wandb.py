"""Weights & Biases: one run a row, its numbers in the run's summary; ``WANDB_*`` variables decide where it goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.exports import Entry

PROJECT = "miro-eval"


def hand_over(entries: Sequence[Entry], folder: Path) -> str:
    """Log every run; with ``WANDB_MODE=offline`` into ``folder``, to be sent by ``wandb sync``."""
    import wandb  # type: ignore[import-not-found,unused-ignore]

    project = os.environ.get("WANDB_PROJECT", PROJECT)
    for entry in entries:
        run: Any = wandb.init(
            project=project, name=entry.name, config=entry.facts, dir=folder, reinit="finish_previous"
        )
        run.summary.update(entry.values)
        run.finish()
    offline = os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    return f"wandb project {project}: {len(entries)} runs" + (f", offline in {folder / 'wandb'}" if offline else "")
