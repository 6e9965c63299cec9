"""Scores the fixed pairs as any other images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rewards.calibration.pairs import copy_published, write_pairs
from rewards.worker import not_loaded
from rewards.worker import work as score
from wire.protocol import Job, Reporter

STAGE = "rewards.calibration"


def work(job: Job, reporter: Reporter) -> None:
    """Draw the pairs into ``job.run_dir`` and score them; the parameters are those of a rewards job.

    Besides, ``published_images`` may name a folder with the four images of the ImageReward README.
    Raises UserError: bad parameters, or no such images; EnvironmentFailure: a scorer cannot be loaded, or a device is
    not there.
    """
    parameters = dict(job.parameters)
    published = parameters.pop("published_images", None)
    folder = Path(job.run_dir)
    items = write_pairs(folder)
    if published is not None:
        items += copy_published(Path(published), folder)
    if failures := score(dataclasses.replace(job, stage="rewards", items=items, parameters=parameters), reporter):
        raise not_loaded(failures)
