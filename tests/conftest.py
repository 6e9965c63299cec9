"""Which tests belong to which interpreter.

The orchestrator's tests run where pytest was started. A stage's tests need its environment:
``test_stage_suites.py`` runs each of them there, and here they are passed over.
"""

from __future__ import annotations

import importlib.util

#: Test folder -> a package that only the stage's environment has.
_STAGES = {"generation": "miro", "geneval": "mmdet", "rewards": "hpsv2"}

collect_ignore = [folder for folder, package in _STAGES.items() if importlib.util.find_spec(package) is None]

if len(collect_ignore) < len(_STAGES):  # inside a stage's environment, which lacks the orchestrator's packages
    collect_ignore += ["harness", "reports", "end_to_end", "test_stage_suites.py"]
