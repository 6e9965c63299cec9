"""A tiny world for the whole session, and every scorer loaded once from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rewards.scorers import Scorer
from tests.rewards.stand_ins import hub_cache, loader, overlook

_WORLD = hub_cache("rewards")
_NOISE = (
    "ignore:pkg_resources is deprecated:UserWarning",
    "ignore:User provided device_type of 'cuda':UserWarning",  # hpsv2's autocast, on a machine without a GPU
    "ignore:Overwriting .* in registry:UserWarning",  # timm's models, registered by image-reward as well
)


def pytest_configure(config: pytest.Config) -> None:
    overlook(config, *_NOISE)


@pytest.fixture(scope="session")
def world() -> Path:
    """The folder of the stand-ins, which is the hub cache of this process."""
    from rewards.tiny_world.world import write_world

    write_world(_WORLD)
    return _WORLD


@pytest.fixture(scope="session")
def files(world: Path) -> Mapping[str, str]:
    """The job parameter ``files``."""
    return {name: str(world / "files" / f) for name, f in WORLD_FILES.items()}


WORLD_FILES = {"clip-vit-l-14": "clip-vit-l-14.pt", "aesthetic-mlp": "aesthetic-mlp.pth"}


@pytest.fixture(scope="session")
def load(files: Mapping[str, str]) -> Callable[..., Scorer]:
    """See :func:`loader`."""
    return loader(files)


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
