from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="runs in the geneval environment")

from geneval.parameters import device_faults_are_fatal, resolve_device  # noqa: E402
from wire.protocol import EnvironmentFailure, UserError  # noqa: E402


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    assert resolve_device("auto") == "cpu"
    with_gpus(monkeypatch, 1)
    assert resolve_device("auto") == "cuda"
    assert [resolve_device(name) for name in ("cpu", "cuda", "cuda:0")] == ["cpu", "cuda", "cuda:0"]


@pytest.mark.parametrize(("count", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_missing_gpu_is_not_replaced(monkeypatch: pytest.MonkeyPatch, count: int, name: str) -> None:
    with_gpus(monkeypatch, count)
    with pytest.raises(EnvironmentFailure, match=f"device {name} was demanded but torch sees {count} GPUs"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "", None])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="unknown device"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "rebuild the geneval environment"),
        ("CUDA error: an illegal memory access was encountered\nCompile with ...", "^the GPU failed: CUDA error: an"),
    ],
)
def test_cuda_errors_are_fatal(text: str, message: str) -> None:
    with pytest.raises(EnvironmentFailure, match=message), device_faults_are_fatal():
        raise RuntimeError(text)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), device_faults_are_fatal():
        raise RuntimeError("shapes do not match")


def test_a_full_gpu_is_told_apart() -> None:
    with pytest.raises(EnvironmentFailure, match=r"memory is full: .* --batch-size"), device_faults_are_fatal():
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
