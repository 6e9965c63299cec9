"""The stages there are. A new one is a module beside this, and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from harness.run.settings import RunSettings
from harness.stages.base import Prompts, Stage
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS

#: In the order of the main job.
STAGES: dict[str, Stage] = {stage.name: stage for stage in (GENERATE, GENEVAL, REWARDS)}


def validate(settings: RunSettings, names: Iterable[str]) -> list[str]:
    """Look at everything that can be wrong with a run's settings and prompts, before anything is made.
    Returns lines for the user about what will be lacking in the end.
    Raises UserError: a stage could not run, or there is no such suite.
    """
    settings.check()
    prompts: Prompts = {}
    if settings.generation is not None:
        from generation.suites import limit_indices, load_suite

        settings.generation.check()
        lines = load_suite(settings.generation.suite).lines
        prompts = {index: lines[index] for index in limit_indices(lines, settings.generation.limit)}
    return [note for name in names for note in STAGES[name].validate(settings, prompts)]
