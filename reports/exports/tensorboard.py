"""TensorBoard: one folder of events a run, its numbers as scalars of step 0 and its facts as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.exports import Entry

_NOT_IN_NAMES = re.compile(r"[^\w.=-]+")


def hand_over(entries: Sequence[Entry], folder: Path) -> str:
    """Write ``tensorboard/<number>-<run>`` below ``folder``."""
    from tensorboardX import SummaryWriter  # type: ignore[import-not-found,import-untyped,unused-ignore]

    place = folder / "tensorboard"
    for number, entry in enumerate(entries, start=1):
        # The number tells apart runs whose names differ in what no folder's name should have.
        name = f"{number:03d}-{_NOT_IN_NAMES.sub('-', entry.name)}"
        with SummaryWriter(logdir=str(place / name), write_to_disk=True) as events:
            for metric, value in entry.values.items():
                events.add_scalar(f"miro-eval/{metric}", value, 0)
            for fact, text in entry.facts.items():
                events.add_text(f"miro-eval/{fact}", text, 0)
    return f"tensorboard --logdir {place}: {len(entries)} runs"
