"""A folder of stand-ins as the hub cache of this process, and scorers loaded from it, each once.

Hub libraries read their environment when they are imported: a ``conftest.py`` sets it here before any of them is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rewards.scorers import SCORERS

#: Warnings that third-party packages raise about themselves.
NOISE = ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")


def hub_cache(name: str) -> Path:
    """An empty folder for the session, which this process has for its hub cache from now on."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {"HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"}
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return folder


def overlook(config: pytest.Config, *warnings: str) -> None:
    """Let these warnings pass, and :data:`NOISE`."""
    for line in (*NOISE, *warnings):
        config.addinivalue_line("filterwarnings", line)


def loader(files: Mapping[str, str]) -> Callable[..., Any]:
    """``load(metric)``: that scorer on the CPU, made once per (metric, precision).

    Tolerances are stated for float32: a scorer whose reference is bf16 is loaded in float32 as ``exact``.
    """
    loaded: dict[tuple[str, str], Any] = {}

    def get(metric: str, precision: str = "exact") -> Any:
        if (metric, precision) not in loaded:
            scorer = SCORERS[metric]()
            scorer.dtypes = {**scorer.dtypes, "exact": "float32"}
            scorer.load("cpu", precision, files)
            loaded[metric, precision] = scorer
        return loaded[metric, precision]

    return get
