"""The judges' stand-ins for the whole session, every scorer loaded once from them, and their authors' own files."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rewards.stand_ins import hub_cache, loader, overlook

_WORLD = hub_cache("vlm")


def pytest_configure(config: pytest.Config) -> None:
    overlook(config)


@pytest.fixture(scope="session")
def world() -> Path:
    """The folder of the stand-ins, which is the hub cache of this process."""
    from rewards.tiny_world.vlm.world import write_world

    write_world(_WORLD)
    return _WORLD


@pytest.fixture(scope="session")
def load(world: Path) -> Callable[..., Any]:
    """See :func:`loader`."""
    return loader({})


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
