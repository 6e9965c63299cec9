"""The judges' stand-ins for the whole session, and every scorer loaded once from them.

Hub libraries read their environment when they are imported: it is set here, before any of them is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_WORLD = Path(tempfile.mkdtemp(prefix="vlm-world-"))
os.environ |= {"HF_HOME": str(_WORLD), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from rewards.scorers import SCORERS  # noqa: E402

#: Warnings that third-party packages raise about themselves.
_NOISE = ("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")


def pytest_configure(config: pytest.Config) -> None:
    for line in _NOISE:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def world() -> Iterator[Path]:
    """The folder of the stand-ins, which is the hub cache of this process."""
    from rewards.tiny_world.vlm.world import write_world

    write_world(_WORLD)
    yield _WORLD
    shutil.rmtree(_WORLD, ignore_errors=True)


@pytest.fixture(scope="session")
def load(world: Path) -> Callable[..., Any]:
    """``load(metric)``: that scorer on the CPU, made once per (metric, precision); ``exact`` is float32."""
    loaded: dict[tuple[str, str], Any] = {}

    def get(metric: str, precision: str = "exact") -> Any:
        if (metric, precision) not in loaded:
            scorer = SCORERS[metric]()
            scorer.dtypes = {**scorer.dtypes, "exact": "float32"}
            scorer.load("cpu", precision, {})
            loaded[metric, precision] = scorer
        return loaded[metric, precision]

    return get


@pytest.fixture(scope="session")
def published() -> Callable[[str, str], Path]:
    """``published(address, sha256)``: an author's file, from ``$MIRO_EVAL_REFERENCES`` or fetched.

    It is another's work under another licence, and therefore not here; where it is not to be had, the test is skipped.
    """

    def get(address: str, sha256: str) -> Path:
        file = Path(os.environ.get("MIRO_EVAL_REFERENCES", _WORLD)) / address.rpartition("/")[2]
        if not file.exists():
            try:
                with urllib.request.urlopen(address, timeout=10) as answer:  # an address of ours, by https
                    content = answer.read()
            except OSError as error:
                pytest.skip(f"{address} is not to be had ({error}); put it into $MIRO_EVAL_REFERENCES")
            file.write_bytes(content)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256
        return file

    return get
