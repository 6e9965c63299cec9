"""The choice of device."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")

from generation.device import choose_device  # noqa: E402 - torch decides whether this module runs
from wire.errors import EnvironmentFailure, UserError  # noqa: E402


def test_auto_follows_the_machine() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_gpu_that_is_not_there() -> None:
    with pytest.raises(EnvironmentFailure, match="cuda:99 was demanded"):
        choose_device("cuda:99")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", ""])
def test_unknown_name(name: str) -> None:
    with pytest.raises(UserError, match="expected auto, cpu, cuda"):
        choose_device(name)
