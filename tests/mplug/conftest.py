"""The judge's stand-in for the whole session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rewards.stand_ins import hub_cache, overlook

_WORLD = hub_cache("mplug")


def pytest_configure(config: pytest.Config) -> None:
    overlook(config, "ignore::UserWarning")


@pytest.fixture(scope="session")
def place() -> Path:
    """The folder of the judge's files, in the hub cache of this process."""
    from rewards.tiny_world.mplug.__main__ import write_world

    write_world(_WORLD)
    return next((_WORLD / "hub").glob("models--*/snapshots/*"))
