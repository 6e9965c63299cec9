"""The choice of device."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="runs in the generation environment")

from generation.device import torch_device  # noqa: E402 - torch decides whether this module runs


def test_the_device_gives_the_same_bytes_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    assert torch_device("cpu").type == "cpu"
    assert torch.backends.cudnn.deterministic
