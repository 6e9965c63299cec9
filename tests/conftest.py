"""Which tests belong to which interpreter.

The orchestrator's tests run where pytest was started. A stage's tests need its environment:
``test_stage_suites.py`` runs each of them there, and here they are passed over.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

#: Test folder -> a package that only the stage's environment has.
_STAGES = {"generation": "miro", "geneval": "mmdet", "rewards": "hpsv2"}

collect_ignore = [folder for folder, package in _STAGES.items() if importlib.util.find_spec(package) is None]

if len(collect_ignore) < len(_STAGES):  # inside a stage's environment, which lacks the orchestrator's packages
    collect_ignore += ["harness", "reports", "bench", "wire", "slurm", "fuzz", "end_to_end", "test_stage_suites.py"]

#: The same of environments that are made on demand.
_JUDGES = {"vlm": "torch", "mplug": "modelscope"}

collect_ignore += [folder for folder, package in _JUDGES.items() if importlib.util.find_spec(package) is None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, so that workers running side by side end together; the tests of a file share its fixtures."""
    order = ["test_stage_suites.py", "end_to_end", "slurm"]
    items.sort(key=lambda item: next((i for i, name in enumerate(order) if name in item.path.parts), len(order)))
    for item in items if config.pluginmanager.hasplugin("xdist") else []:
        group = item.nodeid if item.path.name == "test_stage_suites.py" else _file_of(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def _file_of(path: Path) -> str:
    return str(path.relative_to(Path(__file__).parent))
