"""A tiny world for the whole session, and every scorer loaded once from it.

Hub libraries read their environment when they are imported: it is set here, before any of them is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

_WORLD = Path(tempfile.mkdtemp(prefix="rewards-world-"))
os.environ |= {"HF_HOME": str(_WORLD), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from rewards.scorers import SCORERS, Scorer  # noqa: E402

#: Warnings that third-party packages raise about themselves.
_NOISE = (
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::SyntaxWarning",
    "ignore:pkg_resources is deprecated:UserWarning",
    "ignore:User provided device_type of 'cuda':UserWarning",  # hpsv2's autocast, on a machine without a GPU
    "ignore:Overwriting .* in registry:UserWarning",  # timm's models, registered by image-reward as well
)


def pytest_configure(config: pytest.Config) -> None:
    for line in _NOISE:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def world() -> Iterator[Path]:
    """The folder of the stand-ins, which is the hub cache of this process."""
    from rewards.tiny_world.world import write_world

    write_world(_WORLD)
    yield _WORLD
    shutil.rmtree(_WORLD, ignore_errors=True)


@pytest.fixture(scope="session")
def files(world: Path) -> Mapping[str, str]:
    """The job parameter ``files``."""
    return {name: str(world / "files" / f) for name, f in WORLD_FILES.items()}


WORLD_FILES = {"clip-vit-l-14": "clip-vit-l-14.pt", "aesthetic-mlp": "aesthetic-mlp.pth"}


@pytest.fixture(scope="session")
def load(files: Mapping[str, str]) -> Callable[..., Scorer]:
    """``load(metric)``: that scorer on the CPU, made once per (metric, precision).

    Tolerances are stated for float32: a scorer whose reference is bf16 is loaded in float32 as ``exact``.
    """
    loaded: dict[tuple[str, str], Scorer] = {}

    def get(metric: str, precision: str = "exact") -> Scorer:
        if (metric, precision) not in loaded:
            scorer = SCORERS[metric]()
            scorer.dtypes = {**scorer.dtypes, "exact": "float32"}
            scorer.load("cpu", precision, files)
            loaded[metric, precision] = scorer
        return loaded[metric, precision]

    return get


@pytest.fixture
def hpsv2_package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The authors' ``hpsv2.img_score``: its wheel lacks the vocabulary, which open_clip ships byte for byte."""
    import gzip

    import open_clip

    vocabulary = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    original = gzip.open

    def existing(name: Any, *args: Any, **options: Any) -> Any:
        return original(name if Path(name).exists() else vocabulary, *args, **options)

    monkeypatch.setattr(gzip, "open", existing)
    import hpsv2.img_score

    return hpsv2.img_score
