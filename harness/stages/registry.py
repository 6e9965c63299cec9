"""The stages there are. A new one is a module beside this, and a line here."""

from __future__ import annotations

from harness.stages.base import Stage
from harness.stages.generate import GENERATE
from harness.stages.geneval import GENEVAL
from harness.stages.rewards import REWARDS

#: In the order of the main job.
STAGES: dict[str, Stage] = {stage.name: stage for stage in (GENERATE, GENEVAL, REWARDS)}
